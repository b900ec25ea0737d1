"""Models without first values: for weights that a file is about to bring.  Taught in notebooks/13_weights.ipynb.

Drawing the first values of a large model takes as long as reading it.  Under `without_drawing` the functions of
`init.py`, in both packages, hand out memory that holds anything; whoever builds a model there must write every
parameter, as `load_state_dict` does: a name that is missing is an error.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps

__all__ = ["drawn", "without_drawing"]

_drawing = ContextVar("drawing", default=True)  # of one thread: another may build a model in earnest meanwhile


@contextmanager
def without_drawing():
    """Inside, new models have parameters that hold anything."""
    before = _drawing.set(False)
    try:
        yield
    finally:
        _drawing.reset(before)


def drawn(function, blank):
    """`function`, for which `blank` stands in, with the same arguments, where nothing is to be drawn."""

    @wraps(function)
    def draw(*args, **kwargs):
        return (function if _drawing.get() else blank)(*args, **kwargs)

    return draw
