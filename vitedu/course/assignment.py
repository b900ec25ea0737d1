"""What a lesson asks: its exercises, and which cells hold their texts, stubs and solutions.

A stub is a code cell tagged `exercise` that ends in calls `check.NAME(my_NAME)`, one for each function; its text is the
Markdown above it; cells tagged `solution` after it, up to the next stub, hold its solutions.
"""

from __future__ import annotations

import ast
import json
import os
import re
from typing import NamedTuple

from .. import check

__all__ = ["POINTS_PER_LEVEL", "Exercise", "exercises", "lesson_name", "read_notebook", "source_of", "tags_of"]

POINTS_PER_LEVEL = 5  # level 1: 5 points, level 2: 10, level 3, a stretch: 15

OPENING = re.compile(r"^\*\*(?:Exercise )?(\d+)[.:] *(.*?)\.?\*\*", flags=re.MULTILINE)


class Exercise(NamedTuple):
    """One function that a student writes.

    name: of its check, `check.NAME`; function: what the student defines, "my_NAME" as a rule; number and title: of the
    text above it, which several functions may share; level, minutes: of the check; points: what a right answer gives;
    text, stub: index of the cells; solutions: indices of the cells tagged `solution`.
    """

    name: str
    function: str
    number: str
    title: str
    level: int
    minutes: int
    points: int
    text: int
    stub: int
    solutions: tuple[int, ...]


def read_notebook(path) -> dict:
    """A notebook as JSON has it.  Raises ValueError, naming the file, for what is no notebook of format 4."""
    try:
        with open(path, encoding="utf-8") as stream:
            notebook = json.load(stream)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no notebook: {error}") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or notebook.get("nbformat") != 4:
        raise ValueError(f"{path} is no notebook of format 4: it has no list of cells, or another nbformat")
    for i, cell in enumerate(cells):
        if not isinstance(cell, dict) or not isinstance(cell.get("metadata", {}), dict):
            raise ValueError(f"{path}: cell {i} is no cell")
        if not isinstance(cell.get("source", ""), (str, list)) or cell.get("cell_type") not in (
            "code",
            "markdown",
            "raw",
        ):
            raise ValueError(f"{path}: cell {i} has no source, or a cell_type that is not code, markdown or raw")
    return notebook


def lesson_name(path) -> str:
    """notebooks/03_attention.ipynb -> 03_attention"""
    return os.path.splitext(os.path.basename(os.fspath(path)))[0]


def source_of(cell: dict) -> str:
    """A cell's text, which a file may hold in lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(map(str, source))


def tags_of(cell: dict) -> list[str]:
    tags = cell.get("metadata", {}).get("tags", [])
    return tags if isinstance(tags, list) else []


def exercises(notebook: dict) -> list[Exercise]:
    """All exercises of a lesson, in order.  Raises ValueError for a stub without a text, or without a check."""
    cells, found, text = notebook["cells"], [], None
    stubs = [i for i, cell in enumerate(cells) if "exercise" in tags_of(cell)]
    for i, cell in enumerate(cells):
        if cell["cell_type"] == "markdown" and OPENING.search(source_of(cell)):
            text = i
        if i not in stubs:
            continue
        if text is None:
            raise ValueError(f"cell {_label(cells, i)} is an exercise without a text: **1. Title.** in a cell above")
        number, title = OPENING.findall(source_of(cells[text]))[-1]
        after = next((s for s in stubs if s > i), len(cells))
        code = [j for j in range(i + 1, after) if cells[j]["cell_type"] == "code"]
        solutions = tuple(j for j in code if "solution" in tags_of(cells[j]))
        asked = list(_checked(cells, i))
        if not asked and "def " not in source_of(cells[i]):
            continue  # a milestone: it runs on the answers above it, and asks for none
        if not asked:
            raise ValueError(f"cell {_label(cells, i)} is an exercise without a line check.NAME(my_NAME)")
        for name, function in asked:
            known = check.CHECKS[name]
            points = POINTS_PER_LEVEL * known.level
            found.append(
                Exercise(name, function, number, title, known.level, known.minutes, points, text, i, solutions)
            )
    return found


def _checked(cells, i):
    """(name of a check, function) for each `check.NAME(my_NAME)` of a stub."""
    try:
        body = ast.parse(source_of(cells[i])).body
    except SyntaxError as error:
        raise ValueError(f"cell {_label(cells, i)} is an exercise that is no Python: {error}") from None
    for node in body:
        match node:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name("check"), name), [ast.Name(function)])):
                if name not in check.CHECKS:
                    raise ValueError(f"cell {_label(cells, i)} calls check.{name}, which is no check")
                yield name, function


def _label(cells, i) -> str:
    return str(cells[i].get("id", i))
