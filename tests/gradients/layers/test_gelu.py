"""vitedu_numpy/layers/gelu.py: x Phi(x), whose Phi is computed by hand because NumPy has no erf."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vitedu_numpy import check_pair
from vitedu_numpy.layers import gelu as gelu_module
from vitedu_numpy.layers.gelu import (
    gelu,
    gelu_backward,
    gelu_blocked,
    gelu_tanh,
    gelu_tanh_backward,
    normal_cdf,
    normal_density,
)

X = np.concatenate([np.linspace(-40, 40, 4001), [-0.0, 1e-300, -1e-300, 1e-8, -1e-8]])


# ---- gradients -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("forward", "backward"), [(gelu, gelu_backward), (gelu_tanh, gelu_tanh_backward)])
@pytest.mark.parametrize("shape", [(7,), (2, 5, 3)], ids=str)
def test_pairs(forward, backward, shape, rng, assert_right):
    inputs = {"x": 1.5 * rng.standard_normal(shape)}
    assert_right(check_pair(forward, backward, inputs, rng, verbose=False))


def test_the_slope_from_minus_6_to_6(assert_right):
    """One number at a time, so that no large slope hides a small one: the error is relative to each slope alone."""
    for x in np.linspace(-6, 6, 49):
        for forward, backward in ((gelu, gelu_backward), (gelu_tanh, gelu_tanh_backward)):
            _, cache = forward(np.array([x]))
            slope = backward(np.ones(1), cache)[0]
            numerical = (forward(np.array([x + 1e-5]))[0] - forward(np.array([x - 1e-5]))[0])[0] / 2e-5
            assert slope == pytest.approx(numerical, rel=1e-7, abs=1e-10)  # 1e-10: rounding of y, 1e-16 * 6 / 1e-5


def test_a_slope_by_hand():
    _, cache = gelu(np.array([0.0, 1.0]))
    dx = gelu_backward(np.array([2.0, 3.0]), cache)
    density = math.exp(-0.5) / math.sqrt(2 * math.pi)
    expected = [2 * 0.5, 3 * (0.5 * math.erfc(-1 / math.sqrt(2)) + density)]  # dy (Phi(x) + x phi(x))
    np.testing.assert_allclose(dx, expected, rtol=1e-14)  # a dozen roundings of 1e-16, and the tail's 3e-15


# ---- values ----------------------------------------------------------------------------------------------------


def test_float64_values_to_1e_14():
    """Against the C library's erfc, from -40 to 40."""
    phi = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in X])
    np.testing.assert_allclose(normal_cdf(X), phi, rtol=0, atol=1e-14)
    np.testing.assert_allclose(gelu(X)[0], X * phi, rtol=0, atol=1e-14)


def test_the_tail_is_right_relative_to_its_tiny_size():
    """Against 30 exact digits.  exp(-x^2/2) turns the rounding 1e-16 x^2/2 of its argument into a relative error."""
    mpmath = pytest.importorskip("mpmath")
    x = np.linspace(-37, 8, 226)  # below -37.5 the result is too small for a normal float64
    with mpmath.workdps(30):
        exact = [mpmath.erfc(-mpmath.mpf(float(v)) / mpmath.sqrt(2)) / 2 for v in x]
        error = np.array([float(abs(mpmath.mpf(float(p)) / e - 1)) for p, e in zip(normal_cdf(x), exact, strict=True)])
    assert (error <= 3.2e-15 + 1.2e-16 * x * x / 2).all()  # 3.2e-15: the polynomial (next test)


def test_the_tail_polynomial_is_the_chebyshev_approximation():
    """Computed afresh with 60 digits: r(a) = Phi(-a) exp(a^2/2) in t = (4 - a) / (4 + a), degree 22."""
    mp = pytest.importorskip("mpmath").mp
    degree, nodes = 22, 40  # with 40 nodes the coefficients are those of the infinite series to more than 1e-17
    with mp.workdps(60):

        def ratio(t):
            a = 4 * (1 - t) / (1 + t)
            return mp.erfc(a / mp.sqrt(2)) / 2 * mp.exp(a * a / 2)

        angles = [mp.pi * (2 * j + 1) / (2 * nodes) for j in range(nodes)]
        values = [ratio(mp.cos(angle)) for angle in angles]
        chebyshev = [
            (2 if k else 1) * mp.fsum(r * mp.cos(k * angle) for r, angle in zip(values, angles, strict=True)) / nodes
            for k in range(degree + 1)
        ]
        # From Chebyshev polynomials to powers of t: T_0 = 1, T_1 = t, T_k+1 = 2 t T_k - T_k-1.
        before, now = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]
        powers = [chebyshev[0], chebyshev[1]] + [mp.mpf(0)] * (degree - 1)
        for k in range(2, degree + 1):
            twice = [mp.mpf(0)] + [2 * c for c in now]
            before, now = now, [c - (before[i] if i < len(before) else 0) for i, c in enumerate(twice)]
            for i, c in enumerate(now):
                powers[i] += chebyshev[k] * c

        assert [float(c) for c in powers] == list(gelu_module._TAIL)

        ts = [mp.mpf(i) / 110 for i in range(-90, 111)]  # a = 40 down to 0
        polynomial = [mp.fsum(mp.mpf(c) * t**n for n, c in enumerate(gelu_module._TAIL)) for t in ts]
        assert max(abs(p / ratio(t) - 1) for p, t in zip(polynomial, ts, strict=True)) < 3.2e-15


def test_float32_values():
    """Within 6e-7 of float64: two roundings of numbers up to 4 (2.4e-7 each) and the polynomial's 9e-8."""
    x = np.linspace(-40, 40, 40001).astype(np.float32)
    (y, slope), (y64, slope64) = gelu(x), gelu(x.astype(np.float64))
    assert y.dtype == slope.dtype == normal_cdf(x).dtype == np.float32
    np.testing.assert_allclose(y, y64, rtol=0, atol=6e-7)
    np.testing.assert_allclose(slope, slope64, rtol=0, atol=6e-7)
    np.testing.assert_allclose(normal_cdf(x), normal_cdf(x.astype(np.float64)), rtol=0, atol=1.2e-7)


def test_the_float32_polynomial_is_good_to_9e_8():
    """The seven terms themselves, evaluated in float64: what is left is their own error."""
    square = np.minimum(X * X, 100)
    phi = (1 + np.tanh(X * np.polyval(gelu_module._TANH[::-1], square))) / 2
    assert abs(phi - normal_cdf(X)).max() < 9e-8


def test_tanh_form_is_close_to_the_definition_but_not_equal():
    difference = abs(gelu(X)[0] - gelu_tanh(X)[0]).max()
    assert 4e-4 < difference < 5e-4  # known: 4.7e-4 near |x| = 2.7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_piece_by_piece_is_the_same(dtype, rng):
    """`gelu` as it reads, and `gelu_blocked` as the layer computes it."""
    n = gelu_module._BLOCK + 3
    x = (2 * rng.standard_normal((n // 7 + 1, 7))).astype(dtype)  # longer than one block, and not a multiple of one
    (y, slope), (y_blocked, slope_blocked) = gelu(x), gelu_blocked(x)
    assert y_blocked.dtype == slope_blocked.dtype == dtype
    # The same operations, but vectorised exp may round otherwise where an array starts at another address: a few units
    # in the last place.
    unit = np.finfo(dtype).eps
    np.testing.assert_allclose(y_blocked, y, rtol=4 * unit, atol=4 * unit)
    np.testing.assert_allclose(slope_blocked, slope, rtol=4 * unit, atol=4 * unit)


def test_the_density_is_the_slope_of_the_distribution_function():
    x = np.linspace(-5, 5, 41)
    slope = (normal_cdf(x + 1e-5) - normal_cdf(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(normal_density(x), slope, rtol=0, atol=1e-10)  # 1e-16 / 1e-5, and h^2 / 6
