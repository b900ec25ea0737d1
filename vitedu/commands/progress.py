"""`vitedu progress`: which exercises are done.  Reads the one local file that checks write; nothing is sent."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
__all__ = ["progress"]


def progress(arguments) -> int:
    """Returns 0."""
    import tyro

    def progress(*, all: bool = False):
        """Which exercises of the notebooks are done, with level (1 easy, 3 a stretch) and minutes.

        Args:
            all: also the notebooks in which nothing was tried yet.
        """
        return all

    show_all = tyro.cli(progress, args=arguments, prog="vitedu progress")
    from ..check import CHECKS
    from ..check.progress import file, lessons, read

    known, done, minutes = read(), 0, 0
    exercises = [(lesson, CHECKS[name]) for name, lesson in lessons().items()]
    for notebook in dict.fromkeys(notebook for notebook, _ in exercises):
        here = [check for n, check in exercises if n == notebook]
        finished = [c for c in here if known.get(c.name, {}).get("done")]
        done += len(finished)
        minutes += sum(c.minutes for c in here if c not in finished)
        if not show_all and not any(c.name in known for c in here):
            continue
        print(f"{notebook}: {len(finished)} of {len(here)}")
        for check in here:
            print(_line(check, known.get(check.name)))
    print(f"{done} of {len(exercises)} exercises done; the others take about {round(minutes / 60)} hours.")
    print(f"Kept in {file()}." if file() else "Not kept: VITEDU_PROGRESS is off.")
    return 0


def _line(check, entry) -> str:
    mark = "x" if entry and entry["done"] else " "
    tail = ""
    if entry:
        tries = "one try" if entry["tries"] == 1 else f"{entry['tries']} tries"
        tail = f"   done {entry['done']}, {tries}" if entry["done"] else f"   {tries}"
    return f"  [{mark}] {check.name:32} level {check.level}, about {check.minutes:2} minutes{tail}"
