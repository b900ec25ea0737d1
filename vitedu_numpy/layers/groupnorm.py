"""Group normalisation.  Taught in notebooks/09_bit.ipynb.

The channels of each image are cut into groups; each group is shifted and scaled to mean 0 and variance 1 over all its
channels and pixels (Wu & He 2018), then every channel gets a learned scale and offset.  Nothing depends on the other
images of the batch, as it does in batch normalisation.

Shapes: `B` batch, `C` channels, `H W` image size, `G` groups, `R = C H W / G` numbers per group.
"""

from __future__ import annotations

import numpy as np

from ..module import Module, Parameter, shaped
from ..validate import check_divides

__all__ = ["GroupNorm", "groupnorm", "groupnorm_backward"]


@shaped
def groupnorm(x, weight, bias, groups, eps=1e-5):
    """xhat = (x - mean) / sqrt(var + eps),  y = xhat weight + bias.     x (B, C, H, W)   weight, bias (C,)

    Mean and population variance are those of each group: C / groups channels next to each other, with all pixels.
    """
    B, C, H, W = x.shape
    xhat = x.reshape(B, groups, C // groups * H * W)  # (B, G, R)
    xhat = xhat - xhat.mean(axis=-1, keepdims=True)  # [1]
    var = np.vecdot(xhat, xhat)[..., None] / xhat.shape[-1]  # (B, G, 1)  [2]
    rstd = 1 / np.sqrt(var + eps)  # (B, G, 1)  [3]
    xhat *= rstd  # (B, G, R)  [4]
    y = xhat.reshape(B, C, H, W) * weight[:, None, None]  # (B, C, H, W)  [5]
    y += bias[:, None, None]
    return y, (xhat, rstd, weight)


@shaped
def groupnorm_backward(dy, cache):
    """dy (B, C, H, W)  ->  dx (B, C, H, W), dweight (C,), dbias (C,)

    As in layer normalisation: what moves only the mean or only the size of a group is projected out.
    """
    xhat, rstd, weight = cache
    B, C, H, W = dy.shape
    by_channel = dy.reshape(B, C, -1)  # (B, C, H W)
    dbias = by_channel.sum(axis=-1).sum(axis=0)  # (C,)  from [5]
    dweight = np.vecdot(by_channel, xhat.reshape(B, C, -1)).sum(axis=0)  # (C,)  from [5]
    dxhat = (dy * weight[:, None, None]).reshape(xhat.shape)  # (B, G, R)  from [5]
    mean_dxhat = dxhat.mean(axis=-1, keepdims=True)  # (B, G, 1)
    mean_dxhat_xhat = np.vecdot(dxhat, xhat)[..., None] / xhat.shape[-1]  # (B, G, 1)
    dx = dxhat - mean_dxhat  # (B, G, R)  from [1]: x also moves the mean
    dx -= xhat * mean_dxhat_xhat  # from [3], [2]: and the variance
    dx *= rstd  # from [4]
    return dx.reshape(B, C, H, W), dweight, dbias


class GroupNorm(Module):
    """Parameters `weight` (C,), starting at 1, and `bias` (C,), starting at 0, around `groupnorm`.

    Raises ValueError if `groups` does not divide C.
    """

    def __init__(self, channels: int, groups: int, eps: float = 1e-5, dtype=np.float32):
        check_divides(channels, groups=groups)
        self.groups = groups
        self.eps = eps
        self.weight = Parameter(np.ones(channels, dtype))
        self.bias = Parameter(np.zeros(channels, dtype))

    def forward(self, x):
        y, cache = groupnorm(x, self.weight.value, self.bias.value, self.groups, self.eps)
        self.keep(cache)
        return y

    def backward(self, dy):
        dx, dweight, dbias = groupnorm_backward(dy, self.take())
        self.weight.add_grad(dweight)
        self.bias.add_grad(dbias)
        return dx
