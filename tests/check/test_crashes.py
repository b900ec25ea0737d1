"""Errors that a first course in NumPy brings, raised by NumPy itself, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu.check import CHECKS
from vitedu.check.crashes import in_other_words
from vitedu_numpy import ViTConfig

x, q, mask = np.ones((3, 5)), np.ones((2, 3, 4)), np.ones((4, 4), bool)
config = ViTConfig(image_size=8, patch_size=2, width=6, depth=1, heads=2, mlp_dim=4, num_classes=3, channels=1)


def three_axes():
    _images, _tokens = q.shape


@pytest.mark.parametrize(
    ("crash", "words"),
    [
        (lambda: x + np.ones(3), "from the right, and there 5 meets 3"),
        (lambda: np.ones((2, 8, 3)) + np.ones((6, 3)), "there 8 meets 6"),
        (lambda: x @ x, "the last axis of A and the last but one of B must be alike; here they are 5 and 3"),
        (lambda: np.dot(x, x), "here they are 5 and 3"),
        (three_axes, "more values on the right of `=`"),
        (lambda: x[:, 5], "axis 1 has the places 0 to 4, and 5 is asked for"),
        (lambda: min(x[0], x[1]), "`min` and `max` want one answer"),
        (lambda: np.concatenate([x[0], x[1]], axis=1), "the array has 1 axis, counted from 0"),
        (lambda: x.reshape(2, 7), "15 is no multiple of 14"),
        (lambda: x.reshape(-1, 4), "15 is no multiple of 4"),
        (lambda: x.reshape(1, 5), "there are 15 numbers, and 1 x 5 is 5"),
        (lambda: q[mask], "along the array's first axes"),
        (lambda: np.concatenate([x, x[0]]), "joined have equally many axes"),
        (lambda: np.asarray((x, [1, 2])), "a pair is used as if it were an array"),
        (lambda: (x, {}).T, "a tuple is used as if it were an array"),
        (lambda: np.einsum("ij,jk", x, x), "one letter of the einsum stands for two sizes"),
        (lambda: 1 / (len(x) - 3), "divided by 0"),
        (lambda: [][0], None),  # says all there is to say
        (lambda: config.num_token, "Did you mean `num_tokens`"),
        (lambda: config.hidden_size, "`width`"),
        (lambda: len(x).size, "here is one number, and no array"),
        (lambda: sofmax(x), "nothing is called `sofmax` here"),  # noqa: F821 -- misspelt on purpose
        (lambda: three_axes(1), "with the arguments that the exercise names"),
    ],
)
def test_an_error_is_said_in_other_words(crash, words):
    with pytest.raises(Exception) as caught:
        crash()
    said = in_other_words(caught.value)
    assert (words is None and said is None) or words in said


def test_a_check_says_it_below_the_error():
    verdict = CHECKS["embed"].verdict(lambda x, x_class, E_pos: np.concatenate([x_class, x], axis=1) + E_pos)
    assert "  In other words: the array has 1 axis, counted from 0." in verdict.message
    assert any("Which axis does it lack?" in rung for rung in verdict.rungs)
