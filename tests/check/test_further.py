"""vitedu/check/catalogue/further.py: the right answers in other styles, the mistakes in other words."""

from __future__ import annotations

import numpy as np
import pytest
import torch


def patches_one_by_one(images, patch_size, stride):
    B, _, H, W = images.shape
    found = [
        images[:, :, y : y + patch_size, x : x + patch_size].reshape(B, -1)
        for y in range(0, H - patch_size + 1, stride)
        for x in range(0, W - patch_size + 1, stride)
    ]
    return np.stack(found, axis=1)


def patches_by_unfold(images, patch_size, stride):
    return torch.nn.functional.unfold(torch.from_numpy(images), patch_size, stride=stride).transpose(1, 2)


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


def rms_by_autograd(dy, x, weight, eps):
    x, weight = torch.tensor(x, requires_grad=True), torch.tensor(weight, requires_grad=True)
    torch.nn.functional.rms_norm(x, x.shape[-1:], weight, eps).backward(torch.from_numpy(dy))
    return x.grad, weight.grad


def lion_in_words(w, g, m, lr, beta1, beta2, weight_decay):
    up = beta1 * m + (1 - beta1) * g > 0
    return w * (1 - lr * weight_decay) - np.where(up, lr, -lr), m + (1 - beta2) * (g - m)


RIGHT = [
    ("overlapping_patches", patches_one_by_one),
    ("overlapping_patches", patches_by_unfold),
    ("temperature_backward", temperature_by_autograd),
    ("grouped_attention", grouped_by_index),
    ("rmsnorm_backward", rms_by_autograd),
    ("lion_step", lion_in_words),
]


def channels_last(images, patch_size, stride):
    return patches_one_by_one(images, patch_size, stride).reshape(
        len(images), -1, images.shape[1], patch_size**2
    ).swapaxes(2, 3).reshape(len(images), -1, images.shape[1] * patch_size**2)  # fmt: skip


def without_the_temperature_in_dx(dA, x, tau):
    dx, dtau = temperature_by_autograd(dA, x, tau)
    return dx * tau, dtau


def by_turns(q, k, v):
    order = np.arange(q.shape[1]) % k.shape[1]
    return grouped_by_index(q, k[:, order], v[:, order])


def unscaled(q, k, v):
    return grouped_by_index(q * q.shape[-1] ** 0.5, k, v)


def last_token_only(dy, x, weight, eps):
    n = x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    g = dy * weight
    dx = (g - n * (g * n).mean(-1, keepdims=True)) / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    return dx, (dy * n).mean(axis=(0, 1))


def forgotten_half(w, g, m, lr, beta1, beta2, weight_decay):
    return w - lr * (np.sign(beta1 * m + g) + weight_decay * w), beta2 * m + (1 - beta2) * g


AGAIN = [
    ("overlapping_patches", channels_last, "the axes are moved to"),
    ("temperature_backward", without_the_temperature_in_dx, "the division by `tau` is missing"),
    ("grouped_attention", by_turns, "the heads take turns"),
    ("grouped_attention", unscaled, "the division by the root of `Dh` is missing"),
    ("rmsnorm_backward", last_token_only, "averaged, not summed"),
    ("lion_step", forgotten_half, "the factor `1 - beta1` is missing"),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
