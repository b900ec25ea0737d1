"""Notebooks as pages: read for what they need, teach and ask, and written for the site from their stored outputs."""

from __future__ import annotations

import functools
import html
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vitedu.show.code import rendered

from .pages import MODULE, Site, fenced

__all__ = ["HEADING", "Exercise", "Lesson", "Place", "caption", "page", "tags"]

HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$", flags=re.MULTILINE)
EXERCISE = re.compile(r"^\*\*(?:Exercise )?(\d+)[.:] *(.*?)\*\*", flags=re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])(\d\d)(?:_\w+)?(?![\w.,]*\d)(?! minutes|-[a-z])(?:\]\([^)]*\))?( to (?=\[?\d\d))?")
SHOWN = re.compile(r"<pre\b[^>]*>(.*?)</pre>", flags=re.DOTALL)


@dataclass(frozen=True)
class Place:
    """A heading of a notebook: its words, a label to link to, and the prose below it, up to the next heading."""

    title: str
    label: str
    text: str


@dataclass(frozen=True)
class Exercise:
    number: int
    title: str
    label: str
    checks: tuple[str, ...]


@dataclass
class Lesson:
    """What the pages around a notebook say of it, read from the notebook itself."""

    file: Path
    cells: list = field(repr=False)

    @classmethod
    def read(cls, file: Path) -> Lesson:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        cells = [cell for cell in cells if "navigation" not in tags(cell)]  # way.py wrote them
        return cls(file, [cell | {"source": "".join(cell["source"])} for cell in cells])

    @property
    def number(self) -> str:
        return self.file.name[:2]

    @property
    def doc(self) -> str:
        return f"/notebooks/{self.file.stem}"

    @functools.cached_property
    def prose(self) -> str:
        return "\n\n".join(cell["source"] for cell in self.cells if cell["cell_type"] == "markdown")

    @functools.cached_property
    def title(self) -> str:
        return re.search(r"^# +(.+?) *$", self.prose, flags=re.MULTILINE)[1]

    def section(self, title: str) -> str:
        body = re.search(rf"^## +{title} *$(.*?)(?=^## |\Z)", self.prose, flags=re.MULTILINE | re.DOTALL)
        return body[1].strip() if body else ""

    # ---- before you start --------------------------------------------------------------------------------------

    @functools.cached_property
    def before(self) -> str:
        """The first paragraph of "Before you start": notebooks and time."""
        return self.section("Before you start").split("\n\n")[0]

    @property
    def needs(self) -> list[str]:
        """Numbers of the notebooks to be read first: those in front of the word "first"."""
        return self._numbers(self.before.partition(" first")[0]) if " first" in self.before else []

    @property
    def helps(self) -> list[str]:
        return [n for n in self._numbers(self.before.partition(" first")[2]) if n not in self.needs]

    def _numbers(self, text: str) -> list[str]:
        """ "03 to 06" are four."""
        found = []
        for match in NUMBER.finditer(text):
            if found and found[-1] is None:
                found[-1:] = [f"{n:02d}" for n in range(int(found[-2]) + 1, int(match.group(1)))]
            found += [match.group(1), *([None] if match.group(2) else [])]
        return [n for n in dict.fromkeys(found) if n and n != self.number]

    @property
    def minutes(self) -> tuple[int, int]:
        """(to read and run, for the exercises) as the notebook says."""
        reading = re.search(r"(\d+) minutes", self.before)
        more = re.search(r"(\d+) minutes more for the exercises", self.before)
        return int(reading[1]) if reading else 0, int(more[1]) if more else 0

    # ---- places ------------------------------------------------------------------------------------------------

    @functools.cached_property
    def places(self) -> list[Place]:
        """Its headings in order; the first is the title."""
        parts = []
        for is_code, piece in fenced(self.prose):
            end = 0
            for match in () if is_code else HEADING.finditer(piece):
                if parts:
                    parts[-1][1].append(piece[end : match.start()])
                parts.append((match.group(2), []))
                end = match.end()
            if parts and not is_code:
                parts[-1][1].append(piece[end:])
        return [Place(title, f"nb{self.number}-{i}", "".join(text)) for i, (title, text) in enumerate(parts)]

    @functools.cached_property
    def exercises(self) -> list[Exercise]:
        found, checks = [], []
        for cell in self.cells[self.first_exercise :]:
            if cell["cell_type"] == "markdown":
                for match in EXERCISE.finditer(cell["source"]):
                    checks = []
                    title = match.group(2).strip().rstrip(".:")
                    found.append((int(match.group(1)), title[:1].upper() + title[1:], checks))
            elif "exercise" in tags(cell):
                checks += re.findall(r"\bcheck\.(\w+)\(", cell["source"])
        return [Exercise(n, title, f"ex{self.number}-{n}", tuple(checks)) for n, title, checks in found]

    @functools.cached_property
    def first_exercise(self) -> int:
        """The cell that begins the section "Exercises"; other lists may be numbered too."""
        begins = (i for i, cell in enumerate(self.cells) if re.search(r"^## +Exercises *$", cell["source"], flags=re.M))
        return next(begins, len(self.cells))

    @functools.cached_property
    def recap(self) -> list[list[str]]:
        """The rows of the recap's tables that begin with a symbol, cell by cell."""
        rows = re.findall(r"^\|(.*)\|$", self.section("Recap"), flags=re.MULTILINE)
        cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows]
        return [row for row in cells if len(row) > 1 and re.match(r"[`$]", row[0])]


def tags(cell) -> list[str]:
    return cell["metadata"].get("tags", [])


# ---- the page --------------------------------------------------------------------------------------------------------


def page(site: Site, lesson: Lesson) -> dict:
    """The notebook as the site reads it: labels to link to, solutions folded, sources coloured by the page."""
    here = site.path(lesson.file)
    notebook = json.loads(lesson.file.read_text(encoding="utf-8"))
    notebook["cells"] = cells = [cell | {"source": cell["source"]} for cell in lesson.cells]
    labels, heading = iter(place.label for place in lesson.places), ""
    for i, cell in enumerate(cells):
        metadata = cell["metadata"] = {"tags": tags(cell), "mystnb": {}}
        if cell["cell_type"] == "markdown":
            heading = [heading, *(match.group(2) for match in HEADING.finditer(cell["source"]))][-1]
            exercises = lesson.exercises if i >= lesson.first_exercise else []
            cell["source"] = labelled(site.linked(here, cell["source"]), exercises, labels)
            continue
        if "solution" in tags(cell):
            metadata["tags"] = [*tags(cell), "hide-cell"]
            metadata["mystnb"] |= {"code_prompt_show": "Show the solution", "code_prompt_hide": "Hide the solution"}
        if any(kind.startswith("image/") for output in cell["outputs"] for kind in output.get("data", {})):
            metadata["mystnb"]["image"] = {"alt": caption(cells[i + 1 :]) or f"Picture: {heading}"}
        cell["outputs"] = [shown(site, here, output) for output in cell["outputs"]]
    cells[0]["source"] += "\n\n" + header(site, lesson)
    return notebook


def labelled(text: str, exercises: list[Exercise], labels) -> str:
    """A label in front of every heading, and of those exercises."""
    numbers = {exercise.number: exercise.label for exercise in exercises}

    def exercise(match):
        number = int(match.group(1))
        return f"({numbers[number]})=\n{match.group()}" if number in numbers else match.group()

    pieces = []
    for is_code, piece in fenced(text):
        if not is_code:
            piece = HEADING.sub(lambda match: f"({next(labels)})=\n{match.group()}", piece)
            piece = EXERCISE.sub(exercise, piece)
        pieces.append(piece)
    return "".join(pieces)


def header(site: Site, lesson: Lesson) -> str:
    """Time, what comes first, and the notebook itself, below the title."""
    by_number = {file.name[:2]: f"/notebooks/{file.stem}" for file in site.notebooks}
    reading, exercises = lesson.minutes
    parts = [f"{reading} minutes" + (f", {exercises} more for the exercises" if exercises else "")] if reading else []
    for words, numbers in (("after", lesson.needs), ("helpful:", lesson.helps)):
        linked = [f"{{doc}}`{n} <{by_number[n]}>`" if n in by_number else n for n in numbers]
        parts += [f"{words} {', '.join(linked)}"] if linked else []
    parts.append(f"{{download}}`download the notebook </downloads/{lesson.file.name}>`")
    if site.lite and (site.lite / "files" / "notebooks" / lesson.file.name).is_file():
        address = f"../browser/notebooks/index.html?path=notebooks/{lesson.file.name}"
        parts.append(f'<a href="{address}">run it in the browser</a>')
    return "```{container} lesson-facts\n" + " · ".join(parts) + "\n```"


def caption(cells) -> str:
    """The "*Figure: ...*" that follows a picture below the same heading, as plain words for those who do not see it."""
    for cell in cells:
        if cell["cell_type"] == "code":
            continue
        if HEADING.search(cell["source"]):
            return ""
        match = re.match(r"\s*\*Figures?:? (.*?)(?<!\*)\*(?:\s|\Z)", cell["source"], flags=re.DOTALL)
        if match:
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match.group(1))
            return " ".join(re.sub(r"[`*$]", "", words).split())
    return ""


def shown(site: Site, here: str, output: dict) -> dict:
    """An output of `show.source` or `show.side_by_side`, with links to the pages of its files."""
    rich = "".join(output.get("data", {}).get("text/html", ""))
    sources = [html.unescape(re.sub(r"<[^>]+>", "", body)) for body in SHOWN.findall(rich)]
    if not sources or not all(re.match(r"\s*# vitedu", source) for source in sources):
        return output

    def link(first: str) -> str | None:
        path = re.search(MODULE, first)
        if path is None or path.group() not in site.pages:
            return None
        page = PurePosixPath(site.pages[path.group()]).with_suffix(".html")
        return os.path.relpath(page, PurePosixPath(here).parent)

    sources = [source.strip("\n") for source in sources]
    return output | {"data": {"text/html": rendered(*sources, link=link)}}
