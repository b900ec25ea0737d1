"""Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167).

Taught in notebooks/17_state_of_the_art.ipynb.

Each channel is shifted and scaled to mean 0 and variance 1 over all images and pixels of the batch, then gets a learned
scale and offset.  So an image's answer depends on the others beside it.  In evaluation it must not: there the mean and
the variance are running averages, gathered while training, and no longer functions of x.

Shapes: `B` batch, `C` channels, `H W` image size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from vitedu_numpy.layers.padding import check_batch

from ..module import Module, shaped

__all__ = ["BatchNorm", "batchnorm", "batchnorm_inference"]


@shaped
def batchnorm(x, weight, bias, eps=1e-3):
    """xhat = (x - mean) / sqrt(var + eps),  y = xhat weight + bias.     x (B, C, H, W)   weight, bias (C,)

    Mean and population variance are those of the B H W numbers of each channel.
    """
    return F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)


@shaped
def batchnorm_inference(x, weight, bias, mean, var, eps=1e-3):
    """The same equation with a given mean and variance.     x (B, C, H, W)   weight, bias, mean, var (C,)"""
    return F.batch_norm(x, mean, var, weight, bias, training=False, eps=eps)


class BatchNorm(Module):
    """Parameters `weight` (C,), starting at 1, and `bias` (C,), starting at 0, around `batchnorm`.

    Its state has `running_mean` and `running_var` (C,) too, starting at 0 and 1.  At every forward while training each
    becomes momentum times itself plus (1 - momentum) times the batch's; the batch's variance enters with divisor
    B H W - 1, unbiased, and divides x with B H W.  In eval mode the two stand in for the batch's, and do not change.
    Raises ValueError if a batch to train on has one number per channel, which has no variance.
    """

    def __init__(self, channels: int, momentum: float = 0.99, eps: float = 1e-3):
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    @shaped
    def forward(self, x):
        """x (B, C, H, W)  ->  (B, C, H, W)"""
        if not self.training:
            return batchnorm_inference(x, self.weight, self.bias, self.running_mean, self.running_var, self.eps)
        check_batch(x.shape)
        # `batchnorm`, and the running averages on the way; what PyTorch calls momentum is the part that is new.
        averages = self.running_mean, self.running_var
        return F.batch_norm(x, *averages, self.weight, self.bias, True, 1 - self.momentum, self.eps)
