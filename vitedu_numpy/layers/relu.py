"""The rectifier, max(x, 0).  Taught in notebooks/09_bit.ipynb."""

from __future__ import annotations

import numpy as np

__all__ = ["relu", "relu_backward"]


def relu(x, inplace=False):
    """y = max(x, 0).     x, y (...)     inplace: write y over x; only for an x that nobody reads again"""
    y = np.maximum(x, 0, out=x if inplace else None)  # [1]
    return y, y


def relu_backward(dy, cache):
    """dx = dy where x > 0, else 0; at the kink x = 0 the slope is taken as 0, as PyTorch does."""
    y = cache
    return dy * y.astype(bool)  # from [1]: y is never negative, and not 0 exactly where x > 0
