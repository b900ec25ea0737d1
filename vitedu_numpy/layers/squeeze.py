"""Squeeze-and-excitation (Hu et al. 2018, arXiv:1709.01507): what all pixels say together decides on each channel.

Taught in notebooks/17_state_of_the_art.ipynb.

Shapes: `B` batch, `C` channels, `R` channels inside, `H W` image size.
"""

from __future__ import annotations

import numpy as np

from ..module import Module, shaped
from ..record import noted
from .conv import Conv
from .swish import Sigmoid, Swish

__all__ = ["SqueezeExcite"]


class SqueezeExcite(Module):
    """y = x sigmoid(expand(swish(reduce(mean(x))))), the mean over pixels: one factor in (0, 1) per image and channel.

    reduce (C -> R) and expand (R -> C) are 1x1 convolutions with biases on the one pixel that the mean leaves.
    """

    def __init__(self, channels, squeezed, rng, dtype=np.float32):
        self.reduce, self.swish = Conv(channels, squeezed, 1, rng, bias=True, dtype=dtype), Swish()
        self.expand, self.sigmoid = Conv(squeezed, channels, 1, rng, bias=True, dtype=dtype), Sigmoid()

    @shaped
    def forward(self, x, record=None):
        """x (B, C, H, W)  ->  (B, C, H, W)"""
        mean = noted(record, mean=x.mean(axis=(2, 3), keepdims=True))  # (B, C, 1, 1)  [1]
        reduced = noted(record, reduce=self.reduce(mean))  # (B, R, 1, 1)
        expanded = noted(record, expand=self.expand(self.swish(reduced)))  # (B, C, 1, 1)  [2]
        factor = self.sigmoid(expanded)  # [3]
        self.keep((x, factor))
        return noted(record, out=x * factor)  # (B, C, H, W)  [4]

    def backward(self, dout):
        x, factor = self.take()
        H, W = x.shape[2:]
        dfactor = (dout * x).sum(axis=(2, 3), keepdims=True)  # (B, C, 1, 1)  from [4]: every pixel had the same factor
        dexpanded = self.sigmoid.backward(dfactor)  # from [3]
        dreduced = self.swish.backward(self.expand.backward(dexpanded))  # (B, R, 1, 1)  from [2]
        dmean = self.reduce.backward(dreduced)  # (B, C, 1, 1)  from [2]
        return dout * factor + dmean / (H * W)  # (B, C, H, W)  from [4], [1]
