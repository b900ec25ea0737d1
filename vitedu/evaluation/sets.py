"""The data sets that the paper reports, by name: which split, which images count, what is right.

Any other data set is opened by its folder or hub name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from vitedu_numpy.contract import checked

from ..data.classes import new_numbers, places_of_numbers
from ..data.objects import is_open, name_of
from ..data.open import open_source
from ..data.vtab import PREFIX, TASKS
from . import imagenet

__all__ = ["SETS", "EvaluationSet", "Opened", "open_set"]


@dataclass(frozen=True)
class EvaluationSet:
    """One data set as the paper tests on it."""

    data: str | None  # what `open_source` opens; None: a folder has to be given
    split: str
    classes: int
    images: int  # in the whole split
    rule: str = "labels"  # "labels", "numbered" (folders are class numbers), "real", "objectnet"
    note: str = ""


# Sec. 4.1 and Table 5; the paper reports top-1 alone.  Pets and Flowers too are the share of images, not the mean over
# classes, as BiT has it.
SETS = {
    "imagenet1k": EvaluationSet("imagenet1k", "validation", 1000, 50_000),
    "imagenet_real": EvaluationSet(None, "validation", 1000, 46_837, "real", "images without a label are left out"),
    "imagenet_v2": EvaluationSet(None, "test", 1000, 10_000, "numbered", "matched frequency; not in the paper"),
    "objectnet": EvaluationSet(None, "test", 113, 18_574, "objectnet", "the objects that ImageNet has, border cut off"),
    "cifar10": EvaluationSet("cifar10", "test", 10, 10_000),
    "cifar100": EvaluationSet("cifar100", "test", 100, 10_000),
    "pets": EvaluationSet("pets", "test", 37, 3669),
    "flowers": EvaluationSet("flowers", "test", 102, 6149),
    "digits": EvaluationSet("digits", "test", 10, 360, note="not in the paper; needs no network"),
}


@dataclass
class Opened:
    """A data set, ready to be judged."""

    source: object
    ids: np.ndarray  # the images that count
    judge: object  # (logits, labels) -> {metric: right}
    how: str  # how classes were found, for the record
    pixels: object = None  # in place of the model's transform of bytes, where the images need more


@checked
def open_set(name, split, model, *, folder=None, labels=None, convention="all", by_number=False, streaming=False):
    """(name of the split, `Opened`) of a name in `SETS`, a folder or a hub name.

    name: "vtab/dtd" for a task of VTAB-1k, which needs folder.  folder: where the images are, in place of what the name
    stands for; labels: the file with real.json, or ObjectNet's mapping; convention: as in `imagenet.judge_objectnet`;
    by_number: take class numbers as they are, though the names differ or are not known.  Raises ValueError where data
    and model do not name the same classes.
    """
    given, name = name, name_of(name)
    task, known = TASKS.get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None, SETS.get(name)
    if task is not None:  # its folder is part of what is opened
        known, folder = EvaluationSet(f"{name}:{folder}", "test", task.classes, task.test), None
    if convention not in ("all", "mapped"):
        raise ValueError(f"convention={convention!r} is not allowed; convention must be 'all' or 'mapped'")
    if known is None and folder is not None:
        raise ValueError(f"folder={folder!r} is not allowed: data={name!r} is no name of {', '.join(SETS)}; give data=")
    rule = known.rule if known else "labels"
    needs = {"real": "real.json", "objectnet": "its mapping to ImageNet"}.get(rule)
    if (labels is None) == (needs is not None):
        allowed = f"the path of {needs}" if needs else "None"
        raise ValueError(f"labels={labels!r} is not allowed for data={name!r}; it must be {allowed}")
    if rule != "labels":
        if folder is None:
            raise ValueError(f"data={name!r} needs folder=, where its images are")
        if split not in (None, known.split):
            raise ValueError(f"split={split!r} is not allowed; data={name!r} has {known.split!r} alone")
        if model.config.num_classes != imagenet.CLASSES:
            raise ValueError(
                f"data={name!r} needs a model of ImageNet's {imagenet.CLASSES} classes; this one has "
                f"{model.config.num_classes}"
            )
        return known.split, _of_imagenet(rule, folder, labels, convention, model)
    if is_open(given) and not isinstance(given, dict):  # one split, whichever
        split = split or str(given.split or "train").partition("[")[0]
    split = split or (known.split if known else "validation")
    where = folder or (known.data if known else name)
    source = open_source(given if where == name else where, split, streaming=streaming, in_memory=False)
    numbers, how = _numbers(source.class_names, model, by_number, f"data={where!r}, split {split!r}")
    K = model.config.num_classes
    if task is not None and source.class_names is None and task.classes != K:
        raise ValueError(f"data={name!r} has {task.classes} classes, the model {K}; fine-tune it on the task first")
    return split, Opened(source, np.arange(len(source)), _judge_labels(numbers, K, f"data={where!r}"), how)


def _of_imagenet(rule, folder, labels, convention, model) -> Opened:
    if rule == "numbered":
        source = imagenet.numbered_folders(folder)
        judge = _judge_labels(None, imagenet.CLASSES, f"folder={folder!r}")
        return Opened(source, np.arange(len(source)), judge, "folders are class numbers")
    if rule == "real":
        real, source = imagenet.read_real(labels), imagenet.validation_files(folder)
        some = np.array([len(entry) > 0 for entry in real])
        ids = np.flatnonzero(some[source.labels])
        if len(ids) == 0:
            raise ValueError(f"folder={folder!r}: no image there has a label in {labels}")
        return Opened(source, ids, imagenet.judge_real(real), "any of the image's labels; images without one left out")
    source = imagenet.ImageFiles(folder)
    right = imagenet.read_objectnet(labels, source.class_names)
    ids = np.flatnonzero(np.array([len(numbers) > 0 for numbers in right])[source.labels])
    how = {
        "all": "arg max over all 1000 classes, outside of the mapping wrong",
        "mapped": "arg max over mapped classes",
    }
    pixels = imagenet.WithoutBorder(model.transform.pixels)
    return Opened(source, ids, imagenet.judge_objectnet(right, convention), how[convention], pixels)


def _numbers(names, model, by_number, what):
    """(data's label -> model's output, or None for the same; how that was found)."""
    K, classes = model.config.num_classes, model.classes
    if names is None:
        places = None if by_number else places_of_numbers(classes)
        if places is not None:
            return places, "by number, looked up among the model's classes, which are numbers, too"
        return None, "by number: the data do not name their classes"
    if classes is not None and not by_number:
        try:
            return new_numbers(names, classes, what), "by name"
        except ValueError as error:
            raise ValueError(f"{error}.  by_number=True (--by-number) takes the numbers as they are") from None
    if len(names) != K and not by_number:
        raise ValueError(
            f"{what} has {len(names)} classes, the model {K}, and its file does not name them: which is which cannot "
            f"be told.  by_number=True (--by-number) takes the numbers as they are"
        )
    how = "by number" if by_number else "by number: the model's file does not name its classes"
    if not all(re.fullmatch(r"\d+", name) for name in names):
        return None, how
    numbers = np.array([int(name) for name in names], np.int64)  # their rank as text would be another
    if numbers.max() >= K:
        raise ValueError(f"{what} has the class number {numbers.max()}; the model has {K} classes, from 0")
    return numbers, how


def _judge_labels(numbers, K, what):
    import torch

    table = None if numbers is None else torch.from_numpy(numbers)

    def judge(logits, labels):
        if table is not None:
            known = (labels >= 0) & (labels < len(table))
            new = table.to(labels.device)[labels.clamp(0, len(table) - 1)]
            if len(unknown := labels[~known | (new < 0)]):
                raise ValueError(f"{what} has the label {int(unknown[0])}, which is no class of the model")
            labels = new
        if len(labels) and int(labels.max()) >= K:
            raise ValueError(f"{what} has the label {int(labels.max())}; the model has {K} classes, 0 to {K - 1}")
        if bool(torch.isnan(logits).any()):
            raise FloatingPointError("model gives NaN for an image; expected logits that are numbers")
        best = logits.topk(min(5, K)).indices
        found = {"top1": logits.argmax(-1) == labels}
        return found | ({"top5": (best == labels[:, None]).any(-1)} if K > 5 else {})

    return judge
