"""The rectifier, max(x, 0).  Taught in notebooks/09_bit.ipynb."""

from __future__ import annotations

import numpy as np

from ..module import Module, shaped

__all__ = ["Relu", "relu", "relu_backward"]


@shaped
def relu(x):
    """y = max(x, 0).     x, y (...)"""
    y = np.maximum(x, 0)  # [1]
    return y, y


@shaped
def relu_backward(dy, cache):
    """dx = dy where x > 0, else 0; at the kink x = 0 the slope is taken as 0, as PyTorch does.

    dy (...)  ->  dx (...)
    """
    y = cache
    return dy * y.astype(bool)  # from [1]: y is never negative, and not 0 exactly where x > 0


class Relu(Module):
    """`relu` as a layer, written over its input: for what a norm or a sum has just made, and nobody reads again."""

    @shaped
    def forward(self, x):
        """x (...)  ->  (...)"""
        y = np.maximum(x, 0, out=x)
        self.keep(y)
        return y

    def backward(self, dy):
        return relu_backward(dy, self.take())
