"""Marks as an instructor gets them: what is right, what is named, what is the package's own, and what is run at all.

Every test here goes the real way: a process of its own for each student, hidden cases, a comparison in this process.
"""

from __future__ import annotations

import csv
import inspect
import json
import os
import re
import time
from pathlib import Path

import pytest

from vitedu.check import CHECKS
from vitedu.check.catalogue.further import SHOWN
from vitedu.check.progress import lessons
from vitedu.cli import main
from vitedu.course.assignment import exercises, read_notebook
from vitedu.course.grade import feedback, grade, mark_all, points_of
from vitedu.course.marking import Rules, mark_student
from vitedu.course.process import Limits
from vitedu.course.statements import needed
from vitedu.course.submission import read_submission

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb"))
# A setting, a function, layers among the arguments; with VITEDU_GRADE=all: all of them, in half a minute.
CHOSEN = LESSONS if os.environ.get("VITEDU_GRADE") == "all" else ["00_map", "02_linear", "09_bit"]


@pytest.fixture
def marked(tmp_path, level):
    """marked(source, softmax=5, ...): the marks of a student who hands in this source."""

    def put(source, rules=(), limits=None, **points):
        (tmp_path / "answers.py").write_text(f"import numpy as np\nfrom vitedu import check\n{source}", "utf-8")
        return mark_student("ann", str(tmp_path), Rules(points, 3, level, limits or Limits(), **dict(rules)))

    return put


def solved(lesson) -> dict:
    """The lesson's notebook as somebody hands it in who has found our solutions: the tags are gone, the stubs stay."""
    notebook = json.loads((ROOT / "notebooks" / f"{lesson}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["metadata"] = {}
    return notebook


@pytest.mark.parametrize("lesson", CHOSEN)
def test_the_solutions_of_a_notebook_get_full_marks(lesson, tmp_path, level):
    (tmp_path / f"{lesson}.ipynb").write_text(json.dumps(solved(lesson)), encoding="utf-8")
    marks = mark_student("ann", str(tmp_path), Rules(points_of([lesson]), 11, level))
    assert marks.points == marks.full, [a.message for a in marks.answers if not a.ok]
    assert marks.answers


def test_what_is_marked_is_what_the_notebooks_ask_for():
    """No exercise is left out, and none is marked that students have not been given; the points are the release's."""
    for lesson in LESSONS:
        asked = exercises(read_notebook(ROOT / "notebooks" / f"{lesson}.ipynb"))
        assert points_of([lesson]) == {e.name: e.points for e in asked}


def test_the_lesson_itself_handed_in_gets_nothing(tmp_path, level):
    """With its solutions, as it stands in the repository: they are not the student's."""
    (tmp_path / "02.ipynb").write_bytes((ROOT / "notebooks" / "02_linear.ipynb").read_bytes())
    marks = mark_student("ann", str(tmp_path), Rules(points_of(["02"]), 11, level))
    assert marks.points == 0
    assert all(a.message.endswith("still to do.") for a in marks.answers)
    assert marks.notes == ["7 cells tagged `solution` are the lesson's own and were left aside"]


def test_every_check_belongs_to_a_notebook_that_can_be_graded():
    assert set(lessons()) == set(CHECKS) - set(SHOWN)
    assert set(lessons().values()) - {"further"} == set(LESSONS)  # these wait for an exam


# ---- what is wrong ---------------------------------------------------------------------------------------------------

ONE_TOTAL = """
def my_softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()

check.softmax(my_softmax)
"""


def test_a_mistake_is_named_and_the_student_is_told_with_its_hint(marked):
    """The first case is one row, where it is right: half of 8 points for 1 of 4 cases is 1."""
    marks = marked(ONE_TOTAL, softmax=8)
    (answer,) = marks.answers
    assert answer.mistake == "everything is divided by one total, instead of each row by its own"
    assert answer.points == 1
    text = feedback(marks)
    assert "1 of 8 points" in text
    assert "Hint: Each row (last axis) should sum to 1 by itself" in text


def test_right_numbers_with_a_changed_argument_are_half_of_the_points_and_a_bit_more(marked):
    """All cases right, but not `right`: the half for the cases."""
    marks = marked(
        "def my_linear(x, weight, bias):\n    x -= 0\n    x *= 2\n    return x @ weight.T / 2 + bias", linear=4
    )
    (answer,) = marks.answers
    assert (answer.ok, answer.points) == (False, 2)
    assert answer.mistake == "`x` was changed"


def test_a_count_must_be_whole(marked):
    marks = marked("def my_linear_parameters(i, o):\n    return float(i * o + o)", linear_parameters=4)
    assert (marks.points, marks.answers[0].ok) == (2, False)
    assert "whole number" in marks.answers[0].mistake


def test_an_error_is_shown_with_its_line(marked):
    marks = marked("def my_linear(x, weight, bias):\n    return x @ weight + bias[:, None, 7]", linear=4)
    assert "it stopped at `return x @ weight + bias[:, None, 7]`" in marks.answers[0].message


def test_what_is_not_there_and_what_is_still_to_do(marked):
    marks = marked("def my_softmax(x):\n    raise NotImplementedError\ncheck.softmax(my_softmax)", softmax=5, linear=5)
    assert [a.message for a in marks.answers] == ["softmax: still to do.", "linear: no answer was found."]


def test_of_two_answers_the_last_counts(marked):
    right = ONE_TOTAL.replace("x.max()", "x.max(axis=-1, keepdims=True)")
    right = right.replace("e.sum()", "e.sum(axis=-1, keepdims=True)")
    assert marked(ONE_TOTAL + right, softmax=5).points == 5
    assert marked(right + ONE_TOTAL, softmax=5).points < 5


def test_more_memory_than_is_allowed(marked):
    source = "def my_linear(x, weight, bias):\n    kept = [np.ones(10**7) for _ in range(1000)]"
    marks = marked(source, limits=Limits(memory=0.3), linear=5)
    assert "it used more than 0.3 GB of memory" in marks.answers[0].message


def test_a_student_whose_time_is_over_keeps_what_was_right_before(marked):
    source = """
def my_linear(x, weight, bias):
    return x @ weight.T + bias
check.linear(my_linear)
def stuck(*args):
    while True:
        try:
            while True: abs(0)
        except BaseException: pass
check.softmax(stuck)
check.attention(stuck)
"""
    marks = marked(source, limits=Limits(case=0.2, total=2.2), linear=5, softmax=5, attention=5)
    assert [a.points for a in marks.answers] == [5, 0, 0]
    assert "time was over after 2.2 seconds; what had not run by then has no points" in marks.notes


def test_functions_among_the_arguments_are_computed_by_the_marker(marked):
    """The student's process has a stand-in; the function itself, and what it is made of, stay with the marker."""
    marks = marked("def my_central_difference(f, x, h):\n    return vars(f)['function'](x)", central_difference=5)
    assert marks.points == 0
    assert "with KeyError: 'function'\n" in marks.answers[0].message


# ---- what is run -----------------------------------------------------------------------------------------------------


def test_only_what_an_answer_needs_is_run(tmp_path):
    source = """
import numpy as np
from vitedu import check
for epoch in range(10**9):
    train(epoch)
tables = {}
tables["axis"] = -1
axis = 0
def total(e):
    return e.sum(axis=tables["axis"], keepdims=True)
def my_softmax(x):
    e = np.exp(x)
    return e / total(e)
check.softmax(my_softmax)
axis = 5
"""
    (tmp_path / "answers.py").write_text(source, "utf-8")
    (part,) = read_submission("ann", str(tmp_path)).parts
    kept = "".join(text for _, text in needed(part, {"softmax"}))
    assert "train" not in kept
    assert "axis = 0" not in kept
    assert "axis = 5" not in kept
    assert kept.count("tables") == 3


def test_what_was_left_out_wrongly_is_run_after_all(marked):
    """`globals()` is not seen by who reads names."""
    source = "globals().update(root=2)\ndef my_linear(x, weight, bias):\n    return x @ weight.T * root / 2 + bias"
    assert marked(source, linear=5).points == 5


@pytest.mark.parametrize(
    "call",
    ["from vitedu import check as c\nc.linear(answer)", "import vitedu.check as c\nc.linear(answer)",
     "import vitedu\nvitedu.check.linear(answer)", "from vitedu.check import linear as c\nc(answer)",
     "print(check.linear.verdict(answer).message)", "get_ipython()\n%matplotlib inline\ncheck.linear(answer)",
     "for f in (abs, answer):\n    check.linear(f)"],
)  # fmt: skip
def test_a_check_may_be_called_in_any_way(call, marked):
    assert marked(f"def answer(x, weight, bias):\n    return x @ weight.T + bias\n{call}", linear=5).points == 5


def test_a_check_that_stands_above_its_answer(marked):
    """Cells run in another order in Jupyter: the function is found by its name in the end."""
    source = "check.linear(my_linear)\ndef my_linear(x, weight, bias):\n    return x @ weight.T + bias"
    marks = marked(source, linear=5)
    assert marks.points == 5
    assert marks.notes == ["answers.py, line 3 stopped: NameError: name 'my_linear' is not defined"]


def test_files_beside_a_notebook_come_along(tmp_path, level):
    """Code and data; links and hidden files do not."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "helper.py").write_text("def product(x, weight):\n    return x @ weight.T\n")
    (tmp_path / "mine" / "scale.txt").write_text("1.0")
    (tmp_path / "mine" / "link.txt").symlink_to("/etc/passwd")
    source = """
import os
from vitedu import check
from mine.helper import product
def my_linear(x, weight, bias):
    assert not os.path.exists("mine/link.txt")
    return product(x, weight) * float(open("mine/scale.txt").read()) + bias
check.linear(my_linear)
"""
    cells = [{"cell_type": "code", "source": source, "metadata": {}}]
    (tmp_path / "02_linear.ipynb").write_text(json.dumps({"cells": cells}))
    marks = mark_student("ann", str(tmp_path), Rules({"linear": 5}, 3, level))
    assert marks.points == 5, marks.answers
    assert marks.notes == ["mine/link.txt is not a plain file and was left out"]


def test_a_name_that_changes_later_is_read_when_the_check_is_called(marked):
    source = """
sign = 1
def my_linear(x, weight, bias):
    return sign * (x @ weight.T + bias)
check.linear(my_linear)
sign = -1
def my_softmax(x):
    e = np.exp(sign * -x)
    return e / e.sum(axis=-1, keepdims=True)
check.softmax(my_softmax)
"""
    marks = marked(source, linear=5, softmax=5)
    assert marks.answers[0].points == 5
    assert marks.answers[1].points > 0  # it overflows for large numbers


# ---- the package's own -----------------------------------------------------------------------------------------------

OWN = {
    "handed over": "from vitedu_numpy.layers.linear import linear\ncheck.linear(linear)",
    "in a lambda": "import vitedu_numpy as vn\ncheck.linear(lambda *args: vn.layers.linear.linear(*args)[0])",
    "in a wrapper": """
from vitedu_numpy.layers.linear import linear as ours
def my_linear(x, weight, bias):
    y, _ = ours(x, weight, bias)
    return y
check.linear(my_linear)
""",
    "through a helper": """
import vitedu_numpy.layers.linear
def helper(*args):
    return vitedu_numpy.layers.linear.linear(*args)
def my_linear(x, weight, bias):
    return helper(x, weight, bias)[0]
check.linear(my_linear)
""",
    "under another name": """
import importlib
found = getattr(importlib.import_module("vitedu_numpy.layers." + "lin" + "ear"), "lin" + "ear")
def my_linear(x, weight, bias):
    return found(x, weight, bias)[0]
check.linear(my_linear)
""",
}


@pytest.mark.parametrize("way", OWN)
def test_the_packages_own_function_is_recognised(way, marked):
    flagged = marked(OWN[way], linear=5)
    assert any("vitedu_numpy.layers.linear.linear" in flag for flag in flagged.flags), flagged.flags
    assert marked(OWN[way], {"own": "zero"}, linear=5).points == 0
    assert marked(OWN[way], {"own": "accept"}, linear=5).points == flagged.points


def test_a_copy_with_other_names_is_recognised(marked):
    """Of a function that is long enough; a short one comes out like ours by itself, and nobody is accused."""
    source = """
def spread(a, gain, shift, small):
    mu = a.mean(axis=-1, keepdims=True)
    middle = a - mu
    return middle / np.sqrt((middle * middle).mean(axis=-1, keepdims=True) + small) * gain + shift
def my_layernorm(a, gain, shift, small):
    return spread(a, gain, shift, small)
"""
    assert marked(source, layernorm=5).flags == []
    ours = inspect.getsource(CHECKS["attention_backward"].reference)
    copied = ours[ours.index("def ") :].replace("attention_backward", "my_attention_backward")
    for mine, theirs in (("dscores", "ds"), ("scores", "s"), ("root", "r")):
        copied = re.sub(rf"\b{mine}\b", theirs, copied)
    helpers = "from vitedu_numpy.layers.softmax import softmax_backward\n"
    marks = marked(helpers + copied, attention_backward=5)
    assert "the right answer inside `vitedu.check`, names aside" in marks.flags[0]


def test_work_that_uses_other_functions_of_the_package_is_ones_own(marked):
    source = """
from vitedu_numpy.layers.softmax import softmax
def my_attention(q, k, v):
    A, _ = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))
    return A @ v
check.attention(my_attention)
"""
    marks = marked(source, attention=5)
    assert (marks.points, marks.flags) == (5, [])


# ---- a whole course --------------------------------------------------------------------------------------------------


def test_a_table_and_feedback_for_a_course(tmp_path):
    """The lesson is the one that most call checks of; a student without anything has a line too."""
    work = tmp_path / "work"
    (work / "ben").mkdir(parents=True)
    (work / "cyd").mkdir()
    (work / "ann.py").write_text(f"import numpy as np\nfrom vitedu import check\n{ONE_TOTAL}")
    (work / "ben" / "other.py").write_text("from vitedu import check\ndef my_softmax(x):\n    return x")
    printed = list(grade(work, tmp_path / "marks.csv", jobs=2, seed=3))
    assert printed[0].startswith("3 students, 6 exercises, 60 points")
    with open(tmp_path / "marks.csv", newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["student"] for line in lines] == ["ann", "ben", "cyd"]
    assert [line["of"] for line in lines] == ["60"] * 3
    assert lines[2]["notes"] == "no notebook and no .py file"
    assert {p.name for p in (tmp_path / "marks-feedback").iterdir()} == {"ann.md", "ben.md", "cyd.md"}
    again = list(grade(work, tmp_path / "again.csv", jobs=1, seed=3))
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "marks.csv").read_text()
    assert again[0] == printed[0]


def test_a_marker_that_dies_takes_nobody_along(tmp_path, level):
    """A marker that runs out of its own time is killed by its alarm; the student still has a line."""
    (tmp_path / "ann.py").write_text("from vitedu import check\ndef my_linear(*args):\n    while True: pass\n")
    began = time.monotonic()
    rules = Rules({"linear": 5}, 3, level, Limits(case=20))
    (marks,) = mark_all([("ann", str(tmp_path / "ann.py"))], rules, 1, seconds=1.0)
    assert time.monotonic() - began < 15
    assert marks.points == 0
    assert marks.flags == ["marking it ended the marker's process"]


def test_the_command(tmp_path, capsys, level):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "ann.py").write_text(f"import numpy as np\nfrom vitedu import check\n{ONE_TOTAL}")
    asked = ["course", "grade", str(tmp_path / "work"), "--out", str(tmp_path / "marks.csv")]
    assert main([*asked, "--lessons", "3", "--seed", "3"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "1 student, 6 exercises, 60 points; hidden cases: seed 3"
    assert said[-1] == f"marks: {tmp_path / 'marks.csv'}; feedback: {tmp_path / 'marks-feedback'}"
    assert main([*asked, "--own", "perhaps"]) == 2
    assert main(["course", "grade", str(tmp_path / "nowhere"), "--out", "marks.csv"]) == 1
    assert "is not a folder" in capsys.readouterr().err
    assert main(["course", "gradescope", "--lessons", "03", "--out", str(tmp_path / "a.zip")]) == 0
    assert (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"jobs": 0}, "jobs=0"), ({"isolation": "none"}, "isolation='none'"), ({"own": "perhaps"}, "own='perhaps'"),
     ({"wanted": ["99"]}, "lesson '99'")],
)  # fmt: skip
def test_errors_name_the_argument(settings, word, tmp_path):
    (tmp_path / "ann.py").write_text("check.softmax(f)")
    with pytest.raises(ValueError, match=word):
        list(grade(tmp_path, tmp_path / "marks.csv", **settings))
