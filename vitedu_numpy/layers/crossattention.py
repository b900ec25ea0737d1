"""Cross-attention: one sequence asks another.  Taught in notebooks/11_seq2seq.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens that ask, `S` tokens asked, `D` width, `Dh = D / h` numbers per head.
"""

from __future__ import annotations

import numpy as np

from ..init import xavier_uniform
from ..module import Module
from .attention import merge_heads, split_heads
from .attention_variants import general_attention, general_attention_backward
from .dropout import Dropout
from .linear import Linear

__all__ = ["CrossAttention"]


class CrossAttention(Module):
    """q = z U_q,  [k, v] = memory U_kv,  then attention and U_msa as in `MultiHeadAttention`.

    `q.weight` (D, D) is U_q^T, `kv.weight` (2D, D) is U_kv^T: its first D rows make k, then v, each head by head.
    Vaswani et al. (2017, arXiv:1706.03762), Sec. 3.2.3, "encoder-decoder attention".
    """

    def __init__(self, width: int, heads: int, rng, dropout: float = 0.0, dtype=np.float32):
        if width % heads:
            raise ValueError(f"width={width} is not allowed; width must be a multiple of heads={heads}")
        self.heads = heads
        self.q = Linear(width, width, rng, dtype)
        self.kv = Linear(width, 2 * width, rng, dtype)
        # Drawn as the two separate D x D matrices that they are: the fan-out of each is D, not 2D.
        self.kv.weight.value = np.concatenate([xavier_uniform(rng, (width, width), dtype) for _ in range(2)])
        self.out = Linear(width, width, rng, dtype)
        self.drop = Dropout(dropout, rng)

    def forward(self, z, memory, mask=None, record=None):
        """z (B, T, D) asks memory (B, S, D), mask as in `attention`  ->  (B, T, D)"""
        q = split_heads(self.q(z), self.heads)  # (B, h, T, Dh)
        k, v = (split_heads(x, self.heads) for x in np.split(self.kv(memory), 2, axis=-1))  # each (B, h, S, Dh)
        drop = self.drop.draw((*q.shape[:3], k.shape[2]), z.dtype)
        y, cache = general_attention(q, k, v, mask, drop)  # (B, h, T, Dh)
        self.keep(cache)
        y = merge_heads(y)  # (B, T, D)
        out = self.out(y)
        if record is not None:
            record.update(q=q, k=k, v=v, A=cache.A, heads=y, out=out)
        return out

    def backward(self, dout):
        """dout (B, T, D)  ->  dz (B, T, D), dmemory (B, S, D)"""
        dy = split_heads(self.out.backward(dout), self.heads)  # (B, h, T, Dh)
        dq, dk, dv = general_attention_backward(dy, self.take())
        dkv = np.concatenate([merge_heads(dk), merge_heads(dv)], axis=-1)  # (B, S, 2D)
        return self.q.backward(merge_heads(dq)), self.kv.backward(dkv)
