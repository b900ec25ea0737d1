"""vitedu_numpy/models/encoder.py: pre-norm block, encoder."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import MLP, Block, Encoder, MultiHeadAttention
from vitedu_numpy.models.encoder import LastBlock

B, S, D, M, h = 2, 5, 6, 7, 3
ROUNDING = 1e-12  # a few hundred products of size 1, rounded in another order


def block(rng, kind=Block, gelu="erf"):
    parts = MultiHeadAttention(D, h, rng, np.float64), MLP(D, M, rng, gelu, dtype=np.float64)
    return kind(*parts, D, dtype=np.float64)


def encoder(rng, gelu="erf"):
    return Encoder([block(rng, Block, gelu), block(rng, LastBlock, gelu)], D, dtype=np.float64)


@pytest.fixture
def z(rng) -> np.ndarray:
    """Tokens (B, S, D)."""
    return rng.standard_normal((B, S, D))


@pytest.fixture
def mask() -> np.ndarray:
    """Who may ask whom, (S, S): about two thirds, and everybody may ask the first."""
    mask = np.random.default_rng(5).random((S, S)) < 0.6
    mask[:, 0] = True
    return mask


@pytest.mark.parametrize("kind", [Block, LastBlock])
@pytest.mark.parametrize("masked", [False, True])
def test_block(kind, masked, z, mask, rng, check_layer):
    check_layer(block(rng, kind), z, samples=30, mask=mask if masked else None)


def test_last_block_for_the_first_token_only(z, rng, check_layer):
    check_layer(block(rng, LastBlock), z, samples=30, first_only=True)


def test_block_is_its_two_equations(z, rng, scramble):
    layer = scramble(block(rng))
    z_mid = layer.attention(layer.norm1(z)) + z  # Eq. 2
    z_out = layer.mlp(layer.norm2(z_mid)) + z_mid  # Eq. 3
    np.testing.assert_allclose(layer(z), z_out, rtol=1e-13)  # the same operations: nothing, or little, differs


@pytest.mark.parametrize("gelu_form", ["erf", "tanh"])
def test_encoder(gelu_form, z, rng, check_layer):
    check_layer(encoder(rng, gelu_form), z, samples=12)


def test_encoder_with_mask(z, mask, rng, check_layer):
    check_layer(encoder(rng), z, samples=12, mask=mask)


class Asker(Encoder):
    """`forward` is what `first_token` gives, so that the checks of a layer can be made with it."""

    def forward(self, z):
        return self.first_token(z)


def test_encoder_for_the_first_token_only(z, rng, check_layer):
    check_layer(Asker(encoder(rng).blocks, D, dtype=np.float64), z, samples=12)


def test_the_first_token_alone_is_the_first_row_of_everything(z, rng, scramble):
    layer = scramble(encoder(rng))
    dy = rng.standard_normal((B, 1, D))

    short = layer.first_token(z)
    dz_short = layer.backward(dy)
    short_gradients = layer.gradients()

    layer.zero_grad()
    full = layer(z)
    dz_full = layer.backward(np.concatenate([dy, np.zeros((B, S - 1, D))], axis=1))
    np.testing.assert_allclose(short, full[:, :1], rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(dz_short, dz_full, rtol=ROUNDING, atol=ROUNDING)
    for name, gradient in layer.gradients().items():
        np.testing.assert_allclose(short_gradients[name], gradient, rtol=ROUNDING, atol=ROUNDING, err_msg=name)
