"""From one grid of patches to another: what is resized, and what makes no sense.  Taught in notebooks/13_weights.ipynb.

The interpolation itself is mathematics, and each package has its own: `resize.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..contract import checked

__all__ = ["METHODS", "check_positions", "resized_state"]

# linear: corners on corners, as the authors' call of scipy.ndimage.zoom(order=1) means it.  (For a few sizes, 8 to 26
# rows for one, its rounding puts the last row outside the grid and returns zeros; that is not copied.)
# half-pixel: linear between patch centres; cubic: the same with Keys' cubic kernel, a = -0.75 (PyTorch, transformers);
# nearest: no new vectors.  cubic-offset: cubic, but for a grid of new + 0.1 patches, as DINOv2's code has it to be sure
# of its rounding; cubic-antialias: a = -0.5, and on the way to a smaller grid the kernel is as much wider (timm).
METHODS = ("linear", "half-pixel", "cubic", "nearest", "cubic-offset", "cubic-antialias")


def check_grids(old_grid, new_grid, method) -> None:
    """Refuse a grid that is not two positive integers, or an unknown method."""
    if method not in METHODS:
        raise ValueError(f"method={method!r} is not allowed; method must be one of {METHODS}")
    for name, grid in (("old_grid", old_grid), ("new_grid", new_grid)):
        if len(tuple(grid)) != 2 or not all(isinstance(n, int) and n > 0 for n in grid):
            raise ValueError(f"{name}={grid!r} is not allowed; {name} must be two positive integers (gh, gw)")


@checked
def check_positions(shape, old_grid, new_grid, has_class_token, method) -> None:
    """Refuse what `check_grids` refuses, and an E_pos of a shape that is not (T, D) for the old grid."""
    check_grids(old_grid, new_grid, method)
    (gh, gw), first = old_grid, int(has_class_token)
    if len(shape) != 2 or shape[0] != first + gh * gw:
        expected = f"({first + gh * gw}, D): {gh} x {gw} patches" + " and the class token" * first
        raise ValueError(f"E_pos has shape {tuple(shape)}; expected {expected}")


def resized_state(state, old, new, method, resize_positions: Callable) -> dict:
    """`resize_state` with the interpolation of a package, its `resize_positions`."""
    check_grids(old.grid, new.grid, method)
    if old.position_embedding == "relative" and old.grid != new.grid:
        grids = f"from grid {old.grid} to {new.grid}"
        raise ValueError(f"position_embedding='relative' cannot be resized {grids}; only '1d' and '2d' can")
    (gh, gw), (new_gh, new_gw) = old.grid, new.grid
    resized = dict(state)
    for name, value in state.items():
        if name.endswith("position_embedding.E_pos"):
            resized[name] = resize_positions(value, old.grid, new.grid, old.classifier == "token", method)
        elif name.endswith("position_embedding.E_y"):  # one vector per row: a grid of one column
            resized[name] = resize_positions(value, (gh, 1), (new_gh, 1), False, method)
        elif name.endswith("position_embedding.E_x"):
            resized[name] = resize_positions(value, (1, gw), (1, new_gw), False, method)
    return resized
