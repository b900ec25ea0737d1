"""EfficientNet: the same names, state, records and gradients in both packages, in training and evaluation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy
from vitedu_numpy import EfficientNetConfig, TrainConfig, relative_error

B, K = 3, 4
SIZES = dict(num_classes=K, stem_width=8, top_width=9, stages=((1, 3, 1, 1, 5), (2, 5, 2, 2, 6)))

# Settings, and image sizes (odd ones too) for which every padding is met.
MODELS = {
    "odd sides": (dict(), (17, 23)),
    "even sides, stem without a stride, one channel": (dict(stem_stride=1, channels=1), (12, 18)),
    "multipliers": (dict(width_multiplier=1.5, depth_multiplier=1.2), (9, 14)),
    "other constants": (dict(batchnorm_momentum=0.6, batchnorm_eps=0.1, head_bias=-3.0), (10, 11)),
}
modes = pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])


@pytest.fixture(params=MODELS.values(), ids=MODELS)
def case(request, rng):
    """(config, images), model after model."""
    changes, hw = request.param
    config = EfficientNetConfig(**SIZES | changes)
    return config, rng.uniform(-1, 1, (B, config.channels, *hw))


@pytest.fixture
def pair(scramble, mirror):
    """pair(config) -> (NumPy, PyTorch), both float64, the same parameters and running averages, none of them 0 or 1."""

    def build(config):
        rng, numpy_model = np.random.default_rng(1), scramble(vitedu_numpy.EfficientNet(config, 0, np.float64))
        for _, buffer in numpy_model.named_buffers():
            buffer.value[...] = rng.uniform(0.3, 0.9, buffer.value.shape)
        return mirror.share(numpy_model, vitedu.EfficientNet(config, 0))

    return build


def assert_gradients_equal(ours, theirs, tolerance):
    """Relative to the largest of all: some are 0 but for rounding, see the gradient tests."""
    assert list(ours) == list(theirs)
    largest = max(abs(gradient).max() for gradient in ours.values())
    for name, gradient in ours.items():
        assert abs(gradient - theirs[name].numpy()).max() <= tolerance * largest, name


def test_names_shapes_and_order(case):
    numpy_model, torch_model = vitedu_numpy.EfficientNet(case[0], 0), vitedu.EfficientNet(case[0], 0)
    assert [(name, value.shape) for name, value in numpy_model.state_dict().items()] == [
        (name, tuple(value.shape)) for name, value in torch_model.state_dict().items()
    ]
    for kind in ("parameters", "buffers"):
        ours, theirs = (getattr(model, f"named_{kind}")() for model in (numpy_model, torch_model))
        assert [name for name, _ in ours] == [name for name, _ in theirs]
    ours = [(name, type(m).__name__) for name, m in numpy_model.named_modules()]
    theirs = [(name, type(m).__name__) for name, m in torch_model.named_modules()]
    assert ours == [(name, kind) for name, kind in theirs if kind != "ModuleList"]


@modes
def test_every_intermediate(training, case, pair, mirror):
    config, images = case
    numpy_model, torch_model = (model.train(training) for model in pair(config))
    numpy_record, torch_record = {}, {}
    numpy_model(images, numpy_record)
    torch_model(mirror.tensor(images), torch_record)
    mirror.assert_all_equal(numpy_record, torch_record)
    keys = [key.removeprefix("block01/") for key in numpy_record if key.startswith("block01/")]
    expand = ["expand", "norm1"] if config.blocks[1].hidden > config.blocks[1].inputs else []
    squeeze = [f"se/{key}" for key in ("mean", "reduce", "expand", "out")]
    assert keys == [*expand, "depthwise", "norm2", *squeeze, "project", "norm3", "out"]
    assert list(numpy_record)[:2] == ["stem", "stem_norm"]
    assert list(numpy_record)[-5:] == ["top", "norm", "pooled", "pre_logits", "logits"]


@modes
@pytest.mark.parametrize("recorded", [False, True])
def test_logits_gradients_and_running_averages(recorded, training, case, pair, rng, mirror):
    config, images = case
    numpy_model, torch_model = (model.train(training) for model in pair(config))
    x = mirror.tensor(images, requires_grad=True)
    logits = numpy_model(images, {} if recorded else None)
    torch_logits = torch_model(x, {} if recorded else None)
    dlogits = rng.standard_normal((B, K))
    torch_logits.backward(mirror.tensor(dlogits))
    mirror.assert_equal(logits, torch_logits, "logits")
    mirror.assert_equal(numpy_model.backward(dlogits), x.grad, "dimages")
    assert_gradients_equal(numpy_model.gradients(), torch_model.gradients(), mirror.tolerance)
    mirror.assert_all_equal(numpy_model.state_dict(), torch_model.state_dict())


def test_the_same_masks_give_the_same_training(pair, rng, mirror):
    config = EfficientNetConfig(**SIZES, dropout=0.3, stochastic_depth=0.4)
    numpy_model, torch_model = pair(config)
    masks = rng.choice([0.0, 1.5], (B, 9)), np.array([0.0, 2.5, 1.5]).reshape(B, 1, 1, 1)
    numpy_model.drop.mask, numpy_model.blocks[2].drop_path.mask = masks
    torch_model.drop.mask, torch_model.blocks[2].drop_path.mask = map(mirror.tensor, masks)
    images, dlogits = rng.uniform(-1, 1, (B, 3, 12, 13)), rng.standard_normal((B, K))
    logits, torch_logits = numpy_model(images), torch_model(mirror.tensor(images))
    mirror.assert_equal(logits, torch_logits)
    numpy_model.backward(dlogits)
    torch_logits.backward(mirror.tensor(dlogits))
    assert_gradients_equal(numpy_model.gradients(), torch_model.gradients(), mirror.tolerance)
    plain = numpy_model.eval()(images)
    mirror.assert_equal(plain, torch_model.eval()(mirror.tensor(images)))
    assert relative_error(plain, logits) > 0.01


def test_fresh_models_noise_and_draws():
    """A rate of 0.3 in the last block: about 30 of 100 images go around it."""
    config = EfficientNetConfig(**SIZES, stochastic_depth=0.3)
    images = np.random.default_rng(0).uniform(-1, 1, (100, 3, 8, 8))
    numpy_model, torch_model = vitedu_numpy.EfficientNet(config, 0, np.float64), vitedu.EfficientNet(config, 0).double()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for model, given in ((numpy_model, images), (torch_model, torch.from_numpy(images))):
            record = {}
            model(given, record)
            same = (record["block02/out"] == record["block01/out"]).reshape(100, -1).all(1)
            assert abs(int(same.sum()) - 30) < 5 * 4.6  # standard deviation sqrt(100 x 0.3 x 0.7)


def test_a_few_steps_of_training(pair, rng):
    """`fit` of both packages: the same losses, parameters and running averages, though NumPy has workers.

    The whole batch is one chunk, since its statistics are those of the batch.
    """
    numpy_model, torch_model = pair(EfficientNetConfig(**SIZES))
    images, labels = rng.uniform(-1, 1, (20, 3, 12, 10)), rng.integers(0, K, 20)
    config = TrainConfig(steps=4, batch_size=8, learning_rate=0.01, weight_decay=0.1)
    ours = vitedu_numpy.fit(numpy_model, images, labels, config, threads=2)
    theirs = vitedu.fit(torch_model, images, labels, config)
    # Adam divides gradients by their own size, which for those that are 0 but for rounding is rounding itself: what
    # these parameters do to the loss is nothing.  In the others 1e-12 grows by some powers of ten in four steps.
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-7)
    assert not np.array_equal(numpy_model.stem_norm.running_mean.value, np.zeros(8))
    mine, other = numpy_model.state_dict(), torch_model.state_dict()
    np.testing.assert_allclose(mine["stem_norm.running_var"], other["stem_norm.running_var"].numpy(), rtol=1e-7)
    accuracy = vitedu_numpy.evaluate(numpy_model, images, labels), vitedu.evaluate(torch_model, images, labels)
    assert accuracy[0] == accuracy[1]


def test_float32_is_close_to_float64(rng):
    """Sixty layers of rounding at 6e-8: the compact model's logits agree to 1e-4 of the largest."""
    config = vitedu_numpy.named_config("efficientnet_tiny")
    wide = vitedu_numpy.EfficientNet(config, 0, np.float64)
    wide.head.weight.value[...] = rng.standard_normal(wide.head.weight.value.shape)
    narrow = vitedu_numpy.EfficientNet(config, 0)
    narrow.load_state_dict(wide.state_dict())
    images = rng.uniform(-1, 1, (4, 3, 32, 32))
    assert relative_error(narrow(images), wide(images)) < 1e-4


@modes
def test_another_dtype(training, pair, rng, mirror):
    """`astype` takes running averages along; float32 numbers are float64 numbers, so nothing is lost."""
    config = EfficientNetConfig(**SIZES)
    images, models = rng.uniform(-1, 1, (B, 3, 9, 10)), [m.train(training) for m in pair(config)]
    states = []
    for model in models:
        narrow = {name: np.asarray(value).copy() for name, value in model.astype("float32").state_dict().items()}
        wide = model.astype("float64").state_dict()
        for name, value in narrow.items():
            assert (value.dtype, np.asarray(wide[name]).dtype) == (np.float32, np.float64)
            assert np.array_equal(value, np.asarray(wide[name]))
        states.append(wide)
    mirror.assert_all_equal(*states)
    numpy_model, torch_model = models
    mirror.assert_equal(numpy_model(images), torch_model(mirror.tensor(images)))
