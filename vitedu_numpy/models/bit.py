"""BiT: a pre-activation ResNet with group normalisation and weight standardisation.  Taught in notebooks/09_bit.ipynb.

The paper's baseline, "ResNet (BiT)" (Sec. 4.1, Kolesnikov et al. 2020, arXiv:1912.11370), as in google-research/
big_transfer.

Shapes: `B` batch, `C` channels, `H W` image size, `K` classes.
"""

from __future__ import annotations

import math

import numpy as np

from ..config import BiTConfig
from ..layers.conv import StdConv
from ..layers.groupnorm import GroupNorm
from ..layers.linear import Linear
from ..layers.pool import MaxPool
from ..layers.relu import Relu
from ..module import Module
from ..record import noted, scope
from .model import Model, check_images

__all__ = ["BiT", "PreActUnit", "Stage"]


class PreActUnit(Module):
    """A residual unit: norm and rectifier stand *before* each convolution, 1x1 to `width`, 3x3, 1x1 to 4 `width`.

    h = relu(norm1(x));  f(x) = conv3(relu(norm3(conv2(relu(norm2(conv1(h)))))));  out = f(x) + shortcut, where the
    shortcut is x, or conv_proj(h) in the first unit of a stage, whose output has another shape.
    """

    def __init__(self, in_channels, width, stride, config, rng, dtype=np.float32):
        c, out_channels = config, 4 * width
        conv = dict(eps=c.standardize_eps, form="var", dtype=dtype)
        self.norm1, self.relu1 = GroupNorm(in_channels, c.groups, c.groupnorm_eps, dtype), Relu()
        self.conv1 = StdConv(in_channels, width, 1, rng, **conv)
        self.norm2, self.relu2 = GroupNorm(width, c.groups, c.groupnorm_eps, dtype), Relu()
        self.conv2 = StdConv(width, width, 3, rng, stride, padding=1, **conv)
        self.norm3, self.relu3 = GroupNorm(width, c.groups, c.groupnorm_eps, dtype), Relu()
        self.conv3 = StdConv(width, out_channels, 1, rng, **conv)
        same_shape = stride == 1 and in_channels == out_channels
        self.conv_proj = None if same_shape else StdConv(in_channels, out_channels, 1, rng, stride, **conv)

    def forward(self, x, record=None):
        """x (B, C, H, W)  ->  (B, 4 width, H / stride, W / stride)"""
        h = self.relu1(noted(record, norm1=self.norm1(x)))  # [1]
        f = noted(record, conv1=self.conv1(h))
        f = self.relu2(noted(record, norm2=self.norm2(f)))  # [2]
        f = noted(record, conv2=self.conv2(f))
        f = self.relu3(noted(record, norm3=self.norm3(f)))  # [3]
        f = noted(record, conv3=self.conv3(f))  # [4]
        f += noted(record, conv_proj=self.conv_proj(h)) if self.conv_proj else x  # [5]
        return noted(record, out=f)

    def backward(self, dout):
        df = self.conv3.backward(dout)  # from [4]
        df = self.conv2.backward(self.norm3.backward(self.relu3.backward(df)))  # from [3]
        dh = self.conv1.backward(self.norm2.backward(self.relu2.backward(df)))  # from [2]
        if self.conv_proj:
            dh += self.conv_proj.backward(dout)  # from [5]
        dx = self.norm1.backward(self.relu1.backward(dh))  # from [1]
        return dx if self.conv_proj else dx + dout  # from [5]


class Stage(Module):
    """`count` residual units of the class `kind`, one after the other; the first one changes the shape."""

    def __init__(self, kind, count, in_channels, width, stride, config, rng, dtype=np.float32):
        first = kind(in_channels, width, stride, config, rng, dtype)
        self.units = [first, *(kind(4 * width, width, 1, config, rng, dtype) for _ in range(count - 1))]

    def forward(self, x, record=None):
        """x (B, C, H, W)  ->  (B, 4 width, H / stride, W / stride)"""
        for u, unit in enumerate(self.units):
            x = unit(x, scope(record, f"unit{u}"))
        return x

    def backward(self, dx):
        for unit in reversed(self.units):
            dx = unit.backward(dx)
        return dx


class BiT(Model):
    """Images to class scores.

    config: a `BiTConfig` (of either package); rng: where the first parameters come from (a Generator, or a seed);
    dtype: float32 for training, float64 for checking.
    `logits = model(images)`, then `model.backward(dlogits)`, then `model.gradients()`.
    """

    def __init__(self, config: BiTConfig, rng, dtype=np.float32):
        dtype = np.dtype(dtype)
        rng = np.random.default_rng(rng)
        c, self.config, self.dtype = config, config, dtype
        width = channels = c.base_width * c.width_factor
        conv = dict(eps=c.standardize_eps, form="var", dtype=dtype)
        if c.stem == "imagenet":
            self.root = StdConv(c.channels, channels, 7, rng, stride=2, padding=3, **conv)
            self.pool = MaxPool(3, 2, padding=1, border=-math.inf if c.pool_padding == "-inf" else 0.0)
        else:
            self.root = StdConv(c.channels, channels, 3, rng, padding=1, **conv)
            self.pool = None
        self.stages = []
        for s, count in enumerate(c.blocks):
            stride = 1 if s == 0 else 2
            self.stages.append(Stage(PreActUnit, count, channels, width * 2**s, stride, config, rng, dtype))
            channels = 4 * width * 2**s
        self.norm, self.relu = GroupNorm(channels, c.groups, c.groupnorm_eps, dtype), Relu()
        self.head = Linear(channels, c.num_classes, rng, dtype)
        self.head.weight.value[...] = 0  # a new head starts with no opinion: every class equally likely
        self.head.bias.value[...] = c.head_bias

    def check_images(self, images) -> np.ndarray:
        """Refuse what the model would silently get wrong; see `forward`."""
        return check_images(images, self.config.channels)

    def forward(self, images, record=None):
        """images (B, C, H, W) in [-1, 1], of any size  ->  logits (B, K)

        record: an optional dict that receives every intermediate by name.  Raises TypeError for images that are not
        floating point, ValueError for a wrong shape, values not finite or far beyond [-1, 1].
        """
        images = self.check_images(images).astype(self.dtype, copy=False)
        x = noted(record, root=self.root(images))  # (B, width, H / 2, W / 2)
        if self.pool:
            x = noted(record, pool=self.pool(x))  # (B, width, H / 4, W / 4)
        for s, stage in enumerate(self.stages):
            x = stage(x, scope(record, f"stage{s}"))
        x = self.relu(noted(record, norm=self.norm(x)))
        self.keep(x.shape)
        pooled = noted(record, pooled=x.mean(axis=(2, 3)))  # (B, C)
        pooled = noted(record, pre_logits=pooled)  # as in a ViT: what the head reads
        return noted(record, logits=self.head(pooled))  # (B, K)

    def backward(self, dlogits):
        """dlogits (B, K)  ->  dimages (B, C, H, W); adds every parameter's gradient."""
        shape = self.take()
        dpooled = self.head.backward(dlogits)
        H, W = shape[2:]
        dx = np.broadcast_to(dpooled[:, :, None, None] / (H * W), shape)
        dx = self.norm.backward(self.relu.backward(dx))
        for stage in reversed(self.stages):
            dx = stage.backward(dx)
        if self.pool:
            dx = self.pool.backward(dx)
        return self.root.backward(dx)
