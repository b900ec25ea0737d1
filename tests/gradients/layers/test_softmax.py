"""vitedu_numpy/layers/softmax.py: A_i = exp(x_i) / sum_j exp(x_j)."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_pair
from vitedu_numpy.layers.softmax import softmax, softmax_backward


def test_softmax_by_hand():
    A, _ = softmax(np.log([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(
        A, [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-14
    )  # a few roundings of 1e-16 in exp, log and the sum


@pytest.mark.parametrize("shape", [(7,), (5, 7), (2, 3, 5, 7)], ids=str)
def test_softmax_pair(shape, rng, assert_right):
    inputs = {"x": 2 * rng.standard_normal(shape)}
    assert_right(check_pair(softmax, softmax_backward, inputs, rng, verbose=False))


def test_no_overflow_and_no_change_by_a_shift(rng):
    x = rng.standard_normal((5, 7))
    A, _ = softmax(x)
    shifted, _ = softmax(x + 1e6)
    np.testing.assert_allclose(shifted, A, rtol=1e-9)  # x + 1e6 keeps x to 1e-10, and A changes relative to x's error
    np.testing.assert_allclose(A.sum(axis=-1), 1, rtol=1e-14)  # seven terms, each rounded to 1e-16


def test_the_input_is_left_alone(rng):
    x = rng.standard_normal((5, 7))
    before = x.copy()
    dA = rng.standard_normal((5, 7))
    dA_before = dA.copy()
    _, cache = softmax(x)
    softmax_backward(dA, cache)
    assert np.array_equal(x, before)
    assert np.array_equal(dA, dA_before)
