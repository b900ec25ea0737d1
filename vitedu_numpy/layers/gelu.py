"""GELU, x Phi(x): exact, and the tanh form of the official code.  Taught in notebooks/05_block.ipynb.

Phi is the distribution function of the standard normal, phi its density (Hendrycks & Gimpel 2016).  NumPy has no
erf, so Phi is computed here, to machine precision.
"""

from __future__ import annotations

import numpy as np

from ..module import shaped

__all__ = [
    "gelu", "gelu_backward", "gelu_blocked", "gelu_tanh", "gelu_tanh_backward", "normal_cdf", "normal_density",
]  # fmt: skip

# float64: the normal tail decays like its density, Phi(-a) = r(a) exp(-a^2/2), with a ratio r that is smooth and slow
# for a >= 0.  In t = (4 - a) / (4 + a), which squeezes [0, inf) into (-1, 1], r is nearly a polynomial: this is its
# Chebyshev approximation of degree 22, lowest power first, to 3e-15 relative; tests/gradients/test_gelu.py
# recomputes it.
_TAIL = (
    0.09441064130196893, 0.1703977215484544, 0.12437925533926537, 0.07170740733782753, 0.03086480410622515,
    0.008492095479758216, 0.000507562076799988, -0.0006388138234854208, -0.00018718428669896724,
    4.555470650032797e-05, 2.8648442798579606e-05, -4.630796917724566e-06, -4.303904346491218e-06,
    8.274302256520367e-07, 6.62297108753446e-07, -2.026236560690965e-07, -9.534702277947434e-08,
    4.904678284724266e-08, 1.0479978903484804e-08, -9.259844747144312e-09, -4.583989356967971e-10,
    9.543550430903501e-10, -4.767851228809609e-11,
)  # fmt: skip

# float32: Phi(x) = (1 + tanh(x s(x^2))) / 2 with a polynomial s of seven terms, to 9e-8; cheaper than the tail.
# With two terms, 0.7979 (1 + 0.0447 x^2), the same idea is `gelu_tanh` below, right to 5e-4.
_TANH = (
    0.797884941, 0.0363330846, -3.25949736e-05, -5.53061947e-05, 3.96474461e-06, -1.32263357e-07, 1.75617125e-09,
)  # fmt: skip


_1_OVER_SQRT_2PI = (2 * np.pi) ** -0.5


def _horner(coefficients, t):
    """((c_n t + c_n-1) t + ...) t + c_0, elementwise."""
    *rest, last = coefficients
    y = t * last
    for c in rest[:0:-1]:
        y += c
        y *= t
    y += rest[0]
    return y


def _cdf_and_bell(x):
    """Phi(x) and exp(-x^2/2), elementwise."""
    if x.dtype == np.float32:
        square = x * x
        bell = np.exp(-0.5 * square)
        with np.errstate(over="ignore"):  # a huge |x| makes an infinite u, and tanh(u) = 1 is right
            cdf = _horner(_TANH, square)
            cdf *= x
        np.tanh(cdf, out=cdf)
        cdf *= 0.5
        cdf += 0.5
        return cdf, bell
    a = np.abs(x)
    bell = np.exp(-0.5 * a * a)
    tail = _horner(_TAIL, (4 - a) / (4 + a)) * bell  # Phi(-|x|)
    return np.where(x > 0, 1 - tail, tail), bell


@shaped
def normal_cdf(x):
    """Phi(x) = (1 + erf(x / sqrt 2)) / 2, accurate to 1e-15 in float64, 1e-7 in float32.     x (...)"""
    return _cdf_and_bell(x)[0]


@shaped
def normal_density(x):
    """phi(x) = exp(-x^2 / 2) / sqrt(2 pi), the slope of Phi.     x (...)"""
    return np.exp(-0.5 * x * x) * _1_OVER_SQRT_2PI


@shaped
def gelu(x):
    """y = x Phi(x).     x, y (...), float32 or float64

    For backward the slope is kept, by the product rule Phi(x) + x phi(x).
    """
    cdf = normal_cdf(x)
    return x * cdf, cdf + x * normal_density(x)  # [1]


@shaped
def gelu_backward(dy, cache):
    """dx = dy (Phi(x) + x phi(x)).     dy (...)  ->  dx (...)"""
    slope = cache
    return dy * slope  # from [1]


_BLOCK = 1 << 17  # numbers at a time, so that the temporaries stay in the processor's cache


@shaped
def gelu_blocked(x):
    """`gelu`, to the last bit, three times as fast on large arrays: piece by piece, the exponential used twice."""
    flat = x.reshape(-1)
    y, slope = np.empty_like(flat), np.empty_like(flat)
    for start in range(0, flat.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        xs = flat[part]
        cdf, bell = _cdf_and_bell(xs)
        np.multiply(xs, cdf, out=y[part])
        bell *= _1_OVER_SQRT_2PI
        bell *= xs
        np.add(cdf, bell, out=slope[part])
    return y.reshape(x.shape), slope.reshape(x.shape)


_SQRT_2_OVER_PI = (2 / np.pi) ** 0.5


@shaped
def gelu_tanh(x):
    """y = x (1 + tanh(u)) / 2,  u = sqrt(2/pi) (x + 0.044715 x^3).     x, y (...)"""
    square = x * x
    u = _SQRT_2_OVER_PI * x * (1 + 0.044715 * square)  # [1]
    th = np.tanh(u)  # [2]
    y = 0.5 * x * (1 + th)  # [3]
    return y, (x, th)


@shaped
def gelu_tanh_backward(dy, cache):
    """dx = dy ((1 + tanh u) / 2 + x (1 - tanh^2 u) / 2 * du/dx).     dy (...)  ->  dx (...)"""
    x, th = cache
    du = _SQRT_2_OVER_PI * (1 + 3 * 0.044715 * x * x)  # du/dx, from [1]
    slope = 0.5 * (1 + th) + 0.5 * x * (1 - th * th) * du  # from [3], and [2]
    return dy * slope
