"""vitedu_numpy/layers/conv_chunked.py: the quick convolution gives what the plain one gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vitedu_numpy import check_pair, relative_error
from vitedu_numpy.layers import conv_chunked
from vitedu_numpy.layers.conv import conv2d, conv2d_backward
from vitedu_numpy.layers.conv_chunked import conv2d_chunked, conv2d_chunked_backward

B, C, O, H, W = 2, 3, 5, 6, 7
PADDINGS = {"one": 1, "none": 0, "same": "same", "uneven": ((0, 2), (3, 1))}
SETTINGS = [(kernel, stride) for kernel in ((3, 3), (1, 1), (2, 4)) for stride in (1, 2, 3)]


@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize(("kernel", "stride"), SETTINGS)
def test_the_same_as_the_plain_one(kernel, stride, padding, rng, assert_right):
    """Forward and backward: sums of at most 84 products of size 1, in another order."""
    inputs = {"x": rng.standard_normal((B, C, H, W)), "weight": rng.standard_normal((O, C, *kernel))}
    settings = dict(stride=stride, padding=padding)
    (y, cache), (plain_y, plain_cache) = conv2d_chunked(**inputs, **settings), conv2d(**inputs, **settings)
    dy = rng.standard_normal(y.shape)
    plain = plain_y, *conv2d_backward(dy, plain_cache)
    for value, expected in zip((y, *conv2d_chunked_backward(dy, cache)), plain, strict=True):
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-13)
    assert_right(check_pair(conv2d_chunked, conv2d_chunked_backward, inputs, rng, verbose=False, **settings))


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3])
def test_chunks_change_nothing(kernel, cores, rng, monkeypatch, assert_right):
    """Seven images in chunks, on threads: the parts come together in their places, and their gradients add up."""
    x, weight = rng.standard_normal((7, C, H, W)), rng.standard_normal((O, C, kernel, kernel))
    dy = rng.standard_normal((7, O, H - kernel + 1, W - kernel + 1))
    results = []
    for columns in (10**6, 50):
        monkeypatch.setattr(conv_chunked, "_COLUMNS", columns)
        monkeypatch.setattr(conv_chunked, "cpu_count", lambda: cores)
        y, cache = conv2d_chunked(x, weight)
        results.append((y, *conv2d_chunked_backward(dy, cache)))
    for whole, chunks in zip(*results, strict=True):
        assert relative_error(whole, chunks) <= 1e-14  # the same sums over the batch, in another order
    inputs = {"x": x[:3, :, :4, :5], "weight": weight}
    assert_right(check_pair(conv2d_chunked, conv2d_chunked_backward, inputs, rng, verbose=False))


def test_a_thread_of_a_pool_starts_no_threads_of_its_own(rng, monkeypatch):
    """As in `DataParallel`, whose threads are as many as there are cores already."""
    monkeypatch.setattr(conv_chunked, "_COLUMNS", 1)
    monkeypatch.setattr(conv_chunked, "ThreadPoolExecutor", None)  # whoever starts one fails
    x, weight = rng.standard_normal((4, C, H, W)), rng.standard_normal((O, C, 3, 3))
    with ThreadPoolExecutor(2) as pool:
        y, _ = pool.submit(conv2d_chunked, x, weight).result()
    np.testing.assert_allclose(y, conv2d(x, weight)[0], rtol=0, atol=1e-13)


def test_no_images_at_all(rng):
    y, cache = conv2d_chunked(np.empty((0, C, H, W)), rng.standard_normal((O, C, 3, 3)))
    dx, dweight = conv2d_chunked_backward(y, cache)
    assert y.shape == (0, O, 4, 5)
    assert dx.shape == (0, C, H, W)
    assert np.array_equal(dweight, np.zeros((O, C, 3, 3)))
