"""A Vision Transformer for videos: joint or factorised attention.  Taught in notebooks/22_video.ipynb.

Arnab et al. (2021, arXiv:2103.15691): their model 1, every token asks every token of every frame, and their model 3,
factorised self-attention.  Weights of an image's ViT as a beginning: `weights/inflate.py`.

Shapes: `B` batch, `F` frames, `C` channels, `H W` image size, `gf` slices, `N` patches of a slice, `T` tokens (`gf N`,
and the class token, if there is one), `D` width, `K` classes.
"""

from __future__ import annotations

import numpy as np

from ..config import VideoViTConfig
from ..layers.attention import MultiHeadAttention
from ..layers.layernorm import LayerNorm
from ..layers.linear import Linear
from ..layers.mlp import MLP
from ..layers.patches import ClassToken, PositionEmbedding
from ..layers.spacetime import SpaceAttention, TimeAttention
from ..layers.tubelets import SpacePosition, TubeletEmbedding
from ..module import Identity, Module, checked
from ..record import note, scope
from ..validate import as_array, check_range
from .encoder import Block, Encoder
from .vit import ReadMean, ReadToken

__all__ = ["FactorisedBlock", "VideoViT", "check_videos", "make_video_block", "make_video_positions"]


@checked
def check_videos(videos, config: VideoViTConfig) -> np.ndarray:
    """Refuse what a model would silently get wrong.     videos (B, F, C, H, W), floats in [-1, 1]"""
    videos = as_array(videos, "videos")
    if videos.dtype.kind != "f":
        raise TypeError(f"videos has dtype {videos.dtype}; expected floats in [-1, 1] (for bytes: videos / 127.5 - 1)")
    wanted = (config.frames, config.channels, *config.image_hw)
    if videos.shape[1:] != wanted:
        raise ValueError(f"videos has shape {videos.shape}; expected (B, F, C, H, W) with (F, C, H, W) = {wanted}")
    check_range(videos, "videos")
    return videos


class FactorisedBlock(Block):
    """z_space = MSA_space(LN(z)) + z,   z' = MSA_time(LN(z_space)) + z_space,   z_out = MLP(LN(z')) + z'.

    A `Block` (their Eqs. 4 and 6) with one step more in its middle (Eq. 5): that step's parameters are `norm_time` and
    `attention_time`, all others have the names of the image's ViT.
    """

    def __init__(self, attention, attention_time, mlp, width, eps=1e-6, dtype=np.float32):
        super().__init__(attention, mlp, width, eps, dtype)
        self.norm_time = LayerNorm(width, eps, dtype)
        self.attention_time = attention_time

    def forward(self, z, mask=None, record=None):
        """z (B, gf N, D), no mask  ->  (B, gf N, D)"""
        normed1 = self.norm1(z)
        note(record, norm1=normed1)
        z_space = z + self.attention(normed1, mask, scope(record, "attention"))  # [1]
        note(record, z_space=z_space)
        normed_time = self.norm_time(z_space)
        note(record, norm_time=normed_time)
        z_mid = z_space + self.attention_time(normed_time, mask, scope(record, "attention_time"))  # [2]
        note(record, z_mid=z_mid)
        normed2 = self.norm2(z_mid)
        note(record, norm2=normed2)
        z_out = z_mid + self.mlp(normed2, scope(record, "mlp"))  # [3]
        note(record, z=z_out)
        return z_out

    def backward(self, dz_out):
        dz_mid = dz_out + self.norm2.backward(self.mlp.backward(dz_out))  # from [3]: both ways add up
        dz_space = dz_mid + self.norm_time.backward(self.attention_time.backward(dz_mid))  # from [2]
        return dz_space + self.norm1.backward(self.attention.backward(dz_space))  # from [1]


@checked
def make_video_block(config: VideoViTConfig, rng, dtype=np.float32):
    """The block that `config` describes: the ViT's own over all tokens, or a `FactorisedBlock`."""
    c, D = config, config.width
    mlp = MLP(D, c.mlp_dim, rng, c.gelu, dtype=dtype)
    if c.attention == "joint":
        return Block(MultiHeadAttention(D, c.heads, rng, dtype), mlp, D, c.layernorm_eps, dtype)
    attention, attention_time = (kind(D, c.heads, c.slices, rng, dtype) for kind in (SpaceAttention, TimeAttention))
    return FactorisedBlock(attention, attention_time, mlp, D, c.layernorm_eps, dtype)


@checked
def make_video_positions(config: VideoViTConfig, rng, dtype=np.float32):
    """A vector for each place and time ("spacetime"), for each place ("space"), or none."""
    c = config
    if c.position_embedding == "spacetime":
        return PositionEmbedding(c.num_tokens, c.width, rng, dtype)
    return SpacePosition(c.num_patches, c.width, rng, dtype) if c.position_embedding == "space" else Identity()


class VideoViT(Module):
    """Videos to class scores.

    config: a `VideoViTConfig`; rng, dtype: as for `ViT`.  `fit` and `evaluate` take videos
    where they take images, `fit` without its `shift`.
    `logits = model(videos)`, then `model.backward(dlogits)`, then `model.gradients()`.
    """

    def __init__(self, config: VideoViTConfig, rng, dtype=np.float32):
        dtype = np.dtype(dtype)
        rng = np.random.default_rng(rng)
        c, self.config, self.dtype = config, config, dtype
        self.tubelet_embedding = TubeletEmbedding(c.channels, c.tubelet_length, c.patch_size, c.width, rng, dtype)
        self.class_token = ClassToken(c.width, dtype) if c.classifier == "token" else Identity()
        self.position_embedding = make_video_positions(c, rng, dtype)
        self.encoder = Encoder(
            [make_video_block(c, rng, dtype) for _ in range(c.depth)], c.width, c.layernorm_eps, dtype
        )
        self.read = ReadToken() if c.classifier == "token" else ReadMean()
        self.head = Linear(c.width, c.num_classes, rng, dtype)
        self.head.weight.value[...] = 0  # a new head starts with no opinion: every class equally likely

    def check_images(self, videos) -> np.ndarray:
        """What `fit` and `evaluate` ask of any model; see `check_videos`."""
        return check_videos(videos, self.config)

    def forward(self, videos, record=None):
        """videos (B, F, C, H, W) in [-1, 1]  ->  logits (B, K)

        record: an optional dict that receives every intermediate by name.  Raises TypeError for videos that are not
        floating point, ValueError for a wrong shape or values that are not finite.
        """
        videos = self.check_images(videos).astype(self.dtype, copy=False)
        x = self.tubelet_embedding(videos, record)  # (B, gf N, D)
        z = self.position_embedding(self.class_token(x))  # (B, T, D)
        note(record, tokens=z)
        pooled = self.read(self.encoder(z, record=record))  # (B, D)
        note(record, pooled=pooled)
        logits = self.head(pooled)  # (B, K)
        note(record, logits=logits)
        return logits

    def backward(self, dlogits):
        """dlogits (B, K)  ->  dvideos (B, F, C, H, W); adds every parameter's gradient."""
        dpooled = self.head.backward(dlogits)  # (B, D)
        dz = self.encoder.backward(self.read.backward(dpooled))  # (B, T, D)
        dx = self.class_token.backward(self.position_embedding.backward(dz))  # (B, gf N, D)
        return self.tubelet_embedding.backward(dx)
