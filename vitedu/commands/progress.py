"""`vitedu progress`: which exercises are done.  Reads the one local file that checks write; nothing is sent."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
from .arguments import read

__all__ = ["progress"]


def progress(arguments) -> int:
    """Returns 0."""

    def progress(*, all: bool = False):
        """Which exercises of the notebooks are done, with level (1 easy, 3 a stretch) and minutes.

        Args:
            all: also the notebooks in which nothing was tried yet.
        """
        return all

    show_all = read(progress, arguments, "vitedu progress")
    from ..check import CHECKS
    from ..check.progress import FURTHER, file, lessons
    from ..check.progress import read as read_progress

    known = read_progress()
    exercises = [(lesson, CHECKS[name]) for name, lesson in lessons().items()]

    def done(checks) -> int:
        return sum(bool(known.get(c.name, {}).get("done")) for c in checks)

    for notebook in dict.fromkeys(notebook for notebook, _ in exercises):
        here = [check for n, check in exercises if n == notebook]
        if not show_all and not any(c.name in known for c in here):
            continue
        words = ", whose answers the notebooks print" if notebook == FURTHER else ""
        print(f"{notebook}{words}: {done(here)} of {len(here)}")
        for check in here:
            print(_line(check, known.get(check.name)))
    asked = [check for n, check in exercises if n != FURTHER]
    further = [check for n, check in exercises if n == FURTHER]
    hours = round(sum(c.minutes for c in asked if not done([c])) / 60)
    print(f"{done(asked)} of {len(asked)} exercises of the notebooks done; the others take about {hours} hours.")
    print(f"{done(further)} of {len(further)} further ones.")
    print(f"Kept in {file()}." if file() else "Not kept: VITEDU_PROGRESS is off.")
    return 0


def _line(check, entry) -> str:
    mark = "x" if entry and entry["done"] else " "
    tail = ""
    if entry:
        tries = "one try" if entry["tries"] == 1 else f"{entry['tries']} tries"
        tail = f"   done {entry['done']}, {tries}" if entry["done"] else f"   {tries}"
    return f"  [{mark}] {check.name:32} level {check.level}, about {check.minutes:2} minutes{tail}"
