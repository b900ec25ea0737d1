"""The checks of notebooks/00_map.ipynb: counting tokens and parameters."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import ViT, ViTConfig


def model_of(c):
    return {name: p.value for name, p in ViT(c, rng=1).named_parameters()}


def total(arrays, without=()):
    """Numbers in all arrays but those whose name contains one of `without`."""
    return sum(a.size for name, a in arrays.items() if not any(part in name for part in without))


# ---- right answers in other styles -----------------------------------------------------------------------------------


def tokens_by_loop(height, width, patch_size):
    tokens = 1
    for _ in range(0, height, patch_size):
        for _ in range(0, width, patch_size):
            tokens += 1
    return tokens


RIGHT = [
    ("num_tokens", tokens_by_loop),
    ("num_tokens", lambda H, W, P: np.int64(H // P * (W // P) + 1)),
    ("linear_parameters", lambda I, O: (I + 1) * O),
    ("linear_parameters", lambda I, O: np.zeros((O, I)).size + np.zeros(O).size),
    ("block_parameters", lambda D, M: 4 * D * D + 2 * D * M + 9 * D + M),
    ("vit_parameters", lambda c: total(model_of(c))),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


def test_the_formula_counts_the_paper_s_base_model_as_the_official_code_does(assert_right):
    def formula(c):
        D, M = c.width, c.mlp_dim
        block = 4 * D * D + 2 * D * M + 9 * D + M
        patch = c.channels * c.patch_size**2 * D + D
        token = D if c.classifier == "token" else 0
        positions = c.num_tokens * D if c.position_embedding == "1d" else 0
        return patch + token + positions + c.depth * block + 2 * D + (D + 1) * c.num_classes

    assert_right("vit_parameters", formula)
    base = {"width": 768, "depth": 12, "heads": 12, "mlp_dim": 3072, "num_classes": 1000}
    assert formula(ViTConfig(224, 16, **base)) == 86_567_656


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


AGAIN = [
    ("num_tokens", lambda H, W, P: tokens_by_loop(H, W, P) - 1, "class token is not counted"),
    ("num_tokens", lambda H, W, P: 1 + H * W / P, "side is not squared"),
    ("num_tokens", lambda H, W, P: tokens_by_loop(H, H, P), "H used for both"),
    ("num_tokens", lambda H, W, P: tokens_by_loop(W, W, P), "W used for both"),
    ("linear_parameters", lambda I, O: np.zeros((O, I)).size, "biases are not counted"),
    ("linear_parameters", lambda I, O: I * (O + 1), "one bias per input"),
    ("block_parameters", lambda D, M: 4 * D * D + 2 * D * M + 4 * D, "biases of the linear layers"),
    ("block_parameters", lambda D, M: 2 * D * D + 2 * D * M + 7 * D + M, "one D x D layer"),
    ("block_parameters", lambda D, M: 4 * D * D + 2 * D * M + 5 * D + M, "the layer norms, or the biases of attention"),
    ("block_parameters", lambda D, M: 4 * D * D + 2 * D * M + 7 * D + M, "half of the layer norms"),
    ("vit_parameters", lambda c: total(model_of(c), ["x_class"]), "vector of the class token"),
    ("vit_parameters", lambda c: total(model_of(c), ["E_pos"]), "position embedding is not counted"),
    ("vit_parameters", lambda c: total(model_of(c), ["encoder.norm"]), "final layer norm"),
    ("vit_parameters", lambda c: total(model_of(c), ["norm"]), "no layer norm"),
    ("vit_parameters", lambda c: total(model_of(c), ["norm1"]), "one layer norm"),
    ("vit_parameters", lambda c: total(model_of(c), ["patch_embedding.bias"]), "bias of the patch embedding"),
    ("vit_parameters", lambda c: total(model_of(c), ["head"]), "head is not counted"),
    ("vit_parameters", lambda c: total(model_of(c), ["attention.out"]), "output layer"),
    ("vit_parameters", lambda c: total(model_of(c), [f"blocks.{i}" for i in range(1, 99)]), "only one block"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_an_unknown_wrong_answer_shows_the_numbers(unknown):
    message = unknown("num_tokens", lambda H, W, P: 18)
    assert "T is 18; expected 11" in message
    assert "6, 15, 3" in message


def test_one_off_in_a_large_count_is_wrong(unknown):
    unknown("linear_parameters", lambda I, O: I * O + O + (I == 768))


def test_a_crash_says_where(unknown):
    def my_count(config):
        return config.depht

    message = unknown("vit_parameters", my_count)
    assert "return config.depht" in message
    assert "AttributeError" in message
