"""Cross-attention: one sequence asks another.  Taught in notebooks/11_seq2seq.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens that ask, `S` tokens asked, `D` width, `Dh = D / h` numbers per head.
"""

from __future__ import annotations

import numpy as np

from ..init import xavier_uniform
from ..module import Module
from ..record import note
from .attention import attention, attention_backward, merge_heads, split_heads
from .attention_variants import general_attention, general_attention_backward
from .dropout import Dropout
from .linear import Linear

__all__ = ["CrossAttention", "DroppedCrossAttention", "make_cross_attention"]


class CrossAttention(Module):
    """q = z U_q,  [k, v] = memory U_kv,  then attention and U_msa as in `MultiHeadAttention`.

    `q.weight` (D, D) is U_q^T, `kv.weight` (2D, D) is U_kv^T: its first D rows make k, then v, each head by head.
    Vaswani et al. (2017, arXiv:1706.03762), Sec. 3.2.3, "encoder-decoder attention".
    """

    def __init__(self, width: int, heads: int, rng, dtype=np.float32):
        if width % heads:
            raise ValueError(f"width={width} is not allowed; width must be a multiple of heads={heads}")
        self.heads = heads
        self.q = Linear(width, width, rng, dtype)
        self.kv = Linear(width, 2 * width, rng, dtype)
        # Drawn as the two separate D x D matrices that they are: the fan-out of each is D, not 2D.
        self.kv.weight.value = np.concatenate([xavier_uniform(rng, (width, width), dtype) for _ in range(2)])
        self.out = Linear(width, width, rng, dtype)

    def forward(self, z, memory, mask=None, record=None):
        """z (B, T, D) asks memory (B, S, D), mask as in `attention`  ->  (B, T, D)"""
        q = split_heads(self.q(z), self.heads)  # (B, h, T, Dh)
        k, v = (split_heads(x, self.heads) for x in np.split(self.kv(memory), 2, axis=-1))  # each (B, h, S, Dh)
        note(record, q=q, k=k, v=v)
        y = merge_heads(self.attend(q, k, v, mask, record))  # (B, T, D)
        note(record, heads=y)
        out = self.out(y)
        note(record, out=out)
        return out

    def attend(self, q, k, v, mask=None, record=None):
        """Eqs. 6-7 for all heads.     ->  (B, h, T, Dh)"""
        y, cache = attention(q, k, v, mask)
        self.keep(cache)
        note(record, A=cache.A)
        return y

    def backward(self, dout):
        """dout (B, T, D)  ->  dz (B, T, D), dmemory (B, S, D)"""
        dy = split_heads(self.out.backward(dout), self.heads)  # (B, h, T, Dh)
        dq, dk, dv = self.attend_backward(dy)
        dkv = np.concatenate([merge_heads(dk), merge_heads(dv)], axis=-1)  # (B, S, 2D)
        return self.q.backward(merge_heads(dq)), self.kv.backward(dkv)

    def attend_backward(self, dy):
        return attention_backward(dy, self.take())


class DroppedCrossAttention(CrossAttention):
    """`CrossAttention` with dropout on A, at rate `dropout`."""

    def __init__(self, width: int, heads: int, rng, dropout: float = 0.0, dtype=np.float32):
        super().__init__(width, heads, rng, dtype)
        self.drop = Dropout(dropout, rng)

    def attend(self, q, k, v, mask=None, record=None):
        """Eqs. 6-7 for all heads.     ->  (B, h, T, Dh)"""
        drop = self.drop.draw((*q.shape[:3], k.shape[2]), q.dtype)
        y, cache = general_attention(q, k, v, mask, drop)
        self.keep(cache)
        note(record, A=cache.A)
        return y

    def attend_backward(self, dy):
        return general_attention_backward(dy, self.take())


def make_cross_attention(width, heads, rng, dropout=0.0, dtype=np.float32):
    """The plain `CrossAttention`, or with dropout on A where that is asked for."""
    if dropout == 0:
        return CrossAttention(width, heads, rng, dtype)
    return DroppedCrossAttention(width, heads, rng, dropout, dtype)
