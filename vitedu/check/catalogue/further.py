"""Exercises that no notebook has yet: for an exam, or where the answer to one stands printed above it."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import softmax, softmax_backward, swap
from .losses import cross_entropy_backward, label_smoothing  # notebook 07 prints the lines that answer these
from .optim import adam_step, sgd_step  # and these

__all__ = [
    "adam_step", "cross_entropy_backward", "grouped_attention", "label_smoothing", "sgd_step", "temperature_backward",
]  # fmt: skip

# Exercises of other files that their notebook no longer asks for, since the answer stands printed there: for an exam.
PRINTED = (
    "asked_pairs", "attention_distance", "attention_macs", "block_activations", "conv2d", "conv2d_backward",
    "conv_macs", "cross_attention", "data_parallel_gradient", "decoupled_decay", "exaflops", "feature_tokens",
    "few_shots", "groupnorm", "hyper_rule", "inflated_filters", "logit_lens", "many_linear_step",
    "noisy_student_loss", "official_qkv", "paired_difference", "permuted_positions", "plus_minus_targets",
    "postact_unit", "preact_unit", "ridge_dual", "ridge_primal", "rollout", "same_padding", "sinusoid",
    "standard_error", "standardize", "token_cross_entropy", "training_compute", "tubelets", "vit_macs",
)  # fmt: skip


# ---- temperature_backward(dA, x, tau) -> dx, dtau --------------------------------------------------------------------


def _tau_cases(rng):
    cases = [(rng.standard_normal(s), rng.standard_normal(s), tau) for s, tau in (((3, 5), 2.0), ((2, 4, 3), 0.5))]
    return [*cases, (rng.standard_normal((6, 2)), rng.standard_normal((6, 2)), 1.3)]


@exercise(cases=_tau_cases, outputs={"dx": "(..., S)", "dtau": "(a number)"}, level=3, minutes=25)
def temperature_backward(dA, x, tau):
    s = x / tau  # the scores
    A = softmax(s)  # the weights
    ds = softmax_backward(dA, A)  # the gradient of the scores
    dx = ds / tau  # dx
    each = ds * s  # each entry's part of dtau
    return dx, -each.sum() / tau


temperature_backward.slips_in(
    "result",
    ("dtau has the wrong sign", "A larger tau makes the scores smaller.", "(dx, each.sum() / tau)"),
    ("dtau is not divided by tau", "s = x / tau: what is its derivative with respect to tau?", "(dx, -each.sum())"),
    ("dtau is the mean over the entries", "All entries have used the same tau.", "(dx, -each.mean() / tau)"),
    ("dtau is kept apart for each row", "All rows have used the same tau.", "(dx, -each.sum(axis=-1) / tau)"),
)  # fmt: skip
temperature_backward.slip("the scores are multiplied by tau", "What does a large tau do to the weights?", s="x * tau")


# ---- grouped_attention(q, k, v) -> y ---------------------------------------------------------------------------------


def _grouped_cases(rng):
    """q (B, h, T, Dh); k, v (B, g, S, Dh): h a multiple of g"""
    sizes = [(2, 6, 2, 3, 5, 4), (1, 4, 4, 5, 2, 3), (3, 6, 3, 4, 7, 2), (2, 4, 1, 3, 6, 5)]
    return [
        tuple(rng.standard_normal(s) for s in ((B, h, T, Dh), (B, g, S, Dh), (B, g, S, Dh)))
        for B, h, g, T, S, Dh in sizes
    ]


@exercise(cases=_grouped_cases, outputs={"y": "(B, h, T, Dh)"}, axes={"g": "the groups"}, level=2, minutes=20)
def grouped_attention(q, k, v):
    B, h, T, Dh = q.shape
    g = k.shape[1]
    S = k.shape[2]
    keys = np.repeat(k, h // g, axis=1)  # the keys of each head
    values = np.repeat(v, h // g, axis=1)  # the values of each head
    scores = q @ swap(keys) / np.sqrt(Dh)  # the scores
    A = softmax(scores)  # the weights
    return A @ values  # the answer


grouped_attention.slip(
    "the heads take turns: head i asks group i modulo g",
    "Neighbouring heads share a group: with 6 heads and 2 groups, which heads does group 0 serve?",
    keys="np.tile(k, (1, h // g, 1, 1))", values="np.tile(v, (1, h // g, 1, 1))",
)  # fmt: skip
grouped_attention.slip(
    "all heads ask the first group", "How many groups are there?", keys="k[:, :1] + 0 * q[:, :, :1, :1]",
    values="v[:, :1] + 0 * q[:, :, :1, :1]",
)  # fmt: skip
