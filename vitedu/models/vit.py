"""The Vision Transformer (Eqs. 1-4).  Taught in notebooks/08_vit_torch.ipynb.

Shapes: `B` batch, `C` channels, `H W` image size, `N` patches, `T` tokens, `D` width, `K` classes.
"""

from __future__ import annotations

import torch
from torch import nn

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

    def __init__(self, width, representation_size, rng=None):
        super().__init__()
        self.linear = Linear(width, representation_size, rng)
        with torch.no_grad():
            lecun_normal(self.linear.weight, rng)

    def forward(self, y):
        return torch.tanh(self.linear(y))


class ViT(Model):
    """Images to class scores.

    config: a `ViTConfig` (of either package); rng: where the first parameters come from (a torch.Generator, a seed, or
    None for PyTorch's own generator).  `logits = model(images)`, then `loss.backward()`, then `model.gradients()`.
    """

    def __init__(self, config, rng=None):
        super().__init__()
        rng = torch.Generator().manual_seed(rng) if isinstance(rng, int) else rng
        c, self.config = config, config
        self.patch_embedding = PatchEmbedding(c.channels, c.patch_size, c.width, rng)
        self.class_token = ClassToken(c.width) if c.classifier == "token" else None
        self.position_embedding = make_positions(c, rng, "stem")
        self.drop = Dropout(c.dropout)
        self.encoder = Encoder(config, rng)
        rep = c.representation_size
        self.pre_logits = PreLogits(c.width, rep, rng) if rep else None
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
        floating point, ValueError for a wrong shape or values that are not finite.
        """
        images = self.check_images(images).to(self.head.weight.dtype)
        x = self.patch_embedding(images, record)  # (B, N, D)
        if self.class_token is not None:
            x = self.class_token(x)  # (B, N + 1, D)
        if self.position_embedding is not None:
            x = self.position_embedding(x)
        z = self.drop(x)  # z_0, Eq. 1
        one = self.class_token is not None and self.shortcut and record is None  # the head reads one token only
        encoded = self.encoder(z, record=record, asking=1 if one else None)  # Eqs. 2-3
        pooled = encoded[:, 0] if self.class_token is not None else encoded.mean(dim=1)  # (B, D)  y, Eq. 4
        y = self.pre_logits(pooled) if self.pre_logits is not None else pooled
        logits = self.head(y)  # (B, K)
        if record is not None:
            record.update(tokens=z, pooled=pooled, pre_logits=y, logits=logits)
        return logits
