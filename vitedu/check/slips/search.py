"""Which slips explain a wrong answer: one, one for each result, then pairs; the simplest that explains all cases.

Ordinary cases decide: those in which the student's results are finite numbers.  What happens in the others (overflow,
a crash) only tells explanations apart that fit equally well, or is all there is, and then nothing is asserted.
"""

from __future__ import annotations

import ast
import math
import time
from dataclasses import dataclass, replace

import numpy as np

from .compare import as_results, close, is_weak, same, stops_alike

__all__ = ["Explanation", "Tables", "explain"]

SAME_LINE = 1.5  # two slips in one line: only likely ones
EQUALLY_LIKELY = 0.05
EXPECTED = 1.0  # slips of at most this weight are written down by hand, or as likely: they are tried, whatever the time
TOGETHER = 3.4  # two slips of more weight than this are no explanation
LOOK_AT_CLOCK = 20  # slips from one look to the next: a look may cost as much as a slip
SINGLES, PAIRS = 0.7, 1.0  # seconds of this process's own time, so that a busy machine hides no mistake


@dataclass(frozen=True)
class Explanation:
    """Slips that give the student's numbers.  sure: False where there are only NaN, zeros, or a crash."""

    slips: tuple
    sure: bool = True
    others: tuple = ()  # that fit as well and are as likely
    besides: bool = False  # in special cases the student's answer goes wrong in some way that this does not explain


class Tables:
    """What does not depend on the student: the variables before every line, for every way of writing and every case.

    Also, once a student asked for them, what every single slip gives and what its line is: the second try is quick.
    """

    def __init__(self, programs, cases, count):
        self.count, self.before = count, {}
        self._results: dict = {}  # slip, case -> that slip (so that its id stays its own), its results, their sketches
        self._marks: dict = {}
        for program in programs:
            self.before[id(program)] = kept = []
            for args in cases:
                keep: list[dict] = []
                made = program.run({}, program.start(args), keep=keep)
                if isinstance(made, Exception):
                    raise made
                kept.append([*keep, {"result": made}])

    def run(self, slip, case: int):
        """The slip's results on a case, or the error."""
        env = self.before[id(slip.program)][case][slip.first]
        made = slip.program.run(slip.changes, env, slip.first)
        return made if isinstance(made, Exception) else as_results(made, self.count)

    def results(self, slip, case: int):
        """The same, kept: for single slips, of which there are few enough.  Beside it a sketch of every result."""
        key = id(slip), case
        if key not in self._results:
            made = self.run(slip, case)
            self._results[key] = slip, made, None if isinstance(made, Exception) else [_sketch(r) for r in made]
        return self._results[key][1:]

    def mark(self, slip):
        """Of the first changed line: a hash of its values in all cases, the cases where it stops, is any value new."""
        if id(slip) not in self._marks:
            self._marks[id(slip)] = slip, *self._mark(slip)
        return self._marks[id(slip)][1:]

    def _mark(self, slip):
        number, values, changed = slip.first, [], len(slip.changes) > 1
        for before in self.before[id(slip.program)]:
            env, target = dict(before[number]), slip.program.lines[number].target
            try:
                exec(slip.changes[number], env)
            except Exception as error:
                values.append(str(error))
                continue
            made = env.get(target, slip.name)
            changed |= not _is_equal(made, before[number + 1].get(target))
            try:
                values.append((np.round(np.asarray(made, dtype=np.float64), 9).tobytes(), np.shape(made)))
            except (TypeError, ValueError, OverflowError):
                values.append(id(slip))
        return hash(tuple(values)), {i for i, value in enumerate(values) if isinstance(value, str)}, changed


def _sketch(result):
    """(shape, sum, size times the largest entry) of numbers that are all finite; else None, which says nothing."""
    if not isinstance(result, np.ndarray) or not result.size:
        return None
    total, most = float(result.sum()), float(np.abs(result).max())
    return (result.shape, total, result.size * most) if math.isfinite(total) and math.isfinite(most) else None


def _may_be(got, made, tolerance) -> bool:
    """By their sketches: where entries are within `tolerance` of the largest, sums are within that many times more."""
    if len(got) != len(made):
        return False
    for g, m in zip(got, made, strict=True):
        if g is not None and m is not None:
            if g[0] != m[0] or abs(g[1] - m[1]) > 1.01 * tolerance * max(m[2], math.prod(m[0]) * 1e-12):
                return False
    return True


def explain(
    tables: Tables, slips, got, wanted, tolerance, outputs=(), budget=None
) -> Explanation | None:  # fmt: skip
    """got, wanted: for every case a list of results, or the error that was raised; outputs: the results' names.

    budget: seconds for one slip, and for pairs.
    """
    budget, began = budget or (SINGLES, PAIRS), time.process_time()
    finite = [i for i, g in enumerate(got) if not isinstance(g, Exception) and _is_finite(g)]
    wrong = [i for i in range(len(got)) if isinstance(got[i], Exception) or not same(got[i], wanted[i], tolerance)]
    ordinary = [i for i in wrong if i in finite]
    if not ordinary:
        return _from_special_cases(tables, slips, got, wanted, wrong, tolerance, began + sum(budget))
    decisive = max(ordinary, key=lambda i: _tells(got[i], wanted[i], tolerance))
    look = _Look(tables, got, wanted, tolerance, decisive, finite, outputs)
    singles = look.singles(slips, began + budget[0])
    weak = all(is_weak(got[i], wanted[i], tolerance) for i in ordinary)
    if singles:
        return _best(look, singles, got, wrong, weak)
    each = look.one_for_each_result(slips)
    if each:
        return Explanation(each, not weak)
    if weak:
        return None  # zeros come about in so many ways that two mistakes together say nothing
    until = time.process_time() + budget[1]
    pairs = look.pairs(slips, until)
    return Explanation(pairs) if pairs else None


def _is_finite(results) -> bool:
    return all(isinstance(r, np.ndarray) and np.isfinite(r).all() for r in results)


def _tells(got, wanted, tolerance) -> tuple:
    """How much a case tells: by its wrong results, their axes, and how few numbers have to be compared."""
    wrong = sum(not close(g, w, tolerance) for g, w in zip(got, wanted, strict=False))
    return wrong, sum(np.ndim(w) for w in wanted), -sum(np.size(w) for w in wanted)


def _best(look, singles, got, wrong, weak):
    """The likeliest; those that also fit the special cases first."""
    special = [i for i in wrong if i not in look.finite]
    if special:
        full = [s for s in singles if all(look.fits_special(s, i) for i in special)]
        singles, besides = (full, False) if full else (singles, True)
    else:
        besides = False
    singles.sort(key=lambda s: s.weight)
    near = [s for s in singles if s.weight <= singles[0].weight + EQUALLY_LIKELY]
    names, others = {near[0].sentence}, []
    for slip in near[1:]:
        by_hand = slip.edits[0][1] is None and near[0].edits[0][1] is None
        if slip.sentence not in names and (by_hand or slip.edits[0][0] != near[0].edits[0][0]):
            names.add(slip.sentence)
            others.append(slip)
    expected = near[0].weight <= EXPECTED and len({slip.sentence for slip in singles}) == 1
    sure = not weak or (expected and len(wrong) < len(got))
    return Explanation((singles[0],), sure, tuple(others[:2]), besides)


def _from_special_cases(tables, slips, got, wanted, wrong, tolerance, until):
    """The answer is right wherever it gives finite numbers, or gives none at all."""
    look = _Look(tables, got, wanted, tolerance, wrong[0], [i for i in range(len(got)) if i not in wrong])
    crashed = any(isinstance(got[i], Exception) for i in wrong)
    found = []
    for tried, slip in enumerate(sorted(slips, key=lambda s: s.weight)):
        if slip.weight > EXPECTED and tried % LOOK_AT_CLOCK == 0 and time.process_time() > until:
            break
        if all(look.fits_special(slip, i) for i in wrong) and all(look.fits(slip, i) for i in look.finite):
            found.append(slip)
            if len(found) == 3:
                break
    if not found:
        return None
    some_right = bool(look.finite)
    partly = any(not isinstance(got[i], Exception) and not is_weak(got[i], wanted[i], tolerance) for i in wrong)
    expected = found[0].weight <= EXPECTED  # somebody has thought of it; a match of NaN with NaN alone says little
    sure = some_right and not crashed and expected and (partly or len(found) == 1)
    near = [s for s in found[1:] if s.weight <= found[0].weight + 0.15 and s.sentence != found[0].sentence]
    return Explanation((found[0],), sure, () if sure else tuple(near[:2]))


class _Look:
    """One student's answer beside the slips."""

    def __init__(self, tables, got, wanted, tolerance, decisive, finite, outputs=()):
        self.outputs = outputs
        self.tables, self.got, self.wanted, self.tolerance = tables, got, wanted, tolerance
        self.decisive, self.finite = decisive, finite
        self.made: dict = {}  # slip -> its results on the decisive case

    def on_decisive(self, slip):
        """Results and sketches."""
        made, sketches = self.tables.results(slip, self.decisive)
        self.made[id(slip)] = made
        return made, sketches

    def fits(self, slip, case) -> bool:
        made = self.tables.run(slip, case)
        return not isinstance(made, Exception) and same(self.got[case], made, self.tolerance)

    def fits_special(self, slip, case) -> bool:
        """The same crash, word for word, or NaN and infinity in the same places."""
        made, got = self.tables.results(slip, case)[0], self.got[case]
        if isinstance(got, OverflowError) and not isinstance(made, Exception):
            return not _is_finite(made)  # Python's own numbers stop where NumPy's go on with infinity
        if isinstance(got, Exception) or isinstance(made, Exception):
            return stops_alike(made, got)
        return same(got, made, self.tolerance)

    def singles(self, slips, until):
        found = []
        target = self.got[self.decisive]
        sketched = [_sketch(t) for t in target]
        for tried, slip in enumerate(slips):
            made, sketches = self.on_decisive(slip)
            if (
                isinstance(made, Exception)
                or not _may_be(sketched, sketches, self.tolerance)
                or not same(target, made, self.tolerance)
            ):
                if slip.weight > EXPECTED and tried % LOOK_AT_CLOCK == 0 and time.process_time() > until:
                    break
                continue
            if all(self.fits(slip, i) for i in self.finite if i != self.decisive):
                found.append(slip)
        return found

    def one_for_each_result(self, slips):
        """Several results: a slip for each wrong one, which leaves the right ones alone if it can."""
        target, right = self.got[self.decisive], self.wanted[self.decisive]
        if len(right) < 2 or len(target) != len(right):
            return None
        wrong = [r for r in range(len(right)) if not close(target[r], right[r], self.tolerance)]
        candidates: dict[int, list] = {r: [] for r in wrong}
        for slip in slips:
            made = self.made.get(id(slip))
            if made is None or isinstance(made, Exception) or len(made) != len(right):
                continue
            fit = [r for r in wrong if close(target[r], made[r], self.tolerance)]
            if not fit:
                continue
            spoils = sum(not close(target[r], made[r], self.tolerance) for r in range(len(right)) if r not in wrong)
            for r in fit:
                also = sum(r not in fit and not close(right[r], made[r], self.tolerance) for r in wrong)
                weight = slip.weight + 0.7 * spoils + 0.3 * also - 0.4 * (len(fit) - 1)
                candidates[r].append((weight, len(candidates[r]), slip, spoils))
        chosen, names = [], list(self.outputs)
        for r in wrong:
            for _, _, slip, spoils in sorted(candidates[r], key=lambda c: c[:2]):
                if all(self._fits_result(slip, i, r) for i in self.finite if i != self.decisive):
                    slip = replace(slip, where="", name=f"for {names[r]} alone, {slip.sentence}") if spoils else slip
                    if slip.sentence not in [c.sentence for c in chosen]:
                        chosen.append(slip)
                    break
            else:
                return None
        return tuple(chosen) if 0 < len(chosen) <= 3 else None

    def _fits_result(self, slip, case, r):
        made = self.tables.run(slip, case)
        if isinstance(made, Exception) or len(made) <= r or len(self.got[case]) <= r:
            return False
        return close(self.got[case][r], made[r], self.tolerance)

    def pairs(self, slips, until):
        """Two slips in different lines, or at different nodes of one; the likeliest first."""
        target, right = self.got[self.decisive], self.wanted[self.decisive]
        distinct, twins = self._distinct(slips)
        wrong = None
        if len(target) == len(right) > 1:
            wrong = {r for r in range(len(right)) if not close(target[r], right[r], self.tolerance)}
            distinct = [s for s in distinct if self._changed(s, right) <= wrong]
        best = None
        distinct.sort(key=lambda s: s.weight)
        n = len(distinct)
        # By the sum of their places in the list: likely with likely first.
        for total in range(1, 2 * n):
            for i in range(max(0, total - n + 1), (total + 1) // 2):
                one, two = distinct[i], distinct[total - i]
                if one.weight + two.weight > TOGETHER:
                    continue
                if one.first != two.first and (id(one) in twins or id(two) in twins):
                    continue  # the slip of the whole line stands for it
                both = _together(one, two)
                if both is None:
                    continue
                made = self.tables.run(both, self.decisive)
                if isinstance(made, Exception) or not same(target, made, self.tolerance):
                    continue
                if all(self.fits(both, case) for case in self.finite if case != self.decisive):
                    weight = one.weight + two.weight
                    if best is None or weight < best[0]:
                        best = weight, (one, two)
            if best is not None or time.process_time() > until:
                break
        if best is None:
            return None
        one, two = best[1]
        return (one, two) if one.first <= two.first else (two, one)

    def _changed(self, slip, right):
        made = self.made.get(id(slip))
        if made is None or isinstance(made, Exception) or len(made) != len(right):
            return set(range(len(right)))
        return {r for r in range(len(right)) if not close(right[r], made[r], self.tolerance)}

    def _distinct(self, slips):
        """Of slips that change the same lines to the same values, the likeliest; none that changes nothing.

        A slip at a node stays beside one that writes the whole line anew, since a second one may follow in its line.
        """
        seen, kept, twins = set(), [], set()
        for slip in sorted(slips, key=lambda s: s.weight):
            (values, stops, changed), whole = self.tables.mark(slip), slip.edits[0][1] is None
            if not changed or self.decisive in stops:
                continue
            mark = id(slip.program), tuple(sorted(slip.changes)), values
            if (mark, whole) in seen or (whole and (mark, False) in seen):
                continue
            if (mark, True) in seen:
                twins.add(id(slip))
            seen.add((mark, whole))
            kept.append(slip)
        return kept, twins


def _is_equal(a, b) -> bool:
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape and bool((a == b).all())


def _together(one, two):
    """Both slips at once; None where they touch the same place, or belong to two ways of writing."""
    if one.program is not two.program:
        return None
    if {number for number, _, _ in one.edits} & {number for number, _, _ in two.edits}:
        if any(old is None for _, old, _ in (*one.edits, *two.edits)) or max(one.weight, two.weight) > SAME_LINE:
            return None
        if {id(old) for _, old, _ in one.edits} & {id(old) for _, old, _ in two.edits}:
            return None
        inside = {id(n) for _, old, _ in two.edits for n in ast.walk(old)}
        if any(id(old) in inside for _, old, _ in one.edits):
            one, two = two, one  # the outer one first: it hands on the inner node itself
    return replace(one, edits=one.edits + two.edits)
