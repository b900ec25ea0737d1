"""How many answers are named that nobody had in mind: fresh_answers.py, single and double mistakes.

At the first run 33 of 50 single and 41 of 51 double ones had a name; slips for sizes one off, for an argument added to
the answer and for halves, all orders of axes, and smaller lines in `conv2d` were written then.  students.py has more.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest

from vitedu.check import CHECKS

spec = importlib.util.spec_from_file_location("fresh_answers", Path(__file__).with_name("fresh_answers.py"))
fresh = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fresh)


@pytest.fixture(scope="module")
def seen():
    """(verdict, seconds of this process) of every answer."""
    made = {}
    with np.errstate(all="ignore"):
        for name, answer, _ in fresh.SINGLE + fresh.DOUBLE:
            began = time.process_time()
            verdict = CHECKS[name].verdict(answer)
            made[answer] = verdict, time.process_time() - began
    return made


@pytest.mark.parametrize(("answers", "least"), [(fresh.SINGLE, 41), (fresh.DOUBLE, 42)], ids=["single", "double"])
def test_most_have_a_name(answers, least, seen):
    """One less than counted, for machines on which the search for pairs is slower."""
    found = [seen[answer][0] for _, answer, _ in answers]
    assert not any(v.ok for v in found)
    assert sum(v.mistake is not None for v in found) >= least


def test_none_is_left_without_a_word(seen):
    for name, answer, _ in fresh.SINGLE + fresh.DOUBLE:
        verdict = seen[answer][0]
        assert verdict.mistake or "expected" in verdict.message or "stopped" in verdict.message, name
        assert len(verdict.rungs) >= 2


def test_a_verdict_takes_two_seconds_at_worst(seen):
    """Of this process's own time, the first one of an exercise included."""
    assert max(seconds for _, seconds in seen.values()) < 2.0
