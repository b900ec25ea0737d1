"""The rectifier, max(x, 0).  Taught in notebooks/09_bit.ipynb."""

from __future__ import annotations

import torch.nn.functional as F

from ..module import Module, shaped

__all__ = ["Relu", "relu"]


@shaped
def relu(x):
    """y = max(x, 0).     x, y (...)"""
    return F.relu(x)


class Relu(Module):
    """`relu` as a layer, written over its input: for what a norm or a sum has just made, and nobody reads again."""

    @shaped
    def forward(self, x):
        """x (...)  ->  (...)"""
        return F.relu(x, inplace=True)
