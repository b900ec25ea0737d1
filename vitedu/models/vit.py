"""The Vision Transformer (Eqs. 1-4).  Taught in notebooks/08_vit_torch.ipynb.

Shapes: `B` batch, `C` channels, `H W` image size, `N` patches, `T` tokens, `D` width, `K` classes.
"""

from __future__ import annotations

import torch
from torch import nn

from vitedu_numpy.config import ViTConfig
from vitedu_numpy.record import note

from ..init import lecun_normal
from ..layers.dropout import Dropout
from ..layers.linear import Linear
from ..layers.patches import ClassToken, PatchEmbedding
from ..layers.positions import make_positions
from ..module import Identity, Module
from .model import Model, check_images
from .variants import make_encoder

__all__ = ["PreLogits", "ReadMean", "ReadToken", "ViT"]


class PreLogits(Module):
    """tanh(linear(y)): the hidden layer of the head used in pre-training (Sec. 3.1).     (B, D) -> (B, R)"""

    def __init__(self, width, representation_size, rng=None):
        super().__init__()
        self.linear = Linear(width, representation_size, rng)
        with torch.no_grad():
            lecun_normal(self.linear.weight, rng)

    def forward(self, y):
        return torch.tanh(self.linear(y))


class ReadToken(Module):
    """y = the first token, the class token (Eq. 4).     (B, T, D) -> (B, D)"""

    def forward(self, encoded):
        return encoded[:, 0]


class ReadMean(Module):
    """y = the mean over all tokens (App. D.3).     (B, T, D) -> (B, D)"""

    def forward(self, encoded):
        return encoded.mean(dim=1)


class ViT(Model):
    """Images to class scores.

    config: a `ViTConfig` (of either package); rng: where the first parameters come from (a torch.Generator, a seed, or
    None for PyTorch's own generator).  `logits = model(images)`, then `loss.backward()`, then `model.gradients()`.
    """

    def __init__(self, config: ViTConfig, rng=None):
        super().__init__()
        rng = torch.Generator().manual_seed(rng) if isinstance(rng, int) else rng
        c, self.config = config, config
        self.patch_embedding = PatchEmbedding(c.channels, c.patch_size, c.width, rng)
        self.class_token = ClassToken(c.width) if c.classifier == "token" else Identity()
        self.position_embedding = make_positions(c, rng, "stem")
        self.drop = Dropout(c.dropout)
        self.encoder = make_encoder(config, rng)
        self.read = ReadToken() if c.classifier == "token" else ReadMean()
        rep = c.representation_size
        self.pre_logits = PreLogits(c.width, rep, rng) if rep else Identity()
        self.head = Linear(rep or c.width, c.num_classes, rng)
        nn.init.zeros_(self.head.weight)  # a new head starts with no opinion: every class equally likely
        nn.init.constant_(self.head.bias, c.head_bias)
        self.shortcut = True  # the last block computes only what the head reads; False: all tokens, as the paper counts

    def check_images(self, images) -> torch.Tensor:
        """Refuse what the model would silently get wrong; see `forward`."""
        return check_images(images, self.config.channels, self.config.image_hw)

    def forward(self, images, record=None):
        """images (B, C, H, W) in [-1, 1]  ->  logits (B, K)

        record: an optional dict that receives every intermediate by name.  Raises TypeError for images that are not
        floating point, ValueError for a wrong shape, values not finite or far beyond [-1, 1].
        """
        images = self.check_images(images).to(self.head.weight.dtype)
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
