"""docs/teaching.md: what it says of notebooks is what they say themselves; its commands are understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from website.lessons import Lesson

from vitedu.commands import course
from vitedu.course.assignment import POINTS_PER_LEVEL, exercises, read_notebook

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
FILES = {file.name[:2]: file for file in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}


def rows(title: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = re.search(rf"^## {title}$(.*?)(?=^## )", TEXT, flags=re.MULTILINE | re.DOTALL)[1]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_what_each_notebook_needs_and_gives():
    """After which others, minutes to read; exercises, their minutes and points."""
    told = {re.search(r"\d\d", row[0])[0]: row[1:6] for row in rows("What each notebook needs and gives")}
    assert list(told) == list(FILES)
    reading, working = 0, 0
    for number, file in FILES.items():
        lesson, asked = Lesson.read(file), exercises(read_notebook(file))
        minutes, points = sum(e.minutes for e in asked), sum(e.points for e in asked)
        read = lesson.minutes[0]
        assert told[number] == [", ".join(lesson.needs), str(read), str(len(asked)), str(minutes), str(points)], number
        reading, working = reading + read, working + minutes
    assert f"All of it: {round(reading / 60)} hours to read and run, {round(working / 60)} for the exercises." in TEXT
    assert f"({POINTS_PER_LEVEL} for level 1, {2 * POINTS_PER_LEVEL}, {3 * POINTS_PER_LEVEL} for" in TEXT


def test_the_plan_of_a_term():
    """Sums of the table above; no notebook comes before what it needs, and only the projects are left over."""
    known = {re.search(r"\d\d", row[0])[0]: row for row in rows("What each notebook needs and gives")}
    seen = []
    for _, numbers, read, minutes, _ in rows("A term's plan"):
        here = numbers.split(", ")
        assert (read, minutes) == tuple(str(sum(int(known[n][i]) for n in here)) for i in (2, 4)), numbers
        for n in here:
            needs = [need for need in known[n][1].split(", ") if need]
            assert set(needs) <= {*seen, *here}, f"{n} comes before {needs}"
        seen += here
    assert sorted({*known} - {*seen}) == ["20", "21", "22"]


COMMANDS = re.findall(r"(?<![\w-])(vitedu course release[^`#\n]*)", TEXT)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command, monkeypatch):
    """Each is understood: what it asks for is what the release would be given."""
    given = {}
    monkeypatch.setattr("vitedu.course.release.release", lambda **found: given.update(found) or [])
    words = shlex.split(command)[3:]
    if words:  # the bare name, in a sentence
        assert course.course(["release", *words]) == 0
        assert given["out"]


def test_numbers_about_leaks():
    """As tests/course/test_release.py has them."""
    test = (ROOT / "tests" / "course" / "test_release.py").read_text(encoding="utf-8")
    lines, shown = re.search(r"of (\d+) lines, these (\d+)\.", test).groups()
    assert f"of {lines}, {shown} stand in the lesson itself" in TEXT
