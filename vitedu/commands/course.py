"""`vitedu course COMMAND ...`: for instructors.  Described in docs/teaching.md."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
from typing import Annotated, Literal

from vitedu_numpy.validate import did_you_mean

from .arguments import Usage, read, writable

__all__ = ["course"]

HELP = """vitedu course COMMAND ...

  release [NOTEBOOK ...] --out FOLDER [--format plain|nbgrader|otter]   notebooks for students: stubs, no solutions
  grade SUBMISSIONS --out marks.csv [--lessons 03] [--jobs 2]   marks, each student in a process behind walls
  gradescope --lessons 03 --out autograder.zip                  the same for Gradescope

`vitedu course COMMAND --help` says more.
"""


def course(arguments) -> int:
    """Carry out one of the table below; returns its exit code."""
    arguments = list(arguments)
    command = arguments.pop(0) if arguments else "--help"
    if command in ("-h", "--help"):
        print(HELP, end="")
        return 0
    if command not in _COMMANDS:
        hint = did_you_mean(command, _COMMANDS)
        raise Usage(f"command {command!r} is not known; {hint}allowed is one of {', '.join(_COMMANDS)}")
    return _COMMANDS[command](arguments) or 0


def _release(arguments) -> int:
    import tyro

    Notebooks = Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="NOTEBOOK")]

    def release(
        notebooks: Notebooks = (),
        *,
        out: str,
        format: Literal["plain", "nbgrader", "otter"] = "plain",
        source: str = "notebooks",
        update: bool = False,
        seed: int | None = None,
    ):
        """Write notebooks for students: with stubs and checks, without solutions and what speaks of them.

        Args:
            notebooks: files, or names or numbers of lessons (03, 03_attention); none: all of `source`.
            out: folder to write to.
            format: plain notebooks, a course folder of nbgrader, or master notebooks for `otter assign`.
            source: the folder of the lessons.
            update: where a student has changed a notebook, renew the lesson around the student's cells.
            seed: of the hidden cases of nbgrader and otter; one is drawn where none is given.
        """
        return locals()

    found = read(release, arguments, "vitedu course release")
    writable(found["out"])
    from ..course.release import release as carry_out

    for line in carry_out(**found):
        print(line)
    return 0


def _grade(arguments) -> int:
    import tyro

    Folder = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SUBMISSIONS")]

    def grade(
        submissions: Folder,
        *,
        out: str,
        lessons: tuple[str, ...] = (),
        jobs: int = 1,
        own: Literal["accept", "flag", "zero"] = "flag",
        isolation: Literal["auto", "walls", "user", "plain"] = "auto",
        seed: int | None = None,
        seconds: float = 180,
        call: float = 10,
        memory: float = 2,
        all_cells: bool = False,
    ):
        """Mark what students handed in: a table with a line for each, and a folder of feedback beside it.

        Args:
            submissions: a folder that has, for each student, a folder, a notebook, a .py file or a zip.
            out: the table to write, marks.csv.
            lessons: names or numbers (03, 03_attention); none: those that at least half of the students call checks of.
            jobs: students that are marked at the same time.
            own: where the package's own function is the answer: say nothing, tell the instructor, or give no points.
            isolation: walls (namespaces), user (another user), plain (limits alone); auto: the strongest that works.
            seed: of the hidden cases, to mark again with the same; a new one is drawn where none is given.
            seconds: for one student, all in all.
            call: seconds for one call of an answer.
            memory: GB for one student's processes together.
            all_cells: run every cell of a notebook, not only those that answers depend on.
        """
        return locals()

    found = read(grade, arguments, "vitedu course grade")
    writable(found["out"])
    from ..course.grade import grade as carry_out
    from ..course.process import Limits

    found["wanted"] = found.pop("lessons")
    total, case, memory = (found.pop(name) for name in ("seconds", "call", "memory"))
    for name, value in (("seconds", total), ("call", case), ("memory", memory)):
        if not value > 0:
            raise Usage(f"{name}={value} is not allowed; {name} must be a positive number")
    found["limits"] = Limits(case=case, total=total, memory=memory)
    for line in carry_out(**found):
        print(line, flush=True)
    return 0


def _gradescope(arguments) -> int:
    def gradescope(
        *,
        out: str,
        lessons: tuple[str, ...],
        own: Literal["accept", "flag", "zero"] = "flag",
        seconds: float = 480,
        torch: bool = False,
    ):
        """Write the zip that Gradescope asks for: it marks by the same rules, and always leaves a result in time.

        Args:
            out: the zip to write.
            lessons: names or numbers (03, 03_attention).
            own: where the package's own function is the answer: say nothing, tell the instructor, or give no points.
            seconds: for one submission, all in all; well below the limit that is set in Gradescope (600 by default).
            torch: install PyTorch too, for answers that import it.
        """
        return locals()

    found = read(gradescope, arguments, "vitedu course gradescope")
    writable(found["out"])
    from ..course.gradescope import write_autograder

    found["wanted"] = found.pop("lessons")
    for line in write_autograder(**found):
        print(line)
    return 0


_COMMANDS = {"release": _release, "grade": _grade, "gradescope": _gradescope}
