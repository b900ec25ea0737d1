"""vitedu_numpy/models/hybrid.py: the post-activation unit, the backbone, and a ViT on top of it.

Rectifiers have a kink at 0, where a central difference is wrong; images keep clear of it, as in test_bit.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy.config import HybridConfig
from vitedu_numpy.layers.relu import Relu
from vitedu_numpy.models.hybrid import Backbone, Hybrid, PostActUnit

B, C, K = 2, 3, 4
SIZES = dict(patch_size=1, width=6, depth=1, heads=2, mlp_dim=5, num_classes=K)
SIZES |= dict(image_size=(9, 14), blocks=(2,), backbone_width=4, groups=2)
# Epsilons that are felt: where a rectifier has left little of a group, division by its size would bend everything.
SIZES |= dict(groupnorm_eps=1e-2, standardize_eps=1e-2)

# Every option that changes the arithmetic, at sizes whose "same" padding is even and uneven.
MODELS = {
    "one stage": {},
    "two stages, even sides": dict(blocks=(1, 1), image_size=(16, 24)),
    "three stages, odd sides, gap": dict(blocks=(1, 1, 1), image_size=(17, 33), classifier="gap"),
    "the root alone, larger patches": dict(blocks=(), image_size=(15, 24), patch_size=2),
    "wider, large eps, one channel": dict(backbone_width=8, groupnorm_eps=0.1, standardize_eps=0.1, channels=1),
}


def model_and_images(rng, **changes):
    config = HybridConfig(**SIZES | changes)
    return Hybrid(config, rng, np.float64), rng.uniform(-1, 1, (B, config.channels, *config.image_hw))


@pytest.fixture
def clear_of_kinks(monkeypatch, scramble):
    """clear_of_kinks(model, draw) -> x = draw() for which all that enters a rectifier is ten steps away from 0."""

    def distance(model, x):
        distances, forward = [], Relu.forward

        def measured(layer, z):
            distances.append(abs(z).min())
            return forward(layer, z)

        with monkeypatch.context() as patch:
            patch.setattr(Relu, "forward", measured)
            model(x)
        return min(distances)

    def find(model, draw):
        scramble(model)
        return next(x for x in (draw() for _ in range(50)) if distance(model, x) > 1e-4)

    return find


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_every_model(changes, rng, check_layer, clear_of_kinks):
    model, images = model_and_images(rng, **changes)
    check_layer(model, clear_of_kinks(model, lambda: rng.uniform(-1, 1, images.shape)), samples=4)


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_backbone(changes, rng, check_layer, clear_of_kinks):
    model, images = model_and_images(rng, **changes)
    config = model.config
    backbone = Backbone(config, rng, np.float64)
    assert backbone(images).shape == (B, config.feature_channels, *config.feature_hw)
    check_layer(backbone, clear_of_kinks(backbone, lambda: rng.uniform(-1, 1, images.shape)), samples=4)


@pytest.mark.parametrize(("in_channels", "stride"), [(6, 1), (6, 2), (8, 1), (8, 2)], ids=str)
def test_unit(in_channels, stride, rng, check_layer, clear_of_kinks):
    """With equal channels and stride 1 the shortcut is x itself; otherwise a convolution and a norm."""
    unit = PostActUnit(in_channels, 2, stride, HybridConfig(**SIZES), rng, np.float64)
    assert (unit.conv_proj is None) == (unit.norm_proj is None) == (in_channels == 8 and stride == 1)
    check_layer(unit, clear_of_kinks(unit, lambda: rng.standard_normal((B, in_channels, 5, 4))), samples=12)


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_recording_changes_nothing(changes, rng, scramble):
    """Without a record rectifiers write over their input and the ViT skips what nobody reads."""
    model, images = model_and_images(rng, **changes)
    quick, record = scramble(model)(images), {}
    logits = model(images, record)
    np.testing.assert_allclose(quick, logits, rtol=0, atol=1e-12 * abs(logits).max())  # the same sums in another order
    assert np.array_equal(record["logits"], logits)
    assert (record["backbone/root_norm"] < 0).any()


def test_a_fresh_unit_hands_on_its_shortcut(rng):
    """The last norm of every unit starts with scale 0."""
    unit = PostActUnit(8, 2, 1, HybridConfig(**SIZES), rng, np.float64)
    x = rng.standard_normal((B, 8, 5, 4))
    assert np.array_equal(unit(x), np.maximum(x, 0))


def test_a_fresh_model_has_no_opinion(rng):
    model, images = model_and_images(rng)
    assert (model(images) == 0).all()


def test_the_same_seed_gives_the_same_model():
    one, same, other = (Hybrid(HybridConfig(**SIZES), seed).state_dict() for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    for name in ("backbone.root.weight", "vit.patch_embedding.weight"):
        assert not np.array_equal(one[name], other[name])
