"""Position embeddings for another resolution (Sec. 3.2).  Taught in notebooks/13_weights.ipynb and 15_finetuning.ipynb.

A model trained on a grid of 14 x 14 patches can read larger images: every patch is treated as before, only there are
more of them, so E_pos needs more rows.  They are interpolated on the grid.  Good libraries do it in five different
ways; the authors' is `method="linear"`: corner patches keep their vectors.

Shapes: `gh gw` grid, `N = gh gw`, `T` tokens, `D` width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from vitedu_numpy.weights.grids import check_positions, resized_state

from ..module import checked
from ..tensors import as_tensor

__all__ = ["resize_positions", "resize_state"]


@checked
def resize_positions(E_pos, old_grid, new_grid, has_class_token: bool = True, method: str = "linear"):
    """E_pos (T, D) for a grid (gh, gw) of patches  ->  the same for another grid.  The class token's row is kept.

    Raises ValueError where E_pos does not have one row per patch (and one for the class token), or for an unknown
    method; see `METHODS` in `grids.py`.
    """
    E_pos = as_tensor(E_pos, "E_pos")
    if not E_pos.is_floating_point():
        raise TypeError(f"E_pos has dtype {E_pos.dtype}; expected floats (T, D)")
    check_positions(E_pos.shape, old_grid, new_grid, has_class_token, method)
    if tuple(old_grid) == tuple(new_grid):
        return E_pos.clone()
    (gh, gw), first = old_grid, int(has_class_token)
    # In float64, which Apple's GPUs have not: float32 would place the new patches to 7 digits only.
    grid = E_pos[first:].cpu().double().reshape(1, gh, gw, -1).permute(0, 3, 1, 2)  # (1, D, gh, gw)
    grid = _interpolate(grid, tuple(new_grid), method)  # (1, D, new gh, new gw)
    return torch.cat([E_pos[:first], grid.flatten(2)[0].T.to(E_pos)])


def _interpolate(grid, size, method):
    """(1, D, gh, gw)  ->  (1, D, *size), by PyTorch's own interpolation."""
    if method == "nearest":  # in whole numbers: `F.interpolate` rounds in float32 and misses some
        y, x = (torch.arange(new) * old // new for old, new in zip(grid.shape[2:], size, strict=True))
        return grid[:, :, y][..., x]
    if method == "cubic-offset":
        scale = [(new + 0.1) / old for new, old in zip(size, grid.shape[2:], strict=True)]
        return F.interpolate(grid, scale_factor=scale, mode="bicubic", align_corners=False)
    mode, antialias = "bicubic" if "cubic" in method else "bilinear", method == "cubic-antialias"
    return F.interpolate(grid, size, mode=mode, align_corners=method == "linear", antialias=antialias)


def resize_state(state, old, new, method: str = "linear"):
    """The state of a model built from config `old`, for one built from `new` (another `image_size`, else the same).

    state: name -> tensor.  Learned 1-D and 2-D positions are interpolated wherever they are added; fixed ones need
    nothing.  Raises ValueError for relative positions: they belong to one sequence length.
    """
    return resized_state(state, old, new, method, resize_positions)
