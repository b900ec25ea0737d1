"""GELU, x Phi(x): exact, and the tanh form of the official code.  Taught in notebooks/05_block.ipynb.

Phi is the distribution function of the standard normal (Hendrycks & Gimpel 2016).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..module import shaped

__all__ = ["gelu", "gelu_tanh", "normal_cdf"]


@shaped
def normal_cdf(x):
    """Phi(x) = (1 + erf(x / sqrt 2)) / 2.     x (...)"""
    return 0.5 * torch.erfc(-x * 2**-0.5)


@shaped
def gelu(x):
    """y = x Phi(x).     x, y (...)"""
    return F.gelu(x)


@shaped
def gelu_tanh(x):
    """y = x (1 + tanh(u)) / 2,  u = sqrt(2/pi) (x + 0.044715 x^3).     x, y (...)"""
    return F.gelu(x, approximate="tanh")
