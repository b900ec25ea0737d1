"""The paper's data sets, each in a small copy of its layout: what counts, what is right, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from greys import Greys

from vitedu.data.decode import decode
from vitedu.data.hub import HUB
from vitedu.evaluation import SETS, evaluate_cell
from vitedu.evaluation.imagenet import WithoutBorder, judge_objectnet, judge_real, numbered_folders, read_objectnet
from vitedu.recipes import Execution

CPU = Execution(device="cpu", threads=1)


def thousand_greys(**levels):
    """A model of 1,000 classes that guesses class k for an image of the level given for it; the others are far away."""
    table = np.linspace(1000, 5000, 1000)
    for name, level in levels.items():
        table[int(name.removeprefix("class"))] = level
    return Greys(table)


# ---- names or numbers ----------------------------------------------------------------------------------------------


def test_a_subset_of_the_classes_is_looked_up_by_name(tmp_path, write_images):
    """By its own numbers, "c" would be class 1, and the accuracy 1/2."""
    folder = write_images(tmp_path, {"val/a/1.png": 0, "val/c/1.png": 200})
    cell = evaluate_cell(Greys([0, 100, 200], ("a", "b", "c")), folder, run=CPU)
    assert cell["metrics"]["top1"]["value"] == 1


def test_other_names_are_refused(tmp_path, write_images):
    folder = write_images(tmp_path, {"val/a/1.png": 0, "val/plane/1.png": 100})
    model = Greys([0, 100], ("a", "airplane"))
    with pytest.raises(
        ValueError, match=r"class 'plane', which is not among the 2 classes .*by_number=True .--by-number."
    ):
        evaluate_cell(model, folder, run=CPU)
    cell = evaluate_cell(model, folder, run=CPU, by_number=True)
    assert (cell["metrics"]["top1"]["value"], cell["data"]["classes"]) == (1, "by number")


def test_a_model_without_names_needs_as_many_classes(tmp_path, write_images):
    folder = write_images(tmp_path, {"val/a/1.png": 0, "val/c/1.png": 200})
    with pytest.raises(ValueError, match="has 2 classes, the model 3, and its file does not name them"):
        evaluate_cell(Greys([0, 100, 200]), folder, run=CPU)
    assert "by number" in evaluate_cell(Greys([0, 200]), folder, run=CPU)["data"]["classes"]


def test_names_that_are_numbers_are_numbers(tmp_path, write_images):
    """Sorted as text, "10" comes before "2"."""
    folder = write_images(tmp_path, {f"val/{k}/1.png": 20 * k for k in range(12)})
    cell = evaluate_cell(Greys([20 * k for k in range(12)]), folder, run=CPU)
    assert cell["metrics"]["top1"]["value"] == 1
    with pytest.raises(ValueError, match="has 12 classes, the model 3, and its file does not name them"):
        evaluate_cell(Greys([0, 20, 40]), folder, run=CPU)
    with pytest.raises(ValueError, match="has the class number 11; the model has 3 classes"):
        evaluate_cell(Greys([0, 20, 40]), folder, run=CPU, by_number=True)
    named = Greys([20 * k for k in range(12)], tuple("abcdefghijkl"))
    with pytest.raises(ValueError, match="has the class '0'"):
        evaluate_cell(named, folder, run=CPU)
    assert evaluate_cell(named, folder, run=CPU, by_number=True)["metrics"]["top1"]["value"] == 1


def test_labels_beyond_the_model_are_refused(tmp_path, png):
    import io
    import tarfile

    with tarfile.open(tmp_path / "test-0.tar", "w") as tar:
        for name, data in (("1.png", png(0)), ("1.cls", b"7")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    with pytest.raises(ValueError, match="has the label 7; the model has 2 classes, 0 to 1"):
        evaluate_cell(Greys([0, 100]), str(tmp_path), "test", streaming=True, run=CPU)


# ---- ImageNet-v2 ---------------------------------------------------------------------------------------------------


def test_imagenet_v2(tmp_path, write_images):
    folder = write_images(tmp_path, {"2/x.png": 20, "10/x.png": 100, "999/x.png": 200, "0/x.png": 20})
    assert sorted(numbered_folders(folder).labels.tolist()) == [0, 2, 10, 999]
    cell = evaluate_cell(thousand_greys(class2=20, class10=100, class999=200), "imagenet_v2", folder=folder, run=CPU)
    assert cell["metrics"]["top1"]["value"] == 3 / 4  # the image in 0/ is guessed as 2
    for wrong in ("1000", "01", "cat"):
        write_images(tmp_path / wrong, {f"{wrong}/x.png": 0})
        with pytest.raises(ValueError, match=f"holds the folder '{wrong}'; expected class numbers"):
            numbered_folders(tmp_path / wrong)


# ---- ReaL ----------------------------------------------------------------------------------------------------------


def validation_images(write_images, folder):
    """Four of the 50,000, in whatever folders."""
    files = {"n01/ILSVRC2012_val_00000001.png": 0, "n01/ILSVRC2012_val_00000002.png": 50,
             "n02/ILSVRC2012_val_00000003.png": 100, "ILSVRC2012_val_00000004.png": 150}  # fmt: skip
    return write_images(folder, files)


def test_real_counts_images_with_labels_alone(tmp_path, write_images):
    """The first has none and is left out; the arg max of the second is one of two, in any order; of the fourth none."""
    real = [[], [7, 3], [5], [1]] + [[0]] * 49_996
    (tmp_path / "real.json").write_text(json.dumps(real), encoding="utf-8")
    model = thousand_greys(class3=50, class5=100, class6=150)
    folder = validation_images(write_images, tmp_path / "images")
    cell = evaluate_cell(model, "imagenet_real", folder=folder, labels=str(tmp_path / "real.json"), run=CPU)
    assert (cell["n"], cell["data"]["images"], cell["data"]["left_out"], cell["data"]["unreadable"]) == (3, 4, 1, 0)
    assert cell["metrics"] == {"top1": {"value": 2 / 3, "standard_error": pytest.approx((2 / 27) ** 0.5)}}


def test_real_is_right_if_the_arg_max_is_in_the_list():
    """Row by row against the definition, with lists of unequal lengths."""
    rng = np.random.default_rng(0)
    real = [sorted(set(rng.integers(0, 30, rng.integers(1, 10)).tolist()), reverse=True) for _ in range(40)]
    logits = torch.from_numpy(rng.normal(size=(40, 30)))
    places = torch.from_numpy(rng.permutation(40))
    expected = [int(row.argmax()) in real[int(i)] for row, i in zip(logits, places, strict=True)]
    assert judge_real(real)(logits, places)["top1"].tolist() == expected
    assert 0 < sum(expected) < 40


def test_real_refuses_what_does_not_fit(tmp_path, write_images):
    folder = validation_images(write_images, tmp_path / "images")
    path, model = tmp_path / "real.json", thousand_greys()

    def real(**changes):
        return evaluate_cell(model, "imagenet_real", **{"folder": folder, "labels": str(path), "run": CPU} | changes)

    for text, message in (("[[1], [2]]", "has labels for 2 images"), ('[["a"]]', "is no real.json"),
                          ("[[1000]]", "is no real.json"), ("{", "is not JSON")):  # fmt: skip
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            real()
    path.write_text(json.dumps([[0]] * 50_000), encoding="utf-8")
    with pytest.raises(ValueError, match=r"labels=None is not allowed .* must be the path of real\.json"):
        real(labels=None)
    with pytest.raises(ValueError, match="needs folder="):
        real(folder=None)
    with pytest.raises(ValueError, match="split='test' is not allowed"):
        real(split="test")
    with pytest.raises(ValueError, match="needs a model of ImageNet's 1000 classes; this one has 2"):
        evaluate_cell(Greys([0, 1]), "imagenet_real", folder=folder, labels=str(path), run=CPU)
    write_images(tmp_path / "images", {"cat.png": 1})
    with pytest.raises(ValueError, match=r"holds 'cat\.png'; ReaL's labels are found by names"):
        real()


# ---- ObjectNet -----------------------------------------------------------------------------------------------------


def test_objectnet_and_its_two_conventions(tmp_path, png, write_images):
    """Three objects, two in ImageNet; "chair" is two classes there.  Class 9 is no object.

    Over all classes, a guess of 9 is wrong; over the mapped ones, the next best counts: 423 at distance 10.
    """
    folder = write_images(
        tmp_path / "images", {"chair/1.png": 60, "chair/2.png": 100, "mug/1.png": 200, "pen/1.png": 1}
    )
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"423": "chair", "559": "chair", "504": "mug"}), encoding="utf-8")
    model = thousand_greys(class423=70, class559=100, class504=200, class9=61)
    arguments = dict(folder=folder, labels=str(mapping), run=CPU)
    cells = {c: evaluate_cell(model, "objectnet", convention=c, **arguments) for c in ("all", "mapped")}
    assert {c: (cell["n"], cell["metrics"]["top1"]["value"]) for c, cell in cells.items()} == {
        "all": (3, 2 / 3),
        "mapped": (3, 1.0),
    }
    assert "outside of the mapping wrong" in cells["all"]["data"]["classes"]
    assert cells["all"]["data"]["left_out"] == 1  # the pen
    mapping.write_text(json.dumps({"chair": [423, 559], "mug": [504]}), encoding="utf-8")  # the other way round
    assert evaluate_cell(model, "objectnet", **arguments)["metrics"] == cells["all"]["metrics"]
    with pytest.raises(ValueError, match="convention='some' is not allowed"):
        evaluate_cell(model, "objectnet", convention="some", **arguments)


def test_objectnet_refuses_its_own_numbers(tmp_path):
    """They do not say which folder is meant."""
    path = tmp_path / "mapping.json"
    for mapping, message in (({"423": 12}, "maps '423' to 12"), ({"chair": [1000]}, "has 1000 for 'chair'"),
                             ({"423": "sofa"}, "names none of the folders"), ([], "is no mapping")):  # fmt: skip
        path.write_text(json.dumps(mapping), encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            read_objectnet(path, ["chair", "mug"])


def test_objectnet_judged_row_by_row():
    rng = np.random.default_rng(1)
    right = [[3, 500], [999], []]
    logits, labels = torch.from_numpy(rng.normal(size=(200, 1000))), torch.from_numpy(rng.integers(0, 2, 200))
    logits[:, [3, 500, 999, 4]] += 3.5
    for convention, allowed in (("all", range(1000)), ("mapped", [3, 500, 999])):
        judged = judge_objectnet(right, convention)(logits, labels)
        best = [max(allowed, key=lambda k, row=row: row[k]) for row in logits.tolist()]
        expected = [k in right[label] for k, label in zip(best, labels.tolist(), strict=True)]
        assert judged["top1"].tolist() == expected
        assert 0 < sum(expected) < 200


def test_the_border_is_cut_off(png):
    framed = np.zeros((12, 12, 3), np.uint8)
    framed[2:-2, 2:-2] = 200
    seen = WithoutBorder(Greys([0]).transform.pixels)(framed)
    assert seen.shape == (3, 8, 8)
    assert (seen == 200).all()
    assert (decode(framed)[:2] == 0).all()


# ---- the table -----------------------------------------------------------------------------------------------------


def test_the_table_of_sets():
    """Sizes of the test sets as published; hub names that `open_source` knows."""
    assert {name: s.images for name, s in SETS.items()} == {
        "imagenet1k": 50_000, "imagenet_real": 50_000 - 3163, "imagenet_v2": 10_000, "objectnet": 18_574,
        "cifar10": 10_000, "cifar100": 10_000, "pets": 3669, "flowers": 6149, "digits": 360,
    }  # fmt: skip
    assert all(s.data is None or s.data in {*HUB, "digits"} for s in SETS.values())


def test_digits_by_name():
    """A model that knows nothing says class 0 for every digit."""
    import vitedu
    from vitedu.evaluation import Transform

    model = vitedu.ViT(vitedu.DIGITS_VIT, 0)
    model.classes, model.transform = tuple(map(str, range(10))), Transform((1, 8, 8))
    cell = evaluate_cell(model, "digits", run=CPU)
    assert (cell["n"], cell["data"]["split"]) == (360, "test")
    with pytest.raises(ValueError, match="data='digits' has no split 'validation'"):
        evaluate_cell(model, "digits", "validation", run=CPU)
    with pytest.raises(ValueError, match="folder='x' is not allowed"):
        evaluate_cell(model, "nothing", folder="x", run=CPU)


def test_numbers_among_classes_that_are_numbers(png, tmp_path):
    """A model that was trained on the folders 10 and 2, in this order; a table's 2 is the second of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    model = Greys([0, 200], ("10", "2"))
    for labels, name in (([2, 10], "right"), ([0, 1], "other")):
        (tmp_path / name).mkdir()
        table = {"image": [png(200), png(0)], "label": labels}
        pq.write_table(pa.table(table), tmp_path / name / "validation-0.parquet")
    cell = evaluate_cell(model, str(tmp_path / "right"), run=CPU)
    assert (cell["metrics"]["top1"]["value"], cell["data"]["classes"][:24]) == (1.0, "by number, looked up amo")
    with pytest.raises(ValueError, match="has the label 0, which is no class of the model"):
        evaluate_cell(model, str(tmp_path / "other"), run=CPU)
    assert evaluate_cell(model, str(tmp_path / "other"), run=CPU, by_number=True)["metrics"]["top1"]["value"] == 0.0
