"""vitedu_numpy/transfer/probe.py and lbfgs.py: the loss's gradient, its minimum, and how far SGD gets."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import numerical_gradient, relative_error
from vitedu_numpy.training.losses import one_hot
from vitedu_numpy.transfer.lbfgs import inverse_hessian_times, lbfgs
from vitedu_numpy.transfer.probe import (
    fit_logistic,
    fit_sgd,
    linear_probe,
    logistic_loss,
    logistic_loss_backward,
    sgd_gradients,
)
from vitedu_numpy.transfer.shots import hold_out

TOLERANCE = 1e-7  # as all gradients here: central differences in float64


@pytest.fixture
def data(rng):
    """Three classes that overlap, four features."""
    labels = np.arange(90) % 3
    return rng.standard_normal((3, 4))[labels] + rng.standard_normal((90, 4)), labels


# ---- the loss --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("l2", [0.3, 7.0])
def test_the_gradient_is_that_of_central_differences(l2, data, rng):
    x, labels = data
    targets = one_hot(labels, 3, dtype=np.float64)
    weight, bias = rng.standard_normal((3, 4)), rng.standard_normal(3)
    _, cache = logistic_loss(weight, bias, x, targets, l2)
    gradients = logistic_loss_backward(1.7, cache)
    for parameter, gradient in zip((weight, bias), gradients, strict=True):
        expected = numerical_gradient(lambda: 1.7 * logistic_loss(weight, bias, x, targets, l2)[0], parameter)
        assert relative_error(gradient, expected) <= TOLERANCE


def test_the_gradients_of_probes_side_by_side(data, rng):
    x, labels = data[0][:7], data[1][:7]
    targets = one_hot(labels, 3, dtype=np.float64)
    weight, bias = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3))
    gradients = sgd_gradients(weight, bias, x, targets)

    def sum_of_losses():
        return sum(logistic_loss(W, b, x, targets, 0.0)[0] for W, b in zip(weight, bias, strict=True))

    for parameter, gradient in zip((weight, bias), gradients, strict=True):
        assert relative_error(gradient, numerical_gradient(sum_of_losses, parameter)) <= TOLERANCE


# ---- its minimum -----------------------------------------------------------------------------------------------------


def test_inverse_hessian_by_hand():
    """With as many steps along the axes as there are axes, the estimate of H^-1 is exact: H = diag(2, 5)."""
    memory = [(np.array([1.0, 0.0]), np.array([2.0, 0.0])), (np.array([0.0, 1.0]), np.array([0.0, 5.0]))]
    assert inverse_hessian_times(np.array([4.0, 10.0]), memory).tolist() == [2, 2]


def test_lbfgs_on_a_narrow_valley():
    """Rosenbrock's function: 0 at (1, 1), at the end of a bent valley."""

    def function(x):
        a, b = 1 - x[0], x[1] - x[0] ** 2
        return a**2 + 100 * b**2, np.array([-2 * a - 400 * x[0] * b, 200 * b])

    x, slope = lbfgs(function, np.array([-1.2, 1.0]))
    assert slope <= 1e-8
    np.testing.assert_allclose(x, [1, 1], atol=1e-8)


def test_lbfgs_stops_where_it_is_told(data):
    calls = []

    def function(x):
        calls.append(1)
        return x @ x, 2 * x

    x, slope = lbfgs(function, np.full(3, 5.0), steps=0)
    assert (x.tolist(), slope, len(calls)) == ([5, 5, 5], 10, 1)


def test_the_loss_has_no_slope_at_the_solution(data):
    x, labels = data
    weight, bias = fit_logistic(x, labels, 3, 0.01, tolerance=1e-9)
    _, cache = logistic_loss(weight, bias, x, one_hot(labels, 3, dtype=np.float64), 0.01)
    assert max(abs(gradient).max() for gradient in logistic_loss_backward(1.0, cache)) <= 1e-9


def test_sgd_comes_near_the_minimum(data):
    """A hundred epochs without a penalty, against the minimum with hardly any: 1 % of the loss apart, and a large rate
    is nearer than a small one."""
    x, labels = data
    targets = one_hot(labels, 3, dtype=np.float64)
    least, _ = logistic_loss(*fit_logistic(x, labels, 3, 1e-8), x, targets, 0.0)
    weights, biases = fit_sgd(x, labels, 3, rates=(0.01, 1.0), epochs=100, batch_size=30)
    slow, quick = (logistic_loss(W, b, x, targets, 0.0)[0] for W, b in zip(weights, biases, strict=True))
    assert least <= quick < 1.01 * least < slow


def test_one_rate_alone_is_the_same(data):
    x, labels = data
    weights, _ = fit_sgd(x, labels, 3, rates=(0.5, 0.1), epochs=3, batch_size=20)
    for W, rate in zip(weights, (0.5, 0.1), strict=True):
        (alone,), _ = fit_sgd(x, labels, 3, rates=(rate,), epochs=3, batch_size=20)
        np.testing.assert_allclose(alone, W, rtol=1e-12)


# ---- choosing --------------------------------------------------------------------------------------------------------


def test_hold_out_takes_of_every_class_and_leaves_some():
    labels = np.array([0] * 10 + [1] * 20 + [2])
    kept, held = hold_out(labels, 0.2, 0)
    assert sorted([*kept, *held]) == list(range(31))
    assert np.bincount(labels[held], minlength=3).tolist() == [2, 4, 0]  # the last of its class stays
    assert not np.array_equal(held, hold_out(labels, 0.2, 1)[1])


@pytest.mark.parametrize(("method", "options"), [("lbfgs", {}), ("sgd", dict(epochs=100))])
def test_the_choice_is_made_without_the_test_images(method, options, data, rng):
    x, labels = data
    found = linear_probe(x[:60], labels[:60], x[60:], labels[60:], method, held_out=0.3, **options)
    other = linear_probe(x[:60], labels[:60], x[60:], rng.permutation(labels[60:]), method, held_out=0.3, **options)
    assert (found["choice"], found["held_out"]) == (other["choice"], other["held_out"])
    assert found["held_out"][found["choice"]] == max(found["held_out"].values())
    assert 0.4 < found["accuracy"] < 1
