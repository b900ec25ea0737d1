"""VTAB-1k: which thousand images, by hashlib alone, against lists that TensorFlow Datasets has printed; and by name."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from vitedu import ViT, cli
from vitedu.data import Arrays, open_source, vtab
from vitedu.data.vtab import (
    GROUPS,
    PARTS,
    TASKS,
    clevr_count,
    clevr_distance,
    describe,
    dsprites_location,
    dsprites_orientation,
    file_key,
    kitti_distance,
    open_vtab,
    smallnorb_azimuth,
    smallnorb_elevation,
    splits_of,
    tasks_in,
    thousand,
    vtab_order,
)
from vitedu.evaluation import points, vtab_means, vtab_table
from vitedu.evaluation.cell import CELL
from vitedu.recipes import get_finetuning
from vitedu.weights import save_safetensors
from vitedu_numpy.config import ViTConfig


def parts(name, **keys):
    """{part: positions} of a task whose parts lie in one split each."""
    found = thousand(TASKS[name], keys)
    return {part: picks[0][1] for part, picks in found.items() if len(picks) == 1}


# ---- which images --------------------------------------------------------------------------------------------------


def test_cifar_begins_as_tensorflow_datasets_prints_it():
    """ "train" of 50,000 rows; the first ten stand in a printed batch, the sums in the anchors of task_adaptation."""
    assert vtab_order("train", range(50_000))[:10].tolist() == [
        16399, 1680, 47917, 17307, 27051, 48736, 26263, 1456, 19135, 31598,
    ]  # fmt: skip
    found = parts("cifar100", train=range(50_000))
    assert (found["train800"].sum(), found["val200"].sum()) == (20135529, 5048484)


@pytest.mark.parametrize(
    ("name", "keys", "sums"),
    [("svhn", {"train": 73_257}, (30231982, 6945712)),
     ("dsprites_location", {"train": 737_280}, (295636588, 68639137)),
     ("smallnorb_azimuth", {"train": 24_300, "test": 24_300}, (9846660, 2456687))],
)  # fmt: skip
def test_sums_of_row_numbers(name, keys, sums):
    found = parts(name, **{split: range(n) for split, n in keys.items()})
    assert (found["train800"].sum(), found["val200"].sum()) == sums
    assert (len(found["train800"]), len(found["val200"])) == (800, 200)
    assert name == "svhn" or len(found["test"]) == TASKS[name].test  # a split of its own there
    if name == "dsprites_location":
        first = found["train800"][:8].tolist()
        assert [dsprites_location(row) for row in first] == [0, 0, 7, 6, 7, 11, 7, 5]
        assert [dsprites_orientation(row) for row in first] == [6, 8, 0, 7, 9, 12, 14, 1]


def test_clevr_and_camelyon_begin_rightly():
    names = [f"CLEVR_train_{i:06d}.png" for i in range(70_000)]
    found = parts("clevr_count", train=names)
    assert [names[i][12:18] for i in found["train800"][:3]] == ["043876", "033421", "062025"]
    assert names[found["val200"][0]][12:18] == "035084"
    keys = {"train": [f"train_{i}" for i in range(262_144)], "validation": [f"valid_{i}" for i in range(32_768)]}
    found = parts("camelyon", **keys)
    assert (found["train800"][0], found["val200"][0]) == (251464, 3270)


def test_parts_of_one_split_do_not_meet():
    found = parts("eurosat", train=[f"Forest_Forest_{i}.jpg" for i in range(27_000)])
    assert len({*found["train800"]} | {*found["val200"]} | {*found["test"]}) == 800 + 200 + 5400


def test_the_salt_is_part_of_the_order():
    assert vtab_order("train", range(100)).tolist() != vtab_order("test", range(100)).tolist()
    assert sorted(vtab_order("test", ["a", "b", "c"])) == [0, 1, 2]


def test_tasks_without_a_list_say_why():
    assert {name for name, task in TASKS.items() if task.no_list} == {"caltech101", "kitti_distance"}
    with pytest.raises(ValueError, match=r"^caltech101: no list .* a file system's order of listing"):
        thousand(TASKS["caltech101"], {})
    with pytest.raises(ValueError, match=r"^kitti_distance: no list .* drawn by drive"):
        thousand(TASKS["kitti_distance"], {})


def test_splits_that_are_not_whole_are_refused():
    with pytest.raises(ValueError, match="dtd, 'train', has 1880 examples; 3 keys were given"):
        thousand(TASKS["dtd"], {"train": ["a", "b", "c"]})
    with pytest.raises(ValueError, match="keys must differ"):
        thousand(TASKS["dtd"], {"train": ["a"] * 1880})
    with pytest.raises(ValueError, match="has no split 'val'"):
        thousand(TASKS["dtd"], {"val": []})


def test_the_nineteen():
    groups = [task.group for task in TASKS.values()]
    assert [groups.count(group) for group in ("natural", "specialized", "structured")] == [7, 4, 8]
    assert {name for name, task in TASKS.items() if not task.flip} == {
        "dsprites_location", "dsprites_orientation", "smallnorb_azimuth",
    }  # fmt: skip
    assert {name for name, task in TASKS.items() if not task.crop} == {
        "clevr_count", "clevr_distance", "dmlab", "kitti_distance", "dsprites_location",
    }  # fmt: skip


# ---- labels --------------------------------------------------------------------------------------------------------


def test_labels():
    assert [clevr_count(n) for n in (3, 10)] == [0, 7]
    edges = [(0.1, 0), (8, 0), (8.01, 1), (8.5, 1), (8.6, 2), (9.5, 3), (9.6, 4), (10, 4), (10.1, 5)]
    for nearest, label in edges:  # an object exactly on an edge belongs below it
        assert clevr_distance([(0, 0, nearest), (5, 1, 50)]) == label
    assert [kitti_distance(["Car"], [z]) for z in (-3, 8, 8.1, 20, 20.1, 900)] == [0, 0, 1, 1, 2, 2]
    assert kitti_distance(["Pedestrian", "DontCare"], [1, 2]) == 3  # no vehicle
    assert kitti_distance(["Pedestrian", "Truck", "Van"], [1, 30, 9]) == 1
    rows = range(0, 40 * 1024, 1024)
    counts = np.bincount([dsprites_orientation(row) for row in rows])
    assert counts.tolist() == [3, 2] * 8  # 40 angles in 16 bins
    assert sorted({dsprites_location(row) for row in range(1024)}) == list(range(16))
    assert [smallnorb_azimuth((4, 8, a, 0)) for a in (0, 2, 34)] == [0, 1, 17]
    assert smallnorb_elevation((4, 8, 34, 0)) == 8


# ---- images --------------------------------------------------------------------------------------------------------


def test_keys_of_files():
    for name, path, key in (
        ("dtd", "banded/banded_0002.jpg", "banded/banded_0002.jpg"),
        ("sun397", "a/abbey/sun_x.jpg", "/a/abbey/sun_x.jpg"),
        ("eurosat", "Forest/Forest_1.jpg", "Forest_Forest_1.jpg"),
        ("resisc45", "airport/airport_001.jpg", "airport_airport_001.jpg"),
        ("pets", "images/Abyssinian_1.jpg", "Abyssinian_1.jpg"),
        ("flowers", "jpg/image_00001.jpg", "image_00001.jpg"),
        ("clevr_count", "train/CLEVR_train_000000.png", "CLEVR_train_000000.png"),
    ):
        assert file_key(TASKS[name], path) == key


def test_a_task_by_its_rows():
    """CIFAR-100 in the order of its file, one pixel each, its label the row: images by the list, labels by `label`."""
    n = 50_000
    pixels = (np.arange(n) % 251).astype(np.uint8).reshape(n, 1, 1, 1)
    sources = {"train": Arrays(pixels, np.arange(n), "cifar")}
    both = open_vtab("cifar100", "train800val200", sources)
    assert (len(both), both.num_classes) == (1000, 100)
    assert both.labels[:3].tolist() == [16399, 1680, 47917]
    assert (both.labels[:800].sum(), both.labels[800:].sum()) == (20135529, 5048484)
    last = open_vtab("cifar100", "val200", sources, label=lambda row: row % 100)
    sample, same = last.read([199])[0], both.read([999])[0]
    assert sample.label == same.label % 100 == last.labels[199]
    assert int(sample.data[0, 0, 0]) == int(same.data[0, 0, 0]) == same.label % 251


def test_a_task_by_its_file_names(tmp_path, monkeypatch, png):
    """EuroSAT's layout in small: a task of the same kind with 12 images."""
    small = replace(TASKS["eurosat"], train=6, val=3, test=3)
    monkeypatch.setitem(vtab.TASKS, "eurosat", small)
    for i in range(12):
        path = tmp_path / "train" / ("Forest", "River")[i % 2] / f"{('Forest', 'River')[i % 2]}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(i))
    source = open_source(str(tmp_path), "train", in_memory=False)
    found = {part: open_vtab("eurosat", part, {"train": source}) for part in ("train800", "val200", "test")}
    assert [len(part) for part in found.values()] == [6, 3, 3]  # there are not 800 and 200
    keys = [f"{('Forest', 'River')[i % 2]}_{('Forest', 'River')[i % 2]}_{i}.png" for i in range(12)]
    expected = [keys[i] for i in vtab_order("train", keys)][-3:]
    names = [sample.name.rpartition("/")[2] for sample in found["test"].read(range(3))]
    assert names == [key.partition("_")[2] for key in expected]
    assert found["test"].class_names == ["Forest", "River"]


def test_what_is_missing_is_said(tmp_path):
    source = Arrays(np.zeros((3, 1, 1, 1), np.uint8), [0, 1, 2])
    with pytest.raises(ValueError, match="name='mnist' is no task"):
        open_vtab("mnist", "test", {})
    with pytest.raises(ValueError, match="part='train' is not allowed"):
        open_vtab("dtd", "train", {})
    with pytest.raises(ValueError, match="dtd needs keys="):
        open_vtab("dtd", "test", {"test": source})
    with pytest.raises(ValueError, match="cifar100, 'train', has 50000 examples; 3"):
        open_vtab("cifar100", "train800", {"train": source})
    keys = {"train": [f"{i}" for i in range(1880)]}
    with pytest.raises(ValueError, match="'val200': a split is missing; given are train"):
        open_vtab("dtd", "val200", {"train": source}, keys)


# ---- by name and folder --------------------------------------------------------------------------------------------


def write_lists(folder, png, label, train=12, val=4, test=6):
    """A task's folder as published: image i is grey of level 8 i, its class label(i)."""
    (folder / "images").mkdir(parents=True)
    first = 0
    for part, count in (("train800", train), ("val200", val), ("test", test)):
        numbers = range(first, first + count)
        for i in numbers:
            (folder / "images" / f"{i:06d}.png").write_bytes(png(8 * i))
        lines = [f"images/{i:06d}.png {label(i)}\n" for i in numbers]
        (folder / f"{part}.txt").write_text("".join(lines), encoding="utf-8")
        first += count


def test_a_task_by_published_lists(tmp_path, png):
    """KITTI, for which no list can be made: what the lists say, in their order; "train" is all of the thousand."""
    write_lists(tmp_path / "kitti", png, lambda i: i % 4)
    name = f"vtab/kitti_distance:{tmp_path / 'kitti'}"
    sources = {part: open_source(name, part, in_memory=False) for part in PARTS}
    assert {part: len(source) for part, source in sources.items()} == {
        "train800": 12, "val200": 4, "train800val200": 16, "test": 6,
    }  # fmt: skip
    assert {source.num_classes for source in sources.values()} == {4}
    assert sources["train800val200"].labels.tolist() == [i % 4 for i in range(16)]
    assert [sample.name[-10:] for sample in sources["test"].read([0, 5])] == ["000016.png", "000021.png"]
    assert open_source(name, "train").labels.tolist() == sources["train800val200"].labels.tolist()
    (tmp_path / "kitti" / "train800val200.txt").write_text("images/000003.png 1\n", encoding="utf-8")
    assert open_source(name, "train").labels.tolist() == [1]  # a list of its own comes first


@pytest.mark.parametrize("line", ["images/000000.png 4", "images/000000.png x", "images/000000.png", "../a.png 1",
                                  "/a.png 1", ""])  # fmt: skip
def test_a_list_that_is_wrong_is_refused_by_line(tmp_path, line):
    (tmp_path / "test.txt").write_text(f"images/000000.png 0\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"test\.txt, line 2: .* a path below .* and a class number, 0 to 3"):
        open_source(f"vtab/kitti_distance:{tmp_path}", "test")


def test_a_task_by_its_splits(tmp_path, monkeypatch, png):
    """DTD's way in small, three splits: the parts of `open_vtab`; and which splits SmallNORB and CLEVR need."""
    small = replace(TASKS["dtd"], train=4, val=4, test=3)
    monkeypatch.setitem(vtab.TASKS, "dtd", small)
    for split, count in (("train", 4), ("val", 4), ("test", 3)):
        for i in range(count):
            path = tmp_path / split / ("banded", "woven")[i % 2] / f"{split}_{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(20 * i))
    name = f"vtab/dtd:{tmp_path}"
    for part in PARTS:
        sources = {split: open_source(str(tmp_path), split, in_memory=False) for split in splits_of(small, part)}
        expected = open_vtab("dtd", part, sources)
        found = open_source(name, part, in_memory=False)
        assert found.labels.tolist() == expected.labels.tolist()
        assert [s.name for s in found.read(range(len(found)))] == [s.name for s in expected.read(range(len(found)))]
    assert open_source(name, "test", class_names=["woven", "banded"]).labels.tolist() == [
        1 - k for k in open_source(name, "test").labels
    ]
    assert splits_of(TASKS["smallnorb_azimuth"], "train800val200") == ["train", "test"]
    assert splits_of(TASKS["clevr_count"], "test") == ["validation"]


def test_names_that_are_wrong(tmp_path, png):
    write_lists(tmp_path / "kitti", png, lambda i: 0)
    for name, message in (
        ("vtab/mnist:x", "'mnist' is no task of VTAB-1k; its tasks are caltech101, cifar100"),
        ("vtab/dtd", "needs the folder of its images: vtab/dtd:FOLDER"),
        ("vtab/dtd:nowhere", "there is no such folder"),
        ("vtab:nowhere", "is not one data set; one task of it is vtab/dtd:FOLDER"),
    ):
        with pytest.raises(ValueError, match=message):
            open_source(name, "test")
    with pytest.raises(ValueError, match="has no split 'validation'; its splits are test, train800, train800val200"):
        open_source(f"vtab/kitti_distance:{tmp_path / 'kitti'}", "validation")
    with pytest.raises(ValueError, match="streaming=True is not allowed"):
        open_source(f"vtab/kitti_distance:{tmp_path / 'kitti'}", "test", streaming=True)
    assert tasks_in(str(tmp_path)) == [("kitti_distance", str(tmp_path / "kitti"))]
    with pytest.raises(ValueError, match="no task has a folder there; expected some of caltech101"):
        tasks_in(str(tmp_path / "kitti"))


def test_the_help_lists_all_nineteen_in_their_groups(capsys):
    assert cli.main(["evaluate", "--data", "vtab"]) == 0
    text = capsys.readouterr().out
    assert text == describe() + "\n"
    groups = text[text.index("\nnatural\n") :].split("\n\n")
    assert [group.split()[0] for group in groups] == list(GROUPS)
    for group in groups:
        tasks = [line.split()[0] for line in group.strip().split("\n")[1:]]
        assert tasks == [name for name, task in TASKS.items() if task.group == group.split()[0]]
    assert cli.main(["evaluate", "vit_cifar10", "--data", "vtab"]) == 2  # where are they?
    assert capsys.readouterr().err == text


def test_the_recipe_of_a_task():
    """Mirrored and cropped only where that leaves the answer right; 448 to 384 pixels as BiT, 37 to 32 likewise."""
    recipe = get_finetuning("vtab")
    found = {name: recipe.for_task(task.flip, task.crop).data for name, task in TASKS.items()}
    assert {name for name, data in found.items() if not data.flip} == {
        "dsprites_location", "dsprites_orientation", "smallnorb_azimuth",
    }  # fmt: skip
    assert {(data.crop, data.train_resize) for data in found.values()} == {("resize", 448), ("none", None)}
    assert sum(data.crop == "none" for data in found.values()) == 5
    assert {(data.train_split, data.eval_split) for data in found.values()} == {("train800val200", "test")}
    assert recipe.for_task(True, True, image_size=32).data.train_resize == 37


# ---- the protocol, from the command line ---------------------------------------------------------------------------


def test_the_protocol_from_the_command_line(tmp_path, png, capsys):
    """Two tasks: a rate chosen on the 200, trained on the thousand, tested, one table with means over what is there."""
    write_lists(tmp_path / "data" / "kitti", png, lambda i: i % 4)
    write_lists(tmp_path / "data" / "dsprites_orientation", png, lambda i: i % 16)
    (tmp_path / "data" / "dtd").mkdir()  # empty: it fails, the others do not
    start, out, cells = tmp_path / "start.safetensors", tmp_path / "tuned", tmp_path / "cells"
    save_safetensors(ViT(ViTConfig(8, 4, 16, 1, 2, 24, num_classes=5), 0), start)
    words = (
        "--image-size None --batch-size 8 --steps 2 --warmup-steps 1 --rates 0.01 0.1 --grid --run.threads 1".split()
    )
    words += ["--run.precision", "float32"]
    assert cli.main(["finetune", str(start), "--data", f"vtab:{tmp_path / 'data'}", "--out", str(out), *words]) == 1
    assert "vitedu: dtd: data=" in capsys.readouterr().err
    for task, crop, flip in (("kitti_distance", "none", True), ("dsprites_orientation", "resize", False)):
        grid = json.loads((out / task / "grid" / "0.01" / "recipe.json").read_text(encoding="utf-8"))
        final = json.loads((out / task / "recipe.json").read_text(encoding="utf-8"))
        splits = [(r["recipe"]["data"]["train_split"], r["recipe"]["data"]["eval_split"]) for r in (grid, final)]
        assert splits == [("train800", "val200"), ("train800val200", "test")]
        assert [r["num_images"] for r in (grid, final)] == [12, 16]
        data = final["recipe"]["data"]
        assert (data["crop"], data["flip"], data["hold_out"]) == (crop, flip, 0)
        assert final["recipe"]["model"]["num_classes"] == TASKS[task].classes

    words = ["--data", "vtab", "--folder", str(tmp_path / "data"), "--out", str(cells)]
    assert cli.main(["evaluate", str(out), *words]) == 1  # dtd
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "tuned on vtab/kitti_distance, test", "tuned on vtab/dsprites_orientation, test",
    ]  # fmt: skip
    assert cli.main(["evaluate", "--table", str(cells)]) == 0
    table = capsys.readouterr().out
    assert "| model | natural | specialized | structured | all | kitti_distance | dsprites_orientation |" in table
    assert "| tuned | - (0 of 7) | - (0 of 4) |" in table
    assert "(2 of 8)" in table
    assert "(2 of 19)" in table
    assert (cells / "table.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "VTAB-1k, structured" in (cells / "table.csv").read_text(encoding="utf-8")


def test_a_model_of_other_classes_is_refused(tmp_path, png, capsys):
    write_lists(tmp_path, png, lambda i: i % 4)
    assert cli.main(["evaluate", "vit_cifar10", "--data", f"vtab/kitti_distance:{tmp_path}"]) == 1
    assert "data='vtab/kitti_distance' has 4 classes, the model 10" in capsys.readouterr().err


# ---- the table -----------------------------------------------------------------------------------------------------


def cell(model, task, value, digest="a", split="test"):
    number = {"value": value, "standard_error": 0.03}
    data = {"name": f"vtab/{task}", "split": split, "classes": "by number"}
    return {
        "kind": CELL, "model": {"name": model, "digest": digest}, "data": data, "n": 100, "metrics": {"top1": number},
        "precision": "float32", "date": "2026-01-01",
    }  # fmt: skip


def test_means_by_group_and_of_all():
    """The plain mean of the tasks that are there; errors of k independent tests of 0.03: 0.03 sqrt(k) / k."""
    cells = [cell("m", task, value, task) for task, value in (("dtd", 0.5), ("svhn", 0.7), ("dmlab", 0.3))]
    cells.append(cell("m", "pets", 0.9, split="val200"))  # no test
    means = vtab_means(cells)["m"]
    assert means["natural"] == (pytest.approx(0.6), pytest.approx(0.03 / 2**0.5), 2, 7)
    assert means["specialized"] == (None, None, 0, 4)
    assert means["all"] == (pytest.approx(0.5), pytest.approx(0.03 / 3**0.5), 3, 19)
    table = vtab_table(cells)
    assert "| m | 60.00 ± 2.12 (2 of 7) | - (0 of 4) | 30.00 ± 3.00 (1 of 8) | 50.00 ± 1.73 (3 of 19) |" in table
    assert ("VTAB-1k, all, 3 of 19", "m", pytest.approx(50.0), pytest.approx(3 / 3**0.5)) in points(cells)

    twice = [*cells, cell("m", "dtd", 0.6, "other")]
    assert vtab_means(twice)["m"]["natural"][0] is None  # which of the two counts?
    assert vtab_means(twice)["m"]["structured"][0] == 0.3
    assert "Two results, so no mean: m: dtd" in vtab_table(twice)
    whole = [cell("m", task, 0.5) for task in TASKS]
    assert [entry[2:] for entry in vtab_means(whole)["m"].values()] == [(7, 7), (4, 4), (8, 8), (19, 19)]
