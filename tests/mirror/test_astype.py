"""`model.astype("float64")`: one word for both packages, for every kind of model."""

from __future__ import annotations

import numpy as np
import pytest
import rooms
import torch

import vitedu
import vitedu_numpy
from vitedu_numpy import BiTConfig, HybridConfig, TransformerConfig, VideoViTConfig, ViTConfig
from vitedu_numpy.models.corruption import choose_corruption

SIZES = dict(patch_size=2, width=12, depth=2, heads=3, mlp_dim=7, num_classes=4)
BACKBONE = dict(blocks=(1, 1), backbone_width=4, groups=2)
SYMBOLS = dict(width=12, depth=2, heads=3, mlp_dim=7, max_length=9, source_vocabulary=8, target_vocabulary=8)
MODELS = {
    "ViT": ("vit", "ViT", ViTConfig((4, 6), **SIZES)),
    "ViT, sines and cosines": ("vit", "ViT", ViTConfig((4, 6), position_embedding="sincos2d", **SIZES)),
    "ViT, relative, gap": ("vit", "ViT", ViTConfig(4, position_embedding="relative", classifier="gap", **SIZES)),
    "hybrid": ("hybrid", "Hybrid", HybridConfig(16, **SIZES | BACKBONE | dict(patch_size=1))),
    "BiT": ("bit", "BiT", BiTConfig((1, 1), 4, base_width=4, groups=2, stem="small", image_size=8)),
    "masked patches": ("masked", "MaskedPatchViT", ViTConfig(4, **SIZES)),
    "video, factorised": ("video", "VideoViT", VideoViTConfig(6, 4, 2, attention="factorised", **SIZES)),
    "encoder and decoder": ("seq2seq", "Transformer", TransformerConfig(**SYMBOLS)),
}


@pytest.fixture(params=MODELS.values(), ids=MODELS)
def kind(request):
    return request.param


def built(package, kind, dtype=None):
    file, name, config = kind
    model = getattr(rooms.load(package, file), name)
    return model(config, 0) if dtype is None else model(config, 0, dtype=dtype)


def inputs(kind):
    """What the model reads, float64."""
    rng, (_, name, config) = np.random.default_rng(3), kind
    if name == "Transformer":
        return rng.integers(2, 8, (2, 5)), rng.integers(2, 8, (2, 6))
    size = config.image_size if isinstance(config.image_size, tuple) else (config.image_size,) * 2
    images = rng.uniform(-1, 1, (2, *([config.frames] if name == "VideoViT" else []), 3, *size))
    if name != "MaskedPatchViT":
        return (images,)
    return images, choose_corruption([rng] * 2, config.num_patches)


def outputs_and_gradients(model, kind):
    """Of either package, as arrays; dLoss/doutputs is 1, 2, 3, ..."""
    given = inputs(kind)
    if isinstance(model, torch.nn.Module):
        outputs = model(*(torch.from_numpy(x) if isinstance(x, np.ndarray) else x for x in given))
        weights = torch.arange(1, outputs.numel() + 1, dtype=outputs.dtype).reshape(outputs.shape)
        (outputs * weights / outputs.numel()).sum().backward()
        return outputs.detach().numpy(), {name: value.numpy() for name, value in model.gradients().items()}
    outputs = model(*given)
    model.backward(np.arange(1, outputs.size + 1, dtype=outputs.dtype).reshape(outputs.shape) / outputs.size)
    return outputs, model.gradients()


@pytest.fixture
def in_float32(kind, scramble):
    """Both twins in float32, with the same scrambled parameters."""
    ours = scramble(built("vitedu_numpy", kind))
    theirs = built("vitedu", kind)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def test_as_if_it_had_been_built_so(kind, in_float32):
    """Bit for bit what a model built in float64 computes from the same numbers; the fixed positions' 53 bits too."""
    ours, theirs = in_float32
    state = ours.state_dict()
    ours.train(), theirs.train()
    for model in (ours, theirs):  # so that there are positions, gradients and a cache of float32
        outputs, _ = outputs_and_gradients(model, kind)
        assert outputs.dtype == np.float32
        assert model.astype("float64") is model
    right = built("vitedu_numpy", kind, np.float64)
    right.load_state_dict(state)
    found, gradients = outputs_and_gradients(ours, kind)
    expected, right_gradients = outputs_and_gradients(right, kind)
    assert found.dtype == np.float64
    assert np.array_equal(found, expected)
    for name, value in right_gradients.items():
        assert gradients[name].dtype == np.float64
        assert np.array_equal(gradients[name], value), name
    double = built("vitedu", kind).double()
    double.load_state_dict(state)
    assert np.array_equal(outputs_and_gradients(theirs, kind)[0], outputs_and_gradients(double, kind)[0])


def test_the_twins_agree(kind, in_float32, mirror):
    (ours, gradients), (theirs, torch_gradients) = (
        outputs_and_gradients(model.astype("float64"), kind) for model in in_float32
    )
    mirror.assert_equal(ours, theirs)
    mirror.assert_all_equal(gradients, torch_gradients)


def test_there_and_back(kind, in_float32):
    """float32 numbers are float64 numbers, so nothing is lost."""
    for model in in_float32:
        state = {name: np.asarray(value).copy() for name, value in model.state_dict().items()}
        before, _ = outputs_and_gradients(model, kind)
        after, _ = outputs_and_gradients(model.astype("float64").astype("float32"), kind)
        assert np.array_equal(before, after)
        for name, value in model.state_dict().items():
            assert np.asarray(value).dtype == np.float32
            assert np.array_equal(value, state[name])


def test_gradients_and_caches_are_forgotten(in_float32, kind):
    ours, theirs = in_float32
    outputs_and_gradients(ours, kind)
    outputs_and_gradients(theirs, kind)
    outputs = ours(*inputs(kind))
    for model in (ours.astype("float64"), theirs.astype("float64")):
        assert all((np.asarray(value) == 0).all() for value in model.gradients().values())
    with pytest.raises(RuntimeError, match="without a forward"):
        ours.backward(outputs)


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64"), np.dtype(">f8"), torch.float64], ids=str)
def test_names_of_a_dtype(dtype):
    kind = MODELS["ViT"]
    for package in ("vitedu_numpy", "vitedu"):
        (value, *_) = built(package, kind).astype(dtype).state_dict().values()
        assert np.asarray(value).dtype == np.float64
        assert np.asarray(value).dtype.isnative


@pytest.mark.parametrize("dtype", ["double", "float16", np.float16, torch.bfloat16, int, float, None, "", 64], ids=str)
def test_other_dtypes_are_refused(dtype):
    for package in ("vitedu_numpy", "vitedu"):
        model = built(package, MODELS["ViT"])
        with pytest.raises(ValueError) as error:
            model.astype(dtype)
        assert str(error.value) == f"dtype={dtype!r} is not allowed; dtype must be 'float32' or 'float64'"
        assert {str(np.asarray(value).dtype) for value in model.state_dict().values()} == {"float32"}


def test_a_number_too_large_for_float32():
    """It is named, and nothing is changed."""
    for package, Model in (("vitedu_numpy", vitedu_numpy.ViT), ("vitedu", vitedu.ViT)):
        model = Model(MODELS["ViT"][2], 0).astype("float64")
        model.load_state_dict(model.state_dict() | {"head.bias": np.array([0, 1e300, 0, 0])})
        with pytest.raises(ValueError, match=r"'head.bias' holds a number that does not fit into dtype=float32"):
            model.astype("float32")
        assert {str(np.asarray(value).dtype) for value in model.state_dict().values()} == {"float64"}, package
