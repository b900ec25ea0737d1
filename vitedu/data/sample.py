"""One image on its way from a file to a batch.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Sample", "UnreadableImage"]


class UnreadableImage(ValueError):
    """The bytes of one image could not be decoded; the message says why."""


class Sample(NamedTuple):
    """One image as a source hands it out."""

    data: object  # encoded bytes, or (H, W, C) uint8
    label: int
    name: str  # file and row, for messages
