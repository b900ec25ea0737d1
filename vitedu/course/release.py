"""Lessons for students, from one source: plain notebooks, a course folder of nbgrader, master notebooks for otter.

    plain       OUT/work/03_attention.ipynb                   beside it in OUT what lessons link to and read
    nbgrader    OUT/source/03_attention/03_attention.ipynb    in its folder what it needs
    otter       OUT/03_attention/03_attention.ipynb           the same

A notebook that somebody changed since it was written is never overwritten: it is refused, or merged where asked.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import secrets
import shutil
from collections.abc import Iterator

from vitedu_numpy.weights.files import replacing

from .assignment import exercises, lesson_name, read_notebook, source_of
from .links import needed_files, relinked, rerooted
from .merge import digests, handed_out, is_changed, merged
from .nbgrader import CONFIG, nbgrader_source
from .otter import otter_master
from .student import student_copy

__all__ = ["FORMATS", "find_lessons", "release"]

FORMATS = ("plain", "nbgrader", "otter")
# Beside the instructor's notebooks, and never handed out: the seed of the hidden cases, digests of the cells written.
RECORD = "released.json"
BEFORE = "before-update"  # folder for notebooks as they were before a merge


def release(
    notebooks=(), out="", format="plain", source="notebooks", update=False, seed: int | None = None
) -> Iterator[str]:
    """Write the lessons; yields a line for each.  Raises ValueError for what is not there or not allowed.

    notebooks: files, names or numbers of lessons in the folder `source`, none for all; update: merge where a notebook
    was changed; seed: of the hidden cases, by default that of the last time in `out`, else a new one.
    """
    if format not in FORMATS:
        raise ValueError(f"format={format!r} is not known; allowed is one of {', '.join(FORMATS)}")
    files = find_lessons(notebooks, source)
    linked = _linked(format, files, out, source)
    record = _record(out, seed) if format != "plain" else {}
    written, refused = 0, []
    try:
        for name, file in files.items():
            made, shared = _made(name, file, format, linked, record.get("seed"))
            target = os.path.join(out, *_place(format, name).split("/"))
            before = os.path.join(out, *(["work"] if format == "plain" else []), BEFORE, f"{name}.ipynb")
            said = _write(made, target, update, record, before)
            if said is None:
                refused.append(target)
                continue
            _copy(shared, out)
            written += 1
            asked = exercises(read_notebook(file))
            yield f"{target}: {len(asked)} exercises, {sum(e.points for e in asked)} points{said}"
    finally:
        if record:
            _put(os.path.join(out, RECORD), json.dumps(record, indent=1, sort_keys=True) + "\n")
    if format == "nbgrader":
        _once(os.path.join(out, "nbgrader_config.py"), CONFIG)
    if refused:
        raise ValueError(
            f"{', '.join(refused)}: changed since it was written, so it stays ({written} others were written); "
            "--update renews a lesson around the cells that were changed"
        )


def find_lessons(wanted, source: str) -> dict[str, str]:
    """name of a lesson -> its file.  wanted: files, names ("03_attention") or numbers ("03", "3"); none: all."""
    there = sorted(os.listdir(source)) if os.path.isdir(source) else []
    known = {lesson_name(n): os.path.join(source, n) for n in there if re.fullmatch(r"\d\d_\w+\.ipynb", n)}
    if not wanted:
        if not known:
            raise ValueError(f"source={source!r} has no notebooks NN_name.ipynb; name the folder that has them")
        return known
    found = {}
    for word in map(os.fspath, wanted):
        if word.endswith(".ipynb"):
            if not os.path.isfile(word):
                raise ValueError(f"notebook {word!r} is not there")
            found[lesson_name(word)] = word
            continue
        number = f"{int(word):02d}_" if re.fullmatch(r"[0-9]{1,2}", word) else None
        fitting = [n for n in known if n == word or (number and n.startswith(number))]
        if not fitting:
            raise ValueError(f"lesson {word!r} is not in {source!r}; there are {', '.join(known) or 'none'}")
        found[fitting[0]] = known[fitting[0]]
    return found


# ---- making --------------------------------------------------------------------------------------------------------


def _place(format: str, name: str) -> str:
    return {"plain": f"work/{name}.ipynb", "nbgrader": f"source/{name}/{name}.ipynb", "otter": f"{name}/{name}.ipynb"}[
        format
    ]


def _linked(format: str, files: dict, out: str, source: str) -> dict[str, str]:
    """path of a lesson in the repository -> where it lies in `out`: those written now, and those that are there."""
    if format == "otter":  # whose students have one lesson in a folder
        return {}
    everything = files
    if os.path.isdir(source):
        everything = {**find_lessons((), source), **files}
    places = {name: _place(format, name) for name in everything}
    return {
        f"{_home(file)[0]}/{os.path.basename(file)}": places[name]
        for name, file in everything.items()
        if name in files or os.path.exists(os.path.join(out, *places[name].split("/")))
    }


def _made(name, file, format, linked, seed):
    """(the notebook to write, {place of a shared file: (file, its Markdown or None)})"""
    lesson = read_notebook(file)
    folder, root = _home(file)
    here = posixpath.dirname(_place(format, name))
    needed = needed_files(lesson, root, folder)
    base = "" if format == "plain" else here
    moved = {path: posixpath.join(base, path) for path in needed} | linked  # path in the repository -> in `out`
    student = student_copy(lesson)
    for cell in student["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = relinked(source_of(cell), folder, here, moved)
        elif cell["cell_type"] == "code":
            cell["source"] = source_of(cell) if format == "plain" else rerooted(source_of(cell), ".")
    if format == "nbgrader":
        student = nbgrader_source(lesson, student, seed)
    elif format == "otter":
        student = otter_master(lesson, student, name, sorted(needed), seed)
    shared = {}
    for path in sorted(needed):
        text = None
        if path.endswith(".md"):
            with open(os.path.join(root, path), encoding="utf-8") as stream:
                text = relinked(stream.read(), posixpath.dirname(path), posixpath.dirname(moved[path]), moved)
        shared[moved[path]] = (os.path.join(root, path), text)
    if format == "plain":  # the others are given out by graders: there digests would tell the seed to who tries all
        student["metadata"]["vitedu"] = {"lesson": name, "cells": digests(student)}
    return student, shared


def _home(file: str) -> tuple[str, str]:
    """(name of the folder that a lesson lies in, the folder above: the root of the repository)"""
    folder = os.path.dirname(os.path.abspath(file))
    return os.path.basename(folder), os.path.dirname(folder)


def _record(out: str, seed: int | None) -> dict:
    """What the last release into `out` left, with the seed given, or else its own, or else a new one."""
    path = os.path.join(out, RECORD)
    record = {}
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as stream:
            try:
                record = json.load(stream)
            except ValueError:
                record = None
        fits = (
            isinstance(record, dict) and isinstance(record.get("seed"), int) and isinstance(record.get("cells"), dict)
        )
        if not fits:
            raise ValueError(f"{path} is not what a release wrote; name another --out")
    if seed is not None and seed < 0:
        raise ValueError(f"seed={seed} is not allowed; seed must be at least 0")
    chosen = record.get("seed", secrets.randbelow(2**31)) if seed is None else seed
    return {"seed": chosen, "cells": record.get("cells", {})}


# ---- writing -------------------------------------------------------------------------------------------------------


def _write(made: dict, target: str, update: bool, record: dict, before: str) -> str | None:
    """Write a notebook; what to say about it, or None where one that was changed is in the way."""
    said, fresh, name = "", digests(made), lesson_name(target)
    if os.path.exists(target):
        work = read_notebook(target)
        try:
            given = record["cells"].get(name, {}) if record else handed_out(work)
            changed = is_changed(work, given)
            if changed and update:
                made, kept = merged(work, given, made)
                said = "".join(f"\n  {line}" for line in kept)
                _put(before, _text(work))
        except ValueError as error:
            raise ValueError(f"{target} is in the way: {error}") from None
        if changed and not update:
            return None
    _put(target, _text(made))
    if record:
        record["cells"][name] = fresh
    return said


def _text(notebook: dict) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _put(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def _once(path: str, text: str) -> None:
    if not os.path.exists(path):
        _put(path, text)


def _copy(shared: dict, out: str) -> None:
    """Files that go along; in the repository itself they are there already."""
    for place, (file, text) in shared.items():
        target = os.path.join(out, *place.split("/"))
        if os.path.exists(target) and os.path.samefile(file, target):
            continue
        if text is not None:
            _put(target, text)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with replacing(target) as temporary:
                shutil.copyfile(file, temporary)
