"""vitedu_numpy/gradcheck.py: the judge is judged.  A right gradient passes, a wrong one does not."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import Linear, check_model, check_pair, numerical_gradient, relative_error
from vitedu_numpy.layers.linear import linear, linear_backward


def test_numerical_gradient_of_a_known_function():
    x = np.array([[0.5, -1.0], [2.0, 3.0]])
    before = x.copy()
    gradient = numerical_gradient(lambda: float((x**3).sum()), x)
    # d(x^3) = 3 x^2; central differences add h^2 = 1e-10, and 27 / h * 1e-16 of rounding.
    np.testing.assert_allclose(gradient, 3 * before**2, atol=2e-9)
    assert np.array_equal(x, before)
    some = numerical_gradient(lambda: float((x**3).sum()), x, entries=[3, 0])
    np.testing.assert_allclose(some, [27, 0.75], atol=2e-9)


def test_numerical_gradient_refuses_float32():
    with pytest.raises(TypeError, match="float32"):
        numerical_gradient(lambda: 0.0, np.ones(3, np.float32))


def test_relative_error_by_hand():
    assert relative_error([1.0, 2.0], [1.0, 4.0]) == 0.5  # largest difference 2, largest entry 4
    assert relative_error([0.0, 0.0], [0.0, 0.0]) == 0
    assert relative_error([], []) == 0
    with pytest.raises(ValueError, match="equal shapes"):
        relative_error([1.0], [[1.0]])


def test_check_pair_finds_a_wrong_gradient_and_names_it(rng, capsys):
    inputs = {"x": rng.standard_normal((5, 3)), "weight": rng.standard_normal((4, 3)), "bias": rng.standard_normal(4)}

    def forgets_the_mean(dy, cache):
        dx, dweight, dbias = linear_backward(dy, cache)
        return dx, dweight / 5, dbias

    errors = check_pair(linear, forgets_the_mean, inputs, rng)
    assert errors["x"] < 1e-7 < 0.5 < errors["weight"]
    printed = capsys.readouterr().out.splitlines()
    assert [(line.split()[0], line.split()[-1]) for line in printed] == [
        ("x", "ok"),
        ("weight", "WRONG"),
        ("bias", "ok"),
    ]


def test_check_pair_wants_a_gradient_for_every_input(rng):
    inputs = {"x": rng.standard_normal((5, 3)), "weight": rng.standard_normal((4, 3)), "bias": rng.standard_normal(4)}
    with pytest.raises(ValueError, match="backward gave 2 gradients; expected 3, of x, weight, bias"):
        check_pair(linear, lambda dy, cache: linear_backward(dy, cache)[:2], inputs, rng, verbose=False)


@pytest.mark.parametrize("samples", [None, 4])
def test_check_model_finds_a_wrong_gradient_and_names_it(samples, rng, scramble):
    class Forgetful(Linear):
        def backward(self, dy):
            dx = super().backward(dy)
            self.bias.grad = -self.bias.grad
            return dx

    x = rng.standard_normal((2, 5, 3))
    errors = check_model(scramble(Forgetful(3, 4, rng, np.float64)), x, samples=samples, verbose=False)
    assert errors["bias"] > 0.5
    assert max(errors["weight"], errors["input"]) < 1e-7
