"""Stochastic depth: whole branches of a block dropped, image by image."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import ViT, ViTConfig, make_block, make_encoder
from vitedu_numpy.layers.dropout import Dropout, StochasticDepth

B, S, D, M, h = 3, 5, 6, 7, 3


def config(**changes) -> ViTConfig:
    sizes = dict(image_size=4, patch_size=2, width=D, depth=2, heads=h, mlp_dim=M, num_classes=4)
    return ViTConfig(**sizes | changes)


def drops(model) -> dict[str, StochasticDepth]:
    return {name: m for name, m in model.named_modules() if isinstance(m, StochasticDepth)}


def fix_depth(model, seed=0):
    """Give every StochasticDepth a mask (B, 1, 1) that drops one image and scales the others differently."""
    rng = np.random.default_rng(seed)
    for layer in drops(model).values():
        layer.mask = rng.permutation([0.0, 1.5, 2.5]).reshape(B, 1, 1)
    return model


@pytest.fixture
def z(rng) -> np.ndarray:
    return rng.standard_normal((B, S, D))


# ---- the layer -------------------------------------------------------------------------------------------------------


def test_an_image_is_dropped_whole_or_not_at_all(rng):
    layer, x = StochasticDepth(0.25, rng), rng.standard_normal((4000, 2, 3))
    y = layer(x)
    kept = (y != 0).all(axis=(1, 2))
    assert ((y == 0).all(axis=(1, 2)) == ~kept).all()
    np.testing.assert_allclose(y[kept], x[kept] / 0.75, rtol=1e-14)
    # A mean of 4000 draws with standard deviation sqrt(0.25 / 0.75) = 0.58 is right to 0.0091.
    assert abs(kept.mean() / 0.75 - 1) < 5 * 0.0091


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 3, 2), (7, 3, 4, 2)])
def test_the_mask_has_one_number_per_image(shape, rng):
    mask = StochasticDepth(0.5, rng).draw(shape, np.dtype(np.float32))
    assert mask.shape == (7, *(1 for _ in shape[1:]))
    assert mask.dtype == np.float32
    assert set(mask.ravel().tolist()) == {0, 2}


def test_layer_with_a_fixed_mask(z, rng, check_layer):
    layer = fix_depth(StochasticDepth(0.5, rng))
    np.testing.assert_array_equal(layer(z), z * layer.mask)
    check_layer(layer, z)


def test_backward_uses_the_mask_of_its_own_forward(rng):
    layer, x = StochasticDepth(0.4, rng), np.ones((200, 3, 2))
    masks = []
    for _ in range(2):
        masks.append(layer(x))
        np.testing.assert_array_equal(layer.backward(x), masks[-1])  # x = 1 and dy = 1: both are the mask
    assert (masks[0] != masks[1]).any()


@pytest.mark.parametrize(("rate", "training"), [(0.0, True), (0.5, False)])
def test_layer_that_does_nothing(rate, training, z):
    layer = StochasticDepth(rate, np.random.default_rng(0)).train(training)
    assert layer(z) is z  # not even a copy
    assert layer.rng.random() == np.random.default_rng(0).random()  # and nothing was drawn


# ---- in a block and in an encoder ------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_only", [False, True])
def test_block(first_only, z, rng, check_layer):
    layer = fix_depth(make_block(config(), rng, np.float64, 0.3, last=True))
    assert list(drops(layer)) == ["attention.drop_path", "mlp.drop_path"]
    check_layer(layer, z, samples=30, first_only=first_only)


def test_block_with_dropout_too(z, rng, check_layer, fix_dropout):
    layer = fix_depth(make_block(config(dropout=0.3), rng, np.float64, 0.3))
    masks = {"attention.drop": (B, h, S, S), "attention.drop_result": (B, S, D)}
    fix_dropout(layer, masks | {"mlp.drop1": (B, S, M), "mlp.drop2": (B, S, D)})
    check_layer(layer, z, samples=30)


def test_block_is_its_two_equations(z, rng, scramble):
    block = fix_depth(scramble(make_block(config(), rng, np.float64, 0.3)))
    plain = scramble(make_block(config(), rng, np.float64))  # with the same parameters
    z_mid = block.attention.drop_path.mask * plain.attention(plain.norm1(z)) + z  # Eq. 2
    z_out = block.mlp.drop_path.mask * plain.mlp(plain.norm2(z_mid)) + z_mid  # Eq. 3
    np.testing.assert_allclose(block(z), z_out, rtol=1e-13)  # the same operations: nothing, or little, differs


def test_an_image_that_drops_both_branches_goes_around_the_block(z, rng, scramble):
    block, dz = scramble(make_block(config(), rng, np.float64, 0.3)), rng.standard_normal((B, S, D))
    for layer in drops(block).values():
        layer.mask = np.array([1.0, 0.0, 1.0]).reshape(B, 1, 1)
    z_out = block(z)
    back = block.backward(dz)
    assert np.array_equal(z_out[1], z[1])
    assert np.array_equal(back[1], dz[1])
    assert abs(z_out - z)[[0, 2]].min(axis=(1, 2)).min() > 0


def test_encoder(z, rng, check_layer):
    check_layer(fix_depth(make_encoder(config(stochastic_depth=0.4), rng, np.float64)), z, samples=12)


@pytest.mark.parametrize("classifier", ["token", "gap"])
def test_whole_model(classifier, rng, check_layer):
    model = fix_depth(ViT(config(classifier=classifier, stochastic_depth=0.4), rng, np.float64))
    check_layer(model, rng.uniform(-1, 1, (B, 3, 4, 4)), samples=6)


@pytest.mark.parametrize(("depth", "rates"), [(1, [0]), (2, [0, 0.3]), (4, [0, 0.1, 0.2, 0.3])])
def test_the_rate_rises_evenly_from_0_to_that_of_the_last_block(depth, rates):
    encoder = make_encoder(config(depth=depth, stochastic_depth=0.3), np.random.default_rng(0))
    for block, rate in zip(encoder.blocks, rates, strict=True):
        found = [layer.rate for layer in drops(block).values()]
        assert found == ([] if rate == 0 else [pytest.approx(rate, rel=1e-15)] * 2)


def test_the_mean_over_all_masks_is_the_branch(rng, scramble):
    """Why a kept branch is divided by 1 - rate: in eval mode nothing is dropped, and it is as large on average."""
    layer, rate = StochasticDepth(0.2, rng), 0.2
    x = rng.standard_normal((1, 4, 3))
    outcomes = []
    for mask, probability in ((0.0, rate), (1 / (1 - rate), 1 - rate)):
        layer.mask = np.full((1, 1, 1), mask)
        outcomes.append(probability * layer(x))
    np.testing.assert_allclose(sum(outcomes), layer.eval()(x), rtol=1e-15)


def test_rate_0_is_the_model_without_it(rng):
    """No other state, records, random numbers or results."""
    images = rng.uniform(-1, 1, (B, 3, 4, 4))
    plain, other = (ViT(config(dropout=0.5, **c), 3, np.float64) for c in ({}, dict(stochastic_depth=0.0)))
    with_depth = ViT(config(dropout=0.5, stochastic_depth=0.5), 3, np.float64)
    records = [{}, {}, {}]
    for model, record in zip((plain, other, with_depth), records, strict=True):
        model(images, record)
    assert list(records[0]) == list(records[1]) == list(records[2])
    assert all(np.array_equal(records[0][name], records[1][name]) for name in records[0])
    assert not np.array_equal(records[0]["encoded"], records[2]["encoded"])
    assert list(plain.state_dict()) == list(with_depth.state_dict())
    assert all(np.array_equal(v, with_depth.state_dict()[name]) for name, v in plain.state_dict().items())


def test_eval_mode_drops_nothing(rng):
    images, plain = rng.uniform(-1, 1, (B, 3, 4, 4)), ViT(config(), 3, np.float64)
    model = ViT(config(stochastic_depth=0.9), 3, np.float64)
    records = [{}, {}]
    plain(images, records[0])
    fix_depth(model).eval()(images, records[1])
    assert all(np.array_equal(records[0][name], records[1][name]) for name in records[0])


def test_dropout_itself_has_a_number_per_value(rng):
    mask = Dropout(0.5, rng).draw((40, 5), np.dtype(np.float64))
    assert mask.shape == (40, 5)
    assert (mask.min(axis=1) != mask.max(axis=1)).any()
