"""What holds for every check: each mistake is called by its name, and no answer leaves the student without a word.

Right answers in other styles, and the mistakes made again in other words, stand in the file of each topic.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from vitedu.check import CHECKS

each_check = pytest.mark.parametrize("check", [pytest.param(c, id=name) for name, c in CHECKS.items()])
each_mistake = pytest.mark.parametrize(
    ("check", "mistake"), [pytest.param(c, m, id=f"{c.name}: {m.name}") for c in CHECKS.values() for m in c.mistakes]
)

# Checks with a mistake that can be made in several ways, which give different numbers: its name stands there for each.
SEVERAL_WAYS = {
    *("label_smoothing", "cross_entropy", "cross_entropy_backward", "sigmoid_cross_entropy", "clip"),
    *("gap_head_backward", "accumulate", "all_reduce"),
}


@each_check
def test_the_reference_is_right(check, assert_right):
    assert_right(check.name, check.reference)


@each_mistake
def test_every_mistake_of_the_catalogue_is_named(check, mistake):
    verdict = check.verdict(mistake.answer)
    assert not verdict.ok
    assert verdict.mistake == mistake.name
    assert mistake.hint in verdict.message


@each_check
def test_no_two_mistakes_have_the_same_name(check):
    names = [mistake.name for mistake in check.mistakes]
    assert (len(set(names)) < len(names)) == (check.name in SEVERAL_WAYS)


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
    def my_answer(*args):
        results = check.reference(*args)
        if isinstance(results, (tuple, list)):
            return [results[0] + 0.123, *results[1:]]
        return results + 0.123

    message = unknown(check.name, my_answer)
    assert "not a mistake I know" in message
    assert next(iter(check.outputs)) in message
    assert "numbers differ" in message
    assert "The arguments were" in message


@each_check
def test_a_crash_gives_a_readable_message(check, unknown):
    def my_answer(*args):
        return len(args) @ np.ones((97, 3))

    message = unknown(check.name, my_answer)
    assert "it stopped at `return len(args) @ np.ones((97, 3))` with ValueError: matmul" in message
    assert "The arguments were" in message


@each_check
def test_a_forgotten_return_is_named(check, unknown):
    message = unknown(check.name, lambda *args: None)
    assert "is a `return` missing?" in message
    assert all(output in message for output in check.outputs)


def test_every_check_has_right_answers_in_another_style_and_mistakes_in_other_words():
    pytest.importorskip("torch")  # some of them are written in PyTorch
    right, again = set(), set()
    for path in Path(__file__).parent.glob("test_*.py"):
        if path.name != Path(__file__).name:
            topic = runpy.run_path(str(path))
            right |= {name for name, _ in topic["RIGHT"]}
            again |= {name for name, _, _ in topic["AGAIN"]}
    assert right == set(CHECKS)
    assert again == set(CHECKS)
