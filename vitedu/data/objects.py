"""A data set that is open already: a `Dataset` or `DatasetDict` of the `datasets` library.

Taught in notebooks/14_pretraining.ipynb.  It lies in a memory-mapped file, so any image is at hand: nothing is copied.
"""

from __future__ import annotations

import os

from .folder import same_split
from .sources import Table

__all__ = ["is_open", "name_of", "open_object"]


def is_open(dataset) -> bool:
    """An object of `datasets`, which need not be loaded to tell."""
    return any(kind.__module__.partition(".")[0] == "datasets" for kind in type(dataset).__mro__)


def name_of(dataset) -> str:
    """A name or folder as it is; of an object what it is, for messages and records.  Raises ValueError for others."""
    if is_open(dataset):
        splits = f" of {', '.join(map(str, dataset))}" if isinstance(dataset, dict) else ""
        return f"{type(dataset).__name__}{splits} in memory"
    if not isinstance(dataset, str | os.PathLike) or not str(dataset):
        raise ValueError(
            f"data={dataset!r} is not allowed; data must be a name, a folder, or a Dataset or DatasetDict of `datasets`"
        )
    return os.fspath(dataset)


def open_object(dataset, split: str, image: str | None = None, label: str | None = None) -> Table:
    """The source of one split.     image, label: columns, where it is not clear which they are

    A `Dataset` that does not say its split is of "train": the images that were trained on must not come back as those
    of an evaluation.  Raises ValueError for another split, columns that are not clear, a transform of one's own, and
    for a kind that can only be read from its beginning.
    """
    from datasets import Dataset, DatasetDict

    from .columns import find_columns

    name = name_of(dataset)
    if not isinstance(dataset, Dataset | DatasetDict):
        raise ValueError(
            f"data is a {name}; expected a Dataset or a DatasetDict; to stream, give the name or the folder"
        )
    if isinstance(dataset, Dataset):
        dataset = {str(dataset.split or "train").partition("[")[0]: dataset}
    found = same_split(split, dataset)
    if found not in dataset:
        splits = ", ".join(map(repr, dataset))
        raise ValueError(f"data, a {name}, has no split {split!r}, but {splits}; a DatasetDict names several")
    dataset = dataset[found]
    if dataset.format["type"] == "custom":
        raise ValueError(f"data, a {name}, has a transform of its own, which would not be used; see with_format(None)")
    return Table(dataset, find_columns(dataset.features, name, image, label), f"{name}, {found}")
