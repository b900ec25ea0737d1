"""Attention with what the plain one leaves out: dropout, relative positions.  Taught in notebooks/06_encoder.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens that ask, `S` tokens asked, `Dh` numbers per head.
"""

from __future__ import annotations

import torch.nn.functional as F

from vitedu_numpy.record import note

from ..module import shaped
from .attention import MultiHeadAttention, check_mask, fused_is_slow
from .dropout import Dropout
from .softmax import softmax

__all__ = ["GeneralAttention", "general_attention", "general_weights", "make_attention"]


@shaped
def general_attention(q, k, v, mask=None, drop=None, bias=None):
    """A = softmax((q k^T + bias) / sqrt(Dh)),  y = (drop A) v.     q (B, h, T, Dh)   k (B, h, S, Dh)   v (B, h, S, Dv)

    mask: as in `attention`.  drop: a dropout mask (B, h, T, S) for A.  bias (B, h, T, S): for relative positions.
    Without drop and bias this is `attention`.
    """
    A = general_weights(q, k, mask, bias)
    weights = A if drop is None else A * drop
    return weights @ v  # (B, h, T, Dh)


def general_weights(q, k, mask=None, bias=None):
    """A alone, before dropout.     -> (B, h, T, S)"""
    scores = q @ k.transpose(-1, -2)  # (B, h, T, S)
    if bias is not None:
        scores = scores + bias
    scores = scores * q.shape[-1] ** -0.5
    if mask is not None:
        check_mask(mask, scores.shape)
        scores = scores.masked_fill(~mask, float("-inf"))
    return softmax(scores)


class GeneralAttention(MultiHeadAttention):
    """`MultiHeadAttention` with dropout on A (rate `dropout`), and with a `RelativePosition`.

    relative: lent by whoever owns it; its parameters are named there, so it stands in a tuple, where nobody looks.
    """

    def __init__(self, width: int, heads: int, rng=None, dropout: float = 0.0, relative=None):
        super().__init__(width, heads, rng)
        self.drop = Dropout(dropout)
        self.lent = () if relative is None else (relative,)

    def attend(self, q, k, v, mask=None, record=None):
        """Eqs. 6-7 for all heads.     ->  (B, h, T, Dh)"""
        drop = self.drop.draw((*q.shape[:3], k.shape[2]), self.qkv.weight)
        bias = None
        for relative in self.lent:
            bias = relative(q)  # (B, h, T, S)
        if record is not None:
            note(record, A=general_weights(q, k, mask, bias))
        if self.fused and drop is None and not fused_is_slow(q):
            return F.scaled_dot_product_attention(q, k, v, attn_mask=_fused_mask(mask, bias, q, k))
        return general_attention(q, k, v, mask, drop, bias)


def _fused_mask(mask, bias, q, k):
    """What the fused kernel calls its mask: booleans, or numbers that it adds to the scores *after* scaling them."""
    if mask is not None:
        check_mask(mask, (*q.shape[:3], k.shape[2]))
    if bias is None:
        return mask
    bias = q.shape[-1] ** -0.5 * bias
    return bias if mask is None else bias.masked_fill(~mask, float("-inf"))


def make_attention(width, heads, rng=None, dropout=0.0):
    """The plain `MultiHeadAttention`, or with dropout on A where that is asked for."""
    if dropout == 0:
        return MultiHeadAttention(width, heads, rng)
    return GeneralAttention(width, heads, rng, dropout)
