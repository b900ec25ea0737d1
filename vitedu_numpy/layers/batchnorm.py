"""Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167).

Taught in notebooks/17_state_of_the_art.ipynb.

Each channel is shifted and scaled to mean 0 and variance 1 over all images and pixels of the batch, then gets a learned
scale and offset.  So an image's answer depends on the others beside it.  In evaluation it must not: there the mean and
the variance are running averages, gathered while training, and no longer functions of x.

Shapes: `B` batch, `C` channels, `H W` image size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..module import Buffer, Module, Parameter, shaped
from .padding import check_batch

__all__ = ["BatchNorm", "batchnorm", "batchnorm_backward", "batchnorm_inference", "batchnorm_inference_backward"]


class BatchStatistics(NamedTuple):
    """What `batchnorm_backward` needs, and what the running averages take in."""

    xhat: np.ndarray  # (B, C, H, W)
    rstd: np.ndarray  # (C, 1, 1): 1 / sqrt(var + eps)
    weight: np.ndarray  # (C,)
    mean: np.ndarray  # (C, 1, 1)
    var: np.ndarray  # (C, 1, 1)


@shaped
def batchnorm(x, weight, bias, eps=1e-3):
    """xhat = (x - mean) / sqrt(var + eps),  y = xhat weight + bias.     x (B, C, H, W)   weight, bias (C,)

    Mean and population variance are those of the B H W numbers of each channel.
    """
    numbers = x.size // x.shape[1]
    mean = _channel_sums(x) / numbers  # (C, 1, 1)
    xhat = x - mean  # (B, C, H, W)  [1]
    var = _channel_sums(xhat * xhat) / numbers  # (C, 1, 1)  [2]
    rstd = 1 / np.sqrt(var + eps)  # (C, 1, 1)  [3]
    xhat *= rstd  # (B, C, H, W)  [4]
    y = xhat * weight[:, None, None]  # [5]
    y += bias[:, None, None]  # [6]
    return y, BatchStatistics(xhat, rstd, weight, mean, var)


@shaped
def batchnorm_backward(dy, cache):
    """dy (B, C, H, W)  ->  dx (B, C, H, W), dweight (C,), dbias (C,)

    As in layer normalisation: what moves only the mean or only the size of a channel is projected out.
    """
    xhat, rstd, weight, _, _ = cache
    numbers = dy.size // dy.shape[1]
    dbias = _channel_sums(dy)  # (C, 1, 1)  from [6]
    dweight = _channel_sums(dy * xhat)  # (C, 1, 1)  from [5]
    dxhat = dy * weight[:, None, None]  # (B, C, H, W)  from [5]
    mean_dxhat = _channel_sums(dxhat) / numbers  # (C, 1, 1)
    mean_dxhat_xhat = _channel_sums(dxhat * xhat) / numbers  # (C, 1, 1)
    dx = dxhat - mean_dxhat  # (B, C, H, W)  from [1]: x also moves the mean
    dx -= xhat * mean_dxhat_xhat  # from [3], [2]: and the variance
    dx *= rstd  # from [4]
    return dx, dweight.reshape(-1), dbias.reshape(-1)


@shaped
def batchnorm_inference(x, weight, bias, mean, var, eps=1e-3):
    """The same equation with a given mean and variance.     x (B, C, H, W)   weight, bias, mean, var (C,)"""
    rstd = 1 / np.sqrt(var[:, None, None] + eps)  # (C, 1, 1)
    xhat = (x - mean[:, None, None]) * rstd  # (B, C, H, W)  [1]
    y = xhat * weight[:, None, None]  # [2]
    y += bias[:, None, None]  # [3]
    return y, (xhat, rstd, weight)


@shaped
def batchnorm_inference_backward(dy, cache):
    """dy (B, C, H, W)  ->  dx (B, C, H, W), dweight (C,), dbias (C,): mean and variance are constants."""
    xhat, rstd, weight = cache
    dbias = _channel_sums(dy)  # (C, 1, 1)  from [3]
    dweight = _channel_sums(dy * xhat)  # (C, 1, 1)  from [2]
    dx = dy * weight[:, None, None] * rstd  # (B, C, H, W)  from [2], [1]
    return dx, dweight.reshape(-1), dbias.reshape(-1)


def _channel_sums(x):
    """x (B, C, H, W)  ->  (C, 1, 1): pixels first, which stand side by side, so that float32 keeps its digits."""
    return x.reshape(*x.shape[:2], -1).sum(axis=-1).sum(axis=0)[:, None, None]


class BatchNorm(Module):
    """Parameters `weight` (C,), starting at 1, and `bias` (C,), starting at 0, around `batchnorm`.

    Its state has `running_mean` and `running_var` (C,) too, starting at 0 and 1.  At every forward while training each
    becomes momentum times itself plus (1 - momentum) times the batch's; the batch's variance enters with divisor
    B H W - 1, unbiased, and divides x with B H W.  In eval mode the two stand in for the batch's, and do not change.
    Raises ValueError if a batch to train on has one number per channel, which has no variance.
    """

    def __init__(self, channels: int, momentum: float = 0.99, eps: float = 1e-3, dtype=np.float32):
        self.momentum = momentum
        self.eps = eps
        self.weight = Parameter(np.ones(channels, dtype))
        self.bias = Parameter(np.zeros(channels, dtype))
        self.running_mean = Buffer(np.zeros(channels, dtype))
        self.running_var = Buffer(np.ones(channels, dtype))

    @shaped
    def forward(self, x):
        """x (B, C, H, W)  ->  (B, C, H, W)"""
        weight, bias, averages = self.weight.value, self.bias.value, (self.running_mean, self.running_var)
        if not self.training:
            y, cache = batchnorm_inference(x, weight, bias, *(average.value for average in averages), self.eps)
        else:
            check_batch(x.shape)
            y, cache = batchnorm(x, weight, bias, self.eps)
            numbers = x.size // x.shape[1]
            for average, new in zip(averages, (cache.mean, cache.var * (numbers / (numbers - 1))), strict=True):
                average.value *= self.momentum
                average.value += (1 - self.momentum) * new.reshape(-1)
        self.keep((self.training, cache))  # the mode may change before backward
        return y

    def backward(self, dy):
        of_the_batch, cache = self.take()
        dx, dweight, dbias = (batchnorm_backward if of_the_batch else batchnorm_inference_backward)(dy, cache)
        self.weight.add_grad(dweight)
        self.bias.add_grad(dbias)
        return dx
