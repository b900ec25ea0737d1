"""Cross-attention: one sequence asks another.  Taught in notebooks/11_seq2seq.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens that ask, `S` tokens asked, `D` width, `Dh = D / h` numbers per head.
"""

from __future__ import annotations

import torch

from vitedu_numpy.record import note

from ..init import xavier_uniform
from ..module import Module
from .attention import attention, attention_weights, fused_attention, merge_heads, split_heads
from .attention_variants import general_attention
from .dropout import Dropout
from .linear import Linear

__all__ = ["CrossAttention", "DroppedCrossAttention", "make_cross_attention"]


class CrossAttention(Module):
    """q = z U_q,  [k, v] = memory U_kv,  then attention and U_msa as in `MultiHeadAttention`.

    `q.weight` (D, D) is U_q^T, `kv.weight` (2D, D) is U_kv^T: its first D rows make k, then v, each head by head.
    Vaswani et al. (2017, arXiv:1706.03762), Sec. 3.2.3, "encoder-decoder attention".  `fused`: as there.
    """

    def __init__(self, width: int, heads: int, rng=None):
        super().__init__()
        if width % heads:
            raise ValueError(f"width={width} is not allowed; width must be a multiple of heads={heads}")
        self.heads, self.fused = heads, True
        self.q = Linear(width, width, rng)
        self.kv = Linear(width, 2 * width, rng)
        # Drawn as the two separate D x D matrices that they are: the fan-out of each is D, not 2D.
        with torch.no_grad():
            for part in self.kv.weight.chunk(2):
                xavier_uniform(part, rng)
        self.out = Linear(width, width, rng)

    def forward(self, z, memory, mask=None, record=None):
        """z (B, T, D) asks memory (B, S, D), mask as in `attention`  ->  (B, T, D)"""
        q = split_heads(self.q(z), self.heads)  # (B, h, T, Dh)
        k, v = (split_heads(x, self.heads) for x in self.kv(memory).chunk(2, dim=-1))  # each (B, h, S, Dh)
        note(record, q=q, k=k, v=v)
        y = merge_heads(self.attend(q, k, v, mask, record))  # (B, T, D)
        note(record, heads=y)
        out = self.out(y)
        note(record, out=out)
        return out

    def attend(self, q, k, v, mask=None, record=None):
        """Eqs. 6-7 for all heads.     ->  (B, h, T, Dh)"""
        if record is not None:
            note(record, A=attention_weights(q, k, mask))
        return fused_attention(q, k, v, mask) if self.fused else attention(q, k, v, mask)


class DroppedCrossAttention(CrossAttention):
    """`CrossAttention` with dropout on A, at rate `dropout`."""

    def __init__(self, width: int, heads: int, rng=None, dropout: float = 0.0):
        super().__init__(width, heads, rng)
        self.drop = Dropout(dropout)

    def attend(self, q, k, v, mask=None, record=None):
        """Eqs. 6-7 for all heads.     ->  (B, h, T, Dh)"""
        drop = self.drop.draw((*q.shape[:3], k.shape[2]), q)
        if drop is None:
            return super().attend(q, k, v, mask, record)
        if record is not None:
            note(record, A=attention_weights(q, k, mask))
        return general_attention(q, k, v, mask, drop)


def make_cross_attention(width, heads, rng=None, dropout=0.0):
    """The plain `CrossAttention`, or with dropout on A where that is asked for."""
    if dropout == 0:
        return CrossAttention(width, heads, rng)
    return DroppedCrossAttention(width, heads, rng, dropout)
