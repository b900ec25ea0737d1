"""vitedu_numpy/layers/conv.py: windows as columns, the convolution as a matrix product, standardised filters."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_pair
from vitedu_numpy.layers.conv import (
    Conv,
    StdConv,
    conv2d,
    conv2d_backward,
    im2col,
    im2col_backward,
    standardize,
    standardize_backward,
)  # fmt: skip
from vitedu_numpy.layers.padding import explicit_padding, same_padding

B, C, O, H, W = 2, 3, 5, 6, 7
PADDINGS = {"one": 1, "none": 0, "same": "same", "uneven": ((0, 2), (3, 1))}
SETTINGS = [(kernel, stride) for kernel in ((3, 3), (1, 1), (2, 4)) for stride in (1, 2, 3)]


# ---- padding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (224, 7, 2, (2, 3)), (225, 7, 2, (3, 3)), (56, 3, 2, (0, 1)), (57, 3, 2, (1, 1)), (56, 3, 1, (1, 1)),
        (56, 1, 1, (0, 0)), (56, 1, 2, (0, 0)), (3, 2, 1, (0, 1)), (5, 2, 3, (0, 0)), (1, 7, 2, (3, 3)),
    ],
)  # fmt: skip
def test_same_padding(size, kernel, stride, expected):
    """Odd totals put the extra pixel at the end; never less than nothing is padded."""
    assert same_padding(size, kernel, stride) == expected


def test_explicit_padding():
    assert explicit_padding(2, (6, 7), (3, 3), 1) == ((2, 2), (2, 2))
    assert explicit_padding("same", (6, 7), (3, 3), 2) == ((0, 1), (1, 1))
    assert explicit_padding([[0, 2], [3, 1]], (6, 7), (3, 3), 1) == ((0, 2), (3, 1))


# ---- windows as columns --------------------------------------------------------------------------------------------


def test_im2col_by_hand():
    x = np.arange(6.0).reshape(1, 1, 2, 3)
    columns, cache = im2col(x, (2, 2))
    assert np.array_equal(columns, [[0, 1], [1, 2], [3, 4], [4, 5]])
    dx = im2col_backward(np.array([[1.0, 10], [2, 20], [3, 30], [4, 40]]), cache)
    assert np.array_equal(dx[0, 0], [[1, 12, 20], [3, 34, 40]])  # the middle pixels were in both windows


@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize(("kernel", "stride"), SETTINGS)
def test_im2col_pair(kernel, stride, padding, rng, assert_right):
    inputs = {"x": rng.standard_normal((B, C, H, W))}
    settings = dict(kernel=kernel, stride=stride, padding=padding)
    assert_right(check_pair(im2col, im2col_backward, inputs, rng, verbose=False, **settings))


# ---- convolution ---------------------------------------------------------------------------------------------------


def naive_conv2d(x, weight, stride, padding):
    """The equation in loops."""
    (top, bottom), (left, right) = explicit_padding(padding, x.shape[2:], weight.shape[2:], stride)
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    (O, _, kh, kw), (B, _, Hp, Wp) = weight.shape, x.shape
    y = np.empty((B, O, (Hp - kh) // stride + 1, (Wp - kw) // stride + 1))
    for b, o, p, q in np.ndindex(y.shape):
        window = x[b, :, p * stride : p * stride + kh, q * stride : q * stride + kw]
        y[b, o, p, q] = (weight[o] * window).sum()
    return y


@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize(("kernel", "stride"), SETTINGS)
def test_conv2d_pair(kernel, stride, padding, rng, assert_right):
    inputs = {"x": rng.standard_normal((B, C, H, W)), "weight": rng.standard_normal((O, C, *kernel))}
    settings = dict(stride=stride, padding=padding)
    y, _ = conv2d(**inputs, **settings)
    # Sums of at most 24 products of size 1, in another order.
    np.testing.assert_allclose(y, naive_conv2d(**inputs, **settings), rtol=0, atol=1e-13)
    assert_right(check_pair(conv2d, conv2d_backward, inputs, rng, verbose=False, **settings))


def test_no_images_at_all(rng):
    y, cache = conv2d(np.empty((0, C, H, W)), rng.standard_normal((O, C, 3, 3)))
    dx, dweight = conv2d_backward(y, cache)
    assert y.shape == (0, O, 4, 5)
    assert dx.shape == (0, C, H, W)
    assert np.array_equal(dweight, np.zeros((O, C, 3, 3)))


def test_a_shifted_image_gives_a_shifted_answer(rng):
    """Translation equivariance, through three layers with a rectifier between them.

    It holds where no window of any layer reached over the edge: three 3x3 layers see 3 pixels each way, and the shift
    brings in (and pushes out) as many rows and columns as it has.  Closer to the edge the answers differ, since zeros
    stand there instead of the neighbours.  At stride 2 only even shifts are answered by shifts.
    """
    x, (down, right), edge = rng.standard_normal((B, C, 16, 18)), (2, 3), 3
    shifted = rng.standard_normal(x.shape)
    shifted[:, :, down:, right:] = x[:, :, :-down, :-right]
    layers = [rng.standard_normal(shape) / 3 for shape in ((O, C, 3, 3), (O, O, 3, 3), (2, O, 3, 3))]
    answers = []
    for z in (x, shifted):
        for weight in layers:
            z = np.maximum(conv2d(z, weight, padding=1)[0], 0)
        answers.append(z)
    before, after = answers[0][:, :, :-down, :-right], answers[1][:, :, down:, right:]
    inner = (..., slice(edge, -edge), slice(edge, -edge))
    # The same products and sums, of size 1 to 10, at other places of a matrix.
    np.testing.assert_allclose(after[inner], before[inner], rtol=0, atol=1e-12)
    assert abs(after - before).max() > 0.1  # the edge


# ---- weight standardisation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "divisor"), [("var", np.sqrt(14 / 3 + 0.5)), ("std", np.sqrt(14 / 3) + 0.5)])
def test_standardize_by_hand(form, divisor):
    weight = np.array([1.0, 2.0, 6.0]).reshape(1, 3, 1, 1)  # mean 3, population variance (4 + 1 + 9) / 3 = 14/3
    what, _ = standardize(weight, eps=0.5, form=form)
    np.testing.assert_allclose(what.ravel(), np.array([-2, -1, 3]) / divisor, rtol=1e-14)  # about five roundings


@pytest.mark.parametrize("eps", [1e-10, 0.3])
@pytest.mark.parametrize("form", ["var", "std"])
def test_standardize_pair(form, eps, rng, assert_right):
    weight = rng.standard_normal((O, C, 2, 3)) * np.array([3.0, 1.0, 0.5, 0.2, 0.1]).reshape(O, 1, 1, 1)
    check = check_pair(standardize, standardize_backward, {"weight": weight}, rng, verbose=False, eps=eps, form=form)
    assert_right(check)


@pytest.mark.parametrize("form", ["var", "std"])
def test_a_filter_of_equal_weights(form, rng):
    """It has no variance: the answer is 0, not 0 / 0, and the gradient is that of (w - mean) / eps."""
    weight, dout = np.full((O, C, 3, 3), 0.7), rng.standard_normal((O, C, 3, 3))
    what, cache = standardize(weight, eps=1e-2, form=form)
    divisor = 1e-1 if form == "var" else 1e-2  # sqrt(0 + eps), 0 + eps
    # 0.7 - mean is a rounding error of 1e-16, over the divisor.
    np.testing.assert_allclose(what, 0, atol=1e-13)
    expected = (dout - dout.mean(axis=(1, 2, 3), keepdims=True)) / divisor
    np.testing.assert_allclose(standardize_backward(dout, cache), expected, rtol=0, atol=1e-10)


# ---- the layer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["var", "std"])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, "same"), (1, 2, 0), (1, 1, 0)])
def test_std_conv(kernel, stride, padding, form, rng, check_layer):
    layer = StdConv(C, O, kernel, rng, stride, padding, eps=0.1, form=form, dtype=np.float64)
    x = rng.standard_normal((B, C, H, W))
    check_layer(layer, x)
    weight, _ = standardize(layer.weight.value, eps=0.1, form=form)
    # The layer's sums of at most 27 products of size 1 go through conv_chunked.py.
    np.testing.assert_allclose(layer(x), conv2d(x, weight, stride, padding)[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, "same"), (1, 1, "same"), (2, 1, 1)])
def test_conv(kernel, stride, padding, bias, rng, check_layer):
    layer = Conv(C, O, kernel, rng, stride, padding, bias, dtype=np.float64)
    x = rng.standard_normal((B, C, H, W))
    check_layer(layer, x)
    y = conv2d(x, layer.weight.value, stride, padding)[0]
    if bias:
        y = y + layer.bias.value.reshape(O, 1, 1)
    # The layer's sums of at most 27 products of size 1 go through conv_chunked.py.
    np.testing.assert_allclose(layer(x), y, rtol=0, atol=1e-13)


def test_first_values_of_a_conv():
    """N(0, 2 / (O kernel^2)), as in EfficientNet: of 16,000 numbers the deviation is right to 0.6 %."""
    layer = Conv(64, 10, 5, np.random.default_rng(0), bias=True, dtype=np.float64)
    assert layer.weight.value.std() == pytest.approx((2 / 250) ** 0.5, rel=0.03)
    assert not layer.bias.value.any()
