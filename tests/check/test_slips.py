"""The engine behind exercises that are written in steps, on an exercise of a few lines."""

from __future__ import annotations

import importlib
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vitedu.check.engine import Check, Mistake
from vitedu.check.slips.exercise import exercise
from vitedu.check.slips.pattern import fill, match, pattern, source
from vitedu.check.slips.steps import softmax
from vitedu.check.slips.words import two_numbers


@exercise(
    cases=lambda rng: [(rng.normal(0, 1, (B, T)), rng.normal(0, 1, (B, T)), T) for B, T in ((2, 3), (4, 5), (3, 2))],
    outputs={"y": "(B,)", "n": "()"},
)  # fmt: skip
def weighted(scores, values, count):
    """A mean of `values` with softmax weights, and how many there are."""
    T = scores.shape[1]
    A = softmax(scores / np.sqrt(T))  # the weights
    y = (A * values).sum(axis=1)  # the mean
    n = count + 0  # the count
    return y, n


weighted.slip("everything is zero", "Is anything written into the result?", y="0 * values[:, 0]")


def soft(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def answer(root=np.sqrt, weights=soft, reduce=np.sum, count=lambda n: n):
    def weighted(scores, values, n):
        return reduce(weights(scores / root(scores.shape[1])) * values, axis=1), count(n)

    return weighted


# ---- patterns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "bound"),
    [
        ("X / np.sqrt(Y)", "q @ k / np.sqrt(h * d)", {"X": "q @ k", "Y": "h * d"}),
        ("X / np.sqrt(Y)", "q @ k / (h * d)", None),
        ("X - X.mean(axis=A)", "x - x.mean(axis=(0, 1))", {"X": "x", "A": "(0, 1)"}),
        ("X - X.mean(axis=A)", "x - z.mean(axis=0)", None),  # a capital is one thing everywhere
        ("softmax(X)", "softmax(X, -2)", None),
    ],
)
def test_a_capital_stands_for_any_expression(text, code, bound):
    found = match(pattern(text), pattern(code))
    assert (found and {capital: source(node) for capital, node in found.items()}) == bound


def test_what_was_found_is_filled_in():
    assert (
        source(fill(pattern("X * np.sqrt(Y)"), match(pattern("X / Y"), pattern("(a + b) / c"))))
        == "(a + b) * np.sqrt(c)"
    )


# ---- one mistake, two, and none that is known ------------------------------------------------------------------------


def test_a_right_answer_in_another_form():
    assert weighted.verdict(lambda s, v, n: (np.einsum("bt,bt->b", soft(s / s.shape[1] ** 0.5), v), n)).ok


def test_the_place_and_the_mistake_are_named():
    verdict = weighted.verdict(answer(root=lambda n: n))
    assert verdict.mistake == "in the weights, divided by `T`, not by its square root"
    assert "Hint: Which power of the size" in verdict.message


def test_two_mistakes_in_one_result():
    verdict = weighted.verdict(answer(root=lambda n: n, reduce=np.mean))
    one, two = (
        "in the weights, divided by `T`, not by its square root",
        "in the mean, `A * values` is averaged, not summed",
    )
    assert verdict.mistake == f"{one}; and {two}"
    assert "two mistakes" in verdict.message


def test_a_mistake_for_each_result():
    verdict = weighted.verdict(answer(root=lambda n: 1, count=lambda n: n + 1))
    assert "the division by the root of `T` is missing; and n is one too large" in verdict.mistake


def test_zeros_are_no_evidence():
    """Many mistakes end in zeros: a name is offered, not asserted."""
    verdict = weighted.verdict(lambda s, v, n: (np.zeros(len(s)), n))
    assert verdict.mistake == "everything is zero"
    assert not verdict.sure
    assert "This could be: everything is zero." in verdict.message


def test_a_crash_is_no_evidence_either():
    verdict = weighted.verdict(lambda s, v, n: (soft(s) @ v, n))
    assert "it stopped" in verdict.message
    assert not verdict.sure


def test_what_can_be_said_without_a_name():
    verdict = weighted.verdict(answer(reduce=lambda x, axis: 0.3 * x.sum(axis)))
    assert verdict.mistake is None
    assert verdict.remarks == ("n is right.", "y: it is the right one times 0.3, in every case; the rest is right.")
    sizes = weighted.verdict(lambda s, v, n: (answer()(s, v, n)[0] * 7 / n**2, n))
    assert sizes.remarks[0] == "n is right."
    assert "in turn" in sizes.remarks[1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda x: x.T.copy() + 0.0, "a transpose makes it right"),
        (lambda x: x + 5.0, "the same number, 5, is added everywhere"),
        (lambda x: np.trunc(x), "cut off to whole numbers"),
        (lambda x: x[:, ::-1], "axis 1 is turned round"),
        (lambda x: np.roll(x, 1, 0), "along axis 0 everything is one place off"),
        (lambda x: np.sort(x, axis=None).reshape(x.shape), "the right numbers are all there, in the wrong places"),
        (lambda x: x[..., None] * [0.5, 0.5], "it is not yet summed over axis 2"),
        (lambda x: x.sum(1), "summed over axis 1 as well"),
        (lambda x: -x, "the sign is turned"),
        (lambda x: x * x.shape[1], "times `x.shape[1]`"),
    ],
)
def test_what_would_make_it_right(wrong, said):
    """A check with no mistake in its catalogue says at least this."""
    twice = Check(
        "twice", lambda x: 2 * x, lambda rng: [(3 * rng.normal(0, 1, s),) for s in ((2, 3), (4, 5))], {"y": "(B, T)"}
    )
    verdict = twice.verdict(lambda x: wrong(2 * x))
    assert said in " ".join(verdict.remarks)


# ---- arguments, prints, ends -----------------------------------------------------------------------------------------


def test_a_changed_argument_is_seen():
    def changes(scores, values, n):
        values *= soft(scores / np.sqrt(n))
        return values.sum(1), n

    verdict = weighted.verdict(changes)
    assert verdict.mistake == "`values` was changed"
    assert "right on all 3 random cases, but `values` was changed." in verdict.message


def test_an_exercise_may_allow_it():
    step = Check("step", lambda w, g: w - g, lambda rng: [(rng.normal(0, 1, 3), rng.normal(0, 1, 3))], {"w": "(I,)"},
                 may_change=("w",))  # fmt: skip

    def in_place(w, g):
        w -= g
        return w

    def too_much(w, g):
        w -= g
        g *= 0
        return w

    assert step.verdict(in_place).ok
    assert step.verdict(too_much).mistake == "`g` was changed"


def test_a_count_must_be_whole():
    count = Check("count", lambda n: n + 1, lambda rng: [(3,), (8,)], {"T": "(a whole number)"}, whole=True)
    assert count.verdict(lambda n: np.int64(n + 1)).ok
    verdict = count.verdict(lambda n: n + 1.0)
    assert verdict.mistake == "a whole number is expected, not 4.0"


def test_an_end_without_end_and_an_early_one(monkeypatch):
    monkeypatch.setattr("vitedu.check.running.SECONDS", 0.2)
    monkeypatch.setattr("vitedu.check.running.guarded.__defaults__", (0.2,))

    def endless(scores, values, n):
        try:
            while True:
                time.sleep(0.01)
        except Exception:
            return None

    assert "still running after 0.2 seconds" in weighted.verdict(endless).message
    assert "sys.exit(0)" in weighted.verdict(lambda s, v, n: sys.exit(0)).message


def test_prints_of_the_first_case_are_shown_and_settings_put_back(capsys):
    def loud(scores, values, n):
        print("shape", scores.shape)
        np.seterr(all="raise")
        return values.sum(1), n

    before = np.geterr()
    weighted(loud)
    said = capsys.readouterr().out
    assert said.startswith("shape (2, 3)\nweighted: not yet.")
    assert said.count("shape") == 1
    assert np.geterr() == before


def test_the_old_form_works_beside_the_new_one():
    check = Check("double", lambda x: 2 * x, lambda rng: [(rng.normal(0, 1, 3),)], {"y": "(I,)"},
                  [Mistake("not doubled", "Twice what?", lambda x: x)])  # fmt: skip
    assert (
        check.verdict(lambda x: 1.0 * x).message
        == "double: not yet. This looks like: not doubled.\n  Hint: Twice what?"
    )


@pytest.mark.parametrize(
    ("pair", "written"),
    [
        ((0.50631, 0.50632), ("0.50631", "0.50632")),
        ((10210.0, 9986.0), ("10210", "9986")),
        ((0.25, 1 / 3), ("0.25", "0.3333")),
    ],
)
def test_numbers_have_as_many_digits_as_it_takes(pair, written):
    assert two_numbers(*pair) == written


# ---- how an exercise is written --------------------------------------------------------------------------------------


def test_a_slip_of_an_unknown_line_or_name_is_refused():
    with pytest.raises(ValueError, match="'z' is made in 0 lines; there are"):
        weighted.slip("x", "y", z="1")
    with pytest.raises(ValueError, match="nothing is called undefined"):
        weighted.slip("x", "y", A="undefined(scores)")


def test_a_while_is_refused():
    def endless(x):
        while x > 0:
            x = x - 1
        return x

    with pytest.raises(ValueError, match="has a `while`"):
        exercise(cases=lambda rng: [(1,)], outputs={"y": "()"})(endless)


def test_the_exercise_of_contributing_is_a_whole_one(tmp_path, monkeypatch):
    """Under 30 lines; the example is run as it stands there."""
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    example = next(block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "@exercise(" in block)
    assert example.count("\n") < 30
    (tmp_path / "example_of_contributing.py").write_text(
        "import numpy as np\n\nfrom vitedu.check.slips.exercise import exercise\n\n" + example
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("example_of_contributing").inflated_filters
    assert len({slip.sentence for slip in made.slips}) >= 30
    assert made.verdict(lambda E, Pf: np.concatenate([E / Pf] * Pf, axis=1)).ok
    assert made.verdict(lambda E, Pf: np.repeat(E, Pf, axis=1)).remarks == ()
    wrong = made.verdict(lambda E, Pf: np.tile(E / np.sqrt(Pf), (1, Pf)))
    assert wrong.mistake == "in the share of one frame, divided by the root of `Pf`, not by `Pf`"
