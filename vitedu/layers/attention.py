"""Attention: one head, then many.  Taught in notebooks/03_attention.ipynb and 04_heads.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens that ask, `S` tokens asked (self-attention: S = T), `D` width,
`Dh = D / h` numbers per head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..init import xavier_uniform
from ..module import Module
from .dropout import Dropout
from .linear import Linear
from .softmax import softmax

__all__ = ["MultiHeadAttention", "attention", "attention_weights", "merge_heads", "split_heads"]


def attention(q, k, v, mask=None, drop=None, bias=None):
    """Eqs. 6-7.  A = softmax(q k^T / sqrt(Dh)),  y = A v.     q (B, h, T, Dh)   k, v (B, h, S, Dh)

    mask: booleans that broadcast to (B, h, T, S); True where a token may be asked.  Every token must be allowed to
    ask at least one other.  drop: a dropout mask (B, h, T, S) for A.  bias (B, h, T, S): added to q k^T, for relative
    positions.
    """
    A = attention_weights(q, k, mask, bias)
    weights = A if drop is None else A * drop
    return weights @ v  # (B, h, T, Dh)


def attention_weights(q, k, mask=None, bias=None):
    """A = softmax(q k^T / sqrt(Dh)) alone: what the fused kernel never writes down.     -> (B, h, T, S)"""
    scale = q.shape[-1] ** -0.5
    scores = q @ k.transpose(-1, -2)  # (B, h, T, S)
    if bias is not None:
        scores = scores + bias
    scores = scale * scores
    if mask is not None:
        check_mask(mask)
        scores = scores.masked_fill(~mask, float("-inf"))
    return softmax(scores)


def check_mask(mask) -> None:
    """Refuse a mask that is not boolean, or that forbids a token every other: its softmax would be 0 / 0."""
    if mask.dtype != torch.bool:
        raise TypeError(f"mask has dtype {mask.dtype}; expected booleans, True where a token may be asked")
    if mask.device.type != "cpu" or torch.compiler.is_compiling():  # no reading back from a GPU, as for images
        return
    forbidden = ~mask.any(dim=-1)
    if forbidden.any():
        row = forbidden.nonzero()[0].tolist()
        raise ValueError(f"mask is False in all of row {row}; every token must be allowed to ask at least one")


def _fused_is_slow(q) -> bool:
    """On a CPU in bfloat16 the fused kernel takes 2 to 5 times as long as the explicit lines (PyTorch 2.13)."""
    return q.device.type == "cpu" and q.dtype == torch.bfloat16


def _fused_mask(mask, bias, head_width):
    """What the fused kernel calls its mask: booleans, or numbers that it adds to the scores *after* scaling them."""
    if mask is not None:
        check_mask(mask)
    if bias is None:
        return mask
    bias = head_width**-0.5 * bias
    return bias if mask is None else bias.masked_fill(~mask, float("-inf"))


def split_heads(x, heads):
    """(B, T, D) -> (B, h, T, Dh): head i reads features i Dh ... (i + 1) Dh - 1.  A view, nothing is copied."""
    B, T, D = x.shape
    return x.reshape(B, T, heads, D // heads).transpose(1, 2)


def merge_heads(x):
    """(B, h, T, Dh) -> (B, T, D): the heads' outputs side by side again."""
    B, h, T, Dh = x.shape
    return x.transpose(1, 2).reshape(B, T, h * Dh)


class MultiHeadAttention(Module):
    """Eqs. 5-8.  [q, k, v] = z U_qkv,  MSA(z) = [SA_1(z); ...; SA_h(z)] U_msa.

    `qkv.weight` (3D, D) is U_qkv^T: its first D rows make q, then k, then v, each head by head; `out.weight` (D, D)
    is U_msa^T.  `fused`: let PyTorch's fused kernel do `attention` (the same numbers, faster, A never stored).
    """

    def __init__(self, width: int, heads: int, rng=None, dropout: float = 0.0):
        super().__init__()
        if width % heads:
            raise ValueError(f"width={width} is not allowed; width must be a multiple of heads={heads}")
        self.heads, self.fused = heads, True
        self.qkv = Linear(width, 3 * width, rng)
        # Drawn as the three separate D x D matrices that they are: the fan-out of each is D, not 3D.
        with torch.no_grad():
            for part in self.qkv.weight.chunk(3):
                xavier_uniform(part, rng)
        self.out = Linear(width, width, rng)
        self.drop = Dropout(dropout)

    def forward(self, z, mask=None, record=None, asking=None, relative=None):
        """z (B, S, D), mask as in `attention`  ->  (B, T, D): outputs of the first T = `asking` tokens (None: all S)

        relative: a `RelativePosition`, where positions act inside attention.
        """
        q, k, v = (split_heads(x, self.heads) for x in self.qkv(z).chunk(3, dim=-1))  # each (B, h, S, Dh)
        q = q[:, :, :asking]  # (B, h, T, Dh)
        drop = self.drop.draw((*q.shape[:3], k.shape[2]), z)
        bias = relative(q) if relative is not None else None  # (B, h, T, S)
        if self.fused and drop is None and not _fused_is_slow(q):
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=_fused_mask(mask, bias, q.shape[-1]))
        else:
            y = attention(q, k, v, mask, drop, bias)  # (B, h, T, Dh)
        y = merge_heads(y)  # (B, T, D)
        out = self.out(y)
        if record is not None:
            record.update(q=q, k=k, v=v, A=attention_weights(q, k, mask, bias), heads=y, out=out)
        return out
