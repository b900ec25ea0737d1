"""A file's layout as a table, read in both directions.  Taught in notebooks/13_weights.ipynb.

Others keep the same numbers under other names and with other axes.  One `Entry` per array says which and how; from the
same table `to_layout` writes and `from_layout` reads.  Nothing is computed, so round trips are exact.  The same text
stands in both packages.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

__all__ = ["Entry", "as_array", "check_layout", "from_layout", "same", "sizes_of", "to_layout"]


class Entry(NamedTuple):
    """One array of a file: theirs = ours.reshape(view).transpose(axes)."""

    name: str  # ours, as in a state
    key: str  # theirs
    shape: tuple[int, ...]  # ours
    view: tuple[int, ...]  # the same numbers, with heads or the pixels of a patch on axes of their own
    axes: tuple[int, ...]
    third: int | None = None  # 0, 1, 2: only the rows of q, k or v of our `qkv`; then `shape` is theirs alone

    @property
    def their_shape(self) -> tuple[int, ...]:
        return tuple(self.view[axis] for axis in self.axes)


def same(name, key, *shape, ones=0) -> list[Entry]:
    """Nothing is moved; `ones`: how many axes of length 1 they put in front."""
    view = (1,) * ones + shape
    return [Entry(name, key, shape, view, tuple(range(len(view))))]


def sizes_of(arrays, key, letters: str) -> tuple[int, ...]:
    """The shape of an array that tells sizes of a model.     letters: one for each axis, "D C P P"

    Raises ValueError that names the key where it is missing, has another number of axes, or two sizes for one letter.
    """
    if key not in arrays:
        raise ValueError(f"key {key!r} is missing")
    found, names = np.shape(arrays[key]), letters.split()
    pairs = {*zip(names, found, strict=False)}
    if len(found) != len(names) or len(pairs) > len({*names}):
        raise ValueError(f"key {key!r} has shape {found}; expected ({', '.join(names)})")
    return found


def as_array(value) -> np.ndarray:
    """A NumPy array from an array or a tensor, of any device, with or without gradient (bfloat16 becomes float32)."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    return np.asarray(value)


def to_layout(named, table) -> dict[str, np.ndarray]:
    """{our name: array or tensor}  ->  {their key: array}, by a table of entries.

    Raises KeyError for a missing or extra name, ValueError for a wrong shape.
    """
    ours = {entry.name: entry for entry in table}
    missing, extra = [n for n in ours if n not in named], [n for n in named if n not in ours]
    if missing or extra:
        raise KeyError(f"the names do not fit the layout: missing {missing}, not expected {extra}")
    values = {name: as_array(named[name]) for name in ours}
    theirs = {}
    for entry in table:
        value, rows = values[entry.name], entry.shape[0]
        wanted = entry.shape if entry.third is None else (3 * rows, *entry.shape[1:])
        if value.shape != wanted:
            raise ValueError(f"{entry.name} has shape {value.shape}; expected {wanted}")
        if entry.third is not None:
            value = value[entry.third * rows : (entry.third + 1) * rows]
        theirs[entry.key] = np.array(value.reshape(entry.view).transpose(entry.axes), order="C")
    return theirs


def from_layout(arrays, table, source="arrays", called=None) -> dict[str, np.ndarray]:
    """{their key: array or tensor}  ->  {our name: array}, by a table of entries.  Errors as in `check_layout`."""
    arrays = {key: as_array(value) for key, value in arrays.items()}
    check_layout(arrays, table, source, called)
    parts = {}
    for entry in table:
        theirs = arrays[entry.key].reshape(entry.their_shape)
        ours = theirs.transpose(np.argsort(entry.axes)).reshape(entry.shape)
        parts.setdefault(entry.name, []).append(ours)
    return {name: np.concatenate(values) if len(values) > 1 else values[0] for name, values in parts.items()}


def check_layout(arrays, table, source, called=None) -> None:
    """Raise one ValueError with the keys that are missing, unknown or of another shape, each with what is expected.

    Whole numbers are what quantised files hold, whose scales stand elsewhere.  A vector may come with or without axes
    of length 1 in front.  source: what the arrays were read from; called: how it spells a key, where that differs from
    the table.
    """
    called, problems = called or {}, []
    wanted = {entry.key: entry.their_shape for entry in table}
    for key, shape in wanted.items():
        found = np.shape(arrays[key]) if key in arrays else None
        if found is None:
            problems.append(f"key {key!r} is missing; expected an array {shape}")
        elif arrays[key].dtype.kind not in "fV":
            problems.append(
                f"key {called.get(key, key)!r} is of {arrays[key].dtype}; expected floats, not quantised ones"
            )
        elif found != shape and not (_is_vector(found) and _is_vector(shape) and found[-1] == shape[-1]):
            problems.append(f"key {called.get(key, key)!r} has shape {found}; expected {shape}")
    problems += [f"key {called.get(key, key)!r} is not expected" for key in arrays if key not in wanted]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ValueError(f"{source} does not fit the model: {'; '.join(problems[:3])}{more}")


def _is_vector(shape) -> bool:
    return len(shape) > 0 and prod(shape) == shape[-1]
