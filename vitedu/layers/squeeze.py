"""Squeeze-and-excitation (Hu et al. 2018, arXiv:1709.01507): what all pixels say together decides on each channel.

Taught in notebooks/17_state_of_the_art.ipynb.

Shapes: `B` batch, `C` channels, `R` channels inside, `H W` image size.
"""

from __future__ import annotations

from vitedu_numpy.record import noted

from ..module import Module, shaped
from .conv import Conv
from .swish import Sigmoid, Swish

__all__ = ["SqueezeExcite"]


class SqueezeExcite(Module):
    """y = x sigmoid(expand(swish(reduce(mean(x))))), the mean over pixels: one factor in (0, 1) per image and channel.

    reduce (C -> R) and expand (R -> C) are 1x1 convolutions with biases on the one pixel that the mean leaves.
    """

    def __init__(self, channels, squeezed, rng=None):
        super().__init__()
        self.reduce, self.swish = Conv(channels, squeezed, 1, rng, bias=True), Swish()
        self.expand, self.sigmoid = Conv(squeezed, channels, 1, rng, bias=True), Sigmoid()

    @shaped
    def forward(self, x, record=None):
        """x (B, C, H, W)  ->  (B, C, H, W)"""
        mean = noted(record, mean=x.mean(dim=(2, 3), keepdim=True))  # (B, C, 1, 1)
        reduced = noted(record, reduce=self.reduce(mean))  # (B, R, 1, 1)
        expanded = noted(record, expand=self.expand(self.swish(reduced)))  # (B, C, 1, 1)
        return noted(record, out=x * self.sigmoid(expanded))  # (B, C, H, W)
