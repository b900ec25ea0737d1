"""scikit-learn's digits: 1797 real handwritten digits, 8x8 pixels, a small file of this package; NumPy is enough.

Taught in notebooks/07_vit_numpy.ipynb.  Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits,
UCI Machine Learning Repository (1998), its test part; vitedu/data/shipped/README.md.
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

import numpy as np

from vitedu_numpy.extras import naming_extras

__all__ = ["Digits", "load_digits"]


class Digits(NamedTuple):
    """The data set, cut into a part to learn from and a held-out fifth."""

    train_images: np.ndarray  # (1437, 1, 8, 8) float32 in [-1, 1]
    train_labels: np.ndarray  # (1437,) int64
    test_images: np.ndarray  # (360, 1, 8, 8)
    test_labels: np.ndarray  # (360,)


@naming_extras()
def load_digits() -> Digits:
    """Every fifth image (numbers 0, 5, 10, ...) is held out: fixed for ever, with no random generator to drift."""
    with (files(__package__) / "shipped" / "digits.npz").open("rb") as file, np.load(file, allow_pickle=False) as raw:
        images = (raw["images"] / 8 - 1).astype(np.float32)[:, None]  # grey levels 0..16 -> [-1, 1]
        labels = raw["labels"].astype(np.int64)
    held_out = np.arange(len(labels)) % 5 == 0
    return Digits(images[~held_out], labels[~held_out], images[held_out], labels[held_out])
