"""One lesson through nbgrader and through otter, themselves: what they hand out, and marks equal to our own.

Both are skipped where they are not installed, as in `make test`: CONTRIBUTING.md says how to run them.
"""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from small_course import ANSWERS, SEED, answered, expected_marks, write_course

from vitedu.course.assignment import exercises, read_notebook, source_of
from vitedu.course.marking import Rules, mark_student
from vitedu.course.process import strongest
from vitedu.course.release import release

ROOT = Path(__file__).resolve().parents[2]

# By hand: 5 points each, half for the cases that are right, half for all of it.  `partly`: softmax 3 of 4 cases, 1.875;
# heads in a wrong order, 0; merge_heads right in all cases, but it writes into its argument: 2.5.
MARKS = {
    "right": {"softmax": 5.0, "split_heads": 5.0, "merge_heads": 5.0},
    "partly": {"softmax": 1.88, "split_heads": 0.0, "merge_heads": 2.5},
    "wrong": {"softmax": 0.0, "split_heads": 0.0, "merge_heads": 0.0},
}


def needs(package):
    absent = find_spec(package) is None
    return pytest.mark.skipif(absent, reason=f'{package} is not installed; `pip install -e ".[course]"` brings it')


@pytest.fixture
def course(tmp_path):
    write_course(tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    """Kernels and programs find this package, need no port and leave nothing at home."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    programs = str(Path(sys.executable).parent)  # nbgrader calls one, alembic
    monkeypatch.setenv("PATH", programs + os.pathsep + os.environ["PATH"])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")


def test_our_own_marks(course):
    assert {student: expected_marks(course, student) for student in ANSWERS} == MARKS


def hand_in(released: Path, student: str, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    notebook = answered(read_notebook(released), student)
    text = json.dumps(notebook)
    for function in ANSWERS[student]:
        assert f"def {function}(" in text
    place.write_text(text, encoding="utf-8")


def test_vitedu_course_grade(course, tmp_path):
    """The plain notebook, marked behind walls; of hidden cases of its own, so that only their kinds are the same."""
    try:
        level = strongest()
    except OSError as error:
        pytest.skip(str(error))
    list(release(("01_small",), tmp_path / "handout", source=str(course / "notebooks")))
    asked = exercises(read_notebook(course / "notebooks" / "01_small.ipynb"))
    rules = Rules({e.name: e.points for e in asked}, SEED, level)
    for student in ANSWERS:
        place = tmp_path / "submitted" / student / "01_small.ipynb"
        hand_in(tmp_path / "handout" / "work" / "01_small.ipynb", student, place)
        marks = mark_student(student, str(place.parent), rules)
        assert {a.name: a.points for a in marks.answers} == MARKS[student]


def run(*words, cwd) -> str:
    done = subprocess.run([sys.executable, "-m", *words], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def assert_no_answer(file: Path) -> None:
    """What a grader hands out has stubs, no solution, no hidden test and no seed."""
    text = json.dumps(read_notebook(file))
    assert text.count("raise NotImplementedError") == 3
    for secret in ("rubric", str(SEED), "the largest away first", "moveaxis", "SOLUTION", "HIDDEN"):
        assert secret not in text, secret
    stubs = [source_of(c) for c in read_notebook(file)["cells"] if "check.softmax(" in source_of(c)]
    assert stubs == ["def my_softmax(x):\n    raise NotImplementedError\n\n\ncheck.softmax(my_softmax)"]


@needs("nbgrader")
def test_nbgrader(course, tmp_path):
    """generate_assignment, three submissions, autograde, feedback, export."""
    place = tmp_path / "nbgrader"
    list(release(("01_small",), place, "nbgrader", source=str(course / "notebooks"), seed=SEED))
    run("nbgrader", "generate_assignment", "01_small", cwd=place)
    released = place / "release" / "01_small"
    assert_no_answer(released / "01_small.ipynb")
    assert (released / "docs" / "runs" / "curve.csv").is_file()
    for student in ANSWERS:
        hand_in(released / "01_small.ipynb", student, place / "submitted" / student / "01_small" / "01_small.ipynb")
        (place / "submitted" / student / "01_small" / "docs" / "runs").mkdir(parents=True)
        (place / "submitted" / student / "01_small" / "docs" / "runs" / "curve.csv").write_text("1\n")
    run("nbgrader", "autograde", "01_small", cwd=place)
    run("nbgrader", "generate_feedback", "01_small", cwd=place)
    assert nbgrader_marks(place) == MARKS
    page = (place / "feedback" / "partly" / "01_small" / "01_small.html").read_text(encoding="utf-8")
    page = html.unescape(re.sub(r"<[^>]+>", "", page))
    assert "the row's maximum is not subtracted, so exp overflows" in page  # the mistake, by name
    assert "merge_heads: right on all 3 random cases, but `x` was changed." in page


def nbgrader_marks(place: Path) -> dict:
    """From its data base."""
    code = (
        "import json\nfrom nbgrader.api import Gradebook\n"
        "with Gradebook('sqlite:///gradebook.db') as book:\n"
        "    found = {s.student.id: {g.cell.name: g.score for n in s.notebooks for g in n.grades}\n"
        "             for s in book.assignment_submissions('01_small')}\n"
        "print('MARKS', json.dumps(found))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.partition("MARKS ")[2])


@needs("otter")
def test_otter(course, tmp_path):
    """assign, which runs its tests on the solutions; then three submissions."""
    place = tmp_path / "otter" / "01_small"
    list(release(("01_small",), tmp_path / "otter", "otter", source=str(course / "notebooks"), seed=SEED))
    said = run("otter", "assign", "01_small.ipynb", "dist", "-v", cwd=place)
    assert "All autograder tests passed" in said
    assert_no_answer(place / "dist" / "student" / "01_small.ipynb")
    assert (place / "dist" / "student" / "docs" / "runs" / "curve.csv").is_file()
    (grader,) = (place / "dist" / "autograder").glob("*.zip")
    for student in ANSWERS:
        hand_in(place / "dist" / "student" / "01_small.ipynb", student, tmp_path / student / "01_small.ipynb")
    code = (
        "import json, sys\nfrom otter.api import grade_submission\n"
        "found = {}\n"
        "for student in sys.argv[2:]:\n"
        "    results = grade_submission(f'{student}/01_small.ipynb', sys.argv[1], quiet=True)\n"
        "    found[student] = {name: results.get_score(name) for name in results.results}\n"
        "print('MARKS', json.dumps(found))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(grader), *ANSWERS], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.partition("MARKS ")[2])
    for student, marks in MARKS.items():  # otter adds the points of tests up, and rounds nothing
        assert found[student] == pytest.approx(marks, abs=0.0051)
