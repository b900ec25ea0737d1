"""Wrong answers to the exercises of notebooks/09_bit.ipynb: convolution, weight standardisation, receptive field."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vitedu.check.engine import quiet
from vitedu_numpy.layers.conv import conv2d as _np_conv2d
from vitedu_numpy.layers.conv import conv2d_backward as _np_conv2d_backward
from vitedu_numpy.layers.conv import standardize as _np_standardize

from . import FirstGeneration

__all__ = ["conv2d", "conv2d_backward", "receptive_field", "standardize"]


# ---- conv2d(x, weight, stride, padding) -> y -------------------------------------------------------------------------


def _conv(x, weight, stride, pad, mode="constant"):
    """The right answer, with room for a slip: stride (down, across), pad ((top, bottom), (left, right))."""
    padded = np.pad(x, ((0, 0), (0, 0), *pad), mode=mode)
    windows = sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[:, :, :: stride[0], :: stride[1]]
    return np.einsum("bcpqij,ocij->bopq", windows, weight)


def _changed(weights=lambda w: w, strides=lambda s: (s, s), pads=lambda p: ((p, p), (p, p)), mode="constant"):
    """A wrong answer in which one setting is taken differently."""
    return lambda x, weight, stride, padding: _conv(x, weights(weight), strides(stride), pads(padding), mode)


def _all_sides(padding):
    return (padding, padding), (padding, padding)


def _first_channel(x, weight, stride, padding):
    return _conv(x[:, :1], weight[:, :1], (stride, stride), _all_sides(padding))


def _channel_mean(x, weight, stride, padding):
    return _conv(x, weight, (stride, stride), _all_sides(padding)) / x.shape[1]


def _one_filter_for_all(x, weight, stride, padding):
    """Every channel is read by the same slice of the filter."""
    return _conv(x, np.repeat(weight[:, :1], x.shape[1], axis=1), (stride, stride), _all_sides(padding))


def _columns_channels_last(x, weight, stride, padding):
    """Windows laid flat as (kh, kw, C), filters as (C, kh, kw)."""
    O, C, kh, kw = weight.shape
    return _conv(x, weight.reshape(O, kh, kw, C).transpose(0, 3, 1, 2), (stride, stride), _all_sides(padding))


def _filters_last(x, weight, stride, padding):
    return _conv(x, weight, (stride, stride), _all_sides(padding)).transpose(0, 2, 3, 1)


def _axes_exchanged(weight):
    O, C, kh, kw = weight.shape
    return weight.reshape(C, O, kh, kw).swapaxes(0, 1)


conv2d = FirstGeneration(
    lambda x, weight, stride, padding: _np_conv2d(x, weight, stride, padding)[0],
    [
        ("the kernel is flipped, as in a mathematician's convolution", _changed(weights=lambda w: w[:, :, ::-1, ::-1])),
        ("the padding is forgotten", _changed(pads=lambda p: ((0, 0), (0, 0)))),
        ("the padding stands at the bottom and right only", _changed(pads=lambda p: ((0, p), (0, p)))),
        ("all of the padding stands at the bottom and right", _changed(pads=lambda p: ((0, 2 * p), (0, 2 * p)))),
        ("only rows are padded, not columns", _changed(pads=lambda p: ((p, p), (0, 0)))),
        ("the border is filled with its nearest pixels instead of zeros", _changed(mode="edge")),
        ("the stride is not used", _changed(strides=lambda s: (1, 1))),
        ("the stride is used on the way down, but not across", _changed(strides=lambda s: (s, 1))),
        ("the stride is used across, but not on the way down", _changed(strides=lambda s: (1, s))),
        ("only the first channel is read", _first_channel),
        ("the channels are averaged instead of added up", _channel_mean),
        ("all channels are read by the first slice of the filter", _one_filter_for_all),
        ("weight is read as (C, O, kh, kw): the first two axes are exchanged", _changed(weights=_axes_exchanged)),
        ("windows are laid flat as (kh, kw, C), filters as (C, kh, kw)", _columns_channels_last),
        ("the outputs stand last, (B, Ho, Wo, O)", _filters_last),
    ],
)


# ---- conv2d_backward(dy, x, weight, stride, padding) -> dx, dweight --------------------------------------------------


def _conv2d_gradients(dy, x, weight, stride, padding):
    _, cache = _np_conv2d(x, weight, stride, padding)
    return _np_conv2d_backward(dy, cache)


def _to_pixels(dy, x, weight, stride, padding, *, step=None, add=True):
    """dx with its border, by loops over the windows."""
    (_, _, H, W), (kh, kw), step = x.shape, weight.shape[2:], step or stride
    dpadded = np.zeros((*x.shape[:2], H + 2 * padding, W + 2 * padding))
    for p in range(dy.shape[2]):
        for q in range(dy.shape[3]):
            window = dpadded[:, :, p * step : p * step + kh, q * step : q * step + kw]
            part = np.einsum("bo,ocij->bcij", dy[:, :, p, q], weight)
            window[...] = window * add + part
    return dpadded


def _cut(dpadded, x, padding):
    H, W = x.shape[2:]
    return dpadded[:, :, padding : padding + H, padding : padding + W]


def _other_dx(function):
    """A wrong answer that differs from the right one in dx alone."""

    def wrong(dy, x, weight, stride, padding):
        return function(dy, x, weight, stride, padding), _conv2d_gradients(dy, x, weight, stride, padding)[1]

    return wrong


def _other_dweight(function):
    """A wrong answer that differs from the right one in dweight alone."""

    def wrong(dy, x, weight, stride, padding):
        dx, dweight = _conv2d_gradients(dy, x, weight, stride, padding)
        return dx, function(dweight, dy, x, weight, stride, padding)

    return wrong


def _overwritten(*args):
    return _cut(_to_pixels(*args, add=False), args[1], args[-1])


def _flipped(dy, x, weight, stride, padding):
    return _cut(_to_pixels(dy, x, weight[:, :, ::-1, ::-1], stride, padding), x, padding)


def _not_spread(*args):
    return _cut(_to_pixels(*args, step=1), args[1], args[-1])


def _cut_at_the_corner(dy, x, weight, stride, padding):
    return _cut(_to_pixels(dy, x, weight, stride, padding), x, 0)


def _mean_over_windows(dy, x, weight, stride, padding):
    """Every pixel takes the mean of what its windows send."""
    ones = np.ones_like(weight[:1, :1])
    seen = _to_pixels(np.ones_like(dy[:1, :1]), x[:1, :1], ones, stride, padding)
    return _cut(_to_pixels(dy, x, weight, stride, padding) / np.maximum(seen, 1), x, padding)


def _last_image(dweight, dy, x, weight, stride, padding):
    return _conv2d_gradients(dy[-1:], x[-1:], weight, stride, padding)[1]


def _windows_of_the_image(dweight, dy, x, weight, stride, padding):
    """The zeros stand at the end: windows cut from an image that was not moved."""
    padded = np.pad(x, ((0, 0), (0, 0), (0, 2 * padding), (0, 2 * padding)))
    windows = sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("bopq,bcpqij->ocij", dy, windows)


conv2d_backward = FirstGeneration(
    _conv2d_gradients,
    [
        ("in dx, each window overwrites what the windows before it had sent", _other_dx(_overwritten)),
        ("dx is the mean over the windows of a pixel, not the sum", _other_dx(_mean_over_windows)),
        ("dx still has the border of the padding", _other_dx(lambda *args: _to_pixels(*args))),
        ("dx is cut out at the top left corner, not inside the border", _other_dx(_cut_at_the_corner)),
        ("in dx, the filters are flipped once too often", _other_dx(_flipped)),
        ("in dx, the stride is forgotten: all windows are one pixel apart", _other_dx(_not_spread)),
        (
            "dweight is the mean over the images, not the sum",
            _other_dweight(lambda dweight, dy, *rest: dweight / len(dy)),
        ),
        (
            "dweight is the mean over the places of the window, not the sum",
            _other_dweight(lambda dweight, dy, *rest: dweight / math.prod(dy.shape[2:])),
        ),
        ("dweight comes from the last image alone", _other_dweight(_last_image)),
        ("dweight is flipped", _other_dweight(lambda dweight, *rest: dweight[:, :, ::-1, ::-1])),
        (
            "dweight is made from windows of an image without the zeros above and to the left",
            _other_dweight(_windows_of_the_image),
        ),
        ("dx and dweight are in each other's place", lambda *args: _conv2d_gradients(*args)[::-1]),
    ],
)


# ---- standardize(weight, eps) -> what --------------------------------------------------------------------------------


def _standardized(weight, eps, axis=(1, 2, 3), ddof=0):
    mean = weight.mean(axis=axis, keepdims=True)
    return (weight - mean) / np.sqrt(weight.var(axis=axis, ddof=ddof, keepdims=True) + eps)


def _centred(weight):
    return weight - weight.mean(axis=(1, 2, 3), keepdims=True)


def _variance(weight):
    return weight.var(axis=(1, 2, 3), keepdims=True)


standardize = FirstGeneration(
    lambda weight, eps: _np_standardize(weight, eps)[0],
    [
        ("one mean and one variance serve the whole tensor", lambda weight, eps: _standardized(weight, eps, axis=None)),
        ("mean and variance run over the filters (axis 0)", lambda weight, eps: _standardized(weight, eps, axis=0)),
        (
            "every kernel, one per pair of channels, is standardised by itself",
            quiet(lambda weight, eps: _standardized(weight, eps, axis=(2, 3))),
        ),
        ("mean and variance run over the channels only", lambda weight, eps: _standardized(weight, eps, axis=1)),
        (
            "mean and variance are those of an input channel, over all filters",
            lambda weight, eps: _standardized(weight, eps, axis=(0, 2, 3)),
        ),
        (
            "eps is added to the standard deviation, not to the variance",
            lambda weight, eps: _centred(weight) / (np.sqrt(_variance(weight)) + eps),
        ),
        ("eps is not used", lambda weight, eps: _standardized(weight, 0)),
        ("the variance is the unbiased one, divided by R - 1", lambda weight, eps: _standardized(weight, eps, ddof=1)),
        (
            "the squares are added up but not divided by R",
            lambda weight, eps: _centred(weight) / np.sqrt((_centred(weight) ** 2).sum((1, 2, 3), keepdims=True) + eps),
        ),
        ("divided by the variance, without the root", lambda weight, eps: _centred(weight) / (_variance(weight) + eps)),
        ("the mean is not subtracted", lambda weight, eps: weight / np.sqrt(_variance(weight) + eps)),
        ("only the mean is subtracted", lambda weight, eps: _centred(weight)),
    ],
)


# ---- receptive_field(kernels, strides) -> side -----------------------------------------------------------------------


def _grown(kernels, strides, start=1, less=1, own=False):
    """Layer by layer: each adds (kernel - less) steps, as long as the strides before it, or its own too, make them."""
    side, step = start, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        side += (kernel - less) * step * (stride if own else 1)
        step *= stride
    return side


def _strides_added(kernels, strides):
    side, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        side, step = side + (kernel - 1) * step, step + stride - 1
    return side


def _from_the_end(kernels, strides):
    """The recursion side <- (side - 1) stride + kernel, which walks from the output to the image."""
    side = 1
    for kernel, stride in zip(kernels, strides, strict=True):
        side = (side - 1) * stride + kernel
    return side


receptive_field = FirstGeneration(
    lambda kernels, strides: _from_the_end(kernels[::-1], strides[::-1]),
    [
        ("the strides are not used", lambda kernels, strides: 1 + sum(k - 1 for k in kernels)),
        ("the kernels are added up whole", lambda kernels, strides: sum(kernels)),
        ("the kernels are multiplied", lambda kernels, strides: math.prod(kernels)),
        ("a layer's own stride counts for its own window", lambda kernels, strides: _grown(kernels, strides, own=True)),
        (
            "each layer adds its whole kernel instead of one less",
            lambda kernels, strides: _grown(kernels, strides, less=0),
        ),
        ("the pixel itself is not counted", lambda kernels, strides: _grown(kernels, strides, start=0)),
        ("strides are added up where they multiply", _strides_added),
        ("the layers are walked in the wrong direction", _from_the_end),
    ],
)
