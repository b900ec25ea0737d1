"""A thousand wrong answers, each a whole function: the catalogue's first generation, kept as a test of its second.

`names.csv` says what each of them is called now; a change of a name is a change of that file, to be read by a person.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["FirstGeneration", "same_mistake"]


class FirstGeneration(NamedTuple):
    """What the first generation knew of an exercise; its cases and its hints are the catalogue's now."""

    reference: Callable
    mistakes: list[tuple[str, Callable]]  # (first name, wrong answer)


def same_mistake(name: str, *answers: Callable) -> list[tuple[str, Callable]]:
    """One mistake that can be written in several ways with different numbers."""
    return [(name, answer) for answer in answers]
