"""Depthwise convolution: every channel has a filter of its own and reads no other.

Taught in notebooks/17_state_of_the_art.ipynb.

A convolution mixes places and channels at once.  Apart, a depthwise one for the places and a 1x1 one for the channels,
they cost a small part of it (Howard et al. 2017, arXiv:1704.04861).

Shapes: `B` batch, `C` channels, `H W` image size, `kh kw` kernel size, `Ho Wo` output size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..init import normal
from ..module import Module, Parameter
from .padding import check_depthwise_shapes, explicit_padding

__all__ = ["DepthwiseConv", "depthwise_conv2d", "depthwise_conv2d_backward"]


class Shifted(NamedTuple):
    """What `depthwise_conv2d_backward` needs."""

    padded: np.ndarray  # the image with its padding
    weight: np.ndarray  # (C, 1, kh, kw)
    stride: int
    inside: tuple  # the slices of the image in it


def depthwise_conv2d(x, weight, stride=1, padding=0):
    """y[b, c, p, q] = sum over i, j of weight[c, 0, i, j] x[b, c, p stride + i - top, q stride + j - left].

    x (B, C, H, W)   weight (C, 1, kh, kw)   ->   y (B, C, Ho, Wo).  Outside the image x is 0; padding as in
    `explicit_padding`.  Raises ValueError where shapes or settings do not fit.
    """
    check_depthwise_shapes(x.shape, weight.shape)
    (H, W), (kh, kw) = x.shape[2:], weight.shape[2:]
    rows, cols = explicit_padding(padding, (H, W), (kh, kw), stride)
    padded = np.pad(x, ((0, 0), (0, 0), rows, cols))  # [1]
    inside = ..., slice(rows[0], rows[0] + H), slice(cols[0], cols[0] + W)
    Ho, Wo = ((n - k) // stride + 1 for n, k in zip(padded.shape[2:], (kh, kw), strict=True))
    y = np.zeros((*x.shape[:2], Ho, Wo), x.dtype)
    for i, j in np.ndindex(kh, kw):  # place (i, j) of all windows is an image of its own, times one number per channel
        shifted = padded[:, :, i : i + stride * Ho : stride, j : j + stride * Wo : stride]
        y += weight[:, 0, i, j, None, None] * shifted  # [2]
    return y, Shifted(padded, weight, stride, inside)


def depthwise_conv2d_backward(dy, cache):
    """dy (B, C, Ho, Wo)  ->  dx (B, C, H, W), dweight (C, 1, kh, kw)"""
    padded, weight, s, inside = cache
    Ho, Wo = dy.shape[2:]
    dpadded, dweight = np.zeros_like(padded), np.empty_like(weight)
    for i, j in np.ndindex(weight.shape[2:]):
        here = ..., slice(i, i + s * Ho, s), slice(j, j + s * Wo, s)
        dweight[:, 0, i, j] = np.einsum("bchw,bchw->c", dy, padded[here])  # from [2]
        dpadded[here] += weight[:, 0, i, j, None, None] * dy  # from [2]
    return dpadded[inside], dweight  # from [1]


class DepthwiseConv(Module):
    """Parameter `weight` (C, 1, kernel, kernel) around `depthwise_conv2d`; it starts as N(0, 2 / kernel^2)."""

    def __init__(self, channels, kernel, rng, stride=1, padding="same", dtype=np.float32):
        self.stride, self.padding = stride, padding
        self.weight = Parameter(normal(rng, (channels, 1, kernel, kernel), (2 / kernel**2) ** 0.5, dtype))

    def forward(self, x):
        """x (B, C, H, W)  ->  (B, C, Ho, Wo)"""
        y, cache = depthwise_conv2d(x, self.weight.value, self.stride, self.padding)
        self.keep(cache)
        return y

    def backward(self, dy):
        dx, dweight = depthwise_conv2d_backward(dy, self.take())
        self.weight.add_grad(dweight)
        return dx
