"""BiT, the hybrid and the layers they are made of: what makes no sense is refused, and named."""

from __future__ import annotations

import numpy as np
import pytest
import rooms

from vitedu_numpy.config import BiTConfig, HybridConfig

NAN, INF = float("nan"), float("inf")
BIT = BiTConfig((1,), 3, base_width=4, groups=2)
HYBRID = HybridConfig((8, 12), 1, 4, 1, 2, 5, 3, blocks=(1,), backbone_width=4, groups=2)
IMAGES = np.linspace(-1, 1, 2 * 3 * 8 * 12, dtype=np.float32).reshape(2, 3, 8, 12)


def holding(value):
    images = IMAGES.copy()
    images[1, 2, 3, 4] = value
    return images


BAD_IMAGES = {
    "bytes": (np.zeros((2, 3, 8, 12), np.uint8), TypeError, ("images has dtype", "uint8", "images / 127.5 - 1")),
    "one image": (IMAGES[0], ValueError, ("images has shape (3, 8, 12)", "(B, C, H, W)")),
    "one channel": (IMAGES[:, :1], ValueError, ("images has shape (2, 1, 8, 12)", "(B, C, H, W)")),
    "channels last": (IMAGES.transpose(0, 2, 3, 1), ValueError, ("images has shape (2, 8, 12, 3)", "(B, C, H, W)")),
    "no pixels": (IMAGES[:, :, :0], ValueError, ("images has shape (2, 3, 0, 12)", "(B, C, H, W)")),
    "NaN": (holding(NAN), ValueError, ("images holds NaN or infinity", "finite values in [-1, 1]")),
    "infinity": (holding(-INF), ValueError, ("images holds NaN or infinity", "finite values in [-1, 1]")),
}


@pytest.fixture
def module(package):
    """module("conv"): that module of the package."""
    return lambda name: rooms.load(package, name)


@pytest.fixture
def models(module):
    return {"BiT": module("bit").BiT(BIT, 0), "Hybrid": module("hybrid").Hybrid(HYBRID, 0)}


@pytest.mark.parametrize("case", BAD_IMAGES.values(), ids=BAD_IMAGES)
@pytest.mark.parametrize("name", ["BiT", "Hybrid"])
def test_images(name, case, models, array, refused):
    images, error, texts = case
    with refused(error, *texts):
        models[name](array(images.copy()))


def test_only_bit_takes_any_size(models, array, refused):
    other_size = array(IMAGES[:, :, :, :10].copy())
    assert tuple(models["BiT"](other_size).shape) == (2, 3)
    with refused(ValueError, "images has shape (2, 3, 8, 10)", "(C, H, W) = (3, 8, 12)"):
        models["Hybrid"](other_size)


@pytest.mark.parametrize("dtype", [np.float16, np.int64, bool], ids=lambda t: t.__name__)
def test_dtype_of_the_numpy_models(dtype, refused):
    from vitedu_numpy.models.bit import BiT
    from vitedu_numpy.models.hybrid import Hybrid

    for kind, config in ((BiT, BIT), (Hybrid, HYBRID)):
        with refused(ValueError, f"dtype={dtype!r}", "'float32' or 'float64'"):
            kind(config, 0, dtype)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (dict(blocks=()), ("blocks=()", "1 or more positive integers")),
        (dict(blocks=(1, 0)), ("blocks=(1, 0)", "positive integers")),
        (dict(blocks=3), ("blocks=3", "positive integers")),
        (dict(num_classes=0), ("num_classes=0", "positive integer")),
        (dict(width_factor=1.5), ("width_factor=1.5", "positive integer")),
        (dict(groups=3), ("base_width=4", "groups=3 divides it")),
        (dict(stem="cifar"), ("stem='cifar'", "'imagenet', 'small'")),
        (dict(pool_padding=0), ("pool_padding=0", "'zero', '-inf'")),
        (dict(groupnorm_eps=0), ("groupnorm_eps=0", "positive number")),
        (dict(standardize_eps=NAN), ("standardize_eps=nan", "positive number")),
        (dict(head_bias=INF), ("head_bias=inf", "a number")),
    ],
    ids=str,
)
def test_bit_config(changes, texts, module, refused):
    with refused(ValueError, *texts):
        module("config").BiTConfig(**dict(blocks=(1,), num_classes=3, base_width=4, groups=2) | changes)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (dict(blocks=(2, -1)), ("blocks=(2, -1)", "positive integers")),
        (dict(backbone_width=0), ("backbone_width=0", "positive integer")),
        (dict(groups=3), ("backbone_width=4", "multiple of groups=3")),
        (dict(standardize_eps=-1), ("standardize_eps=-1", "positive number")),
        (dict(patch_size=2, image_size=(8, 12)), ("image_size=(8, 12)", "feature map, 2 x 3", "patch_size=2")),
        (dict(heads=3), ("width=4", "multiple of heads=3")),
    ],
    ids=str,
)
def test_hybrid_config(changes, texts, module, refused):
    good = dict(image_size=8, patch_size=1, width=4, depth=1, heads=2, mlp_dim=5, num_classes=3)
    with refused(ValueError, *texts):
        module("config").HybridConfig(**good | dict(blocks=(1,), backbone_width=4, groups=2) | changes)


# ---- layers --------------------------------------------------------------------------------------------------------

WEIGHT = np.ones((5, 3, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("settings", "texts"),
    [
        (dict(stride=0), ("stride=0", "positive integer")),
        (dict(stride=1.5), ("stride=1.5", "positive integer")),
        (dict(stride=(2, 2)), ("stride=(2, 2)", "positive integer")),
        (dict(padding=-1), ("padding=-1", "integer >= 0, 'same', or ((top, bottom), (left, right))")),
        (dict(padding="valid"), ("padding='valid'", "integer >= 0, 'same', or ((top, bottom), (left, right))")),
        (dict(padding=(1, 1)), ("padding=(1, 1)", "((top, bottom), (left, right))")),
        (dict(padding=((1, 1), (1, 0.5))), ("padding=((1, 1), (1, 0.5))", "((top, bottom), (left, right))")),
        (dict(padding=None), ("padding=None", "((top, bottom), (left, right))")),
    ],
    ids=str,
)
def test_settings_of_convolution_and_pool(settings, texts, module, array, refused):
    with refused(ValueError, *texts):
        module("conv").conv2d(array(IMAGES), array(WEIGHT), **settings)
    with refused(ValueError, *texts):
        module("pool").max_pool(array(IMAGES), **settings)


def test_a_window_larger_than_the_image(module, array, refused):
    small = array(IMAGES[:, :, :2])
    with refused(ValueError, "(2, 12) pixels, padding included", "smaller than the kernel (3, 3)"):
        module("conv").conv2d(small, array(WEIGHT))
    with refused(ValueError, "(2, 12) pixels, padding included", "smaller than the kernel (3, 3)"):
        module("pool").max_pool(small, padding=0)


@pytest.mark.parametrize(
    ("x", "texts"),
    [
        (IMAGES[0], ("x has shape (3, 8, 12)", "(B, C, H, W)")),
        (IMAGES[:, :2], ("weight has shape (5, 3, 3, 3)", "C = 2, as in x (2, 2, 8, 12)")),
    ],
    ids=["one image", "two channels"],
)
def test_shapes_of_a_convolution(x, texts, module, array, refused):
    with refused(ValueError, *texts):
        module("conv").conv2d(array(x), array(WEIGHT))


def test_form_of_standardisation(module, array, refused):
    conv = module("conv")
    rng = [np.random.default_rng(0)] if conv.__name__.startswith("vitedu_numpy") else []
    with refused(ValueError, "form='variance'", "'var' or 'std'"):
        conv.standardize(array(WEIGHT), 1e-5, "variance")
    with refused(ValueError, "form='variance'", "'var' or 'std'"):
        conv.StdConv(3, 5, 3, *rng, form="variance")


@pytest.mark.parametrize("groups", [0, 4, 1.5, -3])
def test_groups(groups, module, refused):
    with refused(ValueError, f"groups={groups}", "divides 6" if groups == 4 else "a positive integer"):
        module("groupnorm").GroupNorm(6, groups)
