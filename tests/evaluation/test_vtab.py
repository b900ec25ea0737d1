"""VTAB-1k: which thousand images, by hashlib alone, against lists that TensorFlow Datasets has printed."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu.data import Arrays, open_source
from vitedu.evaluation.vtab import (
    TASKS,
    clevr_count,
    clevr_distance,
    dsprites_location,
    dsprites_orientation,
    file_key,
    kitti_distance,
    open_vtab,
    smallnorb_azimuth,
    smallnorb_elevation,
    thousand,
    vtab_order,
)


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
    from dataclasses import replace

    from vitedu.evaluation import vtab

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
