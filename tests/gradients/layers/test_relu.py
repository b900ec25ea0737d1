"""vitedu_numpy/layers/relu.py: max(x, 0)."""

from __future__ import annotations

import numpy as np

from vitedu_numpy import check_pair
from vitedu_numpy.layers.relu import Relu, relu, relu_backward


def test_relu_by_hand():
    y, cache = relu(np.array([-2.0, 0.0, 3.0]))
    assert np.array_equal(y, [0, 0, 3])
    assert np.array_equal(relu_backward(np.array([5.0, 6.0, 7.0]), cache), [0, 0, 7])  # slope 0 at the kink


def test_relu_pair(rng, assert_right):
    """Random numbers keep clear of the kink at 0: one within the step h = 1e-5 of it has odds of about 1e-5."""
    assert_right(check_pair(relu, relu_backward, {"x": rng.standard_normal((2, 3, 5))}, rng, verbose=False))


def test_the_layer_writes_over_its_input(rng):
    x, dy, layer = rng.standard_normal((3, 5)), rng.standard_normal((3, 5)), Relu()
    expected, cache = relu(x)
    assert (x < 0).any()
    y = layer(x)
    assert y is x
    assert np.array_equal(y, expected)
    assert np.array_equal(layer.backward(dy), relu_backward(dy, cache))
