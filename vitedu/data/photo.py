"""Real photographs in this package: nothing to download.  Used in notebooks/00_map.ipynb and 01_patches.ipynb.

Two large ones, scikit-learn's, and twelve of 32 x 32 pixels; where they are from: vitedu/data/shipped/README.md.
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

import numpy as np

from vitedu_numpy.extras import naming_extras

__all__ = ["SmallPhotos", "load_photo", "load_small_photos"]

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@naming_extras()
def load_photo(name: str = "china", size: int = 384) -> np.ndarray:
    """The middle of the photograph "china" or "flower" (427 x 640 pixels): (1, 3, size, size) in [-1, 1].

    Raises ValueError for another name, or a size that the photograph does not have.
    """
    if name not in ("china", "flower"):
        raise ValueError(f"name={name!r} is not allowed; name must be 'china' or 'flower'")
    from PIL import Image

    with (files(__package__) / "shipped" / f"{name}.jpg").open("rb") as file, Image.open(file) as photo:
        pixels = np.asarray(photo)  # (427, 640, 3) uint8
    H, W, _ = pixels.shape
    if not isinstance(size, int) or not 0 < size <= H:
        raise ValueError(f"size={size!r} is not allowed; size must be an integer from 1 to {H}")
    top, left = (H - size) // 2, (W - size) // 2
    crop = pixels[top : top + size, left : left + size].transpose(2, 0, 1)
    return (crop.astype(np.float32) / 127.5 - 1)[None]


class SmallPhotos(NamedTuple):
    """Twelve test images of CIFAR-10, the first of the copy that was at hand, and what is on them."""

    images: np.ndarray  # (12, 3, 32, 32) float32 in [-1, 1]
    labels: np.ndarray  # (12,) int64
    names: tuple[str, ...]  # of the ten classes


def load_small_photos() -> SmallPhotos:
    """Twelve photographs that no model of this package has been trained on; NumPy is enough."""
    with (files(__package__) / "shipped" / "cifar10.npz").open("rb") as file, np.load(file, allow_pickle=False) as raw:
        images = raw["images"].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        labels = raw["labels"].astype(np.int64)
    return SmallPhotos(images, labels, CIFAR10)
