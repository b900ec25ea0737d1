"""vitedu/check/catalogue/further.py: the right answers in other styles, the mistakes in other words."""

from __future__ import annotations

import numpy as np
import pytest
import torch


def temperature_by_autograd(dA, x, tau):
    x, tau = torch.tensor(x, requires_grad=True), torch.tensor(tau, requires_grad=True, dtype=torch.float64)
    torch.softmax(x / tau, dim=-1).backward(torch.from_numpy(dA))
    return x.grad, tau.grad


def grouped_by_index(q, k, v):
    out = np.zeros_like(q)
    each = q.shape[1] // k.shape[1]
    for i in range(q.shape[1]):
        scores = np.einsum("btd,bsd->bts", q[:, i], k[:, i // each]) * q.shape[-1] ** -0.5
        e = np.exp(scores)
        out[:, i] = e @ v[:, i // each] / e.sum(axis=-1, keepdims=True)
    return out


RIGHT = [
    ("temperature_backward", temperature_by_autograd),
    ("grouped_attention", grouped_by_index),
]


def without_the_temperature_in_dx(dA, x, tau):
    dx, dtau = temperature_by_autograd(dA, x, tau)
    return dx * tau, dtau


def by_turns(q, k, v):
    order = np.arange(q.shape[1]) % k.shape[1]
    return grouped_by_index(q, k[:, order], v[:, order])


def unscaled(q, k, v):
    return grouped_by_index(q * q.shape[-1] ** 0.5, k, v)


AGAIN = [
    ("temperature_backward", without_the_temperature_in_dx, "the division by `tau` is missing"),
    ("grouped_attention", by_turns, "the heads take turns"),
    ("grouped_attention", unscaled, "the division by the root of `Dh` is missing"),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
