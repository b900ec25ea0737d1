"""The hybrid: a ViT that reads a ResNet's feature map (Sec. 3.1).  Taught in notebooks/10_hybrid.ipynb.

The ResNet is the one of the authors' hybrid code (google-research/vision_transformer, `models_resnet`): rectifiers
after the sums, "same" padding, and constants of its own; it is not BiT.

Shapes: `B` batch, `C` channels, `H W` image size, `K` classes.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from vitedu_numpy.config import HybridConfig
from vitedu_numpy.record import noted, scope

from ..layers.conv import FrugalStdConv
from ..layers.groupnorm import GroupNorm
from ..layers.pool import MaxPool
from ..layers.relu import Relu
from ..module import Module
from .bit import FrugalStage
from .model import Model, check_images
from .vit import ViT

__all__ = ["Backbone", "Hybrid", "PostActUnit"]


class PostActUnit(Module):
    """A residual unit as in the first ResNet: norm and rectifier stand *after* each convolution.

    f(x) = norm3(conv3(relu(norm2(conv2(relu(norm1(conv1(x))))))));  out = relu(shortcut + f(x)), where the shortcut is
    x, or norm_proj(conv_proj(x)) in the first unit of a stage, whose output has another shape.
    """

    def __init__(self, in_channels, width, stride, config, rng=None):
        super().__init__()
        c, out_channels = config, 4 * width
        conv = dict(padding="same", eps=c.standardize_eps, form="std")
        norm = dict(groups=c.groups, eps=c.groupnorm_eps)
        self.conv1 = FrugalStdConv(in_channels, width, 1, rng, **conv)
        self.norm1, self.relu1 = GroupNorm(width, **norm), Relu()
        self.conv2 = FrugalStdConv(width, width, 3, rng, stride, **conv)
        self.norm2, self.relu2 = GroupNorm(width, **norm), Relu()
        self.conv3 = FrugalStdConv(width, out_channels, 1, rng, **conv)
        self.norm3, self.relu3 = GroupNorm(out_channels, **norm), Relu()
        nn.init.zeros_(self.norm3.weight)  # a new unit hands on its shortcut and nothing else
        same_shape = stride == 1 and in_channels == out_channels
        self.conv_proj = None if same_shape else FrugalStdConv(in_channels, out_channels, 1, rng, stride, **conv)
        self.norm_proj = None if same_shape else GroupNorm(out_channels, **norm)

    def forward(self, x, record=None):
        """x (B, C, H, W)  ->  (B, 4 width, ceil(H / stride), ceil(W / stride))"""
        f = noted(record, conv1=self.conv1(x))
        f = self.relu1(noted(record, norm1=self.norm1(f)))
        f = noted(record, conv2=self.conv2(f))
        f = self.relu2(noted(record, norm2=self.norm2(f)))
        f = noted(record, conv3=self.conv3(f))
        f = noted(record, norm3=self.norm3(f))
        shortcut = x
        if self.conv_proj:
            shortcut = noted(record, conv_proj=self.conv_proj(x))
            shortcut = noted(record, norm_proj=self.norm_proj(shortcut))
        f += shortcut
        return noted(record, out=self.relu3(f))


class Backbone(Module):
    """The ResNet: root (7x7 convolution / 2, norm, rectifier, max-pool / 2), then the stages of `config.blocks`."""

    def __init__(self, config, rng=None):
        super().__init__()
        c, channels = config, config.backbone_width
        conv = dict(padding="same", eps=c.standardize_eps, form="std")
        self.root = FrugalStdConv(c.channels, channels, 7, rng, stride=2, **conv)
        self.root_norm, self.root_relu = GroupNorm(channels, c.groups, c.groupnorm_eps), Relu()
        self.pool = MaxPool(3, 2, padding="same", border=-math.inf)
        self.stages = nn.ModuleList()
        for s, count in enumerate(c.blocks):
            width, stride = c.backbone_width * 2**s, 1 if s == 0 else 2
            self.stages.append(FrugalStage(PostActUnit, count, channels, width, stride, config, rng))
            channels = 4 * width

    def forward(self, images, record=None):
        """images (B, C, H, W)  ->  feature map (B, feature_channels, *feature_hw), see `HybridConfig`"""
        x = noted(record, root=self.root(images))
        x = self.root_relu(noted(record, root_norm=self.root_norm(x)))
        x = noted(record, pool=self.pool(x))
        for s, stage in enumerate(self.stages):
            x = stage(x, scope(record, f"stage{s}"))
        return x


class Hybrid(Model):
    """Images to class scores, through `backbone` and `vit`.

    config: a `HybridConfig` (of either package); rng: where the first parameters come from (a torch.Generator, a seed,
    or None for PyTorch's own generator).  `logits = model(images)`, then `loss.backward()`, then `model.gradients()`.
    """

    def __init__(self, config: HybridConfig, rng=None):
        super().__init__()
        rng = torch.Generator().manual_seed(rng) if isinstance(rng, int) else rng
        self.config = config
        self.backbone = Backbone(config, rng)
        self.vit = ViT(config.vit, rng)

    def check_images(self, images) -> torch.Tensor:
        """Refuse what the model would silently get wrong; see `forward`."""
        return check_images(images, self.config.channels, self.config.image_hw)

    def forward(self, images, record=None):
        """images (B, C, H, W) in [-1, 1]  ->  logits (B, K)

        record: an optional dict that receives every intermediate by name.  Raises TypeError for images that are not
        floating point, ValueError for a wrong shape, values not finite or far beyond [-1, 1].
        """
        images = self.check_images(images).to(self.vit.head.weight.dtype)
        features = self.backbone(images, scope(record, "backbone"))  # (B, C', gh P, gw P)
        return self.vit(features, record)
