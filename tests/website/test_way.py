"""The way through the course: lines in every notebook, a table of all, an index in the repository; all up to date."""

from __future__ import annotations

import copy
import json
import re
import shutil

import pytest
from website import way
from website.lessons import Lesson, tags
from website.pages import INDEX, ROOT, Site


@pytest.fixture(scope="module")
def lessons():
    return [Lesson.read(file) for file in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]


def own(notebook: dict) -> list[str]:
    """The texts of the cells that are written here."""
    return ["".join(cell["source"]) for cell in notebook["cells"] if way.TAG in tags(cell)]


def plain(lesson: Lesson) -> dict:
    """The notebook as its author left it."""
    return {"cells": copy.deepcopy(lesson.cells)}


def test_a_line_leads_to_the_one_before_the_map_and_the_next(lessons):
    assert way.line(lessons, 3) == (
        "[← 02 · Linear layers and how to check a gradient](02_linear.ipynb) &nbsp;|&nbsp; [Map](00_map.ipynb) "
        "&nbsp;|&nbsp; [04 · Many heads →](04_heads.ipynb)"
    )
    assert re.findall(r"\((\w+)\.ipynb\)", way.line(lessons, 0)) == ["01_patches"]
    assert re.findall(r"\((\w+)\.ipynb\)", way.line(lessons, 1)) == ["00_map", "02_linear"]  # 00 is the map
    assert re.findall(r"\((\d\d)_\w+\.ipynb\)", way.line(lessons, len(lessons) - 1)) == [
        f"{len(lessons) - 2:02d}", "00",
    ]  # fmt: skip


def test_from_the_first_notebook_one_reaches_the_last_and_back(lessons):
    names = [lesson.file.name for lesson in lessons]
    forth = [re.findall(r"→\]\((.*?)\)", way.line(lessons, n)) for n in range(len(lessons))]
    back = [re.findall(r"\[(?:←.*?|Map)\]\((.*?)\)", way.line(lessons, n))[:1] for n in range(len(lessons))]
    assert forth == [*([name] for name in names[1:]), []]
    assert back == [[], *([name] for name in names[:-1])]


def test_the_table_has_every_notebook_with_minutes_and_what_comes_first(lessons):
    rows = way.outline(lessons).splitlines()
    for lesson in lessons:
        (row,) = [row for row in rows if row.startswith(f"| [{lesson.title}]({lesson.file.name}) ")]
        _, _, reading, more, first, _ = (cell.strip() for cell in row.split("|"))
        assert int(reading) == lesson.minutes[0] > 0
        assert int(more or 0) == lesson.minutes[1]
        assert re.findall(r"\[(\d\d)\]", first) == lesson.needs


def test_the_lines_stand_below_the_title_and_at_the_end_and_nothing_else_changes(lessons):
    for number in (0, 3, len(lessons) - 1):
        before, after = plain(lessons[number]), way.led(plain(lessons[number]), lessons, number)
        assert way.TAG in tags(after["cells"][1])
        assert way.TAG in tags(after["cells"][-1])
        kept = [cell for cell in after["cells"] if way.TAG not in tags(cell)]
        assert [cell["source"] for cell in kept] == [cell["source"] for cell in before["cells"]]
        assert way.led(copy.deepcopy(after), lessons, number) == after  # a second time


def test_a_solution_is_announced_once(lessons):
    """Dropped with the solutions, as for a class: the line carries their tag."""
    for number, lesson in enumerate(lessons):
        cells = way.led(plain(lesson), lessons, number)["cells"]
        lines = [i for i, cell in enumerate(cells) if "".join(cell["source"]) == way.SOLUTION]
        firsts = [
            i for i, cell in enumerate(cells)
            if cell["cell_type"] == "code" and "solution" in tags(cell) and "solution" not in tags(cells[i - 2])
        ]  # fmt: skip
        assert [i + 1 for i in lines] == firsts
        assert all({"solution", way.TAG} <= set(tags(cells[i])) for i in lines)
        names = [cell["id"] for cell in cells]
        assert len(set(names)) == len(names)


def test_a_picture_gets_the_words_of_its_caption(lessons):
    """In the form in which nbconvert looks for them; the page shows the picture as large as before."""
    picture = {"output_type": "display_data", "data": {"image/png": ""}, "metadata": {"image/png": {"width": 600}}}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# T"},
        {"cell_type": "code", "metadata": {}, "source": "draw()", "outputs": [copy.deepcopy(picture)]},
        {"cell_type": "markdown", "metadata": {}, "source": "*Figure: a line\nthat `rises`.*"},
        {"cell_type": "markdown", "metadata": {}, "source": "## Check"},
        {"cell_type": "code", "metadata": {}, "source": "draw()", "outputs": [copy.deepcopy(picture)]},
        {"cell_type": "markdown", "metadata": {}, "source": "## Recap"},
    ]
    found = way.led({"cells": cells}, lessons, 3)["cells"]
    metadata = [o["metadata"]["image/png"] for cell in found for o in cell.get("outputs", [])]
    assert metadata == [{"width": 600, "alt": "a line that rises."}, {"width": 600}]


def test_the_site_and_other_readers_do_not_see_the_lines(lessons, tmp_path):
    """The site has its own; what is read out of a notebook is the same with and without them."""
    file = tmp_path / lessons[0].file.name
    file.write_text(json.dumps(way.led(plain(lessons[0]), lessons, 0)), encoding="utf-8")
    assert Lesson.read(file).cells == lessons[0].cells


def test_links_of_the_index_lead_to_files(lessons):
    text = way.index(Site(), lessons)
    assert "{ref}" not in text
    assert "{doc}" not in text
    links = re.findall(r"\]\((\.\./[^)]+)\)", text)
    assert len(links) > 500
    for target in set(links):
        assert (ROOT / INDEX).parent.joinpath(target).resolve().is_file(), target
    for heading in ("by symbol", "by equation, table and figure", "by exercise"):
        assert f"\n## Index {heading}\n" in text


def test_writing_twice_writes_once(tmp_path, lessons):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    (tmp_path / "docs").mkdir()
    for name in ("NOTATION.md", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for package in ("vitedu", "vitedu_numpy"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors")
        )
    way.write(Site(tmp_path))
    assert (tmp_path / INDEX).is_file()
    assert way.write(Site(tmp_path)) == []
    for lesson in lessons:
        written = json.loads((tmp_path / "notebooks" / lesson.file.name).read_text(encoding="utf-8"))
        assert way.line(lessons, int(lesson.number)) in own(written)[0]


def test_all_is_up_to_date():
    """After a change of a title, a caption, a docstring, NOTATION.md: PYTHONPATH=docs python -m website.way"""
    assert way.outdated(Site()) == []
