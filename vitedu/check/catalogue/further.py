"""Exercises that no notebook has yet: for an exam, or where the answer to one stands printed above it."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import softmax, softmax_backward, swap

__all__ = [
    "grouped_attention", "lion_step", "overlapping_patches", "rmsnorm_backward", "temperature_backward",
]  # fmt: skip


# ---- overlapping_patches(images, patch_size, stride) -> patches ------------------------------------------------------


def _overlap_cases(rng):
    """Not square, the stride smaller than the patch, and a rest that no patch reaches."""
    sizes = [((2, 3, 7, 9), 3, 2), ((1, 2, 6, 5), 2, 1), ((3, 1, 8, 12), 4, 3), ((2, 2, 6, 4), 2, 2)]
    return [(rng.standard_normal(shape), P, stride) for shape, P, stride in sizes]


def _windows(images, P, down, across):
    """(B, C, gh, gw, P, P)"""
    view = np.lib.stride_tricks.sliding_window_view(images, (P, P), axis=(2, 3))
    return view[:, :, ::down, ::across]


@exercise(cases=_overlap_cases, outputs={"patches": "(B, N, C P P)"}, level=2, minutes=20)
def overlapping_patches(images, patch_size, stride):
    B, C, H, W = images.shape
    P = patch_size
    cut = _windows(images, P, stride, stride)  # the windows
    moved = cut.transpose(0, 2, 3, 1, 4, 5)  # the moved axes
    return moved.reshape(B, -1, C * P * P)


overlapping_patches.slips_in(
    "cut",
    ("the stride is not used", "How far apart do two neighbours begin?", "_windows(images, P, 1, 1)"),
    ("the patches do not overlap", "How far apart do two neighbours begin?", "_windows(images, P, P, P)"),
    ("the stride is used on the way down alone", "An image has two sides.", "_windows(images, P, stride, P)"),
    ("the stride is used across alone", "An image has two sides.", "_windows(images, P, P, stride)"),
    ("the last patch of each row and column is missing", "How many windows of 3 fit into 7 pixels at stride 2?",
     "_windows(images, P, stride, stride)[:, :, :-1, :-1]"),
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


# ---- rmsnorm_backward(dy, x, weight, eps) -> dx, dweight -------------------------------------------------------------


def _rms_cases(rng):
    cases = []
    for B, T, D, eps in ((2, 5, 4, 0.1), (3, 2, 7, 0.3), (1, 4, 3, 0.05)):
        cases.append((*(rng.standard_normal(s) + 0.5 for s in ((B, T, D), (B, T, D), (D,))), eps))
    return cases


@exercise(cases=_rms_cases, outputs={"dx": "(B, T, D)", "dweight": "(D,)"}, level=3, minutes=30)
def rmsnorm_backward(dy, x, weight, eps):
    B, T, D = x.shape
    square = (x * x).mean(axis=-1, keepdims=True)  # the mean square
    r = 1 / np.sqrt(square + eps)  # 1 / root
    xhat = x * r  # the normalised token
    dxhat = dy * weight  # the gradient of the normalised token
    along = xhat * (dxhat * xhat).mean(axis=-1, keepdims=True)  # the part along the token
    dx = (dxhat - along) * r  # dx
    dweight = (dy * xhat).sum(axis=(0, 1))  # dweight
    return dx, dweight


rmsnorm_backward.slips_in(
    "dx",
    ("the root is taken for a constant", "x stands twice in x / root: once above, once below.", "dxhat * r"),
    ("a mean is subtracted, as in layer norm", "RMS norm subtracts no mean on the way forward.",
     "(dxhat - dxhat.mean(axis=-1, keepdims=True) - along) * r"),
    ("1 / root is missing from dx", "How does xhat change with x?", "dxhat - along"),
)  # fmt: skip
rmsnorm_backward.slip(
    "dweight is built from x, not from what it met", "What did weight multiply?", dweight="(dy * x).sum(axis=(0, 1))"
)
rmsnorm_backward.slip(
    "the mean is subtracted first: this is layer norm", "RMS norm subtracts no mean.",
    square="x.var(axis=-1, keepdims=True)", xhat="(x - x.mean(axis=-1, keepdims=True)) * r",
)  # fmt: skip


# ---- lion_step(w, g, m, lr, beta1, beta2, weight_decay) -> w, m ------------------------------------------------------


def _lion_cases(rng):
    settings = [((3, 5), 0.1, 0.9, 0.99, 0.3), ((2, 7), 0.03, 0.8, 0.95, 0.1), ((4, 3), 0.2, 0.7, 0.9, 0.5)]
    return [(*rng.standard_normal((3, *shape)), *rest) for shape, *rest in settings]


@exercise(
    cases=_lion_cases, outputs={"w": "(O, I)", "m": "(O, I)"}, level=2, minutes=15, may_change=("w", "m")
)  # fmt: skip
def lion_step(w, g, m, lr, beta1, beta2, weight_decay):
    mixed = beta1 * m + (1 - beta1) * g  # what is signed
    step = np.sign(mixed) + weight_decay * w  # the step
    w_new = w - lr * step  # the new w
    m_new = beta2 * m + (1 - beta2) * g  # the new m
    return w_new, m_new


lion_step.slips_in(
    "step",
    ("the sign is not taken", "How long is the step of a weight, whatever its gradient?",
     "mixed + weight_decay * w"),
    ("the decay is signed too", "Decoupled decay stands beside the fraction, the root, or the sign.",
     "np.sign(mixed + weight_decay * w)"),
    ("there is no decay", "What shrinks w?", "np.sign(mixed)"),
    ("the sign of the gradient alone is taken", "What of the past has a part in the step?",
     "np.sign(g) + weight_decay * w"),
)  # fmt: skip
lion_step.slip("m is renewed with beta1", "Two betas: one for the step, one for what is kept.", m_new="mixed")
lion_step.slip(
    "beta1 and beta2 are exchanged", "Which beta belongs to the step?",
    mixed="beta2 * m + (1 - beta2) * g", m_new="beta1 * m + (1 - beta1) * g",
)  # fmt: skip
