"""Attention: one head, then many.  Taught in notebooks/03_attention.ipynb and 04_heads.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens that ask, `S` tokens asked (self-attention: S = T), `D` width,
`Dh = D / h` numbers per head.  Dropout and relative positions: `attention_variants.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..init import xavier_uniform
from ..module import Module, shaped
from ..record import note
from ..validate import as_array, check_broadcasts
from .linear import Linear
from .softmax import softmax, softmax_backward

__all__ = [
    "AttentionCache", "MultiHeadAttention", "attention", "attention_backward", "check_mask", "merge_heads",
    "split_heads",
]  # fmt: skip


class AttentionCache(NamedTuple):
    """What `attention` keeps for its backward."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    A: np.ndarray


@shaped
def attention(q, k, v, mask=None):
    """Eqs. 6-7.  A = softmax(q k^T / sqrt(Dh)),  y = A v.     q (B, h, T, Dh)   k (B, h, S, Dh)   v (B, h, S, Dv)

    mask: booleans that broadcast to (B, h, T, S); True where a token may be asked.  Every token must be allowed to
    ask at least one other.
    """
    scores = q @ k.swapaxes(-1, -2)  # (B, h, T, S)  [1]
    scores *= q.shape[-1] ** -0.5  # [2]
    if mask is not None:
        check_mask(mask, scores.shape)
        scores = np.where(mask, scores, -np.inf)  # [3]
    A, _ = softmax(scores)  # [4]
    y = A @ v  # (B, h, T, Dh)  [5]
    return y, AttentionCache(q, k, v, A)


@shaped
def attention_backward(dy, cache):
    """dy (B, h, T, Dv)  ->  dq (B, h, T, Dh), dk (B, h, S, Dh), dv (B, h, S, Dv)"""
    q, k, v, A = cache
    dv = A.swapaxes(-1, -2) @ dy  # (B, h, S, Dh)  from [5]
    dA = dy @ v.swapaxes(-1, -2)  # (B, h, T, S)   from [5]
    dscores = softmax_backward(dA, A)  # from [4]; a masked score [3] has A = 0, so its gradient is 0
    dscores *= q.shape[-1] ** -0.5  # from [2]
    dq = dscores @ k  # (B, h, T, Dh)  from [1]
    dk = dscores.swapaxes(-1, -2) @ q  # (B, h, S, Dh)  from [1]
    return dq, dk, dv


def check_mask(mask, shape) -> None:
    """Refuse a mask that is not boolean, does not fit, or forbids a token every other: its softmax would be 0 / 0."""
    mask = as_array(mask, "mask")
    if mask.dtype != bool:
        raise TypeError(f"mask has dtype {mask.dtype}; expected booleans, True where a token may be asked")
    check_broadcasts("mask", mask.shape, shape)
    forbidden = ~mask.any(axis=-1)
    if forbidden.any():
        row = np.argwhere(forbidden)[0].tolist()
        raise ValueError(f"mask is False in all of row {row}; every token must be allowed to ask at least one")


@shaped
def split_heads(x, heads):
    """x (B, T, D)  ->  (B, h, T, Dh): head i reads features i Dh ... (i + 1) Dh - 1.  A view, nothing is copied."""
    B, T, D = x.shape
    return x.reshape(B, T, heads, D // heads).swapaxes(1, 2)


@shaped
def merge_heads(x):
    """x (B, h, T, Dh)  ->  (B, T, D): the heads' outputs side by side again."""
    B, h, T, Dh = x.shape
    return x.swapaxes(1, 2).reshape(B, T, h * Dh)


class MultiHeadAttention(Module):
    """Eqs. 5-8.  [q, k, v] = z U_qkv,  MSA(z) = [SA_1(z); ...; SA_h(z)] U_msa.

    `qkv.weight` (3D, D) is U_qkv^T: its first D rows make q, then k, then v, each head by head; `out.weight` (D, D)
    is U_msa^T.
    """

    def __init__(self, width: int, heads: int, rng, dtype=np.float32):
        if width % heads:
            raise ValueError(f"width={width} is not allowed; width must be a multiple of heads={heads}")
        self.heads = heads
        self.qkv = Linear(width, 3 * width, rng, dtype)
        # Drawn as the three separate D x D matrices that they are: the fan-out of each is D, not 3D.
        self.qkv.weight.value = np.concatenate([xavier_uniform(rng, (width, width), dtype) for _ in range(3)])
        self.out = Linear(width, width, rng, dtype)

    def forward(self, z, mask=None, record=None):
        """z (B, T, D), mask as in `attention`  ->  (B, T, D)"""
        q, k, v = self.project(z)
        note(record, q=q, k=k, v=v)
        y = merge_heads(self.attend(q, k, v, mask, record))  # (B, T, D)
        note(record, heads=y)
        out = self.out(y)
        note(record, out=out)
        return out

    def first_token(self, z):
        """forward(z)[:, :1], exactly: the first token asks, all are asked.     z (B, S, D)  ->  (B, 1, D)"""
        q, k, v = self.project(z)
        return self.out(merge_heads(self.attend(q[:, :, :1], k, v)))

    def project(self, z):
        """Eq. 5 for all heads.     z (B, T, D)  ->  q, k, v, each (B, h, T, Dh)"""
        return (split_heads(x, self.heads) for x in np.split(self.qkv(z), 3, axis=-1))

    def attend(self, q, k, v, mask=None, record=None):
        """Eqs. 6-7 for all heads.     ->  (B, h, T, Dh)"""
        y, cache = attention(q, k, v, mask)
        self.keep(cache)
        note(record, A=cache.A)
        return y

    def backward(self, dout):
        dy = split_heads(self.out.backward(dout), self.heads)  # (B, h, T, Dh)
        dq, dk, dv = self.attend_backward(dy)
        B, h, S, Dh = dk.shape
        dqkv = np.zeros((B, S, 3, h, Dh), dk.dtype)  # zero for the queries that nobody needed
        for i, dx in enumerate((dq, dk, dv)):
            dqkv[:, : dx.shape[2], i] = dx.swapaxes(1, 2)
        return self.qkv.backward(dqkv.reshape(B, S, 3 * h * Dh))

    def attend_backward(self, dy):
        return attention_backward(dy, self.take())
