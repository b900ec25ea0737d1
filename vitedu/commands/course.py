"""`vitedu course COMMAND ...`: for instructors.  Described in docs/teaching.md."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
from typing import Annotated, Literal

from vitedu_numpy.validate import did_you_mean

from .arguments import Usage, read, writable

__all__ = ["course"]

HELP = """vitedu course COMMAND ...

  release [NOTEBOOK ...] --out FOLDER [--format plain|nbgrader|otter]   notebooks for students: stubs, no solutions

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


_COMMANDS = {"release": _release}
