"""What can be said of a wrong answer that no name fits: which results and cases are right, what would make it right."""

from __future__ import annotations

import itertools
import math

import numpy as np

from .slips.compare import as_results, close
from .slips.words import listed, two_numbers

__all__ = ["first_difference", "form", "remarks", "sizes_of"]


def first_difference(got, wanted, outputs, tolerance) -> str | None:
    """The first thing in which `got` differs from `wanted`, in words; None if they agree."""
    if len(got) != len(wanted):
        nothing = len(got) == 1 and got[0] is None
        count = "one result" if len(got) == 1 else f"{len(got)} results"
        given = "nothing (is a `return` missing?)" if nothing else count
        return f"It returned {given}; expected {len(wanted)}: {', '.join(outputs)}."
    for (name, axes), g, w in zip(outputs.items(), got, wanted, strict=True):
        if not isinstance(g, np.ndarray):
            missing = "; is a `return` missing?" if g is None else ""
            kind = f"{type(g).__name__}" if not isinstance(g, int) else "a whole number too long for an array"
            expected = f"an array {axes}" if axes.startswith("(") and axes != "()" else "one number"
            return f"{name} is {kind}; expected {expected}{missing}"
        if g.shape != w.shape:
            expected = f"{w.shape}, which reads {axes}" if w.shape else "one number"
            return f"{name} has shape {g.shape}; expected {expected}."
        bad = ~(np.abs(g - w) <= tolerance * max(np.abs(w).max(initial=0), 1e-12))
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            where = f"{name}{list(at)} of {name} {axes} = {w.shape}" if at else name
            mine, right = two_numbers(g[at], w[at])
            return f"{where} is {mine}; expected {right}.  {bad.sum()} of {bad.size} numbers differ."
    return None


def form(got, wanted, outputs, tolerance) -> str | None:
    """What is wrong with the number of results: too few, too many, none in some cases."""
    names = list(outputs)
    if any(isinstance(g, Exception) for g in got):
        return None
    if any(any(x is None for x in g) for g in got) and not all(all(x is None for x in g) for g in got):
        return "in some cases nothing is returned, or None"
    if len({len(g) for g in got}) > 1:
        return None
    if all(all(x is None for x in g) for g in got):
        return None
    if len(names) == 1:
        # Results of equal shapes have become one array with an axis more.
        several = [
            g[0] if isinstance(g[0], (tuple, list)) or getattr(g[0], "ndim", -1) == np.ndim(w[0]) + 1 else None
            for g, w in zip(got, wanted, strict=True)
        ]
        if all(s is not None and len(s) > 1 for s in several) and len({len(s) for s in several}) == 1:
            first = all(close(as_results(s[0], 1)[0], w[0], tolerance) for s, w in zip(several, wanted, strict=True))
            if first:
                return f"{len(several[0])} results are returned, where {names[0]} alone is asked for"
        return None
    if len(got[0]) == len(names):
        return None
    right = [
        name for i, name in enumerate(names)
        if all(any(close(x, w[i], tolerance) for x in g) for g, w in zip(got, wanted, strict=True))
    ]  # fmt: skip
    if len(got[0]) < len(names) and len(right) == len(got[0]):
        return f"only {listed(right)} {'is' if len(right) == 1 else 'are'} returned"
    if len(got[0]) > len(names) and len(right) == len(names):
        return f"{len(got[0])} results are returned, more than {listed(names)}"
    return None


def sizes_of(args, names) -> dict[str, int]:
    """Whole numbers that a factor could come from: the arguments' own, and the sizes of their axes."""
    found: dict[str, int] = {}
    for name, arg in zip(names, args, strict=False):
        if isinstance(arg, (int, np.integer)) and not isinstance(arg, (bool, np.bool_)):
            found[f"`{name}`"] = int(arg)
        for axis, n in enumerate(getattr(arg, "shape", ())):
            found[f"`{name}.shape[{axis}]`"] = int(n)
    return {name: n for name, n in found.items() if n > 1}


def remarks(got, wanted, outputs, sizes, tolerance) -> list[str]:
    """Sentences; got and wanted: for every case a list of results, or the error raised; sizes: of every case."""
    said = []
    ran = [i for i, g in enumerate(got) if not isinstance(g, Exception) and len(g) == len(wanted[i])]
    names = list(outputs)
    state = {r: [close(got[i][r], wanted[i][r], tolerance) for i in ran] for r in range(len(names))}
    if len(names) > 1 and ran:
        right = [names[r] for r, fine in state.items() if all(fine)]
        if right and len(right) < len(names):
            said.append(f"{listed(right)} {'is' if len(right) == 1 else 'are'} right.")
    agree = [i for n, i in enumerate(ran) if all(fine[n] for fine in state.values())]
    if agree and len(agree) < len(got):
        which = listed([str(i + 1) for i in agree])
        said.append(f"Right on case{'s' if len(agree) > 1 else ''} {which} of {len(got)}.")
    for r, name in enumerate(names):
        cases = [(got[i][r], wanted[i][r], sizes[i]) for i in ran]
        if cases and not all(state[r]):
            sentence = _repair(cases, tolerance)
            if sentence:
                said.append(f"{name}: {sentence}.")
    return said


def _repair(cases, tolerance) -> str | None:
    """What turns the student's numbers into the right ones, the same way in every case that is not right."""
    cases = [c for c in cases if not close(c[0], c[1], tolerance)]
    cases = [c for c in cases if isinstance(c[0], np.ndarray) and isinstance(c[1], np.ndarray)]
    if not cases or not all(np.isfinite(g).all() and g.size for g, _, _ in cases):
        return None
    for find in (_factor, _cast, _shift, _moved, _unsummed, _part, _rearranged):
        sentence = find(cases, tolerance)
        if sentence:
            return sentence
    return None


def _ratio(g, w, tolerance):
    """c with g = c w; None if there is none."""
    if g.shape != w.shape or not np.abs(w).max(initial=0) or not np.abs(g).max(initial=0):
        return None
    c = float((g * w).sum() / (w * w).sum())
    return c if close(g, c * w, tolerance) else None


def _factor(cases, tolerance):
    ratios = [_ratio(g, w, tolerance) for g, w, _ in cases]
    if any(c is None for c in ratios):
        return None
    if all(abs(c + 1) < tolerance for c in ratios):
        return "the sign is turned; the rest is right"
    formulas = {"{}": lambda n: n, "1 / {}": lambda n: 1 / n, "the root of {}": math.sqrt,
                "1 / the root of {}": lambda n: n**-0.5, "{} squared": lambda n: n * n}  # fmt: skip
    common = set.intersection(*(set(sizes) for _, _, sizes in cases))
    if len({round(c, 6) for c in ratios}) > 1 or len(cases) == 1:
        for words, formula in formulas.items():
            for name in sorted(common):
                values = [formula(sizes[name]) for _, _, sizes in cases]
                if all(abs(c / v - 1) < tolerance for c, v in zip(ratios, values, strict=True)):
                    return f"it is the right one times {words.format(name)}; the rest is right"
    if max(ratios) - min(ratios) <= tolerance * abs(ratios[0]) and len(cases) > 1:
        whole = round(1 / ratios[0]) if abs(ratios[0]) > 1e-6 else 0
        times = f"1 / {whole}" if abs(whole) > 1 and abs(whole * ratios[0] - 1) < tolerance else f"{ratios[0]:.6g}"
        return f"it is the right one times {times}, in every case; the rest is right"
    if len(cases) > 1 and all(w.size > 1 for _, w, _ in cases):
        return f"it is the right one times a number, {listed([f'{c:.4g}' for c in ratios])} in turn"
    return None


def _shift(cases, tolerance):
    shifts = []
    for g, w, _ in cases:
        if g.shape != w.shape:
            return None
        difference = g - w
        if np.abs(difference - difference.mean()).max() > tolerance * max(np.abs(w).max(), 1e-12):
            return None
        shifts.append(float(difference.mean()))
    if max(shifts) - min(shifts) <= tolerance * max(abs(shifts[0]), 1e-12):
        return f"the same number, {shifts[0]:.6g}, is added everywhere; the rest is right"
    return "one number is added everywhere; the rest is right" if all(g.size > 1 for g, _, _ in cases) else None


def _cast(cases, tolerance):
    for words, function in (("cut off to whole numbers", np.trunc), ("rounded down", np.floor),
                            ("rounded up", np.ceil), ("rounded", np.round), ("made positive", np.abs)):  # fmt: skip
        if all(close(g, function(w), tolerance) for g, w, _ in cases):
            return f"it is the right one, {words}"
    return None


def _moved(cases, tolerance):
    """Axes in another order, an axis turned round or rolled."""
    ndim = cases[0][1].ndim
    if all(g.ndim == w.ndim == ndim for g, w, _ in cases) and 1 < ndim <= 5:
        for order in itertools.permutations(range(ndim)):
            if order != tuple(range(ndim)) and all(close(g, w.transpose(order), tolerance) for g, w, _ in cases):
                return f"its axes are in another order, {order}; a transpose makes it right"
    for axis in range(ndim):
        if all(g.shape == w.shape and close(g, np.flip(w, axis), tolerance) for g, w, _ in cases):
            return f"axis {axis} is turned round; the rest is right"
        for step in (1, -1):
            if all(g.shape == w.shape and close(g, np.roll(w, step, axis), tolerance) for g, w, _ in cases):
                return f"along axis {axis} everything is one place off"
    return None


def _unsummed(cases, tolerance):
    """An axis too many, or one too few, or none left."""
    reductions = (("summed", np.sum), ("averaged", np.mean))
    for axis in range(max(g.ndim for g, _, _ in cases)):
        for words, reduce in reductions:
            if all(g.ndim > axis and close(reduce(g, axis), w, tolerance) for g, w, _ in cases):
                return f"it is not yet {words} over axis {axis}; the rest is right"
    for axis in (*range(max(w.ndim for _, w, _ in cases)), None):
        for words, reduce in reductions:
            has_axis = all(w.size > 1 if axis is None else w.ndim > axis for _, w, _ in cases)
            if has_axis and all(close(g, reduce(w, axis), tolerance) for g, w, _ in cases):
                over = "everything" if axis is None else f"axis {axis}"
                return f"it is the right one, {words} over {over} as well"
    return None


def _part(cases, tolerance):
    """Entries at one end of an axis are missing."""
    for axis in range(max(w.ndim for _, w, _ in cases)):
        for words, part in (
            ("only the first entry is there; does a `return` stand inside the loop?", slice(0, 1)),
            ("only the last entry is there", slice(-1, None)),
            ("the last entry is missing", slice(None, -1)),
            ("the first entry is missing", slice(1, None)),
        ):
            if all(
                g.ndim == w.ndim > axis and close(g, w[(slice(None),) * axis + (part,)], tolerance) for g, w, _ in cases
            ):
                return f"along axis {axis} {words}"
    return None


def _rearranged(cases, tolerance):
    if all(g.size == w.size and close(g.ravel(), w.ravel(), tolerance) for g, w, _ in cases):
        return "the numbers are right and in the right order; only the shape is not"
    if all(g.size == w.size > 1 and close(np.sort(g.ravel()), np.sort(w.ravel()), tolerance) for g, w, _ in cases):
        return "the right numbers are all there, in the wrong places"
    return None
