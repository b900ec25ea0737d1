"""Softmax over the last axis.  Taught in notebooks/03_attention.ipynb."""

from __future__ import annotations

import torch

from ..module import shaped

__all__ = ["softmax"]


@shaped
def softmax(x):
    """A_i = exp(x_i) / sum_j exp(x_j).     x, A (..., S)"""
    return torch.softmax(x, dim=-1)
