"""The layers of EfficientNet: the NumPy pairs and classes against PyTorch and its autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu.layers.batchnorm
import vitedu.layers.conv
import vitedu.layers.depthwise
import vitedu.layers.squeeze
import vitedu.layers.swish
import vitedu_numpy.layers.batchnorm
import vitedu_numpy.layers.conv
import vitedu_numpy.layers.depthwise
import vitedu_numpy.layers.squeeze
import vitedu_numpy.layers.swish

B, C, H, W = 2, 6, 7, 10
PADDINGS = {"one": 1, "none": 0, "same": "same", "uneven": ((0, 2), (3, 1))}


def assert_pair(mirror, name, numpy_module, torch_module, inputs, rng, **settings):
    """Output and one gradient per input.     inputs: arrays by argument name"""
    y, cache = getattr(numpy_module, name)(**inputs, **settings)
    tensors = {key: mirror.tensor(value, requires_grad=True) for key, value in inputs.items()}
    constants = {k: mirror.tensor(v) if isinstance(v, np.ndarray) else v for k, v in settings.items()}
    torch_y = getattr(torch_module, name)(**tensors, **constants)
    dy = rng.standard_normal(y.shape)
    gradients = getattr(numpy_module, f"{name}_backward")(dy, cache)
    torch_y.backward(mirror.tensor(dy))
    mirror.assert_equal(y, torch_y, "y")
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    ours = dict(zip(inputs, gradients, strict=True))
    mirror.assert_all_equal(ours, {key: tensor.grad for key, tensor in tensors.items()})


@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 4)])
def test_depthwise_conv2d(kernel, stride, padding, rng, mirror):
    inputs = {"x": rng.standard_normal((B, C, H, W)), "weight": rng.standard_normal((C, 1, *kernel))}
    both = vitedu_numpy.layers.depthwise, vitedu.layers.depthwise
    assert_pair(mirror, "depthwise_conv2d", *both, inputs, rng, stride=stride, padding=padding)


@pytest.mark.parametrize("eps", [1e-3, 0.3])
@pytest.mark.parametrize("name", ["batchnorm", "batchnorm_inference"])
def test_batchnorm(name, eps, rng, mirror):
    inputs = {"x": rng.standard_normal((B, C, H, W)), "weight": rng.uniform(0.5, 2, C), "bias": rng.standard_normal(C)}
    given = {} if name == "batchnorm" else dict(mean=rng.standard_normal(C), var=rng.uniform(0.5, 2, C))
    both = vitedu_numpy.layers.batchnorm, vitedu.layers.batchnorm
    assert_pair(mirror, name, *both, inputs, rng, **given, eps=eps)


@pytest.mark.parametrize("name", ["sigmoid", "swish"])
def test_swish(name, rng, mirror):
    x = np.concatenate([4 * rng.standard_normal((3, 5)), [[-1e3, -40.0, 0.0, 40.0, 1e3]]])
    assert_pair(mirror, name, vitedu_numpy.layers.swish, vitedu.layers.swish, {"x": x}, rng)


LAYERS = {
    "Conv": ("conv", "Conv", (C, 5, 3), dict(stride=2)),
    "Conv, 1x1 with bias": ("conv", "Conv", (C, 5, 1), dict(bias=True)),
    "DepthwiseConv": ("depthwise", "DepthwiseConv", (C, 5), dict(stride=2)),
    "SqueezeExcite": ("squeeze", "SqueezeExcite", (C, 4), {}),
    "Sigmoid": ("swish", "Sigmoid", (), {}),
    "Swish": ("swish", "Swish", (), {}),
}


@pytest.mark.parametrize(("module", "name", "sizes", "settings"), LAYERS.values(), ids=LAYERS)
def test_layers(module, name, sizes, settings, rng, scramble, mirror):
    """The classes: the same settings arrive, the same parameters learn."""
    random = dict(rng=np.random.default_rng(0), dtype=np.float64) if sizes else {}
    numpy_layer = getattr(getattr(vitedu_numpy.layers, module), name)(*sizes, **settings, **random)
    torch_layer = getattr(getattr(vitedu.layers, module), name)(*sizes, **settings)
    assert list(numpy_layer.state_dict()) == list(torch_layer.state_dict())
    mirror.share(scramble(numpy_layer), torch_layer)
    assert_layers_equal(numpy_layer, torch_layer, rng.standard_normal((B, C, H, W)), rng, mirror)


def assert_layers_equal(numpy_layer, torch_layer, x, rng, mirror):
    """Output, every gradient, and the state afterwards."""
    torch_x = mirror.tensor(x, requires_grad=True)
    y, torch_y = numpy_layer(x), torch_layer(torch_x)
    dy = rng.standard_normal(y.shape)
    torch_y.backward(mirror.tensor(dy))
    mirror.assert_equal(y, torch_y, "y")
    mirror.assert_equal(numpy_layer.backward(dy), torch_x.grad, "dx")
    mirror.assert_all_equal(numpy_layer.gradients(), torch_layer.gradients())
    mirror.assert_all_equal(numpy_layer.state_dict(), torch_layer.state_dict())


def test_batch_norm_over_several_steps(rng, scramble, mirror):
    """Training, training, evaluation, training: the running averages of both go the same way."""
    numpy_layer = vitedu_numpy.layers.batchnorm.BatchNorm(C, 0.8, 0.1, np.float64)
    torch_layer = vitedu.layers.batchnorm.BatchNorm(C, 0.8, 0.1)
    assert list(numpy_layer.state_dict()) == list(torch_layer.state_dict())
    mirror.share(scramble(numpy_layer), torch_layer)
    for training, batch_size in ((True, 2), (True, 5), (False, 1), (True, 1)):
        numpy_layer.train(training)
        torch_layer.train(training)
        numpy_layer.zero_grad()
        torch_layer.zero_grad()
        x = 2 * rng.standard_normal((batch_size, C, 3, 4)) + rng.standard_normal((C, 1, 1))
        before = numpy_layer.state_dict()
        assert_layers_equal(numpy_layer, torch_layer, x, rng, mirror)
        moved = not np.array_equal(before["running_var"], numpy_layer.running_var.value)
        assert moved == training


def test_a_state_goes_both_ways(rng, mirror):
    """Running averages are part of the state, in NumPy as in PyTorch."""
    torch_layer = vitedu.layers.batchnorm.BatchNorm(C).double()
    torch_layer(torch.from_numpy(rng.standard_normal((B, C, H, W))))
    numpy_layer = vitedu_numpy.layers.batchnorm.BatchNorm(C, dtype=np.float64)
    numpy_layer.load_state_dict(torch_layer.state_dict())
    x = rng.standard_normal((B, C, H, W))
    mirror.assert_equal(numpy_layer.eval()(x), torch_layer.eval()(torch.from_numpy(x)))
