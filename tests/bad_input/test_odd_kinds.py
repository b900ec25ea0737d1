"""What people hand over by mistake, by kind: gaps, the other package's things, sizes without end, what is no number.

tests/doors.py tries every public function in the ways its arguments allow; here stand the kinds that took a rule of
their own, each at the doors where it would have gone in without a word.
"""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
import rooms
import torch

import vitedu
import vitedu_numpy
from vitedu_numpy.config import TransformerConfig, ViTConfig
from vitedu_numpy.contract import checked_for

CONFIG = ViTConfig(image_size=(4, 6), patch_size=2, width=6, depth=1, heads=2, mlp_dim=5, num_classes=3)
TRAINING = vitedu_numpy.TrainConfig(steps=1, batch_size=2, learning_rate=0.1)
IMAGES = np.linspace(-1, 1, 2 * 3 * 4 * 6, dtype=np.float32).reshape(2, 3, 4, 6)
LABELS = np.array([0, 2])


# ---- what is no array of numbers -----------------------------------------------------------------------------------


def test_gaps_would_count_as_numbers(package, refused):
    """A masked array gives what lies under its mask to everybody who asks for an array."""
    model, gaps = package.ViT(CONFIG, 0), np.ma.masked_array(IMAGES, mask=IMAGES > 0)
    with refused(TypeError, "images is a masked array", "without gaps"):
        model(gaps)
    with refused(TypeError, "labels is a masked array"):
        package.fit(model, IMAGES, np.ma.masked_array(LABELS, mask=[True, False]), TRAINING)
    with refused(TypeError, "state['head.bias'] is a masked array"):
        model.load_state_dict(model.state_dict() | {"head.bias": np.ma.masked_array(np.ones(3), mask=[1, 0, 0])})
    with refused(TypeError, "train_features is a masked array"):
        features = np.ma.masked_array(np.eye(4), mask=np.eye(4))
        package.few_shot_accuracy(features, np.arange(4) % 2, np.eye(4), np.arange(4) % 2, (1,))
    with refused(TypeError, "p is a" if package is vitedu else "p is a masked array"):
        rooms.load(package, "losses").cross_entropy(
            np.ma.masked_array(np.ones((2, 3)), mask=np.eye(2, 3)), np.eye(2, 3)
        )


def test_lists_of_unequal_parts(package, refused):
    with refused(TypeError, "images is a list", "expected"):
        package.ViT(CONFIG, 0)([IMAGES[0], IMAGES[1][:, :2]])
    with refused(TypeError, "source is a list", "expected"):
        package.Transformer(TransformerConfig(5, 5, width=8, depth=1, heads=2, mlp_dim=4), 0)([[1, 2], [1]], [[1]])


def test_tensors_without_numbers(refused):
    model = vitedu.ViT(CONFIG, 0)
    meta = torch.empty(IMAGES.shape, device="meta")
    with refused(ValueError, "images=", "a meta tensor has none"):
        vitedu.evaluate(model, meta, LABELS)
    with refused(TypeError, "state['head.bias'] is a meta tensor"):
        model.load_state_dict(model.state_dict() | {"head.bias": torch.empty(3, device="meta")})
    with refused(TypeError, "images is a sparse tensor", "to_dense()"):
        model(torch.from_numpy(IMAGES).to_sparse())


@pytest.mark.parametrize("name", ["form", "gelu", "reduction", "width", "dropout", "class_token", "path"])
def test_an_array_where_one_thing_is_meant(name):
    """A comparison with an array has no one answer; Python's words for that name nothing."""
    for given in (np.array([1, 2]), torch.tensor([1, 2])):
        with pytest.raises(ValueError, match=rf"^{name}=.* is not allowed; {name} must be "):
            check_by_rules(name, given)


def check_by_rules(name, value):
    """Some function with an argument of that name."""
    scope = {}
    exec(f"def function({name}): pass", scope)
    checked_for({})(scope["function"])(value)


def test_kinds_of_tensors_that_nothing_is_computed_with(refused):
    gelu = rooms.load("vitedu", "gelu").gelu
    with refused(TypeError, "x is a sparse tensor", "x.to_dense()"):
        gelu(torch.eye(3).to_sparse())
    with pytest.warns(UserWarning, match="quantiz"):  # PyTorch is about to give them up
        quantized = torch.quantize_per_tensor(torch.eye(3), 1.0, 0, torch.qint8)
    with refused(TypeError, "x is a quantized tensor", "x.dequantize()"):
        gelu(quantized)


def test_numbers_of_images(refused):
    """-1 was the last one; truth values chose."""
    source = vitedu.data.open_source("digits", "train")
    for ids, error in (([-1], ValueError), ([10**9], ValueError), ([0.5], TypeError), ("x", TypeError),
                       (None, TypeError), ([True], TypeError), ([[0]], TypeError)):  # fmt: skip
        with refused(error, "ids"):
            source.read(ids)
    assert source.read([]) == []
    assert len(source.read(np.arange(3, dtype=np.uint8))) == 3


# ---- another object than is meant ------------------------------------------------------------------------------------


def test_a_model_of_the_other_package(package, refused):
    """Both have the same names, so the first thing that differs would be an attribute deep inside."""
    other = vitedu_numpy if package is vitedu else vitedu
    for given in (other.ViT(CONFIG, 0), package.ViT, CONFIG, "vit"):
        for call in (
            lambda given=given: package.fit(given, IMAGES, LABELS, TRAINING),
            lambda given=given: package.evaluate(given, IMAGES, LABELS),
            lambda given=given: package.Adam(given, 0.1),
            lambda given=given: package.clip_by_global_norm(given, 1.0),
        ):
            with refused(ValueError, "model=", f"a model of {package.__name__}"):
                call()


def test_flags_that_are_texts(package, refused):
    """ "no" is true."""
    with refused(ValueError, "bias='no'", "True or False"):
        rooms.load(package, "conv").Conv(3, 4, 3, *([np.random.default_rng(0)] * (package is vitedu_numpy)), bias="no")
    if package is vitedu_numpy:
        with refused(ValueError, "mode='eval'", "True or False"):
            package.ViT(CONFIG, 0).train("eval")


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_sizes_without_end(package, refused):
    """Told at the door, and not by the memory."""
    for name, build in {
        "num_classes": lambda n: package.create_model("vit_digits", num_classes=n),
        "width": lambda n: package.LayerNorm(n),
        "batch_size": lambda n: package.evaluate(package.ViT(CONFIG, 0), IMAGES, LABELS, n),
    }.items():
        with refused(ValueError, f"{name}={10**30}", "below 2^31"):
            build(10**30)
    with refused(ValueError, "threads=1000000", "1024 at most"):
        vitedu_numpy.DataParallel(vitedu_numpy.ViT(CONFIG, 0), threads=10**6)
    with refused(ValueError, "train_labels run from", "below 1000000"):
        labels = np.array([0, 1, 10**12])
        package.knn_accuracy(np.eye(3), labels, np.eye(3), np.arange(3), k=(1,))


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_targets_are_parts_of_a_whole(loss, package, array, refused):
    losses = rooms.load(package, "losses")
    p, targets = array(np.full((2, 3), 0.25)), np.eye(2, 3)
    for wrong in (7 * targets, -targets, targets * np.nan):
        with refused(ValueError, "targets holds values from", "numbers in [0, 1]"):
            getattr(losses, loss)(p, array(wrong))
        with refused(ValueError, "targets holds values from"):
            getattr(losses, loss.replace("binary", "sigmoid") if "binary" in loss else f"softmax_{loss}")(
                p, array(wrong)
            )
    with refused(ValueError, "p holds values from -0.25"):
        getattr(losses, loss)(-p, array(targets))


def test_nan_is_no_answer(package, refused):
    """The largest of NaNs would be class 0, and an accuracy would come out."""
    model = package.ViT(CONFIG, 0)
    assert 0 <= package.evaluate(model, IMAGES, LABELS) <= 1
    weight = dict(model.named_parameters())["head.weight"]
    (weight.value if package is vitedu_numpy else weight.data)[...] = float("nan")
    with refused(FloatingPointError, "model gives NaN"):
        package.evaluate(model, IMAGES, LABELS)


def test_masks_that_do_not_fit(package, array, refused):
    q = array(np.ones((2, 3, 5, 4)))
    for shape in ((5, 4), (3, 1, 5, 5), (1, 2, 3, 5, 5)):
        with refused(ValueError, f"mask has shape {shape}", "broadcasts to (2, 3, 5, 5)"):
            rooms.load(package, "attention").attention(q, q, q, array(np.ones(shape, bool)))


def test_parts_that_do_not_divide(package, array, refused):
    attention, groupnorm = (rooms.load(package, name) for name in ("attention", "groupnorm"))
    with refused(ValueError, "heads=3", "divides 8"):
        attention.split_heads(array(np.ones((2, 5, 8))), 3)
    with refused(ValueError, "groups=3", "divides 4"):
        groupnorm.groupnorm(array(np.ones((2, 4, 3, 3))), array(np.ones(4)), array(np.ones(4)), 3)
    with refused(ValueError, "ids runs from -1 to 7", "0..6"):
        rooms.load(package, "symbols").embed(array(np.ones((7, 4))), array(np.array([[-1, 7]])))


# ---- settings of what is only in PyTorch -----------------------------------------------------------------------------

TUNING = vitedu.recipes.get_finetuning("digits")
SETTINGS = {
    "a recipe's parts": (
        lambda: replace(vitedu.recipes.get_recipe("vit_digits"), data="digits"), TypeError, "data is a str",
    ),
    "fine-tuning, batches": (lambda: replace(TUNING, batch_size=0), ValueError, "batch_size=0"),
    "fine-tuning, dropout": (lambda: replace(TUNING, dropout=1.5), ValueError, "dropout=1.5"),
    "fine-tuning, steps": (lambda: replace(TUNING, steps=-3), ValueError, "steps=-3"),
    "compute": (lambda: vitedu.compute.exaflops(-1, 7), ValueError, "macs=-1"),
    "switches": (lambda: vitedu.formulas.macs_by_part(CONFIG, shortcut="no"), ValueError, "shortcut='no'"),
    "a plan of nothing": (lambda: vitedu.plan.plan("vit_digits"), TypeError, "request is a str"),
    "a budget": (lambda: vitedu.experiments.Budget((8,), 0, 1, 8, (0,), 1.0), ValueError, "steps=0"),
    "an experiment's place": (
        lambda: vitedu.experiments.run_experiment(vitedu.experiments.get_experiment("locality"), ""),
        ValueError, "out=''",
    ),
    "a cell": (lambda: vitedu.evaluation.evaluate_cell(vitedu.ViT(CONFIG), "digits"), ValueError, "vitedu.load"),
    "a table": (lambda: vitedu.evaluation.markdown_table([{}]), ValueError, "cells="),
    "a picture": (lambda: vitedu.figures.image(_Axes(), 255 * IMAGES[0]), ValueError, "x holds values up to 255"),
    "a crop": (lambda: _data("transforms").PadCrop((3, 8, 8), -1), ValueError, "pad=-1"),
    "an order": (lambda: _data("order").Shuffled(5, -1), ValueError, "seed=-1"),
    "mixup": (lambda: _data("mixup").mix(torch.ones(2, 3), torch.ones(2, 3), 1.5), ValueError, "lam=1.5"),
    "tries": (lambda: _data("retry").Retry(tries=0), ValueError, "tries=0"),
    "augmentation": (lambda: _data("resident").Augmentation(flip="no"), ValueError, "flip='no'"),
    "names of classes": (
        lambda: vitedu.data.open_source("digits", "train", class_names="cat"), ValueError, "class_names='cat'",
    ),
    "no data": (
        lambda: importlib.import_module("vitedu.engine.train").open_data(vitedu.recipes.DataRecipe("digits"), ""),
        ValueError, "data='' is not allowed",
    ),
    "a transform's recipe": (
        lambda: _data("transforms").training_transform("x", (3, 8, 8)), TypeError, "recipe is a str",
    ),
    "a name with a null": (lambda: vitedu_numpy.from_npz("a\0b.npz"), ValueError, "path="),
    "no folder to write to": (
        lambda: vitedu.weights.save_safetensors(vitedu.ViT(CONFIG, 0), "nowhere/x.safetensors"),
        FileNotFoundError, "path='nowhere/x.safetensors'",
    ),
    "shots of a probe": (
        lambda: importlib.import_module("vitedu.engine.probe").probe("vit_cifar10", "digits", shots="1"),
        ValueError, "shots='1'",
    ),
    "folders of runs": (lambda: importlib.import_module("vitedu.engine.runs").read_runs("x"), ValueError, "folders="),
    "a rate for each": (
        lambda: importlib.import_module("vitedu.training.muon").Muon(vitedu.ViT(CONFIG, 0), torch.ones(2)),
        ValueError, "lr=",
    ),
    "held-out images": (lambda: vitedu.data.open_source("digits", "train", hold_out=1.5), ValueError, "hold_out=1.5"),
}  # fmt: skip


class _Axes:
    """Something to draw on."""

    def imshow(self, *args, **options):
        raise AssertionError("nothing is to be drawn")


def _data(name):
    return importlib.import_module(f"vitedu.data.{name}")


@pytest.mark.parametrize("case", SETTINGS.values(), ids=SETTINGS)
def test_settings(case, refused):
    call, error, text = case
    with refused(error, text):
        call()


def test_a_key_that_stands_twice(tmp_path, refused):
    """Of two values one would be lost."""
    path = tmp_path / "mine.json"
    path.write_text('{"base": "vit_digits", "seed": 1, "seed": 2}')
    with refused(ValueError, str(path), "'seed' stands twice"):
        vitedu.recipes.get_recipe(str(path))


def test_a_recipe_that_leaves(tmp_path, refused):
    path = tmp_path / "mine.py"
    path.write_text("raise SystemExit(0)")
    with refused(ValueError, str(path), "SystemExit"):
        vitedu.recipes.get_recipe(str(path))


def test_folders_that_are_not_there(tmp_path, refused):
    """`vitedu runs FOLDER --verify` once called a folder that is not there whole."""
    with refused(FileNotFoundError, "nowhere", "no folder"):
        importlib.import_module("vitedu.engine.runs").verify([str(tmp_path / "nowhere")])
