"""vitedu_numpy/layers/mlp.py: linear, GELU, linear."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import MLP
from vitedu_numpy.layers.gelu import gelu, gelu_tanh
from vitedu_numpy.layers.mlp import Gelu

B, S, D, M = 2, 5, 6, 7


@pytest.fixture
def z(rng) -> np.ndarray:
    """Tokens (B, S, D)."""
    return rng.standard_normal((B, S, D))


@pytest.mark.parametrize(("form", "function"), [("erf", gelu), ("tanh", gelu_tanh)])
def test_gelu(form, function, z, check_layer):
    layer = Gelu(form)
    assert np.array_equal(layer(z), function(z)[0])
    check_layer(layer, z)


@pytest.mark.parametrize("form", ["erf", "tanh"])
def test_mlp(form, z, rng, check_layer):
    check_layer(MLP(D, M, rng, form, dtype=np.float64), z)


def test_mlp_with_dropout(z, rng, check_layer, fix_dropout):
    layer = MLP(D, M, rng, dropout=0.3, dtype=np.float64)
    check_layer(fix_dropout(layer, {"drop1": (B, S, M), "drop2": (B, S, D)}), z)
