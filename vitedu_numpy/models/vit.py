"""The Vision Transformer (Eqs. 1-4).  Taught in notebooks/07_vit_numpy.ipynb.

Shapes: `B` batch, `C` channels, `H W` image size, `N` patches, `T` tokens, `D` width, `K` classes.
"""

from __future__ import annotations

import numpy as np

from ..config import ViTConfig
from ..init import lecun_normal
from ..layers.dropout import Dropout
from ..layers.linear import Linear
from ..layers.patches import ClassToken, PatchEmbedding
from ..layers.positions import make_positions
from ..module import Identity, Module
from ..record import note
from .model import Model, check_images
from .variants import make_encoder

__all__ = ["PreLogits", "ReadMean", "ReadToken", "ViT"]


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


class ReadToken(Module):
    """y = the first token, the class token (Eq. 4).     (B, T, D) -> (B, D)"""

    def forward(self, encoded):
        self.keep(encoded.shape)
        return encoded[:, 0]

    def backward(self, dy):
        dencoded = np.zeros(self.take(), dy.dtype)  # nobody read the other tokens
        dencoded[:, 0] = dy
        return dencoded


class ReadMean(Module):
    """y = the mean over all tokens (App. D.3).     (B, T, D) -> (B, D)"""

    def forward(self, encoded):
        self.keep(encoded.shape)
        return encoded.mean(axis=1)

    def backward(self, dy):
        B, T, D = self.take()
        return np.broadcast_to(dy[:, None] / T, (B, T, D))


class ViT(Model):
    """Images to class scores.

    config: a `ViTConfig` (of either package); rng: where the first parameters and dropout come from (a Generator, or
    a seed); dtype: float32 for training, float64 for checking.
    `logits = model(images)`, then `model.backward(dlogits)`, then `model.gradients()`.
    """

    def __init__(self, config: ViTConfig, rng, dtype=np.float32):
        dtype = np.dtype(dtype)
        rng = np.random.default_rng(rng)
        c, self.config, self.dtype = config, config, dtype
        self.patch_embedding = PatchEmbedding(c.channels, c.patch_size, c.width, rng, dtype)
        self.class_token = ClassToken(c.width, dtype) if c.classifier == "token" else Identity()
        self.position_embedding = make_positions(c, rng, "stem", dtype)
        self.drop = Dropout(c.dropout, rng)
        self.encoder = make_encoder(config, rng, dtype)
        self.read = ReadToken() if c.classifier == "token" else ReadMean()
        rep = c.representation_size
        self.pre_logits = PreLogits(c.width, rep, rng, dtype) if rep else Identity()
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
        floating point, ValueError for a wrong shape, values not finite or far beyond [-1, 1].
        """
        images = self.check_images(images).astype(self.dtype, copy=False)
        x = self.patch_embedding(images, record)  # (B, N, D)
        x = self.class_token(x)  # (B, T, D)
        z = self.drop(self.position_embedding(x))  # z_0, Eq. 1
        note(record, tokens=z)
        encoded = self.encode(z, record)  # Eqs. 2-3
        pooled = self.read(encoded)  # (B, D)  y, Eq. 4
        note(record, pooled=pooled)
        hidden = self.pre_logits(pooled)
        note(record, pre_logits=hidden)
        logits = self.head(hidden)  # (B, K)
        note(record, logits=logits)
        return logits

    def encode(self, z, record=None):
        """The encoder's output: all tokens, or the first alone where only that is read and nobody records."""
        one = self.config.classifier == "token" and self.shortcut and record is None
        return self.encoder.first_token(z) if one else self.encoder(z, record=record)

    def backward(self, dlogits):
        """dlogits (B, K)  ->  dimages (B, C, H, W); adds every parameter's gradient."""
        dpooled = self.pre_logits.backward(self.head.backward(dlogits))  # (B, D)
        dz = self.encoder.backward(self.read.backward(dpooled))  # (B, T, D)
        dx = self.position_embedding.backward(self.drop.backward(dz))
        dx = self.class_token.backward(dx)  # (B, N, D)
        return self.patch_embedding.backward(dx)
