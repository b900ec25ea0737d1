"""Nothing that is handed in changes a mark, ends the marker, or goes without a line.

All of it is marked in one go, as a course would be, with limits turned down: seconds where a course has minutes.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
from pathlib import Path

import pytest

from vitedu.course.grade import grade
from vitedu.course.process import Limits, strongest

spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
hostile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hostile)

LIMITS = Limits(case=0.5, cells=2, total=15, memory=0.6, disk=8, processes=23, message=1)
ATTACKS = {**hostile.HARMLESS, **hostile.SELF_HARM}

RIGHT = hostile.BEFORE + "won = True\n" + hostile.AFTER
WRONG = hostile.BEFORE + "right = lambda x, weight, bias: x @ weight.T\nwon = True\n" + hostile.AFTER

# Files that are no honest notebooks: name -> bytes.
BROKEN = {
    "empty.ipynb": b"",
    "nothing.ipynb": b'{"cells": [], "nbformat": 4}',
    "half.ipynb": b'{"cells": [{"cell_type": "code", "source": ["check.linear(',
    "deep.ipynb": b"[" * 200_000,
    "wrong kinds.ipynb": b'{"cells": [3, null, {"cell_type": "code", "source": {"a": 1}, "metadata": []}]}',
    "not text.ipynb": bytes(range(256)) * 100,
    "not text.py": b"check\x00\xff\xfe" * 100,
    "no python.py": b"check.linear(((((",
    "nested.py": b"check\nx = " + b"(" * 50_000 + b")" * 50_000,
    "signs.py": b"check\nx = " + b"-" * 50_000 + b"1",
    "calls.py": b"check\nx = f" + b"()" * 50_000,
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """name -> line of marks.csv; the files as they were, and as they are afterwards; lines that were printed."""
    try:
        strongest("walls")
    except OSError as error:  # nothing hostile runs where it could reach this machine's files
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("course")
    work = folder / "work"
    for name, source in {"ann": RIGHT, "ben": WRONG, **ATTACKS}.items():
        place = work / name.replace("/", " ")
        place.mkdir(parents=True)
        if name == "ann":  # a notebook; the others hand in plain Python
            cells = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": []}]
            (place / "03.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-8")
        else:
            (place / "answers.py").write_text(source if name == "ben" else hostile.BEFORE + source + hostile.AFTER)
    for name, content in BROKEN.items():
        (work / name).write_bytes(content)
    (work / "linked").symlink_to(work / "ann")
    (work / "links").mkdir()
    (work / "links" / "answers.py").symlink_to(work / "ann" / "03.ipynb")
    os.mkfifo(work / "links" / "pipe.ipynb")
    for name in ("=1+1", "Zoë ☃", "ANN", "two\nlines"):
        (work / name).mkdir()
        (work / name / "answers.py").write_text(RIGHT)
    (work / "ben.py").write_text(RIGHT)
    before = {p: p.read_bytes() for p in sorted(work.rglob("*")) if p.is_file()}
    printed = list(grade(work, folder / "marks.csv", ["02", "03"], jobs=4, limits=LIMITS, all_cells=True, seed=5))
    with open(folder / "marks.csv", newline="", encoding="utf-8") as stream:
        lines = {line["student"]: line for line in csv.DictReader(stream)}
    return lines, before, folder, printed


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gains_nothing(name, course):
    lines, _, _, _ = course
    line = lines[name]
    assert float(line["linear"]) == 0, line
    assert float(line["points"]) == float(line["softmax"]) <= 5, line
    if name in hostile.HARMLESS:
        assert float(line["softmax"]) == 5, line


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_has_its_line(name, course):
    lines, _, _, _ = course
    line = lines[os.path.splitext(name)[0] if name.startswith("not text") is False else f"not text ({name})"]
    assert float(line["points"]) == 0
    assert line["notes"] or name in ("nothing.ipynb",)


def test_honest_work_is_marked_as_if_there_were_no_attacks(course):
    """5 + 5 points for two right answers; ben forgot the bias: nothing of `linear`, all of `softmax`."""
    lines, _, _, _ = course
    assert (float(lines["ann"]["linear"]), float(lines["ann"]["softmax"])) == (5, 5)
    assert (float(lines["ben (ben)"]["linear"]), float(lines["ben (ben)"]["softmax"])) == (0, 5)
    assert (float(lines["ben (ben.py)"]["linear"]), float(lines["ben (ben.py)"]["softmax"])) == (5, 5)


def test_links_are_not_followed(course):
    lines, _, _, _ = course
    assert float(lines["linked"]["points"]) == float(lines["links"]["points"]) == 0
    assert "symbolic link" in lines["linked"]["notes"]
    assert "pipe.ipynb is not a plain file" in lines["links"]["notes"]


def test_names_of_students_do_no_harm(course):
    """A spreadsheet takes no name for a formula; names that are alike but for case have files of their own."""
    lines, _, folder, _ = course
    assert {"'=1+1", "Zoë ☃", "ANN", "ann", "two lines"} <= set(lines)
    assert all(float(lines[name]["linear"]) == 5 for name in ("'=1+1", "Zoë ☃", "ANN", "two lines"))
    files = {p.name for p in (folder / "marks-feedback").iterdir()}
    assert len({f.casefold() for f in files}) == len(lines)


def test_nothing_on_disk_was_changed(course):
    _, before, folder, _ = course
    after = {p: p.read_bytes() for p in sorted((folder / "work").rglob("*")) if p.is_file()}
    assert after == before
    assert sorted(p.name for p in folder.iterdir()) == ["marks-feedback", "marks.csv", "work"]
    assert not os.path.exists("/tmp/reached")


def test_nothing_is_left_running(course):
    """A detached grandchild keeps the command line of the process that it was forked from: in it, these limits."""
    left = []
    for pid in (p for p in os.listdir("/proc") if p.isdigit()):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                line = stream.read()
                left += [pid] * (b"vitedu.course.worker" in line and b'"processes": 23,' in line)
        except OSError:
            continue
    assert left == []


def test_every_student_has_a_line_and_it_says_how_they_were_kept_apart(course):
    lines, _, _, printed = course
    assert len(lines) == len(ATTACKS) + len(BROKEN) + 9
    assert printed[1].startswith("isolation: walls")
