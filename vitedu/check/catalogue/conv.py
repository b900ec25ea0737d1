"""Exercises of notebooks/09_bit.ipynb: convolution, weight standardisation, receptive field."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import sliding_windows, standardise

__all__ = [
    "conv2d", "conv2d_backward", "depthwise_backward", "dilated_conv2d", "receptive_field", "standardize",
    "standardize_backward",
]  # fmt: skip

# (B, C, H, W), (O, kh, kw), stride, padding: sides and kernels differ, so that a wrong axis cannot hide, and no case
# ties the batch, the stride and the padding to each other.
_SIZES = [
    ((1, 1, 5, 6), (1, 3, 3), 1, 0),
    ((2, 3, 7, 10), (4, 3, 2), 2, 1),
    ((3, 2, 9, 8), (5, 2, 3), 3, 2),
    ((2, 2, 6, 7), (3, 2, 3), 1, 2),
    ((2, 1, 8, 7), (2, 3, 2), 3, 0),
]


# ---- conv2d(x, weight, stride, padding) -> y -------------------------------------------------------------------------


def _conv2d_cases(rng):
    return [
        (rng.standard_normal(x), rng.standard_normal((O, x[1], kh, kw)), stride, padding)
        for x, (O, kh, kw), stride, padding in _SIZES
    ]


def _pad(x, down, across, mode="constant"):
    """x with a border: (top, bottom), (left, right)."""
    return np.pad(x, ((0, 0), (0, 0), down, across), mode=mode)


@exercise(cases=_conv2d_cases, outputs={"y": "(B, O, Ho, Wo)"}, level=3, minutes=40)
def conv2d(x, weight, stride, padding):
    B, C, H, W = x.shape
    O, C, kh, kw = weight.shape
    padded = _pad(x, (padding, padding), (padding, padding))  # the padded images
    view = sliding_windows(padded, (kh, kw), stride, stride)  # the windows
    filters = weight  # the filters
    sums = np.einsum("bcpqij,ocij->bopq", view, filters)  # the sums
    return sums


_TWO = "The window moves along two axes."
for _turned, _axis in (("::-1, :", "rows"), (":, ::-1", "columns")):
    conv2d.slip(
        f"the {_axis} of the kernel are turned round",
        "Which number of the window does the first number of the filter meet?",
        filters=f"weight[:, :, {_turned}]",
    )
for _line, _what in (
    ("np.arange(kh)[:, None] < kh - 1", "last row"), ("np.arange(kw) < kw - 1", "last column"),
    ("np.arange(kh)[:, None] > 0", "first row"), ("np.arange(kw) > 0", "first column"),
):  # fmt: skip
    conv2d.slip(
        f"the {_what} of the kernel is left out",
        "Where does a loop over the kernel begin, and where does it end?",
        filters=f"weight * ({_line})",
    )
conv2d.slip(
    "the kernel is flipped, as in a mathematician's convolution",
    "Which number of the window does the first number of the filter meet?",
    filters="weight[:, :, ::-1, ::-1]",
)
conv2d.slip(
    "the padding is forgotten",
    "How large is the image after `padding` rows and columns of zeros went around it?",
    padded="x",
)
conv2d.slip(
    "the padding stands at the bottom and right only",
    "Zeros go around the image: how many of its four sides have you done?",
    padded="_pad(x, (0, padding), (0, padding))",
)
conv2d.slip(
    "all of the padding stands at the top and left",
    "The shape is right, but the picture is moved.  What does the first window see above the image?",
    padded="_pad(x, (2 * padding, 0), (2 * padding, 0))",
)
conv2d.slip(
    "all of the padding stands at the bottom and right",
    "The shape is right, but the picture is moved.  What does the first window see above the image?",
    padded="_pad(x, (0, 2 * padding), (0, 2 * padding))",
)
conv2d.slip(
    "the padding stands at the top and left only",
    "Zeros go around the image: how many of its four sides have you done?",
    padded="_pad(x, (padding, 0), (padding, 0))",
)
conv2d.slip(
    "only rows are padded, not columns",
    "An image has a height and a width.",
    padded="_pad(x, (padding, padding), (0, 0))",
)
conv2d.slip(
    "only columns are padded, not rows",
    "An image has a height and a width.",
    padded="_pad(x, (0, 0), (padding, padding))",
)
for _mode, _words in (("edge", "its nearest pixels"), ("reflect", "its mirror image")):
    conv2d.slip(
        f"the border is filled with {_words} instead of zeros",
        "What should a window see outside the image?",
        padded=f"_pad(x, (padding, padding), (padding, padding), '{_mode}')",
    )
conv2d.slip(
    "the stride is not used",
    "The second window starts `stride` pixels after the first one.",
    view="sliding_windows(padded, (kh, kw), 1, 1)",
)
conv2d.slip(
    "only the first channel is read",
    "A filter has one slice for each channel, and adds up what they find.",
    sums="np.einsum('bcpqij,ocij->bopq', view[:, :1], filters[:, :1])",
)
conv2d.slip(
    "the channels are averaged instead of added up",
    "y is a sum over c, i and j.  Does anything divide?",
    result="sums / C",
)
conv2d.slip(
    "the window is averaged instead of added up",
    "y is a sum over c, i and j.  Does anything divide?",
    result="sums / (C * kh * kw)",
)
conv2d.slip(
    "all channels are read by the first slice of the filter",
    "weight[o, c] belongs to channel c.",
    filters="np.repeat(weight[:, :1], C, axis=1)",
)
conv2d.slip(
    "weight is read as (C, O, kh, kw): the first two axes are exchanged",
    "Which of the axes of weight counts the outputs?",
    filters="weight.reshape(C, O, kh, kw).swapaxes(0, 1)",
)
conv2d.slip(
    "windows are laid flat as (kh, kw, C), filters as (C, kh, kw)",
    "In a matrix product, number n of the row meets number n of the column.  Are they of the same channel?",
    filters="weight.reshape(O, kh, kw, C).transpose(0, 3, 1, 2)",
)
conv2d.slip(
    "weight is read as (kh, kw, C, O), the layout of TensorFlow, by a reshape",
    "Which of the axes of weight counts the outputs?",
    filters="weight.reshape(kh, kw, C, O).transpose(3, 2, 0, 1)",
)
conv2d.slip(
    "rows and columns of the filter are exchanged",
    "weight[o, c, i, j]: which of i and j goes down?",
    filters="weight.reshape(O, C, kw, kh).swapaxes(2, 3)",
)
conv2d.slip(
    "the outputs stand last, (B, Ho, Wo, O)",
    "y is an image again: where do the channels of an image stand?",
    result="sums.transpose(0, 2, 3, 1)",
)
for _part, _words in (("[:, :, :-1]", "down"), ("[:, :, :, :-1]", "across"), ("[:, :, :-1, :-1]", "down and across")):
    conv2d.slip(
        f"one window is missing {_words}: the + 1 of the output's size is forgotten",
        "How many windows of 3 fit into 5 pixels?",
        view=f"sliding_windows(padded, (kh, kw), stride, stride){_part}",
    )
conv2d.slip(
    "the windows are taken at places 0, 1, 2, ... with the size of the output made for the stride",
    "The second window starts `stride` pixels after the first one.",
    view="sliding_windows(padded, (kh, kw), 1, 1)[:, :, :(H + 2 * padding - kh) // stride + 1, "
    ":(W + 2 * padding - kw) // stride + 1]",
)


# ---- conv2d_backward(dy, x, weight, stride, padding) -> dx, dweight --------------------------------------------------


def _conv2d_backward_cases(rng):
    return [(rng.standard_normal(conv2d.reference(*args).shape), *args) for args in _conv2d_cases(rng)]


def _spread(sent, shape, stride, add=True):
    """What windows send back to their pixels: sent (B, C, Ho, Wo, kh, kw) -> an array of `shape`."""
    pixels = np.zeros(shape)
    kh, kw = sent.shape[4:]
    for p in range(sent.shape[2]):
        for q in range(sent.shape[3]):
            window = pixels[:, :, p * stride : p * stride + kh, q * stride : q * stride + kw]
            window[...] = window * add + sent[:, :, p, q]
    return pixels


def _by_place(sent, shape, stride):
    """The same, place by place of the kernel, each written over what was there."""
    pixels = np.zeros(shape)
    Ho, Wo, kh, kw = sent.shape[2:]
    for i, j in np.ndindex(kh, kw):
        pixels[:, :, i : i + stride * Ho : stride, j : j + stride * Wo : stride] = sent[..., i, j]
    return pixels


@exercise(
    cases=_conv2d_backward_cases,
    outputs={"dx": "(B, C, H, W)", "dweight": "(O, C, kh, kw)"}, level=3, minutes=60,
)  # fmt: skip
def conv2d_backward(dy, x, weight, stride, padding):
    B, C, H, W = x.shape
    O, C, kh, kw = weight.shape
    padded = _pad(x, (padding, padding), (padding, padding))  # the padded images
    view = sliding_windows(padded, (kh, kw), stride, stride)  # the windows
    dweight = np.einsum("bopq,bcpqij->ocij", dy, view)  # dweight
    sent = np.einsum("bopq,ocij->bcpqij", dy, weight)  # what each window sends back
    dpadded = _spread(sent, padded.shape, stride)  # the gradient of the padded images
    dx = dpadded[:, :, padding : padding + H, padding : padding + W]  # dx
    return dx, dweight


_ADDS = "Each use of a {} adds its gradient.  Does anything divide?"
conv2d_backward.slip(
    "in dx, each window overwrites what the windows before it had sent",
    "Windows overlap.  What happens to gradients where a value is used twice?",
    dpadded="_spread(sent, padded.shape, stride, False)",
)
conv2d_backward.slip(
    "in dx, each place of the kernel overwrites what the places before it had sent",
    "Windows overlap.  What happens to gradients where a value is used twice?",
    dpadded="_by_place(sent, padded.shape, stride)",
)
conv2d_backward.slip(
    "dx is the mean over the windows of a pixel, not the sum",
    _ADDS.format("pixel"),
    dpadded="_spread(sent, padded.shape, stride) / np.maximum(_spread(1 + 0 * sent, padded.shape, stride), 1)",
)
conv2d_backward.slip(
    "dx still has the border of the padding",
    "The zeros around the image are no pixels of x.  Which part of the result belongs to x?",
    dx="dpadded",
)
conv2d_backward.slip(
    "dx is cut out at the top left corner, not inside the border",
    "Where in the padded image does pixel (0, 0) of x stand?",
    dx="dpadded[:, :, :H, :W]",
)
conv2d_backward.slip(
    "in dx, the filters are flipped once too often",
    "dy[p, q] reached its window through weight[i, j].  It goes back through the same one.",
    sent="np.einsum('bopq,ocij->bcpqij', dy, weight[:, :, ::-1, ::-1])",
)
conv2d_backward.slip(
    "in dx, the stride is forgotten: all windows are one pixel apart",
    "Where did the window of dy[p, q] start?",
    dpadded="_spread(sent, padded.shape, 1)",
)
for _words, _by in (("images", "B"), ("places of the window", "math.prod(dy.shape[2:])")):
    conv2d_backward.slip(
        f"dweight is the mean over the {_words}, not the sum",
        _ADDS.format("weight"),
        dweight=f"np.einsum('bopq,bcpqij->ocij', dy, view) / {_by}",
    )
conv2d_backward.slip(
    "dweight comes from the last image alone",
    "Every image used the filters: is the gradient added up, or written over?",
    dweight="np.einsum('bopq,bcpqij->ocij', dy[-1:], view[-1:])",
)
conv2d_backward.slip(
    "dweight comes from the first image alone",
    "Every image used the filters: is the gradient added up, or written over?",
    dweight="np.einsum('bopq,bcpqij->ocij', dy[:1], view[:1])",
)
conv2d_backward.slip(
    "dweight is flipped",
    "Which pixel of the window did weight[0, 0] meet?",
    dweight="np.einsum('bopq,bcpqij->ocij', dy, view)[:, :, ::-1, ::-1]",
)
conv2d_backward.slip(
    "dweight is made from windows of an image without the zeros above and to the left",
    "Forward cut its windows from the padded image.",
    dweight="np.einsum('bopq,bcpqij->ocij', dy, sliding_windows(_pad(x, (0, 2 * padding), (0, 2 * padding)), (kh, kw), "
    "stride, stride))",
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


FILTERS = {"O": "the filters", "C": "the input channels", "kh": "the rows", "kw": "the columns of a filter"}


@exercise(cases=_standardize_cases, outputs={"what": "(O, C, kh, kw)"}, axes=FILTERS, level=1, minutes=10)
def standardize(weight, eps):
    O, C, kh, kw = weight.shape
    return standardise(weight, (1, 2, 3), eps)  # the standardised filters


for _axes, _name, _why in (
    (None, "one mean and one variance serve the whole tensor",
     "Each filter is standardised by itself.  How many means should there be?"),
    (0, "mean and variance run over the filters (axis 0)", "Which axes hold the numbers of one filter?"),
    (1, "mean and variance run over the channels only", "Which axes hold the numbers of one filter?"),
    ((0, 2, 3), "mean and variance are those of an input channel, over all filters",
     "Which of the four axes counts the filters?"),
):  # fmt: skip
    standardize.slip(_name, _why, result=f"standardise(weight, {_axes}, eps)")
standardize.slip(
    "every kernel, one per pair of channels, is standardised by itself",
    "A filter reads all the channels, and is standardised as a whole.",
    result="standardise(weight, (2, 3), eps)",
)


# ---- receptive_field(kernels, strides) -> side -----------------------------------------------------------------------


def _receptive_field_cases(rng):
    return [
        ([3, 3, 3], [1, 1, 1]),
        ([7, 3], [2, 2]),
        ([7, 3, 1, 3, 1], [2, 2, 1, 2, 1]),
        ([3, 5, 2, 3], [2, 1, 3, 1]),
    ]


def _walked_back(kernels, strides, less=1):
    """The recursion side <- (side - less) stride + kernel, from the first to the last of what it is given."""
    side = 1
    for kernel, stride in zip(kernels, strides, strict=True):
        side = (side - less) * stride + kernel
    return side


# A count: a difference of one is a mistake.
@exercise(
    cases=_receptive_field_cases,
    outputs={"side": "(a whole number)"}, tolerance=1e-9, whole=True, level=2, minutes=15,
)  # fmt: skip
def receptive_field(kernels, strides):
    grown = np.array(kernels) - 1  # by how much each layer grows the field
    steps = np.cumprod([1, *strides[:-1]])  # how far apart the pixels of its input are
    return int(1 + (grown * steps).sum())  # the side


receptive_field.slip(
    "the strides are not used",
    "After a layer of stride 2, how many pixels of the image lie between two neighbours of its output?",
    steps="np.ones(len(strides), int)",
)
receptive_field.slip(
    "the kernels are added up whole",
    "Two layers of 3 x 3 see 5 x 5 pixels.  By how many does the second one widen the field?",
    result="sum(kernels)",
)
receptive_field.slip(
    "walking back, each layer adds its whole kernel: side * stride + kernel",
    "Two pixels that are one stride apart: how many pixels do two windows see together?",
    result="_walked_back(kernels[::-1], strides[::-1], 0)",
)
receptive_field.slip(
    "the field starts with the first kernel, which is then counted again",
    "Before the first layer, how many pixels does one pixel see?",
    result="int(kernels[0] + (grown * steps).sum())",
)
receptive_field.slip(
    "half of each kernel is counted: one side of it",
    "A window reaches out on both sides.",
    grown="np.array(kernels) // 2",
)
receptive_field.slip(
    "the strides are added up, not multiplied",
    "Two layers of stride 2: how many pixels lie between two neighbours of the second one's output?",
    steps="np.cumsum([1, *strides[:-1]])",
)
receptive_field.slip(
    "the kernels are multiplied",
    "Two layers of 3 x 3 see 5 x 5 pixels, since their windows overlap.",
    result="math.prod(kernels)",
)
receptive_field.slip(
    "a layer's own stride counts for its own window",
    "The stride of the first layer: which windows does it move apart, its own pixels or those of its output?",
    steps="np.cumprod(strides)",
)
receptive_field.slip(
    "each layer adds its whole kernel instead of one less",
    "A window of one pixel widens the field by how many?",
    grown="np.array(kernels)",
)
receptive_field.slip(
    "the pixel itself is not counted",
    "With no layer at all, how many pixels does a pixel see?",
    result="int((grown * steps).sum())",
)
receptive_field.slip(
    "strides are added up where they multiply",
    "After two layers of stride 2, how far apart in the image are two neighbours?",
    steps="1 + np.cumsum([0, *(np.array(strides[:-1]) - 1)])",
)
receptive_field.slip(
    "the layers are walked in the wrong direction",
    "(side - 1) stride + kernel starts at one pixel of the output, adding (kernel - 1) times a product of strides at "
    "the image. At which end did you start?",
    result="_walked_back(kernels, strides)",
)


# ---- dilated_conv2d(x, weight, stride, padding, dilation) -> y -------------------------------------------------------


def _dilated_cases(rng):
    sizes = [
        ((1, 1, 7, 9), (1, 3, 3), 1, 0, 2),
        ((2, 3, 9, 10), (4, 3, 2), 2, 1, 3),
        ((3, 2, 7, 8), (5, 2, 3), 3, 2, 2),
        ((2, 2, 6, 7), (3, 2, 3), 2, 3, 1),
    ]
    return [
        (rng.standard_normal(x), rng.standard_normal((O, x[1], kh, kw)), stride, padding, dilation)
        for x, (O, kh, kw), stride, padding, dilation in sizes
    ]


@exercise(cases=_dilated_cases, outputs={"y": "(B, O, Ho, Wo)"}, level=2, minutes=35)
def dilated_conv2d(x, weight, stride, padding, dilation):
    O, C, kh, kw = weight.shape
    rows = dilation * (kh - 1) + 1  # the rows that the spread kernel spans
    columns = dilation * (kw - 1) + 1  # the columns that the spread kernel spans
    padded = _pad(x, (padding, padding), (padding, padding))  # the padded images
    view = sliding_windows(padded, (rows, columns), stride, stride)  # the windows
    read = view[..., ::dilation, ::dilation]  # the pixels that are read
    return np.einsum("bcpqij,ocij->bopq", read, weight)  # the sums


dilated_conv2d.slip(
    "the pixels that are read stand side by side: the dilation is not used",
    "How many pixels lie between two numbers of the kernel that are neighbours?",
    read="view[..., :kh, :kw]",
)
dilated_conv2d.slip(
    "the rows that are read lie side by side: the dilation is used across only",
    "The kernel is spread in both directions.",
    read="view[..., :kh, ::dilation]",
)
dilated_conv2d.slip(
    "the columns that are read lie side by side: the dilation is used down only",
    "The kernel is spread in both directions.",
    read="view[..., ::dilation, :kw]",
)
dilated_conv2d.slip(
    "the border is put above and to the left only",
    "How many sides has an image?",
    padded="_pad(x, (padding, 0), (padding, 0))",
)
dilated_conv2d.slip(
    "the dilation is not used at all",
    "How many pixels lie between two numbers of the kernel that are neighbours?",
    rows="kh", columns="kw", read="view",
)  # fmt: skip
dilated_conv2d.slip(
    "the spread kernel is taken to span dilation kh pixels",
    "Between three numbers there are two gaps. How far is it from the first to the last?",
    rows="dilation * kh", columns="dilation * kw",
)  # fmt: skip
dilated_conv2d.slip(
    "the windows move on by the dilation, not by the stride",
    "The dilation spreads the kernel; what moves the window?",
    view="sliding_windows(padded, (rows, columns), dilation, dilation)",
)
dilated_conv2d.slip(
    "the windows move on by stride times dilation",
    "The dilation spreads the kernel; what moves the window?",
    view="sliding_windows(padded, (rows, columns), stride * dilation, stride * dilation)",
)
dilated_conv2d.slip(
    "the windows move on by one pixel: the stride is not used",
    "The second window starts `stride` pixels after the first one.",
    view="sliding_windows(padded, (rows, columns), 1, 1)",
)
dilated_conv2d.slip(
    "only the rows are spread, not the columns",
    "A kernel has two sides.",
    columns="kw",
    read="view[..., ::dilation, :]",
)
dilated_conv2d.slip(
    "the padding is forgotten",
    "How large is the image after `padding` rows and columns of zeros went around it?",
    padded="x",
)
dilated_conv2d.slip(
    "the padding is spread too", "`padding` counts rows of zeros, and they stand side by side.",
    padded="_pad(x, (dilation * padding, dilation * padding), (dilation * padding, dilation * padding))",
)  # fmt: skip
dilated_conv2d.slip(
    "the kernel is flipped, as in a mathematician's convolution",
    "Which number of the window does the first number of the filter meet?",
    result="np.einsum('bcpqij,ocij->bopq', read, weight[:, :, ::-1, ::-1])",
)


# ---- standardize_backward(dwhat, weight, eps) -> dweight -------------------------------------------------------------


def _standardize_backward_cases(rng):
    return [(rng.standard_normal(weight.shape), weight, eps) for weight, eps in _standardize_cases(rng)]


def _mean(x):
    """One for each filter, (O, 1, 1, 1)"""
    return x.mean(axis=(1, 2, 3), keepdims=True)


@exercise(
    cases=_standardize_backward_cases, outputs={"dweight": "(O, C, kh, kw)"}, axes=FILTERS, level=2, minutes=30
)  # fmt: skip
def standardize_backward(dwhat, weight, eps):
    deviation = np.sqrt(_mean((weight - _mean(weight)) ** 2) + eps)  # the deviation, with eps
    what = (weight - _mean(weight)) / deviation  # the standardised filters
    along_one = _mean(dwhat)  # the part along 1
    along_filter = what * _mean(dwhat * what)  # the part along the filter
    return (dwhat - along_one - along_filter) / deviation


_DIRECTIONS = "Which two directions of a filter change nothing? No gradient may point there."
standardize_backward.slip(
    "the variance is the unbiased one, divided by one less",
    "Nothing is estimated here: the numbers are all there are. Divide by how many?",
    deviation="np.sqrt(_mean((weight - _mean(weight)) ** 2) * weight[0].size / (weight[0].size - 1) + eps)",
)
standardize_backward.slip(
    "mean and variance run over the filters (axis 0), not over the numbers of each",
    "Which numbers share one mean?",
    deviation="np.sqrt(weight.var(axis=0) + eps)",
    what="(weight - weight.mean(axis=0)) / deviation",
    along_one="dwhat.mean(axis=0)",
    along_filter="what * (dwhat * what).mean(axis=0)",
)
standardize_backward.slips_in(
    "result",
    ("the deviation is held fixed: the part along the filter stays in",
     "The deviation depends on the filter too. " + _DIRECTIONS, "(dwhat - along_one) / deviation"),
    ("the mean is held fixed: the part along 1 stays in", "The mean depends on the filter too. " + _DIRECTIONS,
     "(dwhat - along_filter) / deviation"),
    ("mean and deviation are held fixed", _DIRECTIONS, "dwhat / deviation"),
    ("the deviation is not divided by", "what = (weight - mean) / deviation: what is left of that on the way back?",
     "dwhat - along_one - along_filter"),
    ("multiplied by the deviation, not divided by it",
     "A filter twice as large gives the same `what`. What becomes of its gradient?",
     "(dwhat - along_one - along_filter) * deviation"),
    ("a part is added that has to be taken away", _DIRECTIONS, "(dwhat - along_one + along_filter) / deviation"),
    ("both parts are sums over the filter, not means", "How long is a direction whose numbers are all 1?",
     "(dwhat - weight[0].size * (along_one + along_filter)) / deviation"),
)  # fmt: skip
standardize_backward.slip(
    "eps is added to the deviation, not to the variance",
    "In which of the two codes does eps stand under the root?",
    deviation="np.sqrt(_mean((weight - _mean(weight)) ** 2)) + eps",
)
standardize_backward.slip(
    "the filter itself stands where the standardised one belongs",
    "The second direction is that of the centred filter, measured in deviations.",
    along_filter="weight * _mean(dwhat * weight)",
)
standardize_backward.slips_in(
    "along_one",
    ("a sum stands where the mean over a filter belongs", "With how many numbers did the mean of a filter divide?",
     "dwhat.sum(axis=(1, 2, 3), keepdims=True)"),
    ("one mean serves the whole tensor", "Each filter has a mean of its own.", "dwhat.mean()"),
)  # fmt: skip


# ---- depthwise_backward(dy, x, weight, stride, padding) -> dx, dweight -----------------------------------------------


def _depthwise_backward_cases(rng):
    cases = []
    for shape, (_, kh, kw), stride, padding in _SIZES[1:]:
        x, weight = rng.standard_normal(shape), rng.standard_normal((shape[1], kh, kw))
        padded = _pad(x, (padding, padding), (padding, padding))
        y = np.einsum("bcpqij,cij->bcpq", sliding_windows(padded, (kh, kw), stride, stride), weight)
        cases.append((rng.standard_normal(y.shape), x, weight, stride, padding))
    return cases


@exercise(
    cases=_depthwise_backward_cases,
    outputs={"dx": "(B, C, H, W)", "dweight": "(C, kh, kw)"}, level=3, minutes=50,
)  # fmt: skip
def depthwise_backward(dy, x, weight, stride, padding):
    B, C, H, W = x.shape
    C, kh, kw = weight.shape
    padded = _pad(x, (padding, padding), (padding, padding))  # the padded images
    view = sliding_windows(padded, (kh, kw), stride, stride)  # the windows
    dweight = np.einsum("bcpq,bcpqij->cij", dy, view)  # dweight
    sent = np.einsum("bcpq,cij->bcpqij", dy, weight)  # what each window sends back
    dpadded = _spread(sent, padded.shape, stride)  # the gradient of the padded images
    dx = dpadded[:, :, padding : padding + H, padding : padding + W]  # dx
    return dx, dweight


depthwise_backward.slip(
    "the border is cut off by `padding:-padding`, which leaves nothing where there is no padding",
    "What is -0, and so where does `0:-0` end?",
    dx="dpadded[:, :, padding:-padding, padding:-padding]",
)
depthwise_backward.slip(
    "in dx, each window overwrites what the windows before it had sent",
    "Windows overlap.  What happens to gradients where a value is used twice?",
    dpadded="_spread(sent, padded.shape, stride, False)",
)
depthwise_backward.slip(
    "in dx, each place of the kernel overwrites what the places before it had sent",
    "Windows overlap.  What happens to gradients where a value is used twice?",
    dpadded="_by_place(sent, padded.shape, stride)",
)
depthwise_backward.slip(
    "dx still has the border of the padding",
    "The zeros around the image are no pixels of x.  Which part of the result belongs to x?",
    dx="dpadded",
)
depthwise_backward.slip(
    "dx is cut out at the top left corner, not inside the border",
    "Where in the padded image does pixel (0, 0) of x stand?",
    dx="dpadded[:, :, :H, :W]",
)
depthwise_backward.slip(
    "in dx, the kernels are flipped once too often",
    "dy[p, q] reached its window through weight[i, j].  It goes back through the same one.",
    sent="np.einsum('bcpq,cij->bcpqij', dy, weight[:, ::-1, ::-1])",
)
depthwise_backward.slip(
    "in dx, all channels get what the sum of the channels sends back",
    "Channel c of y has read channel c of x alone.",
    sent="np.einsum('bopq,oij->bpqij', dy, weight)[:, None] + 0 * view",
)
depthwise_backward.slip(
    "in dx, the stride is forgotten: all windows are one pixel apart",
    "Where did the window of dy[p, q] start?",
    dpadded="_spread(sent, padded.shape, 1)",
)
for _words, _by in (("images", "B"), ("places of the window", "math.prod(dy.shape[2:])")):
    depthwise_backward.slip(
        f"dweight is the mean over the {_words}, not the sum",
        _ADDS.format("weight"),
        dweight=f"np.einsum('bcpq,bcpqij->cij', dy, view) / {_by}",
    )
depthwise_backward.slip(
    "dweight comes from the last image alone",
    "Every image used the kernels: is the gradient added up, or written over?",
    dweight="np.einsum('bcpq,bcpqij->cij', dy[-1:], view[-1:])",
)
depthwise_backward.slip(
    "dweight has one kernel for all channels",
    "Each channel has a kernel of its own.",
    dweight="0 * weight + np.einsum('bcpq,bcpqij->ij', dy, view)",
)
