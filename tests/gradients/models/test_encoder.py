"""vitedu_numpy/models/encoder.py: MLP, pre-norm block, encoder."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import MLP, Block, Encoder, ViTConfig
from vitedu_numpy.layers.gelu import gelu, gelu_tanh
from vitedu_numpy.models.encoder import Gelu

B, S, D, M, h = 2, 5, 6, 7, 3
ROUNDING = 1e-12  # a few hundred products of size 1, rounded in another order
DROPS = {"drop": D, "mlp.drop1": M, "mlp.drop2": D}  # name of a block's Dropout: width of what it drops


def config(**changes) -> ViTConfig:
    """A config whose blocks have the sizes above; the encoder does not look at the image's."""
    return ViTConfig(**dict(image_size=2, patch_size=1, width=D, depth=2, heads=h, mlp_dim=M, num_classes=3) | changes)


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


@pytest.mark.parametrize("asking", [None, 1, 3])
@pytest.mark.parametrize("masked", [False, True])
def test_block(asking, masked, z, mask, rng, check_layer):
    layer = Block(config(), rng, np.float64)
    check_layer(layer, z, samples=30, mask=mask[:asking] if masked else None, asking=asking)


@pytest.mark.parametrize("asking", [None, 3])
def test_block_with_dropout(asking, z, rng, check_layer, fix_dropout):
    layer = Block(config(dropout=0.3, attention_dropout=0.3), rng, np.float64)
    T = asking or S
    masks = {name: (B, T, width) for name, width in DROPS.items()} | {"attention.drop": (B, h, T, S)}
    check_layer(fix_dropout(layer, masks), z, samples=30, asking=asking)


def test_block_is_its_two_equations(z, rng, scramble):
    block = scramble(Block(config(), rng, np.float64))
    z_mid = block.attention(block.norm1(z)) + z  # Eq. 2
    z_out = block.mlp(block.norm2(z_mid)) + z_mid  # Eq. 3
    np.testing.assert_allclose(block(z), z_out, rtol=1e-13)  # the same operations: nothing, or little, differs


@pytest.mark.parametrize("asking", [None, 1, 3])
@pytest.mark.parametrize("gelu_form", ["erf", "tanh"])
def test_encoder(asking, gelu_form, z, rng, check_layer):
    check_layer(Encoder(config(gelu=gelu_form), rng, np.float64), z, samples=12, asking=asking)


def test_encoder_with_mask(z, mask, rng, check_layer):
    check_layer(Encoder(config(), rng, np.float64), z, samples=12, mask=mask)


def test_encoder_with_dropout(z, rng, check_layer, fix_dropout):
    layer = Encoder(config(dropout=0.3, attention_dropout=0.3), rng, np.float64)
    masks = {}
    for block, T in (("blocks.0", S), ("blocks.1", 1)):  # only the last block answers just the tokens that ask
        masks |= {f"{block}.{name}": (B, T, width) for name, width in DROPS.items()}
        masks[f"{block}.attention.drop"] = (B, h, T, S)
    check_layer(fix_dropout(layer, masks), z, samples=12, asking=1)


@pytest.mark.parametrize("asking", [1, 3])
def test_asking_is_the_first_rows_of_everything(asking, z, rng, scramble):
    encoder = scramble(Encoder(config(), rng, np.float64))
    dy = rng.standard_normal((B, asking, D))

    short = encoder(z, asking=asking)
    dz_short = encoder.backward(dy)
    short_gradients = encoder.gradients()

    encoder.zero_grad()
    full = encoder(z)
    dz_full = encoder.backward(np.concatenate([dy, np.zeros((B, S - asking, D))], axis=1))
    np.testing.assert_allclose(short, full[:, :asking], rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(dz_short, dz_full, rtol=ROUNDING, atol=ROUNDING)
    for name, gradient in encoder.gradients().items():
        np.testing.assert_allclose(short_gradients[name], gradient, rtol=ROUNDING, atol=ROUNDING, err_msg=name)


@pytest.mark.parametrize("kind", ["1d", "relative"])
@pytest.mark.parametrize("asking", [None, 2])
def test_block_with_positions_of_its_own(kind, asking, z, rng, check_layer):
    """Added to what the block reads, or to its attention's scores (Table 8, "every layer")."""
    layer = Block(config(position_embedding=kind, position_at="every"), rng, np.float64)
    check_layer(layer, z, asking=asking)
