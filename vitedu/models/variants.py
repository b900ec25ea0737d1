"""What recipes and Table 8 add to block and encoder; a config's encoder.  Taught in notebooks/06_encoder.ipynb.

Dropout and stochastic depth belong to a branch of the block: they act on what it gives, before the sum.  Positions that
do not stand at the stem belong to the blocks.

Shapes: `B` batch, `T` tokens, `D` width.
"""

from __future__ import annotations

import torch
from torch.utils.checkpoint import checkpoint

from vitedu_numpy.config import ViTConfig

from ..layers.attention_variants import GeneralAttention, make_attention
from ..layers.dropout import Dropout, StochasticDepth
from ..layers.mlp import FrugalMLP
from ..layers.positions import RelativePosition, make_positions
from ..module import checked
from .encoder import Block, Encoder, LastBlock

__all__ = ["DroppedAttention", "DroppedMLP", "FrugalEncoder", "PositionedBlock", "make_block", "make_encoder"]


class DroppedAttention(GeneralAttention):
    """Attention whose result is dropped: value by value at rate `result_dropout`, then an image's as a whole."""

    def __init__(self, width, heads, rng=None, dropout=0.0, relative=None, result_dropout=0.0, stochastic_depth=0.0):
        super().__init__(width, heads, rng, dropout, relative)
        self.drop_result = Dropout(result_dropout)
        self.drop_path = StochasticDepth(stochastic_depth)

    def forward(self, z, mask=None, record=None):
        """z (B, T, D), mask as in `attention`  ->  (B, T, D)"""
        return self.drop_path(self.drop_result(super().forward(z, mask, record)))

    def first_token(self, z):
        """forward(z)[:, :1] up to what is dropped.     z (B, S, D)  ->  (B, 1, D)"""
        return self.drop_path(self.drop_result(super().first_token(z)))


class DroppedMLP(FrugalMLP):
    """MLP whose result is dropped for an image as a whole."""

    def __init__(self, width, mlp_dim, rng=None, gelu="erf", dropout=0.0, stochastic_depth=0.0):
        super().__init__(width, mlp_dim, rng, gelu, dropout)
        self.drop_path = StochasticDepth(stochastic_depth)

    def forward(self, x, record=None):
        """x (B, T, D)  ->  (B, T, D)"""
        return self.drop_path(super().forward(x, record))


class PositionedBlock(LastBlock):
    """A block that starts by adding positions to its tokens.

    position: lent by whoever owns it, the block itself or the encoder; see `GeneralAttention`.
    """

    def __init__(self, attention, mlp, position, width, eps=1e-6):
        super().__init__(attention, mlp, width, eps)
        self.lent = (position,)

    def forward(self, z, mask=None, record=None, first_only=False):
        """z (B, S, D)  ->  (B, S, D), or with first_only its first token (B, 1, D), exactly"""
        (position,) = self.lent
        return super().forward(position(z), mask, record, first_only)


class FrugalEncoder(Encoder):
    """`Encoder` that with `recompute_blocks = True` keeps each block's input only; backward computes the rest again."""

    def __init__(self, blocks, width, eps=1e-6):
        super().__init__(blocks, width, eps)
        self.recompute_blocks = False

    def forward(self, z, mask=None, record=None):
        """z (B, T, D), mask as in `attention`  ->  (B, T, D)"""
        if record is not None or not self.recompute_blocks or not torch.is_grad_enabled():
            return super().forward(z, mask, record)
        for block in self.blocks:
            z = checkpoint(block, z, mask, use_reentrant=False)
        return self.norm(z)

    def first_token(self, z):
        """forward(z)[:, :1], exactly, for less work."""
        if not self.recompute_blocks or not torch.is_grad_enabled():
            return super().first_token(z)
        *blocks, last = self.blocks
        for block in blocks:
            z = checkpoint(block, z, use_reentrant=False)
        return self.norm(checkpoint(last, z, None, None, True, use_reentrant=False))


@checked
def make_block(config: ViTConfig, rng=None, stochastic_depth=0.0, last=False, shared=None):
    """The block that `config` describes.  shared: positions of all blocks together, lent by the encoder.

    stochastic_depth: the rate at which each of the two branches is dropped; last: may leave out all tokens but one.
    With positions in every block it has a `position_embedding` of its own.
    """
    c, D = config, config.width
    own = make_positions(c, rng, "every")
    position = shared if own is None else own
    relative = position if isinstance(position, RelativePosition) else None
    if relative is None and c.dropout == stochastic_depth == 0:
        attention = make_attention(D, c.heads, rng, c.attention_dropout)
    else:
        options = c.attention_dropout, relative, c.dropout, stochastic_depth
        attention = DroppedAttention(D, c.heads, rng, *options)
    mlp_class, depth = (FrugalMLP, ()) if stochastic_depth == 0 else (DroppedMLP, (stochastic_depth,))
    mlp = mlp_class(D, c.mlp_dim, rng, c.gelu, c.dropout, *depth)
    if position is not None and relative is None:
        block = PositionedBlock(attention, mlp, position, D, c.layernorm_eps)
    else:
        block = (LastBlock if last else Block)(attention, mlp, D, c.layernorm_eps)
    if own is not None:
        block.position_embedding = own
    return block


@checked
def make_encoder(config: ViTConfig, rng=None):
    """The encoder that `config` describes; with shared positions it has a `position_embedding`.

    Stochastic depth's rate rises evenly, from 0 in the first (or only) block to `config.stochastic_depth` in the last.
    """
    c = config
    shared = make_positions(c, rng, "shared")
    rates = [c.stochastic_depth * i / max(c.depth - 1, 1) for i in range(c.depth)]
    blocks = [make_block(c, rng, rate, i == c.depth - 1, shared) for i, rate in enumerate(rates)]
    encoder = FrugalEncoder(blocks, c.width, c.layernorm_eps)
    if shared is not None:
        encoder.position_embedding = shared
    return encoder
