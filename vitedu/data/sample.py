"""One image on its way from a file to a batch.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Sample", "UnreadableImage", "check_ids"]


class UnreadableImage(ValueError):
    """The bytes of one image could not be decoded; the message says why."""


class Sample(NamedTuple):
    """One image as a source hands it out."""

    data: object  # encoded bytes, or (H, W, C) uint8
    label: int
    name: str  # file and row, for messages


def check_ids(ids, count: int) -> np.ndarray:
    """The numbers of some images as int64.  Raises TypeError or ValueError for what is no number of `count` images.

    A negative one would be counted from the end, and truth values would choose.
    """
    try:
        found = np.asarray(ids)
    except (TypeError, ValueError):  # lists of unequal lengths
        found = np.empty((), object)
    if found.ndim == 1 and found.size == 0:
        return found.astype(np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise TypeError(f"ids is a {type(ids).__name__} of {found.dtype}; expected a list of whole numbers")
    if found.min() < 0 or found.max() >= count:
        raise ValueError(f"ids run from {found.min()} to {found.max()}; allowed is 0..{count - 1}")
    return found.astype(np.int64, copy=False)
