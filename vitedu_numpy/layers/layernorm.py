"""Layer normalisation.  Taught in notebooks/05_block.ipynb.

Each token is shifted and scaled to mean 0 and variance 1 over its own D numbers (Ba et al. 2016), then given a
learned scale and offset per feature.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..module import Module, Parameter, shaped

__all__ = ["LayerNorm", "LayerNormCache", "layernorm", "layernorm_backward"]


class LayerNormCache(NamedTuple):
    """What `layernorm` keeps for its backward."""

    xhat: np.ndarray
    rstd: np.ndarray
    weight: np.ndarray


@shaped
def layernorm(x, weight, bias, eps=1e-6):
    """xhat = (x - mean) / sqrt(var + eps),  y = xhat weight + bias.     x (..., D)   weight, bias (D,)

    `var` is the population variance (divide by D) and eps stands inside the root.
    """
    D = x.shape[-1]
    xhat = x - x.mean(axis=-1, keepdims=True)  # (..., D)  [1]
    var = np.vecdot(xhat, xhat)[..., None] / D  # (..., 1)  [2]
    rstd = 1 / np.sqrt(var + eps)  # (..., 1)  [3]
    xhat *= rstd  # (..., D)  [4]
    y = xhat * weight  # [5]
    y += bias
    return y, LayerNormCache(xhat, rstd, weight)


@shaped
def layernorm_backward(dy, cache):
    """dy (..., D)  ->  dx (..., D), dweight (D,), dbias (D,)

    dx = rstd (dxhat - mean(dxhat) - xhat mean(dxhat xhat)): whatever moves only the mean or only the length of x
    is undone by the normalisation, so that part of the gradient is projected out.
    """
    xhat, rstd, weight = cache
    D = xhat.shape[-1]
    rows = (-1, D)
    dbias = dy.reshape(rows).sum(axis=0)  # (D,)  from [5]
    dweight = np.einsum("rd,rd->d", dy.reshape(rows), xhat.reshape(rows))  # (D,)  from [5]
    dxhat = dy * weight  # (..., D)  from [5]
    mean_dxhat = dxhat.mean(axis=-1, keepdims=True)  # (..., 1)
    mean_dxhat_xhat = np.vecdot(dxhat, xhat)[..., None] / D  # (..., 1)
    dx = dxhat - mean_dxhat  # (..., D)  from [1]: x also moves the mean
    dx -= xhat * mean_dxhat_xhat  # from [3], [2]: and the variance
    dx *= rstd  # from [4]
    return dx, dweight, dbias


class LayerNorm(Module):
    """Parameters `weight` (D,), starting at 1, and `bias` (D,), starting at 0, around `layernorm`."""

    def __init__(self, width: int, eps: float = 1e-6, dtype=np.float32):
        self.eps = eps
        self.weight = Parameter(np.ones(width, dtype))
        self.bias = Parameter(np.zeros(width, dtype))

    def forward(self, x):
        y, cache = layernorm(x, self.weight.value, self.bias.value, self.eps)
        self.keep(cache)
        return y

    def backward(self, dy):
        dx, dweight, dbias = layernorm_backward(dy, self.take())
        self.weight.add_grad(dweight)
        self.bias.add_grad(dbias)
        return dx
