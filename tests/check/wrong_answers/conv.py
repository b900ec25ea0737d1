"""Checks for the exercises of notebooks/09_bit.ipynb: convolution, weight standardisation, receptive field."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vitedu.check.engine import Check, Mistake, quiet
from vitedu_numpy.layers.conv import conv2d as _np_conv2d
from vitedu_numpy.layers.conv import conv2d_backward as _np_conv2d_backward
from vitedu_numpy.layers.conv import standardize as _np_standardize

__all__ = ["conv2d", "conv2d_backward", "receptive_field", "standardize"]

# (B, C, H, W), (O, kh, kw), stride, padding: sides and kernels differ, so that a wrong axis cannot hide.
_SIZES = [
    ((1, 1, 5, 6), (1, 3, 3), 1, 0),
    ((2, 3, 7, 10), (4, 3, 2), 2, 1),
    ((3, 2, 9, 8), (5, 2, 3), 3, 2),
]


# ---- conv2d(x, weight, stride, padding) -> y -------------------------------------------------------------------------


def _conv2d_cases(rng):
    return [
        (rng.standard_normal(x), rng.standard_normal((O, x[1], kh, kw)), stride, padding)
        for x, (O, kh, kw), stride, padding in _SIZES
    ]


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


conv2d = Check(
    "conv2d",
    reference=lambda x, weight, stride, padding: _np_conv2d(x, weight, stride, padding)[0],
    cases=_conv2d_cases,
    outputs={"y": "(B, O, Ho, Wo)"},
    mistakes=[
        Mistake(
            "the kernel is flipped, as in a mathematician's convolution",
            "Which number of the window does the first number of the filter meet?",
            _changed(weights=lambda w: w[:, :, ::-1, ::-1]),
        ),
        Mistake(
            "the padding is forgotten",
            "How large is the image after `padding` rows and columns of zeros went around it?",
            _changed(pads=lambda p: ((0, 0), (0, 0))),
        ),
        Mistake(
            "the padding stands at the bottom and right only",
            "Zeros go around the image: how many of its four sides have you done?",
            _changed(pads=lambda p: ((0, p), (0, p))),
        ),
        Mistake(
            "all of the padding stands at the bottom and right",
            "The shape is right, but the picture is moved.  What does the first window see above the image?",
            _changed(pads=lambda p: ((0, 2 * p), (0, 2 * p))),
        ),
        Mistake(
            "only rows are padded, not columns",
            "An image has a height and a width.",
            _changed(pads=lambda p: ((p, p), (0, 0))),
        ),
        Mistake(
            "the border is filled with its nearest pixels instead of zeros",
            "What should a window see outside the image?",
            _changed(mode="edge"),
        ),
        Mistake(
            "the stride is not used",
            "The second window starts `stride` pixels after the first one.",
            _changed(strides=lambda s: (1, 1)),
        ),
        Mistake(
            "the stride is used on the way down, but not across",
            "The window moves along two axes.",
            _changed(strides=lambda s: (s, 1)),
        ),
        Mistake(
            "the stride is used across, but not on the way down",
            "The window moves along two axes.",
            _changed(strides=lambda s: (1, s)),
        ),
        Mistake(
            "only the first channel is read",
            "A filter has one slice for each channel, and adds up what they find.",
            _first_channel,
        ),
        Mistake(
            "the channels are averaged instead of added up",
            "y is a sum over c, i and j.  Does anything divide?",
            _channel_mean,
        ),
        Mistake(
            "all channels are read by the first slice of the filter",
            "weight[o, c] belongs to channel c.",
            _one_filter_for_all,
        ),
        Mistake(
            "weight is read as (C, O, kh, kw): the first two axes are exchanged",
            "Which of the axes of weight counts the outputs?",
            _changed(weights=_axes_exchanged),
        ),
        Mistake(
            "windows are laid flat as (kh, kw, C), filters as (C, kh, kw)",
            "In a matrix product, number n of the row meets number n of the column.  Are they of the same channel?",
            _columns_channels_last,
        ),
        Mistake(
            "the outputs stand last, (B, Ho, Wo, O)",
            "y is an image again: where do the channels of an image stand?",
            _filters_last,
        ),
    ],
)


# ---- conv2d_backward(dy, x, weight, stride, padding) -> dx, dweight --------------------------------------------------


def _conv2d_backward_cases(rng):
    return [(rng.standard_normal(_np_conv2d(*args)[0].shape), *args) for args in _conv2d_cases(rng)]


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


conv2d_backward = Check(
    "conv2d_backward",
    reference=_conv2d_gradients,
    cases=_conv2d_backward_cases,
    outputs={"dx": "(B, C, H, W)", "dweight": "(O, C, kh, kw)"},
    mistakes=[
        Mistake(
            "in dx, each window overwrites what the windows before it had sent",
            "Windows overlap.  What happens to gradients where a value is used twice?",
            _other_dx(_overwritten),
        ),
        Mistake(
            "dx is the mean over the windows of a pixel, not the sum",
            "Each use of a pixel adds its gradient.  Does anything divide?",
            _other_dx(_mean_over_windows),
        ),
        Mistake(
            "dx still has the border of the padding",
            "The zeros around the image are no pixels of x.  Which part of the result belongs to x?",
            _other_dx(lambda *args: _to_pixels(*args)),
        ),
        Mistake(
            "dx is cut out at the top left corner, not inside the border",
            "Where in the padded image does pixel (0, 0) of x stand?",
            _other_dx(_cut_at_the_corner),
        ),
        Mistake(
            "in dx, the filters are flipped once too often",
            "dy[p, q] reached its window through weight[i, j].  It goes back through the same one.",
            _other_dx(_flipped),
        ),
        Mistake(
            "in dx, the stride is forgotten: all windows are one pixel apart",
            "Where did the window of dy[p, q] start?",
            _other_dx(_not_spread),
        ),
        Mistake(
            "dweight is the mean over the images, not the sum",
            "Each use of a weight adds its gradient.  Does anything divide?",
            _other_dweight(lambda dweight, dy, *rest: dweight / len(dy)),
        ),
        Mistake(
            "dweight is the mean over the places of the window, not the sum",
            "Each use of a weight adds its gradient.  Does anything divide?",
            _other_dweight(lambda dweight, dy, *rest: dweight / math.prod(dy.shape[2:])),
        ),
        Mistake(
            "dweight comes from the last image alone",
            "Every image used the filters: is the gradient added up, or written over?",
            _other_dweight(_last_image),
        ),
        Mistake(
            "dweight is flipped",
            "Which pixel of the window did weight[0, 0] meet?",
            _other_dweight(lambda dweight, *rest: dweight[:, :, ::-1, ::-1]),
        ),
        Mistake(
            "dweight is made from windows of an image without the zeros above and to the left",
            "Forward cut its windows from the padded image.",
            _other_dweight(_windows_of_the_image),
        ),
        Mistake(
            "dx and dweight are in each other's place",
            "In which order were they asked for?",
            lambda *args: _conv2d_gradients(*args)[::-1],
        ),
    ],
)


# ---- standardize(weight, eps) -> what --------------------------------------------------------------------------------


def _standardize_cases(rng):
    """Filters with a mean of their own; the first of each is nearly constant, with a variance as small as eps."""
    cases = []
    for shape, eps in (((4, 3, 3, 2), 1e-4), ((3, 5, 1, 2), 1e-4), ((2, 2, 3, 5), 0.1)):
        weight = rng.normal(0, 2, shape) + rng.normal(0, 1, (shape[0], 1, 1, 1))
        weight[0] *= 5e-3
        cases.append((weight, eps))
    return cases


def _standardized(weight, eps, axis=(1, 2, 3), ddof=0):
    mean = weight.mean(axis=axis, keepdims=True)
    return (weight - mean) / np.sqrt(weight.var(axis=axis, ddof=ddof, keepdims=True) + eps)


def _centred(weight):
    return weight - weight.mean(axis=(1, 2, 3), keepdims=True)


def _variance(weight):
    return weight.var(axis=(1, 2, 3), keepdims=True)


standardize = Check(
    "standardize",
    reference=lambda weight, eps: _np_standardize(weight, eps)[0],
    cases=_standardize_cases,
    outputs={"what": "(O, C, kh, kw)"},
    mistakes=[
        Mistake(
            "one mean and one variance serve the whole tensor",
            "Each filter is standardised by itself.  How many means should there be?",
            lambda weight, eps: _standardized(weight, eps, axis=None),
        ),
        Mistake(
            "mean and variance run over the filters (axis 0)",
            "Which axes hold the numbers of one filter?",
            lambda weight, eps: _standardized(weight, eps, axis=0),
        ),
        Mistake(
            "every kernel, one per pair of channels, is standardised by itself",
            "A filter reads all the channels, and is standardised as a whole.",
            quiet(lambda weight, eps: _standardized(weight, eps, axis=(2, 3))),
        ),
        Mistake(
            "mean and variance run over the channels only",
            "Which axes hold the numbers of one filter?",
            lambda weight, eps: _standardized(weight, eps, axis=1),
        ),
        Mistake(
            "mean and variance are those of an input channel, over all filters",
            "Which of the four axes counts the filters?",
            lambda weight, eps: _standardized(weight, eps, axis=(0, 2, 3)),
        ),
        Mistake(
            "eps is added to the standard deviation, not to the variance",
            "Does eps stand inside the root or behind it?  Code exists for both, and here it is BiT's.",
            lambda weight, eps: _centred(weight) / (np.sqrt(_variance(weight)) + eps),
        ),
        Mistake(
            "eps is not used",
            "One filter hardly varies.  What keeps its division in bounds?",
            lambda weight, eps: _standardized(weight, 0),
        ),
        Mistake(
            "the variance is the unbiased one, divided by R - 1",
            "Nothing is estimated here: the R numbers of a filter are all there are.  Divide by how many?",
            lambda weight, eps: _standardized(weight, eps, ddof=1),
        ),
        Mistake(
            "the squares are added up but not divided by R",
            "A variance is a mean of squares.",
            lambda weight, eps: _centred(weight) / np.sqrt((_centred(weight) ** 2).sum((1, 2, 3), keepdims=True) + eps),
        ),
        Mistake(
            "divided by the variance, without the root",
            "If the weights had a unit, the result should have none.",
            lambda weight, eps: _centred(weight) / (_variance(weight) + eps),
        ),
        Mistake(
            "the mean is not subtracted",
            "What should the mean of a standardised filter be?",
            lambda weight, eps: weight / np.sqrt(_variance(weight) + eps),
        ),
        Mistake(
            "only the mean is subtracted",
            "What should the variance of a standardised filter be?",
            lambda weight, eps: _centred(weight),
        ),
    ],
)


# ---- receptive_field(kernels, strides) -> side -----------------------------------------------------------------------


def _receptive_field_cases(rng):
    return [
        ([3, 3, 3], [1, 1, 1]),
        ([7, 3], [2, 2]),
        ([7, 3, 1, 3, 1], [2, 2, 1, 2, 1]),
        ([3, 5, 2, 3], [2, 1, 3, 1]),
    ]


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


receptive_field = Check(
    "receptive_field",
    reference=lambda kernels, strides: _from_the_end(kernels[::-1], strides[::-1]),
    cases=_receptive_field_cases,
    outputs={"side": "(a whole number)"},
    tolerance=1e-9,  # a count: a difference of one is a mistake
    mistakes=[
        Mistake(
            "the strides are not used",
            "After a layer of stride 2, how many pixels of the image lie between two neighbours of its output?",
            lambda kernels, strides: 1 + sum(k - 1 for k in kernels),
        ),
        Mistake(
            "the kernels are added up whole",
            "Two layers of 3 x 3 see 5 x 5 pixels.  By how many does the second one widen the field?",
            lambda kernels, strides: sum(kernels),
        ),
        Mistake(
            "the kernels are multiplied",
            "Two layers of 3 x 3 see 5 x 5 pixels, since their windows overlap.",
            lambda kernels, strides: math.prod(kernels),
        ),
        Mistake(
            "a layer's own stride counts for its own window",
            "The stride of the first layer: which windows does it move apart, its own pixels or those of its output?",
            lambda kernels, strides: _grown(kernels, strides, own=True),
        ),
        Mistake(
            "each layer adds its whole kernel instead of one less",
            "A window of one pixel widens the field by how many?",
            lambda kernels, strides: _grown(kernels, strides, less=0),
        ),
        Mistake(
            "the pixel itself is not counted",
            "With no layer at all, how many pixels does a pixel see?",
            lambda kernels, strides: _grown(kernels, strides, start=0),
        ),
        Mistake(
            "strides are added up where they multiply",
            "After two layers of stride 2, how far apart in the image are two neighbours?",
            _strides_added,
        ),
        Mistake(
            "the layers are walked in the wrong direction",
            "Start at one output pixel and go back: which layer's window do you open first?",
            _from_the_end,
        ),
    ],
)
