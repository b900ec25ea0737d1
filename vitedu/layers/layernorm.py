"""Layer normalisation.  Taught in notebooks/05_block.ipynb.

Each token is shifted and scaled to mean 0 and variance 1 over its own D numbers (Ba et al. 2016), then given a
learned scale and offset per feature.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..module import Module, shaped

__all__ = ["LayerNorm", "layernorm"]


@shaped
def layernorm(x, weight, bias, eps=1e-6):
    """xhat = (x - mean) / sqrt(var + eps),  y = xhat weight + bias.     x (..., D)   weight, bias (D,)

    `var` is the population variance (divide by D) and eps stands inside the root.
    """
    return F.layer_norm(x, weight.shape, weight, bias, eps)


class LayerNorm(Module):
    """Parameters `weight` (D,), starting at 1, and `bias` (D,), starting at 0, around `layernorm`."""

    def __init__(self, width: int, eps: float = 1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return layernorm(x, self.weight, self.bias, self.eps)
