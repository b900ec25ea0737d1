"""What students really hand in, without any harm in mind: each gets the mark that a fair instructor would give it.

A notebook of two exercises, right; then something happens to it on its way.  5 + 5 points; the marks are exact.
"""

from __future__ import annotations

import ast
import io
import json
import zipfile

import numpy as np
import pytest

from vitedu.course.grade import feedback, grade
from vitedu.course.marking import Rules, mark_student
from vitedu.course.statements import needed
from vitedu.course.submission import read_submission, read_submissions

IMPORTS = "import numpy as np\nfrom vitedu import check"
LINEAR = "def my_linear(x, weight, bias):\n    return x @ weight.T + bias\ncheck.linear(my_linear)"
COUNT = "def my_linear_parameters(i, o):\n    return i * o + o\ncheck.linear_parameters(my_linear_parameters)"
STUB = "def my_linear(x, weight, bias):\n    raise NotImplementedError\ncheck.linear(my_linear)"
WRONG = "def my_linear(x, weight, bias):\n    return np.full((2, 2, 2), 7.5)\ncheck.linear(my_linear)"


@pytest.fixture
def marked(tmp_path, level):
    """marked({"03.ipynb": content}): the marks of a student whose folder holds these files."""

    def put(files: dict):
        for name, content in files.items():
            path = tmp_path / "ann" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return mark_student("ann", str(tmp_path / "ann"), Rules({"linear": 5, "linear_parameters": 5}, 3, level))

    return put


def points(marks) -> list[float]:
    return [answer.points for answer in marks.answers]


def code(source: str) -> dict:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}


def notebook(*sources: str) -> str:
    return json.dumps({"cells": [code(s) for s in sources], "nbformat": 4, "nbformat_minor": 2})


def zipped(**members) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


WHOLE = notebook(IMPORTS, LINEAR, COUNT)
FORMAT_3 = {
    "nbformat": 3,
    "worksheets": [{"cells": [{"cell_type": "code", "input": s, "outputs": []} for s in (IMPORTS, LINEAR, COUNT)]}],
}
HELPER = "from tools import product\ndef my_linear(x, weight, bias):\n    return product(x, weight) + bias"
TOOLS = "def product(x, weight):\n    return x @ weight.T"
DOCSTRING = '    """Why transposed?\n    Out first.\n    """\n    return'
READ = {
    "in a zip": {"hw.zip": zipped(**{"hw/02.ipynb": WHOLE, "__MACOSX/hw/._02.ipynb": b"\0\5", "hw/.DS_Store": b"x"})},
    "packed on Windows": {"hw.zip": zipped(**{"hw\\02.ipynb": WHOLE})},
    "named by a browser": {"02.ipynb.txt": WHOLE},
    "in capitals": {"02.IPYNB": WHOLE},
    "format 3": {"02.ipynb": json.dumps(FORMAT_3)},
    "UTF-16": {"02.ipynb": WHOLE.encode("utf-16")},
    "a cell without anything": {"02.ipynb": WHOLE.replace('"cells": [', '"cells": [{"cell_type": "code"}, ')},
    "%%time": {"02.ipynb": notebook(IMPORTS, f"\n%%time\n{LINEAR}", COUNT)},
    "magic": {"02.ipynb": notebook(IMPORTS, f"%matplotlib inline\n!pip list\nhere = !ls\nnp.exp?\n{LINEAR}", COUNT)},
    "a percent sign that is none": {"02.ipynb": notebook(IMPORTS, f"print('%d'\n      % 3)\n{LINEAR}", COUNT)},
    "a question in a docstring": {"02.ipynb": notebook(IMPORTS, LINEAR.replace("    return", DOCSTRING), COUNT)},
    "a line that a PDF broke": {"02.ipynb": notebook(IMPORTS, f"# Eq. 3:\u2028a sum\x0c\n{LINEAR}", COUNT)},
}


@pytest.mark.parametrize("way", READ)
def test_work_is_read_however_it_arrives(way, tmp_path):
    for name, content in READ[way].items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    made = read_submission("ann", str(tmp_path))
    (part,) = made.parts
    assert (made.problems, part.problems) == ([], [])
    assert {ast.unparse(s.node) for s in part.statements} >= {"import numpy as np", "check.linear(my_linear)"}
    sources = "\n".join(source for _, source in needed(part, {"linear", "linear_parameters"}))
    found = {}
    exec(sources.replace("from vitedu import check", "from unittest.mock import Mock; check = Mock()"), found)
    assert found["my_linear"](np.ones((1, 2)), np.ones((3, 2)), np.zeros(3)).tolist() == [[2, 2, 2]]


COUNTS = LINEAR.replace("    return", "    global calls; calls += 1\n    return")
TABLE = """class Table:
    def __init__(self, values): self.values = values
    def __array__(self, dtype=None, copy=None): return self.values
def my_linear(x, weight, bias):
    return Table(x @ weight.T + bias)
check.linear(my_linear)"""
MARKED = {
    "with a helper, in a folder": {"week 3/02.ipynb": notebook(IMPORTS, HELPER, COUNT), "week 3/tools.py": TOOLS},
    "a stub once more, below": {"02.ipynb": notebook(IMPORTS, LINEAR, COUNT, STUB)},
    "a global that counts": {"02.ipynb": notebook(IMPORTS, "calls = 0", COUNTS, COUNT)},
    "assigned, and the check deleted": {
        "02.ipynb": notebook(IMPORTS, "my_linear = lambda x, weight, bias: x @ weight.T + bias", COUNT)
    },
    "a table, as pandas and JAX have them": {"02.ipynb": notebook(IMPORTS, TABLE, COUNT)},
}


@pytest.mark.parametrize("way", MARKED)
def test_right_work_gets_its_marks_however_it_is_written(way, marked):
    marks = marked(MARKED[way])
    assert (points(marks), marks.notes, marks.flags) == ([5, 5], [], [])


def as_markdown(source):
    return json.dumps({"cells": [code(IMPORTS), {**code(source), "cell_type": "markdown"}, code(COUNT)]})


# What loses a part of the work, or might surprise: files -> points, and a note that says what happened.
TOLD = {
    "an answer in a text cell": (
        {"02.ipynb": as_markdown(LINEAR)}, [0, 5], "cell 2 is no code (markdown) and was not run: it holds my_linear"),
    "a cell of another language": (
        {"02.ipynb": notebook(IMPORTS, f"%%writefile mine.py\n{LINEAR}", COUNT)}, [0, 5],
        "cell 2 begins with %%writefile and was not run: it holds my_linear"),
    "a cell that is no Python": (
        {"02.ipynb": notebook(IMPORTS, LINEAR.replace("):", ")"), COUNT)}, [0, 5],
        "cell 2, line 1: expected ':', so that nothing of it was run: it holds my_linear"),
    "the same in an exported .py": (
        {"02.py": f"# In[1]:\n{IMPORTS}\n# In[ ]:\n{LINEAR.replace('):', ')')}\n# %% the last\n{COUNT}"}, [0, 5],
        "02.py, piece 3, line 2: expected ':', so that nothing of it was run: it holds my_linear"),
    "a helper below": (
        {"02.ipynb": notebook(IMPORTS, HELPER.partition("\n")[2] + "\ncheck.linear(my_linear)", COUNT, TOOLS)}, [5, 5],
        "linear: uses what stands below it; marked as if that had run before"),
    "a late resubmission": (
        {"02.ipynb": notebook(IMPORTS, WRONG, COUNT), "02 (1).ipynb": notebook(IMPORTS, LINEAR, STUB)}, [5, 5],
        "linear: answered in several files (02 (1).ipynb, 02.ipynb); of each the best counts"),
    "Latin-1": (
        {"02.py": f"# caf\xe9\n{IMPORTS}\n{LINEAR}\n{COUNT}".encode("latin-1")}, [5, 5],
        "02.py is not UTF-8 (byte 5); read as Latin-1, letters may be wrong"),
    "a merge that was not finished": (
        {"02.ipynb": f"<<<<<<< HEAD\n{WHOLE}\n=======\n{WHOLE}\n>>>>>>> main\n"}, [0, 0],
        "02.ipynb cannot be read as a notebook: "
        "it holds the marks of a merge that was not finished (<<<<<<<, >>>>>>>)"),
    "half a file": (
        {"02.ipynb": WHOLE[:200]}, [0, 0],
        "02.ipynb cannot be read as a notebook: it is broken or was cut off, line 1: Unterminated string starting at"),
    "an empty file": ({"02.ipynb": ""}, [0, 0], "02.ipynb cannot be read as a notebook: it is empty"),
    "the page that asks to log in": (
        {"02.ipynb": "<!DOCTYPE html>"}, [0, 0],
        "02.ipynb cannot be read as a notebook: it is a page of the web, HTML or the like"),
    "a broken zip": ({"hw.zip": zipped(a=WHOLE)[:50]}, [0, 0], "hw.zip cannot be unpacked: File is not a zip file"),
    "another archive": (
        {"hw.rar": b"Rar!"}, [0, 0], "hw.rar is an archive that is not read; hand in the notebook itself, or a zip"),
    "a PDF": ({"02.pdf": b"%PDF"}, [0, 0], "no notebook and no .py file, but 02.pdf"),
    "the wrong lesson": (
        {"03.ipynb": notebook(IMPORTS, "def my_softmax(x):\n    return x\ncheck.softmax(my_softmax)")}, [0, 0],
        "what was handed in answers 03_attention, which is not what is marked here"),
}  # fmt: skip


@pytest.mark.parametrize("way", TOLD)
def test_what_happened_to_the_work_is_said(way, marked):
    files, expected, note = TOLD[way]
    marks = marked(files)
    assert (points(marks), marks.notes) == (expected, [note])
    assert note in feedback(marks)


def test_a_wrong_answer_says_more_than_the_stub_of_another_file(marked):
    """Both have no points; the student is told about the answer, not that it is still to do."""
    marks = marked({"02.ipynb": notebook(IMPORTS, STUB), "02-Copy1.ipynb": notebook(IMPORTS, WRONG)})
    assert "still to do" not in marks.answers[0].message
    assert points(marks)[0] == 0


def test_who_renamed_the_function_is_not_accused(marked):
    """`linear` is imported from the package by the lesson; it is no answer of the student's."""
    lesson = f"{IMPORTS}\nfrom vitedu_numpy.layers.linear import linear"
    marks = marked({"02.ipynb": notebook(lesson, LINEAR.replace("def my_linear", "def own_linear"), COUNT)})
    assert (points(marks), marks.flags) == ([0, 5], [])
    assert marks.notes == ["cell 2, line 3 stopped: NameError: name 'my_linear' is not defined"]


def test_a_check_above_a_function_of_another_name(marked):
    """Cells were moved; the function is found through the check, when all else has run."""
    below = "def mine(x, weight, bias):\n    return x @ weight.T + bias"
    marks = marked({"02.ipynb": notebook(IMPORTS, "check.linear(mine)", COUNT, below)})
    assert points(marks) == [5, 5]
    assert marks.notes == [
        "cell 2, line 1 stopped: NameError: name 'mine' is not defined",
        "linear: uses what stands below it; marked as if that had run before",
    ]


def test_one_cause_that_stops_many_cells_is_one_note(marked):
    marks = marked({"02.ipynb": notebook("import numpy as np", LINEAR, COUNT)})
    assert points(marks) == [5, 5]  # found by their names
    assert marks.notes == ["cell 2, line 3; cell 3, line 3 stopped: NameError: name 'check' is not defined"]


def test_pictures_may_be_large(tmp_path):
    """A notebook of 21 MB is read; where one is too large, the student hears what to do.  Nothing is run here."""
    picture = {"output_type": "display_data", "data": {"image/png": "A" * (21 << 20)}, "metadata": {}}
    path = tmp_path / "02.ipynb"
    path.write_text(json.dumps({"cells": [{**code(LINEAR), "outputs": [picture]}]}))
    assert len(read_submission("ann", str(path)).parts) == 1
    with path.open("a") as stream:
        stream.truncate(51 << 20)
    made = read_submission("ann", str(path))
    assert made.problems == ["02.ipynb has more than 50 MB and was left out; clear its outputs and hand it in again"]


def test_a_zip_is_unpacked_in_memory_and_not_without_an_end(tmp_path):
    """Names that lead out of the zip are left aside; one that is larger than a notebook may be ends it."""
    (tmp_path / "ann.zip").write_bytes(zipped(**{"../02.ipynb": WHOLE, "/etc/x.py": LINEAR, "02.ipynb": WHOLE}))
    made = read_submission("ann", str(tmp_path / "ann.zip"))
    assert [part.name for part in made.parts] == ["ann.zip/02.ipynb"]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("02.ipynb", bytes(51 << 20))
    (tmp_path / "ben.zip").write_bytes(stream.getvalue())
    assert read_submission("ben", str(tmp_path / "ben.zip")).problems == [
        "ben.zip holds more than 50 MB: the rest was left out"
    ]


def test_everybody_has_a_line_and_what_is_nobodys_is_named(tmp_path, level):
    """As a learning platform delivers it: loose notebooks, zips, an empty folder, a list of names, traces of a Mac."""
    work = tmp_path / "work"
    (work / "Zoë O'Neil").mkdir(parents=True)
    (work / "__MACOSX").mkdir()
    for name in ("roster.csv", ".DS_Store"):
        (work / name).write_text("x")
    (work / "ann.ipynb").write_text(WHOLE)
    (work / "ben.zip").write_bytes(zipped(**{"02.ipynb": WHOLE}))
    (work / "cyd.7z").write_bytes(b"7z")
    assert [name for name, _ in read_submissions(work)] == ["Zoë O'Neil", "ann", "ben", "cyd"]
    printed = list(grade(work, tmp_path / "marks.csv", ["02"], seed=3))
    assert printed[2] == "left aside, nobody's work: roster.csv"
