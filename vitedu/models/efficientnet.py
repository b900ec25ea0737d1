"""EfficientNet: a ResNet of cheap, wide blocks (Tan & Le 2019, arXiv:1905.11946), as in tensorflow/tpu.

Taught in notebooks/17_state_of_the_art.ipynb.

The backbone of Noisy Student (Xie et al. 2020, arXiv:1911.04252).

Shapes: `B` batch, `C` channels, `H W` image size, `K` classes.
"""

from __future__ import annotations

import torch
from torch import nn

from vitedu_numpy.config import EfficientNetConfig
from vitedu_numpy.record import note, noted, scope

from ..layers.batchnorm import BatchNorm
from ..layers.conv import Conv
from ..layers.depthwise import DepthwiseConv
from ..layers.dropout import Dropout, StochasticDepth
from ..layers.linear import Linear
from ..layers.squeeze import SqueezeExcite
from ..layers.swish import Swish
from ..module import Module
from .model import Model, check_images

__all__ = ["EfficientNet", "MBConv"]


class MBConv(Module):
    """An inverted residual block: wide inside and narrow outside, where a ResNet's unit is the other way round.

    h = swish(norm1(expand(x))), or x itself where nothing is to be expanded;  f(x) = norm3(project(se(swish(norm2(
    depthwise(h)))))), without an activation at the end;  out = drop_path(f(x)) + x where both have the same shape,
    else f(x).  settings: an `MBConvSettings`, config: an `EfficientNetConfig`.
    """

    def __init__(self, settings, config, rng=None):
        super().__init__()
        s, norm = settings, dict(momentum=config.batchnorm_momentum, eps=config.batchnorm_eps)
        wider = s.hidden != s.inputs
        self.expand = Conv(s.inputs, s.hidden, 1, rng) if wider else None
        self.norm1, self.swish1 = (BatchNorm(s.hidden, **norm), Swish()) if wider else (None, None)
        self.depthwise = DepthwiseConv(s.hidden, s.kernel, rng, s.stride)
        self.norm2, self.swish2 = BatchNorm(s.hidden, **norm), Swish()
        self.se = SqueezeExcite(s.hidden, s.squeezed, rng)
        self.project = Conv(s.hidden, s.outputs, 1, rng)
        self.norm3 = BatchNorm(s.outputs, **norm)
        self.drop_path = StochasticDepth(s.stochastic_depth) if s.has_shortcut else None

    def forward(self, x, record=None):
        """x (B, C, H, W)  ->  (B, outputs, ceil(H / stride), ceil(W / stride))"""
        h = x
        if self.expand:
            h = noted(record, expand=self.expand(x))
            h = self.swish1(noted(record, norm1=self.norm1(h)))
        h = noted(record, depthwise=self.depthwise(h))
        h = self.swish2(noted(record, norm2=self.norm2(h)))
        h = self.se(h, scope(record, "se"))
        f = noted(record, project=self.project(h))
        f = noted(record, norm3=self.norm3(f))
        out = self.drop_path(f) + x if self.drop_path else f
        note(record, out=out)
        return out


class EfficientNet(Model):
    """Images to class scores.

    config: an `EfficientNetConfig` (of either package); rng: where the first parameters come from (a torch.Generator,
    a seed, or None for PyTorch's own generator).  `logits = model(images)`, then `loss.backward()`, then
    `model.gradients()`.  `model.train()` and `model.eval()` choose which statistics normalise: the batch's or the
    running averages.
    """

    def __init__(self, config: EfficientNetConfig, rng=None):
        super().__init__()
        rng = torch.Generator().manual_seed(rng) if isinstance(rng, int) else rng
        c, self.config = config, config
        norm = dict(momentum=c.batchnorm_momentum, eps=c.batchnorm_eps)
        self.stem = Conv(c.channels, c.stem_channels, 3, rng, c.stem_stride)
        self.stem_norm, self.stem_swish = BatchNorm(c.stem_channels, **norm), Swish()
        self.blocks = nn.ModuleList(MBConv(settings, config, rng) for settings in c.blocks)
        self.top = Conv(c.blocks[-1].outputs, c.feature_channels, 1, rng)
        self.norm, self.swish = BatchNorm(c.feature_channels, **norm), Swish()
        self.drop = Dropout(c.dropout)
        self.head = Linear(c.feature_channels, c.num_classes, rng)
        nn.init.zeros_(self.head.weight)  # a new head starts with no opinion: every class equally likely
        nn.init.constant_(self.head.bias, c.head_bias)

    def check_images(self, images) -> torch.Tensor:
        """Refuse what the model would silently get wrong; see `forward`."""
        return check_images(images, self.config.channels)

    def forward(self, images, record=None):
        """images (B, C, H, W) in [-1, 1], of any size  ->  logits (B, K)

        record: an optional dict that receives every intermediate by name.  Raises TypeError for images that are not
        floating point, ValueError for a wrong shape, values not finite or far beyond [-1, 1].
        """
        images = self.check_images(images).to(self.head.weight.dtype)
        x = noted(record, stem=self.stem(images))
        x = self.stem_swish(noted(record, stem_norm=self.stem_norm(x)))
        for b, block in enumerate(self.blocks):
            x = block(x, scope(record, f"block{b:02d}"))
        x = noted(record, top=self.top(x))
        x = self.swish(noted(record, norm=self.norm(x)))
        pooled = noted(record, pooled=x.mean(dim=(2, 3)))  # (B, C)
        pooled = noted(record, pre_logits=self.drop(pooled))  # as in a ViT: what the head reads
        return noted(record, logits=self.head(pooled))  # (B, K)
