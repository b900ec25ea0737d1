"""The way through the course, written into the repository's own files:

    PYTHONPATH=docs .venv/bin/python -m website.way

Every notebook gets a line at its top and its end, to the one before, the map and the next, and a line above each
solution; notebook 00 a table of all, with minutes and what comes first; pictures the words of their captions, for those
who do not see them; and docs/index-of-the-course.md the site's indexes, with links that work on the repository's page
and in JupyterLab.  All is read from the notebooks, NOTATION.md and the docstrings; a second run changes nothing.  The
site leaves these lines out: its pages have their own.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import PurePosixPath

from . import indexes
from .lessons import Lesson, caption, tags
from .pages import INDEX, Site

__all__ = ["index", "led", "line", "outdated", "outline", "write"]

TAG = "navigation"
SOLUTION = "*Below: a solution. JupyterLab folds it; other pages show it open. Try first.*"
MAP = 0  # the number of the notebook that has the table
ROLE = re.compile(r"\{(?:doc|ref)\}`([^`<]+?)(?: <([^>`]+)>)?`")


def line(lessons: list[Lesson], number: int) -> str:
    """ "[← 02 · Linear layers](02_linear.ipynb) · [Map](00_map.ipynb) · [04 · Many heads →](04_heads.ipynb)" """
    links = []
    if number > MAP + 1:
        links.append(f"[← {lessons[number - 1].title}]({lessons[number - 1].file.name})")
    if number != MAP:
        links.append(f"[Map]({lessons[MAP].file.name})")
    if number + 1 < len(lessons):
        links.append(f"[{lessons[number + 1].title} →]({lessons[number + 1].file.name})")
    return " &nbsp;|&nbsp; ".join(links)


def outline(lessons: list[Lesson]) -> str:
    """The table of all notebooks."""
    by_number = {lesson.number: lesson.file.name for lesson in lessons}
    lines = [
        "**All notebooks.** Minutes to read and run; for the exercises, where a notebook says so, more.",
        "",
    ]
    lines += ["| notebook | minutes | exercises | comes after |", "|---|---|---|---|"]
    for lesson in lessons:
        reading, more = lesson.minutes
        first = ", ".join(f"[{n}]({by_number[n]})" if n in by_number else n for n in lesson.needs)
        lines.append(f"| [{lesson.title}]({lesson.file.name}) | {reading} | {more or ''} | {first} |")
    hours = [round(sum(lesson.minutes[i] for lesson in lessons) / 60) for i in (0, 1)]
    lines.append(f"| together, hours | {hours[0]} | {hours[1]} | |")
    return "\n".join(lines)


def led(notebook: dict, lessons: list[Lesson], number: int) -> dict:
    """A notebook, as json reads it, with its lines; those of an earlier run are replaced.  Changed in place."""
    cells = [cell for cell in notebook["cells"] if TAG not in tags(cell)]
    for i, cell in enumerate(cells):
        for output in cell.get("outputs", []):
            for kind in [kind for kind in output.get("data", {}) if kind.startswith("image/")]:
                words = caption(joined(cells[i + 1 :]))
                output["metadata"].setdefault(kind, {}).pop("alt", None)
                output["metadata"][kind] |= {"alt": words} if words else {}
                if not output["metadata"][kind]:
                    del output["metadata"][kind]
    cells = with_solutions_announced(cells, number)
    if number == MAP:
        starts = [i for i, cell in enumerate(cells) if "".join(cell["source"]).startswith("## By hand")]
        cells[starts[0] : starts[0]] = [cell_of(f"{number:02d}-outline", outline(lessons))]
    way = line(lessons, number)
    notebook["cells"] = [
        cells[0], cell_of(f"{number:02d}-way", way), *cells[1:], cell_of(f"{number:02d}-way-on", f"---\n\n{way}"),
    ]  # fmt: skip
    return notebook


def with_solutions_announced(cells: list[dict], number: int) -> list[dict]:
    """A line above every solution: only JupyterLab and the site fold it, on other pages the reader walks into it."""
    found, announced = [], 0
    for before, cell in zip([{"metadata": {}}, *cells], cells, strict=False):
        if "solution" in tags(cell) and "solution" not in tags(before):
            announced += 1
            found.append(cell_of(f"{number:02d}-solution-{announced}", SOLUTION, "solution"))
        found.append(cell)
    return found


def cell_of(name: str, text: str, *more: str) -> dict:
    source = text.splitlines(keepends=True)
    return {"cell_type": "markdown", "id": name, "metadata": {"tags": [TAG, *more]}, "source": source}


def joined(cells: list[dict]):
    return (cell | {"source": "".join(cell["source"])} for cell in cells)


def index(site: Site, lessons: list[Lesson]) -> str:
    """The site's three indexes as one page of the repository."""
    parts = [
        "# Index of the course\n\nWritten by `python -m website.way`, like the lines that lead through the notebooks.\n"
    ]
    labels = {}
    for lesson in lessons:
        here = site.path(lesson.file)
        labels |= {item.label: here for item in [*lesson.places, *lesson.exercises]}
    files = {f"/{PurePosixPath(page).with_suffix('')}": path for path, page in reversed(site.pages.items())}

    def link(match) -> str:
        words, target = match.group(1), match.group(2) or match.group(1)
        path = labels.get(target) or files[target]
        return f"[{words.removeprefix('/')}]({os.path.relpath(path, PurePosixPath(INDEX).parent)})"

    for page in (indexes.symbols, indexes.paper, indexes.exercises):
        text = re.sub("^#", "##", page(site, lessons), flags=re.MULTILINE)
        parts.append(ROLE.sub(link, text))
    return "\n".join(parts)


def texts(site: Site) -> dict[str, str]:
    """path of a file -> what belongs into it"""
    lessons = [Lesson.read(file) for file in site.notebooks]
    found = {INDEX: index(site, lessons)}
    for number, lesson in enumerate(lessons):
        notebook = json.loads(lesson.file.read_text(encoding="utf-8"))
        text = json.dumps(led(notebook, lessons, number), ensure_ascii=False, indent=1, sort_keys=True)
        found[site.path(lesson.file)] = text + "\n"
    return found


def outdated(site: Site) -> list[str]:
    """The files that say something else."""
    return [
        path
        for path, text in texts(site).items()
        if not (site.root / path).is_file() or (site.root / path).read_text(encoding="utf-8") != text
    ]


def write(site: Site) -> list[str]:
    """Bring everything up to date; the paths of the files that changed."""
    wanted, changed = texts(site), outdated(site)
    for path in changed:
        file = site.root / path
        temporary = file.with_suffix(".part")
        temporary.write_text(wanted[path], encoding="utf-8", newline="\n")
        temporary.replace(file)
    return changed


if __name__ == "__main__":
    for path in write(Site()):
        print(f"wrote {path}")
