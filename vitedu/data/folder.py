"""Image files in class folders: `train/tench/1.jpg`.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import os

import numpy as np

from .classes import one_form
from .retry import Retry
from .sample import Sample
from .scan import LeftOut, entries, is_folder, is_hidden, is_image, walk

__all__ = ["SPLITS", "ImageFiles", "is_image", "split_folders"]

SPLITS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
          "test": "test", "testing": "test", "eval": "test"}  # fmt: skip


def split_folders(folder: str) -> dict[str, str]:
    """{split: its folder}: folders named as splits are, or else all is "train".

    Raises ValueError where two folders are of one split.
    """
    found = {}
    for entry in entries(folder):
        split = SPLITS.get(entry.name.lower())
        if split is not None and is_folder(entry):
            if split in found:
                names = f"{os.path.basename(found[split])!r} and {entry.name!r}"
                raise ValueError(f"data={folder!r} has two folders for the split {split!r}, {names}; keep one")
            found[split] = entry.path
    return dict(sorted(found.items())) or {"train": folder}


class ImageFiles:
    """The image files of class folders, sorted by class and name; the classes are the sorted names of folders that
    hold any.  Folders called `.x`, `@x` or `__x` are no classes, and are not looked into; links to folders are followed
    once.  What is left out is counted in `left_out`.

    A file is a chunk of its own: nothing is gained by reading neighbours together.  Raises ValueError where there are
    no such files.
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
        inside = [[] for _ in classes]
        for which, where, names in walk([os.path.join(folder, name) for name in classes], folder, self.left_out):
            for name in names:
                if is_image(name):
                    inside[which].append(os.path.join(where, name))
                else:
                    self.left_out.file(name)
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
        self.class_names = one_form(names)
        self._begin(folder, files, labels, retry)

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
        return [self._sample(i) for i in np.asarray(ids).tolist()]

    def _sample(self, i):
        path = os.path.join(self.folder, os.fsdecode(bytes(self.files[i])))
        return Sample(self.retry(lambda: _content(path), path), int(self.labels[i]), path)


def _content(path) -> bytes:
    with open(path, "rb") as f:
        return f.read()
