"""A model comes with its classes and its preparation of images: from a run, its checkpoints, exports, others' files."""

from __future__ import annotations

import copy
import io
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import SMALL, finish, run, start

import vitedu
import vitedu_numpy as vn
from vitedu.data.sample import UnreadableImage
from vitedu.engine.export import export_run
from vitedu.engine.report import read_metrics
from vitedu.evaluation import Transform, evaluate_cell
from vitedu.recipes import Execution
from vitedu.weights import About, save_huggingface, save_npz, save_safetensors, save_timm
from vitedu_numpy.weights.about import about_in

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CONFIG = vitedu.ViTConfig(8, 4, 8, 1, 2, 8, num_classes=3)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """(40, 60, 3) uint8"""
    from sklearn.datasets import load_sample_image

    return np.ascontiguousarray(load_sample_image("china.jpg")[100:140, 200:260])


@pytest.fixture(scope="module")
def few_images(tmp_path_factory):
    """Twelve grey images of three classes in folders; the validation split lacks one of them."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("images")
    for split, classes in (("train", "abc"), ("val", "ac")):
        for k, name in enumerate(classes):
            for i in range(4):
                path = folder / split / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((8, 8), 60 * k + i, np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def recipe():
    data = replace(SMALL.data, dataset="", eval_split="validation")
    return replace(SMALL, data=data, model=replace(SMALL.model, num_classes=4), steps=4, batch_size=4)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, few_images, recipe) -> Path:
    """A run of four steps on those images, with a head that has one output too many."""
    out = tmp_path_factory.mktemp("runs") / "run"
    run(recipe, out, data=str(few_images))
    return out


# ---- runs ----------------------------------------------------------------------------------------------------------


def test_a_run_keeps_its_classes(finished):
    for path in (finished, finished / "checkpoints" / "step_00000004"):
        assert json.loads((path / "classes.json").read_text(encoding="utf-8")) == ["a", "b", "c"]
    model = vitedu.load(finished)
    assert isinstance(model, vitedu.ViT)
    assert model.classes == ("a", "b", "c")
    assert not model.training
    assert "has 3 classes, the model 4" in Path(f"{finished}.log").read_text(encoding="utf-8")


def test_a_runs_folder_is_as_good_as_its_file(finished):
    by_folder, by_file = vitedu.from_pretrained(finished), vitedu.from_pretrained(finished / "model.safetensors")
    assert by_folder.config == by_file.config
    for name, value in by_folder.state_dict().items():
        assert torch.equal(value, by_file.state_dict()[name])


def test_evaluated_as_in_training(finished, few_images):
    """The accuracy of `vitedu evaluate` is the one that training printed at its end: the same images and weights."""
    (trained,) = [line["eval_accuracy"] for line in read_metrics(finished / "metrics.jsonl") if "eval_accuracy" in line]
    run = Execution(device="cpu", precision="float64", threads=1)
    cell = evaluate_cell(vitedu.load(finished), str(few_images), run=run)
    assert cell["metrics"]["top1"]["value"] == trained
    assert cell["n"] == 8


@pytest.mark.parametrize("ending", ["safetensors", "npz"])
def test_exports_keep_them_too(ending, finished, tmp_path):
    path = tmp_path / f"weights.{ending}"
    export_run(finished, path)
    model = vitedu.load(path)
    assert model.classes == ("a", "b", "c")
    assert model.transform.eval_resize is None
    image = np.full((8, 8), 77, np.uint8)
    torch.testing.assert_close(  # the same weights; the arithmetic is the same, so are the bits
        model(model.transform(image)[None]), vitedu.load(finished)(model.transform(image)[None]), rtol=0, atol=0
    )
    if ending == "npz":  # the texts are no weights: NumPy's model reads the file as before
        assert vn.from_npz(path).config.num_classes == 4


def test_a_run_that_is_not_finished(finished, tmp_path):
    (tmp_path / "recipe.json").write_text((finished / "recipe.json").read_text(encoding="utf-8"), encoding="utf-8")
    for load in (vitedu.load, vitedu.from_pretrained):
        with pytest.raises(ValueError, match="run that is not finished, and it holds no checkpoint yet"):
            load(tmp_path)
    (tmp_path / "checkpoints" / "step_00000002").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"last checkpoint is step_00000002; go on with it, or run `vitedu export .*`"):
        vitedu.load(tmp_path)


def test_a_checkpoint_is_no_file_of_weights(finished):
    """Inside of a run's folder one goes a step too far: what to give instead is said."""
    for place in (finished / "checkpoints", max((finished / "checkpoints").glob("step_*"))):
        with pytest.raises(ValueError, match=r"is a checkpoint of training, .* give the run's folder, or what"):
            vitedu.load(place)


def test_a_run_whose_checkpoints_were_deleted(finished, tmp_path):
    """Its weights are there all the same; `export`, which reads checkpoints, says where."""
    import shutil

    shutil.copytree(finished, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(ValueError, match=r"holds no checkpoint; the weights of the run's end are there: .*model\.safe"):
        export_run(tmp_path / "run", tmp_path / "x.npz")
    assert vitedu.load(tmp_path / "run").classes == ("a", "b", "c")


def test_a_head_that_nobody_has_trained(tmp_path, caplog):
    """After masked patches the head is zero: every class is equally likely, which looks like an answer."""
    model = vitedu.ViT(vitedu.DIGITS_VIT)
    torch.nn.init.zeros_(model.head.weight)
    save_safetensors(model, tmp_path / "masked.safetensors")
    with caplog.at_level(logging.WARNING):
        vitedu.load(tmp_path / "masked.safetensors")
    assert "masked.safetensors: its head is zero, as before any training" in caplog.text
    caplog.clear()
    vitedu.load("vit_cifar10")
    assert not caplog.text


def test_a_resume_with_other_classes_is_refused(finished, few_images, recipe, tmp_path):
    """The same images under other names: the numbers would mean other classes."""
    import shutil

    shutil.copytree(few_images, tmp_path / "images")
    for split in ("train", "val"):
        (tmp_path / "images" / split / "a").rename(tmp_path / "images" / split / "z")
    started = start(recipe, finished, data=str(tmp_path / "images"))
    with pytest.raises(
        AssertionError, match=r"trained with other classes: class 0 was 'a', is 'b' \(3 classes then, 3"
    ):
        finish(started, finished)


# ---- files ---------------------------------------------------------------------------------------------------------


def test_the_shipped_model_knows_its_classes():
    model = vitedu.load("vit_cifar10")
    assert model.classes == CIFAR10
    assert repr(model.transform) == "Transform(RGB, 32 x 32, [-1, 1])"


def test_a_file_without_classes(tmp_path, photo):
    vitedu.ViT(CONFIG, 0).save_npz(tmp_path / "x.npz")
    model = vitedu.load(tmp_path / "x.npz")
    assert model.classes is None
    assert {*model.predict(photo).names} == {"class 0", "class 1", "class 2"}


def test_the_evaluation_of_the_recipe_is_kept(tmp_path):
    save_safetensors(vitedu.ViT(CONFIG, 0), tmp_path / "x.safetensors", about=About(("x",), {"eval_resize": 16}))
    transform = vitedu.load(tmp_path / "x.safetensors").transform
    wide = np.zeros((16, 64, 3), np.uint8)
    wide[:, 28:36] = 255  # the middle of a wide image alone is seen
    assert torch.equal(transform(wide), torch.ones(3, 8, 8))
    assert transform.eval_resize == 16


def test_folders_of_timm_bring_names_and_crop(tmp_path):
    """crop_pct 0.5: the shorter side is resized to 8 / 0.5 pixels, and the middle cut out."""
    save_timm(vitedu.ViT(CONFIG, 0), tmp_path / "model.safetensors")
    settings = {"label_names": ["x", "y", "z"], "pretrained_cfg": {"input_size": [3, 8, 8], "crop_pct": 0.5}}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    found = vitedu.load(tmp_path)
    assert (found.classes, found.transform.eval_resize) == (("x", "y", "z"), 16)


def test_names_that_transformers_made_up_are_none(tmp_path):
    save_huggingface(vitedu.ViT(CONFIG, 0), tmp_path)
    path = tmp_path / "config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    for names, classes in (("LABEL_0", "LABEL_1", "LABEL_2"), None), (("a", "b", "c"), ("a", "b", "c")):
        settings["id2label"] = {str(k): name for k, name in enumerate(names)}
        path.write_text(json.dumps(settings), encoding="utf-8")
        assert vitedu.load(tmp_path).classes == classes


@pytest.mark.parametrize(
    ("classes", "preparation"),
    [(["a", "a"], None), (["a", "b", "c", "d"], None), ([], None), ("abc", None), ([1, 2], None), ({}, None),
     (None, []), (None, {"size": 3}), (None, {"eval_resize": -1}), (None, {"eval_resize": "8"}),
     (None, {"eval_resize": True})],
)  # fmt: skip
def test_texts_that_do_not_fit_are_refused(classes, preparation):
    texts = {"vitedu/classes": json.dumps(classes), "vitedu/preparation": json.dumps(preparation)}
    texts = {key: text for key, text in texts.items() if text != "null"}
    with pytest.raises(ValueError, match=r"^x\.npz: 'vitedu/(classes|preparation)' "):
        about_in(texts, "x.npz", 3)
    with pytest.raises(ValueError, match="'vitedu/classes' is not JSON"):
        about_in({"vitedu/classes": "["}, "x.npz", 3)


def test_saved_and_read_again(tmp_path):
    model, about = vitedu.ViT(CONFIG, 0), About(("é", "b", "c"), {"eval_resize": 10})
    save_npz(model, tmp_path / "x.npz", about=about)
    save_safetensors(model, tmp_path / "x.safetensors", about=about)
    for name in ("x.npz", "x.safetensors"):
        found = vitedu.load(tmp_path / name)
        assert (found.classes, found.transform.eval_resize) == (about.classes, 10)


# ---- images --------------------------------------------------------------------------------------------------------


def test_all_kinds_of_images_give_the_same(tmp_path, photo):
    from PIL import Image

    transform, image = vitedu.load("vit_cifar10").transform, Image.fromarray(photo)
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    (tmp_path / "x.png").write_bytes(encoded.getvalue())
    path = tmp_path / "x.png"
    transparent = image.copy()
    transparent.putalpha(7)
    expected = transform(photo)
    assert expected.shape == (3, 32, 32)
    assert expected.dtype == torch.float32
    assert -1 <= expected.min() < expected.max() <= 1
    for kind in (path, str(path), encoded.getvalue(), image, transparent, torch.from_numpy(photo)):
        assert torch.equal(transform(kind), expected), type(kind)
    grey = transform(photo[:, :, 0])
    assert torch.equal(grey[0], grey[2])


def test_images_that_are_none(tmp_path):
    transform = Transform((3, 8, 8))
    (tmp_path / "x.jpg").write_text("no image", encoding="utf-8")
    with pytest.raises(UnreadableImage, match=r"x\.jpg is no image that can be read"):
        transform(tmp_path / "x.jpg")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        transform(tmp_path / "nowhere.jpg")
    with pytest.raises(ValueError, match=r"image is float64 \(8, 8, 3\); expected uint8 .*model\(images\)"):
        transform(np.zeros((8, 8, 3)))
    with pytest.raises(ValueError, match=r"image has shape \(8, 8, 2\)"):
        transform(np.zeros((8, 8, 2), np.uint8))
    with pytest.raises(TypeError, match="image is a int"):
        transform(3)
    with pytest.raises(ValueError, match="eval_resize=4 is not allowed"):
        Transform((1, 8, 8), eval_resize=4)


# ---- predictions ---------------------------------------------------------------------------------------------------


def test_predict_is_the_softmax_of_the_logits(photo):
    model = vitedu.load("vit_cifar10").train()
    found = model.predict(photo, top=3)
    assert model.training  # as it was
    with torch.no_grad():
        p = model.eval()(model.transform(photo)[None])[0].double().softmax(-1)
    best = p.argsort(descending=True)[:3].tolist()
    assert found.numbers == tuple(best)
    assert found.names == tuple(CIFAR10[k] for k in best)
    np.testing.assert_allclose(found.probabilities, p[best], rtol=1e-12)  # the same float64 numbers
    assert sum(model.predict(photo, top=99).probabilities) == pytest.approx(1, abs=1e-12)
    assert len(model.predict([photo, photo[::-1].copy()])) == 2
    copied = copy.deepcopy(model)  # its own predict, not the first one's
    with torch.no_grad():
        copied.head.bias[4] += 100
    assert copied.predict(photo).names[0] == "deer"
    assert model.predict(photo).names[0] == found.names[0]
    for top in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match=f"top={top!r} is not allowed"):
            model.predict(photo, top)


def test_a_prediction_can_be_read(tmp_path, photo):
    from PIL import Image

    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    found = vitedu.load("vit_cifar10").predict(path, top=2)
    first, second, third = repr(found).split("\n")
    assert first == f"{path}:"
    assert second.split() == [found.names[0], f"{found.probabilities[0]:.1%}"]
    assert third.split()[0] == found.names[1]
