"""Settings that make no sense are refused when they are written, not in the middle of a run."""

from __future__ import annotations

import numpy as np
import pytest
import rooms

import vitedu_numpy

GOOD = dict(image_size=4, patch_size=2, width=6, depth=1, heads=2, mlp_dim=5, num_classes=3, channels=1)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (dict(image_size=5), ("image_size=5", "multiple of patch_size=2")),
        (dict(image_size=(4, 7)), ("image_size=(4, 7)", "multiple of patch_size=2")),
        (dict(image_size=(4, 4, 4)), ("image_size=(4, 4, 4)", "(H, W)")),
        (dict(image_size=0), ("image_size=0", "positive integer")),
        (dict(image_size=4.0), ("image_size=4.0", "positive integer")),
        (dict(image_size="224"), ("image_size='224'", "positive integer")),
        (dict(patch_size=0), ("patch_size=0", "positive integer")),
        (dict(width=7), ("width=7", "multiple of heads=2")),
        (dict(width=-6), ("width=-6", "positive integer")),
        (dict(depth=0), ("depth=0", "positive integer")),
        (dict(heads=True), ("heads=True", "positive integer")),
        (dict(mlp_dim=2.5), ("mlp_dim=2.5", "positive integer")),
        (dict(num_classes=0), ("num_classes=0", "positive integer")),
        (dict(channels=None), ("channels=None", "positive integer")),
        (dict(classifier="cls"), ("classifier='cls'", "'token', 'gap'")),
        (dict(gelu="relu"), ("gelu='relu'", "'erf', 'tanh'")),
        (dict(position_embedding="3d"), ("position_embedding='3d'", "'1d', '2d'")),
        (dict(position_embedding="relative", position_at="stem"), ("position_at='stem'", "'every'")),
        (dict(position_at="middle"), ("position_at='middle'", "'shared'")),
        (dict(position_embedding="sincos2d", width=6), ("width=6", "multiple of 4")),
        (dict(head_bias=float("nan")), ("head_bias=nan", "a number")),
        (dict(representation_size=0), ("representation_size=0", "positive integer or None")),
        (dict(dropout=1.0), ("dropout=1.0", "[0, 1)")),
        (dict(dropout=NAN), ("dropout=nan", "[0, 1)")),
        (dict(attention_dropout=-0.1), ("attention_dropout=-0.1", "[0, 1)")),
        (dict(layernorm_eps=0), ("layernorm_eps=0", "positive number")),
    ],
    ids=str,
)
def test_vit_config(changes, texts, package, refused):
    with refused(ValueError, *texts):
        package.ViTConfig(**GOOD | changes)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (dict(frames=5), ("frames=5", "multiple of tubelet_length=2")),
        (dict(frames=0), ("frames=0", "positive integer")),
        (dict(tubelet_length=0), ("tubelet_length=0", "positive integer")),
        (dict(tubelet_length=2.0), ("tubelet_length=2.0", "positive integer")),
        (dict(image_size=(4, 7)), ("image_size=(4, 7)", "multiple of patch_size=2")),
        (dict(image_size=4.0), ("image_size=4.0", "positive integer")),
        (dict(width=7), ("width=7", "multiple of heads=2")),
        (dict(attention="divided"), ("attention='divided'", "'joint', 'factorised'")),
        (dict(classifier="cls"), ("classifier='cls'", "'gap', 'token'")),
        (dict(classifier="token", attention="factorised"), ("classifier='token'", "belongs to no slice")),
        (dict(classifier="token", position_embedding="space"), ("classifier='token'", "belongs to no slice")),
        (dict(position_embedding="1d"), ("position_embedding='1d'", "'spacetime', 'space', 'none'")),
        (dict(gelu="relu"), ("gelu='relu'", "'erf', 'tanh'")),
        (dict(layernorm_eps=0), ("layernorm_eps=0", "positive number")),
    ],
    ids=str,
)
def test_video_config(changes, texts, package, refused):
    with refused(ValueError, *texts):
        package.VideoViTConfig(**GOOD | dict(frames=6, tubelet_length=2) | changes)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (dict(steps=0), ("steps=0", "positive integer")),
        (dict(batch_size=0), ("batch_size=0", "positive integer")),
        (dict(batch_size=2.5), ("batch_size=2.5", "positive integer")),
        (dict(learning_rate=0), ("learning_rate=0", "positive number")),
        (dict(learning_rate=INF), ("learning_rate=inf", "positive number")),
        (dict(warmup_steps=-1), ("warmup_steps=-1", "integer >= 0")),
        (dict(warmup_steps=11), ("warmup_steps=11", "at most steps=10")),
        (dict(decay="step"), ("decay='step'", "'cosine', 'linear', 'none'")),
        (dict(loss="mse"), ("loss='mse'", "'softmax', 'sigmoid'")),
        (dict(weight_decay=-0.1), ("weight_decay=-0.1", ">= 0")),
        (dict(clip_norm=0), ("clip_norm=0", "positive number or None")),
        (dict(clip_norm=NAN), ("clip_norm=nan", "positive number or None")),
        (dict(label_smoothing=1), ("label_smoothing=1", "[0, 1)")),
        (dict(shift=-1), ("shift=-1", "integer >= 0")),
        (dict(seed=1.5), ("seed=1.5", "integer >= 0")),
    ],
    ids=str,
)
def test_train_config(changes, texts, package, refused):
    with refused(ValueError, *texts):
        package.TrainConfig(**dict(steps=10, batch_size=4, learning_rate=0.1) | changes)


def test_an_unknown_field_is_refused(package, refused):
    with refused(TypeError, "drop_rate"):
        package.ViTConfig(**GOOD, drop_rate=0.1)


def test_learning_rate(package, refused):
    with refused(ValueError, "decay='step'", "'cosine', 'linear' or 'none'"):
        package.learning_rate(0, base=0.1, total_steps=10, decay="step")


def test_layers_built_without_a_config(package, refused):
    rng = [np.random.default_rng(0)] if package.__name__ == "vitedu_numpy" else []
    with refused(ValueError, "width=7", "multiple of heads=2"):
        package.MultiHeadAttention(7, 2, *rng)
    with refused(ValueError, "gelu='relu'", "'erf' or 'tanh'"):
        package.MLP(6, 5, *rng, gelu="relu")
    with refused(ValueError, "gelu='relu'", "'erf' or 'tanh'"):
        rooms.load(package, "mlp").Gelu("relu")


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.complex128, bool], ids=lambda t: t.__name__)
def test_dtype_of_the_numpy_vit(dtype, refused):
    with refused(ValueError, f"dtype={dtype!r}", "'float32' or 'float64'"):
        vitedu_numpy.ViT(vitedu_numpy.ViTConfig(**GOOD), 0, dtype)


@pytest.mark.parametrize("value", [0, -1, 1.5, "two"], ids=str)
@pytest.mark.parametrize("name", ["threads", "chunk"])
def test_data_parallel(name, value, refused):
    model = vitedu_numpy.ViT(vitedu_numpy.ViTConfig(**GOOD), 0)
    with refused(ValueError, f"{name}={value!r}", "positive integer"):
        vitedu_numpy.DataParallel(model, **{name: value})
    if name == "threads":
        config = vitedu_numpy.TrainConfig(steps=1, batch_size=2, learning_rate=0.1)
        with refused(ValueError, f"threads={value!r}", "positive integer"):
            vitedu_numpy.fit(model, np.zeros((2, 1, 4, 4)), np.array([0, 1]), config, threads=value)


@pytest.mark.parametrize(
    ("name", "value"), [("lr", -1e-3), ("lr", float("nan")), ("weight_decay", -0.1), ("eps", -1e-8)]
)
def test_optimisers_of_the_numpy_package(name, value, refused):
    """PyTorch's optimisers look at these themselves."""
    model = vitedu_numpy.Linear(3, 2, np.random.default_rng(0))
    settings = {"lr": 1e-3} | {name: value}
    with refused(ValueError, f"{name}={value}", "a number in [0, inf)"):
        vitedu_numpy.Adam(model, **settings)


@pytest.mark.parametrize("rate", [-0.1, 1, float("nan")])
def test_dropout_rate(rate, package, refused):
    with refused(ValueError, f"rate={rate}", "must be a number in [0, 1)"):
        package.Dropout(rate, *([] if package is not vitedu_numpy else [np.random.default_rng(0)]))
