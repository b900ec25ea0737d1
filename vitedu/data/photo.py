"""Two real photographs, scikit-learn's, in this package: nothing to download.  Used in notebooks/01_patches.ipynb."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from vitedu_numpy.extras import naming_extras

__all__ = ["load_photo"]


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
