"""Softmax over the last axis.  Taught in notebooks/03_attention.ipynb."""

from __future__ import annotations

import numpy as np

from ..module import shaped

__all__ = ["softmax", "softmax_backward"]


@shaped
def softmax(x):
    """A_i = exp(x_i) / sum_j exp(x_j).     x, A (..., S)

    Subtracting the row's maximum changes nothing in exact arithmetic and keeps exp from overflowing.
    """
    A = x - x.max(axis=-1, keepdims=True)  # (..., S)  [1]
    np.exp(A, out=A)  # [2]
    A /= A.sum(axis=-1, keepdims=True)  # [3]
    return A, A


@shaped
def softmax_backward(dA, cache):
    """dx = A (dA - sum_j dA_j A_j), the product of dA with the Jacobian diag(A) - A A^T.

    dA (..., S)  ->  dx (..., S)
    """
    A = cache
    dx = dA - np.vecdot(dA, A)[..., None]  # (..., S)
    dx *= A
    return dx
