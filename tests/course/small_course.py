"""A repository in small: two lessons, what they link to and read; answers that are right, wrong and partly right."""

from __future__ import annotations

import json

import numpy as np

from vitedu.course import rubric
from vitedu.course.assignment import exercises, read_notebook

SEED = 20101  # of the hidden cases

TEXT = """## Exercises

Replace the line. Each solution is folded below its exercise.

**1. Softmax.** `my_softmax(x) -> A` over the last axis. [The letters](../NOTATION.md#S), ![a picture](../docs/p.png).
"""
READS = 'from pathlib import Path\n\nprint((Path("..") / "docs" / "runs" / "curve.csv").read_text())'
SOLVED = """def solved_softmax(x):
    # the largest away first
    e = np.exp(x - x.max(axis=-1, keepdims=True))

    return e / e.sum(axis=-1, keepdims=True)  # rows sum to 1


check.softmax(solved_softmax)
print("a tenth:", solved_softmax(np.zeros(10))[0])"""
STUB_2 = """factor = 2


def my_split_heads(x, heads):
    raise NotImplementedError


def my_merge_heads(x):
    raise NotImplementedError


check.split_heads(my_split_heads)
check.merge_heads(my_merge_heads)"""
SOLVED_2 = """def solved_split_heads(x, heads):
    return np.stack(np.split(x, heads, axis=-1), axis=1)


def solved_merge_heads(x):
    return np.concatenate(list(np.moveaxis(x, 1, 0)), axis=-1)


check.split_heads(solved_split_heads)
check.merge_heads(solved_merge_heads)"""

# What four students write; what each is worth is computed here, from the function alone, by no grader.
ANSWERS = {
    "right": {
        "my_softmax": "def my_softmax(x):\n    e = np.exp(x - x.max(-1)[..., None])\n"
        "    return e / e.sum(-1)[..., None]",
        "my_split_heads": "def my_split_heads(x, heads):\n    B, T, D = x.shape\n"
        "    return x.reshape(B, T, heads, D // heads).transpose(0, 2, 1, 3)",
        "my_merge_heads": "def my_merge_heads(x):\n    B, h, T, Dh = x.shape\n"
        "    return x.transpose(0, 2, 1, 3).reshape(B, T, h * Dh)",
    },
    "partly": {  # overflows where numbers are large; heads are there, in a wrong order; warns on stderr
        "my_softmax": "def my_softmax(x):\n    e = np.exp(x)\n    return e / e.sum(-1, keepdims=True)",
        "my_split_heads": "def my_split_heads(x, heads):\n    import sys\n    print('on stderr', file=sys.stderr)\n"
        "    B, T, D = x.shape\n    return x.reshape(B, T, D // heads, heads).transpose(0, 3, 1, 2)",
        "my_merge_heads": "def my_merge_heads(x):\n    x += 1\n    x -= 1\n    B, h, T, Dh = x.shape\n"
        "    return x.transpose(0, 2, 1, 3).reshape(B, T, h * Dh)",
    },
    "wrong": {
        "my_softmax": "def my_softmax(x):\n    return x / x.sum(-1, keepdims=True)",
        "my_split_heads": "def my_split_heads(x, heads):\n    raise NotImplementedError",
        "my_merge_heads": "def my_merge_heads(x):\n    return x.nothing",
    },
}  # fmt: skip


def markdown(name: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def code(name: str, text: str, *tags: str, printed: str = "") -> dict:
    outputs = [{"output_type": "stream", "name": "stdout", "text": printed}] if printed else []
    metadata = {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code", "id": name, "metadata": metadata, "source": text, "outputs": outputs, "execution_count": 1,
    }  # fmt: skip


def notebook(*cells: dict) -> dict:
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": list(cells), "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def write_course(root) -> None:
    """notebooks/01_small.ipynb and 02_other.ipynb, NOTATION.md, docs/p.png, docs/runs/curve.csv."""
    stub = "def my_softmax(x):\n    raise NotImplementedError\n\n\ncheck.softmax(my_softmax)"
    lesson = notebook(
        markdown("m1", "# 01 · Small\n\nSee [the other](02_other.ipynb) and [a page](https://example.org)."),
        code("c1", "import numpy as np\n\nfrom vitedu import check"),
        code("c2", READS, printed="1"),
        markdown("m2", TEXT),
        code("c3", stub, "exercise", printed="softmax: still to do."),
        code("c4", SOLVED, "solution", printed="softmax: right on all 5 random cases.\na tenth: 0.1"),
        markdown("m3", "A tenth, ten times.\n\n**2. Heads.** `my_split_heads(x, heads)`, `my_merge_heads(x)`."),
        code("c5", STUB_2, "exercise", printed="split_heads: still to do."),
        code("c6", SOLVED_2, "solution", printed="right"),
        markdown("m4", "## Recap\n\nFour solutions of one equation."),
    )  # fmt: skip
    other = notebook(markdown("m1", "# 02 · Other\n\n**1. One.** A line."), code("c1", "from vitedu import check"))
    (root / "notebooks").mkdir(parents=True)
    (root / "docs" / "runs").mkdir(parents=True)
    (root / "notebooks" / "01_small.ipynb").write_text(json.dumps(lesson), encoding="utf-8")
    (root / "notebooks" / "02_other.ipynb").write_text(json.dumps(other), encoding="utf-8")
    (root / "NOTATION.md").write_text(
        "# Letters\n\n`S`: [elsewhere](docs/scale.md), ![p](docs/p.png)\n", encoding="utf-8"
    )
    (root / "docs" / "p.png").write_bytes(b"a picture")
    (root / "docs" / "runs" / "curve.csv").write_text("1\n", encoding="utf-8")


def answered(released: dict, student: str) -> dict:
    """A released notebook with a student's functions in place of the stubs."""
    for cell in released["cells"]:
        source = "".join(cell["source"])
        for name, text in ANSWERS[student].items():
            argument = text.partition("(")[2].partition(")")[0]
            source = source.replace(f"def {name}({argument}):\n    raise NotImplementedError", text)
        cell["source"] = source
    return released


def expected_marks(root, student: str) -> dict[str, float]:
    """Points of each exercise, from the student's functions and the checks alone."""
    marks = {}
    for exercise in exercises(read_notebook(root / "notebooks" / "01_small.ipynb")):
        names = {"np": np}
        exec(ANSWERS[student][exercise.function], names)
        marks[exercise.name] = rubric.mark(exercise.name, names[exercise.function], exercise.points, SEED)
    return marks
