"""ImageNet's test sets with rules of their own: ReaL, ImageNet-v2, ObjectNet.

A class number is the rank of its WordNet id among ImageNet's thousand.
"""

from __future__ import annotations

import json
import os
import re

import numpy as np
import torch

from vitedu_numpy.contract import checked
from vitedu_numpy.validate import is_integer, require

from ..data.decode import open_image
from ..data.folder import ImageFiles, is_image
from ..data.retry import Retry
from ..data.sample import Sample

__all__ = ["CLASSES", "WithoutBorder", "judge_objectnet", "judge_real", "numbered_folders", "read_objectnet",
           "read_real", "validation_files"]  # fmt: skip

CLASSES = 1000
IMAGES = 50_000  # of the validation split
BORDER = 2  # pixels of each side of an ObjectNet image: a frame against training on it, and its smear


# ---- ReaL (Beyer et al. 2020, arXiv:2006.07159) --------------------------------------------------------------------


@checked
def read_real(path) -> list[list[int]]:
    """The labels of real.json: for each validation image, in the order of the file names, all that it shows.

    The list of an image may be empty: it then counts for nothing.  Raises OSError, or ValueError that names the file.
    """
    found = _read_json(path)
    if not _are_lists(found):
        raise ValueError(
            f"{os.fspath(path)} is no real.json: expected a list of lists of class numbers below {CLASSES}"
        )
    if len(found) != IMAGES:
        raise ValueError(
            f"{os.fspath(path)} has labels for {len(found)} images; ImageNet's validation split has {IMAGES}"
        )
    return found


def _are_lists(found) -> bool:
    is_list = isinstance(found, list) and all(isinstance(entry, list) for entry in found)
    return is_list and all(type(k) is int and 0 <= k < CLASSES for entry in found for k in entry)


class _ValidationFiles:
    """ImageNet's validation images by the number in their file name; the "label" of an image is that number minus 1.

    It does not matter in which folders they lie, and their own labels are not looked at.
    """

    def __init__(self, folder, files, numbers):
        self.folder, self.files, self.labels, self.retry = folder, files, np.array(numbers, np.int64), Retry()
        self.class_names, self.num_classes = None, None
        self.chunks = np.ones(len(files), np.int64)

    def __len__(self) -> int:
        return len(self.files)

    def read(self, ids) -> list[Sample]:
        return [self._sample(i) for i in np.asarray(ids).tolist()]

    def _sample(self, i):
        path = os.path.join(self.folder, self.files[i])

        def content():
            with open(path, "rb") as file:
                return file.read()

        return Sample(self.retry(content, path), int(self.labels[i]), path)


@checked
def validation_files(folder) -> _ValidationFiles:
    """The files ILSVRC2012_val_00000001.JPEG ... below a folder, in that order.

    Raises ValueError that names the first image without such a number, or with one twice.
    """
    folder, found = os.fspath(folder), {}
    if not os.path.isdir(folder):
        raise ValueError(f"folder={folder!r} is no folder; expected that of ImageNet's validation images")
    for where, _, names in os.walk(folder):
        for name in sorted(filter(is_image, names)):
            path = os.path.relpath(os.path.join(where, name), folder)
            match = re.search(r"ILSVRC2012_val_(\d{8})", name)
            if match is None or not 1 <= int(match[1]) <= IMAGES:
                raise ValueError(
                    f"folder={folder!r} holds {path!r}; ReaL's labels are found by names such as "
                    f"ILSVRC2012_val_00000001.JPEG"
                )
            if int(match[1]) - 1 in found:
                raise ValueError(f"folder={folder!r} holds image {match[1]} twice: {found[int(match[1]) - 1]}, {path}")
            found[int(match[1]) - 1] = path
    if not found:
        raise ValueError(f"folder={folder!r} holds no images")
    return _ValidationFiles(folder, [found[k] for k in sorted(found)], sorted(found))


def judge_real(real):
    """A guess is right if it is one of the image's labels.  The label of an image is its place in `real`."""
    require(_are_lists(real), "real", real, f"a list of lists of class numbers below {CLASSES}")
    width = max(1, *(len(entry) for entry in real))
    table = torch.tensor([entry + [-1] * (width - len(entry)) for entry in real])

    def judge(logits, labels):
        return {"top1": (table.to(logits.device)[labels] == logits.argmax(-1)[:, None]).any(-1)}

    return judge


# ---- ImageNet-v2 (Recht et al. 2019, arXiv:1902.10811) -------------------------------------------------------------


@checked
def numbered_folders(folder) -> ImageFiles:
    """Images in folders "0" ... "999", whose names are class numbers: sorted as text, "10" would come before "2"."""
    found = ImageFiles(folder)
    wrong = [name for name in found.class_names if not re.fullmatch(r"0|[1-9]\d{0,2}", name)]
    if wrong:
        raise ValueError(
            f"folder={os.fspath(folder)!r} holds the folder {wrong[0]!r}; expected class numbers, '0' ... '999'"
        )
    found.labels = np.array([int(name) for name in found.class_names], np.int64)[found.labels]
    found.class_names = [str(k) for k in range(CLASSES)]
    return found


# ---- ObjectNet (Barbu et al. 2019) ---------------------------------------------------------------------------------


def read_objectnet(path, folders) -> list[list[int]]:
    """For each of ObjectNet's folders, the ImageNet classes that are right for it; an empty list: not in ImageNet.

    path: JSON, {ImageNet's number: folder} or {folder: [numbers]}.  Raises ValueError that names what does not fit.
    """
    found, name = _read_json(path), os.fspath(path)
    if not isinstance(found, dict) or not found:
        raise ValueError(f"{name} is no mapping: expected {{ImageNet's number: folder}} or {{folder: [numbers]}}")
    right = {folder: [] for folder in folders}
    for key, value in found.items():
        if isinstance(value, list):
            pairs = [(key, number) for number in value]
        elif re.fullmatch(r"\d+", key) and isinstance(value, str):
            pairs = [(value, int(key))]
        else:
            raise ValueError(
                f"{name} maps {key!r} to {value!r}; expected the name of a folder: ObjectNet's own numbers do not say "
                f"which folder is meant"
            )
        for folder, number in pairs:
            if type(number) is not int or not 0 <= number < CLASSES:
                raise ValueError(f"{name} has {number!r} for {folder!r}; expected a class number below {CLASSES}")
            if folder in right:
                right[folder].append(number)
    if not any(right.values()):
        raise ValueError(f"{name} names none of the folders there are: {', '.join(list(right)[:5])} ...")
    return [right[folder] for folder in folders]


def judge_objectnet(right, convention: str):
    """A guess is right if it is one of its object's ImageNet classes.

    convention "all": the arg max over all 1,000 classes, and one that belongs to no object is wrong (the paper's, by
    way of BiT); "mapped": the arg max over the classes that belong to some object.
    """
    require(convention in ("all", "mapped"), "convention", convention, "'all' or 'mapped'")
    mask = torch.zeros(len(right), CLASSES, dtype=torch.bool)
    for k, numbers in enumerate(right):
        mask[k, numbers] = True
    outside = ~mask.any(0)

    def judge(logits, labels):
        if convention == "mapped":
            logits = logits.masked_fill(outside.to(logits.device), -torch.inf)
        guesses = mask.to(logits.device)[labels].gather(1, logits.topk(5).indices)
        return {"top1": guesses[:, 0], "top5": guesses.any(-1)}

    return judge


class WithoutBorder:
    """A transform for images with a frame: it is cut off first."""

    def __init__(self, pixels, border: int = BORDER):
        require(is_integer(border, 0), "border", border, "an integer >= 0")
        self.pixels, self.border, self.shape = pixels, border, pixels.shape

    def __call__(self, data, rng=None):
        image, b = open_image(data, self.shape[0]), self.border
        inside = image.box(b, b, max(1, image.height - 2 * b), max(1, image.width - 2 * b))
        return self.pixels(np.ascontiguousarray(inside), rng)


def _read_json(path):
    with open(path, encoding="utf-8") as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{os.fspath(path)} is not JSON: {error}") from None
