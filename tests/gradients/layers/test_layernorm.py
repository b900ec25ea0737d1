"""vitedu_numpy/layers/layernorm.py: (x - mean) / sqrt(var + eps), scaled and shifted per feature."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import LayerNorm, check_pair
from vitedu_numpy.layers.layernorm import layernorm, layernorm_backward


def test_layernorm_by_hand():
    x = np.array([[1.0, 2.0, 6.0]])  # mean 3, population variance (4 + 1 + 9) / 3 = 14/3; with eps = 1/3: 5
    y, _ = layernorm(x, weight=np.array([1.0, 2.0, 3.0]), bias=np.array([0.0, 10.0, 20.0]), eps=1 / 3)
    expected = np.array([[-2, -1, 3]]) / np.sqrt(5) * [1, 2, 3] + [0, 10, 20]
    np.testing.assert_allclose(y, expected, rtol=1e-14)  # about ten roundings of 1e-16, with room


@pytest.mark.parametrize("eps", [1e-6, 0.3])
@pytest.mark.parametrize("front", [(), (5,), (2, 5)], ids=str)
def test_layernorm_pair(front, eps, rng, assert_right):
    x = rng.standard_normal((*front, 7))
    if front == (5,):
        x *= np.array([[3.0], [1.0], [0.5], [0.2], [0.1]])  # rows of different length: rstd belongs to the row
    inputs = {"x": x, "weight": rng.uniform(0.5, 2, 7), "bias": rng.standard_normal(7)}
    assert_right(check_pair(layernorm, layernorm_backward, inputs, rng, verbose=False, eps=eps))


def test_what_moves_only_mean_or_length_gets_no_gradient(rng):
    x, weight, bias = rng.standard_normal((5, 7)), rng.uniform(0.5, 2, 7), rng.standard_normal(7)
    _, cache = layernorm(x, weight, bias, eps=1e-30)  # eps alone breaks the second rule
    dx, _, _ = layernorm_backward(rng.standard_normal((5, 7)), cache)
    centred = x - x.mean(axis=-1, keepdims=True)
    # Sums of seven numbers of size 1 that cancel: what is left is rounding, about 1e-16 each.
    np.testing.assert_allclose(dx.sum(axis=-1), 0, atol=1e-13)
    np.testing.assert_allclose((dx * centred).sum(axis=-1), 0, atol=1e-13)


@pytest.mark.parametrize("eps", [1e-6, 0.3])
def test_layernorm_layer(eps, rng, check_layer):
    check_layer(LayerNorm(7, eps, np.float64), rng.standard_normal((2, 5, 7)))


def test_the_layer_uses_its_own_eps(rng):
    x = 0.01 * rng.standard_normal((5, 7))
    with_eps, without = LayerNorm(7, 0.3, np.float64)(x), LayerNorm(7, 1e-12, np.float64)(x)
    assert abs(with_eps).max() < 0.1 * abs(without).max()  # var is near 1e-4, so sqrt(var + 0.3) is 50 times larger
