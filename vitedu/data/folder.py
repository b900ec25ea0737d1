"""Image files in class folders: `train/tench/1.jpg`.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import os

import numpy as np

from .classes import one_form
from .retry import Retry
from .sample import Sample

__all__ = ["ImageFiles", "split_folders"]

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff", ".gif")
SPLITS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
          "test": "test", "testing": "test", "eval": "test"}  # fmt: skip


def split_folders(folder: str) -> dict[str, str]:
    """{split: its folder}: folders named as splits are, or else all is "train"."""
    found = {SPLITS[e.name.lower()]: e.path for e in os.scandir(folder) if e.is_dir() and e.name.lower() in SPLITS}
    return dict(sorted(found.items())) or {"train": folder}


class ImageFiles:
    """The image files of class folders, sorted by class and name; the classes are the sorted names of folders that
    hold any.  Folders called `.x`, `@x` or `__x` are no classes, and are not looked into.

    A file is a chunk of its own: nothing is gained by reading neighbours together.  Raises ValueError where there are
    no such files.
    """

    def __init__(self, folder: str, retry: Retry | None = None):
        found = sorted(e.name for e in os.scandir(folder) if e.is_dir() and not is_hidden(e.name))
        files, labels, self.class_names = [], [], []
        for name in found:
            inside = []
            for where, folders, names in os.walk(os.path.join(folder, name)):
                folders[:] = [f for f in folders if not is_hidden(f)]
                inside += [os.path.relpath(os.path.join(where, n), folder) for n in names if is_image(n)]
            if inside:
                files += sorted(inside)
                labels += [len(self.class_names)] * len(inside)
                self.class_names.append(name)
        if not files:
            raise ValueError(f"data={folder!r} has no image files in class folders, such as {folder}/cat/1.jpg")
        self.class_names = one_form(self.class_names)
        self._begin(folder, files, labels, retry)

    def _begin(self, folder, files, labels, retry=None):
        self.folder, self.retry = folder, retry or Retry()
        self.files = np.array([os.fsencode(file) for file in files])  # one block of memory, quick to hand to workers
        self.labels = np.array(labels, np.int64)
        self.chunks = np.ones(len(files), np.int64)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def read(self, ids) -> list[Sample]:
        """The images of these numbers, in this order."""
        return [self._sample(i) for i in np.asarray(ids).tolist()]

    def _sample(self, i):
        path = os.path.join(self.folder, os.fsdecode(bytes(self.files[i])))
        return Sample(self.retry(lambda: _content(path), path), int(self.labels[i]), path)


def is_image(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS) and not name.startswith(".")


def is_hidden(folder: str) -> bool:
    """What editors, file servers and archives leave behind: .ipynb_checkpoints, @eaDir, __MACOSX."""
    return folder.startswith((".", "@", "__"))


def _content(path) -> bytes:
    with open(path, "rb") as f:
        return f.read()
