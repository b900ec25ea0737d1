"""First values of the parameters, as the official code draws them.  Taught in notebooks/06_encoder.ipynb.

Each function fills a tensor in place; random numbers come from the generator that is passed in (None: PyTorch's own).
"""

from __future__ import annotations

from torch import nn

from vitedu_numpy.drawing import drawn

__all__ = ["lecun_normal", "normal", "xavier_uniform"]

# Standard deviation of a unit normal cut off at +-2: dividing by it gives the cut-off normal unit variance again.
_TRUNCATED_STD = 0.87962566103423978


def xavier_uniform(tensor, rng=None):
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out)), weight layout (out, in)  (Glorot & Bengio 2010)."""
    return nn.init.xavier_uniform_(tensor, generator=rng)


def lecun_normal(tensor, rng=None):
    """Normal of variance 1 / fan_in, cut off at two standard deviations, weight layout (out, in)."""
    std = tensor.shape[1] ** -0.5 / _TRUNCATED_STD
    return nn.init.trunc_normal_(tensor, std=std, a=-2 * std, b=2 * std, generator=rng)


def normal(tensor, std: float, rng=None):
    """N(0, std^2)."""
    return nn.init.normal_(tensor, std=std, generator=rng)


def _untouched(tensor, *others):
    """What stands in where nothing is drawn."""
    return tensor


lecun_normal, normal, xavier_uniform = (drawn(f, _untouched) for f in (lecun_normal, normal, xavier_uniform))
