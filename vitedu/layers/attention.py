"""Attention: one head, then many.  Taught in notebooks/03_attention.ipynb and 04_heads.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens that ask, `S` tokens asked (self-attention: S = T), `D` width,
`Dh = D / h` numbers per head.  Dropout and relative positions: `attention_variants.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from vitedu_numpy.record import note
from vitedu_numpy.validate import check_broadcasts

from ..init import xavier_uniform
from ..module import Module, shaped
from .linear import Linear
from .softmax import softmax

__all__ = [
    "MultiHeadAttention", "attention", "attention_weights", "check_mask", "fused_attention", "fused_is_slow",
    "merge_heads", "split_heads",
]  # fmt: skip


@shaped
def attention(q, k, v, mask=None):
    """Eqs. 6-7.  A = softmax(q k^T / sqrt(Dh)),  y = A v.     q (B, h, T, Dh)   k (B, h, S, Dh)   v (B, h, S, Dv)

    mask: booleans that broadcast to (B, h, T, S); True where a token may be asked.  Every token must be allowed to
    ask at least one other.
    """
    A = attention_weights(q, k, mask)
    return A @ v  # (B, h, T, Dh)


def attention_weights(q, k, mask=None):
    """A = softmax(q k^T / sqrt(Dh)) alone: what the fused kernel never writes down.     -> (B, h, T, S)"""
    scores = q @ k.transpose(-1, -2)  # (B, h, T, S)
    scores = scores * q.shape[-1] ** -0.5
    if mask is not None:
        check_mask(mask, scores.shape)
        scores = scores.masked_fill(~mask, float("-inf"))
    return softmax(scores)


def fused_attention(q, k, v, mask=None):
    """`attention` by PyTorch's fused kernel: the same numbers, faster, A never stored."""
    if mask is not None:
        check_mask(mask, (*q.shape[:3], k.shape[2]))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def fused_is_slow(q) -> bool:
    """On a CPU in bfloat16 the fused kernel takes 2 to 5 times as long as the explicit lines (PyTorch 2.13)."""
    return q.device.type == "cpu" and q.dtype == torch.bfloat16


def check_mask(mask, shape) -> None:
    """Refuse a mask that is not boolean, does not fit, or forbids a token every other: its softmax would be 0 / 0."""
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool:
        given = getattr(mask, "dtype", type(mask).__name__)
        raise TypeError(f"mask has dtype {given}; expected booleans, True where a token may be asked")
    check_broadcasts("mask", tuple(mask.shape), tuple(shape))
    if mask.device.type != "cpu" or torch.compiler.is_compiling():  # no reading back from a GPU, as for images
        return
    forbidden = ~mask.any(dim=-1)
    if forbidden.any():
        row = forbidden.nonzero()[0].tolist()
        raise ValueError(f"mask is False in all of row {row}; every token must be allowed to ask at least one")


@shaped
def split_heads(x, heads):
    """x (B, T, D)  ->  (B, h, T, Dh): head i reads features i Dh ... (i + 1) Dh - 1.  A view, nothing is copied."""
    B, T, D = x.shape
    return x.reshape(B, T, heads, D // heads).transpose(1, 2)


@shaped
def merge_heads(x):
    """x (B, h, T, Dh)  ->  (B, T, D): the heads' outputs side by side again."""
    B, h, T, Dh = x.shape
    return x.transpose(1, 2).reshape(B, T, h * Dh)


class MultiHeadAttention(Module):
    """Eqs. 5-8.  [q, k, v] = z U_qkv,  MSA(z) = [SA_1(z); ...; SA_h(z)] U_msa.

    `qkv.weight` (3D, D) is U_qkv^T: its first D rows make q, then k, then v, each head by head; `out.weight` (D, D)
    is U_msa^T.  `fused`: let PyTorch's fused kernel do `attention` (the same numbers, faster, A never stored).
    """

    def __init__(self, width: int, heads: int, rng=None):
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

    def forward(self, z, mask=None, record=None):
        """z (B, T, D), mask as in `attention`  ->  (B, T, D)"""
        q, k, v = self.project(z)
        note(record, q=q, k=k, v=v)
        y = merge_heads(self.attend(q, k, v, mask, record))  # (B, T, D)
        note(record, heads=y)
        out = self.out(y)
        note(record, out=out)
        return out

    def first_token(self, z):
        """forward(z)[:, :1], exactly: the first token asks, all are asked.     z (B, S, D)  ->  (B, 1, D)"""
        q, k, v = self.project(z)
        return self.out(merge_heads(self.attend(q[:, :, :1], k, v)))

    def project(self, z):
        """Eq. 5 for all heads.     z (B, T, D)  ->  q, k, v, each (B, h, T, Dh)"""
        return (split_heads(x, self.heads) for x in self.qkv(z).chunk(3, dim=-1))

    def attend(self, q, k, v, mask=None, record=None):
        """Eqs. 6-7 for all heads.     ->  (B, h, T, Dh)"""
        if record is not None:
            note(record, A=attention_weights(q, k, mask))
        if self.fused and not fused_is_slow(q):
            return fused_attention(q, k, v, mask)
        return attention(q, k, v, mask)
