"""vitedu_numpy/models/vit.py: the whole model, every kind of it, from pixels to logits and back."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import PreLogits, ViT, ViTConfig

B, C, K = 2, 3, 4
SIZES = dict(image_size=(4, 6), patch_size=2, channels=C, width=6, depth=2, heads=3, mlp_dim=7, num_classes=K)
N = 6  # patches

# Every option that changes the arithmetic, each with another one that it must get along with.
MODELS = {
    "token": {},
    "token, tanh GELU, pre-logits": dict(gelu="tanh", representation_size=5),
    "token, no position": dict(position_embedding="none"),
    "token, one block": dict(depth=1),
    "token, large eps": dict(layernorm_eps=0.1),
    "gap": dict(classifier="gap"),
    "gap, pre-logits": dict(classifier="gap", representation_size=5),
    "gap, no position, tanh GELU": dict(classifier="gap", position_embedding="none", gelu="tanh"),
    "token, 2-D positions": dict(position_embedding="2d"),
    "gap, 2-D positions in every block": dict(classifier="gap", position_embedding="2d", position_at="every"),
    "token, sines and cosines, in every block": dict(position_embedding="sincos2d", position_at="every", width=12),
    "token, relative positions": dict(position_embedding="relative"),
    "gap, relative positions, shared": dict(classifier="gap", position_embedding="relative", position_at="shared"),
    "token, positions in every block": dict(position_at="every"),
    "gap, positions shared by all blocks": dict(classifier="gap", position_at="shared"),
    "square, one channel, patches of one pixel": dict(image_size=3, patch_size=1, channels=1),
    "one patch": dict(image_size=2),
}


def model_and_images(rng, **changes):
    config = ViTConfig(**SIZES | changes)
    return ViT(config, rng, np.float64), rng.uniform(-1, 1, (B, config.channels, *config.image_hw))


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_every_model(changes, rng, check_layer):
    check_layer(*model_and_images(rng, **changes), samples=6)


@pytest.mark.parametrize("changes", [MODELS["token"], MODELS["gap, pre-logits"]], ids=["token", "gap, pre-logits"])
def test_every_single_entry(changes, rng, check_layer):
    check_layer(*model_and_images(rng, depth=1, width=3, mlp_dim=4, **changes))


@pytest.mark.parametrize("classifier", ["token", "gap"])
def test_with_dropout(classifier, rng, check_layer, fix_dropout):
    model, images = model_and_images(rng, classifier=classifier, dropout=0.3, attention_dropout=0.3)
    S = N + (classifier == "token")
    masks = {"drop": (B, S, 6)}
    for block, T in (("encoder.blocks.0", S), ("encoder.blocks.1", 1 if classifier == "token" else S)):
        masks |= {
            f"{block}.attention.drop_result": (B, T, 6),
            f"{block}.mlp.drop1": (B, T, 7),
            f"{block}.mlp.drop2": (B, T, 6),
        }
        masks[f"{block}.attention.drop"] = (B, 3, T, S)
    check_layer(fix_dropout(model, masks), images, samples=6)


def test_pre_logits(rng, check_layer):
    layer, y = PreLogits(6, 5, rng, np.float64), rng.standard_normal((B, 6))
    check_layer(layer, y)
    expected = np.tanh(y @ layer.linear.weight.value.T + layer.linear.bias.value)
    np.testing.assert_allclose(layer(y), expected, rtol=1e-13)  # sums of 6 products, rounded in another order


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_recording_changes_nothing(changes, rng, scramble):
    """With a record every token is computed, without one the last block computes the class token alone."""
    model, images = model_and_images(rng, **changes)
    dlogits = rng.standard_normal((B, K))
    results = []
    for record in (None, {}):
        logits = scramble(model)(images, record=record)
        model.zero_grad()
        results.append({"logits": logits, "dimages": model.backward(dlogits)} | model.gradients())
    quick, recorded = results
    for name in quick:
        scale = abs(recorded[name]).max()
        # The same sums over a few hundred products, in another order.
        np.testing.assert_allclose(quick[name], recorded[name], rtol=0, atol=1e-12 * scale, err_msg=name)
    assert np.array_equal(record["logits"], recorded["logits"])


def test_a_fresh_model_has_no_opinion(rng):
    model, images = model_and_images(rng)
    assert (model(images) == 0).all()


def test_patches_in_another_order_change_nothing_without_positions(rng, scramble):
    """One row of three patches, shuffled: without E_pos the logits stay, with E_pos they do not."""
    for position_embedding, same in (("none", True), ("1d", False)):
        model, images = model_and_images(rng, image_size=(2, 6), position_embedding=position_embedding)
        scramble(model)
        first, second, third = np.split(images, 3, axis=-1)
        shuffled = np.concatenate([third, first, second], axis=-1)
        assert np.allclose(model(images), model(shuffled), rtol=0, atol=1e-12) == same


def test_the_same_seed_gives_the_same_model():
    config = ViTConfig(**SIZES)
    one, same, other = (ViT(config, seed).state_dict() for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["encoder.blocks.0.mlp.fc1.weight"], other["encoder.blocks.0.mlp.fc1.weight"])
