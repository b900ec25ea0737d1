"""The linear probe in both packages: loss, gradients, the minimum, SGD step for step, the choice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitedu.transfer import lbfgs as torch_lbfgs
from vitedu.transfer import probe as torch_probe
from vitedu_numpy.training.losses import one_hot
from vitedu_numpy.transfer import lbfgs as numpy_lbfgs
from vitedu_numpy.transfer import probe as numpy_probe


@pytest.fixture
def data(rng):
    labels = np.arange(150) % 3
    x = rng.standard_normal((3, 5))[labels] + rng.standard_normal((150, 5))
    return x[:100], labels[:100], x[100:], labels[100:]


def test_loss_and_gradients(data, rng, mirror):
    x, labels, *_ = data
    targets, weight, bias = one_hot(labels, 3, dtype=np.float64), rng.standard_normal((3, 5)), rng.standard_normal(3)
    loss, cache = numpy_probe.logistic_loss(weight, bias, x, targets, 0.3)
    leaves = [mirror.tensor(array, requires_grad=True) for array in (weight, bias)]
    torch_loss = torch_probe.logistic_loss(*leaves, torch.from_numpy(x), torch.from_numpy(targets), 0.3)
    mirror.assert_equal(loss, torch_loss)
    torch_loss.backward()
    for gradient, leaf in zip(numpy_probe.logistic_loss_backward(1.0, cache), leaves, strict=True):
        mirror.assert_equal(gradient, leaf.grad)

    weight, bias = rng.standard_normal((4, 3, 5)), rng.standard_normal((4, 3))
    arrays = weight, bias, x, targets
    theirs = torch_probe.sgd_gradients(*(torch.from_numpy(array) for array in arrays))
    for gradient, torch_gradient in zip(numpy_probe.sgd_gradients(*arrays), theirs, strict=True):
        mirror.assert_equal(gradient, torch_gradient)


def test_lbfgs(mirror, rng):
    """Six steps on an ellipse: in far more, 1e-16 of a difference may grow to another number of halvings."""
    axes = rng.uniform(1, 20, 8)
    ours, slope = numpy_lbfgs.lbfgs(lambda x: (axes @ x**2 / 2, axes * x), np.ones(8), steps=6)
    scale = torch.from_numpy(axes)
    theirs, torch_slope = torch_lbfgs.lbfgs(
        lambda x: (scale @ x**2 / 2, scale * x), torch.ones(8, dtype=torch.float64), steps=6
    )
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-10)
    assert slope == pytest.approx(torch_slope, rel=1e-8)


def test_the_minimum(data):
    x, labels, *_ = data
    ours = numpy_probe.fit_logistic(x, labels, 3, 0.01, tolerance=1e-10)
    theirs = torch_probe.fit_logistic(torch.from_numpy(x), torch.from_numpy(labels), 3, 0.01, tolerance=1e-10)
    for array, tensor in zip(ours, theirs, strict=True):  # a slope of 1e-10 over a curvature of 0.01
        np.testing.assert_allclose(array, tensor.numpy(), rtol=0, atol=1e-7)


def test_sgd(data):
    x, labels, *_ = data
    ours = numpy_probe.fit_sgd(x, labels, 3, rates=(0.1, 0.5), epochs=10, batch_size=32, seed=4)
    tensors = torch.from_numpy(x), torch.from_numpy(labels)
    theirs = torch_probe.fit_sgd(*tensors, 3, rates=(0.1, 0.5), epochs=10, batch_size=32, seed=4)
    for array, tensor in zip(ours, theirs, strict=True):  # 30 steps that each round anew
        np.testing.assert_allclose(array, tensor.numpy(), rtol=0, atol=1e-11)


@pytest.mark.parametrize(("method", "options"), [("lbfgs", {}), ("sgd", dict(epochs=20, batch_size=50))])
def test_choice_and_accuracy(method, options, data):
    tensors = [torch.from_numpy(array) for array in data]
    ours = numpy_probe.linear_probe(*data, method, held_out=0.2, **options)
    assert torch_probe.linear_probe(*tensors, method, held_out=0.2, **options) == ours
