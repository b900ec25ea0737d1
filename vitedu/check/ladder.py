"""A ladder of hints: after `check.attention(f)`, each `check.hint()` gives the next rung, and never the answer.

First where it goes wrong, then why, then a smaller question.
"""

from __future__ import annotations

from . import progress

__all__ = ["hint", "remember"]

_LAST: dict = {"name": None, "rungs": (), "given": 0}


def remember(check, verdict) -> None:
    """What the last check found; the next `hint` speaks of it.  A right answer is noted in the progress file."""
    same = _LAST["name"] == check.name and _LAST["rungs"] == verdict.rungs
    _LAST.update(name=check.name, rungs=verdict.rungs, given=_LAST["given"] if same else 0, ok=verdict.ok)
    if not verdict.todo:
        progress.note(check.name, verdict.ok)


def hint() -> None:
    """Print the next hint for what was checked last."""
    name, rungs = _LAST["name"], _LAST["rungs"]
    if name is None:
        print("Nothing was checked yet: call check.NAME(your_function) first, then check.hint().")
    elif _LAST["ok"]:
        print(f"{name} is right: there is nothing to hint at.")
    elif not rungs:
        print(f"{name}: write something first, however wrong; then there is something to say about it.")
    elif _LAST["given"] >= len(rungs):
        print(f"{name}: that was the last hint. Explain your lines aloud, one by one, or come back tomorrow.")
    else:
        _LAST["given"] += 1
        print(f"{name}, hint {_LAST['given']} of {len(rungs)}: {rungs[_LAST['given'] - 1]}")
