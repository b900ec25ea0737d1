"""Video to tokens: tubelets, patches that last for several frames.  Taught in notebooks/22_video.ipynb.

Arnab et al. (2021, arXiv:2103.15691), Sec. 3.2: a tubelet is a patch and what follows it in the next frames at the same
place.

Shapes: `B` batch, `F` frames, `C` channels, `H W` image size, `Pf` frames of a tubelet, `P` patch side, `gf = F / Pf`
slices one after the other, `N` patches of a frame, `T = gf N` tokens (and the class token, if there is one), `D` width.
"""

from __future__ import annotations

import numpy as np

from ..init import lecun_normal, normal
from ..module import Module, Parameter, shaped
from ..record import note
from .linear import linear, linear_backward
from .patches import patchify, patchify_backward

__all__ = ["SpacePosition", "TubeletEmbedding", "tubeletify", "tubeletify_backward"]


@shaped
def tubeletify(videos, tubelet_length, patch_size):
    """Cut videos into a sequence of flat tubelets, slice by slice.     videos (B, F, C, H, W)  ->  (B, gf N, Pf C P P)

    Inside a tubelet its patches stand side by side, the first frame's first; inside a patch the order is (C, P, P).
    """
    B, F, C, H, W = videos.shape
    Pf, gf = tubelet_length, F // tubelet_length
    if gf * Pf != F:
        raise ValueError(f"videos have {F} frames; expected a multiple of tubelet_length={Pf}")
    patches, cache = patchify(videos.reshape(B * F, C, H, W), patch_size)  # (B F, N, C P P)  [1]
    x = patches.reshape(B, gf, Pf, -1, patches.shape[-1])  # (B, gf, Pf, N, C P P)
    x = x.swapaxes(2, 3)  # (B, gf, N, Pf, C P P)  [2]
    return x.reshape(B, gf * x.shape[2], -1), (videos.shape, x.shape, cache)


@shaped
def tubeletify_backward(dtubelets, cache):
    """Nothing was computed, only moved: put every gradient back where its pixel came from.

    dtubelets (B, N, R)  ->  (B, F, C, H, W)
    """
    shape, cut, patchify_cache = cache
    dpatches = dtubelets.reshape(cut).swapaxes(2, 3)  # (B, gf, Pf, N, C P P): frame by frame again  from [2]
    return patchify_backward(dpatches, patchify_cache).reshape(shape)  # from [1]


class TubeletEmbedding(Module):
    """One linear projection, shared by all tubelets.  `weight` (D, Pf C P P): a patch filter for each frame."""

    def __init__(self, channels, tubelet_length, patch_size, width, rng, dtype=np.float32):
        self.tubelet_length, self.patch_size = tubelet_length, patch_size
        self.weight = Parameter(lecun_normal(rng, (width, tubelet_length * channels * patch_size**2), dtype))
        self.bias = Parameter(np.zeros(width, dtype))

    def forward(self, videos, record=None):
        """videos (B, F, C, H, W)  ->  (B, gf N, D)"""
        tubelets, tubeletify_cache = tubeletify(videos, self.tubelet_length, self.patch_size)
        note(record, tubelets=tubelets)
        x, linear_cache = linear(tubelets, self.weight.value, self.bias.value)
        note(record, tubelet_embedding=x)
        self.keep((tubeletify_cache, linear_cache))
        return x

    def backward(self, dx):
        tubeletify_cache, linear_cache = self.take()
        dtubelets, dweight, dbias = linear_backward(dx, linear_cache)
        self.weight.add_grad(dweight)
        self.bias.add_grad(dbias)
        return tubeletify_backward(dtubelets, tubeletify_cache)


class SpacePosition(Module):
    """x + E_pos, the same in every slice: where a token is, but not when.  `E_pos` (N, D), no class token."""

    def __init__(self, num_patches, width, rng, dtype=np.float32):
        self.E_pos = Parameter(normal(rng, (num_patches, width), 0.02, dtype))

    def forward(self, x):
        """x (B, gf N, D)  ->  (B, gf N, D)"""
        return x + np.tile(self.E_pos.value, (x.shape[1] // len(self.E_pos.value), 1))

    def backward(self, dx):
        every = dx.reshape(-1, *self.E_pos.value.shape)  # (B gf, N, D)
        self.E_pos.add_grad(every.sum(axis=0))  # every slice of every video used the same positions
        return dx
