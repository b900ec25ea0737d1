"""What the patch projection looks for: principal components of its filters (Sec. 4.5, Fig. 7 left).

Taught in notebooks/21_inside.ipynb.

Shapes: `D` width, `C` channels, `P` patch side.
"""

from __future__ import annotations

import numpy as np

from ..contract import checked
from ..validate import require
from .recorded import as_array

__all__ = ["filter_components"]


@checked
def filter_components(weight, patch_size, count=28) -> tuple[np.ndarray, np.ndarray]:
    """The first principal components of the D filters, and each one's part of their variance.

    weight: `model.patch_embedding.weight` of either package, (D, C P P)  ->  (count, C, P, P), (count,)

    The filters' mean is taken off first.  A component has length 1; of its two signs it has the one that makes its
    largest number (by size) positive.  A hybrid's filters read a feature map: C is its channels, and no picture is
    to be had.  Raises ValueError where fewer than `count` components exist: min(D - 1, C P P) do.
    """
    weight = as_array(weight, "weight")
    if weight.ndim < 2 or 0 in weight.shape or weight.dtype.kind != "f" or not np.isfinite(weight).all():
        raise ValueError(f"weight (dtype {weight.dtype}, shape {weight.shape}) must hold finite filters (D, C P P)")
    weight = weight.reshape(len(weight), -1).astype(np.float64)  # (D, C P P)
    D, numbers = weight.shape
    if numbers % patch_size**2:
        raise ValueError(f"patch_size={patch_size} is not allowed; filters of {numbers} numbers are no C x P x P")
    most = min(D - 1, numbers)
    fits = isinstance(count, int) and 1 <= count <= most
    require(fits, "count", count, f"1 ... {most} for {D} filters of {numbers} numbers")
    _, s, components = np.linalg.svd(weight - weight.mean(axis=0), full_matrices=False)
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    components *= np.where(largest < 0, -1.0, 1.0)
    if not s.any():
        raise ValueError("weight has D equal filters: nothing varies, so there are no components")
    return components[:count].reshape(count, -1, patch_size, patch_size), (s**2 / (s**2).sum())[:count]
