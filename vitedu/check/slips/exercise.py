"""An exercise: its right answer as a function whose lines can slip, its cases, and the words for its axes.

    @exercise(cases=..., outputs={"y": "(B, h, T, Dh)"}, level=1, minutes=15)
    def attention(q, k, v):
        B, h, T, Dh = q.shape
        scores = q @ swap(k) / np.sqrt(Dh)  # the scores
        A = softmax(scores)  # the weights
        return A @ v  # the answer

    attention.slip("the scale acts on the weights, after softmax", "Each row of A should sum to 1 when it meets v.",
                   scores="q @ swap(k)", A="softmax(scores) / np.sqrt(Dh)")

Small lines, one step each, every size and intermediate with a name; nothing changed in place; no `while`.
"""

from __future__ import annotations

import numpy as np

from ..engine import Check, Named
from .generate import own_slip, slips_of
from .program import Program
from .search import Tables, explain

__all__ = ["Exercise", "exercise"]


class Exercise(Check):
    """A `Check` that makes its mistakes from the steps of its right answer.  `mistakes`: those that no rule makes."""

    def __init__(self, function, cases, outputs, axes=None, **settings):
        super().__init__(function.__name__, function, cases, outputs, **settings)
        self.programs, self.axes = [Program(function)], axes or {}
        self._tables: dict[int, Tables] = {}
        self._slips = None

    def slip(self, name: str, hint: str, smaller: str = "", weight: float = 0.8, **lines: str) -> None:
        """A mistake of this exercise alone: what is written instead, for the line that makes each variable.

        `result` is what the last line returns.  Raises ValueError for a variable that no line makes.
        """
        program = next((p for p in self.programs if p.has(lines)), self.programs[0])
        self.mistakes = (*self.mistakes, own_slip(program, name, hint, smaller, weight, lines))
        self._slips, self._tables = None, {}

    def slips_in(self, target: str, *slips: tuple[str, str, str]) -> None:
        """Several mistakes of one line: (name, hint, what is written instead)."""
        for name, hint, text in slips:
            self.slip(name, hint, **{target: text})

    def also(self, function):
        """The same answer written in another way: other places to slip.  Only where people really compute differently.

        A decorator; its lines can slip too, by name, where the first way has no such line.
        """
        self.programs.append(Program(function))
        self._slips, self._tables = None, {}
        return function

    def tables(self, seed: int | None = None) -> Tables:
        """The values before every line, for the cases of a seed."""
        seed = self.seed if seed is None else seed
        if seed not in self._tables:
            cases = self.cases(np.random.default_rng(seed))
            self._tables = {seed: Tables(self.programs, cases, len(self.outputs))}
        return self._tables[seed]

    @property
    def slips(self) -> list:
        """All of them, the likeliest first."""
        if self._slips is None:
            made = list(self.mistakes)
            for program in self.programs:  # of the case with the most axes: there the most can go wrong
                before = max(self.tables().before[id(program)], key=_axes_in)
                made += slips_of(program, before, self.axes, self.outputs)
            self._slips = sorted(made, key=lambda s: s.weight)
        return self._slips

    def _named(self, cases, got, wanted, wrong, seed):
        slips = self.slips
        found = explain(self.tables(seed), slips, got, wanted, self.tolerance, self.outputs)
        if found is None:
            return None
        several = len(found.slips) > 1
        chosen = found.slips if several else (*found.slips, *found.others)
        rungs = []
        for slip in found.slips:
            if slip.where:
                rungs.append(f"Look at {slip.where}.")
            rungs += [text for text in (slip.hint, slip.smaller) if text]
        if not any(slip.smaller for slip in found.slips):
            rungs.append(self._smallest(cases, wrong))
        by_hand = all(slip.edits[0][1] is None for slip in found.slips)
        sure = found.sure and (not self.whole or (by_hand and not several))  # a count is reached in many ways
        return Named(
            tuple(slip.sentence for slip in chosen), tuple(slip.hint for slip in chosen), several, sure,
            found.besides, tuple(rungs),
        )  # fmt: skip

    def _sizes(self, cases, i) -> dict:
        """The whole numbers that the right answer gives names to; they read better than shapes."""
        env = self.tables().before[id(self.programs[0])][i][-2]
        named = {f"`{n}`": int(v) for n, v in env.items() if _is_size(n, v)}
        return {**named, **{k: v for k, v in super()._sizes(cases, i).items() if v not in named.values()}}


def _axes_in(before) -> int:
    return sum(np.ndim(value) for value in before[-2].values() if isinstance(value, np.ndarray))


def _is_size(name, value) -> bool:
    return name.isidentifier() and isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 1


def exercise(cases, outputs, axes=None, **settings):
    """Turn a right answer into an `Exercise`; settings as in `Check`."""
    return lambda function: Exercise(function, cases, outputs, axes, **settings)
