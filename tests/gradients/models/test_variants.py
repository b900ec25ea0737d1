"""vitedu_numpy/models/variants.py: dropout, stochastic depth and positions in blocks, and which config makes what."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import MLP, Block, MultiHeadAttention, ViTConfig, make_block, make_encoder
from vitedu_numpy.layers.attention_variants import GeneralAttention
from vitedu_numpy.models.encoder import LastBlock
from vitedu_numpy.models.variants import DroppedAttention, DroppedMLP, PositionedBlock

B, D, M, h = 2, 6, 7, 3
S = 5  # 2 x 2 patches and the class token
f64 = np.float64


def config(**changes) -> ViTConfig:
    sizes = dict(image_size=2, patch_size=1, width=D, depth=2, heads=h, mlp_dim=M, num_classes=3)
    return ViTConfig(**sizes | changes)


@pytest.fixture
def z(rng) -> np.ndarray:
    """Tokens (B, S, D)."""
    return rng.standard_normal((B, S, D))


def fix(model, T_last=S):
    """A mask for every dropout: zeros, and two factors; a model that is asked for one token has T_last = 1."""
    rng = np.random.default_rng(0)
    for name, layer in model.named_modules():
        T = T_last if name.startswith("blocks.1.") or not name.startswith("blocks.") else S
        shape = {
            "drop": (B, h, T, S), "drop_result": (B, T, D), "drop1": (B, T, M), "drop2": (B, T, D),
            "drop_path": (B, 1, 1),
        }.get(name.split(".")[-1])  # fmt: skip
        if shape:
            layer.mask = rng.choice([0.5, 1.5, 2.5], shape)
    return model


# ---- the parts -------------------------------------------------------------------------------------------------------


class Asker(DroppedAttention):
    """`forward` is what `first_token` gives, so that the checks of a layer can be made with it."""

    def forward(self, z):
        return self.first_token(z)


@pytest.mark.parametrize(("kind", "T"), [(DroppedAttention, S), (Asker, 1)])
def test_attention_whose_result_is_dropped(kind, T, z, rng, check_layer):
    layer = fix(kind(D, h, rng, 0.2, None, 0.3, 0.4, f64), T)
    assert (layer.drop.rate, layer.drop_result.rate, layer.drop_path.rate) == (0.2, 0.3, 0.4)
    check_layer(layer, z, samples=30)


def test_mlp_whose_result_is_dropped(z, rng, check_layer):
    layer = fix(DroppedMLP(D, M, rng, "erf", 0.2, 0.4, f64))
    assert (layer.drop1.rate, layer.drop2.rate, layer.drop_path.rate) == (0.2, 0.2, 0.4)
    check_layer(layer, z)


# ---- blocks ----------------------------------------------------------------------------------------------------------

EVERYTHING = dict(dropout=0.3, attention_dropout=0.2)
BLOCKS = {  # changes to the config, stochastic depth
    "plain": ({}, 0.0),
    "dropout": (EVERYTHING, 0.0),
    "stochastic depth": ({}, 0.3),
    "both": (EVERYTHING, 0.3),
    "positions": (dict(position_at="every"), 0.0),
    "2-D positions, everything dropped": (EVERYTHING | dict(position_embedding="2d", position_at="every"), 0.3),
    "relative positions": (dict(position_embedding="relative"), 0.0),
    "relative positions, everything dropped": (EVERYTHING | dict(position_embedding="relative"), 0.3),
}


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("case", BLOCKS.values(), ids=BLOCKS)
def test_every_block(case, first_only, z, rng, check_layer):
    changes, depth = case
    layer = fix(make_block(config(**changes), rng, f64, depth, last=True), 1 if first_only else S)
    check_layer(layer, z, samples=30, **({"first_only": True} if first_only else {}))


@pytest.mark.parametrize("kind", ["1d", "relative"])
def test_the_positions_of_a_block_are_named_there(kind, rng):
    names = [n for n, _ in make_block(config(position_embedding=kind, position_at="every"), rng).named_parameters()]
    assert [n for n in names if "position" in n] == [f"position_embedding.{'E_pos' if kind == '1d' else 'R'}"]


def test_in_eval_mode_all_that_drops_is_the_plain_block(z, rng, scramble):
    """The subclasses add nothing: equal to the last bit."""
    plain = scramble(make_block(config(), rng, f64))
    full = scramble(make_block(config(**EVERYTHING), rng, f64, 0.5, last=True)).eval()
    dz_out = rng.standard_normal(z.shape)
    assert np.array_equal(plain(z), full(z))
    assert np.array_equal(plain.backward(dz_out), full.backward(dz_out))
    ours, theirs = plain.gradients(), full.gradients()
    assert list(ours) == list(theirs)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_who_is_built_for_what(rng):
    def kinds(depth=0.0, last=False, **changes):
        block = make_block(config(**changes), rng, f64, depth, last)
        return type(block), type(block.attention), type(block.mlp)

    assert kinds() == (Block, MultiHeadAttention, MLP)  # what the notebooks show
    assert kinds(last=True) == (LastBlock, MultiHeadAttention, MLP)
    assert kinds(attention_dropout=0.1) == (Block, GeneralAttention, MLP)
    assert kinds(dropout=0.1) == (Block, DroppedAttention, MLP)
    assert kinds(depth=0.1) == (Block, DroppedAttention, DroppedMLP)
    assert kinds(position_at="every") == (PositionedBlock, MultiHeadAttention, MLP)
    assert kinds(position_embedding="relative") == (Block, DroppedAttention, MLP)


# ---- encoders --------------------------------------------------------------------------------------------------------

ENCODERS = {
    "plain": {},
    "everything dropped": EVERYTHING | dict(stochastic_depth=0.4),
    "shared": dict(position_at="shared"),
    "2-D, shared": dict(position_embedding="2d", position_at="shared"),
    "relative, shared": dict(position_embedding="relative", position_at="shared"),
    "relative, shared, everything dropped": EVERYTHING
    | dict(position_embedding="relative", position_at="shared", stochastic_depth=0.4),
}


@pytest.mark.parametrize("changes", ENCODERS.values(), ids=ENCODERS)
def test_every_encoder(changes, z, rng, check_layer):
    check_layer(fix(make_encoder(config(**changes), rng, f64)), z, samples=12)


@pytest.mark.parametrize("changes", ENCODERS.values(), ids=ENCODERS)
def test_every_encoder_for_the_first_token_only(changes, z, rng, scramble, assert_right):
    """Against the whole output, of which only the first token is asked for a gradient."""
    encoder = scramble(fix(make_encoder(config(**changes), rng, f64), 1))
    short, dy = encoder.first_token(z), rng.standard_normal((B, 1, D))
    dz = encoder.backward(dy)
    gradients = encoder.gradients()
    for name, layer in encoder.named_modules():  # the same masks for the first token, others beside it
        if name.startswith("blocks.1.") and getattr(layer, "mask", None) is not None and layer.mask.ndim > 2:
            if not name.endswith("drop_path"):
                axis = layer.mask.ndim - 2
                more = np.repeat(layer.mask[..., :1, :] + 1, S - 1, axis=axis)
                layer.mask = np.concatenate([layer.mask, more], axis=axis)
    encoder.zero_grad()
    full = encoder(z)
    dz_full = encoder.backward(np.concatenate([dy, np.zeros((B, S - 1, D))], axis=1))
    np.testing.assert_allclose(short, full[:, :1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dz, dz_full, rtol=1e-12, atol=1e-12)
    for name, gradient in encoder.gradients().items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-12, atol=1e-12, err_msg=name)


def test_shared_positions_are_named_once(rng):
    encoder = make_encoder(config(position_at="shared"), rng)
    assert [n for n, _ in encoder.named_parameters() if "position" in n] == ["position_embedding.E_pos"]
    assert all(block.lent == (encoder.position_embedding,) for block in encoder.blocks)
