"""Attention with what the plain one leaves out: dropout, relative positions.  Taught in notebooks/06_encoder.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens that ask, `S` tokens asked, `Dh` numbers per head.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..module import shaped
from ..record import note
from .attention import MultiHeadAttention, check_mask
from .dropout import Dropout
from .softmax import softmax, softmax_backward

__all__ = [
    "GeneralAttention", "GeneralCache", "general_attention", "general_attention_backward", "make_attention",
]  # fmt: skip


class GeneralCache(NamedTuple):
    """What `general_attention` keeps for its backward.  `weights`: A after dropout."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    A: np.ndarray
    weights: np.ndarray
    drop: np.ndarray | None
    has_bias: bool


@shaped
def general_attention(q, k, v, mask=None, drop=None, bias=None):
    """A = softmax((q k^T + bias) / sqrt(Dh)),  y = (drop A) v.     q (B, h, T, Dh)   k (B, h, S, Dh)   v (B, h, S, Dv)

    mask: as in `attention`.  drop: a dropout mask (B, h, T, S) for A.  bias (B, h, T, S): for relative positions.
    Without drop and bias this is `attention`.
    """
    scores = q @ k.swapaxes(-1, -2)  # (B, h, T, S)  [1]
    if bias is not None:
        scores += bias  # [1]
    scores *= q.shape[-1] ** -0.5  # [2]
    if mask is not None:
        check_mask(mask, scores.shape)
        scores = np.where(mask, scores, -np.inf)  # [3]
    A, _ = softmax(scores)  # [4]
    weights = A if drop is None else A * drop  # [5]
    y = weights @ v  # (B, h, T, Dh)  [6]
    return y, GeneralCache(q, k, v, A, weights, drop, bias is not None)


@shaped
def general_attention_backward(dy, cache):
    """dy (B, h, T, Dv)  ->  dq (B, h, T, Dh), dk (B, h, S, Dh), dv (B, h, S, Dv), and dbias where there was a bias"""
    q, k, v, A, weights, drop, has_bias = cache
    dv = weights.swapaxes(-1, -2) @ dy  # (B, h, S, Dh)  from [6]
    dA = dy @ v.swapaxes(-1, -2)  # (B, h, T, S)   from [6]
    if drop is not None:
        dA = dA * drop  # from [5]
    dscores = softmax_backward(dA, A)  # from [4]; a masked score [3] has A = 0, so its gradient is 0
    dscores *= q.shape[-1] ** -0.5  # from [2]
    dq = dscores @ k  # (B, h, T, Dh)  from [1]
    dk = dscores.swapaxes(-1, -2) @ q  # (B, h, S, Dh)  from [1]
    return (dq, dk, dv, dscores) if has_bias else (dq, dk, dv)  # from [1]: dbias = dscores


class GeneralAttention(MultiHeadAttention):
    """`MultiHeadAttention` with dropout on A (rate `dropout`), and with a `RelativePosition`.

    relative: lent by whoever owns it; its parameters are named there, so it stands in a tuple, where nobody looks.
    """

    def __init__(self, width: int, heads: int, rng, dropout: float = 0.0, relative=None, dtype=np.float32):
        super().__init__(width, heads, rng, dtype)
        self.drop = Dropout(dropout, rng)
        self.lent = () if relative is None else (relative,)

    def attend(self, q, k, v, mask=None, record=None):
        """Eqs. 6-7 for all heads.     ->  (B, h, T, Dh)"""
        drop = self.drop.draw((*q.shape[:3], k.shape[2]), q.dtype)
        bias, relative_cache = None, None
        for relative in self.lent:
            bias, relative_cache = relative(q)  # (B, h, T, S)
        y, cache = general_attention(q, k, v, mask, drop, bias)
        self.keep((cache, relative_cache))
        note(record, A=cache.A)
        return y

    def attend_backward(self, dy):
        cache, relative_cache = self.take()
        dq, dk, dv, *dbias = general_attention_backward(dy, cache)
        for relative in self.lent:
            dq = dq + relative.backward(*dbias, relative_cache)  # q was used twice
        return dq, dk, dv


def make_attention(width, heads, rng, dropout=0.0, dtype=np.float32):
    """The plain `MultiHeadAttention`, or with dropout on A where that is asked for."""
    if dropout == 0:
        return MultiHeadAttention(width, heads, rng, dtype)
    return GeneralAttention(width, heads, rng, dropout, dtype=dtype)
