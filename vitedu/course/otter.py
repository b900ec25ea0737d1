"""A lesson as a master notebook for `otter assign`: a question for each function, with hidden tests.

Half of a question's points lie on its cases, one test each, half on the whole (`rubric`).  All tests are hidden and use
a seed that students do not see; students have `check.NAME` in the same cell.
"""

from __future__ import annotations

from .answers import answered, pieces, solution_sources
from .assignment import exercises, source_of
from .rubric import count_cases

__all__ = ["otter_master"]

PROMPT = '# END SOLUTION\n    """ # BEGIN PROMPT\n    raise NotImplementedError\n    """ # END PROMPT'


def otter_master(lesson: dict, student: dict, name: str, files: list[str], seed: int) -> dict:
    """student: the copy without solutions, which is changed; files: what the notebook needs beside itself."""
    asked = exercises(lesson)
    cells = [_raw(f"{name}-assignment"[:64], _configuration(name, files))]
    for cell in student["cells"]:
        here = [e for e in asked if lesson["cells"][e.stub]["id"] == cell["id"]]
        if not here:
            cells.append(cell)
            continue
        solutions = solution_sources(lesson, here[0].solutions)
        whole = answered(source_of(cell), solutions, "# BEGIN SOLUTION NO PROMPT", PROMPT)
        parts = pieces(whole, [e.function for e in here])
        for exercise, part in zip(here, parts, strict=True):
            cells += _question(exercise, {**cell, "source": part}, first=exercise is here[0], seed=seed)
    student["cells"] = cells
    return student


def _configuration(name: str, files: list[str]) -> str:
    lines = [
        "# ASSIGNMENT CONFIG", f"name: {name}", "init_cell: false", "export_cell: false", "check_all_cell: false",
        *(["files:", *(f"  - {file}" for file in files)] if files else []),
    ]  # fmt: skip
    return "\n".join(lines)


def _question(exercise, cell: dict, first: bool, seed: int) -> list[dict]:
    name = exercise.name
    answer = cell if first else {**cell, "id": f"{cell['id']}-{name}"[:64]}
    count = count_cases(name, seed)
    calls = [f'case_right("{name}", {exercise.function}, {i}, seed={seed})' for i in range(count)]
    calls.append(f'all_right("{name}", {exercise.function}, seed={seed})')
    worth = [exercise.points / 2 / count] * count + [exercise.points / 2]
    begin = [_raw(f"begin-{name}"[:64], f"# BEGIN QUESTION\nname: {name}"), _raw(f"in-{name}"[:64], "# BEGIN SOLUTION")]
    tests = [
        _test(f"test-{i}-{name}"[:64], call, points) for i, (call, points) in enumerate(zip(calls, worth, strict=True))
    ]
    return [
        *begin, answer, _raw(f"out-{name}"[:64], "# END SOLUTION"), _raw(f"tests-{name}"[:64], "# BEGIN TESTS"), *tests,
        _raw(f"tested-{name}"[:64], "# END TESTS"), _raw(f"end-{name}"[:64], "# END QUESTION"),
    ]  # fmt: skip


def _test(identity: str, call: str, points: float) -> dict:
    """A cell of which otter expects the output True."""
    source = (
        f'""" # BEGIN TEST CONFIG\nhidden: true\npoints: {points!r}\n""" # END TEST CONFIG\n'
        f"from vitedu.course import rubric\n\nrubric.{call}"
    )
    output = {
        "output_type": "execute_result", "data": {"text/plain": "True"}, "metadata": {}, "execution_count": None,
    }  # fmt: skip
    return {
        "cell_type": "code", "id": identity, "metadata": {}, "source": source, "outputs": [output],
        "execution_count": None,
    }  # fmt: skip


def _raw(identity: str, source: str) -> dict:
    return {"cell_type": "raw", "id": identity, "metadata": {}, "source": source}
