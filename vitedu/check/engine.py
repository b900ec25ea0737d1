"""Compare a student's answer with the right one, and say *what* is wrong.  Used in every notebook's exercises.

A `Check` holds the right answer, random cases of odd and unequal sizes, and a catalogue of the mistakes that people
make, each written as the wrong code itself.  A wrong answer is compared with every entry; the one that gives the same
numbers names the mistake.  NumPy only: no PyTorch needed.
"""

from __future__ import annotations

import copy
import reprlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Check", "Mistake", "Verdict", "quiet", "same_mistake"]


@dataclass(frozen=True)
class Mistake:
    """One way to go wrong: its name, a hint that does not give the answer away, and the wrong code."""

    name: str
    hint: str
    answer: Callable


def quiet(function: Callable) -> Callable:
    """A mistake that overflows on purpose should not warn the student, who may have made another one."""

    def answer(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return answer


def same_mistake(name: str, hint: str, *answers: Callable) -> list[Mistake]:
    """One mistake that can be written in several ways with different numbers."""
    return [Mistake(name, hint, quiet(answer)) for answer in answers]


@dataclass(frozen=True)
class Verdict:
    """What a check found.  `ok`: right; `todo`: the stub is untouched; `mistake`: the catalogue entry that matches."""

    ok: bool
    message: str
    todo: bool = False
    mistake: str | None = None


class Check:
    """`check(answer)` prints what is right or wrong with `answer`; `check.verdict(answer)` returns it instead.

    name: what the exercise is called; reference: the right function; cases: rng -> list of argument tuples; outputs:
    name and axes of every result, e.g. {"dq": "(B, h, T, Dh)"}; mistakes: the catalogue.  An answer is right where it
    is within `tolerance` of the reference, relative to the largest entry: far above float32 rounding, far below
    mistakes.
    """

    def __init__(self, name, reference, cases, outputs: dict[str, str], mistakes=(), tolerance=1e-4, seed=0):
        self.name, self.reference, self.cases = name, reference, cases
        self.outputs, self.mistakes, self.tolerance, self.seed = outputs, tuple(mistakes), tolerance, seed

    def __call__(self, answer) -> None:
        print(self.verdict(answer).message)

    def __repr__(self) -> str:
        return f"<check {self.name}: {len(self.mistakes)} known mistakes>"

    def verdict(self, answer) -> Verdict:
        """Run `answer` on every case.  Raises TypeError if `answer` is not a function."""
        if not callable(answer):
            raise TypeError(f"answer={answer!r} is not a function; pass the function itself, without calling it")
        cases = self.cases(np.random.default_rng(self.seed))
        got = []
        for args in cases:
            try:
                got.append(self._results(answer, args))
            except NotImplementedError:
                return Verdict(False, f"{self.name}: still to do.", todo=True)
            except Exception as error:
                # Some mistakes only show as a crash on odd sizes: look for one that crashes on the same case.
                return self._crash(answer, cases, got, error)
        wanted = [self._results(self.reference, args) for args in cases]
        wrong = [i for i in range(len(cases)) if self._difference(got[i], wanted[i]) is not None]
        if not wrong:
            return Verdict(True, f"{self.name}: right on all {len(cases)} random cases.")
        for mistake in self.mistakes:
            if self._matches(mistake, cases, got):
                return Verdict(False, f"{self.name}: not yet. {_sentence(mistake)}", mistake=mistake.name)
        args, problem = cases[wrong[0]], self._difference(got[wrong[0]], wanted[wrong[0]])
        return Verdict(False, f"{self.name}: not yet, and not a mistake I know.\n  {problem}\n  {_inputs(args)}")

    # ---- running and comparing -----------------------------------------------------------------------------------

    def _results(self, function, args) -> list:
        """The function's results as a list of arrays; anything that is not numbers stays as it is."""
        results = function(*copy.deepcopy(args))  # a copy: an answer may change its inputs
        results = results if isinstance(results, (tuple, list)) and len(self.outputs) > 1 else [results]
        return [_as_array(r) for r in results]

    def _difference(self, got, wanted) -> str | None:
        """The first thing in which `got` differs from `wanted`, in words; None if they agree."""
        if len(got) != len(wanted):
            nothing = len(got) == 1 and got[0] is None
            given = "nothing (is a `return` missing?)" if nothing else f"{len(got)} results"
            return f"It returned {given}; expected {len(wanted)}: {', '.join(self.outputs)}."
        for (name, axes), g, w in zip(self.outputs.items(), got, wanted, strict=True):
            if not isinstance(g, np.ndarray):
                missing = "; is a `return` missing?" if g is None else ""
                return f"{name} is {type(g).__name__}; expected an array {axes}{missing}"
            if g.shape != w.shape:
                return f"{name} has shape {g.shape}; expected {w.shape}, which reads {axes}."
            bad = ~(np.abs(g - w) <= self.tolerance * max(np.abs(w).max(initial=0), 1e-12))
            if bad.any():
                at = tuple(int(i) for i in np.argwhere(bad)[0])
                where = f"{name}{list(at)} of {name} {axes} = {w.shape}" if at else name
                return f"{where} is {g[at]:.4g}; expected {w[at]:.4g}.  {bad.sum()} of {bad.size} numbers differ."
        return None

    def _matches(self, mistake, cases, got) -> bool:
        """Whether this mistake gives the student's numbers on every case."""
        try:
            made = [self._results(mistake.answer, args) for args in cases]
        except Exception:
            return False
        with np.errstate(all="ignore"):
            return all(_same(g, m, self.tolerance) for g, m in zip(got, made, strict=True))

    def _crash(self, answer, cases, got, error) -> Verdict:
        """A mistake matches if it gives the same numbers on the cases before, and stops in the same way on this one."""
        args = cases[len(got)]
        for mistake in self.mistakes:
            try:
                self._results(mistake.answer, args)
            except Exception as made:
                alike = type(made) is type(error) and str(made) == str(error)
                if alike and self._matches(mistake, cases[: len(got)], got):
                    return Verdict(False, f"{self.name}: not yet. {_sentence(mistake)}", mistake=mistake.name)
        lines = [f for f in traceback.extract_tb(error.__traceback__) if f.name == getattr(answer, "__name__", "")]
        where = f" at `{lines[-1].line}`" if lines and lines[-1].line else ""
        message = f"{self.name}: not yet, it stopped{where} with {type(error).__name__}: {error}\n  {_inputs(args)}"
        return Verdict(False, message)


def _sentence(mistake: Mistake) -> str:
    return f"This looks like: {mistake.name}.\n  Hint: {mistake.hint}"


def _inputs(args) -> str:
    return f"The arguments were (shapes of arrays): {', '.join(map(_shown, args))}"


def _shown(arg) -> str:
    """An array's shape, also inside a list of arrays; anything else as Python writes it, cut short."""
    if isinstance(arg, list) and any(isinstance(a, np.ndarray) for a in arg):
        return f"[{', '.join(map(_shown, arg))}]"
    return str(arg.shape) if isinstance(arg, np.ndarray) else reprlib.repr(arg)


def _as_array(x):
    x = x.detach().cpu() if hasattr(x, "detach") else x  # a PyTorch tensor
    try:
        array = np.asarray(x)
    except ValueError:
        return x
    return array.astype(np.float64) if array.dtype.kind in "fiub" else x


def _same(got, made, tolerance) -> bool:
    """Equal shapes and numbers, NaN in the same places."""
    if len(got) != len(made):
        return False
    for g, m in zip(got, made, strict=True):
        if not isinstance(g, np.ndarray) or not isinstance(m, np.ndarray) or g.shape != m.shape:
            return False
        scale = np.abs(m[np.isfinite(m)]).max(initial=0)
        if not np.allclose(g, m, rtol=0, atol=tolerance * max(scale, 1e-12), equal_nan=True):
            return False
    return True
