"""Blocks of the Transformer: a layer with a way around it, three times.  Taught in notebooks/11_seq2seq.ipynb.

Vaswani et al. (2017, arXiv:1706.03762), Fig. 1; below, sections are those of that paper.

Shapes: `B` batch, `S` source symbols, `T` target symbols, `D` width, `M` hidden width of the MLP.
"""

from __future__ import annotations

from vitedu_numpy.record import note, noted, scope

from ..module import Module
from .attention_variants import make_attention
from .crossattention import make_cross_attention
from .dropout import Dropout
from .layernorm import LayerNorm
from .linear import Linear
from .relu import Relu

__all__ = ["DecoderBlock", "EncoderBlock", "FeedForward", "Sublayer"]


class FeedForward(Module):
    """relu(x W_1 + b_1) W_2 + b_2, the same for every token (Sec. 3.3).     (B, T, D) -> (B, T, D)"""

    def __init__(self, width, mlp_dim, rng=None):
        super().__init__()
        self.fc1, self.relu = Linear(width, mlp_dim, rng), Relu()
        self.fc2 = Linear(mlp_dim, width, rng)

    def forward(self, x, record=None):
        hidden = noted(record, hidden=self.fc1(x))  # (B, T, M)
        activated = self.relu(hidden)
        note(record, relu=activated)
        out = self.fc2(activated)  # (B, T, D)
        note(record, out=out)
        return out


class Sublayer(Module):
    """A layer f and a way around it (Sec. 3.1): "post" LN(x + f(x)), as in 2017; "pre" x + f(LN(x)), as in the ViT.

    Dropout acts on what f gives, before the two are added (Sec. 5.4).
    """

    def __init__(self, layer, config):
        super().__init__()
        self.norm = LayerNorm(config.width, config.layernorm_eps)
        self.layer = layer
        self.drop = Dropout(config.dropout)
        self.post = config.norm == "post"

    def forward(self, x, *others, record=None):
        """x (B, T, D); others: what `layer` takes besides  ->  (B, T, D)"""
        inside = x if self.post else self.norm(x)
        z = x + self.drop(self.layer(inside, *others, record=record))
        z = self.norm(z) if self.post else z
        note(record, z=z)
        return z


class EncoderBlock(Module):
    """Self-attention, then the feed-forward layer: each source symbol may ask all that are not padding."""

    def __init__(self, config, rng=None):
        super().__init__()
        c = config
        attention = make_attention(c.width, c.heads, rng, c.attention_dropout)
        self.attention = Sublayer(attention, c)
        self.mlp = Sublayer(FeedForward(c.width, c.mlp_dim, rng), c)

    def forward(self, z, mask=None, record=None):
        """z (B, S, D), mask as in `attention`  ->  (B, S, D)"""
        z = self.attention(z, mask, record=scope(record, "attention"))
        return self.mlp(z, record=scope(record, "mlp"))


class DecoderBlock(Module):
    """Self-attention that looks back only, cross-attention to the encoder's output, then the feed-forward layer."""

    def __init__(self, config, rng=None):
        super().__init__()
        c = config
        self_attention = make_attention(c.width, c.heads, rng, c.attention_dropout)
        cross_attention = make_cross_attention(c.width, c.heads, rng, c.attention_dropout)
        self.self_attention = Sublayer(self_attention, c)
        self.cross_attention = Sublayer(cross_attention, c)
        self.mlp = Sublayer(FeedForward(c.width, c.mlp_dim, rng), c)

    def forward(self, z, memory, mask=None, memory_mask=None, record=None):
        """z (B, T, D), memory (B, S, D), mask over z and memory_mask over memory, as in `attention`  ->  (B, T, D)"""
        z = self.self_attention(z, mask, record=scope(record, "self_attention"))
        z = self.cross_attention(z, memory, memory_mask, record=scope(record, "cross_attention"))
        return self.mlp(z, record=scope(record, "mlp"))
