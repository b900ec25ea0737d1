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

    known, of_notebooks, others, minutes = read_progress(), [0, 0], [0, 0], 0
    exercises = [(lesson, CHECKS[name]) for name, lesson in lessons().items()]
    for notebook in dict.fromkeys(notebook for notebook, _ in exercises):
        here = [check for n, check in exercises if n == notebook]
        finished = [c for c in here if known.get(c.name, {}).get("done")]
        counted = others if notebook == FURTHER else of_notebooks
        counted[0] += len(finished)
        counted[1] += len(here)
        minutes += sum(c.minutes for c in here if c not in finished) * (notebook != FURTHER)
        if not show_all and not any(c.name in known for c in here):
            continue
        words = ", whose answers the notebooks print" if notebook == FURTHER else ""
        print(f"{notebook}{words}: {len(finished)} of {len(here)}")
        for check in here:
            print(_line(check, known.get(check.name)))
    done, all_of_them = of_notebooks
    print(
        f"{done} of {all_of_them} exercises of the notebooks done; the others take about {round(minutes / 60)} hours.  "
        f"{others[0]} of {others[1]} further ones."
    )
    print(f"Kept in {file()}." if file() else "Not kept: VITEDU_PROGRESS is off.")
    return 0


def _line(check, entry) -> str:
    mark = "x" if entry and entry["done"] else " "
    tail = ""
    if entry:
        tries = "one try" if entry["tries"] == 1 else f"{entry['tries']} tries"
        tail = f"   done {entry['done']}, {tries}" if entry["done"] else f"   {tries}"
    return f"  [{mark}] {check.name:32} level {check.level}, about {check.minutes:2} minutes{tail}"
