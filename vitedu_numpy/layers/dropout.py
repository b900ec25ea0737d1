"""Dropout: y = mask * x.  Taught in notebooks/05_block.ipynb.

The mask is 0 where a value is dropped and 1 / (1 - rate) where it is kept, so the mean stays the same.  With one
number per image in place of one per value it is stochastic depth (Huang et al. 2016, arXiv:1603.09382).
"""

from __future__ import annotations

import numpy as np

from ..module import Module, shaped
from ..validate import check_momentum

__all__ = ["Dropout", "StochasticDepth", "dropout", "dropout_backward", "dropout_mask"]


def dropout_mask(rng: np.random.Generator, shape: tuple[int, ...], rate: float, dtype) -> np.ndarray:
    """A fresh mask: each entry 0 with probability `rate`, else 1 / (1 - rate)."""
    return (rng.random(shape) >= rate).astype(dtype) / dtype.type(1 - rate)


@shaped
def dropout(x, mask):
    """y = mask x.     x, mask (...)"""
    return x * mask, mask


@shaped
def dropout_backward(dy, cache):
    """dx = mask dy.     dy (...)  ->  dx (...)"""
    mask = cache
    return dy * mask


class Dropout(Module):
    """Draws a mask from `rng` at every forward while training; does nothing in eval mode or at rate 0.

    `mask`, when set, is used instead of a fresh draw: that is how two packages see the same dropout.
    """

    def __init__(self, rate: float, rng: np.random.Generator):
        check_momentum(rate=rate)
        self.rate, self.rng = rate, rng
        self.mask = None

    def mask_shape(self, shape):
        """One number for each value."""
        return shape

    def draw(self, shape, dtype):
        """The mask for one forward, None where nothing is dropped."""
        if not self.training:
            return None
        if self.mask is not None or self.rate == 0:
            return self.mask
        return dropout_mask(self.rng, self.mask_shape(shape), self.rate, dtype)

    @shaped
    def forward(self, x):
        """x (...)  ->  (...)"""
        mask = self.draw(x.shape, x.dtype)
        y, cache = (x, None) if mask is None else dropout(x, mask)
        self.keep((cache,))
        return y

    def backward(self, dy):
        (cache,) = self.take()
        return dy if cache is None else dropout_backward(dy, cache)


class StochasticDepth(Dropout):
    """Dropout that keeps or drops all of an image's values together.     x (B, ...), mask (B, 1, ...)

    Put on a block's branch f, z + mask f(z): an image whose mask is 0 goes around the branch.
    """

    def mask_shape(self, shape):
        """One number for each image: (B, 1, ..., 1)."""
        return shape[0], *(1 for _ in shape[1:])
