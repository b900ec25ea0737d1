"""vitedu_numpy/layers/squeeze.py: squeeze-and-excitation."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.layers.squeeze import SqueezeExcite

B, C, R, H, W = 2, 5, 3, 4, 3


def test_layer(rng, check_layer):
    check_layer(SqueezeExcite(C, R, rng, np.float64), rng.standard_normal((B, C, H, W)))


def test_it_is_its_equation(rng, scramble):
    layer, x = scramble(SqueezeExcite(C, R, rng, np.float64)), rng.standard_normal((B, C, H, W))
    reduced = x.mean(axis=(2, 3)) @ layer.reduce.weight.value.reshape(R, C).T + layer.reduce.bias.value
    activated = reduced / (1 + np.exp(-reduced))
    expanded = activated @ layer.expand.weight.value.reshape(C, R).T + layer.expand.bias.value
    factor = 1 / (1 + np.exp(-expanded))
    np.testing.assert_allclose(layer(x), x * factor[:, :, None, None], rtol=0, atol=1e-14)  # sums of twelve numbers


def test_one_factor_per_image_and_channel(rng, scramble):
    layer, x = scramble(SqueezeExcite(C, R, rng, np.float64)), rng.standard_normal((B, C, H, W))
    factor = layer(x) / x
    assert (0 < factor).all()
    assert (factor < 1).all()
    spread = factor.max(axis=(2, 3)) - factor.min(axis=(2, 3))
    np.testing.assert_allclose(spread, 0, atol=1e-14)  # one rounding each of product and quotient
    assert abs(factor[0, 0, 0, 0] - factor[1, 0, 0, 0]) > 1e-3
