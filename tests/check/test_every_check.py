"""What holds for every check: no answer leaves the student without a word.

That each mistake is called by its name is looked at in test_every_mistake.py.  Right answers in other styles, and the
mistakes made again in other words, stand in the file of each topic.
"""

from __future__ import annotations

import copy
import inspect
import runpy
from pathlib import Path

import numpy as np
import pytest

from vitedu.check import CHECKS
from vitedu_numpy.layers.patches import patchify

each_check = pytest.mark.parametrize("check", [pytest.param(c, id=name) for name, c in CHECKS.items()])


@each_check
def test_the_reference_is_right(check, assert_right):
    assert_right(check.name, check.reference)


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
            assert len(verdict.rungs) == 3


def _arrays(argument) -> list:
    parts = list(argument.values()) if isinstance(argument, dict) else argument
    parts = parts if isinstance(parts, (list, tuple)) else [parts]
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
@pytest.mark.usefixtures("no_long_search")
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


def test_what_is_written_but_not_returned_is_found(assert_named):
    def clip_in_place(gradients, max_norm):
        length = np.sqrt(sum((g**2).sum() for g in gradients))
        for g in gradients:
            g *= min(1, max_norm / length)

    assert_named("clip", clip_in_place, "nothing is returned: what was computed is written into `gradients`")


def test_a_pair_among_numbers_is_suspected(unknown):
    """NumPy cannot make one array of (result, cache)."""

    def my_patch_embedding(x, weight, bias, P):
        return np.asarray(patchify(x, P)) @ weight.T + bias

    assert "a pair is used as if it were an array" in unknown("patch_embedding", my_patch_embedding)


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
