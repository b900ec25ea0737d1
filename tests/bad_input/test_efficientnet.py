"""EfficientNet and its layers: what makes no sense is refused, and named; and where it has no place, it is refused."""

from __future__ import annotations

import numpy as np
import pytest
import rooms

import vitedu
from vitedu.recipes import Recipe
from vitedu.weights import save_huggingface, save_timm
from vitedu_numpy.config import EfficientNetConfig
from vitedu_numpy.training.parallel import DataParallel

NAN, INF = float("nan"), float("inf")
STAGES = ((1, 3, 1, 1, 4), (1, 3, 2, 2, 6))
CONFIG = EfficientNetConfig(3, 12, stem_width=4, top_width=8, stages=STAGES)
IMAGES = np.linspace(-1, 1, 2 * 3 * 8 * 12, dtype=np.float32).reshape(2, 3, 8, 12)
ALLOWED = "one or more stages (repeats, kernel, stride, expansion, channels), all positive integers"


@pytest.fixture
def module(package):
    """module("conv"): that module of the package."""
    return lambda name: rooms.load(package, name)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (dict(num_classes=0), ("num_classes=0", "positive integer")),
        (dict(image_size=(8, 0)), ("image_size=(8, 0)", "positive integer or a pair")),
        (dict(stem_width=1.5), ("stem_width=1.5", "positive integer")),
        (dict(stem_stride=0), ("stem_stride=0", "positive integer")),
        (dict(top_width=True), ("top_width=True", "positive integer")),
        (dict(stages=()), ("stages=()", ALLOWED)),
        (dict(stages=3), ("stages=3", ALLOWED)),
        (dict(stages=((1, 3, 1, 1),)), ("stages=((1, 3, 1, 1),)", ALLOWED)),
        (dict(stages=(*STAGES, (0, 3, 1, 1, 4))), ("(0, 3, 1, 1, 4)", ALLOWED)),
        (dict(stages=(*STAGES, (1, 3, 1, 0.5, 4))), ("(1, 3, 1, 0.5, 4)", ALLOWED)),
        (dict(stages=(*STAGES, 4)), (ALLOWED,)),
        (dict(width_multiplier=0), ("width_multiplier=0", "positive number")),
        (dict(depth_multiplier=INF), ("depth_multiplier=inf", "positive number")),
        (dict(dropout=1.0), ("dropout=1.0", "[0, 1)")),
        (dict(stochastic_depth=-0.1), ("stochastic_depth=-0.1", "[0, 1)")),
        (dict(batchnorm_momentum=1), ("batchnorm_momentum=1", "[0, 1)")),
        (dict(batchnorm_eps=0), ("batchnorm_eps=0", "positive number")),
        (dict(head_bias=NAN), ("head_bias=nan", "a number")),
    ],
    ids=str,
)
def test_config(changes, texts, package, refused):
    with refused(ValueError, *texts):
        package.EfficientNetConfig(**dict(num_classes=3, stages=STAGES) | changes)


def test_stages_may_come_as_lists(package):
    """As they do from a file."""
    assert package.EfficientNetConfig(3, stages=[list(stage) for stage in STAGES]).stages == STAGES


@pytest.mark.parametrize(
    ("images", "error", "texts"),
    [
        (np.zeros((2, 3, 8, 12), np.uint8), TypeError, ("images has dtype", "uint8", "images / 127.5 - 1")),
        (IMAGES[0], ValueError, ("images has shape (3, 8, 12)", "(B, C, H, W)")),
        (IMAGES[:, :1], ValueError, ("images has shape (2, 1, 8, 12)", "C = 3")),
        (IMAGES[:, :, :0], ValueError, ("images has shape (2, 3, 0, 12)", "(B, C, H, W)")),
        (np.where(IMAGES > 0.9, NAN, IMAGES), ValueError, ("images holds NaN or infinity", "[-1, 1]")),
    ],
    ids=["bytes", "one image", "one channel", "no pixels", "NaN"],
)
def test_images(images, error, texts, package, array, refused):
    with refused(error, *texts):
        package.EfficientNet(CONFIG, 0)(array(images))


def test_training_on_one_number_per_channel(package, array, module, refused):
    """It has no variance.  In evaluation nothing is asked of the batch."""
    layer = module("batchnorm").BatchNorm(3)
    one = array(np.ones((1, 3, 1, 1), np.float32))
    with refused(ValueError, "x has shape (1, 3, 1, 1)", "2 or more numbers per channel"):
        layer(one)
    with refused(ValueError, "x has shape (0, 3, 4, 4)", "2 or more numbers per channel"):
        layer(array(np.ones((0, 3, 4, 4), np.float32)))
    assert layer.eval()(one).shape == (1, 3, 1, 1)
    model = package.EfficientNet(CONFIG, 0)
    pixel = array(np.zeros((1, 3, 1, 1), np.float32))
    with refused(ValueError, "x has shape (1, 4, 1, 1)"):
        model(pixel)
    assert tuple(model.eval()(pixel).shape) == (1, 3)


@pytest.mark.parametrize("weight", [(3, 3, 3, 3), (2, 1, 3, 3), (3, 1, 3)])
def test_shapes_of_a_depthwise_convolution(weight, module, array, refused):
    with refused(ValueError, f"weight has shape {weight}", "(C, 1, kh, kw)"):
        module("depthwise").depthwise_conv2d(array(IMAGES), array(np.ones(weight, np.float32)))


@pytest.mark.parametrize(
    ("settings", "texts"),
    [
        (dict(stride=0), ("stride=0", "positive integer")),
        (dict(padding="valid"), ("padding='valid'", "integer >= 0, 'same', or ((top, bottom), (left, right))")),
    ],
    ids=str,
)
def test_settings_of_a_depthwise_convolution(settings, texts, module, array, refused):
    with refused(ValueError, *texts):
        module("depthwise").depthwise_conv2d(array(IMAGES), array(np.ones((3, 1, 3, 3), np.float32)), **settings)


def test_a_state_without_running_averages(package, refused):
    model = package.EfficientNet(CONFIG, 0)
    state = {name: value for name, value in model.state_dict().items() if name != "norm.running_var"}
    with refused(KeyError, "missing ['norm.running_var']"):
        model.load_state_dict(state)
    with refused(ValueError, "state['norm.running_var']", "finite real numbers"):
        model.load_state_dict(state | {"norm.running_var": np.full(8, NAN)})


@pytest.mark.parametrize("dtype", [np.float16, np.int64], ids=lambda t: t.__name__)
def test_dtype_of_the_numpy_model(dtype, refused):
    from vitedu_numpy.models.efficientnet import EfficientNet

    with refused(ValueError, f"dtype={dtype!r}", "'float32' or 'float64'"):
        EfficientNet(CONFIG, 0, dtype)


def test_astype_looks_at_running_averages_too(package, refused):
    kind = dict(dtype=np.float64) if package.__name__ == "vitedu_numpy" else {}
    model = package.EfficientNet(CONFIG, 0, **kind).astype("float64")
    state = model.state_dict()
    model.load_state_dict(state | {"norm.running_var": np.full(8, 1e300)})
    with refused(ValueError, "'norm.running_var'", "does not fit into dtype=float32"):
        model.astype("float32")


# ---- where it has no place -----------------------------------------------------------------------------------------


def test_chunks_of_a_batch(refused):
    """Of a chunk the statistics would be others."""
    from vitedu_numpy import EfficientNet

    with refused(ValueError, "chunk=2", "None for a model with batch normalisation"):
        DataParallel(EfficientNet(CONFIG, 0), 1, chunk=2)


def test_recipes(refused):
    with refused(ValueError, "model is a EfficientNetConfig", "ViTConfig", "BiTConfig"):
        Recipe("mine", CONFIG, steps=1)


def test_a_plan(refused):
    from vitedu.plan import PlanRequest, plan

    with refused(ValueError, "model is a EfficientNetConfig"):
        plan(PlanRequest("efficientnet_b0", epochs=1))


def test_layouts_of_others(package, refused, tmp_path):
    """The authors' .npz files hold ViTs, hybrids and BiTs; so do the two libraries' layouts that are known here."""
    model, path = package.EfficientNet(CONFIG, 0), tmp_path / "model.npz"
    with refused(TypeError, "config is a EfficientNetConfig", "ViTConfig"):
        model.save_npz(path)
    assert not path.exists()
    package.create_model("bit_tiny", rng=0).save_npz(path)
    with refused(ValueError, "holds a BiT", "the model is a EfficientNet"):
        model.load_npz(path)


def test_layouts_of_libraries(refused, tmp_path):
    model = vitedu.EfficientNet(CONFIG, 0)
    with refused(ValueError, "transformers cannot hold model='EfficientNetConfig'"):
        save_huggingface(model, tmp_path / "folder")
    with refused(ValueError, "timm cannot hold model='EfficientNetConfig'"):
        save_timm(model, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
