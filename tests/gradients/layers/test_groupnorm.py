"""vitedu_numpy/layers/groupnorm.py: groups of channels brought to mean 0 and variance 1, image by image."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_pair
from vitedu_numpy.layers.groupnorm import GroupNorm, groupnorm, groupnorm_backward
from vitedu_numpy.layers.layernorm import layernorm

B, C, H, W = 2, 6, 3, 5


def test_groupnorm_by_hand():
    """Two groups of one channel each, one row of two pixels: means 2 and 30, variances 1 and 100; eps adds 3 and 3."""
    x = np.array([[[[1.0, 3.0]], [[20.0, 40.0]]]])
    y, _ = groupnorm(x, weight=np.array([1.0, 2.0]), bias=np.array([0.0, 5.0]), groups=2, eps=3.0)
    expected = [[[[-0.5, 0.5]], [[5 - 20 / np.sqrt(103), 5 + 20 / np.sqrt(103)]]]]
    np.testing.assert_allclose(y, expected, rtol=1e-14)  # about ten roundings of 1e-16, with room


@pytest.mark.parametrize("eps", [1e-5, 0.3])
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_groupnorm_pair(groups, eps, rng, assert_right):
    x = rng.standard_normal((B, C, H, W)) * rng.uniform(0.2, 3, (B, C, 1, 1))  # groups of different size
    inputs = {"x": x, "weight": rng.uniform(0.5, 2, C), "bias": rng.standard_normal(C)}
    assert_right(check_pair(groupnorm, groupnorm_backward, inputs, rng, verbose=False, groups=groups, eps=eps))


def test_one_group_of_one_pixel_is_layer_normalisation(rng):
    x, weight, bias = rng.standard_normal((B, C, 1, 1)), rng.uniform(0.5, 2, C), rng.standard_normal(C)
    y, _ = groupnorm(x, weight, bias, groups=1, eps=0.1)
    expected, _ = layernorm(x[:, :, 0, 0], weight, bias, eps=0.1)
    np.testing.assert_allclose(y[:, :, 0, 0], expected, rtol=0, atol=1e-14)  # sums of six numbers of size 1


def test_images_do_not_see_each_other(rng):
    """What batch normalisation would fail: an image alone comes out as it does within a batch."""
    x, weight, bias = rng.standard_normal((3, C, H, W)), rng.uniform(0.5, 2, C), rng.standard_normal(C)
    together, _ = groupnorm(x, weight, bias, groups=2)
    alone, _ = groupnorm(x[1:2], weight, bias, groups=2)
    np.testing.assert_allclose(together[1:2], alone, rtol=0, atol=1e-14)  # the same sums, perhaps in another order


@pytest.mark.parametrize("groups", [2, 3])
def test_groupnorm_layer(groups, rng, check_layer):
    check_layer(GroupNorm(C, groups, 0.3, np.float64), rng.standard_normal((B, C, H, W)))


def test_the_layer_uses_its_own_eps(rng):
    x = 0.01 * rng.standard_normal((B, C, H, W))
    with_eps, without = GroupNorm(C, 2, 0.3, np.float64)(x), GroupNorm(C, 2, 1e-12, np.float64)(x)
    assert abs(with_eps).max() < 0.1 * abs(without).max()  # var is near 1e-4, so sqrt(var + 0.3) is 50 times larger
