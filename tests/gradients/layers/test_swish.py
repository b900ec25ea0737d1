"""vitedu_numpy/layers/swish.py: sigmoid and swish."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_pair
from vitedu_numpy.layers.swish import Sigmoid, Swish, sigmoid, sigmoid_backward, swish, swish_backward


def test_by_hand():
    """exp(ln 3) = 3, so sigmoid(ln 3) = 3/4 and sigmoid(-ln 3) = 1/4."""
    x = np.log(3.0) * np.array([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(sigmoid(x)[0], [0.25, 0.5, 0.75], rtol=1e-15)  # one tanh
    np.testing.assert_allclose(swish(x)[0], x * [0.25, 0.5, 0.75], rtol=1e-15)


@pytest.mark.parametrize(("forward", "backward"), [(sigmoid, sigmoid_backward), (swish, swish_backward)])
def test_pairs(forward, backward, rng, assert_right):
    inputs = {"x": 3 * rng.standard_normal((3, 4, 5))}
    assert_right(check_pair(forward, backward, inputs, rng, verbose=False))


@pytest.mark.parametrize("layer", [Sigmoid, Swish])
def test_layers(layer, rng, check_layer):
    check_layer(layer(), rng.standard_normal((2, 3, 4)))


def test_huge_inputs(rng):
    """No overflow anywhere: the limits are 0 and 1 for the sigmoid, 0 and x for swish."""
    x = np.array([-1e300, -800.0, 800.0, 1e300])
    assert np.array_equal(sigmoid(x)[0], [0, 0, 1, 1])
    y, cache = swish(x)
    assert np.array_equal(y, [0, 0, 800, 1e300])
    assert np.array_equal(swish_backward(np.ones(4), cache), [0, 0, 1, 1])


def test_swish_has_no_kink_and_a_dip():
    """Its least value, -0.2785 at x = -1.2785: there the slope is 0."""
    y, cache = swish(np.array([-1.2784645427610738]))
    assert y[0] == pytest.approx(-0.2784645427610738, rel=1e-14)
    assert swish_backward(np.ones(1), cache)[0] == pytest.approx(0, abs=1e-15)
