"""vitedu/check/catalogue/ablations.py: the right answers in other styles, the mistakes in other words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vitedu.training.muon import orthogonal
from vitedu_numpy.config import TrainConfig
from vitedu_numpy.training.batches import scheduled_rate

# ---- right answers ---------------------------------------------------------------------------------------------------


def paired_by_variances(a, b):
    """var(a - b) = var a + var b - 2 cov(a, b)"""
    means, errors = [], []
    for x, y in zip(a, b, strict=True):
        (xx, xy), (_, yy) = np.cov(x, y)
        means.append(x.mean() - y.mean())
        errors.append(math.sqrt((xx + yy - 2 * xy) / len(x)))
    return means, errors


def linear_one_by_one(W, x, y, lr):
    return np.stack([w - rate * (x @ w.T - y).T @ x / len(x) for w, rate in zip(W, lr, strict=True)])


def linear_by_vmap(W, x, y, lr):
    W, x, y, lr = map(torch.from_numpy, (W, x, y, lr))
    loss = lambda w: 0.5 * (x @ w.T - y).square().sum(1).mean()  # noqa: E731
    return W - lr[:, None, None] * torch.func.vmap(torch.func.grad(loss))(W)


def coupled_by_torch(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    p = torch.nn.Parameter(torch.tensor(w))
    p.grad = torch.tensor(g)
    optimizer = torch.optim.Adam([p], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
    state = {"step": torch.tensor(t - 1.0), "exp_avg": torch.tensor(m), "exp_avg_sq": torch.tensor(v)}
    optimizer.state[p] = state
    optimizer.step()
    return p.detach(), state["exp_avg"], state["exp_avg_sq"]


def rate_by_closed_form(base, steps, warmup_steps, decay):
    """A falling schedule loses half a step, a constant one half of the warm-up and half a step."""
    lost = 1 if decay != "none" else warmup_steps + 1
    plain = steps + 1 if decay != "none" else 2 * steps
    return base * plain / (plain - lost)


def rate_by_the_package(base, steps, warmup_steps, decay):
    totals = []
    for warmup in (0, warmup_steps):
        config = TrainConfig(steps, 1, base, warmup_steps=warmup, decay=decay)
        totals.append(sum(scheduled_rate(step, config) for step in range(steps)))
    return base * totals[0] / totals[1]


def by_singular_values(M, steps):
    U, S, Vt = np.linalg.svd(M, full_matrices=False)
    S = S / np.sqrt((S**2).sum())
    for _ in range(steps):
        S = 3.4445 * S - 4.7750 * S**3 + 2.0315 * S**5
    return (U * S) @ Vt


def through_the_smaller_side(M, steps):
    return by_singular_values(M.T, steps).T


RIGHT = [
    ("paired_lead", paired_by_variances),
    ("many_linear_step", linear_one_by_one),
    ("many_linear_step", linear_by_vmap),
    ("coupled_adam_step", coupled_by_torch),
    ("equal_rate", rate_by_closed_form),
    ("equal_rate", rate_by_the_package),
    ("newton_schulz", by_singular_values),
    ("newton_schulz", through_the_smaller_side),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(
    ("name", "answer"),
    [("paired_lead", paired_by_variances), ("many_linear_step", linear_one_by_one)],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_float32_is_precise_enough(name, answer, assert_right, in_float32):
    assert_right(name, in_float32(answer))


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def unpaired(a, b):
    n = a.shape[1]
    return a.mean(1) - b.mean(1), np.sqrt(a.var(1, ddof=1) / n + b.var(1, ddof=1) / n)


def shuffled_away(a, b):
    return paired_by_variances(np.sort(a), np.sort(b))


def one_optimiser_for_all(W, x, y, lr):
    """What data-parallel training does: gradients are averaged."""
    g = np.mean([(x @ w.T - y).T @ x / len(x) for w in W], axis=0)
    return W - lr[:, None, None] * g


def summed(W, x, y, lr):
    return linear_one_by_one(W, x, y, lr * len(x))


def adamw(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    _, m, v = coupled_by_torch(w, g, m, v, t, lr, beta1, beta2, eps, 0.0)
    step = lr * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + eps)
    return w * (1 - lr * weight_decay) - step.numpy(), m, v


def without(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    return coupled_by_torch(w, g, m, v, t, lr, beta1, beta2, eps, 0.0)


AGAIN = [
    ("paired_lead", unpaired, "two independent means"),
    ("paired_lead", shuffled_away, "pairs are taken apart"),
    ("many_linear_step", one_optimiser_for_all, "share the mean"),
    ("many_linear_step", summed, "summed, not averaged"),
    ("coupled_adam_step", adamw, "decoupled decay"),
    ("coupled_adam_step", without, "no decay"),
    ("equal_rate", lambda base, steps, w, decay: base, "left as it is"),
    ("equal_rate", lambda *args: args[0] ** 2 / rate_by_closed_form(*args), "other way round"),
    ("newton_schulz", lambda M, steps: by_singular_values(M, steps + 1), "too many"),
    ("newton_schulz", lambda M, steps: by_singular_values(M, steps).T, "on its side"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


def test_the_package_does_the_same(rng):
    """`orthogonal` works on the smaller side in bfloat16: three digits, five steps."""
    M = rng.standard_normal((3, 7))
    found = orthogonal(torch.from_numpy(M)[None])[0].numpy()
    np.testing.assert_allclose(found, by_singular_values(M, 5), atol=0.03)
