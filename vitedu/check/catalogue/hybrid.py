"""Exercises of notebooks/10_hybrid.ipynb: "same" padding, the authors' residual unit, feature tokens."""

from __future__ import annotations

import math

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import linear, rectify
from .bit import COVERS, UNIT_SIZES, conv_layer, norm_layer

__all__ = [
    "feature_tokens", "feature_tokens_backward", "hybrid_tokens", "postact_unit", "same_padding",
    "same_padding_dilated", "seen_pixels",
]  # fmt: skip

_EXACT = 1e-9  # counts of pixels and tokens: a difference of one is a mistake


# ---- same_padding(size, kernel, stride) -> before, after -------------------------------------------------------------


@exercise(
    cases=lambda rng: [(8, 3, 2), (7, 3, 2), (224, 7, 2), (6, 3, 1), (10, 4, 3), (11, 4, 1), (5, 1, 2), (12, 2, 4)],
    outputs={"before": "(a whole number)", "after": "(a whole number)"},
    tolerance=_EXACT, whole=True, level=2, minutes=15,
)  # fmt: skip
def same_padding(size, kernel, stride):
    outputs = math.ceil(size / stride)  # the number of outputs
    total = max((outputs - 1) * stride + kernel - size, 0)  # the total
    before = total // 2  # what comes before
    after = total - before  # what comes after
    return before, after


_EVEN = "Is the total always even?  Try 8 pixels, a kernel of 3 and stride 2."
same_padding.slip(
    "the extra pixel comes first", "Where the total is odd, which side gets more?", before="total - total // 2"
)
same_padding.slip(
    "both sides get half a kernel, whatever the stride: symmetric padding", _EVEN, result="(kernel // 2, kernel // 2)"
)
same_padding.slip(
    "both sides get (kernel - 1) / 2, whatever the stride: symmetric padding",
    _EVEN,
    weight=0.82,
    result="((kernel - 1) // 2, (kernel - 1) // 2)",
)
same_padding.slip(
    "the number of outputs is rounded down",
    "The last window starts inside the image, even if it does not fit.  So how many windows are there?",
    outputs="size // stride",
)
same_padding.slip("the stride is not used", "A larger stride needs fewer pixels beyond the end.", total="kernel - 1")
same_padding.slip(
    "the total is kernel - stride, whatever the size",
    "That is right where the stride divides the size.  Try 7 pixels.",
    total="max(kernel - stride, 0)",
)
same_padding.slip(
    "the total may become negative",
    "A window of one pixel at stride 2 leaves pixels out.  Can there be less than no padding?",
    total="(outputs - 1) * stride + kernel - size",
)
same_padding.slip("all of it comes at the end", "The total is shared between the two sides.", before="0")
same_padding.slip(
    "an odd total is halved on both sides, and a pixel is lost",
    "Do your two numbers add up to the total?",
    after="total // 2",
)
same_padding.slip(
    "the windows are counted one too many",
    "From the first of n windows to the last, how often does the window move?",
    total="max(outputs * stride + kernel - size, 0)",
)


# ---- seen_pixels(output, size, kernels, strides) -> first, last ------------------------------------------------------


def _sides(size, strides):
    """The side that each layer reads, the first one the image."""
    sides = [size]
    for stride in strides[:-1]:
        sides.append(math.ceil(sides[-1] / stride))
    return sides


def _padded(sides, kernels, strides):
    """(before, after) of every layer, "same"."""
    pairs = []
    for side, kernel, stride in zip(sides, kernels, strides, strict=True):
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        pairs.append((total // 2, total - total // 2))
    return pairs


def _walk(output, kernels, strides, before, less=1, order=-1):
    """From one output back to the image: the first and the last pixel of its window, of their windows, and so on."""
    first = last = output
    for kernel, stride, pad in list(zip(kernels, strides, before, strict=True))[::order]:
        first, last = first * stride - pad, last * stride - pad + kernel - less
    return first, last


def _receptive(kernels, strides):
    side = 1
    for kernel, stride in zip(kernels[::-1], strides[::-1], strict=True):
        side = (side - 1) * stride + kernel
    return side


@exercise(
    cases=lambda rng: [
        (0, 8, [3], [2]), (3, 8, [3], [2]), (1, 224, [7, 3], [2, 2]), (1, 20, [4, 3], [2, 2]),
        (0, 45, [3, 1, 3], [2, 1, 2]), (2, 30, [7, 3, 3, 5], [2, 2, 1, 3]), (3, 30, [4, 5, 2, 3], [1, 2, 3, 2]),
    ],
    outputs={"first": "(a whole number)", "last": "(a whole number)"},
    tolerance=_EXACT, whole=True, level=3, minutes=25,
)  # fmt: skip
def seen_pixels(output, size, kernels, strides):
    sides = _sides(size, strides)  # the sides
    before = [pair[0] for pair in _padded(sides, kernels, strides)]  # the padding before
    return _walk(output, kernels, strides, before)


seen_pixels.slip(
    "the padding is taken for symmetric, half a kernel on each side",
    'How many pixels does "same" padding put *before* an even side at stride 2?',
    before="[kernel // 2 for kernel in kernels]",
)
seen_pixels.slip(
    "the padding is taken for symmetric, (kernel - 1) / 2 on each side",
    'How many pixels does "same" padding put *before* an even side at stride 2?',
    weight=0.82,
    before="[(kernel - 1) // 2 for kernel in kernels]",
)
seen_pixels.slip(
    "the first pixel behind the window is given, not the last one in it",
    "A window of one pixel: what are its first and its last?",
    result="(_walk(output, kernels, strides, before)[0], _walk(output, kernels, strides, before)[1] + 1)",
)
seen_pixels.slip(
    "the padding is not used",
    "Pixel 0 of the padded image is not pixel 0 of the image.",
    before="[0 for kernel in kernels]",
)
seen_pixels.slip(
    "what is padded after the image is taken for what is padded before it",
    "Which of the two numbers moves the first window?",
    weight=0.85,
    before="[pair[1] for pair in _padded(sides, kernels, strides)]",
)
seen_pixels.slip(
    "the last pixel is one too far",
    "A window of 3 pixels that starts at 5: where does it end?",
    result="_walk(output, kernels, strides, before, 0)",
)
seen_pixels.slip(
    "the layers are walked from the image to the output",
    "You know a pixel of the output.  Whose window is it: the first layer's or the last one's?",
    result="_walk(output, kernels, strides, before, 1, 1)",
)
seen_pixels.slip(
    "every layer is padded as if it read the image itself",
    "How many numbers does the second layer read?",
    sides="[size for kernel in kernels]",
)
seen_pixels.slip(
    "the sides of the layers are rounded down",
    "How many outputs has a side of 25 at stride 2?",
    sides="[size // int(np.prod(strides[:i])) for i in range(len(strides))]",
)
seen_pixels.slip(
    "the stack is padded as if it were one layer with a large window",
    "Each layer pads what it reads by itself.",
    result="_walk(output, [_receptive(kernels, strides)], [math.prod(strides)], "
    "[_padded([size], [_receptive(kernels, strides)], [math.prod(strides)])[0][0]])",
)
seen_pixels.slip(
    "what lies outside the image is cut off",
    "Here the padding counts: windows may start before pixel 0.",
    result="tuple(min(max(i, 0), size - 1) for i in _walk(output, kernels, strides, before))",
)


# ---- feature_tokens(features, weight, bias) -> tokens ----------------------------------------------------------------


def _feature_cases(rng):
    return [
        (rng.standard_normal((B, C, H, W)), rng.standard_normal((D, C)), rng.standard_normal(D))
        for B, C, H, W, D in ((1, 2, 3, 4, 3), (2, 5, 4, 2, 5), (3, 4, 1, 6, 7))
    ]


@exercise(cases=_feature_cases, outputs={"tokens": "(B, N, D)"}, level=1, minutes=10)
def feature_tokens(features, weight, bias):
    B, C, H, W = features.shape
    moved = features.transpose(0, 2, 3, 1)  # the channels at the end
    pixels = moved.reshape(B, H * W, C)  # the pixels
    return linear(pixels, weight, bias)  # the projection


feature_tokens.slip(
    "nothing is moved: a reshape alone puts numbers of different pixels into one token",
    "The C numbers of one pixel are far apart in memory.  What brings them together?",
    pixels="features.reshape(B, H * W, C)",
)
feature_tokens.slip(
    "the sequence runs down the columns of the map",
    "After the first pixel comes its neighbour: to the right, or below?",
    moved="features.transpose(0, 3, 2, 1)",
)
feature_tokens.slip(
    "the features stand before the tokens, (B, D, N)",
    "A sequence of tokens is (B, N, D).",
    result="linear(pixels, weight, bias).swapaxes(1, 2)",
)
feature_tokens.slip(
    "the tokens are still a map, (B, D, H, W)",
    "The Transformer reads a sequence: how many axes has it?",
    result="linear(pixels, weight, bias).swapaxes(1, 2).reshape(B, -1, H, W)",
)
feature_tokens.slip(
    "the map is averaged: one token per image",
    "How many tokens should there be?",
    result="linear(pixels, weight, bias).mean(axis=1, keepdims=True)",
)


# ---- hybrid_tokens(image_hw, blocks, patch_size) -> T ----------------------------------------------------------------


@exercise(
    cases=lambda rng: [
        ((224, 224), (3, 4, 9), 1), ((224, 224), (3, 4, 6, 3), 1), ((224, 160), (), 8), ((100, 60), (1, 1), 1),
        ((64, 96), (2,), 2), ((226, 226), (2,), 1), ((45, 70), (), 1),  # sides that are odd inside the root
    ],
    outputs={"T": "(a whole number)"}, tolerance=_EXACT, whole=True, level=2, minutes=15,
)  # fmt: skip
def hybrid_tokens(image_hw, blocks, patch_size):
    H, W = image_hw
    root = 4
    halvings = max(len(blocks) - 1, 0)  # the halvings
    factor = root * 2**halvings  # the factor
    h = math.ceil(H / factor)  # the rows of the map
    w = math.ceil(W / factor)  # the columns of the map
    return (h // patch_size) * (w // patch_size) + 1  # the tokens


hybrid_tokens.slip(
    "the class token is not counted",
    "Which token is no pixel of the map?",
    result="(h // patch_size) * (w // patch_size)",
)
hybrid_tokens.slip("the root is taken to halve the image once", "The root is a convolution and a max-pool.", root="2")
hybrid_tokens.slip(
    "every stage halves, the first one too",
    "Follow the sides through the stages of R50: 56, 28, ...",
    halvings="len(blocks)",
)
hybrid_tokens.slip(
    "every residual unit halves", "Which of the units of a stage have stride 2?", halvings="max(sum(blocks) - 1, 0)"
)
_ODD = '"Same" padding: how many outputs has a side of 25 at stride 2?'
hybrid_tokens.slip("odd sides are rounded down", _ODD, h="H // factor", w="W // factor")
hybrid_tokens.slip(
    "odd sides are rounded down in the root, and up after it",
    _ODD,
    h="math.ceil(H // 4 / 2**halvings)",
    w="math.ceil(W // 4 / 2**halvings)",
)
hybrid_tokens.slip(
    "odd sides are rounded up in the root, and down after it",
    _ODD,
    h="math.ceil(H / 4) // 2**halvings",
    w="math.ceil(W / 4) // 2**halvings",
)
hybrid_tokens.slip(
    "patch_size is not used",
    "A patch is a square of pixels of the map; it need not be a single one.",
    result="h * w + 1",
)
hybrid_tokens.slip(
    "patch_size counts pixels of the image: the ResNet is forgotten",
    "The ViT never sees the image.  What does it cut into patches?",
    factor="1",
)


# ---- postact_unit(x, stride, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj) -> out ------------------


def _unit_cases(rng):
    cases = []
    for x, width, out, stride in UNIT_SIZES:
        C, norm = x[1], dict(eps=1e-6)
        projected = (C, stride) != (out, 1)
        cases.append((
            rng.normal(0.5, 1.5, x),
            stride,
            conv_layer(rng, "conv1", C, width, 1),
            norm_layer(rng, "norm1", width, **norm),
            conv_layer(rng, "conv2", width, width, 3, padding="same"),
            norm_layer(rng, "norm2", width, **norm),
            conv_layer(rng, "conv3", width, out, 1),
            norm_layer(rng, "norm3", out, **norm),
            conv_layer(rng, "conv_proj", C, out, 1) if projected else None,
            norm_layer(rng, "norm_proj", out, **norm) if projected else None,
        ))  # fmt: skip
    return cases


@exercise(cases=_unit_cases, outputs={"out": "(B, C_out, H / stride, W / stride)"}, level=2, minutes=25)
def postact_unit(x, stride, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj):
    h1 = rectify(norm1(conv1(x)))  # the first convolution, normed and rectified
    h2 = rectify(norm2(conv2(h1, stride)))  # the second convolution, normed and rectified
    y = norm3(conv3(h2))  # the branch
    shortcut = norm_proj(conv_proj(x, stride)) if conv_proj else x  # the shortcut
    return rectify(shortcut + y)  # the sum


_TAKE = "Should the branch be able to take something away from the shortcut?"
postact_unit.slip("the shortcut is not added", "What makes the unit a residual one?", result="rectify(y)")
postact_unit.slip(
    "the stride is on the first convolution (1x1), as in the first ResNet",
    COVERS,
    h1="rectify(norm1(conv1(x, stride)))",
    h2="rectify(norm2(conv2(h1)))",
)
postact_unit.slip(
    "the stride is on the last convolution (1x1)", COVERS, h2="rectify(norm2(conv2(h1)))", y="norm3(conv3(h2, stride))"
)
postact_unit.slip(
    "the last rectifier is missing", "Post-activation: what stands on the stream after the sum?", result="shortcut + y"
)
postact_unit.slip(
    "the last rectifier stands before the sum", _TAKE, y="rectify(norm3(conv3(h2)))", result="shortcut + y"
)
postact_unit.slip(
    "the branch is rectified before the sum, and once more after it", _TAKE, y="rectify(norm3(conv3(h2)))"
)
postact_unit.slip(
    "the shortcut is rectified before the sum",
    "The shortcut goes to the sum as it is, or projected and normalised.",
    result="rectify(rectify(shortcut) + y)",
)
postact_unit.slip(
    "the projection is not normalised",
    "How many norms has a unit with a projection?",
    shortcut="conv_proj(x, stride) if conv_proj else x",
)
postact_unit.slip(
    "the projection is not given the stride",
    "With stride 2, how large is the branch's image, and how large is the shortcut's?",
    shortcut="norm_proj(conv_proj(x)) if conv_proj else x",
)
postact_unit.slip(
    "the branch is not normalised before the sum",
    "Every convolution of this unit has a norm behind it, the last one too.",
    y="conv3(h2)",
)
postact_unit.slip(
    "the rectifiers inside stand before the norms",
    "In which order do norm and rectifier come?",
    h1="norm1(rectify(conv1(x)))",
    h2="norm2(rectify(conv2(h1, stride)))",
)
_BETWEEN = "How many convolutions are there, and what stands between them?"
postact_unit.slip("the first rectifier is missing", _BETWEEN, h1="norm1(conv1(x))")
postact_unit.slip("the second rectifier is missing", _BETWEEN, h2="norm2(conv2(h1, stride))")
postact_unit.slip(
    "x is rectified before the first convolution, as in a pre-activation unit",
    "Here norm and rectifier stand *after* each convolution.  What does the first one read?",
    h1="rectify(norm1(conv1(rectify(x))))",
)


# ---- same_padding_dilated(size, kernel, stride, dilation) -> before, after -------------------------------------------


@exercise(
    cases=lambda rng: [
        (8, 3, 2, 2), (7, 3, 2, 1), (20, 4, 1, 3), (21, 3, 4, 5), (10, 1, 2, 3), (9, 2, 3, 4), (31, 5, 2, 2),
        (12, 2, 7, 3),
    ],
    outputs={"before": "(a whole number)", "after": "(a whole number)"},
    tolerance=_EXACT, whole=True, level=1, minutes=10,
)  # fmt: skip
def same_padding_dilated(size, kernel, stride, dilation):
    span = dilation * (kernel - 1) + 1  # the pixels from the first to the last that is read
    outputs = math.ceil(size / stride)  # the number of outputs
    total = max((outputs - 1) * stride + span - size, 0)  # the total
    before = total // 2  # what comes before
    after = total - before  # what comes after
    return before, after


same_padding_dilated.slip(
    "the padding without dilation is multiplied by it",
    "What does the dilation make longer, the kernel or its border?",
    before="dilation * (max((outputs - 1) * stride + kernel - size, 0) // 2)",
    after="dilation * (max((outputs - 1) * stride + kernel - size, 0) - before // dilation)",
)
same_padding_dilated.slip(
    "the span is dilation times kernel", "Between three numbers there are two gaps.", span="dilation * kernel"
)
same_padding_dilated.slip(
    "the dilation is not used", "How far is it from the first pixel that is read to the last?", span="kernel"
)
same_padding_dilated.slip(
    "the last number of the kernel is not counted", "Does a kernel of one pixel span no pixel at all?",
    span="dilation * (kernel - 1)",
)  # fmt: skip
same_padding_dilated.slip(
    "the windows move on by stride times dilation", "The dilation spreads the kernel; what moves the window?",
    outputs="math.ceil(size / (stride * dilation))",
    total="max((outputs - 1) * stride * dilation + span - size, 0)",
)  # fmt: skip
same_padding_dilated.slip(
    "the extra pixel comes first", "Where the total is odd, which side gets more?", before="total - total // 2"
)
same_padding_dilated.slip(
    "the number of outputs is rounded down",
    "The last window starts inside the image, even if it does not fit.  So how many windows are there?",
    outputs="size // stride",
)
same_padding_dilated.slip(
    "the total may become negative",
    "A window of one pixel at stride 2 leaves pixels out.  Can there be less than no padding?",
    total="(outputs - 1) * stride + span - size",
)


# ---- feature_tokens_backward(dtokens, features, weight) -> dfeatures, dweight, dbias ---------------------------------


def _feature_backward_cases(rng):
    return [
        (rng.standard_normal((B, H * W, D)), rng.standard_normal((B, C, H, W)), rng.standard_normal((D, C)))
        for B, C, H, W, D in ((1, 2, 3, 4, 3), (2, 5, 4, 2, 5), (3, 4, 1, 6, 7))
    ]


@exercise(
    cases=_feature_backward_cases,
    outputs={"dfeatures": "(B, C, H, W)", "dweight": "(D, C)", "dbias": "(D,)"}, level=2, minutes=25,
)  # fmt: skip
def feature_tokens_backward(dtokens, features, weight):
    B, C, H, W = features.shape
    pixels = features.transpose(0, 2, 3, 1).reshape(B, H * W, C)  # the pixels
    dpixels = dtokens @ weight  # the gradient of the pixels
    dfeatures = dpixels.reshape(B, H, W, C).transpose(0, 3, 1, 2)  # dfeatures
    dweight = np.einsum("bnd,bnc->dc", dtokens, pixels)  # dweight
    dbias = dtokens.sum(axis=(0, 1))  # dbias
    return dfeatures, dweight, dbias


feature_tokens_backward.slip(
    "dfeatures is reshaped without moving the channels back",
    "The C numbers of one pixel came from C maps. Where do they belong?",
    dfeatures="dpixels.reshape(B, C, H, W)",
)
feature_tokens_backward.slip(
    "dfeatures runs down the columns of the map",
    "Token 1 is the neighbour of token 0: to its right, or below?",
    dfeatures="dpixels.reshape(B, W, H, C).transpose(0, 3, 2, 1)",
)
feature_tokens_backward.slip(
    "in dweight the pixels are a reshape of the features alone",
    "Forward moved the channels to the end. What did each token read?",
    pixels="features.reshape(B, H * W, C)",
)
for _words, _by in (("images", "B"), ("tokens", "(H * W)")):
    feature_tokens_backward.slip(
        f"dweight and dbias are means over the {_words}", "All of them used the same weights. What do uses do?",
        dweight=f"np.einsum('bnd,bnc->dc', dtokens, pixels) / {_by}", dbias=f"dtokens.sum(axis=(0, 1)) / {_by}",
    )  # fmt: skip
feature_tokens_backward.slip(
    "dweight is transposed", "A gradient has the shape of its parameter.",
    dweight="np.einsum('bnd,bnc->cd', dtokens, pixels)",
)  # fmt: skip
feature_tokens_backward.slip(
    "dbias is kept apart for each image", "All images used the same bias.", dbias="dtokens.sum(axis=1)"
)
