"""Group normalisation.  Taught in notebooks/09_bit.ipynb.

The channels of each image are cut into groups; each group is shifted and scaled to mean 0 and variance 1 over all its
channels and pixels (Wu & He 2018), then every channel gets a learned scale and offset.  Nothing depends on the other
images of the batch, as it does in batch normalisation.

Shapes: `B` batch, `C` channels, `H W` image size, `G` groups, `R = C H W / G` numbers per group.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from vitedu_numpy.validate import check_divides

from ..module import Module, shaped

__all__ = ["GroupNorm", "groupnorm"]


@shaped
def groupnorm(x, weight, bias, groups, eps=1e-5):
    """xhat = (x - mean) / sqrt(var + eps),  y = xhat weight + bias.     x (B, C, H, W)   weight, bias (C,)

    Mean and population variance are those of each group: C / groups channels next to each other, with all pixels.
    """
    return F.group_norm(x, groups, weight, bias, eps)


class GroupNorm(Module):
    """Parameters `weight` (C,), starting at 1, and `bias` (C,), starting at 0, around `groupnorm`.

    Raises ValueError if `groups` does not divide C.
    """

    def __init__(self, channels: int, groups: int, eps: float = 1e-5):
        super().__init__()
        check_divides(channels, groups=groups)
        self.groups = groups
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return groupnorm(x, self.weight, self.bias, self.groups, self.eps)
