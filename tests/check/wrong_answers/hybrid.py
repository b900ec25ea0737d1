"""Wrong answers to notebooks/10_hybrid.ipynb: "same" padding, the authors' residual unit, feature tokens."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.config import HybridConfig
from vitedu_numpy.layers.linear import linear as _np_linear
from vitedu_numpy.layers.padding import same_padding as _np_same_padding

from . import FirstGeneration
from .bit import mistakes_of_a_unit, relu, same

__all__ = ["feature_tokens", "hybrid_tokens", "postact_unit", "same_padding", "seen_pixels"]


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


same_padding = FirstGeneration(
    _np_same_padding,
    [
        ("the extra pixel comes first", _extra_first),
        (
            "both sides get half a kernel, whatever the stride: symmetric padding",
            lambda size, kernel, stride: (kernel // 2, kernel // 2),
        ),
        (
            "the number of outputs is rounded down",
            lambda size, kernel, stride: _halves(max(_total(size, kernel, stride, size // stride), 0)),
        ),
        ("the stride is not used", lambda size, kernel, stride: _halves(kernel - 1)),
        (
            "the total is kernel - stride, whatever the size",
            lambda size, kernel, stride: _halves(max(kernel - stride, 0)),
        ),
        ("the total may become negative", lambda size, kernel, stride: _halves(_total(size, kernel, stride))),
        ("all of it comes at the end", _at_one_end),
        ("an odd total is halved on both sides, and a pixel is lost", _twice_the_half),
        (
            "the windows are counted one too many",
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


seen_pixels = FirstGeneration(
    _seen,
    [
        (
            "the padding is taken for symmetric, half a kernel on each side",
            lambda *args: _seen(*args, pad=lambda size, kernel, stride: (kernel // 2,)),
        ),
        ("the padding is not used", lambda *args: _seen(*args, pad=lambda size, kernel, stride: (0,))),
        (
            "what is padded after the image is taken for what is padded before it",
            lambda *args: _seen(*args, pad=lambda *layer: _np_same_padding(*layer)[::-1]),
        ),
        ("the last pixel is one too far", lambda *args: _seen(*args, one_less=0)),
        ("the layers are walked from the image to the output", lambda *args: _seen(*args, order=iter)),
        ("every layer is padded as if it read the image itself", lambda *args: _seen(*args, sizes=args[1])),
        ("the stack is padded as if it were one layer with a large window", _one_window),
        ("what lies outside the image is cut off", _inside),
    ],
)


# ---- feature_tokens(features, weight, bias) -> tokens ----------------------------------------------------------------


def _embed(features, weight, bias, axes=(0, 2, 3, 1)):
    """Channels to the end, then every pixel is a row."""
    B, C = features.shape[:2]
    return features.transpose(axes).reshape(B, -1, C) @ weight.T + bias


def _no_move(features, weight, bias):
    B, C = features.shape[:2]
    return features.reshape(B, -1, C) @ weight.T + bias


feature_tokens = FirstGeneration(
    lambda features, weight, bias: _np_linear(features.reshape(*features.shape[:2], -1).swapaxes(1, 2), weight, bias)[
        0
    ],
    [
        ("nothing is moved: a reshape alone puts numbers of different pixels into one token", _no_move),
        ("the sequence runs down the columns of the map", lambda *args: _embed(*args, axes=(0, 3, 2, 1))),
        ("bias is not added", lambda features, weight, bias: _embed(features, weight, 0 * bias)),
        ("the features stand before the tokens, (B, D, N)", lambda *args: _embed(*args).swapaxes(1, 2)),
        (
            "the tokens are still a map, (B, D, H, W)",
            lambda f, weight, bias: _embed(f, weight, bias).swapaxes(1, 2).reshape(len(f), -1, *f.shape[2:]),
        ),
        ("the map is averaged: one token per image", lambda *args: _embed(*args).mean(axis=1, keepdims=True)),
    ],
)


# ---- hybrid_tokens(image_hw, blocks, patch_size) -> T ----------------------------------------------------------------


def _config_tokens(image_hw, blocks, patch_size):
    return HybridConfig(image_hw, patch_size, 4, 1, 1, 4, 2, blocks=blocks, backbone_width=1, groups=1).num_tokens


def _tokens(image_hw, blocks, patch_size, *, root=4, halvings=None, up=True, class_token=1):
    factor = root * 2 ** (max(len(blocks) - 1, 0) if halvings is None else halvings)
    H, W = (-(-n // factor) if up else n // factor for n in image_hw)
    return (H // patch_size) * (W // patch_size) + class_token


hybrid_tokens = FirstGeneration(
    _config_tokens,
    [
        ("the class token is not counted", lambda *args: _tokens(*args, class_token=0)),
        ("the root is taken to halve the image once", lambda *args: _tokens(*args, root=2)),
        (
            "every stage halves, the first one too",
            lambda image_hw, blocks, P: _tokens(image_hw, blocks, P, halvings=len(blocks)),
        ),
        (
            "every residual unit halves",
            lambda image_hw, blocks, P: _tokens(image_hw, blocks, P, halvings=max(sum(blocks) - 1, 0)),
        ),
        ("odd sides are rounded down", lambda *args: _tokens(*args, up=False)),
        ("patch_size is not used", lambda image_hw, blocks, P: _tokens(image_hw, blocks, 1)),
        (
            "patch_size counts pixels of the image: the ResNet is forgotten",
            lambda image_hw, blocks, P: _tokens(image_hw, (), P, root=1),
        ),
    ],
)


# ---- postact_unit(x, stride, conv1, norm1, conv2, norm2, conv3, norm3, conv_proj, norm_proj) -> out ------------------


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


postact_unit = FirstGeneration(
    _unit,
    [
        ("the last rectifier is missing", _slip(end=same)),
        ("the last rectifier stands before the sum", _slip(end=same, branch=relu)),
        ("the branch is rectified before the sum, and once more after it", _slip(branch=relu)),
        ("the shortcut is rectified before the sum", _slip(way=relu)),
        ("the projection is not normalised", _slip(projection_normed=False)),
        ("the branch is not normalised before the sum", _slip(normed=False)),
        *mistakes_of_a_unit(_slip),
        ("the rectifiers inside stand before the norms", _slip(swap=True)),
        ("the first rectifier is missing", _slip(act=(same, relu))),
        ("the second rectifier is missing", _slip(act=(relu, same))),
        ("x is rectified before the first convolution, as in a pre-activation unit", _slip(before=relu)),
    ],
)
