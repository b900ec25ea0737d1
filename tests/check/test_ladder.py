"""After a check, `check.hint()` gives one rung after the other: where, why, a smaller question; never the answer."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu import check
from vitedu.check import CHECKS, ladder


@pytest.fixture(autouse=True)
def nothing_was_checked(monkeypatch):
    monkeypatch.setattr(ladder, "_LAST", {"name": None, "rungs": (), "given": 0})


@pytest.fixture
def rungs(capsys):
    """rungs(n): the next n hints."""

    def climb(n):
        capsys.readouterr()
        for _ in range(n):
            check.hint()
        return capsys.readouterr().out.splitlines()

    return climb


def scale_forgotten(q, k, v):
    scores = q @ k.swapaxes(-1, -2)
    A = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    return A @ v


def test_where_then_why_then_a_smaller_question(rungs):
    check.attention(scale_forgotten)
    assert rungs(5) == [
        "attention, hint 1 of 4: y is not right in every case.",
        "attention, hint 2 of 4: Look at the scores.",
        "attention, hint 3 of 4: Which power of the size does the formula divide by, and are the numbers to become "
        "larger or smaller?",
        "attention, hint 4 of 4: If the size is 4, by how much should the numbers shrink?",
        "attention: that was the last hint. Explain your lines aloud, one by one, or come back tomorrow.",
    ]


def test_the_same_mistake_again_goes_on_where_the_ladder_was(rungs):
    check.attention(scale_forgotten)
    rungs(2)
    check.attention(scale_forgotten)
    assert rungs(1)[0].startswith("attention, hint 3 of 4")


def test_another_mistake_begins_below(rungs):
    check.attention(scale_forgotten)
    rungs(2)
    check.attention(lambda q, k, v: v)
    assert "hint 1 of" in rungs(1)[0]


def test_a_right_answer_and_a_stub_need_no_hint(rungs):
    def stub(q, k, v):
        raise NotImplementedError

    check.attention(CHECKS["attention"].reference)
    assert rungs(1) == ["attention is right: there is nothing to hint at."]
    check.attention(stub)
    assert rungs(1) == ["attention: write something first, however wrong; then there is something to say about it."]


def test_before_any_check(rungs):
    assert rungs(1) == ["Nothing was checked yet: call check.NAME(your_function) first, then check.hint()."]


def test_an_unknown_answer_and_a_crash_have_rungs_too():
    unknown = CHECKS["attention"].verdict(lambda q, k, v: np.sin(q))
    assert any("smallest case" in rung for rung in unknown.rungs)
    crash = CHECKS["attention"].verdict(lambda q, k, v: q.missing)
    assert "AttributeError says" in crash.rungs[1]


@pytest.mark.parametrize("check", [pytest.param(c, id=name) for name, c in CHECKS.items()])
def test_every_exercise_says_how_hard_and_how_long_it_is(check):
    assert check.level in (1, 2, 3)
    assert 5 <= check.minutes <= 60
