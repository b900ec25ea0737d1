"""vitedu_numpy/layers/batchnorm.py: channels brought to mean 0 and variance 1 over the batch, and running averages."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_pair
from vitedu_numpy.layers.batchnorm import (
    BatchNorm,
    batchnorm,
    batchnorm_backward,
    batchnorm_inference,
    batchnorm_inference_backward,
)  # fmt: skip

B, C, H, W = 3, 2, 4, 5


@pytest.fixture
def inputs(rng):
    """x whose channels have other means and sizes, weight and bias."""
    x = rng.standard_normal((B, C, H, W)) * np.array([0.5, 3.0]).reshape(C, 1, 1) + np.array([1.0, -2.0]).reshape(
        C, 1, 1
    )
    return {"x": x, "weight": rng.uniform(0.5, 2, C), "bias": rng.standard_normal(C)}


def layer_with_averages(rng):
    layer = BatchNorm(C, 0.7, 0.3, np.float64)
    layer.running_mean.value[...], layer.running_var.value[...] = rng.standard_normal(C), rng.uniform(0.5, 2, C)
    return layer


def test_by_hand():
    """Two images of one pixel: means 2 and 30, population variances 1 and 100; eps adds 3 and 3."""
    x = np.array([[1.0, 20.0], [3.0, 40.0]]).reshape(2, 2, 1, 1)
    y, _ = batchnorm(x, weight=np.array([1.0, 2.0]), bias=np.array([0.0, 5.0]), eps=3.0)
    expected = [[-0.5, 5 - 20 / np.sqrt(103)], [0.5, 5 + 20 / np.sqrt(103)]]
    np.testing.assert_allclose(y[:, :, 0, 0], expected, rtol=1e-14)  # about ten roundings of 1e-16, with room


@pytest.mark.parametrize("eps", [1e-3, 0.3])
def test_pair(eps, inputs, rng, assert_right):
    assert_right(check_pair(batchnorm, batchnorm_backward, inputs, rng, verbose=False, eps=eps))


@pytest.mark.parametrize("eps", [1e-3, 0.3])
def test_inference_pair(eps, inputs, rng, assert_right):
    constants = dict(mean=rng.standard_normal(C), var=rng.uniform(0.5, 2, C), eps=eps)
    forward, backward = batchnorm_inference, batchnorm_inference_backward
    assert_right(check_pair(forward, backward, inputs, rng, verbose=False, **constants))


def test_with_the_batchs_own_statistics_inference_is_training(inputs):
    """Forward; the gradient differs, since there the statistics move with x."""
    x = inputs["x"]
    y, cache = batchnorm(**inputs, eps=0.1)
    z, given = batchnorm_inference(**inputs, mean=x.mean(axis=(0, 2, 3)), var=x.var(axis=(0, 2, 3)), eps=0.1)
    np.testing.assert_allclose(y, z, rtol=0, atol=1e-14)  # sums of 60 numbers of size 3
    dx, fixed = batchnorm_backward(x, cache)[0], batchnorm_inference_backward(x, given)[0]
    assert abs(dx - fixed).max() > 0.1


def test_the_gradient_leaves_mean_and_size_alone(inputs, rng):
    """A batch shifted as a whole comes out the same: so no gradient points that way."""
    _, cache = batchnorm(**inputs)
    dx, _, _ = batchnorm_backward(rng.standard_normal((B, C, H, W)), cache)
    np.testing.assert_allclose(dx.sum(axis=(0, 2, 3)), 0, atol=1e-13)  # sums of 60 numbers of size 1


@pytest.mark.parametrize("training", [True, False])
def test_layer(training, inputs, rng, check_layer):
    check_layer(layer_with_averages(rng).train(training), inputs["x"])


def test_running_averages(inputs, rng):
    """Momentum 0.7, twice: 0.7 (0.7 old + 0.3 first) + 0.3 second, the variances unbiased."""
    layer, batches = layer_with_averages(rng), [inputs["x"], rng.standard_normal((2, C, 1, 3))]
    expected = [layer.running_mean.value.copy(), layer.running_var.value.copy()]
    for x in batches:
        new = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3), ddof=1)
        expected = [0.7 * old + 0.3 * value for old, value in zip(expected, new, strict=True)]
        layer(x)
    np.testing.assert_allclose(layer.running_mean.value, expected[0], rtol=0, atol=1e-14)  # means of 60 numbers
    np.testing.assert_allclose(layer.running_var.value, expected[1], rtol=1e-14)


def test_evaluation_neither_looks_at_the_batch_nor_moves_the_averages(inputs, rng):
    """An image alone comes out as it does within a batch, which is not so while training."""
    layer, x = layer_with_averages(rng), inputs["x"]
    before = layer.state_dict()
    layer.eval()
    assert np.array_equal(layer(x)[1:2], layer(x[1:2]))
    assert all(np.array_equal(value, before[name]) for name, value in layer.state_dict().items())
    layer.train()
    assert abs(layer(x)[1:2] - layer(x[1:2])).max() > 0.1


def test_backward_is_that_of_its_own_forward(inputs, rng):
    """Also when the mode was changed in between."""
    layer, dy = layer_with_averages(rng), rng.standard_normal((B, C, H, W))
    layer(inputs["x"])
    right = layer.backward(dy)
    layer(inputs["x"])
    assert np.array_equal(layer.eval().backward(dy), right)


def test_a_constant_channel(rng):
    """No variance, but no 0 / 0 either: it comes out as the bias."""
    layer = BatchNorm(C, dtype=np.float64)
    y = layer(np.full((B, C, H, W), 0.7))
    np.testing.assert_allclose(y, 0, atol=1e-13)  # 0.7 - mean is a rounding error of 1e-16, over sqrt(eps) = 0.03
    assert np.isfinite(layer.backward(rng.standard_normal((B, C, H, W)))).all()
