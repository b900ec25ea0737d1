"""Compare a student's answer with the right one, and say *what* is wrong.  Used in every notebook's exercises.

A `Check` holds the right answer, random cases of odd and unequal sizes, and the mistakes that people make, each written
as the wrong code itself.  An `Exercise` (`slips/exercise.py`) is a check whose mistakes are made by the engine, from
the steps of its right answer.  NumPy only: no PyTorch needed.
"""

from __future__ import annotations

import copy
import inspect
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .crashes import in_other_words
from .ladder import remember
from .remarks import first_difference, form, remarks, sizes_of
from .running import TookTooLong, changed_arguments, guarded
from .slips.compare import as_results, is_weak, same, stops_alike
from .slips.words import SMALL, argument_words, listed

__all__ = ["Check", "Mistake", "Verdict", "quiet"]

PRINTED = 2000  # characters of what an answer prints that are shown
SOLUTION = "solved_"  # how the names of the notebooks' own solutions begin


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


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    ok: right; todo: the stub is untouched; mistake: the name of what was recognised; sure: False where the evidence is
    thin (only NaN, only zeros, only a crash); remarks: what can be said without a name; rungs: the ladder of hints.
    """

    ok: bool
    message: str
    todo: bool = False
    mistake: str | None = None
    sure: bool = True
    remarks: tuple[str, ...] = ()
    rungs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Named:
    """What an answer was recognised as: names to choose from, or to be taken together; hints; rungs of the ladder."""

    names: tuple[str, ...]
    hints: tuple[str, ...]
    together: bool = False
    sure: bool = True
    besides: bool = False
    rungs: tuple[str, ...] = ()


class Check:
    """`check(answer)` prints what is right or wrong with `answer`; `check.verdict(answer)` returns it instead.

    name: what the exercise is called; reference: the right function; cases: rng -> list of argument tuples; outputs:
    name and axes of every result, e.g. {"dq": "(B, h, T, Dh)"}; mistakes: the catalogue.  An answer is right where it
    is within `tolerance` of the reference, relative to the largest entry: far above float32 rounding, far below
    mistakes.  may_change: arguments that the answer may write into, by name, or True for all of them; whole: the
    results are counts, and 11.0 is none; level (1 easy, 2, 3 a stretch) and minutes: what to expect.
    """

    def __init__(
        self, name, reference, cases, outputs: dict[str, str], mistakes=(), tolerance=1e-4, seed=0,
        *, may_change=(), whole=False, level=2, minutes=10,
    ):  # fmt: skip
        self.name, self.reference, self.cases = name, reference, cases
        self.outputs, self.mistakes, self.tolerance, self.seed = outputs, tuple(mistakes), tolerance, seed
        self.may_change, self.whole, self.level, self.minutes = may_change, whole, level, minutes

    def __call__(self, answer) -> None:
        """A notebook's own solution is called that, and counts neither as a try nor as done."""
        printed: list[str] = []
        verdict = self.verdict(answer, printed=printed)
        if printed:
            print(printed[0][:PRINTED], end="" if printed[0][:PRINTED].endswith("\n") else "\n")
        if getattr(answer, "__name__", "").startswith(SOLUTION):
            print(f"The solution of {verdict.message}")
        else:
            print(verdict.message)
            remember(self, verdict)

    def __repr__(self) -> str:
        return f"<check {self.name}: level {self.level}, about {self.minutes} minutes>"

    def verdict(self, answer, seed: int | None = None, printed: list | None = None) -> Verdict:
        """Run `answer` on every case.  Raises TypeError if `answer` is not a function.

        seed: of other cases than the usual; printed: a list that receives what the answer printed in the first case.
        """
        if not callable(answer):
            raise TypeError(f"answer={answer!r} is not a function; pass the function itself, without calling it")
        ran = []
        for args in self.cases(np.random.default_rng(self.seed if seed is None else seed)):
            try:
                result, after, text = guarded(answer, args)
            except NotImplementedError:
                return Verdict(False, f"{self.name}: still to do.", todo=True)
            if printed is not None and not ran and text:
                printed.append(text)
            ran.append((result, after))
            if isinstance(result, TookTooLong):
                break
        return self.judge(ran, seed, getattr(answer, "__name__", ""))

    def judge(self, ran: list[tuple], seed: int | None = None, called: str = "") -> Verdict:
        """What `verdict` says of an answer that was run elsewhere: in another process, whose results are played back.

        ran: for each case of the seed, in order, (result or the error it raised, the arguments as they are afterwards);
        it may end early after a TookTooLong; called: the name of the answer.  An error that was raised elsewhere may
        bring the line it stopped at as its attribute `line`.
        """
        cases = self.cases(np.random.default_rng(self.seed if seed is None else seed))
        raw = [result for result, _ in ran]
        got = [r if isinstance(r, Exception) else as_results(r, len(self.outputs)) for r in raw]
        changed = [name for args, (_, after) in zip(cases, ran, strict=False) for name in self._changed(args, after)]
        if raw and isinstance(raw[-1], TookTooLong):
            return self._stopped(called, cases[len(raw) - 1], raw[-1], None)
        if len(ran) != len(cases):
            raise ValueError(f"ran holds {len(ran)} results; {self.name} has {len(cases)} cases")
        wanted = self.wanted(cases)
        wrong = [i for i, g in enumerate(got) if isinstance(g, Exception) or not self._right(g, wanted[i])]
        if not wrong:
            return self._right_numbers(len(cases), raw, list(dict.fromkeys(changed)))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            named = self._named(cases, got, wanted, wrong, self.seed if seed is None else seed)
        crash = next((i for i in wrong if isinstance(got[i], Exception)), None)
        if crash is not None and (named is None or not named.sure):
            return self._stopped(called, cases[crash], got[crash], named, got, wanted)
        if named is None and all(r is None for r in raw):
            named = self._nothing_returned(cases, ran)
        if named is None:
            said = form(got, wanted, self.outputs, self.tolerance)
            ask = "Look at the last line: what was asked for, and in which order?"
            small = "Print what your function returns in the smallest case: how many things are in it?"
            named = Named((said,), (ask,), rungs=(ask, small)) if said else None
        if named is not None:
            return self._recognised(named, got, wanted, wrong)
        return self._unknown(cases, got, wanted, wrong)

    def cases_right(self, ran: list[tuple], seed: int | None = None) -> list[bool]:
        """For each case of the seed: are its numbers right?  `ran` as in `judge`; what is missing there is not."""
        cases = self.cases(np.random.default_rng(self.seed if seed is None else seed))
        got = [r if isinstance(r, Exception) else as_results(r, len(self.outputs)) for r, _ in ran]
        fine = [
            not isinstance(g, Exception) and self._right(g, w) for g, w in zip(got, self.wanted(cases), strict=False)
        ]
        return fine + [False] * (len(cases) - len(fine))

    # ---- comparing -----------------------------------------------------------------------------------------------

    def wanted(self, cases) -> list[list]:
        """The right results of each case, as they are compared."""
        return [as_results(self.reference(*_fresh(args)), len(self.outputs)) for args in cases]

    def _right(self, got, wanted) -> bool:
        return first_difference(got, wanted, self.outputs, self.tolerance) is None

    def _changed(self, before, after) -> list[str]:
        """Names of arguments that were written into, although the exercise does not allow it."""
        if self.may_change is True:
            return []
        names = _argument_names(self.reference, len(before))
        return [n for n in changed_arguments(names, before, after) if n not in self.may_change]

    def _nothing_returned(self, cases, ran) -> Named | None:
        """Of an answer that writes into its arguments and returns nothing."""
        names = [_argument_names(self.reference, len(args)) for args in cases]
        written = [changed_arguments(n, args, after) for n, args, (_, after) in zip(names, cases, ran, strict=True)]
        written = list(dict.fromkeys(n for found in written for n in found))
        if not written:
            return None
        where = listed([f"`{n}`" for n in written])
        ask = "A caller gets what stands after `return`. What stands there?"
        return Named((f"nothing is returned: what was computed is written into {where}",), (ask,))

    def _named(self, cases, got, wanted, wrong, seed) -> Named | None:
        """The entry of the catalogue that gives the student's numbers, and stops where the student's answer stops."""
        found = next((m for m in self.mistakes if self._matches(m, cases, got)), None)
        if found is None:
            return None
        crashed = any(isinstance(got[i], Exception) for i in wrong)
        weak = all(isinstance(got[i], Exception) or is_weak(got[i], wanted[i], self.tolerance) for i in wrong)
        some_right = len(wrong) < len(got)
        return Named((found.name,), (found.hint,), sure=not crashed and (not weak or some_right))

    def _matches(self, mistake, cases, got) -> bool:
        for args, g in zip(cases, got, strict=True):
            try:
                made = as_results(mistake.answer(*_fresh(args)), len(self.outputs))
            except Exception as error:
                # Some mistakes only show as a crash on odd sizes; what comes after it says nothing more.
                return stops_alike(error, g)
            if isinstance(g, Exception) or not same(g, made, self.tolerance):
                return False
        return True

    # ---- what is said --------------------------------------------------------------------------------------------

    def _right_numbers(self, count, raw, changed) -> Verdict:
        message = f"{self.name}: right on all {count} random cases"
        if self.whole:
            single = [r for results in raw for r in (results if isinstance(results, (tuple, list)) else [results])]
            bad = [r for r in single if np.asarray(r).dtype.kind not in "iub"]
            if bad:
                name = f"a whole number is expected, not {bad[0]!r}"
                hint = "Something is counted here. Which operation left the whole numbers?"
                return Verdict(
                    False, f"{message}, but {name}.\n  Hint: {hint}", mistake=name,
                    rungs=(name, hint, "What type has 8 / 2 in Python, and what type has 8 // 2?"),
                )  # fmt: skip
        if changed:
            name = f"{listed([f'`{n}`' for n in changed])} {'was' if len(changed) == 1 else 'were'} changed"
            hint = (
                "Whoever calls the function may still need what was passed in. Which line writes into it (`+=`, "
                "`x[...] =`, `out=`), and what would make a new array?"
            )
            return Verdict(
                False, f"{message}, but {name}.\n  Hint: {hint}", mistake=name,
                rungs=(name, hint, "After `b = a` and `b += 1`, what is `a`? And after `b = a + 1`?"),
            )  # fmt: skip
        return Verdict(True, f"{message}.")

    def _recognised(self, named: Named, got, wanted, wrong) -> Verdict:
        mistake = _joined(named)
        lead = "This looks like" if named.sure else "This could be"
        if named.together and len(named.names) > 1:
            lead += f" {'two' if len(named.names) == 2 else 'several'} mistakes"
        lines = [f"{self.name}: not yet. {lead}: {mistake}."]
        if not named.sure:
            lines.append("  Other mistakes end in the same numbers, so look at it as a question.")
        if len(wrong) < len(got) and not named.besides:
            lines.append(f"  Right on {len(got) - len(wrong)} of {len(got)} cases.")
        lines += [f"  Hint: {hint}" for hint in dict.fromkeys(named.hints)]
        if named.besides:
            lines.append("  Besides, it goes wrong in special cases (large or extreme numbers).")
        rungs = (*self._where(got, wanted, wrong), *(named.rungs or named.hints))
        return Verdict(False, "\n".join(lines), mistake=mistake, sure=named.sure, rungs=rungs)

    def _unknown(self, cases, got, wanted, wrong) -> Verdict:
        first = wrong[0]
        problem = first_difference(got[first], wanted[first], self.outputs, self.tolerance)
        sizes = [self._sizes(cases, i) for i in range(len(cases))]
        said = tuple(remarks(got, wanted, self.outputs, sizes, self.tolerance))
        lines = [f"{self.name}: not yet, and not a mistake I know.", f"  {problem}", *(f"  {s}" for s in said)]
        lines.append(f"  {_inputs(cases[first])}")
        rungs = (*self._where(got, wanted, wrong), *(said or (problem,)), self._smallest(cases, wrong))
        return Verdict(False, "\n".join(lines), remarks=said, rungs=tuple(dict.fromkeys(rungs)))

    def _stopped(self, called, args, error, named, got=(), wanted=()) -> Verdict:
        lines = [f.line for f in traceback.extract_tb(error.__traceback__) if f.name == called]
        line = lines[-1] if lines else getattr(error, "line", "")
        where = f" at `{line}`" if line else ""
        said = [f"{self.name}: not yet, it stopped{where} with {type(error).__name__}: {error}"]
        if named is not None:
            said.append(f"  This could be: {_joined(named)}.")
            said += [f"  Hint: {hint}" for hint in dict.fromkeys(named.hints)]
        elif got:
            fine = [str(i + 1) for i, g in enumerate(got) if not isinstance(g, Exception) and self._right(g, wanted[i])]
            if fine:
                said.append(f"  Right on case {listed(fine)} of {len(got)}, where it did not stop.")
        meaning = None if named is not None else in_other_words(error)
        if meaning:
            said.append(f"  In other words: {meaning}")
        said.append(f"  {_inputs(args)}")
        rungs = (f"It stops{where}.", f"{type(error).__name__} says: {error}. Print the shapes just before that line.")
        rungs += named.hints if named else (meaning,) if meaning else ()
        rungs += (f"Run its lines one by one, in a cell of their own, with arguments like these. {_inputs(args)}",)
        mistake = _joined(named) if named else None
        return Verdict(False, "\n".join(said), mistake=mistake, sure=False, rungs=rungs)

    def _where(self, got, wanted, wrong) -> tuple[str, ...]:
        """The first rung: which results are wrong, and in how many cases."""
        g, w = got[wrong[0]], wanted[wrong[0]]
        cases = f"in {len(wrong)} of {len(got)} cases" if len(wrong) < len(got) else "in every case"
        if isinstance(g, Exception) or len(g) != len(w) or len(w) == 1:
            return (f"{next(iter(self.outputs))} is not right {cases}.",)
        names = list(self.outputs)
        bad = [n for i, n in enumerate(names) if not same(g[i : i + 1], w[i : i + 1], self.tolerance)]
        good = [n for n in names if n not in bad]
        tail = f"; {listed(good)} {'is' if len(good) == 1 else 'are'} right" if good else ""
        return (f"{listed(bad)} {'is' if len(bad) == 1 else 'are'} not right {cases}{tail}.",)

    def _smallest(self, cases, wrong) -> str:
        args = min((cases[i] for i in wrong), key=lambda a: sum(np.size(x) for x in a if isinstance(x, np.ndarray)))
        return f"Do the smallest case that goes wrong with a pencil. {_inputs(args)}"

    def _sizes(self, cases, i) -> dict:
        return sizes_of(cases[i], _argument_names(self.reference, len(cases[i])))


def _fresh(args):
    """A copy for every run: a mistake of the catalogue may write into its arguments too."""
    return copy.deepcopy(args)


def _argument_names(function, count) -> list[str]:
    try:
        names = [n for n, p in inspect.signature(function).parameters.items() if p.kind is not p.VAR_POSITIONAL]
    except (TypeError, ValueError):
        names = []
    return names + [f"argument {i + 1}" for i in range(len(names), count)]


def _joined(named: Named) -> str:
    if len(named.names) == 1:
        return named.names[0]
    if named.together:
        return "; and ".join(named.names)
    return f"either {', or '.join(named.names)}"


def _inputs(args) -> str:
    flat = [b for a in args for b in (a if isinstance(a, (list, tuple)) else [a])]
    small = all(a.size <= SMALL for a in flat if isinstance(a, np.ndarray) and a.dtype.kind == "f")
    return f"The arguments were (shapes of arrays): {', '.join(argument_words(a, small) for a in args)}"
