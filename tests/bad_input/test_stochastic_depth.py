"""Rates of stochastic depth that make no sense."""

from __future__ import annotations

import numpy as np
import pytest
import rooms

SIZES = dict(image_size=4, patch_size=2, width=6, depth=2, heads=3, mlp_dim=7, num_classes=4)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.0, float("nan"), float("inf"), "0.1", None, True])
def test_config(rate, package, refused):
    with refused(ValueError, f"stochastic_depth={rate!r}", "[0, 1)"):
        package.ViTConfig(**SIZES, stochastic_depth=rate)


@pytest.mark.parametrize("rate", [-0.1, 1, float("nan")])
def test_layer_and_block(rate, package, refused):
    config = package.ViTConfig(**SIZES)
    rng = [np.random.default_rng(0)] if package.__name__ == "vitedu_numpy" else []
    with refused(ValueError, f"rate={rate}", "must be a number in [0, 1)"):
        rooms.load(package, "dropout").StochasticDepth(rate, *rng)
    with refused(ValueError, f"stochastic_depth={rate}", "must be a number in [0, 1)"):
        package.make_block(config, *rng, stochastic_depth=rate)
