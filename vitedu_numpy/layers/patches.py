"""Image to tokens (Eq. 1).  Taught in notebooks/01_patches.ipynb and 06_encoder.ipynb.

Shapes: `B` batch, `C` channels, `H W` image size, `P` patch side, `gh = H / P`, `gw = W / P`, `N = gh gw` patches,
`T = N + 1` tokens with the class token, `D` width.
"""

from __future__ import annotations

import numpy as np

from ..init import lecun_normal, normal
from ..module import Module, Parameter, shaped
from ..record import note
from ..validate import require
from .linear import linear, linear_backward

__all__ = [
    "ClassToken", "PatchEmbedding", "PositionEmbedding", "patchify", "patchify_backward", "unpatchify",
]  # fmt: skip


@shaped
def patchify(images, patch_size):
    """Cut images into a row-major sequence of flat patches.     images (B, C, H, W)  ->  (B, N, C P P)

    Inside a patch the order is (C, P, P): all of the first channel, row by row, then the next.
    """
    B, C, H, W = images.shape
    P, gh, gw = patch_size, H // patch_size, W // patch_size
    if (gh * P, gw * P) != (H, W):
        raise ValueError(f"images are {H} x {W} pixels; both sides must be multiples of patch_size={P}")
    x = images.reshape(B, C, gh, P, gw, P)
    x = x.transpose(0, 2, 4, 1, 3, 5)  # (B, gh, gw, C, P, P)
    return x.reshape(B, gh * gw, C * P * P), (images.shape, P)


@shaped
def patchify_backward(dpatches, cache):
    """Nothing was computed, only moved: put every gradient back where its pixel came from.

    dpatches (..., R)  ->  (B, C, H, W)
    """
    return unpatchify(dpatches, *cache)


@shaped
def unpatchify(patches, image_shape, patch_size):
    """The inverse of `patchify`.     patches (..., C P P)  ->  (B, C, H, W) = image_shape"""
    B, C, H, W = image_shape
    _check_image_shape(patches, image_shape, patch_size)
    P, gh, gw = patch_size, H // patch_size, W // patch_size
    x = patches.reshape(B, gh, gw, C, P, P)
    x = x.transpose(0, 3, 1, 4, 2, 5)  # (B, C, gh, P, gw, P)
    return x.reshape(B, C, H, W)


def _check_image_shape(patches, image_shape, patch_size) -> None:
    B, C, H, W = image_shape
    fits = B * C * H * W == patches.size and patches.shape[-1] == C * patch_size**2
    allowed = f"(B, C, H, W) that patches {tuple(patches.shape)} of side {patch_size} can fill"
    require(fits and H % patch_size == W % patch_size == 0, "image_shape", image_shape, allowed)


class PatchEmbedding(Module):
    """[x_p^1 E; ...; x_p^N E]: one linear projection, shared by all patches.  `weight` (D, C P P) is E^T."""

    def __init__(self, channels, patch_size, width, rng, dtype=np.float32):
        self.patch_size = patch_size
        self.weight = Parameter(lecun_normal(rng, (width, channels * patch_size**2), dtype))
        self.bias = Parameter(np.zeros(width, dtype))

    def forward(self, images, record=None):
        """images (B, C, H, W)  ->  (B, N, D)"""
        patches, patchify_cache = patchify(images, self.patch_size)
        note(record, patches=patches)
        x, linear_cache = linear(patches, self.weight.value, self.bias.value)
        note(record, patch_embedding=x)
        self.keep((patchify_cache, linear_cache))
        return x

    def backward(self, dx):
        patchify_cache, linear_cache = self.take()
        dpatches, dweight, dbias = linear_backward(dx, linear_cache)
        self.weight.add_grad(dweight)
        self.bias.add_grad(dbias)
        return patchify_backward(dpatches, patchify_cache)


class ClassToken(Module):
    """[x_class; x]: one learned token `x_class` (D,), the same for every image, put *before* the patches."""

    def __init__(self, width, dtype=np.float32):
        self.x_class = Parameter(np.zeros(width, dtype))

    @shaped
    def forward(self, x):
        """x (B, N, D)  ->  (B, N + 1, D)"""
        B, _, D = x.shape
        token = np.broadcast_to(self.x_class.value, (B, 1, D))
        return np.concatenate([token, x], axis=1)

    @shaped
    def backward(self, dtokens):
        """dtokens (B, T, D)  ->  (B, T - 1, D)"""
        self.x_class.add_grad(dtokens[:, 0].sum(axis=0))  # every image used the same token
        return dtokens[:, 1:]


class PositionEmbedding(Module):
    """x + E_pos: one learned vector per token, `E_pos` (T, D)."""

    def __init__(self, num_tokens, width, rng, dtype=np.float32):
        self.E_pos = Parameter(normal(rng, (num_tokens, width), 0.02, dtype))

    @shaped
    def forward(self, x):
        """x (B, T, D)  ->  (B, T, D)"""
        return x + self.E_pos.value

    @shaped
    def backward(self, dx):
        """dx (B, T, D)  ->  (B, T, D)"""
        self.E_pos.add_grad(dx.sum(axis=0))  # every image used the same positions
        return dx
