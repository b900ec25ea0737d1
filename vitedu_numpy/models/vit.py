"""The Vision Transformer (Eqs. 1-4).  Taught in notebooks/07_vit_numpy.ipynb.

Shapes: `B` batch, `C` channels, `H W` image size, `N` patches, `T` tokens, `D` width, `K` classes.
"""

from __future__ import annotations

import numpy as np

from ..init import lecun_normal
from ..layers.dropout import Dropout
from ..layers.linear import Linear
from ..layers.patches import ClassToken, PatchEmbedding
from ..layers.positions import make_positions
from ..module import Module
from .encoder import Encoder
from .model import Model, check_images

__all__ = ["PreLogits", "ViT"]


class PreLogits(Module):
    """tanh(linear(y)): the hidden layer of the head used in pre-training (Sec. 3.1).     (B, D) -> (B, R)"""

    def __init__(self, width, representation_size, rng, dtype=np.float32):
        self.linear = Linear(width, representation_size, rng, dtype)
        self.linear.weight.value = lecun_normal(rng, (representation_size, width), dtype)

    def forward(self, y):
        out = np.tanh(self.linear(y))
        self.keep(out)
        return out

    def backward(self, dout):
        out = self.take()
        return self.linear.backward(dout * (1 - out * out))  # d tanh(x) = 1 - tanh(x)^2


class ViT(Model):
    """Images to class scores.

    config: a `ViTConfig` (of either package); rng: where the first parameters and dropout come from (a Generator, or
    a seed); dtype: float32 for training, float64 for checking.
    `logits = model(images)`, then `model.backward(dlogits)`, then `model.gradients()`.
    """

    def __init__(self, config, rng, dtype=np.float32):
        dtype = np.dtype(dtype)
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype={dtype} is not allowed; dtype must be float32 or float64")
        rng = np.random.default_rng(rng)
        c, self.config, self.dtype = config, config, dtype
        self.patch_embedding = PatchEmbedding(c.channels, c.patch_size, c.width, rng, dtype)
        self.class_token = ClassToken(c.width, dtype) if c.classifier == "token" else None
        self.position_embedding = make_positions(c, rng, "stem", dtype)
        self.drop = Dropout(c.dropout, rng)
        self.encoder = Encoder(config, rng, dtype)
        rep = c.representation_size
        self.pre_logits = PreLogits(c.width, rep, rng, dtype) if rep else None
        self.head = Linear(rep or c.width, c.num_classes, rng, dtype)
        self.head.weight.value[...] = 0  # a new head starts with no opinion: every class equally likely
        self.head.bias.value[...] = c.head_bias
        self.shortcut = True  # the last block computes only what the head reads; False: all tokens, as the paper counts

    def check_images(self, images) -> np.ndarray:
        """Refuse what the model would silently get wrong; see `forward`."""
        return check_images(images, self.config.channels, self.config.image_hw)

    def forward(self, images, record=None):
        """images (B, C, H, W) in [-1, 1]  ->  logits (B, K)

        record: an optional dict that receives every intermediate by name.  Raises TypeError for images that are not
        floating point, ValueError for a wrong shape or values that are not finite.
        """
        images = self.check_images(images).astype(self.dtype, copy=False)
        x = self.patch_embedding(images, record)  # (B, N, D)
        if self.class_token:
            x = self.class_token(x)  # (B, N + 1, D)
        if self.position_embedding:
            x = self.position_embedding(x)
        z = self.drop(x)  # z_0, Eq. 1
        one = self.class_token and self.shortcut and record is None  # the head reads one token only
        encoded = self.encoder(z, record=record, asking=1 if one else None)  # Eqs. 2-3
        pooled = encoded[:, 0] if self.class_token else encoded.mean(axis=1)  # (B, D)  y, Eq. 4
        y = self.pre_logits(pooled) if self.pre_logits else pooled
        logits = self.head(y)  # (B, K)
        self.keep(encoded.shape)
        if record is not None:
            record.update(tokens=z, pooled=pooled, pre_logits=y, logits=logits)
        return logits

    def backward(self, dlogits):
        """dlogits (B, K)  ->  dimages (B, C, H, W); adds every parameter's gradient."""
        B, T, D = self.take()
        dy = self.head.backward(dlogits)
        dpooled = self.pre_logits.backward(dy) if self.pre_logits else dy  # (B, D)
        if self.class_token:
            dencoded = np.zeros((B, T, D), self.dtype)
            dencoded[:, 0] = dpooled
        else:
            dencoded = np.broadcast_to(dpooled[:, None] / T, (B, T, D))
        dz = self.encoder.backward(dencoded)
        dx = self.drop.backward(dz)
        if self.position_embedding:
            dx = self.position_embedding.backward(dx)
        if self.class_token:
            dx = self.class_token.backward(dx)
        return self.patch_embedding.backward(dx)
