"""vitedu_numpy/layers/linear.py: y = x W^T + b."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import Linear, check_pair
from vitedu_numpy.layers.linear import linear, linear_backward


def test_linear_by_hand():
    x = np.array([[1.0, 2.0, 3.0]])
    weight = np.array([[1.0, 0.0, -1.0], [0.5, 0.5, 0.5]])
    y, _ = linear(x, weight, np.array([10.0, 20.0]))
    assert y.tolist() == [[1 - 3 + 10, 0.5 * (1 + 2 + 3) + 20]]  # exact: halves and small integers


@pytest.mark.parametrize("front", [(), (5,), (2, 5), (2, 1, 5)], ids=str)
def test_linear_pair(front, rng, assert_right):
    inputs = {
        "x": rng.standard_normal((*front, 3)),
        "weight": rng.standard_normal((4, 3)),
        "bias": rng.standard_normal(4),
    }
    y, _ = linear(**inputs)
    assert y.shape == (*front, 4)
    assert_right(check_pair(linear, linear_backward, inputs, rng, verbose=False))


def test_a_transposed_input_is_a_view_and_still_right(rng, assert_right):
    x = rng.standard_normal((3, 5, 2)).T  # (2, 5, 3), not contiguous in memory
    inputs = {"x": x, "weight": rng.standard_normal((4, 3)), "bias": rng.standard_normal(4)}
    assert_right(check_pair(linear, linear_backward, inputs, rng, verbose=False))


def test_linear_layer(rng, check_layer):
    check_layer(Linear(3, 4, rng, np.float64), rng.standard_normal((2, 5, 3)))
