"""A file is made by others: what is wrong with it is said in one error, and the model stays as it was."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import vitedu.models
import vitedu.weights  # noqa: F401 - reached through `package`
import vitedu_numpy.models
import vitedu_numpy.weights
from vitedu_numpy.config import BiTConfig, HybridConfig, ViTConfig

VIT = ViTConfig(8, 4, 12, 2, 3, 5, num_classes=7, gelu="tanh", representation_size=4)
HYBRID = HybridConfig(16, 1, 12, 1, 3, 5, num_classes=7, gelu="tanh", blocks=(1, 1), backbone_width=8, groups=4)
BIT = BiTConfig((1, 1), num_classes=7, base_width=8, groups=4)
CONFIGS = {"ViT": VIT, "hybrid": HYBRID, "BiT": BIT}
QUERY = "Transformer/encoderblock_1/MultiHeadDotProductAttention_1/query/kernel"
POSITIONS = "Transformer/posembed_input/pos_embedding"
SETTINGS = "vitedu/config"


def arrays_of(config):
    """What a file of such a model holds, every number different from the model's own."""
    model = vitedu_numpy.models.build(config, 1)
    return {key: array + 1 for key, array in vitedu_numpy.weights.to_official(model.state_dict(), config).items()}


def written(path, arrays):
    with open(path, "wb") as file:
        np.savez(file, **arrays)
    return path


def state_of(model):
    return {name: np.asarray(value).copy() for name, value in model.state_dict().items()}


def assert_refused(package, config, path, refused, *texts, error=ValueError):
    """`load_npz` says all this, and the model and its settings are as before."""
    model = package.models.build(config, 0)
    before = state_of(model)
    with refused(error, path.name, *texts):
        package.weights.load_npz(model, path)
    assert model.config is config
    for name, value in state_of(model).items():
        assert np.array_equal(value, before[name]), f"{name} was written although the file was refused"


# ---- what is in the file -------------------------------------------------------------------------------------------


def without(*keys):
    return lambda arrays: {key: array for key, array in arrays.items() if key not in keys}


def with_(key, change):
    """One array replaced: by a value, or by a function of what was there."""
    return lambda arrays: arrays | {key: change(arrays[key]) if callable(change) else change}


def holding(value):
    def change(array):
        array = array.copy()
        array.flat[-1] = value
        return array

    return change


def blocks(count):
    """The file of a deeper, or less deep, model."""
    return lambda arrays: arrays_of(replace(VIT, depth=count))


def grid(rows):
    return with_(POSITIONS, np.ones((1, rows, 12), np.float32))


BAD_ARRAYS = {
    "missing": ("ViT", without("cls"), ("key 'cls' is missing", "expected an array (1, 1, 12)")),
    "missing in a block": ("ViT", without(QUERY), (f"key '{QUERY}' is missing", "(12, 3, 4)")),
    "unknown": ("ViT", with_("head/scale", np.ones(3)), ("key 'head/scale' is not expected",)),
    "unknown, beside the settings": ("ViT", with_("vitedu/x", np.ones(3)), ("key 'vitedu/x' is not expected",)),
    "heads swapped with their numbers": (
        "ViT", with_(QUERY, lambda a: a.swapaxes(1, 2)), (f"key '{QUERY}' has shape (12, 4, 3)", "expected (12, 3, 4)")
    ),
    "heads joined": (
        "ViT", with_(QUERY, lambda a: a.reshape(12, 12)), ("has shape (12, 12)", "expected (12, 3, 4)")
    ),
    "OIHW": (
        "ViT", with_("embedding/kernel", lambda a: a.transpose(3, 2, 0, 1)),
        ("key 'embedding/kernel' has shape (12, 3, 4, 4)", "expected (4, 4, 3, 12)"),
    ),
    "head transposed": (
        "ViT", with_("head/kernel", lambda a: a.T), ("key 'head/kernel' has shape (7, 4)", "expected (4, 7)")
    ),
    "a scalar": ("ViT", with_("cls", np.float32(1)), ("key 'cls' has shape ()", "expected (1, 1, 12)")),
    "nothing in it": ("ViT", with_("head/bias", np.ones(0, np.float32)), ("'head/bias' has shape (0,)", "(7,)")),
    "fewer blocks": ("ViT", blocks(1), ("'Transformer/encoderblock_1/LayerNorm_0/scale' is missing", "more")),
    "more blocks": ("ViT", blocks(3), ("'Transformer/encoderblock_2/LayerNorm_0/scale' is not expected", "more")),
    "another number of classes": (
        "ViT", lambda arrays: arrays_of(replace(VIT, num_classes=10)),
        ("key 'head/kernel' has shape (4, 10)", "expected (4, 7)", "num_classes=7", "from_pretrained"),
    ),
    "another number of classes, BiT": (
        "BiT", lambda arrays: arrays_of(replace(BIT, num_classes=10)),
        ("key 'resnet/head/conv2d/kernel' has shape (1, 1, 64, 10)", "expected (1, 1, 64, 7)"),
    ),
    "another grid": (
        "ViT", grid(10), (f"key '{POSITIONS}' has shape (1, 10, 12)", "expected (1, 5, 12)", "image_size=8")
    ),
    "no square grid": ("ViT", grid(9), ("has shape (1, 9, 12)", "expected (1, 5, 12)")),
    "no pre-logits": (
        "ViT", without("pre_logits/kernel", "pre_logits/bias"), ("key 'pre_logits/kernel' is missing",)
    ),
    "BiT into a ViT": ("ViT", lambda arrays: arrays_of(BIT), ("holds a BiT; the model is a ViT",)),
    "hybrid into a ViT": ("ViT", lambda arrays: arrays_of(HYBRID), ("holds a hybrid; the model is a ViT",)),
    "ViT into a hybrid": ("hybrid", lambda arrays: arrays_of(VIT), ("holds a ViT; the model is a hybrid",)),
    "ViT into a BiT": ("BiT", lambda arrays: arrays_of(VIT), ("holds a ViT; the model is a BiT",)),
    "something else": (
        "ViT", lambda arrays: {"w": np.ones(3), "b": np.ones(3)}, ("no ViT, hybrid or BiT", "['b', 'w']")
    ),
    "no arrays": ("ViT", lambda arrays: {}, ("no ViT, hybrid or BiT",)),
    "NaN": ("ViT", with_("head/bias", holding(np.nan)), ("key 'head/bias'", "holds NaN", "expected finite numbers")),
    "infinity": ("BiT", with_("resnet/group_norm/beta", holding(-np.inf)), ("'resnet/group_norm/beta'", "finite")),
    "too large for float32": (
        "ViT", with_("head/bias", lambda a: np.full(7, 1e300)), ("head.bias", "finite real numbers", "float32")
    ),
    "complex": ("ViT", with_("cls", lambda a: a + 1j), ("key 'cls'", "complex", "expected real numbers")),
    "booleans": ("ViT", with_("cls", lambda a: a > 0), ("key 'cls'", "bool", "expected real numbers")),
    "text": ("ViT", with_("cls", np.array("hello")), ("key 'cls'", "<U5", "expected real numbers")),
    "bytes of nothing known": ("ViT", with_("cls", np.zeros((1, 1, 12), "V3")), ("key 'cls'", "expected real numbers")),
    "Python objects": (
        "ViT", with_("cls", np.array([{"run": print}], object)), ("key 'cls'", "cannot be read", "allow_pickle=False")
    ),
    "one array under two names": (
        "ViT", with_("Transformer/encoderblock_0/MlpBlock_0/Dense_0/bias", np.ones(5, np.float32)),
        ("'Transformer/encoderblock_0/MlpBlock_3/Dense_0/bias'", "MlpBlock_0/Dense_0/bias' are the same array"),
    ),
    "a block is missing in between": (
        "ViT", lambda arrays: {key.replace("block_1", "block_2"): array for key, array in arrays.items()},
        ("'Transformer/encoderblock_1/LayerNorm_0/scale' is missing",),
    ),
    "a stage more": (
        "BiT", lambda arrays: arrays_of(replace(BIT, blocks=(1, 1, 1))),
        ("key 'resnet/group_norm/gamma' has shape (128,)", "expected (64,)", "more"),
    ),
    "a unit fewer": ("hybrid", without("block2/unit1/conv2/kernel"), ("key 'block2/unit1/conv2/kernel' is missing",)),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_arrays(case, package, refused, tmp_path):
    kind, change, texts = case
    path = written(tmp_path / "file.npz", change(arrays_of(CONFIGS[kind])))
    assert_refused(package, CONFIGS[kind], path, refused, *texts)


def test_only_a_file_of_another_model_is_said_to_be_one(package, tmp_path):
    """A transposed head looks like one for other classes; advice to start a new head would hide the mistake."""
    path = written(tmp_path / "file.npz", with_("head/kernel", lambda a: a.T)(arrays_of(VIT)))
    with pytest.raises(ValueError, match="does not fit the model") as info:
        package.weights.load_npz(package.models.build(VIT, 0), path)
    assert "num_classes" not in str(info.value)


def test_the_same_number_of_patches_in_another_grid(package, refused, tmp_path):
    """36 positions are a grid of 6 x 6; a model of 4 x 9 patches must not take them as they come."""
    config = replace(VIT, image_size=(16, 36))
    path = written(tmp_path / "file.npz", arrays_of(replace(VIT, image_size=24)))
    assert_refused(
        package, config, path, refused, "positions are of a grid (6, 6)", "expected (4, 9)", "image_size=(16, 36)"
    )


# ---- the text of our own settings ----------------------------------------------------------------------------------


def settings(**changes):
    return np.array(json.dumps({"kind": "ViTConfig", **asdict(replace(VIT, gelu="erf")), **changes}))


BAD_SETTINGS = {
    "no JSON": (np.array("{"), ("does not hold the settings",)),
    "a list": (np.array("[1, 2]"), ("does not hold the settings",)),
    "numbers": (np.array([1.0, 2.0]), ("does not hold the settings",)),
    "nested without end": (np.array("[" * 100_000), ("does not hold the settings",)),
    "no kind": (np.array("{}"), ("does not hold the settings", "kind")),
    "an unknown kind": (settings(kind="os.system"), ("does not hold the settings", "os.system")),
    "an unknown field": (settings(colour="red"), ("does not hold the settings", "colour")),
    "a field out of its range": (settings(layernorm_eps=-1), ("does not hold the settings", "layernorm_eps=-1")),
    "a depth for all memory": (settings(depth=10**9), ("depth=1000000000", "the arrays are of 2")),
    "another width": (settings(width=24), ("key 'embedding/kernel' has shape (4, 4, 3, 12)", "expected (4, 4, 3, 24)")),
    "other positions": (settings(position_embedding="none"), (f"key '{POSITIONS}' is not expected",)),
    "another kind": (np.array(json.dumps({"kind": "BiTConfig", **asdict(BIT)})), ("says depth=None", "are of 2")),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_settings(case, package, refused, tmp_path):
    text, texts = case
    path = written(tmp_path / "file.npz", arrays_of(VIT) | {SETTINGS: text})
    assert_refused(package, VIT, path, refused, *texts)


def test_settings_of_another_model_of_the_same_shapes(package, refused, tmp_path):
    """Groups of a group norm, heads of relative positions, ...: nothing in the arrays would tell."""
    model = vitedu_numpy.models.build(replace(BIT, groups=8), 0)
    vitedu_numpy.weights.save_npz(model, tmp_path / "file.npz")
    assert_refused(package, BIT, tmp_path / "file.npz", refused, "has groups=8, expected 4")
    fixed, none = (replace(VIT, position_embedding=kind) for kind in ("sincos2d", "none"))
    vitedu_numpy.weights.save_npz(vitedu_numpy.models.build(fixed, 0), tmp_path / "file.npz")
    assert_refused(package, none, tmp_path / "file.npz", refused, "position_embedding='sincos2d', expected 'none'")


# ---- the file itself -----------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(package, refused, tmp_path):
    assert_refused(package, VIT, tmp_path / "nothing.npz", refused, error=FileNotFoundError)
    assert_refused(package, VIT, tmp_path, refused, error=IsADirectoryError)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\3\4", b"\x93NUMPY", b"<!DOCTYPE html><html>404</html>", b"\x80\4N."]
)
def test_what_is_no_npz_file(content, package, refused, tmp_path):
    (tmp_path / "file.npz").write_bytes(content)
    assert_refused(package, VIT, tmp_path / "file.npz", refused, "is not an .npz file, or was cut off")


def test_a_single_array(package, refused, tmp_path):
    np.save(tmp_path / "file.npy", np.ones(3))
    assert_refused(package, VIT, tmp_path / "file.npy", refused, "is not an .npz file")


def test_a_pickle_of_pytorch(package, refused, tmp_path):
    """It is a zip archive too; what is in it is not looked at."""
    torch.save({"cls": torch.ones(3)}, tmp_path / "file.pth")
    assert_refused(package, VIT, tmp_path / "file.pth", refused, "is a pickle, which can run anything", "To convert it")


def test_an_archive_with_something_between_the_arrays(package, refused, tmp_path):
    path = written(tmp_path / "file.npz", arrays_of(VIT))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "hello")
    assert_refused(package, VIT, path, refused, "key 'notes.txt' cannot be read", "it is not an array")


def test_an_array_that_claims_more_than_there_is(package, refused, tmp_path):
    """A header of a few bytes that asks for 4 million GB."""
    header = np.lib.format.magic(1, 0)
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000, 1000), }\n"
    with zipfile.ZipFile(tmp_path / "file.npz", "w") as archive:
        archive.writestr("cls.npy", header + len(text).to_bytes(2, "little") + text)
    assert_refused(package, VIT, tmp_path / "file.npz", refused, "key 'cls' cannot be read")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off(part, package, refused, tmp_path):
    path = written(tmp_path / "file.npz", arrays_of(VIT))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert_refused(package, VIT, path, refused, "was cut off")


def test_bytes_that_were_changed(package, tmp_path, rng):
    """200 files with a few wrong bytes each: every one is refused by name, or its numbers came through unharmed."""
    path = written(tmp_path / "file.npz", arrays_of(VIT))
    content, model = np.frombuffer(path.read_bytes(), np.uint8), package.models.build(VIT, 0)
    before, harmless = state_of(model), 0
    for _ in range(200):
        broken = content.copy()
        broken[rng.integers(0, len(content), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(broken.tobytes())
        try:
            package.weights.load_npz(model, path)
        except ValueError as error:
            message = str(error)
            unchanged = all(np.array_equal(value, before[name]) for name, value in state_of(model).items())
        else:  # a date, a permission, ... in the archive's list
            harmless, message = harmless + 1, "file.npz"
            loaded = vitedu_numpy.weights.to_official(model.state_dict(), VIT)
            unchanged = all(np.array_equal(loaded[key], array) for key, array in arrays_of(VIT).items())
            model.load_state_dict(before)
        assert "file.npz" in message
        assert unchanged
    assert harmless < 200


# ---- arguments -----------------------------------------------------------------------------------------------------


def test_names_that_do_not_fit(package, refused):
    state = state_of(package.models.build(VIT, 0))
    to_official = package.weights.to_official
    with refused(KeyError, "missing ['head.bias']"):
        to_official({name: value for name, value in state.items() if name != "head.bias"}, VIT)
    with refused(KeyError, "not expected ['head.scale']"):
        to_official(state | {"head.scale": np.ones(3)}, VIT)
    with refused(ValueError, "head.weight has shape (4, 7)", "expected (7, 4)"):
        to_official(state | {"head.weight": np.ones((4, 7))}, VIT)
    with refused(ValueError, "encoder.blocks.0.attention.qkv.bias has shape (12,)", "expected (36,)"):
        to_official(state | {"encoder.blocks.0.attention.qkv.bias": np.ones(12)}, VIT)
    with refused(ValueError, "naming='linen'", "'old' or 'new'"):
        to_official(state, VIT, naming="linen")
    with refused(TypeError, "config is a dict", "ViTConfig"):
        to_official(state, {})
    with refused(ValueError, "arrays", "key 'cls' is missing"):
        package.weights.from_official(without("cls")(arrays_of(VIT)), VIT)


def test_places_where_nothing_can_be_written(package, refused, tmp_path):
    model = package.models.build(VIT, 0)
    with refused(IsADirectoryError, "is a folder; expected the name of a file"):
        package.weights.save_npz(model, tmp_path)
    with refused(FileNotFoundError, "no-such-folder"):
        package.weights.save_npz(model, tmp_path / "no-such-folder" / "file.npz")
    assert list(tmp_path.iterdir()) == []
    with refused(ValueError, "naming='x'"):
        package.weights.save_npz(model, tmp_path / "file.npz", "x")
    assert list(tmp_path.iterdir()) == []
