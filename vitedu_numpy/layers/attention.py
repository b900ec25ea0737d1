"""Attention: one head, then many.  Taught in notebooks/03_attention.ipynb and 04_heads.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens that ask, `S` tokens asked (self-attention: S = T), `D` width,
`Dh = D / h` numbers per head.
"""

from __future__ import annotations

import numpy as np

from ..init import xavier_uniform
from ..module import Module
from .dropout import Dropout
from .linear import Linear
from .softmax import softmax, softmax_backward

__all__ = ["MultiHeadAttention", "attention", "attention_backward", "merge_heads", "split_heads"]


def attention(q, k, v, mask=None, drop=None, bias=None):
    """Eqs. 6-7.  A = softmax(q k^T / sqrt(Dh)),  y = A v.     q (B, h, T, Dh)   k, v (B, h, S, Dh)

    mask: booleans that broadcast to (B, h, T, S); True where a token may be asked.  Every token must be allowed to
    ask at least one other.  drop: a dropout mask (B, h, T, S) for A.  bias (B, h, T, S): added to q k^T, for relative
    positions.
    """
    scale = q.shape[-1] ** -0.5
    scores = q @ k.swapaxes(-1, -2)  # (B, h, T, S)   [1]
    if bias is not None:
        scores += bias  # [1]
    scores *= scale  # [2]
    if mask is not None:
        check_mask(mask)
        scores = np.where(mask, scores, -np.inf)  # [3]
    A, softmax_cache = softmax(scores)  # [4]
    weights = A if drop is None else A * drop  # [5]
    y = weights @ v  # (B, h, T, Dh)  [6]
    return y, (q, k, v, A, weights, drop, scale, softmax_cache, bias is not None)


def attention_backward(dy, cache):
    """dy (B, h, T, Dh)  ->  dq (B, h, T, Dh), dk (B, h, S, Dh), dv (B, h, S, Dh), and dbias where there was a bias"""
    q, k, v, _, weights, drop, scale, softmax_cache, has_bias = cache
    dv = weights.swapaxes(-1, -2) @ dy  # (B, h, S, Dh)  from [6]
    dA = dy @ v.swapaxes(-1, -2)  # (B, h, T, S)   from [6]
    if drop is not None:
        dA = dA * drop  # from [5]
    dscores = softmax_backward(dA, softmax_cache)  # from [4]; a masked score [3] has A = 0, so its gradient is 0
    dscores *= scale  # from [2]
    dq = dscores @ k  # (B, h, T, Dh)  from [1]
    dk = dscores.swapaxes(-1, -2) @ q  # (B, h, S, Dh)  from [1]
    return (dq, dk, dv, dscores) if has_bias else (dq, dk, dv)  # from [1]: dbias = dscores


def check_mask(mask) -> None:
    """Refuse a mask that is not boolean, or that forbids a token every other: its softmax would be 0 / 0."""
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(f"mask has dtype {mask.dtype}; expected booleans, True where a token may be asked")
    forbidden = ~mask.any(axis=-1)
    if forbidden.any():
        row = np.argwhere(forbidden)[0].tolist()
        raise ValueError(f"mask is False in all of row {row}; every token must be allowed to ask at least one")


def split_heads(x, heads):
    """(B, T, D) -> (B, h, T, Dh): head i reads features i Dh ... (i + 1) Dh - 1.  A view, nothing is copied."""
    B, T, D = x.shape
    return x.reshape(B, T, heads, D // heads).swapaxes(1, 2)


def merge_heads(x):
    """(B, h, T, Dh) -> (B, T, D): the heads' outputs side by side again."""
    B, h, T, Dh = x.shape
    return x.swapaxes(1, 2).reshape(B, T, h * Dh)


class MultiHeadAttention(Module):
    """Eqs. 5-8.  [q, k, v] = z U_qkv,  MSA(z) = [SA_1(z); ...; SA_h(z)] U_msa.

    `qkv.weight` (3D, D) is U_qkv^T: its first D rows make q, then k, then v, each head by head; `out.weight` (D, D)
    is U_msa^T.
    """

    def __init__(self, width: int, heads: int, rng, dropout: float = 0.0, dtype=np.float32):
        if width % heads:
            raise ValueError(f"width={width} is not allowed; width must be a multiple of heads={heads}")
        self.heads = heads
        self.qkv = Linear(width, 3 * width, rng, dtype)
        # Drawn as the three separate D x D matrices that they are: the fan-out of each is D, not 3D.
        self.qkv.weight.value = np.concatenate([xavier_uniform(rng, (width, width), dtype) for _ in range(3)])
        self.out = Linear(width, width, rng, dtype)
        self.drop = Dropout(dropout, rng)

    def forward(self, z, mask=None, record=None, asking=None, relative=None):
        """z (B, S, D), mask as in `attention`  ->  (B, T, D): outputs of the first T = `asking` tokens (None: all S)

        relative: a `RelativePosition`, where positions act inside attention.
        """
        q, k, v = (split_heads(x, self.heads) for x in np.split(self.qkv(z), 3, axis=-1))  # each (B, h, S, Dh)
        q = q[:, :, :asking]  # (B, h, T, Dh)
        drop = self.drop.draw((*q.shape[:3], k.shape[2]), z.dtype)
        bias, relative_cache = relative(q) if relative else (None, None)  # (B, h, T, S)
        y, cache = attention(q, k, v, mask, drop, bias)  # (B, h, T, Dh)
        self.keep((cache, relative, relative_cache))
        y = merge_heads(y)  # (B, T, D)
        out = self.out(y)
        if record is not None:
            record.update(q=q, k=k, v=v, A=cache[3], heads=y, out=out)
        return out

    def backward(self, dout):
        dy = split_heads(self.out.backward(dout), self.heads)  # (B, h, T, Dh)
        cache, relative, relative_cache = self.take()
        dq, dk, dv, *dbias = attention_backward(dy, cache)
        if relative:
            dq = dq + relative.backward(*dbias, relative_cache)  # q was used twice
        B, h, S, Dh = dk.shape
        dqkv = np.zeros((B, S, 3, h, Dh), dk.dtype)  # zero for the queries that nobody needed
        for i, dx in enumerate((dq, dk, dv)):
            dqkv[:, : dx.shape[2], i] = dx.swapaxes(1, 2)
        return self.qkv.backward(dqkv.reshape(B, S, 3 * h * Dh))
