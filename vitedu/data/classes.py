"""One list of classes for every split.  Taught in notebooks/14_pretraining.ipynb.

A label is a position in a list of names, and each split of a data set may come with a list of its own: folders are
sorted anew where one class is missing, tables name their labels in another order.  So the names of the training split
number the classes of all splits, and names are compared in one Unicode form (NFC): "é" is one letter on one disk, an
"e" and an accent on another.
"""

from __future__ import annotations

import unicodedata

import numpy as np

__all__ = ["Renumbered", "name_in_form", "new_numbers", "one_form", "renumbered"]


def name_in_form(name) -> str:
    """One name in the form NFC."""
    return unicodedata.normalize("NFC", str(name))


def one_form(names) -> list[str] | None:
    """The names in the form NFC; None stays None.  Raises ValueError where two of them are the same then."""
    if names is None:
        return None
    found = [name_in_form(name) for name in names]
    twice = sorted({name for name in found if found.count(name) > 1}) if len({*found}) < len(found) else []
    if twice:
        raise ValueError(f"class names must differ; {', '.join(map(repr, twice[:5]))} stands there more than once")
    return found


def new_numbers(names, training, what: str) -> np.ndarray:
    """(len(names),) int64: the place of each name in the list `training`.

    Raises ValueError, which begins with `what`, for names that are not in that list.
    """
    places = {name: i for i, name in enumerate(one_form(training))}
    missing = [name for name in one_form(names) if name not in places]
    if missing:
        raise ValueError(
            f"{what} has the class {_some(missing)}, which is not among the {len(places)} classes that are known: "
            f"{_some(places)}"
        )
    return np.array([places[name] for name in one_form(names)], np.int64)


def renumbered(source, training, what: str):
    """`source` with the labels of the list `training`; itself where it names no classes, or has that list.

    Raises ValueError as `new_numbers` does.
    """
    if source.class_names is None or training is None:
        return source
    numbers = new_numbers(source.class_names, training, what)
    if numbers.tolist() == list(range(len(training))):
        return source
    return Renumbered(source, numbers, training)


class Renumbered:
    """A source whose labels get other numbers.     numbers[old label] = new label"""

    def __init__(self, source, numbers, class_names):
        self.source, self.numbers = source, np.asarray(numbers, np.int64)
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
        return np.where(labels < 0, labels, self.numbers[np.maximum(labels, 0)])  # -1: no label

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
