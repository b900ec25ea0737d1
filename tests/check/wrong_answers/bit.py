"""Checks for the exercises of notebooks/09_bit.ipynb: group norm, and the residual unit of BiT."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake, quiet
from vitedu_numpy.layers.conv import conv2d as _np_conv2d
from vitedu_numpy.layers.groupnorm import groupnorm as _np_groupnorm

__all__ = ["groupnorm", "preact_unit"]


# ---- groupnorm(x, weight, bias, groups, eps) -> y --------------------------------------------------------------------


def _maps(rng, B, C, H, W, groups):
    """Every channel has a mean and a size of its own; the first group of each image has a variance as small as eps."""
    x = rng.normal(0, 1, (B, C, H, W)) * rng.uniform(0.5, 3, (B, C, 1, 1)) + rng.normal(0, 2, (B, C, 1, 1))
    x[:, : C // groups] *= 2e-3
    return x


def _groupnorm_cases(rng):
    sizes = [((2, 6, 3, 5), 3, 1e-5), ((3, 8, 2, 3), 2, 1e-5), ((2, 12, 4, 1), 4, 0.1)]
    return [
        (_maps(rng, *shape, groups), rng.normal(1, 0.5, shape[1]), rng.normal(0, 1, shape[1]), groups, eps)
        for shape, groups, eps in sizes
    ]


def _normed(x, groups, eps, axis=(2, 3, 4), ddof=0):
    """x cut to (B, G, C / G, H, W) and standardised along `axis`."""
    B, C, H, W = x.shape
    x = x.reshape(B, groups, C // groups, H, W)
    xhat = (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, ddof=ddof, keepdims=True) + eps)
    return xhat.reshape(B, C, H, W)


def _per_channel(v):
    return v[:, None, None]


def _other_axes(axis):
    @quiet
    def wrong(x, weight, bias, groups, eps):
        return _normed(x, groups, eps, axis) * _per_channel(weight) + _per_channel(bias)

    return wrong


def _dealt_out(x, weight, bias, groups, eps):
    """Channel c belongs to group c modulo G."""
    order = np.arange(x.shape[1]).reshape(-1, groups).T.ravel()
    y = np.empty_like(x)
    y[:, order] = _normed(x[:, order], groups, eps)
    return y * _per_channel(weight) + _per_channel(bias)


def _groups_of_size_groups(x, weight, bias, groups, eps):
    return _normed(x, x.shape[1] // groups, eps) * _per_channel(weight) + _per_channel(bias)


def _eps_on_std(x, weight, bias, groups, eps):
    B, C, H, W = x.shape
    x = x.reshape(B, groups, -1)
    xhat = (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + eps)
    return xhat.reshape(B, C, H, W) * _per_channel(weight) + _per_channel(bias)


def _mean_kept(x, weight, bias, groups, eps):
    B, C, H, W = x.shape
    x = x.reshape(B, groups, -1)
    return (x / np.sqrt(x.var(-1, keepdims=True) + eps)).reshape(B, C, H, W) * _per_channel(weight) + _per_channel(bias)


groupnorm = Check(
    "groupnorm",
    reference=lambda x, weight, bias, groups, eps: _np_groupnorm(x, weight, bias, groups, eps)[0],
    cases=_groupnorm_cases,
    outputs={"y": "(B, C, H, W)"},
    mistakes=[
        Mistake(
            "mean and variance run over the batch too",
            "May the result for one image depend on which other images are in the batch?",
            _other_axes((0, 2, 3, 4)),
        ),
        Mistake(
            "this is batch norm: one mean per channel, over the batch",
            "May the result for one image depend on which other images are in the batch?",
            _other_axes((0, 3, 4)),
        ),
        Mistake(
            "this is instance norm: every channel has a mean and a variance of its own",
            "How many channels share one mean?",
            _other_axes((3, 4)),
        ),
        Mistake(
            "this is layer norm: all channels of an image share one mean and one variance",
            "How many means should there be for each image?",
            _other_axes((1, 2, 3, 4)),
        ),
        Mistake(
            "every pixel has a mean of its own, over the channels of its group",
            "A group is some channels with all their pixels.",
            _other_axes(2),
        ),
        Mistake(
            "the channels are dealt out to the groups one by one: channel c to group c modulo G",
            "The first group is the first C / G channels.",
            _dealt_out,
        ),
        Mistake(
            "`groups` is taken for the number of channels in a group",
            "Is `groups` how many there are, or how large they are?",
            _groups_of_size_groups,
        ),
        Mistake(
            "the variance is the unbiased one, divided by R - 1",
            "Nothing is estimated here: the R numbers of a group are all there are.  Divide by how many?",
            lambda x, weight, bias, groups, eps: (
                _normed(x, groups, eps, ddof=1) * _per_channel(weight) + _per_channel(bias)
            ),
        ),
        Mistake(
            "scale and offset come before the normalisation, which undoes part of them",
            "Of two steps, normalise and scale, the second has the last word.  Which one is it?",
            lambda x, weight, bias, groups, eps: _normed(x * _per_channel(weight) + _per_channel(bias), groups, eps),
        ),
        Mistake(
            "weight and bias are not used",
            "Every channel still gets its learned scale and offset.",
            lambda x, weight, bias, groups, eps: _normed(x, groups, eps),
        ),
        Mistake(
            "weight is not used",
            "Which parameter have you not touched?",
            lambda x, weight, bias, groups, eps: _normed(x, groups, eps) + _per_channel(bias),
        ),
        Mistake(
            "bias is not used",
            "Which parameter have you not touched?",
            lambda x, weight, bias, groups, eps: _normed(x, groups, eps) * _per_channel(weight),
        ),
        Mistake(
            "eps is added to the standard deviation, not to the variance",
            "In the definition, does eps stand inside the root or behind it?",
            _eps_on_std,
        ),
        Mistake(
            "eps is not used",
            "One group of every image hardly varies.  What keeps its division in bounds?",
            lambda x, weight, bias, groups, eps: _normed(x, groups, 0) * _per_channel(weight) + _per_channel(bias),
        ),
        Mistake(
            "the mean is not subtracted, only the spread is divided out",
            "What should the mean of a normalised group be?",
            _mean_kept,
        ),
    ],
)


# ---- preact_unit(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj) -> out ------------------------------


class Layer:
    """A function with a readable name: stands for a layer of the unit."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def __call__(self, *args):
        return self.function(*args)

    def __repr__(self):
        return f"<layer {self.name}>"


def norm_layer(rng, name, channels, eps=1e-5):
    """norm(x) -> y"""
    weight, bias = rng.normal(1, 0.5, channels), rng.normal(0, 0.5, channels)
    return Layer(name, lambda x: _np_groupnorm(x, weight, bias, 2, eps)[0])


def conv_layer(rng, name, in_channels, out_channels, kernel, padding=None):
    """conv(x, stride=1) -> y"""
    weight = rng.normal(0, 1, (out_channels, in_channels, kernel, kernel))
    padding = kernel // 2 if padding is None else padding
    return Layer(name, lambda x, stride=1: _np_conv2d(x, weight, stride, padding)[0])


# x (B, C, H, W), width, channels of the output, stride: with and without a projection, with stride 1 and 2.
UNIT_SIZES = [((2, 6, 5, 4), 4, 6, 1), ((2, 4, 6, 8), 2, 6, 2), ((1, 2, 3, 5), 4, 10, 1)]


def _unit_cases(rng):
    cases = []
    for x, width, out, stride in UNIT_SIZES:
        C = x[1]
        cases.append((
            rng.normal(0.5, 1.5, x),
            stride,
            norm_layer(rng, "norm1", C),
            conv_layer(rng, "conv1", C, width, 1),
            norm_layer(rng, "norm2", width),
            conv_layer(rng, "conv2", width, width, 3),
            norm_layer(rng, "norm3", width),
            conv_layer(rng, "conv3", width, out, 1),
            conv_layer(rng, "conv_proj", C, out, 1) if (C, stride) != (out, 1) else None,
        ))  # fmt: skip
    return cases


def relu(x):
    return np.maximum(x, 0)


def same(x):
    return x


def _unit(
    x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj,
    *, act=(relu, relu, relu), strides=(0, 1, 0), projected="h", kept="x", swap=False, last=same, add=True,
):  # fmt: skip
    """The right answer, with room for a slip; `strides` says which of the three convolutions gets the stride."""

    def acted(z, norm, act):
        return norm(act(z)) if swap else act(norm(z))

    s1, s2, s3 = (stride if on else 1 for on in strides)
    h = acted(x, norm1, act[0])
    reads = {"x": x, "h": h, "norm": norm1(x)}
    shortcut = conv_proj(reads[projected], stride) if conv_proj else reads[kept]
    out = conv2(acted(conv1(h, s1), norm2, act[1]), s2)
    out = conv3(acted(out, norm3, act[2]), s3)
    return last(out + shortcut if add else out)


def mistakes_of_a_unit(slip):
    """Mistakes that any residual unit invites.     slip(**changes) -> the unit computed with these changes"""
    covers = "With stride 2, a 1x1 window never sees three pixels of four.  Which window covers them all?"
    first = "the stride is on the first convolution (1x1), as in the first ResNet"
    return (
        Mistake("the shortcut is not added", "What makes the unit a residual one?", slip(add=False)),
        Mistake(first, covers, slip(strides=(1, 0, 0))),
        Mistake("the stride is on the last convolution (1x1)", covers, slip(strides=(0, 0, 1))),
    )


def _slip(**change):
    return lambda *args: _unit(*args, **change)


preact_unit = Check(
    "preact_unit",
    reference=_unit,
    cases=_unit_cases,
    outputs={"out": "(B, C_out, H / stride, W / stride)"},
    mistakes=[
        Mistake(
            "the projection reads x, before norm and rectifier",
            "In a pre-activation unit, what does every convolution of the unit read first?",
            _slip(projected="x"),
        ),
        Mistake(
            "the projection reads the normalised x, but before the rectifier",
            "The projection and the first convolution read the same thing.",
            _slip(projected="norm"),
        ),
        Mistake(
            "the shortcut is relu(norm1(x)) also where there is no projection",
            "Where the shape stays, the way around the unit must be free: nothing may stand on it.",
            _slip(kept="h"),
        ),
        *mistakes_of_a_unit(_slip),
        Mistake(
            "a rectifier stands after the sum, as in the first ResNet",
            "Pre-activation means that nothing stands on the stream after the sum.",
            _slip(last=relu),
        ),
        Mistake(
            "the rectifiers stand before the norms",
            "In which order do norm and rectifier come?",
            _slip(swap=True),
        ),
        Mistake(
            "there are no rectifiers",
            "Something between two linear layers must bend.",
            _slip(act=(same, same, same)),
        ),
        Mistake(
            "the first rectifier is missing",
            "How many norms are there, and how many rectifiers?",
            _slip(act=(same, relu, relu)),
        ),
        Mistake(
            "the second rectifier is missing",
            "How many norms are there, and how many rectifiers?",
            _slip(act=(relu, same, relu)),
        ),
        Mistake(
            "the last rectifier is missing",
            "How many norms are there, and how many rectifiers?",
            _slip(act=(relu, relu, same)),
        ),
    ],
)
