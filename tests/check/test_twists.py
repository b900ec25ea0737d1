"""Checks of notebooks 01 to 07 that go a step beyond the page: overlapping patches, shared keys, weighted images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F


def unfolded(images, P, stride):
    return F.unfold(torch.from_numpy(images), P, stride=stride).transpose(1, 2).numpy()


def windows_by_loops(images, P, stride, order=lambda patch: patch):
    _, _, H, W = images.shape
    corners = [(r, c) for r in range(0, H - P + 1, stride) for c in range(0, W - P + 1, stride)]
    return np.stack([order(images[:, :, r : r + P, c : c + P]).reshape(len(images), -1) for r, c in corners], axis=1)


def by_autograd(forward, dy, *inputs):
    """The gradients of sum(dy y) with respect to every input."""
    tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in inputs]
    forward(*tensors).backward(torch.from_numpy(dy))
    return tuple(t.grad.numpy() for t in tensors)


def scores_autograd(dscores, q, k, scale):
    return by_autograd(lambda q, k, scale: scale * q @ k.transpose(-1, -2), dscores, q, k, scale)


def scores_einsum(dscores, q, k, scale):
    products = np.einsum("bhtd,bhsd->bhts", q, k)
    return scale * dscores @ k, scale * np.einsum("bhts,bhtd->bhsd", dscores, q), np.vdot(dscores, products)


def shared_autograd(dy, q, k, v):
    def forward(q, k, v):
        return F.scaled_dot_product_attention(
            q, k[:, None].expand(-1, q.shape[1], -1, -1), v[:, None].expand(-1, q.shape[1], -1, -1)
        )

    return by_autograd(forward, dy, q, k, v)


def rms_autograd(dy, x, weight, eps):
    return by_autograd(lambda x, weight: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight, dy, x, weight)


def rms_projected(dy, x, weight, eps):
    """With the D x D matrix of every token."""
    D = x.shape[-1]
    dx = np.empty_like(x)
    for i in np.ndindex(x.shape[:-1]):
        square = (x[i] @ x[i]) / D + eps
        dx[i] = (np.eye(D) - np.outer(x[i], x[i]) / (D * square)) / square**0.5 @ (dy[i] * weight)
    return dx, (dy * x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)).sum(axis=(0, 1))


def lion_in_its_paper(w, g, m, lr, beta1, beta2, weight_decay):
    """Chen et al. 2023, Algorithm 2: the update, then the momentum, then the weight."""
    c = beta1 * m + g - beta1 * g
    return w - lr * weight_decay * w - lr * (1.0 * (c > 0) - 1.0 * (c < 0)), g + beta2 * (m - g)


def weighted_by_autograd(logits, labels, weights):
    """Each image's loss times its weight, by the sum of the weights."""
    x = torch.tensor(logits, requires_grad=True)
    each = F.cross_entropy(x, torch.from_numpy(labels), reduction="none")
    (each @ torch.from_numpy(weights) / weights.sum()).backward()
    return x.grad


def weighted_by_loops(logits, labels, weights):
    dlogits = np.zeros_like(logits)
    for b, label in enumerate(labels):
        e = np.exp(logits[b] - logits[b].max())
        dlogits[b] = weights[b] * e / e.sum()
        dlogits[b, label] -= weights[b]
    return dlogits / sum(weights)


RIGHT = [
    ("overlapping_patches", unfolded),
    ("overlapping_patches", windows_by_loops),
    ("scaled_scores_backward", scores_autograd),
    ("scaled_scores_backward", scores_einsum),
    ("shared_key_backward", shared_autograd),
    ("rmsnorm_backward", rms_autograd),
    ("rmsnorm_backward", rms_projected),
    ("lion_step", lion_in_its_paper),
    ("weighted_cross_entropy_backward", weighted_by_autograd),
    ("weighted_cross_entropy_backward", weighted_by_loops),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


def one_head(dy, q, k, v):
    dq, _, _ = shared_autograd(dy, q, k, v)
    _, dk, dv = shared_autograd(dy[:, :1], q[:, :1], k, v)
    return dq, dk, dv


def shared_mean(dy, q, k, v):
    dq, dk, dv = shared_autograd(dy, q, k, v)
    return dq, dk / q.shape[1], dv / q.shape[1]


def layer_norms_dx(dy, x, weight, eps):
    dx, dweight = rms_autograd(dy, x, weight, eps)
    root = np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    return dx - (dy * weight).mean(-1, keepdims=True) / root, dweight


AGAIN = [
    ("overlapping_patches", lambda x, P, stride: unfolded(x, P, 1), "start at every pixel"),
    ("overlapping_patches", lambda x, P, stride: unfolded(x, P, P), "where the last one ends"),
    (
        "overlapping_patches",
        lambda x, P, stride: windows_by_loops(x, P, stride, lambda patch: patch.transpose(0, 2, 3, 1)),
        "channels last",
    ),
    ("scaled_scores_backward", lambda d, q, k, s: (*scores_autograd(d, q, k, s)[:2], d.sum()), "sum of dscores"),
    ("scaled_scores_backward", lambda d, q, k, s: scores_autograd(d, q, k, 1.0), "forgotten in dq and dk"),
    ("shared_key_backward", shared_mean, "averaged over the heads"),
    ("shared_key_backward", one_head, "first head alone"),
    ("rmsnorm_backward", layer_norms_dx, "that of layer norm"),
    (
        "rmsnorm_backward",
        lambda dy, x, w, eps: (dy * w / np.sqrt((x**2).mean(-1, keepdims=True) + eps), rms_autograd(dy, x, w, eps)[1]),
        "treated as a constant",
    ),
    ("lion_step", lambda w, g, m, lr, b1, b2, wd: lion_in_its_paper(w, g, m, lr, b1, b2, 0), "weight decay is missing"),
    ("lion_step", lambda w, g, m, lr, b1, b2, wd: lion_in_its_paper(w, g, m, lr, b2, b1, wd), "in each other's place"),
    (
        "weighted_cross_entropy_backward",
        lambda x, labels, w: weighted_by_loops(x, labels, w) * sum(w) / len(w),
        "divided by the number of images, not by the sum of the weights",
    ),
    ("weighted_cross_entropy_backward", lambda x, y, w: weighted_by_loops(x, y, w) / len(w), "number of images, too"),
    ("weighted_cross_entropy_backward", lambda x, y, w: weighted_by_loops(x, y, 1 + 0 * w), "weights are not used"),
    ("weighted_cross_entropy_backward", lambda x, y, w: -weighted_by_loops(x, y, w), "sign is wrong"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
