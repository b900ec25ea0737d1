"""Video to tokens: tubelets, patches that last for several frames.  Taught in notebooks/22_video.ipynb.

Arnab et al. (2021, arXiv:2103.15691), Sec. 3.2: a tubelet is a patch and what follows it in the next frames at the same
place.

Shapes: `B` batch, `F` frames, `C` channels, `H W` image size, `Pf` frames of a tubelet, `P` patch side, `gf = F / Pf`
slices one after the other, `N` patches of a frame, `T = gf N` tokens (and the class token, if there is one), `D` width.
"""

from __future__ import annotations

import torch
from torch import nn

from vitedu_numpy.record import note

from ..init import lecun_normal, normal
from ..module import Module
from .linear import linear
from .patches import patchify

__all__ = ["SpacePosition", "TubeletEmbedding", "tubeletify"]


def tubeletify(videos, tubelet_length, patch_size):
    """Cut videos into a sequence of flat tubelets, slice by slice.     videos (B, F, C, H, W)  ->  (B, gf N, Pf C P P)

    Inside a tubelet its patches stand side by side, the first frame's first; inside a patch the order is (C, P, P).
    """
    B, F, C, H, W = videos.shape
    Pf, gf = tubelet_length, F // tubelet_length
    if gf * Pf != F:
        raise ValueError(f"videos have {F} frames; expected a multiple of tubelet_length={Pf}")
    patches = patchify(videos.reshape(B * F, C, H, W), patch_size)  # (B F, N, C P P)
    x = patches.reshape(B, gf, Pf, -1, patches.shape[-1])  # (B, gf, Pf, N, C P P)
    x = x.transpose(2, 3)  # (B, gf, N, Pf, C P P)
    return x.reshape(B, gf * x.shape[2], -1)


class TubeletEmbedding(Module):
    """One linear projection, shared by all tubelets.  `weight` (D, Pf C P P): a patch filter for each frame."""

    def __init__(self, channels, tubelet_length, patch_size, width, rng=None):
        super().__init__()
        self.tubelet_length, self.patch_size = tubelet_length, patch_size
        self.weight = nn.Parameter(lecun_normal(torch.empty(width, tubelet_length * channels * patch_size**2), rng))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, videos, record=None):
        """videos (B, F, C, H, W)  ->  (B, gf N, D)"""
        tubelets = tubeletify(videos, self.tubelet_length, self.patch_size)
        note(record, tubelets=tubelets)
        x = linear(tubelets, self.weight, self.bias)
        note(record, tubelet_embedding=x)
        return x


class SpacePosition(Module):
    """x + E_pos, the same in every slice: where a token is, but not when.  `E_pos` (N, D), no class token."""

    def __init__(self, num_patches, width, rng=None):
        super().__init__()
        self.E_pos = nn.Parameter(normal(torch.empty(num_patches, width), 0.02, rng))

    def forward(self, x):
        """x (B, gf N, D)  ->  (B, gf N, D)"""
        return x + self.E_pos.repeat(x.shape[1] // len(self.E_pos), 1)
