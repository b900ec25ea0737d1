"""A lesson as nbgrader's instructor version: solutions between its marks, locked cells that give the points.

`nbgrader generate_assignment NAME` makes the student's notebook of it.  The points come from cases with a seed that
students do not see; nbgrader reads the number that such a cell ends in as partial credit.
"""

from __future__ import annotations

from .answers import answered, solution_sources
from .assignment import exercises, source_of

__all__ = ["CONFIG", "nbgrader_source"]

CONFIG = """c = get_config()
c.CourseDirectory.course_id = "vitedu"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}  # what the lessons' own stubs say
c.Execute.timeout = 600  # seconds for a cell: some lessons train a model
"""


def nbgrader_source(lesson: dict, student: dict, seed: int) -> dict:
    """student: the copy without solutions, whose stubs are filled again here, and which is changed."""
    asked, cells = exercises(lesson), []
    for cell in student["cells"]:
        cells.append(cell)
        here = [e for e in asked if lesson["cells"][e.stub]["id"] == cell["id"]]
        if not here:
            continue
        solutions = solution_sources(lesson, here[0].solutions)
        cell["source"] = answered(source_of(cell), solutions, "### BEGIN SOLUTION", "### END SOLUTION")
        cell["metadata"]["nbgrader"] = _marks(f"{here[0].name}-answer", solution=True)
        cells += [_points(exercise, seed) for exercise in here]
    student["cells"] = cells
    return student


def _points(exercise, seed: int) -> dict:
    source = (
        f"# {exercise.name}: {exercise.points} points.  The lines that give them are put in when this is marked.\n"
        "### BEGIN HIDDEN TESTS\n"
        "from vitedu.course import rubric\n\n"
        f'rubric.mark("{exercise.name}", {exercise.function}, full={exercise.points}, seed={seed})\n'
        "### END HIDDEN TESTS"
    )
    return {
        "cell_type": "code",
        "id": f"points-{exercise.name}"[:64],
        "metadata": {"nbgrader": _marks(exercise.name, grade=True, points=exercise.points)},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def _marks(name: str, grade: bool = False, solution: bool = False, **more) -> dict:
    """What nbgrader's schema 3 has in the metadata of a cell."""
    return {
        "grade": grade, "grade_id": name, "locked": grade, "schema_version": 3, "solution": solution, "task": False,
        **more,
    }  # fmt: skip
