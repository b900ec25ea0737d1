"""Whether two lists of results are the same numbers, and two errors the same stop."""

from __future__ import annotations

import re

import numpy as np

__all__ = ["as_results", "close", "is_weak", "same", "stops_alike", "unfit_axes"]


def as_results(results, count: int) -> list:
    """A function's results as a list of arrays in float64; anything that is not numbers stays as it is."""
    if isinstance(results, np.ndarray) and results.shape[:1] == (count,) and count > 1:
        results = list(results)  # side by side in one array, which `a, b = ...` takes apart as well
    results = results if isinstance(results, (tuple, list)) and count > 1 else [results]
    return [_as_array(r) for r in results]


def _as_array(x):
    x = x.detach().cpu() if hasattr(x, "detach") else x  # a PyTorch tensor
    x = float(x) if isinstance(x, int) and abs(x) < 1e300 else x  # NumPy's whole numbers end at 2^63
    try:
        array = np.asarray(x)
    except ValueError:
        return x
    return array.astype(np.float64) if array.dtype.kind in "fiub" else x


def close(got, made, tolerance: float) -> bool:
    """Equal shapes and numbers, relative to the largest entry; NaN and infinity in the same places."""
    got, made = (np.asarray(x) if isinstance(x, np.generic) else x for x in (got, made))  # what 0-d arrays turn into
    if not isinstance(got, np.ndarray) or not isinstance(made, np.ndarray) or got.shape != made.shape:
        return False
    finite = np.isfinite(made)
    if not finite.all():
        if not (np.isfinite(got) == finite).all() or not (np.isnan(got) == np.isnan(made)).all():
            return False
        got, made = got[finite], made[finite]
    if not made.size:
        return True
    bound = tolerance * max(np.abs(made).max(), 1e-12)
    return bool((np.abs(got - made) <= bound).all())


def same(got, made, tolerance: float) -> bool:
    """All results close."""
    return len(got) == len(made) and all(close(g, m, tolerance) for g, m in zip(got, made, strict=True))


def is_weak(got, wanted, tolerance: float) -> bool:
    """Nothing but zeros, NaN or infinity in the results that are wrong: many different mistakes end there."""
    wrong = [g for i, g in enumerate(got) if i >= len(wanted) or not close(g, wanted[i], tolerance)]
    numbers = [g for g in wrong if isinstance(g, np.ndarray)]
    return all(not g.size or not np.isfinite(g).any() or not g[np.isfinite(g)].any() for g in numbers)


# How NumPy says that the axes in the middle of a product do not fit, of `@` and of `np.dot`: they name the two sizes in
# opposite orders.
_UNFIT = (
    re.compile(r"matmul: .*\(size (?P<second>\d+) is different from (?P<first>\d+)\)"),
    re.compile(r"not aligned: (?P<first>\d+) \(dim \d+\) != (?P<second>\d+) \(dim \d+\)"),
)


def unfit_axes(error) -> tuple[str, str] | None:
    """(the last size of A, the last but one of B) of a product A @ B that cannot be taken; None for another error."""
    found = next(filter(None, (pattern.search(str(error)) for pattern in _UNFIT)), None)
    return found and found.group("first", "second")


def stops_alike(error, other) -> bool:
    """The same error, word for word; or division by 0, or a product that does not fit, in other words."""
    if type(error) is not type(other):
        return False
    if isinstance(error, ZeroDivisionError) or str(error) == str(other):
        return True
    axes = unfit_axes(error)
    return axes is not None and axes == unfit_axes(other)
