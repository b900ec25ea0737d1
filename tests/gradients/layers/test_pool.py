"""vitedu_numpy/layers/pool.py: the largest number of every window."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_pair
from vitedu_numpy.layers.pool import MaxPool, max_pool, max_pool_backward

INF = float("inf")
PADDINGS = {"one": 1, "none": 0, "same": "same", "uneven": ((0, 1), (1, 0))}


def test_max_pool_by_hand():
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    y, cache = max_pool(x, kernel=3, stride=2, padding=1, border=-INF)
    assert np.array_equal(y[0, 0], [[4, 5], [7, 8]])
    dx = max_pool_backward(np.array([[[[10.0, 20.0], [30.0, 40.0]]]]), cache)
    assert np.array_equal(dx[0, 0], [[0, 0, 0], [0, 10, 20], [0, 30, 40]])


def test_a_border_of_zeros_can_win():
    """All pixels are negative: a window that reaches over the edge answers 0, and its gradient reaches no pixel."""
    x = -np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    zero, cache = max_pool(x, border=0.0)
    none, _ = max_pool(x, border=-INF)
    assert np.array_equal(zero[0, 0], np.zeros((2, 2)))
    assert np.array_equal(none[0, 0], [[-1, -2], [-4, -5]])
    assert not max_pool_backward(np.ones_like(zero), cache).any()


def test_of_equal_numbers_the_first_gets_the_gradient():
    x = np.array([[[[1.0, 7.0, 0.0], [7.0, 7.0, 2.0]]]])
    _, cache = max_pool(x, kernel=2, stride=1, padding=0)
    dx = max_pool_backward(np.array([[[[10.0, 20.0]]]]), cache)  # row by row, (0, 1) comes first in both windows
    assert np.array_equal(dx[0, 0], [[0, 30, 0], [0, 0, 0]])


@pytest.mark.parametrize("border", [0.0, -INF], ids=["zero", "-inf"])
@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 1), (3, 1), (2, 3)])
def test_max_pool_pair(kernel, stride, padding, border, rng, assert_right):
    """A change of 1e-5 must not change the winner: random numbers are further apart than that."""
    x = rng.permutation(2 * 3 * 5 * 8).reshape(2, 3, 5, 8) / 100 - 0.555  # 0.01 apart, and from 0
    inputs, settings = {"x": x}, dict(kernel=kernel, stride=stride, padding=padding, border=border)
    assert_right(check_pair(max_pool, max_pool_backward, inputs, rng, verbose=False, **settings))


def test_max_pool_layer(rng, check_layer):
    check_layer(MaxPool(3, 2, "same", -INF), rng.standard_normal((2, 3, 5, 8)))
    assert MaxPool(2, 1, 0, 3.0)(np.zeros((1, 1, 4, 5))).shape == (1, 1, 3, 4)
    assert (MaxPool(2, 2, 1, border=3.0)(np.zeros((1, 1, 2, 2))) == 3).all()
