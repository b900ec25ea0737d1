"""Max-pooling.  Taught in notebooks/09_bit.ipynb.

Shapes: `B` batch, `C` channels, `H W` image size, `Ho Wo` output size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..module import Module, shaped
from .padding import explicit_padding

__all__ = ["MaxPool", "max_pool", "max_pool_backward"]


class Winners(NamedTuple):
    """What `max_pool_backward` needs."""

    winner: np.ndarray  # (B, C, Ho, Wo): which number of its window was the largest, counted row by row
    kernel: int
    stride: int
    padded: tuple  # shape (B, C, H, W) with padding
    inside: tuple  # the slices of the image in it


@shaped
def max_pool(x, kernel=3, stride=2, padding=1, border=0.0):
    """The largest number of every window.     x (B, C, H, W)  ->  (B, C, Ho, Wo)

    padding: as in `explicit_padding`; border: what stands in the padding, 0 (it can then be the largest) or -inf (it
    never is).
    """
    H, W = x.shape[2:]
    rows, cols = explicit_padding(padding, (H, W), (kernel, kernel), stride)
    padded = np.pad(x, ((0, 0), (0, 0), rows, cols), constant_values=border)  # [1]
    inside = ..., slice(rows[0], rows[0] + H), slice(cols[0], cols[0] + W)
    Ho, Wo = ((n - kernel) // stride + 1 for n in padded.shape[2:])
    y = np.full((*x.shape[:2], Ho, Wo), -np.inf, x.dtype)
    winner = np.zeros(y.shape, np.uint8)
    for n in range(kernel * kernel):
        i, j = divmod(n, kernel)
        shifted = padded[:, :, i : i + stride * Ho : stride, j : j + stride * Wo : stride]
        larger = shifted > y  # of equal numbers the first stays, row by row
        np.copyto(y, shifted, where=larger)  # [2]
        np.copyto(winner, n, where=larger)
    return y, Winners(winner, kernel, stride, padded.shape, inside)


@shaped
def max_pool_backward(dy, cache):
    """dy (B, C, Ho, Wo)  ->  dx (B, C, H, W): the whole gradient of a window goes to the number that won it."""
    (Ho, Wo), s = dy.shape[2:], cache.stride
    dpadded = np.zeros(cache.padded, dy.dtype)
    for n in range(cache.kernel**2):
        i, j = divmod(n, cache.kernel)
        dpadded[:, :, i : i + s * Ho : s, j : j + s * Wo : s] += dy * (cache.winner == n)  # from [2]
    return dpadded[cache.inside]  # from [1]


class MaxPool(Module):
    """`max_pool` with its settings; no parameters."""

    def __init__(self, kernel=3, stride=2, padding=1, border=0.0):
        self.kernel, self.stride, self.padding, self.border = kernel, stride, padding, border

    def forward(self, x):
        y, cache = max_pool(x, self.kernel, self.stride, self.padding, self.border)
        self.keep(cache)
        return y

    def backward(self, dy):
        return max_pool_backward(dy, self.take())
