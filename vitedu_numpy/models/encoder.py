"""MLP, pre-norm block, encoder (Eqs. 2-3).  Taught in notebooks/05_block.ipynb and 06_encoder.ipynb.

Shapes: `B` batch, `T` tokens, `D` width, `M` hidden width of the MLP, `L` depth.
"""

from __future__ import annotations

import numpy as np

from ..init import normal
from ..layers.attention import MultiHeadAttention
from ..layers.dropout import Dropout, StochasticDepth
from ..layers.gelu import gelu, gelu_backward, gelu_tanh, gelu_tanh_backward
from ..layers.layernorm import LayerNorm
from ..layers.linear import Linear
from ..layers.positions import RelativePosition, make_positions
from ..module import Module
from ..record import scope

__all__ = ["MLP", "Block", "Encoder", "Gelu"]


class Gelu(Module):
    """GELU without parameters: `form` is "erf" (the definition) or "tanh" (the official code's approximation)."""

    def __init__(self, form: str):
        if form not in ("erf", "tanh"):
            raise ValueError(f"gelu={form!r} is not allowed; gelu must be 'erf' or 'tanh'")
        self.form = form

    def forward(self, x):
        y, cache = gelu(x) if self.form == "erf" else gelu_tanh(x)
        self.keep(cache)
        return y

    def backward(self, dy):
        return (gelu_backward if self.form == "erf" else gelu_tanh_backward)(dy, self.take())


class MLP(Module):
    """Linear (D -> M), GELU, linear (M -> D), each followed by dropout (Sec. 3.1)."""

    def __init__(self, width, mlp_dim, rng, gelu="erf", dropout=0.0, dtype=np.float32):
        self.fc1 = Linear(width, mlp_dim, rng, dtype)
        self.gelu = Gelu(gelu)
        self.drop1 = Dropout(dropout, rng)
        self.fc2 = Linear(mlp_dim, width, rng, dtype)
        self.drop2 = Dropout(dropout, rng)
        for layer in (self.fc1, self.fc2):  # the official code's choice; elsewhere biases start at 0
            layer.bias.value = normal(rng, layer.bias.value.shape, 1e-6, dtype)

    def forward(self, x, record=None):
        hidden = self.fc1(x)  # (B, T, M)
        activated = self.gelu(hidden)
        out = self.drop2(self.fc2(self.drop1(activated)))  # (B, T, D)
        if record is not None:
            record.update(hidden=hidden, gelu=activated, out=out)
        return out

    def backward(self, dout):
        dactivated = self.drop1.backward(self.fc2.backward(self.drop2.backward(dout)))  # (B, T, M)
        return self.fc1.backward(self.gelu.backward(dactivated))  # (B, T, D)


class Block(Module):
    """z' = MSA(LN(z)) + z  (Eq. 2),   z_out = MLP(LN(z')) + z'  (Eq. 3).

    With `position_at="every"` the block has a `position_embedding` of its own, with "shared" it is lent the encoder's.
    stochastic_depth: the rate at which each of the two branches is dropped, for an image as a whole.
    """

    def __init__(self, config, rng, dtype=np.float32, stochastic_depth=0.0):
        D, c = config.width, config
        self.position_embedding = make_positions(c, rng, "every", dtype)
        self.norm1 = LayerNorm(D, c.layernorm_eps, dtype)
        self.attention = MultiHeadAttention(D, c.heads, rng, c.attention_dropout, dtype)
        self.drop = Dropout(c.dropout, rng)
        self.drop_path1 = StochasticDepth(stochastic_depth, rng)
        self.norm2 = LayerNorm(D, c.layernorm_eps, dtype)
        self.mlp = MLP(D, c.mlp_dim, rng, c.gelu, c.dropout, dtype)
        self.drop_path2 = StochasticDepth(stochastic_depth, rng)

    def forward(self, z, mask=None, record=None, asking=None, position=None):
        """z (B, S, D)  ->  (B, T, D): outputs of the first T = `asking` tokens (None: all S)"""
        added, relative = _added_or_relative(self.position_embedding or position)
        if added:
            z = added(z)  # [0]
        normed1 = self.norm1(z)
        attended = self.attention(normed1, mask, scope(record, "attention"), asking, relative)
        z_mid = z[:, :asking] + self.drop_path1(self.drop(attended))  # [1]
        normed2 = self.norm2(z_mid)
        z_out = z_mid + self.drop_path2(self.mlp(normed2, scope(record, "mlp")))  # [2]
        self.keep((added,))
        if record is not None:
            record.update(norm1=normed1, z_mid=z_mid, norm2=normed2, z=z_out)
        return z_out

    def backward(self, dz_out):
        (added,) = self.take()
        dbranch = self.mlp.backward(self.drop_path2.backward(dz_out))  # from [2]
        dz_mid = dz_out + self.norm2.backward(dbranch)  # from [2]: both ways add up
        dbranch = self.attention.backward(self.drop.backward(self.drop_path1.backward(dz_mid)))  # from [1]
        dz = self.norm1.backward(dbranch)  # from [1]
        dz[:, : dz_mid.shape[1]] += dz_mid  # from [1]: tokens that did not ask have no way around attention
        return added.backward(dz) if added else dz  # from [0]


def _added_or_relative(position):
    """(position to add to the tokens, position to hand to attention): one of them, or neither."""
    return (None, position) if isinstance(position, RelativePosition) else (position, None)


def _rates(config):
    """Stochastic depth's rate of each block: 0 in the first (or only) one, evenly up to `config.stochastic_depth`."""
    return [config.stochastic_depth * i / max(config.depth - 1, 1) for i in range(config.depth)]


class Encoder(Module):
    """L blocks, then one layer norm over every token (Eq. 4 reads its first output)."""

    def __init__(self, config, rng, dtype=np.float32):
        self.position_embedding = make_positions(config, rng, "shared", dtype)
        self.blocks = [Block(config, rng, dtype, rate) for rate in _rates(config)]
        self.norm = LayerNorm(config.width, config.layernorm_eps, dtype)

    def forward(self, z, mask=None, record=None, asking=None):
        """z (B, S, D)  ->  (B, T, D): outputs of the first T = `asking` tokens (None: all S)

        The last block then skips what only the other tokens' outputs would need: exactly the same result for less work.
        """
        last = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            z = block(z, mask, scope(record, f"block{i:02d}"), asking if i == last else None, self.position_embedding)
        z = self.norm(z)
        if record is not None:
            record["encoded"] = z
        return z

    def backward(self, dz):
        dz = self.norm.backward(dz)
        for block in reversed(self.blocks):
            dz = block.backward(dz)
        return dz
