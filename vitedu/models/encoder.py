"""MLP, pre-norm block, encoder (Eqs. 2-3).  Taught in notebooks/05_block.ipynb and 06_encoder.ipynb.

Shapes: `B` batch, `T` tokens, `D` width, `M` hidden width of the MLP, `L` depth.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from vitedu_numpy.record import scope

from ..init import normal
from ..layers.attention import MultiHeadAttention
from ..layers.dropout import Dropout, StochasticDepth
from ..layers.gelu import gelu, gelu_tanh
from ..layers.layernorm import LayerNorm
from ..layers.linear import Linear
from ..layers.positions import RelativePosition, make_positions
from ..module import Module

__all__ = ["MLP", "Block", "Encoder", "Gelu"]


class Gelu(Module):
    """GELU without parameters: `form` is "erf" (the definition) or "tanh" (the official code's approximation)."""

    def __init__(self, form: str):
        super().__init__()
        if form not in ("erf", "tanh"):
            raise ValueError(f"gelu={form!r} is not allowed; gelu must be 'erf' or 'tanh'")
        self.form = form

    def forward(self, x):
        return gelu(x) if self.form == "erf" else gelu_tanh(x)


class MLP(Module):
    """Linear (D -> M), GELU, linear (M -> D), each followed by dropout (Sec. 3.1)."""

    def __init__(self, width, mlp_dim, rng=None, gelu="erf", dropout=0.0):
        super().__init__()
        self.recompute = True  # GELU's output, a quarter of a block's memory, is not kept but computed again
        self.fc1 = Linear(width, mlp_dim, rng)
        self.gelu = Gelu(gelu)
        self.drop1 = Dropout(dropout)
        self.fc2 = Linear(mlp_dim, width, rng)
        self.drop2 = Dropout(dropout)
        with torch.no_grad():
            for layer in (self.fc1, self.fc2):  # the official code's choice; elsewhere biases start at 0
                normal(layer.bias, 1e-6, rng)

    def forward(self, x, record=None):
        hidden = self.fc1(x)  # (B, T, M)
        if record is None and self.recompute and torch.is_grad_enabled():
            draws = self.training and self.drop1.rate > 0  # then the same numbers must be dropped again
            return self.drop2(checkpoint(self._after_hidden, hidden, use_reentrant=False, preserve_rng_state=draws))
        activated = self.gelu(hidden)
        out = self.drop2(self.fc2(self.drop1(activated)))  # (B, T, D)
        if record is not None:
            record.update(hidden=hidden, gelu=activated, out=out)
        return out

    def _after_hidden(self, hidden):
        """The same two lines again; inside `checkpoint` only `hidden` is kept, and backward computes GELU anew."""
        return self.fc2(self.drop1(self.gelu(hidden)))


class Block(Module):
    """z' = MSA(LN(z)) + z  (Eq. 2),   z_out = MLP(LN(z')) + z'  (Eq. 3).

    With `position_at="every"` the block has a `position_embedding` of its own, with "shared" it is lent the encoder's.
    stochastic_depth: the rate at which each of the two branches is dropped, for an image as a whole.
    """

    def __init__(self, config, rng=None, stochastic_depth=0.0):
        super().__init__()
        D, c = config.width, config
        self.position_embedding = make_positions(c, rng, "every")
        self.norm1 = LayerNorm(D, c.layernorm_eps)
        self.attention = MultiHeadAttention(D, c.heads, rng, c.attention_dropout)
        self.drop = Dropout(c.dropout)
        self.drop_path1 = StochasticDepth(stochastic_depth)
        self.norm2 = LayerNorm(D, c.layernorm_eps)
        self.mlp = MLP(D, c.mlp_dim, rng, c.gelu, c.dropout)
        self.drop_path2 = StochasticDepth(stochastic_depth)

    def forward(self, z, mask=None, record=None, asking=None, position=None):
        """z (B, S, D)  ->  (B, T, D): outputs of the first T = `asking` tokens (None: all S)"""
        own = self.position_embedding
        added, relative = _added_or_relative(position if own is None else own)
        if added is not None:
            z = added(z)
        normed1 = self.norm1(z)
        attended = self.attention(normed1, mask, scope(record, "attention"), asking, relative)
        z_mid = z[:, :asking] + self.drop_path1(self.drop(attended))
        normed2 = self.norm2(z_mid)
        z_out = z_mid + self.drop_path2(self.mlp(normed2, scope(record, "mlp")))
        if record is not None:
            record.update(norm1=normed1, z_mid=z_mid, norm2=normed2, z=z_out)
        return z_out


def _added_or_relative(position):
    """(position to add to the tokens, position to hand to attention): one of them, or neither."""
    return (None, position) if isinstance(position, RelativePosition) else (position, None)


def _rates(config):
    """Stochastic depth's rate of each block: 0 in the first (or only) one, evenly up to `config.stochastic_depth`."""
    return [config.stochastic_depth * i / max(config.depth - 1, 1) for i in range(config.depth)]


class Encoder(Module):
    """L blocks, then one layer norm over every token (Eq. 4 reads its first output)."""

    def __init__(self, config, rng=None):
        super().__init__()
        self.position_embedding = make_positions(config, rng, "shared")
        self.recompute_blocks = False  # True: only each block's input is kept, backward computes the rest again
        self.blocks = nn.ModuleList(Block(config, rng, rate) for rate in _rates(config))
        self.norm = LayerNorm(config.width, config.layernorm_eps)

    def forward(self, z, mask=None, record=None, asking=None):
        """z (B, S, D)  ->  (B, T, D): outputs of the first T = `asking` tokens (None: all S)

        The last block then skips what only the other tokens' outputs would need: exactly the same result for less work.
        """
        last, shared = len(self.blocks) - 1, self.position_embedding
        recompute = self.recompute_blocks and record is None and torch.is_grad_enabled()
        for i, block in enumerate(self.blocks):
            options = mask, scope(record, f"block{i:02d}"), asking if i == last else None, shared
            z = checkpoint(block, z, *options, use_reentrant=False) if recompute else block(z, *options)
        z = self.norm(z)
        if record is not None:
            record["encoded"] = z
        return z
