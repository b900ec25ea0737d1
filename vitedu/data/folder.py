"""Image files in class folders: `train/tench/1.jpg`.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import logging
import os
import re

import numpy as np

from .classes import one_form
from .retry import Retry
from .sample import Sample, check_ids
from .scan import LeftOut, entries, is_folder, is_hidden, is_image, walk

__all__ = [
    "SPLITS",
    "ImageFiles",
    "NoSplit",
    "is_image",
    "judge_folders",
    "said_split",
    "same_split",
    "split_folders",
    "splits_among",
]

_log = logging.getLogger(__name__)

SPLITS = {"train": "train", "training": "train", "trainset": "train", "val": "validation", "valid": "validation",
          "validation": "validation", "valset": "validation", "dev": "validation", "test": "test", "testing": "test",
          "testset": "test", "eval": "test", "evaluation": "test"}  # fmt: skip
# Folders of these names alone hold the images of all classes, and what belongs to them.
NO_CLASS = frozenset(
    "images image imgs img pictures photos data jpegimages all raw files mask masks label labels annotation "
    "annotations depth segmentation segmentations".split()
)
# What may stand beside such a word: training_set, train_images, val2017.
_BESIDE = frozenset("set sets split data dataset folder image images img imgs picture pictures photos raw jpg".split())


class NoSplit(ValueError):
    """The data have not the split that was asked for, which is `split`; the message says which they have."""

    def __init__(self, message: str, split: str):
        super().__init__(message)
        self.split = split


def same_split(asked: str, splits) -> str:
    """The one of `splits` that is asked for: by its name, else the only one that means the same ("val", "valid")."""
    meaning = SPLITS.get(asked.lower())
    same = [split for split in splits if meaning is not None and SPLITS.get(str(split).lower()) == meaning]
    return same[0] if asked not in splits and len(same) == 1 else asked


def said_split(name: str) -> str | None:
    """The split that one word of a name says: "my-Train_2017" -> "train"; None: none, or several."""
    found = {SPLITS[word] for word in _words(name) if word in SPLITS}
    return found.pop() if len(found) == 1 else None


def _words(name) -> list[str]:
    """ "TrainImages_2017" -> ["train", "images"]"""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]


def split_folders(folder: str) -> dict[str, str]:
    """{split: its folder}: folders named as splits are (`splits_among`), or else all is "train"."""
    names = [entry.name for entry in entries(folder) if is_folder(entry) and not is_hidden(entry.name)]
    found = splits_among(names, f"data={folder!r}")
    return {split: os.path.join(folder, name) for split, name in found.items()} or {"train": folder}


def splits_among(names, what: str) -> dict[str, str]:
    """{split: the name of its folder} of folders that lie side by side; {} where none is named as a split.

    A folder is named so by one word (train, val), or by one word among others that say nothing (training_set, val2017)
    or that stand in the names of the other splits too (seg_train, seg_test).  Raises ValueError, which begins with
    `what`, where two folders are of one split.
    """
    taken = [(SPLITS[name.lower()], name) for name in names if name.lower() in SPLITS]
    loose = {}  # the other words -> [(split, name)]
    for name in names:
        words = _words(name)
        said = [SPLITS[word] for word in words if word in SPLITS]
        if name.lower() not in SPLITS and len(said) == 1:
            others = frozenset(word for word in words if word not in SPLITS) - _BESIDE
            loose.setdefault(others, []).append((said[0], name))
    if taken:  # train/ and test_images/
        known = {split for split, _ in taken}
        taken += [(split, name) for split, name in loose.get(frozenset(), []) if split not in known]
    else:
        groups = [
            group
            for others, group in loose.items()
            if len({split for split, _ in group}) > 1 or (len(names) == 1 and not others)
        ]
        taken = groups[0] if len(groups) == 1 else []  # cats_train, cats_test, dogs_train, ... are no splits of one set
    found = {}
    for split, name in taken:
        if split in found:
            raise ValueError(f"{what} has two folders for the split {split!r}, {found[split]!r} and {name!r}; keep one")
        found[split] = name
    return dict(sorted(found.items()))


class ImageFiles:
    """The image files of class folders, sorted by class and name; the classes are the sorted names of folders that
    hold any.  Folders called `.x`, `@x` or `__x` are no classes, and are not looked into; links to folders are followed
    once.  What is left out is counted in `left_out`.

    A file is a chunk of its own: nothing is gained by reading neighbours together.  Raises ValueError where there are
    no such files, where all lie around a folder of folders, or where splits lie within the classes.
    """

    def __init__(self, folder: str, retry: Retry | None = None):
        folder, self.left_out = os.fspath(folder), LeftOut()
        classes, loose = [], 0
        for entry in entries(folder):
            if not is_folder(entry):
                if is_image(entry.name):
                    loose += 1
                else:
                    self.left_out.file(entry.name)
            elif is_hidden(entry.name):
                self.left_out.add("hidden folders")
            else:
                classes.append(entry.name)
        inside, self.below = [[] for _ in classes], {}
        for which, where, names in walk([os.path.join(folder, name) for name in classes], folder, self.left_out):
            before = len(inside[which])
            for name in names:
                if is_image(name):
                    inside[which].append(os.path.join(where, name))
                else:
                    self.left_out.file(name)
            if len(inside[which]) > before:  # by class: the folders that hold its images, as seen from its own
                self.below.setdefault(classes[which], set()).add(os.path.relpath(where, classes[which]))
        self._number(folder, classes, inside, loose, retry)

    def _number(self, folder, classes, inside, loose, retry) -> None:
        """Number the classes that have images.     inside: the images of each; loose: how many are of none"""
        if not any(inside):
            found = f"{loose} image files lie in it directly" if loose else "there are none below it"
            more = f"; left out: {self.left_out}" if self.left_out.counts else ""
            raise ValueError(
                f"data={folder!r} has no image files in class folders, such as {folder}/cat/1.jpg: {found}{more}"
            )
        self.left_out.add("images beside the class folders", loose)
        files, labels, names = [], [], []
        for name, found in zip(classes, inside, strict=True):
            if found:
                files += sorted(found)
                labels += [len(names)] * len(found)
                names.append(name)
            else:
                self.left_out.add("folders without images")
        self._check_levels(folder)
        self.class_names = one_form(names, f"data={folder!r}: ")
        self._begin(folder, files, labels, retry)

    def _check_levels(self, folder) -> None:
        """Refuse a folder too high up, or splits within classes; else remember which classes have folders below."""
        (first, below), *others = sorted(self.below.items())
        if not others and len(below) > 1 and "." not in below:
            raise ValueError(
                f"data={folder!r} has all its images in one folder, {first!r}, in folders below it ({_some(below)}): "
                f"it would be the only class.  Give the folder whose folders are the classes, or the splits, or move "
                f"those up"
            )
        for name, below in self.below.items():
            if len(below) > 1 and all(place.split(os.sep)[0].lower() in SPLITS for place in below):
                raise ValueError(
                    f"data={folder!r} has the splits within its folders, {name}/{_some(below)}; expected them outside, "
                    f"as {folder}/train/{name}"
                )
        self.deep = {name: below for name, below in self.below.items() if len(below) > 1}

    def _begin(self, folder, files, labels, retry=None):
        self.folder, self.retry = folder, retry or Retry()
        self.files = np.array([os.fsencode(file) for file in files])  # one block of memory, quick to hand to workers
        self.labels = np.array(labels, np.int64)
        self.chunks = np.ones(len(files), np.int64)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def num_classes(self) -> int | None:
        return None if self.class_names is None else len(self.class_names)

    def read(self, ids) -> list[Sample]:
        """The images of these numbers, in this order."""
        return [self._sample(i) for i in check_ids(ids, len(self)).tolist()]

    def _sample(self, i):
        path = os.path.join(self.folder, os.fsdecode(bytes(self.files[i])))
        return Sample(self.retry(lambda: _content(path), path), int(self.labels[i]), path)


def judge_folders(source, where, split, names, unused=()) -> None:
    """Refuse folders that are no classes; say in the log what was taken for what.

    source: `ImageFiles`; names: of the classes, where they are known; unused: lines on tables that are not used.
    """
    found = source.class_names
    if names is None and all(name.lower() in NO_CLASS for name in found):
        which = f"one class folder alone, {found[0]!r}, which is no class's name"
        which = which if len(found) == 1 else f"the folders {', '.join(map(repr, found))}, which are no classes' names"
        raise ValueError(
            f"data={where!r}, split {split!r}, has {which}; expected a folder for each class, or a table (.csv, .tsv, "
            f".jsonl, .parquet) with columns such as path and label beside the images "
            f"({unused[0] if unused else f'left out: {source.left_out}'})"
        )
    for text in unused:
        _log.warning("%s; labels are the names of folders", text)
    if names is None and len(found) == 1:
        _log.warning("data=%r, split %r, has one class alone, the folder %r", where, split, found[0])
    if source.deep:
        name, below = min(source.deep.items())
        deeper = f"{name}/{min(place for place in below if place != '.')}"
        text = "data=%r: images in folders below class folders count to the class above, such as %s to %r"
        _log.warning(text, where, deeper, name)
    source.left_out.say(source.folder)


def _content(path) -> bytes:
    with open(path, "rb") as f:
        return f.read()


def _some(names) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
