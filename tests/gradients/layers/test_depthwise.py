"""vitedu_numpy/layers/depthwise.py: a filter of its own for every channel."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_pair
from vitedu_numpy.layers.conv import conv2d
from vitedu_numpy.layers.depthwise import DepthwiseConv, depthwise_conv2d, depthwise_conv2d_backward

B, C, H, W = 2, 3, 6, 7
PADDINGS = {"one": 1, "none": 0, "same": "same", "uneven": ((0, 2), (3, 1))}
SETTINGS = [(kernel, stride) for kernel in ((3, 3), (1, 1), (2, 4)) for stride in (1, 2, 3)]


def test_by_hand():
    """One row of three pixels in two channels; the filters are (1, 10) and (2, 0)."""
    x, weight = np.array([[[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]]), np.array([[[[1.0, 10.0]]], [[[2.0, 0.0]]]])
    y, cache = depthwise_conv2d(x, weight)
    assert np.array_equal(y, [[[[21, 32]], [[8, 10]]]])
    dx, dweight = depthwise_conv2d_backward(np.ones((1, 2, 1, 2)), cache)
    assert np.array_equal(dx, [[[[1, 11, 10]], [[2, 2, 0]]]])  # the pixel in the middle was in both windows
    assert np.array_equal(dweight, [[[[3, 5]]], [[[9, 11]]]])


@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize(("kernel", "stride"), SETTINGS)
def test_pair(kernel, stride, padding, rng, assert_right):
    inputs = {"x": rng.standard_normal((B, C, H, W)), "weight": rng.standard_normal((C, 1, *kernel))}
    settings = dict(stride=stride, padding=padding)
    assert_right(check_pair(depthwise_conv2d, depthwise_conv2d_backward, inputs, rng, verbose=False, **settings))


@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize(("kernel", "stride"), SETTINGS)
def test_it_is_a_convolution_whose_filters_are_zero_for_all_other_channels(kernel, stride, padding, rng):
    x, weight = rng.standard_normal((B, C, H, W)), rng.standard_normal((C, 1, *kernel))
    full = np.zeros((C, C, *kernel))
    full[range(C), range(C)] = weight[:, 0]
    y, _ = depthwise_conv2d(x, weight, stride, padding)
    # Sums of at most 24 products of size 1, in another order.
    np.testing.assert_allclose(y, conv2d(x, full, stride, padding)[0], rtol=0, atol=1e-13)


def test_no_images_at_all(rng):
    y, cache = depthwise_conv2d(np.empty((0, C, H, W)), rng.standard_normal((C, 1, 3, 3)))
    dx, dweight = depthwise_conv2d_backward(y, cache)
    assert y.shape == (0, C, 4, 5)
    assert dx.shape == (0, C, H, W)
    assert np.array_equal(dweight, np.zeros((C, 1, 3, 3)))


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 2)])
def test_layer(kernel, stride, rng, check_layer):
    layer = DepthwiseConv(C, kernel, rng, stride, dtype=np.float64)
    x = rng.standard_normal((B, C, H, W))
    check_layer(layer, x)
    assert np.array_equal(layer(x), depthwise_conv2d(x, layer.weight.value, stride, "same")[0])


def test_first_values():
    """N(0, 2 / kernel^2): of 25,000 numbers the deviation is right to 0.5 %."""
    weight = DepthwiseConv(1000, 5, np.random.default_rng(0)).weight.value
    assert weight.std() == pytest.approx((2 / 25) ** 0.5, rel=0.025)
