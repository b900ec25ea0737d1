"""Marks for a whole course: every student in a process behind walls, one line each in a table, feedback for each.

    SUBMISSIONS/ann/03_attention.ipynb       a folder for each student, or
    SUBMISSIONS/ben.ipynb                    a notebook, .py file or zip for each

Described in docs/marking.md.
"""

from __future__ import annotations

import csv
import hashlib
import multiprocessing
import os
import re
import secrets
import signal
import unicodedata
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from vitedu_numpy.weights.files import replacing

from .. import check
from ..check.progress import lessons
from .assignment import POINTS_PER_LEVEL, lesson_name
from .marking import Answer, Rules, StudentMarks, mark_student
from .process import Limits, strongest
from .submission import left_aside, read_submissions, texts

__all__ = ["feedback", "grade", "mark_all", "points_of", "write_marks"]

SPARE = 60  # seconds that reading and comparing may take, besides what runs


def grade(
    submissions, out, wanted=(), jobs: int = 1, own: str = "flag", isolation: str = "auto", seed: int | None = None,
    limits: Limits | None = None, all_cells: bool = False,
) -> Iterator[str]:  # fmt: skip
    """Mark every student; writes the table `out` and a folder of feedback beside it, and yields a line for each.

    wanted: lessons, by name or number; none: those of which at least half of the students call checks.  seed: of the
    hidden cases; a new one by default.  Raises ValueError for what is not allowed, OSError where `isolation` fails.
    """
    if not (isinstance(jobs, int) and jobs > 0):
        raise ValueError(f"jobs={jobs!r} is not allowed; it must be a positive whole number")
    students = _named(read_submissions(submissions))
    points = points_of(wanted) if wanted else points_of(_voted(path for _, path in students))
    seed = secrets.randbits(48) if seed is None else seed
    rules = Rules(points, seed, "plain", limits or Limits(), own, all_cells)
    rules = replace(rules, level=strongest(isolation))
    who = "1 student" if len(students) == 1 else f"{len(students)} students"
    yield f"{who}, {len(points)} exercises, {sum(points.values())} points; hidden cases: seed {seed}"
    yield f"isolation: {rules.level} ({MEANING[rules.level]})"
    if others := left_aside(submissions):
        yield f"left aside, nobody's work: {', '.join(others[:20])}{' ...' if len(others) > 20 else ''}"
    marks = {}
    for made in mark_all(students, rules, jobs):
        marks[made.student] = made
        flags = f", {len(made.flags)} to look at" if made.flags else ""
        yield f"{made.student}: {made.points:g} of {made.full:g} in {made.seconds:.1f} s{flags}"
    ordered = [marks[student] for student, _ in students]
    write_marks(out, ordered)
    folder = f"{os.path.splitext(os.fspath(out))[0]}-feedback"
    os.makedirs(folder, exist_ok=True)
    for made, name in zip(ordered, _file_names([student for student, _ in students]), strict=True):
        _write(os.path.join(folder, name), feedback(made))
    yield f"marks: {out}; feedback: {folder}"


MEANING = {
    "walls": "no network, no other process, nothing of the file system but Python and the lesson's packages",
    "user": "another user; the network is blocked in Python only, and files that all may read can be read",
    "plain": "limits alone: what runs could read and write what you can; use a container",
}


def points_of(wanted) -> dict[str, int]:
    """Exercise -> points, of lessons by name or number.  Raises ValueError for a lesson without checks."""
    by_lesson: dict[str, list] = {}
    for name, lesson in lessons().items():
        by_lesson.setdefault(lesson, []).append(name)
    found = {}
    for asked in wanted:
        name = lesson_name(asked)
        name = f"{int(name):02}" if name.isdecimal() else name
        chosen = next((lesson for lesson in by_lesson if name in (lesson, lesson.partition("_")[0])), None)
        if chosen is None:
            raise ValueError(f"lesson {asked!r} has no checks; allowed is one of {', '.join(sorted(by_lesson))}")
        found |= {name: POINTS_PER_LEVEL * check.CHECKS[name].level for name in by_lesson[chosen]}
    return found


def _voted(paths) -> list[str]:
    """The lessons of which at least half of those who call any check call one."""
    lesson_of, votes, voters = lessons(), Counter(), 0
    for path in paths:
        called = {m.decode() for text in texts(path) for m in re.findall(rb"\bcheck\.(\w+)", text)}
        mine = {lesson_of[name] for name in called if name in lesson_of}
        votes.update(mine)
        voters += bool(mine)
    found = sorted(lesson for lesson, count in votes.items() if 2 * count >= voters)
    if not found:
        raise ValueError("no student calls a check of a lesson; name the lessons: --lessons 03")
    return found


# ---- all students ----------------------------------------------------------------------------------------------------


def mark_all(students, rules: Rules, jobs: int = 1, seconds: float | None = None) -> Iterator[StudentMarks]:
    """Marks as they come, each student in one of `jobs` marker processes; one that dies takes nobody along.

    students: (name, path); seconds: after which a marker is given up, by default what `rules` allow and a minute.
    """
    seconds = rules.limits.total + SPARE if seconds is None else seconds
    left = dict(students)
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(min(jobs, len(left)), spawn) as pool:
            futures = {pool.submit(_task, name, path, rules, seconds): name for name, path in students}
            for future in as_completed(futures):
                made = future.result()
                del left[made.student]
                yield made
    except BrokenProcessPool:
        pass
    for name, path in left.items():  # one of them ended its marker: each gets a marker of its own
        try:
            with ProcessPoolExecutor(1, spawn) as pool:
                made = pool.submit(_task, name, path, rules, seconds).result()
        except BrokenProcessPool:
            made = _none(name, rules, "marking it ended the marker's process")
        yield made


def _task(name, path, rules: Rules, seconds) -> StudentMarks:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)  # nobody catches it: this process ends
    try:
        return mark_student(name, path, rules)
    except Exception as error:
        return _none(name, rules, f"marking it failed with {type(error).__name__}: {error}")
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def _none(name, rules, why) -> StudentMarks:
    answers = [Answer(n, full=full, message=f"{n}: was not marked.") for n, full in rules.points.items()]
    return StudentMarks(name, answers, ["this could not be marked; ask your instructor"], [why])


# ---- what is written -------------------------------------------------------------------------------------------------


def write_marks(out, marks: list[StudentMarks]) -> None:
    """A line for each student: points, what they are of, points of each exercise, flags and notes."""
    names = [a.name for a in marks[0].answers]
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    with replacing(os.fspath(out)) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["student", "points", "of", *names, "flags", "notes"])
        for made in marks:
            row = [made.student, made.points, made.full, *(a.points for a in made.answers)]
            table.writerow([_cell(x) for x in (*row, "; ".join(made.flags), "; ".join(made.notes))])


def _cell(x) -> str:
    """No spreadsheet shall take what a student wrote for a formula."""
    text = f"{x:g}" if isinstance(x, (int, float)) else _plain(x)
    return f"'{text}" if text[:1] in tuple("=+-@") and not isinstance(x, (int, float)) else text


def _plain(text) -> str:
    return "".join(c if c.isprintable() else " " for c in str(text)).encode("utf-8", "replace").decode()


def feedback(marks: StudentMarks) -> str:
    """For the student, in Markdown: points, and for each exercise what is wrong, with the hint."""
    lines = [f"# Feedback for {_quoted(marks.student)}", "", f"{marks.points:g} of {marks.full:g} points.", ""]
    lines += ["| exercise | points | of |", "|---|---|---|"]
    lines += [f"| `{a.name}` | {a.points:g} | {a.full:g} |" for a in marks.answers]
    for answer in marks.answers:
        if not answer.ok or answer.points < answer.full:
            lines += ["", f"## `{answer.name}`", "", *_block(answer.message)]
            more = [rung for rung in answer.rungs if rung not in answer.message]
            if more:
                lines += ["", "To go on:", "", *_block("\n".join(more))]
    if marks.notes:
        lines += ["", "## Notes", "", *_block("\n".join(marks.notes))]
    return "\n".join(lines) + "\n"


def _block(text) -> list[str]:
    """Text that stays text, whatever a student put into it."""
    return [f"    {_plain(line)}" for line in text.split("\n")]


def _quoted(name) -> str:
    return "`" + _plain(name).replace("`", "'") + "`"


def _write(path, text):
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text)


def _named(students) -> list[tuple[str, str]]:
    """Names that differ, also where a folder and a notebook are called alike."""
    counts = Counter(_plain(name) for name, _ in students)
    return [
        (_plain(name) if counts[_plain(name)] == 1 else f"{_plain(name)} ({_plain(os.path.basename(path))})", path)
        for name, path in students
    ]


def _file_names(names) -> list[str]:
    """A file for each, on every file system: names that are not plain, or alike but for case, get a digest behind."""
    plain = [re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name))[:60] for name in names]
    counts = Counter(p.casefold() for p in plain)
    return [
        f"{p}.md" if p == name and counts[p.casefold()] == 1
        else f"{p}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.md"
        for p, name in zip(plain, names, strict=True)
    ]  # fmt: skip
