"""The catalogue behind `vitedu.check`: enough mistakes, hints that give nothing away, all of it used.

That the checks name what they know: tests/check.
"""

from __future__ import annotations

import ast
import json
import re
import types
from pathlib import Path

import numpy as np
import pytest

import vitedu.check
from vitedu.check import CHECKS
from vitedu.check.catalogue import further
from vitedu.check.slips import steps
from vitedu.check.slips.exercise import Exercise

# Steps whose names are words that a student knows anyway.
WORDS = {"np", "math", "softmax", "sigmoid", "linear", "gelu", "rows"}

ROOT = Path(__file__).resolve().parents[2]

each_check = pytest.mark.parametrize("check", [pytest.param(c, id=name) for name, c in CHECKS.items()])


def calls(code: types.CodeType, scope: dict, seen: set) -> set[str]:
    """Names of the package's functions that a piece of the catalogue calls, directly or through its own helpers."""
    found = set()
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            found |= calls(inner, scope, seen)
    for value in (scope.get(name) for name in code.co_names):
        module = getattr(value, "__module__", None) or ""
        if not isinstance(value, (types.FunctionType, type)):
            continue
        if module.startswith("vitedu_numpy"):
            found.add(value.__name__)
        elif module.startswith("vitedu.check.catalogue") and value not in seen and hasattr(value, "__code__"):
            seen.add(value)
            found |= calls(value.__code__, scope, seen)
    return found


def answer_names(check) -> set[str]:
    """What the right answer is made of: of an exercise that is written in steps, those that are more than NumPy."""
    reference = check.reference
    if isinstance(check, Exercise):
        return {name for name in steps.__all__ if name not in WORDS} & set(check.programs[0].read)
    own = {reference.__name__} if reference.__module__.startswith("vitedu_numpy") else set()
    return own | calls(reference.__code__, reference.__globals__, {reference})


def test_there_are_checks():
    assert len(CHECKS) >= 9


def test_a_checks_name_is_the_name_it_is_imported_by():
    assert {name: check.name for name, check in CHECKS.items()} == {name: name for name in CHECKS}
    assert all(getattr(vitedu.check, name) is check for name, check in CHECKS.items())


def test_no_two_files_define_the_same_check():
    """`vitedu.check` star-imports the catalogue: of two checks with one name, one would silently be lost."""
    seen: dict[str, str] = {}
    for file in sorted((ROOT / "vitedu" / "check" / "catalogue").glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                for name in ast.literal_eval(node.value):
                    assert name not in seen, f"{name} stands in {seen[name]} and in {file.name}"
                    assert name in CHECKS, f"{name} of {file.name} is not in vitedu.check"
                    seen[name] = file.name
    assert set(seen) == set(CHECKS)


@each_check
def test_mistakes_have_names_and_hints(check):
    """A mistake that can be made in several ways stands there once for each, under one name."""
    mistakes = check.slips if isinstance(check, Exercise) else check.mistakes
    assert len({m.name for m in mistakes}) >= 4
    for mistake in mistakes:
        assert len(mistake.hint.split()) >= 3, mistake.name
        assert mistake.hint.rstrip("`)")[-1] in ".?", f"{mistake.name}: a hint is a sentence or a question"


@each_check
def test_hints_do_not_name_the_code_of_the_answer(check):
    """A word such as softmax may stand in a hint; a call, or a name like `softmax_backward`, would be the answer."""
    names = answer_names(check)
    patterns = [rf"\b{name}\(" for name in names] + [rf"\b{name}\b" for name in names if "_" in name]
    mistakes = check.slips if isinstance(check, Exercise) else check.mistakes
    for mistake in mistakes:
        assert not [p for p in patterns if re.search(p, mistake.hint)], f"{mistake.name}: {mistake.hint}"


@each_check
def test_cases_are_several_and_differ_in_shape(check):
    cases = check.cases(np.random.default_rng(0))
    assert len(cases) >= 3
    shapes = {tuple(np.shape(a) for a in args if isinstance(a, np.ndarray)) for args in cases}
    assert len(shapes) > 1 or shapes == {()}


def calls_of_checks() -> set[str]:
    """`check.NAME(...)` in the code of the notebooks"""
    found = set()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                found |= set(re.findall(r"\bcheck\.(\w+)\(", "".join(cell["source"])))
    return found


@each_check
def test_a_notebook_uses_it(check):
    """Those of further.py wait for a notebook, or for an exam; so do those that it lists."""
    waits = check.name in further.__all__ or check.name in further.PRINTED
    assert (check.name in calls_of_checks()) != waits


def test_notebooks_call_only_checks_that_exist():
    assert calls_of_checks() - {"hint", "verdict"} <= set(CHECKS)
