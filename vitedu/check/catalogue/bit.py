"""Exercises of notebooks/09_bit.ipynb: group norm, and the residual unit of BiT."""

from __future__ import annotations

from vitedu_numpy.layers.conv import conv2d as _np_conv2d
from vitedu_numpy.layers.groupnorm import groupnorm as _np_groupnorm

from ..slips.exercise import exercise
from ..slips.steps import rectify, standardise

__all__ = ["groupnorm", "groupnorm_last", "preact_unit"]


# ---- groupnorm(x, weight, bias, groups, eps) -> y --------------------------------------------------------------------


def _maps(rng, B, C, H, W, groups):
    """Every channel has a mean and a size of its own; the first group of each image has a variance as small as eps."""
    x = rng.normal(0, 1, (B, C, H, W)) * rng.uniform(0.5, 3, (B, C, 1, 1)) + rng.normal(0, 2, (B, C, 1, 1))
    x[:, : C // groups] *= 2e-3
    return x


def _groupnorm_cases(rng):
    sizes = [((2, 6, 4, 5), 3, 1e-5), ((3, 8, 3, 5), 2, 1e-5), ((2, 12, 5, 1), 4, 0.1)]
    return [
        (_maps(rng, *shape, groups), rng.normal(1, 0.5, shape[1]), rng.normal(0, 1, shape[1]), groups, eps)
        for shape, groups, eps in sizes
    ]


@exercise(cases=_groupnorm_cases, outputs={"y": "(B, C, H, W)"}, level=2, minutes=15)
def groupnorm(x, weight, bias, groups, eps):
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, C // groups, H, W)  # the groups
    xhat = standardise(grouped, (2, 3, 4), eps).reshape(B, C, H, W)  # the normalised maps
    return xhat * weight[:, None, None] + bias[:, None, None]  # the scale and offset


_OTHERS = "May the result for one image depend on which other images are in the batch?"
for _axes, _name, _why in (
    ((0, 2, 3, 4), "mean and variance run over the batch too", _OTHERS),
    ((0, 3, 4), "this is batch norm: one mean per channel, over the batch", _OTHERS),
    ((3, 4), "this is instance norm: every channel has a mean and a variance of its own", "How many channels share one "
     "mean?"),
    ((1, 2, 3, 4), "this is layer norm: all channels of an image share one mean and one variance", "How many means "
     "should there be for each image?"),
    (2, "every pixel has a mean of its own, over the channels of its group", "A group is some channels with all their "
     "pixels."),
):  # fmt: skip
    groupnorm.slip(_name, _why, xhat=f"standardise(grouped, {_axes}, eps).reshape(B, C, H, W)")
groupnorm.slip(
    "the channels are dealt out to the groups one by one: channel c to group c modulo G",
    "The first group is the first C / G channels.",
    grouped="x.reshape(B, C // groups, groups, H, W).swapaxes(1, 2)",
    xhat="standardise(grouped, (2, 3, 4), eps).swapaxes(1, 2).reshape(B, C, H, W)",
)
groupnorm.slip(
    "the channels are dealt out to the groups one by one, and come back in another order",
    "The first group is the first C / G channels.",
    grouped="x.reshape(B, C // groups, groups, H, W).swapaxes(1, 2)",
)
groupnorm.slip(
    "`groups` is taken for the number of channels in a group",
    "Is `groups` how many there are, or how large they are?",
    grouped="x.reshape(B, C // groups, groups, H, W)",
)
groupnorm.slip(
    "scale and offset come before the normalisation, which undoes part of them",
    "Of two steps, normalise and scale, the second has the last word.  Which one is it?",
    grouped="(x * weight[:, None, None] + bias[:, None, None]).reshape(B, groups, C // groups, H, W)",
    result="xhat",
)
groupnorm.slip("weight and bias are not used", "Every channel still gets its learned scale and offset.", result="xhat")
groupnorm.slip("weight is not used", "Which parameter have you not touched?", result="xhat + bias[:, None, None]")
groupnorm.slip("bias is not used", "Which parameter have you not touched?", result="xhat * weight[:, None, None]")


# ---- preact_unit(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj) -> out ------------------------------


class Layer:
    """A function with a readable name: stands for a layer of the unit."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def __call__(self, *args, **settings):
        return self.function(*args, **settings)

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


@exercise(cases=_unit_cases, outputs={"out": "(B, C_out, H / stride, W / stride)"}, level=2, minutes=25)
def preact_unit(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj):
    h = rectify(norm1(x))  # what the first convolution reads
    shortcut = conv_proj(h, stride) if conv_proj else x  # the shortcut
    y1 = conv1(h)  # the first convolution
    h2 = rectify(norm2(y1))  # what the second convolution reads
    y2 = conv2(h2, stride)  # the second convolution
    h3 = rectify(norm3(y2))  # what the third convolution reads
    y3 = conv3(h3)  # the third convolution
    return y3 + shortcut  # the sum


COVERS = "With stride 2, a 1x1 window never sees three pixels of four.  Which window covers them all?"
preact_unit.slip("the shortcut is not added", "What makes the unit a residual one?", result="y3")
preact_unit.slip(
    "the stride is on the first convolution (1x1), as in the first ResNet",
    COVERS,
    y1="conv1(h, stride)",
    y2="conv2(h2)",
)
preact_unit.slip("the stride is on the last convolution (1x1)", COVERS, y2="conv2(h2)", y3="conv3(h3, stride)")
preact_unit.slip(
    "the projection reads x, before norm and rectifier",
    "In a pre-activation unit, what does every convolution of the unit read first?",
    shortcut="conv_proj(x, stride) if conv_proj else x",
)
preact_unit.slip(
    "the projection reads the normalised x, but before the rectifier",
    "The projection and the first convolution read the same thing.",
    shortcut="conv_proj(norm1(x), stride) if conv_proj else x",
)
preact_unit.slip(
    "the shortcut is relu(norm1(x)) also where there is no projection",
    "Where the shape stays, the way around the unit must be free: nothing may stand on it.",
    shortcut="conv_proj(h, stride) if conv_proj else h",
)
preact_unit.slip(
    "the projection is not given the stride",
    "With stride 2, how large is the result's image, and how large is the shortcut's?",
    shortcut="conv_proj(h) if conv_proj else x",
)
preact_unit.slip(
    "a rectifier stands after the sum, as in the first ResNet",
    "Pre-activation means that nothing stands on the stream after the sum.",
    result="rectify(y3 + shortcut)",
)
preact_unit.slip(
    "the rectifiers stand before the norms",
    "In which order do norm and rectifier come?",
    h="norm1(rectify(x))", h2="norm2(rectify(y1))", h3="norm3(rectify(y2))",
)  # fmt: skip
preact_unit.slip(
    "there are no rectifiers",
    "Something between two linear layers must bend.",
    h="norm1(x)",
    h2="norm2(y1)",
    h3="norm3(y2)",
)
for _line, _which, _is in (("h", "first", "norm1(x)"), ("h2", "second", "norm2(y1)"), ("h3", "last", "norm3(y2)")):
    preact_unit.slip(
        f"the {_which} rectifier is missing", "How many norms are there, and how many rectifiers?", **{_line: _is}
    )


# ---- groupnorm_last(x, weight, bias, groups, eps) -> y, the channels last --------------------------------------------


def _last_cases(rng):
    return [(args[0].transpose(0, 2, 3, 1).copy(), *args[1:]) for args in _groupnorm_cases(rng)]


@exercise(cases=_last_cases, outputs={"y": "(B, H, W, C)"}, level=2, minutes=20)
def groupnorm_last(x, weight, bias, groups, eps):
    B, H, W, C = x.shape
    grouped = x.reshape(B, H, W, groups, C // groups)  # the groups
    xhat = standardise(grouped, (1, 2, 4), eps).reshape(B, H, W, C)  # the normalised maps
    return xhat * weight + bias  # the scale and offset


groupnorm_last.slip(
    "the numbers are cut into groups as they lie in memory: a group is some rows of the map, with all channels",
    "With the channels last, the numbers of one pixel lie side by side. Which numbers does your first group hold?",
    xhat="standardise(x.reshape(B, groups, -1), 2, eps).reshape(B, H, W, C)",
)
for _axes, _name, _why in (
    (4, "every pixel has a mean of its own, over the channels of its group", "A group is some channels with all their "
     "pixels."),
    ((0, 1, 2, 4), "mean and variance run over the batch too", _OTHERS),
    ((1, 2), "this is instance norm: every channel has a mean and a variance of its own", "How many channels share one "
     "mean?"),
    ((1, 2, 3, 4), "this is layer norm: all channels of an image share one mean and one variance", "How many means "
     "should there be for each image?"),
):  # fmt: skip
    groupnorm_last.slip(_name, _why, xhat=f"standardise(grouped, {_axes}, eps).reshape(B, H, W, C)")
groupnorm_last.slip(
    "the channels are dealt out to the groups one by one: channel c to group c modulo G",
    "The first group is the first C / G channels.",
    grouped="x.reshape(B, H, W, C // groups, groups).swapaxes(3, 4)",
    xhat="standardise(grouped, (1, 2, 4), eps).swapaxes(3, 4).reshape(B, H, W, C)",
)
groupnorm_last.slip(
    "weight and bias are not used", "Every channel still gets its learned scale and offset.", result="xhat"
)
groupnorm_last.slip("weight is not used", "Which parameter have you not touched?", result="xhat + bias")
