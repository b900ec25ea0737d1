"""vitedu_numpy/models/bit.py: the pre-activation unit, the stages, the whole network.

A rectifier has a kink at 0, and a central difference across it is wrong.  The step is 1e-5, so among some thousand
random numbers of size 1 one does lie within reach now and then: images are drawn again until none is near.
"""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy.config import BiTConfig
from vitedu_numpy.layers.relu import Relu
from vitedu_numpy.models.bit import BiT, PreActUnit, Stage

B, C, K, HW = 2, 3, 4, (9, 14)
# An eps that is felt: where a rectifier has left little of a group, division by its size would bend everything.
SIZES = dict(blocks=(1, 2), num_classes=K, base_width=4, groups=2, groupnorm_eps=1e-2, standardize_eps=1e-3)

# Every option that changes the arithmetic.
MODELS = {
    "two stages": {},
    "border of the pool -inf": dict(pool_padding="-inf"),
    "small stem": dict(stem="small", blocks=(1, 1), groups=1),
    "three stages, one channel": dict(blocks=(1, 1, 1), channels=1),
    "wider, large eps": dict(width_factor=2, groupnorm_eps=0.1, standardize_eps=0.1),
}


def model_and_images(rng, **changes):
    config = BiTConfig(**SIZES | changes)
    return BiT(config, rng, np.float64), rng.uniform(-1, 1, (B, config.channels, *HW))


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


@pytest.mark.parametrize(("in_channels", "stride"), [(6, 1), (6, 2), (8, 1), (8, 2)], ids=str)
def test_unit(in_channels, stride, rng, check_layer, clear_of_kinks):
    """With equal channels and stride 1 the shortcut is x itself; otherwise it is a convolution."""
    unit = PreActUnit(in_channels, 2, stride, BiTConfig(**SIZES), rng, np.float64)
    assert (unit.conv_proj is None) == (in_channels == 8 and stride == 1)
    check_layer(unit, clear_of_kinks(unit, lambda: rng.standard_normal((B, in_channels, 5, 4))), samples=12)


def test_stage(rng, check_layer, clear_of_kinks):
    stage = Stage(PreActUnit, 3, 6, 2, 2, BiTConfig(**SIZES), rng, np.float64)
    assert [unit.conv_proj is None for unit in stage.units] == [False, True, True]
    check_layer(stage, clear_of_kinks(stage, lambda: rng.standard_normal((B, 6, 5, 4))), samples=6)


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_recording_changes_nothing(changes, rng, scramble):
    """Without a record rectifiers write over their input; with one, the record keeps what the norms answered."""
    model, images = model_and_images(rng, **changes)
    scramble(model)
    record = {}
    assert np.array_equal(model(images), model(images, record))
    assert (record["stage0/unit0/norm1"] < 0).any()
    assert (record["norm"] < 0).any()


def test_any_image_size(rng, scramble):
    """The mean over all pixels makes the head independent of the size; one pixel is enough."""
    model = scramble(model_and_images(rng)[0])
    for hw in ((1, 1), (2, 3), (64, 33)):
        logits = model(rng.uniform(-1, 1, (B, C, *hw)))
        assert logits.shape == (B, K)
        assert model.backward(np.ones_like(logits)).shape == (B, C, *hw)


def test_a_fresh_model_has_no_opinion(rng):
    model, images = model_and_images(rng, head_bias=-2.5)
    assert (model(images) == -2.5).all()


def test_larger_filters_are_the_same_filters(rng, scramble):
    """Weight standardisation: a filter times 10 plus 3 answers the same, up to eps."""
    model, images = model_and_images(rng, standardize_eps=1e-10)
    before = scramble(model)(images)
    for name, p in model.named_parameters():
        if "conv" in name or name == "root.weight":
            p.value[...] = 10 * p.value + 3
    np.testing.assert_allclose(model(images), before, rtol=0, atol=1e-7 * abs(before).max())  # eps / var is near 1e-9


def test_the_same_seed_gives_the_same_model():
    one, same, other = (BiT(BiTConfig(**SIZES), seed).state_dict() for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["root.weight"], other["root.weight"])
