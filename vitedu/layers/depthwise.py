"""Depthwise convolution: every channel has a filter of its own and reads no other.

Taught in notebooks/17_state_of_the_art.ipynb.

A convolution mixes places and channels at once.  Apart, a depthwise one for the places and a 1x1 one for the channels,
they cost a small part of it (Howard et al. 2017, arXiv:1704.04861).

Shapes: `B` batch, `C` channels, `H W` image size, `kh kw` kernel size, `Ho Wo` output size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from vitedu_numpy.layers.padding import check_depthwise_shapes, explicit_padding

from ..init import normal
from ..module import Module

__all__ = ["DepthwiseConv", "depthwise_conv2d"]


def depthwise_conv2d(x, weight, stride=1, padding=0):
    """y[b, c, p, q] = sum over i, j of weight[c, 0, i, j] x[b, c, p stride + i - top, q stride + j - left].

    x (B, C, H, W)   weight (C, 1, kh, kw)   ->   y (B, C, Ho, Wo).  Outside the image x is 0; padding as in
    `explicit_padding`.  Raises ValueError where shapes or settings do not fit.
    """
    check_depthwise_shapes(x.shape, weight.shape)
    (top, bottom), (left, right) = explicit_padding(padding, x.shape[2:], weight.shape[2:], stride)
    if top == bottom and left == right:
        return F.conv2d(x, weight, stride=stride, padding=(top, left), groups=len(weight))
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, stride=stride, groups=len(weight))


class DepthwiseConv(Module):
    """Parameter `weight` (C, 1, kernel, kernel) around `depthwise_conv2d`; it starts as N(0, 2 / kernel^2)."""

    def __init__(self, channels, kernel, rng=None, stride=1, padding="same"):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.weight = nn.Parameter(normal(torch.empty(channels, 1, kernel, kernel), (2 / kernel**2) ** 0.5, rng))

    def forward(self, x):
        """x (B, C, H, W)  ->  (B, C, Ho, Wo)"""
        return depthwise_conv2d(x, self.weight, self.stride, self.padding)
