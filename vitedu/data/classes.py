"""One list of classes for every split.  Taught in notebooks/14_pretraining.ipynb.

A label is a position in a list of names, and each split of a data set may come with a list of its own: folders are
sorted anew where one class is missing, tables name their labels in another order.  So the names of the training split
number the classes of all splits, and names are compared in one Unicode form (NFC): "é" is one letter on one disk, an
"e" and an accent on another.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter

import numpy as np

__all__ = [
    "Renumbered", "by_numbers_of", "is_gap", "is_list_of_numbers", "name_in_form", "names_alike", "new_numbers",
    "one_form", "places_of_numbers", "renumbered",
]  # fmt: skip

_log = logging.getLogger(__name__)


def is_gap(text) -> bool:
    """What programs write where a label is missing."""
    return text.strip().lower() in ("", "nan", "<na>")


def is_list_of_numbers(text) -> bool:
    """[0], "0 1", "0,1": an image has several labels, or a list was written as a text.  20-29 is a name."""
    return bool(re.fullmatch(r"\s*(\[[\d\s,.]*\]|\d+(\s*[,;\s]\s*\d+)+)\s*", text))


def name_in_form(name) -> str:
    """One name in the form NFC.  Raises ValueError for one that no file of texts could hold, such as b"caf\\xe9"."""
    text = unicodedata.normalize("NFC", str(name))
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError(
            f"the class name {text!r} is not written in UTF-8, and could not be kept with a model; rename it"
        )
    return text


def one_form(names, what: str = "") -> list[str] | None:
    """The names in the form NFC; None stays None.  Raises ValueError where two are the same then, or one is no text."""
    if names is None:
        return None
    try:
        found = [name_in_form(name) for name in names]
    except ValueError as error:
        raise ValueError(f"{what}{error}") from None
    if len({*found}) < len(found):
        twice = sorted(name for name, count in Counter(found).items() if count > 1)
        raise ValueError(f"{what}class names must differ; {_some(twice)} stands there more than once")
    return found


def names_alike(names) -> list[list[str]]:
    """Groups of names that differ in case or in spaces alone: most often one class, written in two ways."""
    groups = {}
    for name in names:
        groups.setdefault(" ".join(name.casefold().split()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def new_numbers(names, training, what: str) -> np.ndarray:
    """(len(names),) int64: the place of each name in the list `training`.

    Raises ValueError, which begins with `what`, for names that are not in that list.
    """
    places = {name: i for i, name in enumerate(one_form(training))}
    missing = [name for name in one_form(names) if name not in places]
    if missing:
        pairs = names_alike([*missing, *places])
        hint = f" ({_some(pairs[0])} differ in case or spaces alone)" if pairs else ""
        raise ValueError(
            f"{what} has the class {_some(missing)}, which is not among the {len(places)} classes that are known: "
            f"{_some(places)}{hint}"
        )
    return np.array([places[name] for name in one_form(names)], np.int64)


def renumbered(source, training, what: str):
    """`source` with the labels of the list `training`; itself where it has that list, or no names and that many.

    A source that names no classes has numbers: where the names of the list are numbers too, they are looked up there
    ("10" comes before "2" in a list that was sorted as text), else they are places in it.  Raises ValueError as
    `new_numbers` does, and for numbers that the list has no place for.
    """
    if training is None:
        return source
    if source.class_names is None:
        return _by_number(source, training, what)
    numbers = new_numbers(source.class_names, training, what)
    if numbers.tolist() == list(range(len(training))):
        return source
    return Renumbered(source, numbers, training, what)


def places_of_numbers(names) -> np.ndarray | None:
    """[class number] -> place in the list, -1 where it has none, of names that are numbers; None: they are not, or
    each number is its own place.
    """
    if not names or not all(re.fullmatch(r"\d{1,6}", name) for name in names):
        return None
    values = np.array([int(name) for name in names])
    if values.tolist() == list(range(len(names))) or len({*values.tolist()}) < len(values):
        return None
    places = np.full(values.max() + 1, -1)
    places[values] = np.arange(len(values))
    return places


def _by_number(source, training, what):
    numbers = places_of_numbers(training)
    if numbers is not None:
        source = Renumbered(source, numbers, training, what)
    labels = getattr(source, "labels", ())
    if len(labels) and labels.max() >= len(training):
        raise ValueError(
            f"{what} has the label {labels.max()}; there are {len(training)} classes, from 0 on: {_some(training)}"
        )
    return source


def by_numbers_of(training, source, what: str):
    """`source`, which names its classes, for a model trained on numbers that nobody names.

    Names that are numbers are those; else the places in the list are, which is said.  Raises ValueError, which begins
    with `what`, where there are not as many names as numbers: which is which cannot be told then.
    """
    names, labels = source.class_names, getattr(training, "labels", ())
    count = int(labels.max()) + 1 if len(labels) else None  # of shards that are streamed nobody knows it
    if all(re.fullmatch(r"\d{1,6}", name) for name in names):
        if count is not None and max(map(int, names)) >= count:
            largest = max(map(int, names))
            raise ValueError(f"{what}, by numbers up to {largest}; training numbers from 0 to {count - 1}")
        _log.warning("%s, by numbers, which are taken for those", what)
        return Renumbered(source, [int(name) for name in names], None, what)
    if count is not None and count != len(names):
        raise ValueError(
            f"{what}: it has {len(names)} names, training numbers from 0 to {count - 1}; which is which cannot be "
            f"told.  Name the classes of both, or number both"
        )
    _log.warning("%s; its numbers are taken as they are", what)
    return source


class Renumbered:
    """A source whose labels get other numbers.     numbers[old label] = new label, -1 where there is none

    Reading raises ValueError, which begins with `what`, for a label that gets none.
    """

    def __init__(self, source, numbers, class_names, what: str = "data"):
        self.source, self.numbers, self.what = source, np.asarray(numbers, np.int64), what
        self.class_names = None if class_names is None else list(class_names)
        self.chunks = source.chunks
        if hasattr(source, "files"):
            self.files = source.files

    def __len__(self) -> int:
        return len(self.source)

    @property
    def num_classes(self) -> int | None:
        return None if self.class_names is None else len(self.class_names)

    @property
    def labels(self) -> np.ndarray:
        """The labels of all images, where the source knows them beforehand; else AttributeError."""
        return self._new(self.source.labels)

    def read(self, ids) -> list:
        """The images of these numbers, in this order."""
        samples = self.source.read(ids)
        labels = self._new([sample.label for sample in samples]).tolist()
        return [sample._replace(label=label) for sample, label in zip(samples, labels, strict=True)]

    def _new(self, labels):
        labels = np.asarray(labels, np.int64)
        new = self.numbers[np.clip(labels, 0, len(self.numbers) - 1)]
        unknown = labels[(labels >= len(self.numbers)) | ((labels >= 0) & (new < 0))]
        if len(unknown):
            raise ValueError(f"{self.what} has the label {unknown[0]}, which is not among {_some(self.class_names)}")
        return np.where(labels < 0, labels, new)  # -1: no label

    def set_room(self, chunks: int) -> None:
        """As in `Chunked`; for other sources nothing."""
        if hasattr(self.source, "set_room"):
            self.source.set_room(chunks)

    def prefetch(self, ids) -> None:
        """As in `Chunked`; for other sources nothing."""
        if hasattr(self.source, "prefetch"):
            self.source.prefetch(ids)

    def close(self) -> None:
        """As in `Chunked`; for other sources nothing."""
        if hasattr(self.source, "close"):
            self.source.close()


def _some(names) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:5])) + (" ..." if len(names) > 5 else "")
