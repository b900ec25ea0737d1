"""First values of the parameters, as the official code draws them.  Taught in notebooks/06_encoder.ipynb.

Each function returns a new array; random numbers come from the generator that is passed in.
"""

from __future__ import annotations

import numpy as np

from .drawing import drawn

__all__ = ["lecun_normal", "normal", "xavier_uniform"]

# Standard deviation of a unit normal cut off at +-2: dividing by it gives the cut-off normal unit variance again.
_TRUNCATED_STD = 0.87962566103423978


def xavier_uniform(rng: np.random.Generator, shape: tuple[int, int], dtype) -> np.ndarray:
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out)), weight layout (out, in)  (Glorot & Bengio 2010)."""
    fan_out, fan_in = shape
    a = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-a, a, shape).astype(dtype)


def lecun_normal(rng: np.random.Generator, shape: tuple[int, int], dtype) -> np.ndarray:
    """Normal of variance 1 / fan_in, cut off at two standard deviations, weight layout (out, in)."""
    _, fan_in = shape
    x = rng.standard_normal(shape)
    while (outside := np.abs(x) > 2).any():
        x[outside] = rng.standard_normal(outside.sum())
    return (x * (fan_in**-0.5 / _TRUNCATED_STD)).astype(dtype)


def normal(rng: np.random.Generator, shape: tuple[int, ...], std: float, dtype) -> np.ndarray:
    """N(0, std^2)."""
    return (std * rng.standard_normal(shape)).astype(dtype)


def _empty(rng, shape, *others) -> np.ndarray:
    """What stands in where nothing is drawn; the last argument is the dtype."""
    return np.empty(shape, others[-1])


lecun_normal, normal, xavier_uniform = (drawn(f, _empty) for f in (lecun_normal, normal, xavier_uniform))
