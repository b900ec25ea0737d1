"""The hybrid: a ViT that reads a ResNet's feature map (Sec. 3.1).  Taught in notebooks/10_hybrid.ipynb.

The ResNet is the one of the authors' hybrid code (google-research/vision_transformer, `models_resnet`): rectifiers
after the sums, "same" padding, and constants of its own; it is not BiT.

Shapes: `B` batch, `C` channels, `H W` image size, `K` classes.
"""

from __future__ import annotations

import math

import numpy as np

from ..config import HybridConfig
from ..layers.conv import StdConv
from ..layers.groupnorm import GroupNorm
from ..layers.pool import MaxPool
from ..layers.relu import Relu
from ..module import Module
from ..record import noted, scope
from .bit import Stage
from .model import Model, check_images
from .vit import ViT

__all__ = ["Backbone", "Hybrid", "PostActUnit"]


class PostActUnit(Module):
    """A residual unit as in the first ResNet: norm and rectifier stand *after* each convolution.

    f(x) = norm3(conv3(relu(norm2(conv2(relu(norm1(conv1(x))))))));  out = relu(shortcut + f(x)), where the shortcut is
    x, or norm_proj(conv_proj(x)) in the first unit of a stage, whose output has another shape.
    """

    def __init__(self, in_channels, width, stride, config, rng, dtype=np.float32):
        c, out_channels = config, 4 * width
        conv = dict(padding="same", eps=c.standardize_eps, form="std", dtype=dtype)
        norm = dict(groups=c.groups, eps=c.groupnorm_eps, dtype=dtype)
        self.conv1 = StdConv(in_channels, width, 1, rng, **conv)
        self.norm1, self.relu1 = GroupNorm(width, **norm), Relu()
        self.conv2 = StdConv(width, width, 3, rng, stride, **conv)
        self.norm2, self.relu2 = GroupNorm(width, **norm), Relu()
        self.conv3 = StdConv(width, out_channels, 1, rng, **conv)
        self.norm3, self.relu3 = GroupNorm(out_channels, **norm), Relu()
        self.norm3.weight.value[...] = 0  # a new unit hands on its shortcut and nothing else
        same_shape = stride == 1 and in_channels == out_channels
        self.conv_proj = None if same_shape else StdConv(in_channels, out_channels, 1, rng, stride, **conv)
        self.norm_proj = None if same_shape else GroupNorm(out_channels, **norm)

    def forward(self, x, record=None):
        """x (B, C, H, W)  ->  (B, 4 width, ceil(H / stride), ceil(W / stride))"""
        f = noted(record, conv1=self.conv1(x))
        f = self.relu1(noted(record, norm1=self.norm1(f)))  # [1]
        f = noted(record, conv2=self.conv2(f))
        f = self.relu2(noted(record, norm2=self.norm2(f)))  # [2]
        f = noted(record, conv3=self.conv3(f))
        f = noted(record, norm3=self.norm3(f))  # [3]
        shortcut = x
        if self.conv_proj:
            shortcut = noted(record, conv_proj=self.conv_proj(x))
            shortcut = noted(record, norm_proj=self.norm_proj(shortcut))  # [4]
        f += shortcut
        return noted(record, out=self.relu3(f))  # [5]

    def backward(self, dout):
        dsum = self.relu3.backward(dout)  # from [5]
        df = self.conv3.backward(self.norm3.backward(dsum))  # from [3]
        df = self.conv2.backward(self.norm2.backward(self.relu2.backward(df)))  # from [2]
        dx = self.conv1.backward(self.norm1.backward(self.relu1.backward(df)))  # from [1]
        if self.conv_proj:
            return dx + self.conv_proj.backward(self.norm_proj.backward(dsum))  # from [4]
        return dx + dsum  # from [5]


class Backbone(Module):
    """The ResNet: root (7x7 convolution / 2, norm, rectifier, max-pool / 2), then the stages of `config.blocks`."""

    def __init__(self, config, rng, dtype=np.float32):
        c, channels = config, config.backbone_width
        conv = dict(padding="same", eps=c.standardize_eps, form="std", dtype=dtype)
        self.root = StdConv(c.channels, channels, 7, rng, stride=2, **conv)
        self.root_norm, self.root_relu = GroupNorm(channels, c.groups, c.groupnorm_eps, dtype), Relu()
        self.pool = MaxPool(3, 2, padding="same", border=-math.inf)
        self.stages = []
        for s, count in enumerate(c.blocks):
            width, stride = c.backbone_width * 2**s, 1 if s == 0 else 2
            self.stages.append(Stage(PostActUnit, count, channels, width, stride, config, rng, dtype))
            channels = 4 * width

    def forward(self, images, record=None):
        """images (B, C, H, W)  ->  feature map (B, feature_channels, *feature_hw), see `HybridConfig`"""
        x = noted(record, root=self.root(images))
        x = self.root_relu(noted(record, root_norm=self.root_norm(x)))
        x = noted(record, pool=self.pool(x))
        for s, stage in enumerate(self.stages):
            x = stage(x, scope(record, f"stage{s}"))
        return x

    def backward(self, dx):
        for stage in reversed(self.stages):
            dx = stage.backward(dx)
        dx = self.root_relu.backward(self.pool.backward(dx))
        return self.root.backward(self.root_norm.backward(dx))


class Hybrid(Model):
    """Images to class scores, through `backbone` and `vit`.

    config: a `HybridConfig` (of either package); rng: where the first parameters and dropout come from (a Generator, or
    a seed); dtype: float32 for training, float64 for checking.
    `logits = model(images)`, then `model.backward(dlogits)`, then `model.gradients()`.
    """

    def __init__(self, config: HybridConfig, rng, dtype=np.float32):
        dtype = np.dtype(dtype)
        rng = np.random.default_rng(rng)
        self.config, self.dtype = config, dtype
        self.backbone = Backbone(config, rng, dtype)
        self.vit = ViT(config.vit, rng, dtype)

    def check_images(self, images) -> np.ndarray:
        """Refuse what the model would silently get wrong; see `forward`."""
        return check_images(images, self.config.channels, self.config.image_hw)

    def forward(self, images, record=None):
        """images (B, C, H, W) in [-1, 1]  ->  logits (B, K)

        record: an optional dict that receives every intermediate by name.  Raises TypeError for images that are not
        floating point, ValueError for a wrong shape, values not finite or far beyond [-1, 1].
        """
        images = self.check_images(images).astype(self.dtype, copy=False)
        features = self.backbone(images, scope(record, "backbone"))  # (B, C', gh P, gw P)
        return self.vit(features, record)

    def backward(self, dlogits):
        """dlogits (B, K)  ->  dimages (B, C, H, W); adds every parameter's gradient."""
        return self.backbone.backward(self.vit.backward(dlogits))
