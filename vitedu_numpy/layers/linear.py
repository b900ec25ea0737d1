"""The linear layer, y = x W^T + b.  Taught in notebooks/02_linear.ipynb.

Shapes: `I` inputs, `O` outputs; any number of axes may stand in front.
"""

from __future__ import annotations

import numpy as np

from ..init import xavier_uniform
from ..module import Module, Parameter, shaped

__all__ = ["Linear", "linear", "linear_backward"]


@shaped
def linear(x, weight, bias):
    """y = x W^T + b.     x (..., I)   weight W (O, I)   bias b (O,)   ->   y (..., O)"""
    rows = x.reshape(-1, x.shape[-1])  # (R, I)  one large product is faster than many small ones
    y = rows @ weight.T  # (R, O)  [1]
    y += bias  # [2]
    return y.reshape(*x.shape[:-1], len(weight)), (rows, weight, x.shape)


@shaped
def linear_backward(dy, cache):
    """dy (..., O)  ->  dx (..., I), dweight (O, I), dbias (O,)"""
    rows, weight, shape = cache
    dy = dy.reshape(-1, dy.shape[-1])  # (R, O)
    dbias = dy.sum(axis=0)  # (O,)    from [2]: the same b serves every row
    dweight = dy.T @ rows  # (O, I)  from [1]
    dx = dy @ weight  # (R, I)  from [1]
    return dx.reshape(shape), dweight, dbias


class Linear(Module):
    """Parameters `weight` (O, I) and `bias` (O,) around `linear`."""

    def __init__(self, in_features: int, out_features: int, rng, dtype=np.float32):
        self.weight = Parameter(xavier_uniform(rng, (out_features, in_features), dtype))
        self.bias = Parameter(np.zeros(out_features, dtype))

    def forward(self, x):
        y, cache = linear(x, self.weight.value, self.bias.value)
        self.keep(cache)
        return y

    def backward(self, dy):
        dx, dweight, dbias = linear_backward(dy, self.take())
        self.weight.add_grad(dweight)
        self.bias.add_grad(dbias)
        return dx
