"""Position embeddings for another resolution (Sec. 3.2).  Taught in notebooks/13_weights.ipynb and 15_finetuning.ipynb.

A model trained on a grid of 14 x 14 patches can read larger images: every patch is treated as before, only there are
more of them, so E_pos needs more rows.  They are interpolated on the grid.  Good libraries do it in five different
ways; the authors' is `method="linear"`: corner patches keep their vectors.

Shapes: `gh gw` grid, `N = gh gw`, `T` tokens, `D` width.
"""

from __future__ import annotations

import numpy as np

from ..module import checked
from .grids import check_positions, resized_state

__all__ = ["interpolation_matrix", "resize_positions", "resize_state"]


def interpolation_matrix(old: int, new: int, method: str = "linear") -> np.ndarray:
    """M (new, old), float64: new values = M @ old values along one axis.  Every row sums to 1."""
    if method in ("cubic-offset", "cubic-antialias"):
        return _cubic_of_others(old, new, method)
    i = np.arange(new)
    if method == "linear":
        x = i * ((old - 1) / (new - 1) if new > 1 else 0.0)
    elif method == "nearest":
        x = i * old // new
    else:  # place of a new centre, measured in old patches from the first old centre
        x = (i + 0.5) * old / new - 0.5
    if method == "half-pixel":
        x = np.clip(x, 0, old - 1)
    left = np.floor(x)
    reach = range(-1, 3) if method == "cubic" else range(2)
    M = np.zeros((new, old))
    for offset in reach:
        distance = np.abs(x - (left + offset))
        neighbour = np.clip(left + offset, 0, old - 1).astype(int)  # beyond the border, the border's vector
        M[i, neighbour] += _cubic(distance) if method == "cubic" else np.maximum(1 - distance, 0)
    return M


def _cubic(d, a=-0.75):
    """Keys' kernel: weight of a neighbour at distance d."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def _cubic_of_others(old, new, method):
    """DINOv2's and timm's: see `METHODS`."""
    i = np.arange(new)[:, None]
    if method == "cubic-antialias":
        wider = max(old / new, 1.0)
        M = _cubic(abs((i + 0.5) * old / new - 0.5 - np.arange(old)) / wider, a=-0.5)
        return M / M.sum(axis=1, keepdims=True)  # beyond the border there is nothing, and the others weigh more
    M = _cubic(abs((i + 0.5) * old / (new + 0.1) - 0.5 - np.arange(-2, old + 2)))
    M[:, 2] += M[:, :2].sum(axis=1)  # beyond the border, the border's vector
    M[:, -3] += M[:, -2:].sum(axis=1)
    return M[:, 2:-2]


@checked
def resize_positions(E_pos, old_grid, new_grid, has_class_token: bool = True, method: str = "linear"):
    """E_pos (T, D) for a grid (gh, gw) of patches  ->  the same for another grid.  The class token's row is kept.

    Raises ValueError where E_pos does not have one row per patch (and one for the class token), or for an unknown
    method; see `METHODS` in `grids.py`.
    """
    E_pos = np.asarray(E_pos)
    if E_pos.dtype.kind != "f":
        raise TypeError(f"E_pos has dtype {E_pos.dtype}; expected floats (T, D)")
    check_positions(E_pos.shape, old_grid, new_grid, has_class_token, method)
    if tuple(old_grid) == tuple(new_grid):
        return E_pos.copy()
    (gh, gw), first = old_grid, int(has_class_token)
    M_y, M_x = (interpolation_matrix(old, new, method) for old, new in zip(old_grid, new_grid, strict=True))
    grid = E_pos[first:].reshape(gh, gw, -1)
    grid = np.einsum("Yy,Xx,yxd->YXd", M_y, M_x, grid, optimize=True)  # (new gh, new gw, D)
    return np.concatenate([E_pos[:first], grid.reshape(-1, grid.shape[-1]).astype(E_pos.dtype)])


def resize_state(state, old, new, method: str = "linear"):
    """The state of a model built from config `old`, for one built from `new` (another `image_size`, else the same).

    state: name -> array.  Learned 1-D and 2-D positions are interpolated wherever they are added; fixed ones need
    nothing.  Raises ValueError for relative positions: they belong to one sequence length.
    """
    return resized_state(state, old, new, method, resize_positions)
