"""What all whole models have in common: files, and the images they refuse.  Taught in notebooks/13_weights.ipynb."""

from __future__ import annotations

import numpy as np

from ..module import Module, checked
from ..validate import as_array, check_range
from ..weights.loading import load_npz, save_npz

__all__ = ["Model", "check_images"]


class Model(Module):
    """A whole network, described by its `config`: it can be read from the authors' files and written as one of them."""

    @checked
    def load_npz(self, path) -> None:
        """Read weights in the authors' layout, and the constants they were trained with; see `weights.load_npz`."""
        load_npz(self, path)

    @checked
    def save_npz(self, path, naming="old") -> None:
        """Write the weights in the authors' layout, at exactly this path; see `weights.save_npz`."""
        save_npz(self, path, naming)


def check_images(images, channels, image_hw=None) -> np.ndarray:
    """Refuse what a model would silently get wrong.  image_hw: (H, W), None for images of any size."""
    images = as_array(images, "images")
    if images.dtype.kind != "f":
        raise TypeError(f"images has dtype {images.dtype}; expected floats in [-1, 1] (for bytes: images / 127.5 - 1)")
    wanted = f"C = {channels}" if image_hw is None else f"(C, H, W) = {(channels, *image_hw)}"
    fits = images.ndim == 4 and images.shape[1] == channels
    if not fits or (0 in images.shape[2:] if image_hw is None else images.shape[2:] != image_hw):
        raise ValueError(f"images has shape {images.shape}; expected (B, C, H, W) with {wanted}")
    check_range(images)
    return images
