"""Position embeddings for another resolution (Sec. 3.2).  Taught in notebooks/13_weights.ipynb.

A model trained on a grid of 14 x 14 patches can read larger images: every patch is treated as before, only there are
more of them, so E_pos needs more rows.  They are interpolated on the grid.  Four good libraries do it in three
different ways; the authors' is `method="linear"`: corner patches keep their vectors.

Shapes: `gh gw` grid, `N = gh gw`, `T` tokens, `D` width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

__all__ = ["METHODS", "resize_positions", "resize_state"]

# linear: corners on corners, as the authors' call of scipy.ndimage.zoom(order=1) means it.  (For a few sizes, 8 to 26
# rows for one, its rounding puts the last row outside the grid and returns zeros; that is not copied.)
# half-pixel: linear between patch centres; cubic: the same with Keys' cubic kernel, a = -0.75 (PyTorch, transformers);
# nearest: no new vectors.
METHODS = ("linear", "half-pixel", "cubic", "nearest")


def resize_positions(E_pos, old_grid, new_grid, has_class_token: bool = True, method: str = "linear"):
    """E_pos (T, D) for a grid (gh, gw) of patches  ->  the same for another grid.  The class token's row is kept.

    Raises ValueError where E_pos does not have one row per patch (and one for the class token), or for an unknown
    method; see `METHODS`.
    """
    E_pos, (gh, gw) = torch.as_tensor(E_pos), check_grids(old_grid, new_grid, method)
    first = int(has_class_token)
    if E_pos.ndim != 2 or len(E_pos) != first + gh * gw:
        expected = f"({first + gh * gw}, D): {gh} x {gw} patches" + " and the class token" * first
        raise ValueError(f"E_pos has shape {tuple(E_pos.shape)}; expected {expected}")
    grid = E_pos[first:].reshape(1, gh, gw, -1).permute(0, 3, 1, 2)  # (1, D, gh, gw)
    grid = _interpolate(grid, tuple(new_grid), method)  # (1, D, new gh, new gw)
    return torch.cat([E_pos[:first], grid.flatten(2)[0].T])


def _interpolate(grid, size, method):
    """(1, D, gh, gw)  ->  (1, D, *size), by PyTorch's own interpolation."""
    if method == "nearest":  # in whole numbers: `F.interpolate` rounds in float32 and misses some
        y, x = (torch.arange(new) * old // new for old, new in zip(grid.shape[2:], size, strict=True))
        return grid[:, :, y][..., x]
    mode = "bicubic" if method == "cubic" else "bilinear"
    return F.interpolate(grid, size, mode=mode, align_corners=method == "linear")


def check_grids(old_grid, new_grid, method):
    """Refuse a grid that is not two positive integers, or an unknown method; return the old grid."""
    if method not in METHODS:
        raise ValueError(f"method={method!r} is not allowed; method must be one of {METHODS}")
    for name, grid in (("old_grid", old_grid), ("new_grid", new_grid)):
        if len(tuple(grid)) != 2 or not all(isinstance(n, int) and n > 0 for n in grid):
            raise ValueError(f"{name}={grid!r} is not allowed; {name} must be two positive integers (gh, gw)")
    return tuple(old_grid)


def resize_state(state, old, new, method: str = "linear"):
    """The state of a model built from config `old`, for one built from `new` (another `image_size`, else the same).

    state: name -> tensor.  Learned 1-D and 2-D positions are interpolated wherever they are added; fixed ones need
    nothing.  Raises ValueError for relative positions: they belong to one sequence length.
    """
    check_grids(old.grid, new.grid, method)
    if old.position_embedding == "relative" and old.grid != new.grid:
        grids = f"from grid {old.grid} to {new.grid}"
        raise ValueError(f"position_embedding='relative' cannot be resized {grids}; only '1d' and '2d' can")
    has_class_token = old.classifier == "token"
    resized = dict(state)
    for name, value in state.items():
        if name.endswith("position_embedding.E_pos"):
            resized[name] = resize_positions(value, old.grid, new.grid, has_class_token, method)
        elif name.endswith(("position_embedding.E_y", "position_embedding.E_x")):
            axis = 0 if name.endswith("y") else 1
            line = torch.as_tensor(value).T[None, :, :, None]  # (1, D/2, old, 1)
            resized[name] = _interpolate(line, (new.grid[axis], 1), method)[0, :, :, 0].T
    return resized
