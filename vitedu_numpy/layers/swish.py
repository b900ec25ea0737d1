"""Swish, x sigmoid(x): a rectifier without a kink.

Taught in notebooks/17_state_of_the_art.ipynb.

Ramachandran et al. (2017, arXiv:1710.05941); also called SiLU.  What EfficientNet has in place of a rectifier.
"""

from __future__ import annotations

import numpy as np

from ..module import Module, shaped

__all__ = ["Sigmoid", "Swish", "sigmoid", "sigmoid_backward", "swish", "swish_backward"]


@shaped
def sigmoid(x):
    """y = 1 / (1 + exp(-x)).     x, y (...)"""
    y = 0.5 * np.tanh(0.5 * x) + 0.5  # the same number, and nothing overflows  [1]
    return y, y


@shaped
def sigmoid_backward(dy, cache):
    """dx = dy y (1 - y).     dy (...)  ->  dx (...)"""
    y = cache
    return dy * y * (1 - y)  # from [1]


class Sigmoid(Module):
    """`sigmoid` as a layer."""

    def forward(self, x):
        y, cache = sigmoid(x)
        self.keep(cache)
        return y

    def backward(self, dy):
        return sigmoid_backward(dy, self.take())


@shaped
def swish(x):
    """y = x sigmoid(x).     x, y (...)"""
    s, _ = sigmoid(x)
    return x * s, (x, s)  # [1]


@shaped
def swish_backward(dy, cache):
    """dx = dy (s + x s (1 - s)),  s = sigmoid(x).     dy (...)  ->  dx (...)"""
    x, s = cache
    return dy * (s + x * s * (1 - s))  # from [1]: both factors


class Swish(Module):
    """`swish` as a layer."""

    def forward(self, x):
        y, cache = swish(x)
        self.keep(cache)
        return y

    def backward(self, dy):
        return swish_backward(dy, self.take())
