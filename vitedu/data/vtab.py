"""VTAB-1k (Zhai et al. 2019, arXiv:1910.04867): nineteen tasks with a thousand training images each, as data.

Which thousand is decided by TensorFlow Datasets: it sorts every split by MD5(split name + key of the example), and a
part of a split is a slice of that order.  So hashlib and the keys are enough (`vtab_order`); no TensorFlow.  The score
is the plain mean of nineteen top-1 accuracies.

The paper's way, which is BiT's: images resized to a square of 384 pixels whatever their aspect, in [-1, 1]; 2,500 steps
at learning rate 0.01; chosen on the 200 after training on the 800, then trained on all 1,000.  task_adaptation's own:
224 pixels, no augmentation.  Sources: task_adaptation d7630d3, tensorflow_datasets 4.9.9.

`open_source("vtab/dtd:FOLDER", part)` opens one; what FOLDER must hold, `describe()` says.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

import numpy as np

from .folder import ImageFiles
from .sample import check_ids

__all__ = [
    "GROUPS", "PARTS", "PREFIX", "TASKS", "ListedImages", "Picks", "Task", "clevr_count", "clevr_distance", "describe",
    "dsprites_location", "dsprites_orientation", "file_key", "has_lists", "kitti_distance", "last_edge_below",
    "open_vtab", "smallnorb_azimuth", "smallnorb_elevation", "split_name", "splits_of", "tasks_in", "thousand",
    "vtab_order",
]  # fmt: skip

PREFIX = "vtab/"  # of a task's name as data
ALL = "vtab:"  # of all tasks that a folder holds
GROUPS = ("natural", "specialized", "structured")
PARTS = ("train800", "val200", "train800val200", "test")


def vtab_order(split: str, keys) -> np.ndarray:
    """Positions of the examples in the order of TensorFlow Datasets: sorted by MD5(split + key), a 128-bit number.

    split: its name there ("train", "validation", "test"); keys: one for each example, whole numbers or texts.
    """
    salt = hashlib.md5(split.encode(), usedforsecurity=False)

    def digest(key):
        found = salt.copy()
        found.update(str(key).encode())
        return found.digest()

    digests = [digest(key) for key in keys]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), np.int64)


# ---- labels --------------------------------------------------------------------------------------------------------


def last_edge_below(value: float, edges) -> int:
    """The index of the last edge that is strictly less than the value."""
    return int(np.searchsorted(edges, value, side="left")) - 1


def clevr_count(objects: int) -> int:
    """3 to 10 objects  ->  class 0 to 7"""
    return objects - 3


def clevr_distance(pixel_coords) -> int:
    """pixel_coords (objects, 3): the nearest object's third coordinate, in six bins"""
    return last_edge_below(min(point[2] for point in pixel_coords), (0, 8, 8.5, 9, 9.5, 10, 100))


def kitti_distance(types, z) -> int:
    """Types and camera z of an image's objects: the nearest car, van or truck in three bins; class 3: there is none.

    z is the distance along the camera's axis, not the Euclidean one.
    """
    vehicles = [depth for kind, depth in zip(types, z, strict=True) if kind in ("Car", "Van", "Truck")]
    return last_edge_below(min(vehicles, default=1000), (-100, 8, 20, 999))


def dsprites_location(row: int) -> int:
    """A row of the file: the sprite's x alone, 32 values in 16 bins"""
    return row // 32 % 32 // 2


def dsprites_orientation(row: int) -> int:
    """A row of the file: 40 angles in 16 bins, which hold three and two of them in turn"""
    return int(row // 1024 % 40 / 2.5)


def smallnorb_azimuth(info) -> int:
    """info = (instance, elevation, azimuth, lighting); azimuth is 0, 2, ... 34"""
    return int(info[2]) // 2


def smallnorb_elevation(info) -> int:
    """As above; 0 ... 8"""
    return int(info[1])


# ---- the tasks -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One of the nineteen."""

    name: str
    group: str  # "natural", "specialized", "structured" (the paper's Table 9)
    builder: str  # of TensorFlow Datasets
    classes: int
    train: int  # images that the 800 are the first of,
    val: int  # that the 200 are the first of,
    test: int
    cut: str = "own"  # "train": val is the end of "train"; "train+test": test too; "half": val is half of "test"; "own"
    tested_on: str = "test"  # the split that test is, or is cut from
    key: str = "file"  # an example's key: "file" (see `file_key`), "row" (of the original file, from 0), "name"
    labels: str = ""  # how labels come about, where it is not plain
    copies: tuple[str, ...] = ()  # on the Hugging Face hub; clip-benchmark's have train and test alone
    flip: bool = True  # BiT's HyperRule: mirror images in training?
    crop: bool = True  # ... and crop at random?
    no_list: str = ""  # why no list of the thousand can be made here
    published: str = ""  # the name of its folder where the lists are published (RepAdapter, SSF), if another


def _wds(name: str) -> str:
    return f"clip-benchmark/wds_vtab-{name}"


_T = Task
TASKS = {
    task.name: task
    for task in (
        _T("caltech101", "natural", "caltech101:3", 102, 2754, 306, 6084, "train", copies=(_wds("caltech101"),),
           labels="background_google is class 4",
           no_list="its train split was drawn in a file system's order of listing: take a published list"),
        _T("cifar100", "natural", "cifar100:3", 100, 45_000, 5000, 10_000, "train", key="row",
           copies=("uoft-cs/cifar100", _wds("cifar100")),
           published="cifar"),
        _T("dtd", "natural", "dtd:3", 47, 1880, 1880, 1880, labels="fold 1", copies=(_wds("dtd"),)),
        _T("flowers", "natural", "oxford_flowers102:2", 102, 1020, 1020, 6149, labels="the file's minus 1",
           copies=("dpdl-benchmark/oxford_flowers102", _wds("flowers")),
           published="oxford_flowers102"),
        _T("pets", "natural", "oxford_iiit_pet:3", 37, 2944, 736, 3669, "train", labels="the file's minus 1",
           copies=("timm/oxford-iiit-pet", "dpdl-benchmark/oxford_iiit_pet", _wds("pets")),
           published="oxford_iiit_pet"),
        _T("sun397", "natural", "sun397/tfds:4", 397, 76_128, 10_875, 21_750),
        _T("svhn", "natural", "svhn_cropped:3", 10, 65_931, 7326, 26_032, "train", key="row", labels="10 is class 0",
           copies=("dpdl-benchmark/svhn_cropped", _wds("svhn"))),
        _T("camelyon", "specialized", "patch_camelyon:2", 2, 262_144, 32_768, 32_768, key="name",
           copies=("dpdl-benchmark/patch_camelyon", "1aurent/PatchCamelyon", _wds("pcam")),
           published="patch_camelyon"),
        _T("eurosat", "specialized", "eurosat/rgb:2", 10, 16_200, 5400, 5400, "train+test", "train",
           copies=("timm/eurosat-rgb", _wds("eurosat"))),
        _T("resisc45", "specialized", "resisc45:3", 45, 18_900, 6300, 6300, "train+test", "train",
           copies=("timm/resisc45", _wds("resisc45"))),
        _T("retinopathy", "specialized", "diabetic_retinopathy_detection/btgraham-300:3", 5, 35_126, 10_906, 42_670,
           key="name", labels="top-1, not kappa: always class 0 gives about 73.6 %",
           copies=(_wds("diabetic_retinopathy"),),
           published="diabetic_retinopathy"),
        _T("clevr_count", "structured", "clevr:3", 8, 63_000, 7000, 15_000, "train", "validation", crop=False,
           labels="objects - 3 (clevr_count)", copies=("dpdl-benchmark/clevr", _wds("clevr_count_all"))),
        _T("clevr_distance", "structured", "clevr:3", 6, 63_000, 7000, 15_000, "train", "validation", crop=False,
           labels="nearest object (clevr_distance)",
           copies=("dpdl-benchmark/clevr", _wds("clevr_closest_object_distance")),
           published="clevr_dist"),
        _T("dmlab", "structured", "dmlab:2.0.1", 6, 65_550, 22_628, 22_735, key="name", crop=False,
           labels="near, far, very far with a positive reward, then with a negative one", copies=(_wds("dmlab"),)),
        _T("kitti_distance", "structured", "kitti:3.1.0", 4, 6347, 423, 711, crop=False,
           labels="nearest vehicle (kitti_distance); the wide frame is squashed, not cropped",
           copies=("dpdl-benchmark/kitti", "nateraw/kitti", _wds("kitti_closest_vehicle_distance")),
           no_list="its splits are drawn by drive, from files of a development kit (mapping/train_rand.txt)",
           published="kitti"),
        _T("dsprites_location", "structured", "dsprites:2", 16, 589_824, 73_728, 73_728, "train+test", "train", "row",
           labels="x alone (dsprites_location); image 0 or 1, times 255, three channels", flip=False, crop=False,
           copies=("dpdl-benchmark/dsprites", "randall-lab/dsprites", _wds("dsprites_label_x_position")),
           published="dsprites_loc"),
        _T("dsprites_orientation", "structured", "dsprites:2", 16, 589_824, 73_728, 73_728, "train+test", "train",
           "row", labels="dsprites_orientation; clip-benchmark's labels are the raw 40", flip=False,
           copies=("dpdl-benchmark/dsprites", "randall-lab/dsprites", _wds("dsprites_label_orientation")),
           published="dsprites_ori"),
        _T("smallnorb_azimuth", "structured", "smallnorb:2", 18, 24_300, 12_150, 12_150, "half", key="row", flip=False,
           labels="smallnorb_azimuth; the left camera alone, grey in three channels",
           copies=("Ramos-Ramos/smallnorb", _wds("smallnorb_label_azimuth")),
           published="smallnorb_azi"),
        _T("smallnorb_elevation", "structured", "smallnorb:2", 9, 24_300, 12_150, 12_150, "half", key="row",
           labels="smallnorb_elevation; the left camera alone, grey in three channels",
           copies=("Ramos-Ramos/smallnorb", _wds("smallnorb_label_elevation")),
           published="smallnorb_ele"),
    )
}  # fmt: skip


def file_key(task: Task, path: str) -> str:
    """The key of an image file, from its path CLASS/FILE below the data set's own folder of images."""
    folder, name = os.path.split(path.replace(os.sep, "/"))
    kind = task.builder.partition(":")[0]
    if kind in ("caltech101", "dtd"):
        return f"{folder}/{name}"
    if kind.startswith("sun397"):
        return f"/{folder}/{name}"
    if kind.startswith("eurosat") or kind == "resisc45":  # names that begin with the class get it a second time
        return f"{folder.rpartition('/')[2]}_{name}"
    return name  # flowers, pets, clevr, kitti


def thousand(task: Task, keys) -> dict[str, list[tuple[str, np.ndarray]]]:
    """{part: [(split of TensorFlow Datasets, positions in the list of its keys), ...]}; parts as in `PARTS`.

    keys: {"train": keys of all examples of that split, ...}; a split may be left out where no part needs it.  Raises
    ValueError where no list can be made, or a split has another number of examples.
    """
    if task.no_list:
        raise ValueError(f"{task.name}: no list of the thousand can be made here: {task.no_list}")
    whole = {"train": task.train, "validation": task.val, "test": task.test}
    if task.cut in ("train", "train+test"):
        whole["train"] += task.val + (task.test if task.cut == "train+test" else 0)
    if task.cut == "half":
        whole["test"] += task.val
    elif task.tested_on == "validation":
        whole["validation"] = task.test
    for split, found in keys.items():
        if split not in whole:
            raise ValueError(f"{task.name} has no split {split!r}; its splits are {', '.join(whole)}")
        if len(found) != whole[split]:
            raise ValueError(f"{task.name}, {split!r}, has {whole[split]} examples; {len(found)} keys were given")
        if len({*found}) < len(found):
            raise ValueError(f"{task.name}, {split!r}: keys must differ")
    order = {split: vtab_order(split, found) for split, found in keys.items()}
    n, m = task.train, task.val
    val = {"own": ("validation", 0), "half": ("test", 0)}.get(task.cut, ("train", n))
    start = {"train+test": n + m, "half": m}.get(task.cut, 0)
    slices = {
        "train800": ("train", 0, min(800, n)), "val200": (*val, val[1] + min(200, m)),
        "test": (task.tested_on, start, None),
    }  # fmt: skip
    parts = {
        part: [(split, order[split][first:last])] for part, (split, first, last) in slices.items() if split in order
    }
    if {"train800", "val200"} <= parts.keys():
        parts["train800val200"] = parts["train800"] + parts["val200"]
    return parts


# ---- images --------------------------------------------------------------------------------------------------------


class Picks:
    """Chosen images of some sources, in a given order, as one source.

    picks: [(source, positions), ...]; label: (label as stored) -> label, where they differ.
    """

    def __init__(self, picks, class_names=None, num_classes=None, label=None):
        self.picks = [(source, np.asarray(ids, np.int64)) for source, ids in picks]
        self.class_names, self.num_classes, self.label = class_names, num_classes, label
        self.ends = np.cumsum([len(ids) for _, ids in self.picks])
        self.chunks = np.ones(len(self), np.int64)

    def __len__(self) -> int:
        return int(self.ends[-1])

    @property
    def labels(self) -> np.ndarray:
        """All labels, where the sources know them beforehand; else AttributeError."""
        found = np.concatenate([np.asarray(source.labels)[ids] for source, ids in self.picks])
        return found if self.label is None else np.array([self.label(int(k)) for k in found], np.int64)

    def read(self, ids) -> list:
        """The images of these numbers, in this order."""
        samples = []
        for i in check_ids(ids, len(self)).tolist():
            k = int(np.searchsorted(self.ends, i, side="right"))
            source, chosen = self.picks[k]
            sample = source.read([int(chosen[i - (self.ends[k] - len(chosen))])])[0]
            samples.append(sample if self.label is None else sample._replace(label=self.label(sample.label)))
        return samples


def open_vtab(name: str, part: str, sources, keys=None, label=None) -> Picks:
    """One part of a task.

    name: of `TASKS`; part: one of `PARTS`; sources: {split of TensorFlow Datasets: its images, as `open_source` gives
    them}.  keys: {split: a key for each image}; None: names of image files in class folders, or the rows of a table in
    the order of the original file.  label: see `Picks`.  Raises ValueError where keys are needed, where no list can be
    made, or where a split is missing or not whole.
    """
    if name not in TASKS:
        raise ValueError(f"name={name!r} is no task of VTAB-1k; its tasks are {', '.join(TASKS)}")
    if part not in PARTS:
        raise ValueError(f"part={part!r} is not allowed; part must be one of {', '.join(PARTS)}")
    task = TASKS[name]
    keys = keys or {split: _keys_of(task, split, source) for split, source in sources.items()}
    found = thousand(task, keys)
    if part not in found:
        raise ValueError(f"{name}, {part!r}: a split is missing; given are {', '.join(sources)}")
    first = next(iter(sources.values()))
    return Picks([(sources[split], ids) for split, ids in found[part]], first.class_names, task.classes, label)


def _keys_of(task, split, source):
    if task.key == "row":
        return range(len(source))
    if task.key == "file" and hasattr(source, "files"):
        return [file_key(task, os.fsdecode(bytes(file))) for file in source.files]
    if task.name == "retinopathy" and hasattr(source, "files"):
        return [os.path.splitext(os.path.basename(os.fsdecode(bytes(file))))[0] for file in source.files]
    pattern = {"camelyon": {"train": "train", "validation": "valid", "test": "test"}}.get(task.name)
    if pattern is not None:  # rows in the order of the original file
        return [f"{pattern[split]}_{row}" for row in range(len(source))]
    raise ValueError(
        f"{task.name} needs keys=, {task.builder}'s keys of {split!r}: "
        + ("file names" if re.match("file|name", task.key) else "rows")
    )


# ---- by name and folder --------------------------------------------------------------------------------------------


def split_name(dataset: str) -> tuple[str, str]:
    """ "vtab/dtd:FOLDER" -> ("dtd", "FOLDER").  Raises ValueError for another task, and where there is no folder."""
    name, _, folder = dataset.removeprefix(PREFIX).partition(":")
    if name not in TASKS:
        raise ValueError(f"data={dataset!r}: {name!r} is no task of VTAB-1k; its tasks are {', '.join(TASKS)}")
    if not folder:
        raise ValueError(f"data={dataset!r} needs the folder of its images: vtab/{name}:FOLDER")
    return name, folder


def splits_of(task: Task, part: str) -> list[str]:
    """The splits of TensorFlow Datasets that a part is cut from."""
    val = {"own": "validation", "half": "test"}.get(task.cut, "train")
    found = {"train800": ["train"], "val200": [val], "train800val200": ["train", val], "test": [task.tested_on]}
    return list(dict.fromkeys(found[part]))


def tasks_in(folder: str) -> list[tuple[str, str]]:
    """[(task, its folder)] of the tasks that have a folder there, in the order of `TASKS`, by either of their names.

    Raises ValueError where there is none.
    """
    found = []
    for task in TASKS.values():
        here = [
            path
            for name in (task.name, task.published or task.name)
            if os.path.isdir(path := os.path.join(folder, name))
        ]
        found += [(task.name, here[0])] if here else []
    if not found:
        raise ValueError(f"data='vtab:{folder}': no task has a folder there; expected some of {', '.join(TASKS)}")
    return found


def has_lists(folder: str) -> bool:
    """Do lists of the parts lie there, as published for adapters: train800.txt, val200.txt, test.txt?"""
    return any(os.path.exists(os.path.join(folder, f"{part}.txt")) for part in PARTS)


class ListedImages(ImageFiles):
    """The images that a task's list names, in its order: lines `images/test/000000.jpg 12`, a path in the folder and a
    class number.  The union of train800 and val200 has a list of its own, or else is both.

    Raises OSError, or ValueError that names file and line.
    """

    class_names = None

    def __init__(self, name: str, part: str, folder: str):
        whole = os.path.join(folder, f"{part}.txt")
        parts = ["train800", "val200"] if part == "train800val200" and not os.path.exists(whole) else [part]
        files, labels, classes = [], [], TASKS[name].classes
        for path in (os.path.join(folder, f"{part}.txt") for part in parts):
            with open(path, encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    file, _, label = line.strip().rpartition(" ")
                    outside = os.path.isabs(file) or ".." in file.split("/")
                    if not file or outside or not label.isdecimal() or int(label) >= classes:
                        raise ValueError(
                            f"{path}, line {number}: {line.strip()[:80]!r}; expected a path below {folder} and a "
                            f"class number, 0 to {classes - 1}"
                        )
                    files.append(file)
                    labels.append(int(label))
        self._begin(folder, files, labels)
        self.classes = classes

    @property
    def num_classes(self) -> int:
        return self.classes


def describe() -> str:
    """The nineteen tasks in their groups, and what a task's folder must hold."""
    lines = [
        "VTAB-1k: vtab/TASK:FOLDER is one task as data, vtab:FOLDER all that have a folder of their name in FOLDER.",
        "Parts (as splits): train800, val200, train800val200 (also called train), test.",
        "",
        "A task's folder holds either the published lists (all tasks; then it may have the name in brackets)",
        "  train800.txt, val200.txt, test.txt: a line for each image, `images/test/000000.jpg 12`,",
        "or the splits of TensorFlow Datasets that are named below, whole, with the task's classes, as",
        "  files: class folders of image files with their original names, train/banded/banded_0002.jpg;",
        "  rows:  a table (parquet, arrow) in the order of the original file.",
    ]
    for group in GROUPS:
        lines += ["", f"{group}"]
        for task in (task for task in TASKS.values() if task.group == group):
            splits = dict.fromkeys(split for part in PARTS for split in splits_of(task, part))
            kind = "rows" if task.key == "row" or task.name == "camelyon" else "files"
            how = f"{kind}: {', '.join(splits)}"
            if task.no_list or task.name == "dmlab":
                how = "lists alone"
            name = task.name + (f" [{task.published}]" if task.published else "")
            notes = f"; {task.labels}" if task.labels else ""
            lines.append(f"  {name:37s} {task.classes:3d} classes, {task.test:6,d} test images; {how}{notes}")
    return "\n".join(lines)
