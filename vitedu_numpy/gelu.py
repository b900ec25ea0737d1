"""GELU, x Phi(x): exact, and the tanh form of the official code.  Taught in notebooks/05_block.ipynb.

Phi is the distribution function of the standard normal, phi its density (Hendrycks & Gimpel 2016).  NumPy has no
erf, so Phi is computed here, to machine precision.
"""

from __future__ import annotations

import numpy as np

__all__ = ["gelu", "gelu_backward", "gelu_tanh", "gelu_tanh_backward", "normal_cdf"]

# The normal tail decays like its density: Phi(-a) = r(a) exp(-a^2/2) with a ratio r that is smooth and slow for
# a >= 0.  In t = (4 - a) / (4 + a), which squeezes [0, inf) into (-1, 1], r is nearly a polynomial: these are its
# Chebyshev approximations of degree 22 (error 3e-15 relative) and 9 (1e-7), lowest power first.  tests/numpy/
# test_gelu.py recomputes them with 60 digits.
_TAIL = {
    np.dtype(np.float64): (
        0.09441064130196893, 0.1703977215484544, 0.12437925533926537, 0.07170740733782753, 0.03086480410622515,
        0.008492095479758216, 0.000507562076799988, -0.0006388138234854208, -0.00018718428669896724,
        4.555470650032797e-05, 2.8648442798579606e-05, -4.630796917724566e-06, -4.303904346491218e-06,
        8.274302256520367e-07, 6.62297108753446e-07, -2.026236560690965e-07, -9.534702277947434e-08,
        4.904678284724266e-08, 1.0479978903484804e-08, -9.259844747144312e-09, -4.583989356967971e-10,
        9.543550430903501e-10, -4.767851228809609e-11,
    ),
    np.dtype(np.float32): (
        0.09441067930029039, 0.1703976894669538, 0.12437732542357638, 0.07170805958047266, 0.03088061417958373,
        0.008488349618920317, 0.00046149059260954553, -0.0006298726324926129, -0.00013014497419054335,
        3.5776685043746024e-05,
    ),
}  # fmt: skip


def _tail_and_bell(x):
    """Phi(-|x|) and exp(-x^2/2), elementwise, from a single exp."""
    a = np.abs(x)
    t = (4 - a) / (4 + a)
    first, *rest = reversed(_TAIL[x.dtype])
    tail = first * t
    for coefficient in rest[:-1]:  # Horner: ((c_n t + c_n-1) t + ...) t + c_0
        tail += coefficient
        tail *= t
    tail += rest[-1]
    bell = np.exp(-0.5 * x * x)
    tail *= bell
    return tail, bell


def normal_cdf(x):
    """Phi(x) = (1 + erf(x / sqrt 2)) / 2, accurate to 1e-15 in float64, 1e-7 in float32.     x (...)"""
    tail, _ = _tail_and_bell(x)
    return np.where(x > 0, 1 - tail, tail)


def gelu(x):
    """y = x Phi(x).     x, y (...), float32 or float64

    The slope Phi(x) + x phi(x) needs the same exp, so it is computed here and kept for backward.
    """
    tail, bell = _tail_and_bell(x)
    cdf = np.where(x > 0, 1 - tail, tail)  # Phi(x)
    y = x * cdf  # [1]
    slope = bell  # phi(x) = bell / sqrt(2 pi)
    slope *= x
    slope *= 1 / np.sqrt(2 * np.pi).astype(x.dtype)
    slope += cdf
    return y, slope


def gelu_backward(dy, cache):
    """dx = dy (Phi(x) + x phi(x))."""
    slope = cache
    return dy * slope  # from [1]


_SQRT_2_OVER_PI = (2 / np.pi) ** 0.5


def gelu_tanh(x):
    """y = x (1 + tanh(u)) / 2,  u = sqrt(2/pi) (x + 0.044715 x^3).     x, y (...)"""
    square = x * x
    u = _SQRT_2_OVER_PI * x * (1 + 0.044715 * square)  # [1]
    th = np.tanh(u)  # [2]
    y = 0.5 * x * (1 + th)  # [3]
    return y, (x, th)


def gelu_tanh_backward(dy, cache):
    """dx = dy ((1 + tanh u) / 2 + x (1 - tanh^2 u) / 2 * du/dx)."""
    x, th = cache
    du = _SQRT_2_OVER_PI * (1 + 3 * 0.044715 * x * x)  # du/dx, from [1]
    slope = 0.5 * (1 + th) + 0.5 * x * (1 - th * th) * du  # from [3], and [2]
    return dy * slope
