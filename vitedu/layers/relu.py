"""The rectifier, max(x, 0).  Taught in notebooks/09_bit.ipynb."""

from __future__ import annotations

import torch.nn.functional as F

__all__ = ["relu"]


def relu(x, inplace=False):
    """y = max(x, 0).     x, y (...)     inplace: write y over x; only for an x that nobody reads again"""
    return F.relu(x, inplace)
