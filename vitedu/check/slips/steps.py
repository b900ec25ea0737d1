"""The steps that right answers are written in, where a step is more than one line of NumPy; `kinds.py` knows its slips.

Each is plain NumPy; the package's own functions are not called here, so that an answer is compared with a second
derivation, and tests see that both agree.
"""

from __future__ import annotations

import math

import numpy as np

from vitedu_numpy.layers.gelu import normal_cdf

__all__ = [
    "bell",
    "bias_gradient",
    "gelu",
    "gelu_tanh",
    "linear",
    "log_softmax",
    "math",
    "merge_heads",
    "normal_cdf",
    "np",
    "one_hot",
    "patchify",
    "picked",
    "rectify",
    "rows",
    "scale_gradient",
    "sigmoid",
    "sliding_windows",
    "softmax",
    "softmax_backward",
    "split_heads",
    "standardise",
    "swap",
    "unpatchify",
    "weight_gradient",
]  # fmt: skip


def swap(x):
    """The last two axes exchanged."""
    return x.swapaxes(-1, -2)


def rows(x):
    """All axes but the last folded into one."""
    return x.reshape(-1, x.shape[-1])


def softmax(x, axis=-1):
    """Over any axis, several, or everything (None)."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x, axis=-1):
    """x - log sum exp x"""
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def softmax_backward(dA, A, axis=-1):
    """A (dA - sum dA A)"""
    return A * (dA - (dA * A).sum(axis=axis, keepdims=True))


def sigmoid(x):
    """1 / (1 + exp(-x))"""
    return 1 / (1 + np.exp(-x))


def rectify(x):
    """max(x, 0)"""
    return np.maximum(x, 0)


def bell(x):
    """phi, the density of the standard normal"""
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def gelu(x):
    """x Phi(x)"""
    return x * normal_cdf(x)


def gelu_tanh(x):
    """GELU's approximation with a tanh"""
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def linear(x, weight, bias):
    """x W^T + b"""
    return x @ weight.T + bias


def weight_gradient(dy, x):
    """dW (O, I) = sum over the rows of dy (..., O) times x (..., I)"""
    return rows(dy).T @ rows(x)


def bias_gradient(dy):
    """db (O,) = sum over the rows of dy (..., O)"""
    return rows(dy).sum(axis=0)


def scale_gradient(dy_xhat):
    """dw (D,) = sum over the rows of dy xhat (..., D), where a vector multiplies every row"""
    return rows(dy_xhat).sum(axis=0)


def standardise(x, axis, eps, spread=()):
    """(x - mean) / sqrt(variance + eps); spread: the axes of the variance, where they are others"""
    spread = axis if spread == () else spread
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=spread, keepdims=True) + eps)


def one_hot(labels, K):
    """(B, K): 1 at the label"""
    return np.eye(K)[labels]


def picked(x, labels):
    """The entry of every row at its label: (B,)"""
    return x[np.arange(len(labels)), labels]


def split_heads(x, h):
    """(B, T, D) -> (B, h, T, Dh)"""
    B, T, D = x.shape
    return x.reshape(B, T, h, D // h).swapaxes(1, 2)


def merge_heads(x):
    """(B, h, T, Dh) -> (B, T, D)"""
    B, h, T, Dh = x.shape
    return x.swapaxes(1, 2).reshape(B, T, h * Dh)


def patchify(images, P, axes=(0, 2, 4, 1, 3, 5)):
    """(B, C, H, W) -> (B, N, C P P); the six axes are (B, C, gh, P, gw, P)"""
    B, C, H, W = images.shape
    return images.reshape(B, C, H // P, P, W // P, P).transpose(axes).reshape(B, -1, C * P * P)


def unpatchify(patches, shape, P, axes=(0, 3, 1, 4, 2, 5)):
    """(B, N, C P P) -> (B, C, H, W); the six axes are (B, gh, gw, C, P, P)"""
    B, C, H, W = shape
    return patches.reshape(B, H // P, W // P, C, P, P).transpose(axes).reshape(shape)


def sliding_windows(x, size, down, across):
    """All windows of `size` = (kh, kw), every `down`-th and `across`-th: (B, C, Ho, Wo, kh, kw)"""
    view = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))
    return view[:, :, ::down, ::across]
