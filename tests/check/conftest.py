"""How an answer is put to a check, by the check's name."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu.check import CHECKS


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    """Tests leave no trace in the home of whoever runs them."""
    monkeypatch.setenv("VITEDU_PROGRESS", "off")


@pytest.fixture
def no_long_search(monkeypatch):
    """What is said without a name, or of a single mistake, does not depend on how long pairs were tried."""
    monkeypatch.setattr("vitedu.check.slips.search.PAIRS", 0.0)


@pytest.fixture
def assert_right():
    """assert_right(name, answer): the check takes this answer."""

    def put(name, answer):
        verdict = CHECKS[name].verdict(answer)
        assert verdict.ok, verdict.message

    return put


@pytest.fixture
def assert_named():
    """assert_named(name, answer, words): the check knows this mistake, by a name that has these words in it."""

    def put(name, answer, words):
        verdict = CHECKS[name].verdict(answer)
        assert not verdict.ok
        assert verdict.mistake is not None, verdict.message
        assert words in verdict.mistake

    return put


@pytest.fixture
def unknown():
    """unknown(name, answer): what the check says of a wrong answer that is in no catalogue."""

    def put(name, answer):
        verdict = CHECKS[name].verdict(answer)
        assert (verdict.ok, verdict.todo, verdict.mistake) == (False, False, None), verdict.message
        return verdict.message

    return put


@pytest.fixture
def said():
    """said(name, answer): what the check says of a wrong answer, whether it has a name for it or not."""

    def put(name, answer):
        verdict = CHECKS[name].verdict(answer)
        assert not verdict.ok
        return verdict.message

    return put


@pytest.fixture
def in_float32():
    """in_float32(answer): the same answer, given its arrays in single precision."""

    def single(answer):
        return lambda *args: answer(*(a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args))

    return single
