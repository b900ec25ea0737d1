"""vitedu_numpy/models/efficientnet.py: the inverted residual block, the whole network, in training and evaluation.

In training a batch norm takes away whatever its input has in common, so a parameter that only shifts what a batch norm
reads has the gradient 0.  Such is the bias of a block's last norm where all that is made of it goes through 1x1
convolutions into batch norms.  Rounding leaves 1e-17 of it, which no central difference can confirm: there both must
be 0 up to their errors, and everything is checked again in evaluation, where the norms are plain scales.
"""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_model, create_model
from vitedu_numpy.config import EfficientNetConfig, MBConvSettings
from vitedu_numpy.layers.dropout import Dropout, StochasticDepth
from vitedu_numpy.models.efficientnet import EfficientNet, MBConv

B, C, K, HW = 3, 3, 4, (9, 14)
SIZES = dict(
    num_classes=K, stem_width=8, top_width=7, batchnorm_eps=0.1, batchnorm_momentum=0.5,
    stages=((1, 3, 1, 1, 5), (2, 5, 2, 2, 6)),
)  # fmt: skip

# Every option that changes the arithmetic.
MODELS = {
    "two stages": {},
    "stem without a stride, one channel": dict(stem_stride=1, channels=1, stages=((2, 3, 2, 2, 4),)),
    "multipliers": dict(width_multiplier=1.5, depth_multiplier=1.2, stages=((1, 3, 1, 1, 5), (1, 3, 2, 2, 8))),
    "small eps": dict(batchnorm_eps=1e-3),
}
BLOCKS = {  # inputs, outputs, kernel, stride, hidden, squeezed, stochastic depth
    "shortcut": MBConvSettings(4, 4, 3, 1, 8, 2, 0.0),
    "other channels": MBConvSettings(4, 6, 3, 1, 8, 1, 0.0),
    "stride": MBConvSettings(4, 4, 5, 2, 8, 1, 0.0),
    "nothing to expand": MBConvSettings(4, 5, 3, 1, 4, 1, 0.0),
    "nothing to expand, shortcut": MBConvSettings(4, 4, 3, 1, 4, 1, 0.0),
}


@pytest.fixture
def fill(scramble):
    """fill(model) -> the model: parameters and running averages that are neither 0 nor 1, variances positive.

    The norms' scales are twice as large as the rest: through so many layers a gradient must not fall under 1e-10, the
    error of a central difference.
    """

    def fill(model):
        rng = np.random.default_rng(5)
        for name, buffer in scramble(model).named_buffers():
            is_mean = name.endswith("running_mean")
            buffer.value[...] = rng.uniform(*((-0.5, 0.5) if is_mean else (0.5, 1.5)), buffer.value.shape)
        for name, p in model.named_parameters():
            p.value *= 2 if "norm" in name and name.endswith("weight") else 1
        return model

    return fill


def model_and_images(rng, **changes):
    config = EfficientNetConfig(**SIZES | changes)
    return EfficientNet(config, rng, np.float64), rng.uniform(-1, 1, (B, config.channels, *HW))


def fix_masks(model, rng):
    """A mask for every layer that drops: two images kept, differently scaled, and one dropped; values likewise."""
    for _, layer in model.named_modules():
        if isinstance(layer, StochasticDepth):
            layer.mask = rng.permutation([0.0, 1.5, 2.5]).reshape(B, 1, 1, 1)
        elif isinstance(layer, Dropout):
            layer.mask = rng.choice([0.0, 1.5, 2.5], (B, model.config.feature_channels))
    return model


# ---- the block -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("settings", BLOCKS.values(), ids=BLOCKS)
def test_block(settings, training, rng, check_layer, fill):
    block = fill(MBConv(settings, EfficientNetConfig(**SIZES), rng, np.float64)).train(training)
    assert (block.expand is None) == (settings.hidden == settings.inputs)
    assert (block.drop_path is None) != settings.has_shortcut
    check_layer(block, rng.standard_normal((B, 4, 6, 5)), samples=12)


def test_block_with_stochastic_depth(rng, check_layer, fill):
    block = fill(MBConv(BLOCKS["shortcut"], EfficientNetConfig(**SIZES), rng, np.float64))
    fix_masks(block, rng)
    check_layer(block, rng.standard_normal((B, 4, 6, 5)), samples=12)


def test_a_dropped_image_goes_around_the_block(rng, fill):
    block, x = fill(MBConv(BLOCKS["shortcut"], EfficientNetConfig(**SIZES), rng, np.float64)), np.ones((B, 4, 6, 5))
    block.drop_path.mask = np.array([1.0, 0.0, 1.0]).reshape(B, 1, 1, 1)
    x *= rng.standard_normal(x.shape)
    out = block(x)
    assert np.array_equal(out[1], x[1])
    assert abs(out[0] - x[0]).max() > 0.1


# ---- the network ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_every_model_in_evaluation(changes, rng, assert_right, fill):
    model, images = model_and_images(rng, **changes)
    assert_right(check_model(fill(model).eval(), images, samples=4, verbose=False))


def shift_only(model) -> set[str]:
    """Biases of a block's last norm whose sum with what comes after is read by batch norms alone (see above)."""
    names = set()
    for b in range(len(model.blocks)):
        after = model.blocks[b + 1 :]
        until = next((i for i, block in enumerate(after) if block.drop_path is None), len(after))
        if all(block.expand for block in after[: until + 1]):
            names.add(f"blocks.{b}.norm3.bias")
    return names


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_every_model_in_training(changes, rng, assert_right, fill):
    model, images = model_and_images(rng, **changes)
    errors = check_model(fill(model), images, samples=4, verbose=False)
    zeros = shift_only(model)
    assert zeros
    assert_right({name: error for name, error in errors.items() if name not in zeros})
    largest = max(abs(gradient).max() for gradient in model.gradients().values())
    for name in zeros:  # sums of a thousand numbers that cancel, each rounded to 1e-16
        assert abs(model.gradients()[name]).max() < 1e-13 * largest


def test_with_dropout_and_stochastic_depth(rng, assert_right, fill):
    """Masks act only in training mode; evaluation's norms give every parameter a gradient to check."""
    model, images = model_and_images(rng, dropout=0.3, stochastic_depth=0.4)
    fix_masks(fill(model).eval(), rng)
    for _, layer in model.named_modules():
        layer.training = isinstance(layer, Dropout)
    assert_right(check_model(model, images, samples=4, verbose=False))


def test_two_backward_passes_add_up(rng, fill):
    model, images = model_and_images(rng)
    dlogits, once = rng.standard_normal((B, K)), {}
    for times in (1, 2):
        fill(model)(images)
        model.backward(dlogits)
        once = once or {name: gradient.copy() for name, gradient in model.gradients().items()}
        assert all(np.array_equal(gradient, times * once[name]) for name, gradient in model.gradients().items())
    with pytest.raises(RuntimeError, match="without a forward"):
        model.backward(dlogits)


@pytest.mark.parametrize("training", [True, False])
def test_recording_changes_nothing(training, rng, fill):
    model, images = model_and_images(rng)
    fill(model).train(training)
    record = {}
    assert np.array_equal(model(images), model(images, record))
    assert list(record)[-3:] == ["pooled", "pre_logits", "logits"]


def test_any_image_size(rng, fill):
    model = fill(model_and_images(rng)[0])
    for hw in ((1, 1), (2, 3), (33, 20)):
        logits = model(rng.uniform(-1, 1, (B, C, *hw)))
        assert logits.shape == (B, K)
        assert model.backward(np.ones_like(logits)).shape == (B, C, *hw)


def test_a_fresh_model_has_no_opinion(rng):
    model, images = model_and_images(rng, head_bias=-2.5)
    assert (model(images) == -2.5).all()


def test_the_same_seed_gives_the_same_model():
    one, same, other = (EfficientNet(EfficientNetConfig(**SIZES), seed).state_dict() for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["stem.weight"], other["stem.weight"])


# ---- settings ------------------------------------------------------------------------------------------------------


def test_blocks_of_b0():
    """The paper's Table 1: channels, kernel, stride, expansion; and a quarter of the input squeezed."""
    blocks = EfficientNetConfig(1000).blocks
    assert len(blocks) == 16
    assert blocks[0] == MBConvSettings(32, 16, 3, 1, 32, 8, 0.0)
    assert blocks[1] == MBConvSettings(16, 24, 3, 2, 96, 4, 0.0)
    assert blocks[2] == MBConvSettings(24, 24, 3, 1, 144, 6, 0.0)
    assert blocks[15] == MBConvSettings(192, 320, 3, 1, 1152, 48, 0.0)
    assert [block.stride for block in blocks if block.stride > 1] == [2, 2, 2, 2]


def test_stochastic_depth_rises_evenly_from_0():
    config = EfficientNetConfig(1000, stochastic_depth=0.3)
    rates = [block.stochastic_depth for block in config.blocks]
    np.testing.assert_allclose(rates, np.linspace(0, 0.3, 16), rtol=1e-14)  # one product and one quotient
    model = EfficientNet(EfficientNetConfig(**SIZES, stochastic_depth=0.4), 0)
    found = {n: m.rate for n, m in model.named_modules() if isinstance(m, StochasticDepth)}
    assert found == {"blocks.2.drop_path": 0.4}  # the only one of three with a way around
    assert EfficientNetConfig(4, stages=((1, 3, 1, 1, 8),), stochastic_depth=0.4).blocks[0].stochastic_depth == 0


@pytest.mark.parametrize(
    ("channels", "multiplier", "expected"),
    [(32, 1.1, 32), (16, 1.1, 16), (24, 1.1, 24), (40, 1.2, 48), (320, 1.4, 448), (1280, 1.1, 1408), (8, 1.4, 16),
     (8, 0.25, 8), (20, 1.0, 20)],
)  # fmt: skip
def test_rounding(channels, multiplier, expected):
    """To the nearest multiple of 8, ties up; up as well where that would lose more than a tenth: 11.2 -> 16, not 8."""
    assert EfficientNetConfig(10, width_multiplier=multiplier).rounded(channels) == expected


def test_the_compact_model_is_for_small_images():
    model = create_model("efficientnet_tiny", rng=0)
    record = {}
    model(np.zeros((2, 3, 32, 32), np.float32), record)
    assert record["stem"].shape == (2, 16, 16, 16)
    assert record["norm"].shape == (2, 384, 4, 4)
    assert sum(p.value.size for _, p in model.named_parameters()) == 202_884
