"""The checks of notebooks/00_map.ipynb: counting tokens and parameters."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu.check.catalogue import start
from vitedu.check.catalogue.start import block_parameters, linear_parameters, num_tokens, vit_parameters
from vitedu_numpy import ViT, ViTConfig

CHECKS = [getattr(start, name) for name in start.__all__]
EVERY_MISTAKE = [pytest.param(c, m, id=f"{c.name}: {m.name}") for c in CHECKS for m in c.mistakes]


def model_of(c):
    return {name: p.value for name, p in ViT(c, rng=1).named_parameters()}


def total(arrays, without=()):
    """Numbers in all arrays but those whose name contains one of `without`."""
    return sum(a.size for name, a in arrays.items() if not any(part in name for part in without))


@pytest.mark.parametrize(("check", "mistake"), EVERY_MISTAKE)
def test_every_mistake_is_called_by_its_name(check, mistake):
    verdict = check.verdict(mistake.answer)
    assert not verdict.ok
    assert verdict.mistake == mistake.name
    assert mistake.hint in verdict.message


# ---- right answers, written in other ways --------------------------------------------------------------------------


def tokens_by_loop(height, width, patch_size):
    tokens = 1
    for _ in range(0, height, patch_size):
        for _ in range(0, width, patch_size):
            tokens += 1
    return tokens


RIGHT = [
    (num_tokens, tokens_by_loop),
    (num_tokens, lambda H, W, P: H * W / P**2 + 1),  # a float that is a whole number
    (num_tokens, lambda H, W, P: np.int64(H // P * (W // P) + 1)),
    (linear_parameters, lambda I, O: (I + 1) * O),
    (linear_parameters, lambda I, O: np.zeros((O, I)).size + np.zeros(O).size),
    (block_parameters, lambda D, M: 4 * D * D + 2 * D * M + 9 * D + M),
    (vit_parameters, lambda c: total(model_of(c))),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_right_answers_pass(check, answer):
    assert check.verdict(answer).ok


def test_the_formula_counts_the_paper_s_base_model_as_the_official_code_does():
    def formula(c):
        D, M = c.width, c.mlp_dim
        block = 4 * D * D + 2 * D * M + 9 * D + M
        patch = c.channels * c.patch_size**2 * D + D
        token = D if c.classifier == "token" else 0
        positions = c.num_tokens * D if c.position_embedding == "1d" else 0
        return patch + token + positions + c.depth * block + 2 * D + (D + 1) * c.num_classes

    assert vit_parameters.verdict(formula).ok
    base = {"width": 768, "depth": 12, "heads": 12, "mlp_dim": 3072, "num_classes": 1000}
    assert formula(ViTConfig(224, 16, **base)) == 86_567_656


# ---- the same mistakes, made in another way ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (num_tokens, lambda H, W, P: tokens_by_loop(H, W, P) - 1, "class token is not counted"),
        (num_tokens, lambda H, W, P: 1 + H * W / P, "side is not squared"),
        (num_tokens, lambda H, W, P: tokens_by_loop(H, H, P), "H used for both"),
        (num_tokens, lambda H, W, P: tokens_by_loop(W, W, P), "W used for both"),
        (linear_parameters, lambda I, O: np.zeros((O, I)).size, "biases are not counted"),
        (linear_parameters, lambda I, O: I * (O + 1), "one bias per input"),
        (block_parameters, lambda D, M: 4 * D * D + 2 * D * M + 4 * D, "biases of the linear layers"),
        (block_parameters, lambda D, M: 2 * D * D + 2 * D * M + 7 * D + M, "one D x D layer"),
        (block_parameters, lambda D, M: 4 * D * D + 2 * D * M + 5 * D + M, "norms are not counted"),
        (block_parameters, lambda D, M: 4 * D * D + 2 * D * M + 7 * D + M, "half of the layer norms"),
        (vit_parameters, lambda c: total(model_of(c), ["x_class"]), "vector of the class token"),
        (vit_parameters, lambda c: total(model_of(c), ["E_pos"]), "position embedding is not counted"),
        (vit_parameters, lambda c: total(model_of(c), ["encoder.norm"]), "final layer norm"),
        (vit_parameters, lambda c: total(model_of(c), ["norm"]), "no layer norm"),
        (vit_parameters, lambda c: total(model_of(c), ["norm1"]), "one layer norm"),
        (vit_parameters, lambda c: total(model_of(c), ["patch_embedding.bias"]), "bias of the patch embedding"),
        (vit_parameters, lambda c: total(model_of(c), ["head"]), "head is not counted"),
        (vit_parameters, lambda c: total(model_of(c), ["attention.out"]), "output layer"),
        (vit_parameters, lambda c: total(model_of(c), [f"blocks.{i}" for i in range(1, 99)]), "only one block"),
    ],
)
def test_mistakes_made_in_another_way_are_recognised(check, answer, words):
    assert words in (check.verdict(answer).mistake or "")


# ---- everything else -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS)
def test_an_untouched_stub_is_still_to_do(check):
    def stub(*args):
        raise NotImplementedError

    assert check.verdict(stub).todo
    assert check.verdict(stub).message == f"{check.name}: still to do."


def test_an_unknown_wrong_answer_shows_the_numbers():
    verdict = num_tokens.verdict(lambda H, W, P: 18)
    assert (verdict.ok, verdict.mistake) == (False, None)
    assert "T is 18; expected 11" in verdict.message
    assert "6, 15, 3" in verdict.message


def test_one_off_in_a_large_count_is_wrong():
    assert not linear_parameters.verdict(lambda I, O: I * O + O + (I == 768)).ok


def test_a_crash_says_where():
    def my_count(config):
        return config.depht

    verdict = vit_parameters.verdict(my_count)
    assert (verdict.ok, verdict.mistake) == (False, None)
    assert "return config.depht" in verdict.message
    assert "AttributeError" in verdict.message


def test_a_missing_return_is_named():
    assert "is a `return` missing?" in num_tokens.verdict(lambda H, W, P: None).message
