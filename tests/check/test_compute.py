"""The checks of notebooks/12_compute.ipynb: parameters of a ResNet unit, MACs, exaFLOPs, kept activations."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu.accounting.formulas import macs_by_part
from vitedu_numpy import ViT, ViTConfig


def dot_products(a, b):
    """MACs of a @ b: one per result and term, counted from the shapes of two arrays."""
    return np.prod(a.shape[:-1], dtype=int) * b.shape[-1] * a.shape[-1]


def attention_from_arrays(c, tokens=None):
    """Every matrix product of attention, head by head, with real shapes."""
    T, D, h = tokens or c.num_tokens, c.width, c.heads
    z, q, kT, v = np.zeros((T, D)), np.zeros((T, D // h)), np.zeros((D // h, T)), np.zeros((T, D // h))
    A, U = np.zeros((T, T)), np.zeros((D, D))
    return 3 * dot_products(z, U) + h * (dot_products(q, kT) + dot_products(A, v)) + dot_products(z, U)


def vit_from_parameters(c, without=()):
    """Each weight matrix works once per row that goes through its layer; then the two products without weights."""
    T, macs = c.num_tokens, 2 * c.depth * c.num_tokens**2 * c.width
    for name, p in ViT(c, rng=0).named_parameters():
        if not name.endswith(".weight") or "norm" in name or any(part in name for part in without):
            continue
        rows = c.num_patches if name.startswith("patch") else 1 if name.startswith("head") else T
        macs += rows * p.value.size
    return macs


def conv_by_walking(height, width, inputs, outputs, kernel, stride):
    macs = 0
    for _ in range(0, height, stride):
        for _ in range(0, width, stride):
            macs += kernel * kernel * inputs * outputs
    return macs


def unit_from_arrays(in_channels, width, stride, *, projection=None):
    out = 4 * width
    shapes = [(width, in_channels, 1, 1), (width, width, 3, 3), (out, width, 1, 1)]
    if (stride != 1 or in_channels != out) if projection is None else projection:
        shapes.append((out, in_channels, 1, 1))
    norms = [in_channels, in_channels, width, width, width, width]
    return sum(np.zeros(shape).size for shape in shapes) + sum(norms)


# ---- right answers in other styles -----------------------------------------------------------------------------------


RIGHT = [
    ("unit_parameters", unit_from_arrays),
    ("attention_macs", attention_from_arrays),
    ("attention_macs", lambda c: 2 * c.num_tokens * c.width * (2 * c.width + c.num_tokens)),
    ("vit_macs", vit_from_parameters),
    ("vit_macs", lambda c: sum(macs_by_part(c).values())),
    ("conv_macs", conv_by_walking),
    ("conv_macs", lambda H, W, I, O, k, s: int(np.ceil(H / s) * np.ceil(W / s)) * (k * k * I) * O),
    ("exaflops", lambda macs, epochs, images: 3 * (2 * macs) * (epochs * images) * 1e-18),
    ("block_activations", lambda T, D, h, M: 8 * T * D + T * M + h * T + 4 * T),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


def test_the_block_of_the_paper_s_base_model(assert_right):
    """4 T D^2 + 2 T^2 D for attention; with M = 4 D, the MLP takes 8 T D^2."""
    base = ViTConfig(224, 16, width=768, depth=12, heads=12, mlp_dim=3072, num_classes=1000)
    assert attention_from_arrays(base) == 4 * 197 * 768**2 + 2 * 197**2 * 768


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


AGAIN = [
    (
        "unit_parameters",
        lambda C, W, s: unit_from_arrays(C, W, s, projection=False),
        "projection of the shortcut is not",
    ),
    ("unit_parameters", lambda C, W, s: unit_from_arrays(C, W, s, projection=True), "every unit has a projection"),
    ("unit_parameters", lambda C, W, s: unit_from_arrays(C, W, s, projection=s != 1), "stride alone"),
    ("unit_parameters", lambda C, W, s: unit_from_arrays(C, W, s, projection=C != 4 * W), "channels alone"),
    ("unit_parameters", lambda C, W, s: unit_from_arrays(C, W, s) - 8 * W * W, "counted as 1 x 1"),
    ("unit_parameters", lambda C, W, s: unit_from_arrays(C, W, s) - 6 * W * W, "not squared"),
    ("unit_parameters", lambda C, W, s: unit_from_arrays(C, W, s) - 2 * C - 4 * W, "norms are not counted"),
    ("unit_parameters", lambda C, W, s: unit_from_arrays(C, W, s) - C - 2 * W, "one vector only"),
    ("unit_parameters", lambda C, W, s: unit_from_arrays(C, W, s) + 8 * W - 2 * C, "after the convolutions"),
    ("attention_macs", lambda c: attention_from_arrays(c) - c.num_tokens**2 * c.width, "is not counted"),
    ("attention_macs", lambda c: 4 * c.num_tokens * c.width**2, "scores and weighted sum are not counted"),
    ("attention_macs", lambda c: attention_from_arrays(c, c.num_patches), "class token is forgotten"),
    ("attention_macs", lambda c: 2 * attention_from_arrays(c), "FLOPs are counted"),
    ("attention_macs", lambda c: attention_from_arrays(c) - 2 * c.num_tokens * c.width**2, "one D x D layer"),
    ("attention_macs", lambda c: attention_from_arrays(c) - c.num_tokens * c.width**2, "output layer is not counted"),
    ("attention_macs", lambda c: c.depth * attention_from_arrays(c), "all blocks"),
    (
        "attention_macs",
        lambda c: attention_from_arrays(c) + 2 * (c.heads - 1) * c.num_tokens**2 * c.width,
        "with D for every head",
    ),
    (
        "attention_macs",
        lambda c: 4 * c.num_tokens * c.width**2 + 2 * c.num_tokens**2 * (c.width // c.heads),
        "for one head",
    ),
    ("vit_macs", lambda c: vit_from_parameters(c, ["patch_embedding"]), "patch embedding is not counted"),
    ("vit_macs", lambda c: vit_from_parameters(c, ["head"]), "head is not counted"),
    ("vit_macs", lambda c: vit_from_parameters(c, ["mlp"]), "MLP is not counted"),
    ("vit_macs", lambda c: vit_from_parameters(c, ["fc2"]), "one layer of the MLP"),
    ("vit_macs", lambda c: vit_from_parameters(c, ["attention.out"]), "output layer is not counted"),
    ("vit_macs", lambda c: 2 * vit_from_parameters(c), "FLOPs are counted"),
    (
        "vit_macs",
        lambda c: vit_from_parameters(c) - 2 * c.depth * c.num_tokens**2 * c.width,
        "scores and weighted sum of attention",
    ),
    ("vit_macs", lambda c: vit_from_parameters(c) - c.depth * c.num_tokens**2 * c.width, "one of the two products"),
    (
        "vit_macs",
        lambda c: vit_from_parameters(c) + (c.num_tokens - 1) * c.width * c.num_classes,
        "head is counted for every token",
    ),
    ("conv_macs", lambda H, W, I, O, k, s: conv_by_walking(H, W, I, O, k, 1), "stride is not used"),
    ("conv_macs", lambda H, W, I, O, k, s: 2 * conv_by_walking(H, W, I, O, k, s), "FLOPs are counted"),
    ("conv_macs", lambda H, W, I, O, k, s: np.zeros((O, I, k, k)).size, "weights are counted"),
    ("conv_macs", lambda H, W, I, O, k, s: conv_by_walking(H, W, I, O, k, s) / k, "not squared"),
    ("conv_macs", lambda H, W, I, O, k, s: conv_by_walking(H, W, 1, O, k, s), "input channels"),
    ("conv_macs", lambda H, W, I, O, k, s: conv_by_walking(H, W, I, 1, k, s), "output channels"),
    ("conv_macs", lambda H, W, I, O, k, s: conv_by_walking(H // s, W // s, I, O, k, 1), "rounded down"),
    ("exaflops", lambda macs, epochs, images: 2e-18 * macs * images * epochs, "forward pass alone"),
    ("exaflops", lambda macs, epochs, images: 3e-18 * macs * images * epochs, "MACs are counted"),
    ("exaflops", lambda macs, epochs, images: (2 + 2) * macs * images * epochs / 1e18, "a factor of 4"),
    ("exaflops", lambda macs, epochs, images: 6e-18 * macs * images, "epochs are forgotten"),
    ("exaflops", lambda macs, epochs, images: 6e-15 * macs * images * epochs, "another unit"),
    ("exaflops", lambda macs, epochs, images: 6e-18 * macs * epochs, "images are forgotten"),
    ("block_activations", lambda T, D, h, M: 8 * T * D + T * M + h * T + 4 * T + h * T * T, "weights A"),
    ("block_activations", lambda T, D, h, M: 8 * T * D + 2 * T * M + h * T + 4 * T, "result of GELU"),
    ("block_activations", lambda T, D, h, M: 8 * T * D + h * T + 4 * T, "input of GELU"),
    ("block_activations", lambda T, D, h, M: 6 * T * D + T * M + h * T + 4 * T, "2 T D numbers are missing"),
    ("block_activations", lambda T, D, h, M: 7 * T * D + T * M + h * T + 4 * T, "attention's result, or"),
    ("block_activations", lambda T, D, h, M: 9 * T * D + T * M + h * T + 4 * T, "counted twice"),
    ("block_activations", lambda T, D, h, M: 8 * T * D + T * M + h * T, "mean and deviation"),
    ("block_activations", lambda T, D, h, M: 8 * T * D + T * M + 4 * T, "logs of the sums"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_one_off_in_a_large_count_is_wrong(unknown):
    message = unknown("vit_macs", lambda c: vit_from_parameters(c) + c.depth**5 + 7)
    assert "macs is" in message
    assert "numbers differ" in message


def test_a_crash_says_where(unknown):
    def my_macs(config):
        return config.tokens**2

    message = unknown("attention_macs", my_macs)
    assert "return config.tokens**2" in message
    assert "AttributeError" in message
