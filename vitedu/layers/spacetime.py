"""Attention within a frame, attention through time.  Taught in notebooks/22_video.ipynb.

Arnab et al. (2021, arXiv:2103.15691), Sec. 3.3, model 3: nobody asks all; a token asks those of its own slice, then
those at its own place in the other slices.  The attention itself is the ViT's: only who sits together is changed.

Shapes: `B` batch, `gf` slices, `N` patches of a slice, `D` width.
"""

from __future__ import annotations

from ..module import shaped
from .attention import MultiHeadAttention

__all__ = ["SpaceAttention", "TimeAttention", "from_space", "from_time", "to_space", "to_time"]


@shaped
def to_space(z, slices):
    """Every slice becomes a sequence of its own.     z (B, gf N, D)  ->  (B gf, N, D)"""
    B, T, D = z.shape
    return z.reshape(B * slices, T // slices, D)


@shaped
def from_space(x, slices):
    """The inverse of `to_space`, and so its backward.     x (B gf, N, D)  ->  (B, gf N, D)"""
    R, N, D = x.shape
    return x.reshape(R // slices, slices * N, D)


@shaped
def to_time(z, slices):
    """Every place becomes a sequence of its own, through all slices.     z (B, gf N, D)  ->  (B N, gf, D)"""
    B, T, D = z.shape
    x = z.reshape(B, slices, T // slices, D).transpose(1, 2)  # (B, N, gf, D)
    return x.reshape(-1, slices, D)


@shaped
def from_time(x, slices, places):
    """The inverse of `to_time`, and so its backward.     x (B N, gf, D)  ->  (B, gf N, D)"""
    z = x.reshape(-1, places, slices, x.shape[-1]).transpose(1, 2)  # (B, gf, N, D)
    return z.reshape(-1, slices * places, x.shape[-1])


class SpaceAttention(MultiHeadAttention):
    """`MultiHeadAttention` within each slice: N asked instead of gf N."""

    def __init__(self, width: int, heads: int, slices: int, rng=None):
        super().__init__(width, heads, rng)
        self.slices = slices

    def forward(self, z, mask=None, record=None):
        """z (B, gf N, D)  ->  (B, gf N, D);  q, k, v and A in the record have B gf sequences of N"""
        return from_space(super().forward(to_space(z, self.slices), mask, record), self.slices)


class TimeAttention(MultiHeadAttention):
    """`MultiHeadAttention` through time at each place: gf asked instead of gf N."""

    def __init__(self, width: int, heads: int, slices: int, rng=None):
        super().__init__(width, heads, rng)
        self.slices = slices

    def forward(self, z, mask=None, record=None):
        """z (B, gf N, D)  ->  (B, gf N, D);  q, k, v and A in the record have B N sequences of gf"""
        out = super().forward(to_time(z, self.slices), mask, record)
        return from_time(out, self.slices, z.shape[1] // self.slices)
