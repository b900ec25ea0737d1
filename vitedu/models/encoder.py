"""Pre-norm block and encoder (Eqs. 2-3).  Taught in notebooks/05_block.ipynb and 06_encoder.ipynb.

What training recipes and Table 8 add to them, and how a config becomes an encoder: `variants.py`.

Shapes: `B` batch, `T` tokens, `D` width, `L` depth.
"""

from __future__ import annotations

from torch import nn

from vitedu_numpy.record import note, scope

from ..layers.layernorm import LayerNorm
from ..module import Module

__all__ = ["Block", "Encoder", "LastBlock"]


class Block(Module):
    """z' = MSA(LN(z)) + z  (Eq. 2),   z_out = MLP(LN(z')) + z'  (Eq. 3)."""

    def __init__(self, attention, mlp, width, eps=1e-6):
        super().__init__()
        self.norm1 = LayerNorm(width, eps)
        self.attention = attention
        self.norm2 = LayerNorm(width, eps)
        self.mlp = mlp

    def forward(self, z, mask=None, record=None):
        """z (B, T, D), mask as in `attention`  ->  (B, T, D)"""
        normed1 = self.norm1(z)
        note(record, norm1=normed1)
        z_mid = z + self.attention(normed1, mask, scope(record, "attention"))
        note(record, z_mid=z_mid)
        normed2 = self.norm2(z_mid)
        note(record, norm2=normed2)
        z_out = z_mid + self.mlp(normed2, scope(record, "mlp"))
        note(record, z=z_out)
        return z_out


class LastBlock(Block):
    """A `Block` that can leave out what only the other tokens' outputs would need: the head reads the first alone."""

    def forward(self, z, mask=None, record=None, first_only=False):
        """z (B, S, D)  ->  (B, S, D), or with first_only its first token (B, 1, D), exactly"""
        if not first_only:
            return super().forward(z, mask, record)
        z_mid = z[:, :1] + self.attention.first_token(self.norm1(z))
        return z_mid + self.mlp(self.norm2(z_mid))


class Encoder(Module):
    """L blocks, then one layer norm over every token (Eq. 4 reads its first output)."""

    def __init__(self, blocks, width, eps=1e-6):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = LayerNorm(width, eps)

    def forward(self, z, mask=None, record=None):
        """z (B, T, D), mask as in `attention`  ->  (B, T, D)"""
        for i, block in enumerate(self.blocks):
            z = block(z, mask, scope(record, f"block{i:02d}"))
        encoded = self.norm(z)
        note(record, encoded=encoded)
        return encoded

    def first_token(self, z):
        """forward(z)[:, :1], exactly, for less work: all blocks but the last, a `LastBlock`, are needed in full."""
        *blocks, last = self.blocks
        for block in blocks:
            z = block(z)
        return self.norm(last(z, first_only=True))
