"""Swish, x sigmoid(x): a rectifier without a kink.

Taught in notebooks/17_state_of_the_art.ipynb.

Ramachandran et al. (2017, arXiv:1710.05941); also called SiLU.  What EfficientNet has in place of a rectifier.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..module import Module

__all__ = ["Sigmoid", "Swish", "sigmoid", "swish"]


def sigmoid(x):
    """y = 1 / (1 + exp(-x)).     x, y (...)"""
    return torch.sigmoid(x)


class Sigmoid(Module):
    """`sigmoid` as a layer."""

    def forward(self, x):
        return sigmoid(x)


def swish(x):
    """y = x sigmoid(x).     x, y (...)"""
    return F.silu(x)


class Swish(Module):
    """`swish` as a layer."""

    def forward(self, x):
        return swish(x)
