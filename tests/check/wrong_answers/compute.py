"""Wrong answers to the exercises of notebooks/12_compute.ipynb: parameters, MACs, exaFLOPs, activations."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.config import BiTConfig
from vitedu_numpy.models.bit import PreActUnit

from . import FirstGeneration

__all__ = ["attention_macs", "block_activations", "conv_macs", "exaflops", "unit_parameters", "vit_macs"]


# ---- unit_parameters(in_channels, width, stride) ---------------------------------------------------------------------


def _real_unit(in_channels, width, stride):
    config = BiTConfig((1,), num_classes=2, base_width=width, groups=1)
    unit = PreActUnit(in_channels, width, stride, config, np.random.default_rng(0))
    return sum(p.value.size for _, p in unit.named_parameters())


def _unit(C, W, stride, *, projection=None, kernel=3, biases=False, norms=None, per_norm=2):
    """Parameters of a pre-activation unit, with room for a slip in every part."""
    projection = (stride > 1 or C != 4 * W) if projection is None else projection
    norms = C + 2 * W if norms is None else norms
    filters = C * W + kernel**2 * W * W + W * 4 * W + projection * C * 4 * W
    return filters + biases * (2 * W + 4 * W + projection * 4 * W) + per_norm * norms


unit_parameters = FirstGeneration(
    _real_unit,
    [
        ("the projection of the shortcut is not counted", lambda C, W, s: _unit(C, W, s, projection=False)),
        ("every unit has a projection", lambda C, W, s: _unit(C, W, s, projection=True)),
        ("the projection depends on the stride alone", lambda C, W, s: _unit(C, W, s, projection=s > 1)),
        ("the projection depends on the channels alone", lambda C, W, s: _unit(C, W, s, projection=C != 4 * W)),
        ("the convolutions are given biases", lambda C, W, s: _unit(C, W, s, biases=True)),
        ("the side of the 3 x 3 kernel is not squared", lambda C, W, s: _unit(C, W, s, kernel=3**0.5)),
        ("all convolutions are counted as 1 x 1", lambda C, W, s: _unit(C, W, s, kernel=1)),
        ("the norms are not counted", lambda C, W, s: _unit(C, W, s, per_norm=0)),
        ("each norm has one vector only", lambda C, W, s: _unit(C, W, s, per_norm=1)),
        ("the norms stand after the convolutions", lambda C, W, s: _unit(C, W, s, norms=2 * W + 4 * W)),
    ],
)


# ---- attention_macs(config) ------------------------------------------------------------------------------------------


def _attention(c, T=None, *, qkv=3, scores=1, weighted_sum=1, out=1):
    """MACs of attention in one block, with room for a slip in every part."""
    T, D = c.num_tokens if T is None else T, c.width
    return (qkv + out) * T * D * D + (scores + weighted_sum) * T * T * D


attention_macs = FirstGeneration(
    lambda config: _attention(config),
    [
        ("one of the two products without weights, q k^T and A v, is not counted", lambda c: _attention(c, scores=0)),
        (
            "one of the two products without weights, q k^T and A v, is counted as T D^2",
            lambda c: _attention(c, scores=0, out=2),
        ),
        ("scores and weighted sum are not counted", lambda c: _attention(c, scores=0, weighted_sum=0)),
        ("FLOPs are counted, not MACs", lambda c: 2 * _attention(c)),
        ("the class token is forgotten: N tokens, not T", lambda c: _attention(c, c.num_patches)),
        ("q, k and v are counted as one D x D layer", lambda c: _attention(c, qkv=1)),
        ("attention's output layer is not counted", lambda c: _attention(c, out=0)),
        (
            "scores and weighted sum are counted with D for every head",
            lambda c: _attention(c, scores=c.heads, weighted_sum=c.heads),
        ),
        (
            "scores and weighted sum are counted for one head",
            lambda c: _attention(c, scores=1 / c.heads, weighted_sum=1 / c.heads),
        ),
        ("all blocks are counted", lambda c: c.depth * _attention(c)),
        ("parameters are counted, not MACs", lambda c: 4 * c.width * c.width + 4 * c.width),
    ],
)


# ---- vit_macs(config) ------------------------------------------------------------------------------------------------


def _vit(c, *, patch=None, blocks=None, mlp=2, head=1, tokens=None, **slips):
    """MACs of a whole ViT, with room for a slip in every part."""
    T, D = c.num_tokens if tokens is None else tokens, c.width
    patch = c.num_patches * c.channels * c.patch_size**2 * D if patch is None else patch
    block = _attention(c, T, **slips) + mlp * T * D * c.mlp_dim
    return patch + (c.depth if blocks is None else blocks) * block + head * D * c.num_classes


def _patch(c, *, patches=None, pixels=None):
    patches = c.num_patches if patches is None else patches
    return patches * (c.channels * c.patch_size**2 if pixels is None else pixels) * c.width


vit_macs = FirstGeneration(
    lambda config: _vit(config),
    [
        ("the patch embedding is not counted", lambda c: _vit(c, patch=0)),
        (
            "the patch embedding is counted for the class token too",
            lambda c: _vit(c, patch=_patch(c, patches=c.num_tokens)),
        ),
        ("the patch embedding is counted for one patch", lambda c: _vit(c, patch=_patch(c, patches=1))),
        ("the channels of a patch are not counted", lambda c: _vit(c, patch=_patch(c, pixels=c.patch_size**2))),
        ("only one block is counted", lambda c: _vit(c, blocks=1)),
        ("only one layer of the MLP is counted", lambda c: _vit(c, mlp=1)),
        ("the MLP is not counted", lambda c: _vit(c, mlp=0)),
        ("the MLP is counted for one token", lambda c: _vit(c, mlp=2 / c.num_tokens)),
        ("the head is counted for every token", lambda c: _vit(c, head=c.num_tokens)),
        ("the head is not counted", lambda c: _vit(c, head=0)),
        ("the class token is forgotten in the blocks: N tokens, not T", lambda c: _vit(c, tokens=c.num_patches)),
        ('a class token is counted with classifier="gap" too', lambda c: _vit(c, tokens=c.num_patches + 1)),
        ("scores and weighted sum of attention are not counted", lambda c: _vit(c, scores=0, weighted_sum=0)),
        ("one of the two products without weights, q k^T and A v, is not counted", lambda c: _vit(c, scores=0)),
        ("q, k and v are counted as one D x D layer", lambda c: _vit(c, qkv=1)),
        ("attention's output layer is not counted", lambda c: _vit(c, out=0)),
        ("FLOPs are counted, not MACs", lambda c: 2 * _vit(c)),
    ],
)


# ---- conv_macs(height, width, inputs, outputs, kernel, stride) -------------------------------------------------------


def _conv(H, W, inputs, outputs, kernel, stride):
    return -(-H // stride) * -(-W // stride) * kernel**2 * inputs * outputs


conv_macs = FirstGeneration(
    _conv,
    [
        ("the stride is not used", lambda H, W, I, O, k, s: _conv(H, W, I, O, k, 1)),
        ("the stride is used in one direction only", lambda H, W, I, O, k, s: -(-H // s) * W * k * k * I * O),
        ("the number of stops is rounded down", lambda H, W, I, O, k, s: (H // s) * (W // s) * k * k * I * O),
        ("the kernel's side is not squared", lambda H, W, I, O, k, s: _conv(H, W, I, O, k**0.5, s)),
        ("the input channels are not counted", lambda H, W, I, O, k, s: _conv(H, W, 1, O, k, s)),
        ("the output channels are not counted", lambda H, W, I, O, k, s: _conv(H, W, I, 1, k, s)),
        ("weights are counted, not MACs", lambda H, W, I, O, k, s: k * k * I * O),
        ("FLOPs are counted, not MACs", lambda H, W, I, O, k, s: 2 * _conv(H, W, I, O, k, s)),
        (
            "windows that stick out over the image's border are left out",
            lambda H, W, I, O, k, s: ((H - k) // s + 1) * ((W - k) // s + 1) * k * k * I * O,
        ),
    ],
)


# ---- exaflops(macs, epochs, images) ----------------------------------------------------------------------------------


exaflops = FirstGeneration(
    lambda macs, epochs, images: 6 * macs * epochs * images / 1e18,
    [
        ("the forward pass alone is counted", lambda macs, epochs, images: 2 * macs * epochs * images / 1e18),
        ("MACs are counted, not FLOPs", lambda macs, epochs, images: 3 * macs * epochs * images / 1e18),
        ("forward MACs, neither doubled nor tripled", lambda macs, epochs, images: macs * epochs * images / 1e18),
        (
            "a factor of 4: backward is taken to cost as much as forward, or is counted alone",
            lambda macs, epochs, images: 4 * macs * epochs * images / 1e18,
        ),
        ("the epochs are forgotten", lambda macs, epochs, images: 6 * macs * images / 1e18),
        ("the images are forgotten", lambda macs, epochs, images: 6 * macs * epochs / 1e18),
        ("another unit: exa is 1e18", lambda macs, epochs, images: 6 * macs * epochs * images / 1e15),
    ],
)


# ---- block_activations(tokens, width, heads, mlp_dim) ----------------------------------------------------------------


def _kept(T, D, h, M, *, norms=2, statistics=2, qkv=1, heads=3, result=1, log=1, fc1=1, hidden=1):
    """Numbers that a block keeps, with room for a slip in every part."""
    tokens = norms * (D + statistics) + qkv * D + heads * D + result * D + log * h + fc1 * D + hidden * M
    return T * tokens


block_activations = FirstGeneration(
    lambda tokens, width, heads, mlp_dim: _kept(tokens, width, heads, mlp_dim),
    [
        ("the attention weights A are kept as well", lambda T, D, h, M: _kept(T, D, h, M) + h * T * T),
        ("the result of GELU is kept as well", lambda T, D, h, M: _kept(T, D, h, M, hidden=2)),
        ("the input of GELU is not kept", lambda T, D, h, M: _kept(T, D, h, M, hidden=0)),
        (
            "2 T D numbers are missing: two of q, k and v, or the inputs of two linear layers",
            lambda T, D, h, M: _kept(T, D, h, M, heads=1),
        ),
        (
            "attention's result is counted twice, for attention and for its output layer",
            lambda T, D, h, M: _kept(T, D, h, M, result=2),
        ),
        (
            "T D numbers are missing: attention's result, or the input of one linear layer",
            lambda T, D, h, M: _kept(T, D, h, M, result=0),
        ),
        ("only one norm is counted", lambda T, D, h, M: _kept(T, D, h, M, norms=1)),
        ("the norms' mean and deviation are not counted", lambda T, D, h, M: _kept(T, D, h, M, statistics=0)),
        ("the logs of the sums are not counted", lambda T, D, h, M: _kept(T, D, h, M, log=0)),
        ("the log of the sum is counted once for all heads", lambda T, D, h, M: _kept(T, D, h, M, log=1 / h)),
    ],
)
