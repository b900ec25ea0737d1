"""Wrong answers to the exercises of notebooks/00_map.ipynb: counting tokens and parameters."""

from __future__ import annotations

import numpy as np

from vitedu_numpy import ViT, ViTConfig, make_block

from . import FirstGeneration

__all__ = ["block_parameters", "linear_parameters", "num_tokens", "vit_parameters"]


def _count(model) -> int:
    return sum(p.value.size for _, p in model.named_parameters())


# ---- num_tokens(height, width, patch_size) -> T ----------------------------------------------------------------------


def _num_tokens(H, W, P):
    return ViTConfig((H, W), P, width=1, depth=1, heads=1, mlp_dim=1, num_classes=1).num_tokens


num_tokens = FirstGeneration(
    _num_tokens,
    [
        ("the class token is not counted", lambda H, W, P: (H // P) * (W // P)),
        ("the patch side is not squared", lambda H, W, P: H * W // P + 1),
        ("the image is taken to be square (H used for both sides)", lambda H, W, P: (H // P) ** 2 + 1),
        ("the image is taken to be square (W used for both sides)", lambda H, W, P: (W // P) ** 2 + 1),
        ("the grid sides are added, not multiplied", lambda H, W, P: H // P + W // P + 1),
        ("patches overlap: one starts at every pixel", lambda H, W, P: (H - P + 1) * (W - P + 1) + 1),
        ("one class token for every row of patches", lambda H, W, P: (H // P) * (W // P + 1)),
    ],
)


# ---- linear_parameters(inputs, outputs) ------------------------------------------------------------------------------


def _linear(I, O, bias=True):
    return I * O + O * bias


linear_parameters = FirstGeneration(
    _linear,
    [
        ("the biases are not counted", lambda I, O: I * O),
        ("one bias per input", lambda I, O: I * O + I),
        ("a single bias", lambda I, O: I * O + 1),
        ("inputs and outputs are added, not multiplied", lambda I, O: I + O),
        ("inputs and outputs are added, not multiplied (with biases)", lambda I, O: I + 2 * O),
    ],
)


# ---- block_parameters(width, mlp_dim) --------------------------------------------------------------------------------


def _block(D, M, *, bias=True, qkv=None, out=True, norms=4, mlp=None):
    """Parameters of one block, with room for a slip in every part.  norms: vectors of D numbers in both layer norms."""
    qkv = 3 * _linear(D, D, bias) if qkv is None else qkv
    mlp = _linear(D, M, bias) + _linear(M, D, bias) if mlp is None else mlp
    return qkv + out * _linear(D, D, bias) + norms * D + mlp


def _real_block(D, M):
    config = ViTConfig(2, 1, width=D, depth=1, heads=1, mlp_dim=M, num_classes=2)
    return _count(make_block(config, np.random.default_rng(0)))


block_parameters = FirstGeneration(
    _real_block,
    [
        ("the biases of the linear layers are not counted", lambda D, M: _block(D, M, bias=False)),
        ("q, k and v are counted as one D x D layer", lambda D, M: _block(D, M, qkv=_linear(D, D))),
        ("attention's output layer is not counted", lambda D, M: _block(D, M, out=False)),
        ("the layer norms are not counted", lambda D, M: _block(D, M, norms=0)),
        (
            "2 D numbers are missing: half of the layer norms, or all but D numbers of the bias of q, k and v",
            lambda D, M: _block(D, M, norms=2),
        ),
        ("only one layer of the MLP is counted", lambda D, M: _block(D, M, mlp=_linear(D, M))),
        ("both biases of the MLP are given M numbers", lambda D, M: _block(D, M, mlp=2 * D * M + 2 * M)),
        ("the MLP is not counted", lambda D, M: _block(D, M, mlp=0)),
    ],
)


# ---- vit_parameters(config) ------------------------------------------------------------------------------------------


def _vit(
    c, *, patch=None, patch_bias=True, token=None, positions=None, blocks=None, final_norm=2, head_bias=True, **slips
):
    """Parameters of a whole ViT, with room for a slip in every part.  token, positions: vectors of D numbers."""
    D, C, P, K = c.width, c.channels, c.patch_size, c.num_classes
    patch = C * P * P if patch is None else patch
    token = int(c.classifier == "token") if token is None else token
    positions = c.num_tokens * (c.position_embedding == "1d") if positions is None else positions
    blocks = c.depth if blocks is None else blocks
    ends = _linear(patch, D, patch_bias) + (token + positions) * D + final_norm * D + _linear(D, K, head_bias)
    return ends + blocks * _block(D, c.mlp_dim, **slips)


def _has_position(c):
    return c.position_embedding == "1d"


vit_parameters = FirstGeneration(
    lambda config: _count(ViT(config, 0)),
    [
        ("the vector of the class token is not counted", lambda c: _vit(c, token=0)),
        (
            "the position embedding has no row for the class token",
            lambda c: _vit(c, positions=c.num_patches * _has_position(c)),
        ),
        (
            "the class token is counted nowhere: neither its vector nor its row of E_pos",
            lambda c: _vit(c, token=0, positions=c.num_patches * _has_position(c)),
        ),
        ('a class token is counted with classifier="gap" too', lambda c: _vit(c, token=1)),
        (
            'a class token and its row of E_pos are counted with classifier="gap" too',
            lambda c: _vit(c, token=1, positions=(c.num_patches + 1) * _has_position(c)),
        ),
        ('E_pos is counted with position_embedding="none" too', lambda c: _vit(c, positions=c.num_tokens)),
        ("the position embedding is not counted", lambda c: _vit(c, positions=0)),
        ("the channels of a patch are not counted", lambda c: _vit(c, patch=c.patch_size**2)),
        ("the patch side is not squared", lambda c: _vit(c, patch=c.channels * c.patch_size)),
        ("the bias of the patch embedding is not counted", lambda c: _vit(c, patch_bias=False)),
        (
            "one patch embedding for every patch",
            lambda c: _vit(c) + (c.num_patches - 1) * _linear(c.channels * c.patch_size**2, c.width),
        ),
        ("only one block is counted", lambda c: _vit(c, blocks=1)),
        ("q, k and v are counted once per head", lambda c: _vit(c, qkv=c.heads * 3 * _linear(c.width, c.width))),
        ("q, k and v are counted as one D x D layer", lambda c: _vit(c, qkv=_linear(c.width, c.width))),
        ("attention's output layer is not counted", lambda c: _vit(c, out=False)),
        ("the final layer norm is not counted", lambda c: _vit(c, final_norm=0)),
        (
            "2 D numbers of every block are missing: one layer norm, or all but D numbers of the bias of q, k and v",
            lambda c: _vit(c, norms=2),
        ),
        ("the layer norms have a weight but no bias", lambda c: _vit(c, norms=2, final_norm=1)),
        ("no layer norm is counted at all", lambda c: _vit(c, norms=0, final_norm=0)),
        ("the bias of the head is not counted", lambda c: _vit(c, head_bias=False)),
        ("the head is not counted", lambda c: _vit(c) - _linear(c.width, c.num_classes)),
        (
            "the biases of the linear layers are not counted",
            lambda c: _vit(c, bias=False, patch_bias=False, head_bias=False),
        ),
    ],
)
