"""A model whose answers are known beforehand: it tells grey images by their level."""

from __future__ import annotations

import torch
from torch import nn

import vitedu
from vitedu.evaluation import Transform


class Greys(nn.Module):
    """Class k is the likeliest for an image whose mean, in [0, 255], is nearest to levels[k]."""

    def __init__(self, levels, classes=None):
        super().__init__()
        self.levels = nn.Parameter(torch.as_tensor(levels, dtype=torch.float32) / 127.5 - 1)
        self.config = vitedu.ViTConfig(8, 8, 4, 1, 1, 4, num_classes=len(levels))
        self.classes, self.transform = classes, Transform((3, 8, 8))

    def forward(self, images):
        mean = images.mean((1, 2, 3))[:, None]
        return -((mean - self.levels) ** 2)
