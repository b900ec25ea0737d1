"""What an answer is worth: half of the points for the share of cases that are right, half for all of it being right.

    points = full * (right cases / cases + ok) / 2,     ok: 1 where the check says "right", else 0

So a function that is right where sizes happen to be equal gets something, and never most.  Every format marks by this
rule: `vitedu course grade` by `points`, nbgrader's cells by `mark`, otter's by `case_right` and `all_right`.  The last
three run the answer in the process they are called in, which is no wall against those who cheat.
"""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np

from .. import check
from ..check.remarks import first_difference
from ..check.running import guarded
from ..check.slips.compare import as_results

__all__ = ["all_right", "case_right", "cases_right", "count_cases", "mark", "points"]


def points(full: float, right, ok: bool) -> float:
    """right: for each case, is it right?  Raises ValueError without any case."""
    right = list(right)
    if not right:
        raise ValueError("right=[] is not allowed: without a case there is nothing to mark")
    return round(full * (sum(map(bool, right)) / len(right) + bool(ok)) / 2, 2)


def cases_right(name: str, answer, seed: int) -> list[bool]:
    """For each case that the check `name` draws with `seed`: is the answer's result right?"""
    return [case_right(name, answer, i, seed) for i in range(count_cases(name, seed))]


def count_cases(name: str, seed: int) -> int:
    return len(_cases(check.CHECKS[name], seed))


def case_right(name: str, answer, i: int, seed: int) -> bool:
    """Case number i alone, from 0."""
    chosen = check.CHECKS[name]
    try:
        with _silence():
            got, _, _ = guarded(answer, _cases(chosen, seed)[i])
    except NotImplementedError:
        return False
    if isinstance(got, Exception):
        return False
    got, wanted = (
        as_results(results, len(chosen.outputs)) for results in (got, chosen.reference(*_cases(chosen, seed)[i]))
    )
    return first_difference(got, wanted, chosen.outputs, chosen.tolerance) is None


def all_right(name: str, answer, seed: int) -> bool:
    """What the check says: all cases right, counts whole, no argument changed."""
    with _silence():
        return bool(check.CHECKS[name].verdict(answer, seed).ok)


def mark(name: str, answer, full: float, seed: int) -> float:
    """Points of `full`, by the rule above; prints what the check found."""
    with _silence():
        verdict = check.CHECKS[name].verdict(answer, seed)
    print(verdict.message)
    return points(full, [True] if verdict.ok else cases_right(name, answer, seed), verdict.ok)


def _cases(chosen, seed: int) -> list:
    """Drawn afresh each time: an answer may write into them."""
    return chosen.cases(np.random.default_rng(seed))


@contextlib.contextmanager
def _silence():
    """No warning, and nothing on stderr: nbgrader gives no points to a cell that wrote there."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
