"""Max-pooling.  Taught in notebooks/09_bit.ipynb.

Shapes: `B` batch, `C` channels, `H W` image size, `Ho Wo` output size.
"""

from __future__ import annotations

import numpy as np

from ..module import Module
from .padding import explicit_padding

__all__ = ["MaxPool", "max_pool", "max_pool_backward"]


def max_pool(x, kernel=3, stride=2, padding=1, border=0.0):
    """The largest number of every window.     x (B, C, H, W)  ->  (B, C, Ho, Wo)

    padding: as in `explicit_padding`; border: what stands in the padding, 0 (it can then be the largest) or -inf (it
    never is).
    """
    B, C, H, W = x.shape
    rows, cols = explicit_padding(padding, (H, W), (kernel, kernel), stride)
    padded = np.pad(x, ((0, 0), (0, 0), rows, cols), constant_values=border)  # [1]
    Ho, Wo = ((n - kernel) // stride + 1 for n in padded.shape[2:])
    y = np.full((B, C, Ho, Wo), -np.inf, x.dtype)
    winner = np.zeros(y.shape, np.uint8)
    for n in range(kernel * kernel):
        i, j = divmod(n, kernel)
        shifted = padded[:, :, i : i + stride * Ho : stride, j : j + stride * Wo : stride]
        larger = shifted > y  # of equal numbers the first stays, row by row
        np.copyto(y, shifted, where=larger)  # [2]
        np.copyto(winner, n, where=larger)
    return y, (winner, padded.shape, kernel, stride, (rows, cols), (H, W))


def max_pool_backward(dy, cache):
    """dy (B, C, Ho, Wo)  ->  dx (B, C, H, W): the whole gradient of a window goes to the number that won it."""
    winner, padded_shape, kernel, stride, (rows, cols), (H, W) = cache
    Ho, Wo = dy.shape[2:]
    dpadded = np.zeros(padded_shape, dy.dtype)
    for n in range(kernel * kernel):
        i, j = divmod(n, kernel)
        dshifted = dpadded[:, :, i : i + stride * Ho : stride, j : j + stride * Wo : stride]
        dshifted += dy * (winner == n)  # from [2]
    return dpadded[:, :, rows[0] : rows[0] + H, cols[0] : cols[0] + W]  # from [1]


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
