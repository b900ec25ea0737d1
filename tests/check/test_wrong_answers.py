"""Every whole wrong function of the catalogue's first generation is still named, and by a name that somebody has read.

names.csv: exercise, its first name, its name now, and `perhaps` where the evidence is thin (a crash, zeros, NaN).
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vitedu.check import CHECKS
from vitedu.check.running import guarded

FOLDER = Path(__file__).parent / "wrong_answers"


def topics():
    """The files of wrong answers, as modules."""
    if "wrong_answers" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "wrong_answers", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
        )
        sys.modules["wrong_answers"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["wrong_answers"])
    return [importlib.import_module(f"wrong_answers.{path.stem}") for path in sorted(FOLDER.glob("[a-z]*.py"))]


def wrong_answers():
    for topic in topics():
        for name in topic.__all__:
            yield from getattr(topic, name).mistakes


def known_names() -> list[tuple[str, ...]]:
    with open(FOLDER / "names.csv", encoding="utf-8", newline="") as stream:
        return [tuple(row) for row in csv.reader(stream)][1:]


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: topic.__name__.partition(".")[2])
def test_each_is_called_by_the_name_that_was_read(topic):
    expected = {}
    for name, before, now, perhaps in known_names():
        expected.setdefault((name, before), []).append((now, perhaps))
    with np.errstate(all="ignore"):
        for name in topic.__all__:
            for before, answer in getattr(topic, name).mistakes:
                verdict = CHECKS[name].verdict(answer)
                said = (verdict.mistake or "", "" if verdict.sure else "perhaps")
                assert said in expected[name, before], f"{name}: {before}"


def test_other_cases_tell_all_of_them_from_the_right_answer_too():
    """Marks come from cases of a seed that nobody knows."""
    with np.errstate(all="ignore"):
        for topic in topics():
            for name in topic.__all__:
                check = CHECKS[name]
                for before, answer in getattr(topic, name).mistakes:
                    ran = [guarded(answer, args)[:2] for args in check.cases(np.random.default_rng(2**40 + 1))]
                    right = all(check.cases_right(ran, 2**40 + 1)) and check.judge(ran, 2**40 + 1).ok
                    assert not right, f"{name}: {before}"


def test_all_have_a_name_and_few_only_a_perhaps():
    rows = known_names()
    assert len(rows) == sum(1 for _ in wrong_answers()) > 990
    assert all(now for _, _, now, _ in rows)
    assert sum(perhaps != "" for *_, perhaps in rows) <= 32


def test_the_first_right_answers_are_right_still():
    """Another program, written without the second generation's lines."""
    for topic in topics():
        for name in topic.__all__:
            verdict = CHECKS[name].verdict(getattr(topic, name).reference)
            assert verdict.ok, verdict.message


def test_a_right_answer_takes_less_than_a_tenth_of_a_second():
    """Of this process's own time; the median of all checks is about a millisecond."""
    for name, check in CHECKS.items():
        check.verdict(check.reference)
        began = time.process_time()
        assert check.verdict(check.reference).ok
        assert time.process_time() - began < 0.1, name
