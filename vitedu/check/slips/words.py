"""How axes, numbers and arguments are called in a sentence to a student."""

from __future__ import annotations

import reprlib

import numpy as np

__all__ = ["AXES", "argument_words", "axis_words", "letters", "listed", "two_numbers"]

SMALL, WHOLE = 8, 36  # numbers of an array that are shown: of floats, and of whole numbers or booleans

# What the letters of NOTATION.md count.
AXES = {
    "B": "the images", "h": "the heads", "T": "the tokens", "N": "the patches", "D": "the features",
    "Dh": "the features of a head", "M": "the hidden features", "K": "the classes", "C": "the channels",
    "O": "the outputs", "I": "the inputs", "H": "the rows", "W": "the columns", "gh": "the rows of the grid",
    "gw": "the columns of the grid", "P": "the sides of a patch", "G": "the groups", "V": "the symbols",
}  # fmt: skip


def letters(shape, env, unpacked=()) -> list[str]:
    """The letter of each axis; "" where it cannot be told.

    unpacked: the letters of every `B, T, D = x.shape` of the answer; otherwise an axis is known by its size among the
    whole numbers in `env`.
    """
    for names in unpacked:
        if len(names) == len(shape) and all(env.get(n) == size for n, size in zip(names, shape, strict=True)):
            return list(names)
    sizes: dict[int, list[str]] = {}
    for name, value in env.items():
        if name.isidentifier() and len(name) <= 2 and isinstance(value, (int, np.integer)) and value is not True:
            sizes.setdefault(int(value), []).append(name)
    return [sizes[n][0] if len(sizes.get(n, ())) == 1 == list(shape).count(n) else "" for n in shape]


def axis_words(axis, shape, env, axes, unpacked=()) -> str:
    """`the tokens (axis -2)`, or `axis -2`; for several axes, and for None, the same."""
    if axis is None or (isinstance(axis, tuple) and len(axis) == len(shape)):
        return "everything"
    if isinstance(axis, tuple):
        return listed(axis_words(a, shape, env, axes, unpacked) for a in axis)
    names = letters(shape, env, unpacked)
    letter = names[axis] if -len(shape) <= axis < len(shape) else ""
    called = axes.get(letter) or AXES.get(letter)
    return f"{called} (axis {axis})" if called else f"axis {axis}"


def listed(parts, word="and") -> str:
    """`a, b and c`"""
    parts = list(parts)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def two_numbers(a, b) -> tuple[str, str]:
    """Both with equally many digits, four or as many as it takes to tell them apart; whole numbers as they are."""
    a, b = float(a), float(b)
    if a.is_integer() and b.is_integer() and max(abs(a), abs(b)) < 1e15:
        return str(int(a)), str(int(b))
    for digits in range(4, 18):
        left, right = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if left != right or a == b:
            return left, right
    return left, right


def argument_words(arg, small: bool = False) -> str:
    """An array's shape, also inside a list; in full if it is small; anything else as Python writes it."""
    if isinstance(arg, (list, tuple)) and any(isinstance(a, np.ndarray) for a in arg):
        return f"[{', '.join(argument_words(a, small) for a in arg)}]"
    if isinstance(arg, np.ndarray):
        if arg.ndim and (
            arg.size <= SMALL if arg.dtype.kind == "f" and small else arg.dtype.kind in "iub" and arg.size <= WHOLE
        ):
            return f"{np.array2string(arg, precision=4, separator=', ', max_line_width=10**6)}".replace("\n", "")
        return str(arg.shape)
    short = reprlib.Repr()
    short.maxstring = short.maxother = 1000
    short.maxlist = short.maxtuple = short.maxdict = 40
    return short.repr(arg)
