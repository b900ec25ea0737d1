"""The linear layer, y = x W^T + b.  Taught in notebooks/02_linear.ipynb.

Shapes: `I` inputs, `O` outputs; any number of axes may stand in front.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..init import xavier_uniform
from ..module import Module, shaped

__all__ = ["Linear", "linear"]


@shaped
def linear(x, weight, bias):
    """y = x W^T + b.     x (..., I)   weight W (O, I)   bias b (O,)   ->   y (..., O)"""
    return F.linear(x, weight, bias)


class Linear(Module):
    """Parameters `weight` (O, I) and `bias` (O,) around `linear`."""

    def __init__(self, in_features: int, out_features: int, rng=None):
        super().__init__()
        self.weight = nn.Parameter(xavier_uniform(torch.empty(out_features, in_features), rng))
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, x):
        return linear(x, self.weight, self.bias)
