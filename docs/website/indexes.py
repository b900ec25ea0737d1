"""Pages that point: the map, and the indexes by symbol, by equation and table of the paper, by exercise.

All of it is read from NOTATION.md, the notebooks and the docstrings; nothing is typed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .api import read
from .lessons import Lesson
from .pages import Site

__all__ = ["Mention", "course_map", "exercises", "paper", "references", "symbols"]

# ---- the map ---------------------------------------------------------------------------------------------------------


def builds(site: Site) -> dict[str, str]:
    """number of a notebook -> what one builds there, as the README's table says"""
    text = (site.root / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d\d) \| \[[^\]]*\]\([^)]*\) \| \d+ \| (.*?) \|", text, flags=re.MULTILINE)
    return dict(rows)


def course_map(site: Site, lessons: list[Lesson]) -> str:
    by_number, what = {lesson.number: lesson for lesson in lessons}, builds(site)
    reading, more = (sum(lesson.minutes[i] for lesson in lessons) for i in (0, 1))
    lines = [
        "# Map of the course", "",
        f"{len(lessons)} notebooks, about {round(reading / 60)} hours to read and run and {round(more / 60)} more for "
        "those exercises whose time they name. A notebook can be read when those after which it comes have been.", "",
        "::::{container} course-map",
    ]  # fmt: skip
    for lesson in lessons:
        later = [other for other in lessons if lesson.number in other.needs]
        reading, more = lesson.minutes
        lines += [":::{container} course-card", f"{{doc}}`{lesson.doc}`", ""]
        lines += [what[lesson.number], ""] if lesson.number in what else []
        facts = [f"{reading} min" + (f" + {more} for exercises" if more else "")] if reading else []
        facts += [f"after {numbers(lesson.needs, by_number)}"] if lesson.needs else []
        facts += [f"helpful: {numbers(lesson.helps, by_number)}"] if lesson.helps else []
        facts += [f"leads to {numbers([other.number for other in later], by_number)}"] if later else []
        lines += [" · ".join(facts), ":::"]
    return "\n".join([*lines, "::::", ""])


def numbers(wanted: list[str], by_number: dict[str, Lesson]) -> str:
    return ", ".join(f"{{doc}}`{n} <{by_number[n].doc}>`" if n in by_number else n for n in wanted)


# ---- by symbol -------------------------------------------------------------------------------------------------------


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading of NOTATION.md, without its head."""
    section = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)[1]
    table = [line.strip().strip("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in table[2:]]


def symbols(site: Site, lessons: list[Lesson]) -> str:
    """One table, by letter: what NOTATION.md says, and what each notebook's recap says."""
    text = (site.root / "NOTATION.md").read_text(encoding="utf-8")
    found = []
    for heading in ("Sizes", "Tensors"):
        for name, what, shape, *_ in rows(text, heading):
            found.append((name, what, shape if heading == "Tensors" else "", "{doc}`Notation </NOTATION>`"))
    for lesson in lessons:
        link = f"{{ref}}`{lesson.number} <{lesson.places[-1].label}>`"
        found += [(name, what, next(iter(more), ""), link) for name, what, *more in lesson.recap]
    lines = [
        "# Index by symbol", "",
        "What {doc}`/NOTATION` says of a letter, and the recaps of the notebooks that taught it, in the order of the "
        "alphabet; Greek letters by their names.", "",
        "| symbol | what | shape | where |", "|---|---|---|---|",
    ]  # fmt: skip
    lines += [f"| {' | '.join(row)} |" for row in sorted(dict.fromkeys(found), key=alphabetical)]
    return "\n".join([*lines, ""])


def alphabetical(row: tuple[str, ...]) -> tuple[str, str]:
    """By the letters of the first symbol, small and large together: `\\mathbf{z}` is a z."""
    name = re.sub(r"\\(?:mathbf|mathrm|text|hat|bar|tilde)\b", "", row[0])
    letters = "".join(re.findall(r"\w+", name.replace("_", "")))
    return letters.lower(), row[0]


# ---- by equation, table, figure and section of the paper -------------------------------------------------------------

KINDS = {"Eq": "Equation", "Table": "Table", "Fig": "Figure", "Figure": "Figure", "Sec": "Section", "App": "Appendix"}
MENTION = re.compile(
    r"(?P<before>[\w.'’]+,? )?(?<![\w-])(?P<kind>Eq|Table|Figure|Fig|Sec|App)s?\.?\s+"
    r"(?P<numbers>(?:\d+|[A-D](?=\.\d))(?:\.\d+)*(?:(?: ?[-–] ?| to |, | and )\d+(?:\.\d+)*)*)"
    r"(?P<after>\s+(?:there|of\s+(?!the\b|one\b|all\b|it\b)[A-Z]\w+)|\s*\([A-Z]\w+ et al)?"
)
# A module that follows another paper says so at the beginning of a paragraph; its equations are that paper's.
OTHERS = re.compile(r"^(?!Dosovitskiy)[A-Z]\w+ et al\.,? \(?\d{4}", flags=re.MULTILINE)
NAMED = re.compile(r"(?:et al\.|\b(?:19|20)\d\d[a-z]?),?\s*(?:\([^)]*\))?[,:]?\s*$")


def references(text: str) -> list[tuple[str, str]]:
    """(kind, number) of what `text` mentions of the paper: "Eqs. 5-7" are three.

    What names another paper is left out: "Eqs. 4 to 6 of ViViT", "its Sec. 3.4", "Sec. 5.4 there",
    "Vaswani et al. 2017, Sec. 3.5".
    """
    text, found = " ".join(text.split()), []
    for match in MENTION.finditer(text):
        before = (match["before"] or "").strip()
        owned = re.search(r"['’]s,?$", before) and before.lower() not in ("paper's", "paper’s", "vit's")
        named = NAMED.search(text[: match.start("kind")][-60:])
        if match["after"] or owned or named or before in ("its", "their"):
            continue
        found += [(KINDS[match["kind"]], number) for number in spread(match["numbers"])]
    return list(dict.fromkeys(found))


def spread(numbers: str) -> list[str]:
    """ "5-7" -> 5, 6, 7;  "1, 5 and 8" -> 1, 5, 8;  "D.4" -> D.4"""
    found = []
    for part in re.split(r", | and ", numbers):
        ends = re.split(r" ?[-–] ?| to ", part)
        if len(ends) == 2 and all(end.isdigit() for end in ends) and int(ends[0]) < int(ends[1]) < int(ends[0]) + 20:
            found += [str(n) for n in range(int(ends[0]), int(ends[1]) + 1)]
        else:
            found += ends
    return found


@dataclass(frozen=True)
class Mention:
    kind: str
    number: str
    where: str  # MyST


def mentions(site: Site, lessons: list[Lesson]) -> tuple[list[Mention], list[Mention]]:
    """In notebooks, heading by heading, and in docstrings, file by file."""
    taught, coded = [], []
    for lesson in lessons:
        for place in lesson.places:
            where = f"{lesson.number} {plain(place.title.removeprefix(f'{lesson.number} · '))}"
            for kind, number in references(f"{place.title}\n{place.text}"):
                taught.append(Mention(kind, number, f"{{ref}}`{where} <{place.label}>`"))
    for name, paths in site.code.items():
        docs, modules = [], [read(site.root, path) for path in paths]
        if any(OTHERS.search(module.doc) for module in modules):
            continue
        for module in modules:
            items = module.described
            docs += [module.doc, *(item.doc for item in items), *(m.doc for item in items for m in item.members)]
        page = f"{{doc}}`{name.removeprefix('root/')} </api/{name}>`"
        coded += [Mention(kind, number, page) for kind, number in references("\n\n".join(docs))]
    return taught, coded


def plain(title: str) -> str:
    """A heading's words without markup, as a role takes them."""
    return re.sub(r"[`$*\\<>{}]", "", title).strip()


def paper(site: Site, lessons: list[Lesson]) -> str:
    lines = [
        "# Index by equation, table and figure", "",
        "Where the course and the code come to something of the paper (Dosovitskiy et al., arXiv:2010.11929). "
        "Equations, tables and figures of other papers are not listed.",
    ]  # fmt: skip
    taught, coded = mentions(site, lessons)
    for kind in dict.fromkeys(KINDS.values()):
        wanted = sorted({m.number for m in [*taught, *coded] if m.kind == kind}, key=order)
        if not wanted:
            continue
        heading = kind if kind == "Appendix" else f"{kind}s"
        lines += ["", f"## {heading}", "", f"| {kind} | in the notebooks | in the code |", "|---|---|---|"]
        for number in wanted:
            cells = [
                " · ".join(dict.fromkeys(m.where for m in found if (m.kind, m.number) == (kind, number)))
                for found in (taught, coded)
            ]
            lines.append(f"| {number} | {cells[0]} | {cells[1]} |")
    return "\n".join([*lines, ""])


def order(number: str) -> list:
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in number.split(".")]


# ---- by exercise -----------------------------------------------------------------------------------------------------


def exercises(site: Site, lessons: list[Lesson]) -> str:
    count = sum(len(lesson.exercises) for lesson in lessons)
    lines = ["# Index by exercise", "", f"{count} exercises, each with the check that answers, and what it is about."]
    for lesson in lessons:
        if lesson.exercises:
            lines += ["", f"## {plain(lesson.title)}", "", "| | exercise | check |", "|---|---|---|"]
        for exercise in lesson.exercises:
            checks = ", ".join(f"`check.{name}`" for name in exercise.checks)
            lines.append(f"| {exercise.number} | {{ref}}`{plain(exercise.title)} <{exercise.label}>` | {checks} |")
    return "\n".join([*lines, ""])
