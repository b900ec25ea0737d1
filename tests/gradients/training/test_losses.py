"""vitedu_numpy/training/losses.py: softmax and sigmoid cross-entropy, each in two steps and in one."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_pair, losses
from vitedu_numpy.layers.softmax import softmax, softmax_backward
from vitedu_numpy.training.losses import one_hot, sigmoid, sigmoid_backward

# Two ways to round the same sum of 15 terms of size 1: they agree to about 1e-15, relative to values near 1.
ROUNDING = 1e-13


@pytest.fixture
def targets(rng) -> np.ndarray:
    """(B, K) = (3, 5) numbers in [0, 1] whose rows do *not* sum to 1: the formulas hold for any targets."""
    return rng.uniform(0.05, 0.95, (3, 5))


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_fused_pairs(name, rng, targets, assert_right):
    forward, backward = getattr(losses, name), getattr(losses, f"{name}_backward")
    inputs = {"logits": 2 * rng.standard_normal((3, 5))}
    assert_right(check_pair(forward, backward, inputs, rng, verbose=False, targets=targets))


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy"])
def test_pairs_of_probabilities(name, rng, targets, assert_right):
    forward, backward = getattr(losses, name), getattr(losses, f"{name}_backward")
    inputs = {"p": rng.uniform(0.2, 0.8, (3, 5))}
    assert_right(check_pair(forward, backward, inputs, rng, verbose=False, targets=targets))


def test_sigmoid_pair(rng, assert_right):
    assert_right(check_pair(sigmoid, sigmoid_backward, {"x": 2 * rng.standard_normal((3, 5))}, rng, verbose=False))


@pytest.mark.parametrize(
    ("squash", "unfused", "fused"),
    [
        ("softmax", "cross_entropy", "softmax_cross_entropy"),
        ("sigmoid", "binary_cross_entropy", "sigmoid_cross_entropy"),
    ],
)
def test_one_step_equals_two(squash, unfused, fused, rng, targets):
    squash, squash_backward = {"softmax": (softmax, softmax_backward), "sigmoid": (sigmoid, sigmoid_backward)}[squash]
    logits, dloss = 2 * rng.standard_normal((3, 5)), 0.7

    p, squash_cache = squash(logits)
    two_steps, loss_cache = getattr(losses, unfused)(p, targets)
    dlogits_two = squash_backward(getattr(losses, f"{unfused}_backward")(dloss, loss_cache), squash_cache)

    one_step, cache = getattr(losses, fused)(logits, targets)
    dlogits_one = getattr(losses, f"{fused}_backward")(dloss, cache)
    np.testing.assert_allclose(one_step, two_steps, rtol=ROUNDING)
    np.testing.assert_allclose(dlogits_one, dlogits_two, rtol=ROUNDING, atol=ROUNDING)


def test_losses_by_hand():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    targets = one_hot([0, 2], 3, dtype=np.float64)
    softmax_loss, _ = losses.softmax_cross_entropy(np.log(probabilities), targets)
    assert softmax_loss == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2, rel=1e-14)  # a mean over the batch of 2

    logits = np.zeros((2, 3))  # every class: probability 1/2
    sigmoid_loss, _ = losses.sigmoid_cross_entropy(logits, targets)
    assert sigmoid_loss == pytest.approx(3 * np.log(2), rel=1e-14)  # a sum over the 3 classes


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_huge_logits_stay_finite(name):
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]])
    loss, cache = getattr(losses, name)(logits, one_hot([0, 0], 3, dtype=np.float64))
    # First image right and sure: loss 0.  Second image sure of class 1, label 0: 2e4 (softmax), or 1e4 for each of two
    # classes (sigmoid); the third logit, 0, adds log 2 per image to the sigmoid loss.
    expected = {"softmax_cross_entropy": 1e4, "sigmoid_cross_entropy": 1e4 + np.log(2)}[name]
    assert loss == pytest.approx(expected, rel=1e-14)
    dlogits = getattr(losses, f"{name}_backward")(1.0, cache)
    assert np.isfinite(dlogits).all()
    assert dlogits[1, :2].tolist() == [-0.5, 0.5]  # exact: p rounds to 0 and 1, divided by the batch size 2


def test_one_hot_by_hand():
    assert one_hot([2, 0], 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    smoothed = one_hot(np.array([1]), 4, label_smoothing=0.2, dtype=np.float64)
    np.testing.assert_allclose(smoothed, [[0.05, 0.85, 0.05, 0.05]], rtol=1e-15)  # 0.2 / 4, and 0.8 more at the label
