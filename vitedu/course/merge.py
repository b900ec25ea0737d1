"""A new edition of a lesson around the work of a student, cell by cell.

A released notebook carries a digest of each cell as it was handed out, so that what a student did can be told from what
the lesson was.  Cells that the student wrote or changed stay, all others are renewed.
"""

from __future__ import annotations

import copy
import hashlib

from .assignment import source_of, tags_of

__all__ = ["digests", "handed_out", "is_changed", "merged"]


def digests(notebook: dict) -> dict[str, str]:
    """id -> digest of every cell.  Raises ValueError for a cell without an id of its own."""
    found = {}
    for i, cell in enumerate(notebook["cells"]):
        if not isinstance(cell.get("id"), str) or cell["id"] in found:
            raise ValueError(f"cell {i} has no id of its own; save the notebook in format 4.5")
        found[cell["id"]] = _digest(cell)
    return found


def handed_out(work: dict) -> dict[str, str]:
    """The digests that a student's notebook carries.  Raises ValueError for one that `vitedu` did not write."""
    about = work.get("metadata", {}).get("vitedu")
    given = about.get("cells") if isinstance(about, dict) else None
    if not isinstance(given, dict):
        raise ValueError("it does not say what was handed out (metadata.vitedu.cells)")
    return given


def is_changed(work: dict, given: dict[str, str]) -> bool:
    """Does a notebook differ from what was handed out in the text of a cell, or in which cells there are?"""
    return given != {cell.get("id", i): _digest(cell) for i, cell in enumerate(work["cells"])}


def merged(work: dict, given: dict[str, str], new: dict) -> tuple[dict, list[str]]:
    """(the new edition with the student's cells, what was done about each of them).

    work: the student's notebook; given: the digests of what was handed out; new: the new edition.

    An exercise that the student changed stays as it is.  So does another cell, unless the lesson changed it too: then
    the new one comes, and the student's below it.  Cells that the student added stay after the cell that they followed.
    """
    fresh = digests(new)
    if work["cells"] and not any("id" in cell for cell in work["cells"]):
        raise ValueError("its cells have lost their ids (an old editor?), by which they are found again")
    mine = {cell["id"]: cell for cell in work["cells"] if isinstance(cell.get("id"), str)}
    result, said = copy.deepcopy(new), []
    cells, beside = [], {}  # beside: id -> cells of the student's that go below it
    for cell in result["cells"]:
        name, old = cell["id"], mine.get(cell["id"])
        cells.append(cell)
        if old is None or given.get(name) == _digest(old):
            continue
        if _digest(old) == fresh[name]:
            continue  # what the student changed is what the lesson says now
        if given.get(name) == fresh[name] or "exercise" in tags_of(cell):
            cells[-1] = {**old, "metadata": {**cell["metadata"], **old.get("metadata", {})}}
            late = "; its stub has changed in the new edition" if given.get(name) != fresh[name] else ""
            said.append(f"{name}: yours is kept{late}")
        else:
            beside[name] = [{**old, "id": _free(f"{name}-mine", {*fresh, *mine})}]
            said.append(f"{name}: changed by you and in the new edition; yours is below the new one")
    anchor = None  # cells that the new edition does not have go after the one that they followed
    for i, old in enumerate(work["cells"]):
        name = old.get("id", i)
        if name in fresh:
            anchor = name
        elif given.get(name) != _digest(old):
            beside.setdefault(anchor, []).append(old)
            said.append(f"{name}: {'your own cell' if name not in given else 'no longer in the lesson; yours'} is kept")
    result["cells"] = beside.get(None, []) + [c for cell in cells for c in (cell, *beside.get(cell["id"], []))]
    for name in ("kernelspec", "language_info"):
        if name in work.get("metadata", {}):
            result["metadata"][name] = work["metadata"][name]
    return result, said


def _digest(cell: dict) -> str:
    text = f"{cell['cell_type']}\n{source_of(cell).rstrip()}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _free(name: str, taken: set[str]) -> str:
    return next(n for n in (name, *(f"{name}-{i}" for i in range(2, len(taken) + 3))) if n not in taken)
