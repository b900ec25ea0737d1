"""Checks for the exercises of notebooks/10_hybrid.ipynb: "same" padding, the authors' residual unit, feature tokens."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.config import HybridConfig
from vitedu_numpy.layers.linear import linear as _np_linear
from vitedu_numpy.layers.padding import same_padding as _np_same_padding

from .bit import UNIT_SIZES, conv_layer, mistakes_of_a_unit, norm_layer, relu, same

__all__ = ["feature_tokens", "hybrid_tokens", "postact_unit", "same_padding", "seen_pixels"]

_EXACT = 1e-9  # counts of pixels and tokens: a difference of one is a mistake


# ---- same_padding(size, kernel, stride) -> before, after -------------------------------------------------------------


def _total(size, kernel, stride, outputs=None):
    """Pixels that `outputs` windows need beyond the image; negative if they need fewer than there are."""
    outputs = -(-size // stride) if outputs is None else outputs
    return (outputs - 1) * stride + kernel - size


def _halves(total):
    return total // 2, total - total // 2


def _extra_first(size, kernel, stride):
    return _np_same_padding(size, kernel, stride)[::-1]


def _at_one_end(size, kernel, stride):
    return 0, sum(_np_same_padding(size, kernel, stride))


def _twice_the_half(size, kernel, stride):
    before, _ = _np_same_padding(size, kernel, stride)
    return before, before


same_padding = Check(
    "same_padding",
    reference=_np_same_padding,
    cases=lambda rng: [(8, 3, 2), (7, 3, 2), (224, 7, 2), (6, 3, 1), (10, 4, 3), (11, 4, 1), (5, 1, 2), (12, 2, 4)],
    outputs={"before": "(a whole number)", "after": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the extra pixel comes first",
            "Where the total is odd, which side gets more?",
            _extra_first,
        ),
        Mistake(
            "both sides get half a kernel, whatever the stride: symmetric padding",
            "Is the total always even?  Try 8 pixels, a kernel of 3 and stride 2.",
            lambda size, kernel, stride: (kernel // 2, kernel // 2),
        ),
        Mistake(
            "the number of outputs is rounded down",
            "The last window starts inside the image, even if it does not fit.  So how many windows are there?",
            lambda size, kernel, stride: _halves(max(_total(size, kernel, stride, size // stride), 0)),
        ),
        Mistake(
            "the stride is not used",
            "A larger stride needs fewer pixels beyond the end.",
            lambda size, kernel, stride: _halves(kernel - 1),
        ),
        Mistake(
            "the total is kernel - stride, whatever the size",
            "That is right where the stride divides the size.  Try 7 pixels.",
            lambda size, kernel, stride: _halves(max(kernel - stride, 0)),
        ),
        Mistake(
            "the total may become negative",
            "A window of one pixel at stride 2 leaves pixels out.  Can there be less than no padding?",
            lambda size, kernel, stride: _halves(_total(size, kernel, stride)),
        ),
        Mistake(
            "all of it comes at the end",
            "The total is shared between the two sides.",
            _at_one_end,
        ),
        Mistake(
            "an odd total is halved on both sides, and a pixel is lost",
            "Do your two numbers add up to the total?",
            _twice_the_half,
        ),
        Mistake(
            "the windows are counted one too many",
            "From the first of n windows to the last, how often does the window move?",
            lambda size, kernel, stride: _halves(max(_total(size, kernel, stride) + stride, 0)),
        ),
    ],
)


# ---- seen_pixels(output, size, kernels, strides) -> first, last ------------------------------------------------------


def _seen(output, size, kernels, strides, *, pad=None, order=reversed, one_less=1, sizes=None):
    """Walk back from one output: the first and the last pixel of its window, of their windows, and so on."""
    layers = []
    for kernel, stride in zip(kernels, strides, strict=True):
        layers.append((kernel, stride, (pad or _np_same_padding)(sizes or size, kernel, stride)[0]))
        size = -(-size // stride)
    first = last = output
    for kernel, stride, before in order(layers):
        first, last = first * stride - before, last * stride - before + kernel - one_less
    return first, last


def _one_window(output, size, kernels, strides):
    """The whole stack taken for one layer."""
    return _seen(output, size, [_receptive(kernels, strides)], [int(np.prod(strides))])


def _receptive(kernels, strides):
    side = 1
    for kernel, stride in zip(kernels[::-1], strides[::-1], strict=True):
        side = (side - 1) * stride + kernel
    return side


def _inside(output, size, kernels, strides):
    first, last = _seen(output, size, kernels, strides)
    return max(first, 0), min(last, size - 1)


seen_pixels = Check(
    "seen_pixels",
    reference=_seen,
    cases=lambda rng: [
        (0, 8, [3], [2]),
        (3, 8, [3], [2]),
        (1, 224, [7, 3], [2, 2]),
        (1, 20, [4, 3], [2, 2]),
        (0, 45, [3, 1, 3], [2, 1, 2]),
        (2, 30, [7, 3, 3, 5], [2, 2, 1, 3]),
    ],
    outputs={"first": "(a whole number)", "last": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the padding is taken for symmetric, half a kernel on each side",
            'How many pixels does "same" padding put *before* an even side at stride 2?',
            lambda *args: _seen(*args, pad=lambda size, kernel, stride: (kernel // 2,)),
        ),
        Mistake(
            "the padding is not used",
            "Pixel 0 of the padded image is not pixel 0 of the image.",
            lambda *args: _seen(*args, pad=lambda size, kernel, stride: (0,)),
        ),
        Mistake(
            "what is padded after the image is taken for what is padded before it",
            "Which of the two numbers moves the first window?",
            lambda *args: _seen(*args, pad=lambda *layer: _np_same_padding(*layer)[::-1]),
        ),
        Mistake(
            "the last pixel is one too far",
            "A window of 3 pixels that starts at 5: where does it end?",
            lambda *args: _seen(*args, one_less=0),
        ),
        Mistake(
            "the layers are walked from the image to the output",
            "You know a pixel of the output.  Whose window is it: the first layer's or the last one's?",
            lambda *args: _seen(*args, order=iter),
        ),
        Mistake(
            "every layer is padded as if it read the image itself",
            "How many numbers does the second layer read?",
            lambda *args: _seen(*args, sizes=args[1]),
        ),
        Mistake(
            "the stack is padded as if it were one layer with a large window",
            "Each layer pads what it reads by itself.",
            _one_window,
        ),
        Mistake(
            "what lies outside the image is cut off",
            "Here the padding counts: windows may start before pixel 0.",
            _inside,
        ),
    ],
)


# ---- feature_tokens(features, weight, bias) -> tokens ----------------------------------------------------------------


def _feature_cases(rng):
    return [
        (rng.standard_normal((B, C, H, W)), rng.standard_normal((D, C)), rng.standard_normal(D))
        for B, C, H, W, D in ((1, 2, 3, 4, 3), (2, 5, 4, 2, 5), (3, 4, 1, 6, 7))
    ]


def _embed(features, weight, bias, axes=(0, 2, 3, 1)):
    """Channels to the end, then every pixel is a row."""
    B, C = features.shape[:2]
    return features.transpose(axes).reshape(B, -1, C) @ weight.T + bias


def _no_move(features, weight, bias):
    B, C = features.shape[:2]
    return features.reshape(B, -1, C) @ weight.T + bias


feature_tokens = Check(
    "feature_tokens",
    reference=lambda features, weight, bias: _np_linear(
        features.reshape(*features.shape[:2], -1).swapaxes(1, 2), weight, bias
    )[0],
    cases=_feature_cases,
    outputs={"tokens": "(B, N, D)"},
    mistakes=[
        Mistake(
            "nothing is moved: a reshape alone puts numbers of different pixels into one token",
            "The C numbers of one pixel are far apart in memory.  What brings them together?",
            _no_move,
        ),
        Mistake(
            "the sequence runs down the columns of the map",
            "After the first pixel comes its neighbour: to the right, or below?",
            lambda *args: _embed(*args, axes=(0, 3, 2, 1)),
        ),
        Mistake(
            "bias is not added",
            "Which parameter have you not touched?",
            lambda features, weight, bias: _embed(features, weight, 0 * bias),
        ),
        Mistake(
            "the features stand before the tokens, (B, D, N)",
            "A sequence of tokens is (B, N, D).",
            lambda *args: _embed(*args).swapaxes(1, 2),
        ),
        Mistake(
            "the tokens are still a map, (B, D, H, W)",
            "The Transformer reads a sequence: how many axes has it?",
            lambda f, weight, bias: _embed(f, weight, bias).swapaxes(1, 2).reshape(len(f), -1, *f.shape[2:]),
        ),
        Mistake(
            "the map is averaged: one token per image",
            "How many tokens should there be?",
            lambda *args: _embed(*args).mean(axis=1, keepdims=True),
        ),
    ],
)


# ---- hybrid_tokens(image_hw, blocks, patch_size) -> T ----------------------------------------------------------------


def _config_tokens(image_hw, blocks, patch_size):
    return HybridConfig(image_hw, patch_size, 4, 1, 1, 4, 2, blocks=blocks, backbone_width=1, groups=1).num_tokens


def _tokens(image_hw, blocks, patch_size, *, root=4, halvings=None, up=True, class_token=1):
    factor = root * 2 ** (max(len(blocks) - 1, 0) if halvings is None else halvings)
    H, W = (-(-n // factor) if up else n // factor for n in image_hw)
    return (H // patch_size) * (W // patch_size) + class_token


hybrid_tokens = Check(
    "hybrid_tokens",
    reference=_config_tokens,
    cases=lambda rng: [
        ((224, 224), (3, 4, 9), 1),
        ((224, 224), (3, 4, 6, 3), 1),
        ((224, 160), (), 8),
        ((100, 60), (1, 1), 1),
        ((64, 96), (2,), 2),
    ],
    outputs={"T": "(a whole number)"},
    tolerance=_EXACT,
    mistakes=[
        Mistake(
            "the class token is not counted",
            "Which token is no pixel of the map?",
            lambda *args: _tokens(*args, class_token=0),
        ),
        Mistake(
            "the root is taken to halve the image once",
            "The root is a convolution and a max-pool.",
            lambda *args: _tokens(*args, root=2),
        ),
        Mistake(
            "every stage halves, the first one too",
            "Follow the sides through the stages of R50: 56, 28, ...",
            lambda image_hw, blocks, P: _tokens(image_hw, blocks, P, halvings=len(blocks)),
        ),
        Mistake(
            "every residual unit halves",
            "Which of the units of a stage have stride 2?",
            lambda image_hw, blocks, P: _tokens(image_hw, blocks, P, halvings=max(sum(blocks) - 1, 0)),
        ),
        Mistake(
            "odd sides are rounded down",
            '"Same" padding: how many outputs has a side of 25 at stride 2?',
            lambda *args: _tokens(*args, up=False),
        ),
        Mistake(
            "patch_size is not used",
            "A patch is a square of pixels of the map; it need not be a single one.",
            lambda image_hw, blocks, P: _tokens(image_hw, blocks, 1),
        ),
        Mistake(
            "patch_size counts pixels of the image: the ResNet is forgotten",
            "The ViT never sees the image.  What does it cut into patches?",
            lambda image_hw, blocks, P: _tokens(image_hw, (), P, root=1),
        ),
    ],
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


def _unit(
    x, stride, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj,
    *, act=(relu, relu), strides=(0, 1, 0), before=same, branch=same, way=same, end=relu, swap=False,
    normed=True, projection_normed=True, add=True,
):  # fmt: skip
    """The right answer, with room for a slip; `strides` says which of the three convolutions gets the stride."""

    def acted(z, norm, act):
        return norm(act(z)) if swap else act(norm(z))

    s1, s2, s3 = (stride if on else 1 for on in strides)
    y = acted(conv1(before(x), s1), norm1, act[0])
    y = conv3(acted(conv2(y, s2), norm2, act[1]), s3)
    y = branch(norm3(y) if normed else y)
    shortcut = x
    if conv_proj:
        shortcut = conv_proj(x, stride)
        shortcut = norm_proj(shortcut) if projection_normed else shortcut
    return end(way(shortcut) + y if add else y)


def _slip(**change):
    return lambda *args: _unit(*args, **change)


postact_unit = Check(
    "postact_unit",
    reference=_unit,
    cases=_unit_cases,
    outputs={"out": "(B, C_out, H / stride, W / stride)"},
    mistakes=[
        Mistake(
            "the last rectifier is missing",
            "Post-activation: what stands on the stream after the sum?",
            _slip(end=same),
        ),
        Mistake(
            "the last rectifier stands before the sum",
            "Should the branch be able to take something away from the shortcut?",
            _slip(end=same, branch=relu),
        ),
        Mistake(
            "the branch is rectified before the sum, and once more after it",
            "Should the branch be able to take something away from the shortcut?",
            _slip(branch=relu),
        ),
        Mistake(
            "the shortcut is rectified before the sum",
            "The shortcut goes to the sum as it is, or projected and normalised.",
            _slip(way=relu),
        ),
        Mistake(
            "the projection is not normalised",
            "How many norms has a unit with a projection?",
            _slip(projection_normed=False),
        ),
        Mistake(
            "the branch is not normalised before the sum",
            "Every convolution of this unit has a norm behind it, the last one too.",
            _slip(normed=False),
        ),
        *mistakes_of_a_unit(_slip),
        Mistake(
            "the rectifiers inside stand before the norms",
            "In which order do norm and rectifier come?",
            _slip(swap=True),
        ),
        Mistake(
            "the first rectifier is missing",
            "How many convolutions are there, and what stands between them?",
            _slip(act=(same, relu)),
        ),
        Mistake(
            "the second rectifier is missing",
            "How many convolutions are there, and what stands between them?",
            _slip(act=(relu, same)),
        ),
        Mistake(
            "x is rectified before the first convolution, as in a pre-activation unit",
            "Here norm and rectifier stand *after* each convolution.  What does the first one read?",
            _slip(before=relu),
        ),
    ],
)
