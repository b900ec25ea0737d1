"""vitedu_numpy/layers/dropout.py: y = mask x."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import Dropout, check_pair
from vitedu_numpy.layers.dropout import dropout, dropout_backward, dropout_mask


def test_dropout_pair(rng, assert_right):
    mask = rng.choice([0.0, 1.5, 2.5], (2, 5, 3))
    inputs = {"x": rng.standard_normal((2, 5, 3))}
    assert_right(check_pair(dropout, dropout_backward, inputs, rng, verbose=False, mask=mask))


def test_a_mask_holds_0_and_1_over_1_minus_rate_and_keeps_the_mean(rng):
    mask = dropout_mask(rng, (200, 500), 0.2, np.dtype(np.float64))
    assert sorted(set(mask.ravel().tolist())) == [0, 1 / 0.8]
    # The mean of n = 100000 draws with standard deviation sqrt(0.2 / 0.8) = 0.5 is right to 0.5 / sqrt(n) = 0.0016.
    assert abs(mask.mean() - 1) < 5 * 0.0016


def test_dropout_layer_with_a_fixed_mask(rng, check_layer, fix_dropout):
    layer = fix_dropout(Dropout(0.5, rng), {"": (2, 5, 3)})
    x = rng.standard_normal((2, 5, 3))
    np.testing.assert_array_equal(layer(x), x * layer.mask)
    check_layer(layer, x)


@pytest.mark.parametrize(("rate", "training"), [(0.0, True), (0.5, False)])
def test_dropout_layer_that_does_nothing(rate, training, rng, check_layer):
    layer = Dropout(rate, rng).train(training)
    x = rng.standard_normal((2, 5, 3))
    np.testing.assert_array_equal(layer(x), x)
    check_layer(layer, x)


def test_backward_uses_the_mask_of_its_own_forward(rng):
    layer = Dropout(0.4, rng)
    x = np.ones((20, 30))
    for _ in range(2):  # a fresh mask at every forward
        y = layer(x)
        assert 0 < (y == 0).mean() < 1
        np.testing.assert_array_equal(layer.backward(np.ones_like(x)), y)  # x = 1 and dy = 1: both are the mask


def test_eval_mode_ignores_even_a_fixed_mask(rng):
    layer = Dropout(0.5, rng).eval()
    layer.mask = np.zeros((2, 3))
    x = rng.standard_normal((2, 3))
    np.testing.assert_array_equal(layer(x), x)
