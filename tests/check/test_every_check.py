"""What holds for every check: each mistake is called by its name, and no answer leaves the student without a word.

Right answers in other styles, and the mistakes made again in other words, stand in the file of each topic.
"""

from __future__ import annotations

import copy
import inspect
import runpy
from pathlib import Path

import numpy as np
import pytest

from vitedu.check import CHECKS

each_check = pytest.mark.parametrize("check", [pytest.param(c, id=name) for name, c in CHECKS.items()])
each_mistake = pytest.mark.parametrize(
    ("check", "mistake"), [pytest.param(c, m, id=f"{c.name}: {m.name}") for c in CHECKS.values() for m in c.mistakes]
)


@pytest.fixture(autouse=True)
def no_long_search(monkeypatch):
    """What is said without a name does not depend on how long pairs were tried."""
    monkeypatch.setattr("vitedu.check.slips.search.PAIRS", 0.02)


@each_check
def test_the_reference_is_right(check, assert_right):
    assert_right(check.name, check.reference)


@each_mistake
def test_every_mistake_of_the_catalogue_is_named(check, mistake):
    """Where two mistakes have the same numbers, both names stand there: `either ..., or ...`."""
    verdict = check.verdict(mistake.answer)
    assert not verdict.ok
    assert mistake.name in verdict.mistake
    assert "; and " not in verdict.mistake  # not as two mistakes
    assert mistake.hint in verdict.message
    assert len(verdict.rungs) >= 3


@each_check
def test_an_argument_that_was_written_into_is_named(check):
    """The numbers are right; what the caller gave is not what it was.  An exercise may allow it, by name."""
    args = check.cases(np.random.default_rng(check.seed))[0]
    names = list(inspect.signature(check.reference).parameters)
    for i, name in enumerate(names[: len(args)]):
        if not _arrays(args[i]):
            continue

        def my_answer(*args, i=i):
            result = check.reference(*copy.deepcopy(args))
            for array in _arrays(args[i]):
                array.flat[:1] = 1 - array.flat[:1]
            return result

        verdict = check.verdict(my_answer)
        if check.may_change is True or name in check.may_change:
            assert verdict.ok
        else:
            assert not verdict.ok
            assert verdict.mistake == f"`{name}` was changed"
            assert f"but `{name}` was changed" in verdict.message


def _arrays(argument) -> list:
    parts = (
        argument.values()
        if isinstance(argument, dict)
        else argument
        if isinstance(argument, (list, tuple))
        else [argument]
    )
    return [part for part in parts if isinstance(part, np.ndarray) and part.size and part.flags.writeable]


@each_check
def test_an_untouched_stub_is_still_to_do(check):
    def my_answer(*args):
        raise NotImplementedError

    verdict = check.verdict(my_answer)
    assert verdict.todo
    assert not verdict.ok
    assert verdict.message == f"{check.name}: still to do."


@each_check
def test_an_unknown_wrong_answer_shows_the_first_difference(check, unknown):
    """sin(1 + 3 right) is nobody's mistake."""

    def my_answer(*args):
        results = check.reference(*args)
        if isinstance(results, (tuple, list)):
            return [np.sin(1 + 3 * np.asarray(results[0], float)), *results[1:]]
        return np.sin(1 + 3 * np.asarray(results, float))

    message = unknown(check.name, my_answer)
    assert "not a mistake I know" in message
    assert next(iter(check.outputs)) in message
    assert "numbers differ" in message
    assert "The arguments were" in message
    assert len(check.verdict(my_answer).rungs) >= 3


@each_check
def test_a_crash_gives_a_readable_message(check, unknown):
    def my_answer(*args):
        return len(args) @ np.ones((97, 3))

    assert len(check.verdict(my_answer).rungs) >= 3
    message = unknown(check.name, my_answer)
    assert "it stopped at `return len(args) @ np.ones((97, 3))` with ValueError: matmul" in message
    assert "The arguments were" in message


@each_check
def test_a_forgotten_return_is_named(check, unknown):
    message = unknown(check.name, lambda *args: None)
    assert "is a `return` missing?" in message
    assert all(output in message for output in check.outputs)


@each_check
def test_a_right_answer_that_changes_an_argument_is_not_yet_right(check):
    """Unless the exercise allows it: an optimiser may write into its weights."""
    changed = []

    def my_answer(*args):
        results = check.reference(*args)
        results = [np.array(r) for r in results] if isinstance(results, (tuple, list)) else np.array(results)
        for i, arg in enumerate(args):
            if isinstance(arg, np.ndarray) and arg.dtype.kind == "f":
                arg += 1
                changed.append(i)
        return results

    verdict = check.verdict(my_answer)
    allowed = check.may_change is True or bool(check.may_change)
    assert verdict.ok == (not changed) or allowed
    assert verdict.ok or ("changed" in verdict.mistake and len(verdict.rungs) == 3)


def test_every_check_has_right_answers_in_another_style_and_mistakes_in_other_words():
    pytest.importorskip("torch")  # some of them are written in PyTorch
    right, again = set(), set()
    for path in Path(__file__).parent.glob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != Path(__file__).name and "RIGHT = [" in text and "AGAIN = [" in text:
            topic = runpy.run_path(str(path))
            right |= {name for name, _ in topic["RIGHT"]}
            again |= {name for name, _, _ in topic["AGAIN"]}
    assert right == set(CHECKS)
    assert again == set(CHECKS)
