"""Dropout: y = mask * x.  Taught in notebooks/05_block.ipynb.

The mask is 0 where a value is dropped and 1 / (1 - rate) where it is kept, so the mean stays the same.  With one
number per image in place of one per value it is stochastic depth (Huang et al. 2016, arXiv:1603.09382).
"""

from __future__ import annotations

import torch

from vitedu_numpy.validate import check_momentum

from ..module import Module, shaped

__all__ = ["Dropout", "StochasticDepth", "dropout", "dropout_mask"]


def dropout_mask(shape, rate: float, like: torch.Tensor) -> torch.Tensor:
    """A fresh mask: each entry 0 with probability `rate`, else 1 / (1 - rate); dtype and device of `like`.

    Drawn from PyTorch's own generator, the one that `torch.manual_seed` sets and that checkpointing and `torch.compile`
    know how to keep.
    """
    return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(1 - rate).div_(1 - rate)


@shaped
def dropout(x, mask):
    """y = mask x.     x, mask (...)"""
    return x * mask


class Dropout(Module):
    """Draws a mask at every forward while training; does nothing in eval mode or at rate 0.

    `mask`, when set, is used instead of a fresh draw: that is how two packages see the same dropout.
    """

    def __init__(self, rate: float):
        super().__init__()
        check_momentum(rate=rate)
        self.rate = rate
        self.mask = None

    def mask_shape(self, shape):
        """One number for each value."""
        return shape

    def draw(self, shape, like):
        """The mask for one forward, None where nothing is dropped."""
        if not self.training:
            return None
        if self.mask is not None or self.rate == 0:
            return self.mask
        return dropout_mask(self.mask_shape(shape), self.rate, like)

    @shaped
    def forward(self, x):
        """x (...)  ->  (...)"""
        mask = self.draw(x.shape, x)
        return x if mask is None else dropout(x, mask)


class StochasticDepth(Dropout):
    """Dropout that keeps or drops all of an image's values together.     x (B, ...), mask (B, 1, ...)

    Put on a block's branch f, z + mask f(z): an image whose mask is 0 goes around the branch.
    """

    def mask_shape(self, shape):
        """One number for each image: (B, 1, ..., 1)."""
        return shape[0], *(1 for _ in shape[1:])
