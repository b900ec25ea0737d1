"""Convolution, standardisation, group norm, pooling, rectifier: the NumPy pairs against PyTorch and its autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import vitedu.layers.conv
import vitedu.layers.groupnorm
import vitedu.layers.pool
import vitedu.layers.relu
import vitedu_numpy.layers.conv
import vitedu_numpy.layers.conv_chunked
import vitedu_numpy.layers.groupnorm
import vitedu_numpy.layers.pool
import vitedu_numpy.layers.relu

B, C, O, H, W = 2, 6, 5, 7, 10
INF = float("inf")
PADDINGS = {"one": 1, "none": 0, "same": "same", "uneven": ((0, 2), (3, 1))}


def assert_same(mirror, numpy_pair, torch_function, inputs, rng, **settings):
    """Output and one gradient per input.     inputs: arrays by argument name"""
    forward, backward = numpy_pair
    y, cache = forward(**inputs, **settings)
    tensors = {name: mirror.tensor(value, requires_grad=True) for name, value in inputs.items()}
    torch_y = torch_function(**tensors, **settings)
    dy = rng.standard_normal(y.shape)
    gradients = backward(dy, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    torch_y.backward(mirror.tensor(dy))
    mirror.assert_equal(y, torch_y, "y")
    ours = dict(zip(inputs, gradients, strict=True))
    mirror.assert_all_equal(ours, {name: tensor.grad for name, tensor in tensors.items()})


@pytest.mark.parametrize("form", ["plain", "chunked"])
@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 4)])
def test_conv2d(kernel, stride, padding, form, rng, mirror):
    inputs = {"x": rng.standard_normal((B, C, H, W)), "weight": rng.standard_normal((O, C, *kernel))}
    plain, chunked = vitedu_numpy.layers.conv, vitedu_numpy.layers.conv_chunked
    pair = plain.conv2d, plain.conv2d_backward
    if form == "chunked":
        pair = chunked.conv2d_chunked, chunked.conv2d_chunked_backward
    assert_same(mirror, pair, vitedu.layers.conv.conv2d, inputs, rng, stride=stride, padding=padding)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 4)])
def test_im2col_is_unfold(kernel, stride, rng):
    x = rng.standard_normal((B, C, H, W))
    columns, _ = vitedu_numpy.layers.conv.im2col(x, kernel, stride, padding=2)
    unfolded = F.unfold(torch.from_numpy(x), kernel, padding=2, stride=stride)  # (B, R, Ho Wo)
    assert np.array_equal(columns, unfolded.transpose(0, 1).flatten(1).numpy())  # exact: nothing is computed


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["plain", "channels last"])
@pytest.mark.parametrize("eps", [1e-10, 0.3])
@pytest.mark.parametrize("form", ["var", "std"])
@pytest.mark.parametrize("kernel", [(3, 2), (1, 1)])
def test_standardize(kernel, form, eps, layout, rng, mirror):
    """However the weights stand in memory; the result stands in the same way."""

    def standardize(weight):
        what = vitedu.layers.conv.standardize_as_stored(weight.contiguous(memory_format=layout), eps, form)
        assert what.is_contiguous(memory_format=layout)
        return what

    pair = (
        (lambda weight: vitedu_numpy.layers.conv.standardize(weight, eps, form)),
        vitedu_numpy.layers.conv.standardize_backward,
    )
    assert_same(mirror, pair, standardize, {"weight": rng.uniform(0.2, 3, (O, C, *kernel))}, rng)


@pytest.mark.parametrize("form", ["var", "std"])
def test_a_filter_of_equal_weights(form, mirror):
    """No variance, but no 0 / 0 either, neither forward nor backward."""
    weight, eps = mirror.tensor(np.full((O, C, 3, 3), 0.5), requires_grad=True), 1e-2
    what = vitedu.layers.conv.standardize(weight, eps, form)
    assert torch.equal(what, torch.zeros_like(what))
    dout = np.random.default_rng(1).standard_normal(what.shape)
    what.backward(mirror.tensor(dout))
    _, cache = vitedu_numpy.layers.conv.standardize(np.full((O, C, 3, 3), 0.5), eps, form)
    mirror.assert_equal(vitedu_numpy.layers.conv.standardize_backward(dout, cache), weight.grad)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_groupnorm(groups, eps, rng, mirror):
    inputs = {"x": rng.standard_normal((B, C, H, W)), "weight": rng.uniform(0.5, 2, C), "bias": rng.standard_normal(C)}
    pair = vitedu_numpy.layers.groupnorm.groupnorm, vitedu_numpy.layers.groupnorm.groupnorm_backward
    assert_same(mirror, pair, vitedu.layers.groupnorm.groupnorm, inputs, rng, groups=groups, eps=eps)


@pytest.mark.parametrize("border", [0.0, -INF], ids=["zero", "-inf"])
@pytest.mark.parametrize("padding", [1, 0, "same", ((0, 1), (1, 0))], ids=["one", "none", "same", "uneven"])
@pytest.mark.parametrize("values", ["random", "few, so that many are equal", "negative"])
def test_max_pool(values, padding, border, rng, mirror):
    """Of equal numbers the first gets the gradient, in both packages."""
    x = rng.standard_normal((B, C, H, W)) if values == "random" else rng.integers(-2, 1, (B, C, H, W)).astype(float)
    x = x - 2.5 if values == "negative" else x
    pair = vitedu_numpy.layers.pool.max_pool, vitedu_numpy.layers.pool.max_pool_backward
    assert_same(mirror, pair, vitedu.layers.pool.max_pool, {"x": x}, rng, padding=padding, border=border)


def test_relu(rng, mirror):
    x = rng.integers(-2, 3, (B, C, H)).astype(float)  # zeros among them: at the kink both slopes are 0
    pair = vitedu_numpy.layers.relu.relu, vitedu_numpy.layers.relu.relu_backward
    assert_same(mirror, pair, vitedu.layers.relu.relu, {"x": x}, rng)


def test_the_layer_writes_over_its_input(rng, mirror):
    x = rng.integers(-2, 3, (B, C, H)).astype(float)
    leaf, layer = mirror.tensor(x, requires_grad=True), vitedu_numpy.layers.relu.Relu()
    made, torch_made = x.copy(), leaf.clone()
    y, torch_y = layer(made), vitedu.layers.relu.Relu()(torch_made)
    assert y is made
    assert torch_y is torch_made
    mirror.assert_equal(y, torch_y, "y")
    dy = rng.standard_normal(x.shape)
    torch_y.backward(mirror.tensor(dy))
    mirror.assert_equal(layer.backward(dy), leaf.grad, "dx")


@pytest.mark.parametrize(("kernel", "stride", "padding", "form"), [(3, 2, "same", "std"), (1, 1, 0, "var")])
def test_layers(kernel, stride, padding, form, rng, scramble, mirror):
    """The classes around them: the same settings arrive, the same parameters learn."""
    settings = dict(stride=stride, padding=padding, eps=0.01, form=form)
    layers = [
        (
            vitedu_numpy.layers.conv.StdConv(C, O, kernel, rng, dtype=np.float64, **settings),
            vitedu.layers.conv.StdConv(C, O, kernel, **settings),
        ),
        (vitedu_numpy.layers.groupnorm.GroupNorm(C, 3, 0.3, np.float64), vitedu.layers.groupnorm.GroupNorm(C, 3, 0.3)),
        (vitedu_numpy.layers.pool.MaxPool(2, 3, "same", -INF), vitedu.layers.pool.MaxPool(2, 3, "same", -INF)),
    ]
    for numpy_layer, torch_layer in layers:
        mirror.share(scramble(numpy_layer), torch_layer)
        x = rng.standard_normal((B, C, H, W))
        torch_x = mirror.tensor(x, requires_grad=True)
        y, torch_y = numpy_layer(x), torch_layer(torch_x)
        dy = rng.standard_normal(y.shape)
        torch_y.backward(mirror.tensor(dy))
        mirror.assert_equal(y, torch_y, "y")
        mirror.assert_equal(numpy_layer.backward(dy), torch_x.grad, "dx")
        mirror.assert_all_equal(numpy_layer.gradients(), torch_layer.gradients())
