"""Blocks of the Transformer: a layer with a way around it, three times.  Taught in notebooks/11_seq2seq.ipynb.

Vaswani et al. (2017, arXiv:1706.03762), Fig. 1; below, sections are those of that paper.

Shapes: `B` batch, `S` source symbols, `T` target symbols, `D` width, `M` hidden width of the MLP.
"""

from __future__ import annotations

import numpy as np

from ..module import Module
from ..record import note, noted, scope
from .attention_variants import make_attention
from .crossattention import make_cross_attention
from .dropout import Dropout
from .layernorm import LayerNorm
from .linear import Linear
from .relu import Relu

__all__ = ["DecoderBlock", "EncoderBlock", "FeedForward", "Sublayer"]


class FeedForward(Module):
    """relu(x W_1 + b_1) W_2 + b_2, the same for every token (Sec. 3.3).     (B, T, D) -> (B, T, D)"""

    def __init__(self, width, mlp_dim, rng, dtype=np.float32):
        self.fc1, self.relu = Linear(width, mlp_dim, rng, dtype), Relu()
        self.fc2 = Linear(mlp_dim, width, rng, dtype)

    def forward(self, x, record=None):
        hidden = noted(record, hidden=self.fc1(x))  # (B, T, M)
        activated = self.relu(hidden)
        note(record, relu=activated)
        out = self.fc2(activated)  # (B, T, D)
        note(record, out=out)
        return out

    def backward(self, dout):
        dhidden = self.relu.backward(self.fc2.backward(dout))  # (B, T, M)
        return self.fc1.backward(dhidden)  # (B, T, D)


class Sublayer(Module):
    """A layer f and a way around it (Sec. 3.1): "post" LN(x + f(x)), as in 2017; "pre" x + f(LN(x)), as in the ViT.

    Dropout acts on what f gives, before the two are added (Sec. 5.4).
    """

    def __init__(self, layer, config, rng, dtype=np.float32):
        self.norm = LayerNorm(config.width, config.layernorm_eps, dtype)
        self.layer = layer
        self.drop = Dropout(config.dropout, rng)
        self.post = config.norm == "post"

    def forward(self, x, *others, record=None):
        """x (B, T, D); others: what `layer` takes besides  ->  (B, T, D)"""
        inside = x if self.post else self.norm(x)  # [1]
        z = x + self.drop(self.layer(inside, *others, record=record))  # [2]
        z = self.norm(z) if self.post else z  # [3]
        note(record, z=z)
        return z

    def backward(self, dz):
        """dz (B, T, D)  ->  dx (B, T, D), and after it what `layer.backward` gives for its other inputs"""
        dz = self.norm.backward(dz) if self.post else dz  # from [3]
        dinside = self.layer.backward(self.drop.backward(dz))  # from [2]
        dinside, *others = dinside if isinstance(dinside, tuple) else (dinside,)
        dx = dz + (dinside if self.post else self.norm.backward(dinside))  # from [2], [1]: both ways add up
        return (dx, *others) if others else dx


class EncoderBlock(Module):
    """Self-attention, then the feed-forward layer: each source symbol may ask all that are not padding."""

    def __init__(self, config, rng, dtype=np.float32):
        c = config
        attention = make_attention(c.width, c.heads, rng, c.attention_dropout, dtype)
        self.attention = Sublayer(attention, c, rng, dtype)
        self.mlp = Sublayer(FeedForward(c.width, c.mlp_dim, rng, dtype), c, rng, dtype)

    def forward(self, z, mask=None, record=None):
        """z (B, S, D), mask as in `attention`  ->  (B, S, D)"""
        z = self.attention(z, mask, record=scope(record, "attention"))
        return self.mlp(z, record=scope(record, "mlp"))

    def backward(self, dz):
        return self.attention.backward(self.mlp.backward(dz))


class DecoderBlock(Module):
    """Self-attention that looks back only, cross-attention to the encoder's output, then the feed-forward layer."""

    def __init__(self, config, rng, dtype=np.float32):
        c = config
        self_attention = make_attention(c.width, c.heads, rng, c.attention_dropout, dtype)
        cross_attention = make_cross_attention(c.width, c.heads, rng, c.attention_dropout, dtype)
        self.self_attention = Sublayer(self_attention, c, rng, dtype)
        self.cross_attention = Sublayer(cross_attention, c, rng, dtype)
        self.mlp = Sublayer(FeedForward(c.width, c.mlp_dim, rng, dtype), c, rng, dtype)

    def forward(self, z, memory, mask=None, memory_mask=None, record=None):
        """z (B, T, D), memory (B, S, D), mask over z and memory_mask over memory, as in `attention`  ->  (B, T, D)"""
        z = self.self_attention(z, mask, record=scope(record, "self_attention"))
        z = self.cross_attention(z, memory, memory_mask, record=scope(record, "cross_attention"))
        return self.mlp(z, record=scope(record, "mlp"))

    def backward(self, dz):
        """dz (B, T, D)  ->  dz (B, T, D), dmemory (B, S, D)"""
        dz, dmemory = self.cross_attention.backward(self.mlp.backward(dz))
        return self.self_attention.backward(dz), dmemory
