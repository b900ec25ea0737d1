"""Write the sources of the site into a folder, for Sphinx to read; what has not changed stays as it is."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import house

from . import api, indexes
from .lessons import HEADING, Lesson, page
from .pages import Site, fenced

__all__ = ["add_lite", "assemble"]

GUIDES = (
    *("docs/scale.md", "docs/reliability.md", "docs/attacks.md", "docs/experiments.md"),
    *("docs/teaching.md", "docs/tutor.md", "docs/marking.md"),
    *("NOTATION.md", "DEVIATIONS.md"),
)
PROJECT = ("CONTRIBUTING.md", "CHANGELOG.md")
LANGUAGES = {".py": "python", ".json": "json", ".toml": "toml", ".yml": "yaml", ".sh": "bash"}


def assemble(site: Site, folder: Path) -> list[str]:
    """Write every page's source; what stands in `folder` and belongs to no page any more is deleted.

    Returns the sources' paths.
    """
    lessons = [Lesson.read(file) for file in site.notebooks]
    texts: dict[str, str] = {}
    for lesson in lessons:
        texts[site.path(lesson.file)] = json.dumps(page(site, lesson), ensure_ascii=False)
    for file in site.markdown:
        here = site.path(file)
        text = file.read_text(encoding="utf-8")
        text = without_diagrams(text) if here == "CONTRIBUTING.md" else text
        texts[site.pages[here]] = titled(here, site.linked(here, text))
    texts["map.md"] = indexes.course_map(site, lessons)
    texts["symbols.md"] = indexes.symbols(site, lessons)
    texts["paper.md"] = indexes.paper(site, lessons)
    texts["exercises.md"] = indexes.exercises(site, lessons)
    for name, paths in site.code.items():
        folder_of, _, last = name.rpartition("/")
        texts[f"api/{name}.rst"] = api.room(site, folder_of) if last == "index" else api.page(site, name, paths)
    if site.code:
        texts["api/index.rst"] = api.index(site)
    for path, source in sorted(site.files.items()):
        texts[source] = file_page(site, path)
    if site.files:
        others = [f"/{source.removesuffix('.md')}" for source in sorted(site.files.values())]
        lines = ["# Other files", "", "Files of the repository that pages of this site link to.", ""]
        links = [f"- {{doc}}`{path} <{other}>`" for path, other in zip(sorted(site.files), others, strict=True)]
        texts["files/index.md"] = "\n".join([*lines, *links, "", toctree(others)])
    texts["index.md"] += contents(site)

    copies = {path: site.root / path for path in site.pictures()}
    copies |= {f"downloads/{file.name}": file for file in site.notebooks}
    write(folder, texts, copies)
    return sorted(texts)


def write(folder: Path, texts: dict[str, str], copies: dict[str, Path]) -> None:
    for path, text in texts.items():
        file = folder / path
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    for path, original in copies.items():
        file = folder / path
        if not file.is_file() or file.read_bytes() != original.read_bytes():
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, file)
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        if file.relative_to(folder).as_posix() not in {*texts, *copies}:
            file.unlink()


def add_lite(lite: Path, pages: Path) -> None:
    """The course in the browser as a folder of the built site; its first page leads back.

    Not as lite/, where the page of lite/README.md stands.
    """
    target = pages / "browser"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(lite, target)
    first = target / "index.html"
    link = '<p><a href="../index.html">The whole course, to read</a></p>'
    first.write_text(first.read_text(encoding="utf-8").replace("<!-- site -->", link), encoding="utf-8")


def contents(site: Site) -> str:
    """The tables of contents, which make the sidebar and the order of previous and next."""
    notebooks = ["map", *(f"notebooks/{file.stem}" for file in site.notebooks)]
    guides = [path for path in GUIDES if path in site.pages]
    project = [path for path in PROJECT if path in site.pages]
    rest = [path for path in site.pages if path.endswith(".md") and path not in ("README.md", *guides, *project)]
    parts = {
        "The course": notebooks,
        "Look up": ["symbols", "paper", "exercises"],
        "Guides": [path.removesuffix(".md") for path in guides],
        "The code": ["api/index"] if site.code else [],
        "The project": [
            *(path.removesuffix(".md") for path in [*project, *rest]),
            *(["files/index"] if site.files else []),
        ],
    }
    return "\n\n" + "\n".join(toctree(documents, f":caption: {caption}") for caption, documents in parts.items())


def toctree(documents: list[str], *options: str) -> str:
    return "\n".join(["```{toctree}", ":hidden:", *options, "", *documents, "```", ""]) if documents else ""


def without_diagrams(text: str) -> str:
    """CONTRIBUTING.md's map of the house as a table: no page of the site runs a diagram's program."""
    arrows = house.arrows()
    table = ["| room | files | imports |", "|---|---|---|"]
    for room in house.FLOOR:
        below = [there for here, there in arrows if here == room]
        cells = ", ".join(f"`{there}`" for there in sorted(below, key=house.FLOOR.get))
        table.append(f"| `{room}` | {house.files_of(room)} | {cells} |")
    pieces = [
        "\n".join(table) if is_code and piece.lstrip().startswith("```mermaid") else piece
        for is_code, piece in fenced(text)
    ]
    return "".join(pieces)


def titled(path: str, text: str) -> str:
    """A page begins with a title: what has none gets its path, and its headings, if too low, come up below it."""
    levels = [
        len(match.group(1)) for is_code, piece in fenced(text) if not is_code for match in HEADING.finditer(piece)
    ]
    if 1 in levels:
        return text
    up = min(levels, default=2) - 2
    raised = [piece if is_code else HEADING.sub(lambda m: m.group()[up:], piece) for is_code, piece in fenced(text)]
    return f"# {path}\n\n" + "".join(raised)


def file_page(site: Site, path: str) -> str:
    """A page for a file that is no page of its own, or for the list of a folder's files."""
    file = site.root / path
    if file.is_dir():
        names = sorted(inner.name for inner in file.iterdir() if inner.is_file() and not inner.name.startswith("."))
        return "\n".join([f"# {path}/", "", *(f"- `{name}`" for name in names), ""])
    text = file.read_text(encoding="utf-8")
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", text))])
    return f"# {path}\n\n{ticks}{{code-block}} {LANGUAGES.get(file.suffix, 'text')}\n{text}\n{ticks}\n"
