"""The mark of one student: the answers run in a process of their own, their results are compared here.

The hidden cases are drawn here and their right results computed here; only the arguments leave this process.
"""

from __future__ import annotations

import copy
import hashlib
import time
import warnings
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from .. import check
from ..check.progress import lessons
from ..check.running import TookTooLong
from .own import own_use, unusual
from .process import Ended, Limits, StudentProcess, as_error
from .rubric import points
from .statements import asked, defined, is_hidden, needed, registered
from .submission import Submission, read_submission

__all__ = ["Answer", "Rules", "StudentMarks", "mark_student"]

RESTARTS = 12  # of one part's process


@dataclass(frozen=True)
class Rules:
    """How all students are marked.

    points: exercise -> what a right answer gives; secret: draws the hidden cases; level: of isolation; own: what is
    done where the package's own function is the answer: "accept" says nothing, "flag" tells the instructor, "zero"
    gives no points; all_cells: run every cell, needed or not.
    """

    points: dict
    secret: int
    level: str
    limits: Limits = field(default_factory=Limits)
    own: str = "flag"
    all_cells: bool = False

    def __post_init__(self):
        if self.own not in ("accept", "flag", "zero"):
            raise ValueError(f"own={self.own!r} is not allowed; allowed is one of accept, flag, zero")
        unknown = [name for name in self.points if name not in check.CHECKS]
        if unknown:
            raise ValueError(f"points name {', '.join(unknown)}, which is no check")

    def seed(self, name: str) -> int:
        """Of an exercise's hidden cases: the same for all students."""
        return int.from_bytes(hashlib.sha256(f"{self.secret}:{name}".encode()).digest()[:6], "big")


@dataclass
class Answer:
    """One exercise of one student: points, the message of the check, the name of the mistake, what the package did."""

    name: str
    points: float = 0.0
    full: float = 0.0
    ok: bool = False
    message: str = ""
    mistake: str | None = None
    rungs: tuple = ()
    own: str | None = None
    tried: bool = False  # it is more than a stub

    @property
    def worth(self) -> tuple:
        """By which the better of two answers is found: a wrong one says more than a stub."""
        return self.points, self.tried


@dataclass
class StudentMarks:
    """All of one student.  notes: for the student and the instructor; flags: for the instructor alone."""

    student: str
    answers: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    flags: list = field(default_factory=list)
    seconds: float = 0.0

    @property
    def points(self) -> float:
        return round(sum(a.points for a in self.answers), 2)

    @property
    def full(self) -> float:
        return round(sum(a.full for a in self.answers), 2)


@dataclass
class _Played:
    """What came back of one answer."""

    ran: list = field(default_factory=list)
    todo: bool = False
    lost: bool = False  # it took its process along
    called: str = ""
    used: set = field(default_factory=set)


def mark_student(student: str, path: str, rules: Rules) -> StudentMarks:
    """Read, run, compare.  Whatever is handed in, there is a mark for every exercise."""
    began = time.monotonic()
    marks = StudentMarks(student)
    submission = read_submission(student, path)
    marks.notes += submission.problems
    best: dict[str, Answer] = {}
    found_in: dict[str, list] = {}
    until = began + rules.limits.total
    for part in submission.parts:
        marks.notes += part.problems
        for answer in _mark_part(part, submission, rules, marks, until):
            if answer.tried:
                found_in.setdefault(answer.name, []).append(part.name)
            if answer.name not in best or answer.worth > best[answer.name].worth:
                best[answer.name] = answer
    if twice := {name: files for name, files in found_in.items() if len(files) > 1}:
        files = ", ".join(dict.fromkeys(_short(f) for files in twice.values() for f in files))
        marks.notes.append(f"{', '.join(twice)}: answered in several files ({files}); of each the best counts")
    if not found_in and (elsewhere := _elsewhere(submission, rules)):
        marks.notes.append(f"what was handed in answers {elsewhere}, which is not what is marked here")
    for name, full in rules.points.items():
        marks.answers.append(best.get(name) or Answer(name, full=full, message=f"{name}: no answer was found."))
    marks.notes, marks.flags = list(dict.fromkeys(marks.notes)), list(dict.fromkeys(marks.flags))
    marks.seconds = time.monotonic() - began
    return marks


def _mark_part(part, submission: Submission, rules: Rules, marks, until) -> list[Answer]:
    everything = [(s.label, s.source) for s in part.statements]
    names = registered(part, set(rules.points))
    if not everything:
        return []
    wanted = set(rules.points)
    by_name = defined(part, wanted)
    blocks = everything if rules.all_cells else needed(part, wanted)
    played = _run(blocks, submission.files, list(rules.points), by_name, rules, marks.notes, until)

    def once_more(blocks):
        """The answers that lacked a name: it was left out, or stands below.  Those that now do not."""
        again = [n for n in rules.points if n in names and _lacks_a_name(played.get(n))]
        is_time = again and time.monotonic() < until
        made = _run(blocks, submission.files, again, by_name, rules, [], until) if is_time else {}
        better = {n: found for n, found in made.items() if not _lacks_a_name(found)}
        played.update(better)
        return better

    if not rules.all_cells and is_hidden(part):
        once_more(everything)
    if below := once_more(needed(part, wanted, checks_last=True)):
        marks.notes.append(f"{', '.join(below)}: uses what stands below it; marked as if that had run before")
    return [_judge(name, part, names.get(name), found, rules, marks) for name, found in played.items()]


def _lacks_a_name(found) -> bool:
    return found is None or any(isinstance(result, NameError) for result, _ in found.ran)


def _elsewhere(submission, rules) -> str:
    """The lessons whose checks are called, where they are none of those that are marked."""
    lesson_of = lessons()
    called = {name for part in submission.parts for name in asked(part, set(lesson_of))}
    return "" if called & set(rules.points) else ", ".join(sorted({lesson_of[name] for name in called}))


# ---- running ---------------------------------------------------------------------------------------------------------


def _run(blocks, files, names, by_name, rules: Rules, notes, until) -> dict[str, _Played]:
    """Play every answer; where the process ends before its time, a new one goes on with the next answer.

    names: of exercises; by_name: exercise -> the name that the source gives its answer.
    """
    played: dict[str, _Played] = {}
    if not blocks:
        return played
    by_name = [[name, by_name[name]] for name in names if name in by_name]
    without: set[int] = set()
    for _ in range(RESTARTS):
        lost = {name for name, found in played.items() if found.lost}
        try:
            with StudentProcess(rules.level, rules.limits, until - time.monotonic()) as process:
                answered = partial(_play, played, lost, process, rules)
                stopped = process.load(blocks, files, names, by_name, without, answered)
        except Ended as ended:
            if time.monotonic() >= until:
                notes.append(
                    f"time was over after {rules.limits.total:g} seconds; what had not run by then has no points"
                )
            if ended.name is not None:
                _end(played[ended.name], ended.name, ended.why, rules)
            elif ended.at is not None and ended.at < len(blocks) and ended.at not in without:
                without.add(ended.at)
                notes.append(f"{blocks[ended.at][0]} was left out: {_WHY[ended.why]}")
            else:
                break
            if time.monotonic() >= until:
                break
        else:
            alike: dict[str, list] = {}
            for label, kind, text in (s for s in stopped if len(s) == 3):
                alike.setdefault(f"{_short(kind)}: {_short(text)}", []).append(_short(label))
            notes += [f"{'; '.join(labels)} stopped: {why}" for why, labels in alike.items()]
            break
    return played


_WHY = {
    "time": "it took too long", "memory": "it used too much memory", "itself": "it ended its process",
    "message": "it wrote on the marker's line",
}  # fmt: skip


class ProcessEnded(RuntimeError):
    """The process ended while the answer ran."""


def _play(played, lost, process, rules: Rules, name):
    """Every case of one answer, unless it has ended a process before; of several answers the last counts."""
    if name in lost:
        return
    found, before = _Played(), played.get(name)
    played[name] = found
    for args in check.CHECKS[name].cases(np.random.default_rng(rules.seed(name))):
        reply = process.ask(args)
        found.called = _short(reply.get("called", "")) or found.called
        if reply.get("todo") is True:
            found.todo = True
            if before is not None and before.ran and not before.todo:
                played[name] = before  # the stub, once more below an answer
            return
        if reply.get("late") is True:
            found.ran.append((_late(rules), args))
            return
        if "error" in reply:
            found.ran.append((as_error(reply), args))
            continue
        if "result" not in reply:
            raise Ended("message")
        after = list(copy.deepcopy(args))
        changed = reply.get("after")
        for i, value in changed.items() if isinstance(changed, dict) else ():
            if i.isdecimal() and len(i) < 4 and int(i) < len(after) and isinstance(value, type(after[int(i)])):
                after[int(i)] = value
        used = reply.get("used")
        found.used |= {_short(u) for u in used if isinstance(u, str)} if isinstance(used, list) else set()
        found.ran.append((reply["result"], tuple(after)))


def _late(rules) -> TookTooLong:
    return TookTooLong(f"it was still running after {rules.limits.case:g} seconds; is there a loop without an end?")


def _end(found: _Played, name, why, rules: Rules):
    """The cases that could not be run any more."""
    found.lost = True
    left = check.CHECKS[name].cases(np.random.default_rng(rules.seed(name)))[len(found.ran) :]
    if why == "time":
        found.ran += [(_late(rules), args) for args in left[:1]]
        return
    what = {"memory": f"it used more than {rules.limits.memory:g} GB of memory", "itself": "it ended its process",
            "message": "it sent something that is no result"}[why]  # fmt: skip
    found.ran += [(ProcessEnded(what), args) for args in left]


# ---- comparing -------------------------------------------------------------------------------------------------------


def _judge(name, part, expression, found: _Played, rules: Rules, marks) -> Answer:
    full, chosen, seed = rules.points[name], check.CHECKS[name], rules.seed(name)
    answer = Answer(name, full=full)
    if found.todo or not found.ran:
        answer.message = f"{name}: still to do."
        return answer
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            verdict = chosen.judge(found.ran, seed, found.called)
            right = chosen.cases_right(found.ran, seed)
    except Exception as error:  # what a student returned must not end the marking of all
        answer.message = f"{name}: the results cannot be compared."
        marks.flags.append(f"{name}: comparing the results failed with {type(error).__name__}: {_short(error)}")
        return answer
    answer.tried = True
    answer.ok, answer.mistake, answer.rungs = verdict.ok, verdict.mistake, verdict.rungs
    answer.message = verdict.message
    answer.points = points(full, right, verdict.ok)
    if rules.own != "accept":
        answer.own = own_use(part, name, expression, found.used)
    if strange := unusual(part, expression):
        marks.flags.append(f"{name}: the answer uses {', '.join(f'`{s}`' for s in strange)}")
    if answer.own:
        marks.flags.append(f"{name}: {answer.own}")
        if rules.own == "zero":
            answer.points = 0.0
            answer.message += "\n  No points: the answer is the package's own function, not one of yours."
    return answer


def _short(text) -> str:
    return "".join(c if c.isprintable() else " " for c in str(text)[:300]).encode("utf-8", "replace").decode()
