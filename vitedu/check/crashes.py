"""What NumPy's and Python's errors mean for somebody who sees them for the first time, and a question to go on with."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import is_dataclass

from .slips.compare import unfit_axes

__all__ = ["in_other_words"]

_PAIR = "several functions of the package return two things, the result and what their backward needs"


def _broadcast(one, other):
    shapes = [[int(n) for n in re.findall(r"\d+", shape)] for shape in (one, other)]
    for a, b in zip(*(reversed(shape) for shape in shapes), strict=False):
        if a != b and 1 not in (a, b):
            return f"shapes are lined up from the right, and there {a} meets {b}. Which axis should each lie along?"
    return None


def _reshape(size, shape):
    sides = [int(n) for n in re.findall(r"\d+", shape)]
    count = math.prod(sides)
    if "newaxis" in shape or int(size) % count:  # NumPy's word for -1, which it leaves out in front
        return f"{size} is no multiple of {count}. Which of the sizes is counted wrongly?"
    return f"there are {size} numbers, and {' x '.join(map(str, sides))} is {count}. Which size is counted wrongly?"


# What an error says -> what it means.
_MEANINGS = [
    (r"could not be broadcast together with shapes (\([\d,]*\)) (\([\d,]*\))", _broadcast),
    (r"(too many|not enough) values to unpack",
     lambda much: f"there are {'more' if much == 'too many' else 'fewer'} values on the right of `=` than names on its "
                  "left. If it is a shape: how many axes has the array in this case?"),
    (r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)",
     lambda i, axis, n: f"axis {axis} has the places 0 to {int(n) - 1}, and {i} is asked for."),
    (r"truth value of an array",
     lambda: "`if`, `and`, `min` and `max` want one answer, and here is an array of them. Which function of NumPy asks "
             "for each entry?"),
    (r"axis (-?\d+) is out of bounds for array of dimension (\d+)",
     lambda axis, n: f"the array has {n} {'axis' if n == '1' else 'axes'}, counted from 0. Which axis does it lack?"),
    (r"cannot reshape array of size (\d+) into shape (\([-\w,]*\))", _reshape),
    (r"boolean index did not match",
     lambda: "a mask in brackets chooses along the array's first axes, and must be as long there. Which axes is it "
             "about?"),
    (r"all the input arrays? must have same number of dimensions",
     lambda: "arrays that are joined have equally many axes. Which one lacks one?"),
    (r"inhomogeneous", lambda: f"a pair is used as if it were an array: {_PAIR}."),
    (r"'tuple' object has no attribute|is a tuple; expected",
     lambda: f"a tuple is used as if it were an array: {_PAIR}."),
    (r"setting an array element with a sequence", lambda: "a whole array is written where one number belongs."),
    (r"remapped shapes", lambda: "one letter of the einsum stands for two sizes. Which axes did you mean it to name?"),
    (r"division by zero|modulo by zero", lambda: "something is divided by 0 here. Which number is 0, and when?"),
    (r"missing \d+ required positional|takes \d+ positional arguments? but",
     lambda: "it is called with the arguments that the exercise names, in that order."),
]  # fmt: skip


def in_other_words(error) -> str | None:
    """A sentence or two about an error that an answer has raised; None where there is nothing to add."""
    text = str(error)
    if axes := unfit_axes(error):
        return (
            f"in a product A @ B the last axis of A and the last but one of B must be alike; here they are {axes[0]} "
            f"and {axes[1]}. Which axis is to be summed over?"
        )
    for pattern, meaning in _MEANINGS:
        found = re.search(pattern, text)
        if found:
            return meaning(*found.groups())
    name = getattr(error, "name", None)
    if isinstance(error, AttributeError) and name and getattr(error, "obj", None) is not None:
        return _no_attribute(error.obj, name)
    if isinstance(error, NameError) and name:
        return f"nothing is called `{name}` here. Is it misspelt, or made in a cell that has not been run?"
    return None


def _no_attribute(thing, name):
    if isinstance(thing, (int, float, list)):
        return f"here is {'a list' if isinstance(thing, list) else 'one number'}, and no array."
    kind, there = type(thing).__name__, [n for n in dir(thing) if not n.startswith("_")]
    near = difflib.get_close_matches(name, there, n=3, cutoff=0.75)
    if near:
        return f"{kind} has no `{name}`. Did you mean {' or '.join(f'`{n}`' for n in near)}?"
    return f"{kind} has {', '.join(f'`{n}`' for n in there)}." if is_dataclass(thing) else None
