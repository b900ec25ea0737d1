"""Wrong answers to notebooks/17_state_of_the_art.ipynb: error bars, equal compute, best trades, a training."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import quiet

from . import FirstGeneration

__all__ = ["compute_at_accuracy", "difference_in_errors", "disagreements", "pareto_front", "training_compute"]


def _in_errors(error, difference=lambda a, b: a.mean() - b.mean()):
    """difference over error, of two arrays of runs"""
    return lambda first, second: difference(first, second) / error(first, second)


def _error(a, b, ddof=1):
    return np.sqrt(a.var(ddof=ddof) / len(a) + b.var(ddof=ddof) / len(b))


def _pooled(a, b):
    free = len(a) + len(b) - 2
    variance = (a.var(ddof=1) * (len(a) - 1) + b.var(ddof=1) * (len(b) - 1)) / free
    return np.sqrt(variance * (1 / len(a) + 1 / len(b)))


def _thrown_together(a, b):
    both = np.concatenate([a, b])
    return both.std(ddof=1) / np.sqrt(len(both))


difference_in_errors = FirstGeneration(
    _in_errors(_error),
    [
        (
            "the deviations of single runs are taken for the errors of the means",
            _in_errors(lambda a, b: np.hypot(a.std(ddof=1), b.std(ddof=1))),
        ),
        ("the variances are divided by n, not by n - 1", _in_errors(lambda a, b: _error(a, b, ddof=0))),
        ("single runs, and n in place of n - 1", _in_errors(lambda a, b: np.hypot(a.std(), b.std()))),
        (
            "the errors are added as they are",
            _in_errors(lambda a, b: a.std(ddof=1) / np.sqrt(len(a)) + b.std(ddof=1) / np.sqrt(len(b))),
        ),
        (
            "the errors are averaged",
            _in_errors(lambda a, b: (a.std(ddof=1) / np.sqrt(len(a)) + b.std(ddof=1) / np.sqrt(len(b))) / 2),
        ),
        ("only the first model's error is counted", _in_errors(lambda a, b: a.std(ddof=1) / np.sqrt(len(a)))),
        ("only the second model's error is counted", _in_errors(lambda a, b: b.std(ddof=1) / np.sqrt(len(b)))),
        (
            "each deviation is divided by n, not by its root",
            _in_errors(lambda a, b: np.hypot(a.std(ddof=1) / len(a), b.std(ddof=1) / len(b))),
        ),
        ("the root is missing: that divides by a variance", _in_errors(lambda a, b: _error(a, b) ** 2)),
        ("one deviation is taken for both models", _in_errors(_pooled)),
        ("all runs are thrown together", _in_errors(_thrown_together)),
        ("the difference has the wrong sign", _in_errors(_error, lambda a, b: b.mean() - a.mean())),
        ("the sign is lost", _in_errors(_error, lambda a, b: abs(a.mean() - b.mean()))),
        ("the difference is not divided by its error", _in_errors(lambda a, b: 1.0)),
        ("the best runs are compared, not the means", _in_errors(_error, lambda a, b: a.max() - b.max())),
        ("the runs are paired", lambda a, b: (a - b).mean() / ((a - b).std(ddof=1) / np.sqrt(len(a)))),
    ],
)


def _needed(best=np.maximum.accumulate, before=np.log, after=np.exp, of=lambda a: a):
    def answer(wanted, compute, accuracy):
        return after(np.interp(of(wanted), of(best(accuracy)), before(compute)))

    return answer


def _without_beaten(wanted, compute, accuracy):
    front = np.maximum.accumulate(accuracy) == accuracy
    return np.exp(np.interp(wanted, accuracy[front], np.log(compute[front])))


def _sorted_by_accuracy(wanted, compute, accuracy):
    order = np.argsort(accuracy)
    return np.exp(np.interp(wanted, accuracy[order], np.log(compute[order])))


def _first_that_reaches(wanted, compute, accuracy):
    return np.array([compute[accuracy >= a][0] for a in wanted])


def _last_below(wanted, compute, accuracy):
    return np.array([compute[accuracy <= a][-1] for a in wanted])


def _nearest(wanted, compute, accuracy):
    return compute[np.abs(accuracy - wanted[:, None]).argmin(axis=1)]


def _ends_alone(wanted, compute, accuracy):
    ends = accuracy[[0, -1]]
    return np.exp(np.interp(wanted, ends, np.log(compute[[0, -1]])))


compute_at_accuracy = FirstGeneration(
    _needed(),
    [
        ("the line is straight in compute, not in its logarithm", _needed(before=lambda c: c, after=lambda c: c)),
        ("the rows are taken as they come, though their accuracy falls in between", quiet(_needed(best=lambda a: a))),
        ("the rows are sorted by accuracy", _sorted_by_accuracy),
        ("rows that a cheaper one beats are left out", _without_beaten),
        (
            "the best is taken from the right: of all models that cost more",
            _needed(best=lambda a: np.maximum.accumulate(a[::-1])[::-1]),
        ),
        ("the worst so far is taken, not the best", _needed(best=np.minimum.accumulate)),
        ("the logarithm is returned", _needed(after=lambda c: c)),
        ("two logarithms of different base", _needed(before=np.log10)),
        ("the exponential belongs to another base", _needed(after=lambda c: 10**c)),
        ("the logarithm of the accuracy is taken too", _needed(of=np.log)),
        ("no line is drawn: the first model that reaches the accuracy", _first_that_reaches),
        ("no line is drawn: the last model that is not better", _last_below),
        ("no line is drawn: the model with the nearest accuracy", _nearest),
        ("one line from the first model to the last", _ends_alone),
        (
            "accuracies and compute are exchanged",
            lambda wanted, compute, accuracy: np.interp(wanted, np.log(compute), np.maximum.accumulate(accuracy)),
        ),
    ],
)


def _front(beats):
    """Kept is what no other row beats.  beats(compute, accuracy of a row, of the others) -> which of them beat it."""

    def answer(compute, accuracy):
        rows = range(len(compute))
        return np.array([not beats(compute[i], accuracy[i], compute, accuracy).any() for i in rows])

    return answer


def _better(c, a, compute, accuracy):
    return (compute <= c) & (accuracy >= a) & ((compute < c) | (accuracy > a))


_best_trades = _front(_better)


def _running(compute, accuracy, order):
    """In this order, kept is what is better than all before it."""
    kept, best = np.zeros(len(compute), bool), -np.inf
    for i in order:
        if accuracy[i] > best:
            kept[i], best = True, accuracy[i]
    return kept


def _cheap_first(compute, accuracy):
    return np.argsort(compute, kind="stable")


def _in_order_of_compute(compute, accuracy):
    return _best_trades(compute, accuracy)[_cheap_first(compute, accuracy)]


def _one_of_equals(compute, accuracy):
    return _running(compute, accuracy, np.lexsort((-accuracy, compute)))


def _hull(compute, accuracy):
    """Rows on or over every straight line between two others that are kept."""
    kept = _best_trades(compute, accuracy)
    rows = np.flatnonzero(kept)
    for i in rows:
        for j in rows:
            for k in rows:
                if compute[j] < compute[i] < compute[k]:
                    part = (compute[i] - compute[j]) / (compute[k] - compute[j])
                    kept[i] &= accuracy[i] >= accuracy[j] + part * (accuracy[k] - accuracy[j])
    return kept


pareto_front = FirstGeneration(
    _best_trades,
    [
        (
            "a row that is equal in one and worse in the other is kept",
            _front(lambda c, a, compute, accuracy: (compute < c) & (accuracy > a)),
        ),
        ("every row beats itself", _front(lambda c, a, compute, accuracy: (compute <= c) & (accuracy >= a))),
        (
            "of equally cheap models the worse is kept too",
            _front(lambda c, a, compute, accuracy: (compute < c) & (accuracy >= a)),
        ),
        (
            "of equally good models the dearer is kept too",
            _front(lambda c, a, compute, accuracy: (compute <= c) & (accuracy > a)),
        ),
        ("of two rows that are the same, one is dropped", _one_of_equals),
        (
            "the rows are taken in the order of the table",
            lambda compute, accuracy: _running(compute, accuracy, range(len(compute))),
        ),
        (
            "sorted by compute alone, and of equally cheap models the first one seen is kept",
            lambda compute, accuracy: _running(compute, accuracy, _cheap_first(compute, accuracy)),
        ),
        ("the answer is in order of compute", _in_order_of_compute),
        (
            "the positions of the rows are returned",
            lambda compute, accuracy: np.flatnonzero(_best_trades(compute, accuracy)),
        ),
        ("the rows that are beaten are returned", lambda compute, accuracy: ~_best_trades(compute, accuracy)),
        ("more compute is taken for better", lambda compute, accuracy: _best_trades(-compute, accuracy)),
        ("the worst trades are kept: dear and bad", lambda compute, accuracy: _best_trades(-compute, -accuracy)),
        ("rows that lie under a straight line between two others are dropped", _hull),
        ("only the most accurate model is kept", lambda compute, accuracy: accuracy == accuracy.max()),
    ],
)


def _trained(config, epochs, images, core_days, peak, *, flops=6, tokens=0, repeated=None, parts=(), used=None):
    """exaFLOPs and the part of the peak, with room for a slip in each."""
    c, T, D = config, config.num_tokens + tokens, config.width
    patches = c.num_patches * c.channels * c.patch_size**2 * D
    block = 4 * T * D**2 + 2 * T * D * c.mlp_dim + (0 if "scores" in parts else 2 * T**2 * D)
    macs = (c.depth if repeated is None else repeated) * block
    macs += (0 if "patches" in parts else patches) + (0 if "head" in parts else D * c.num_classes)
    exaflops = flops * macs * epochs * images / 1e18
    return exaflops, (used or _used)(exaflops, core_days, peak)


def _used(exaflops, core_days, peak):
    return exaflops * 1e18 / (core_days * 86_400 * peak * 1e12)


def _training(**slip):
    return lambda *args: _trained(*args, **slip)


def _wrongly_used(used):
    """The exaFLOPs are right; what becomes of them is not."""
    return _training(used=used)


training_compute = FirstGeneration(
    _training(),
    [
        ("the forward pass alone is counted", _training(flops=2)),
        ("MACs are counted, not FLOPs", _training(flops=3)),
        ("backward is taken to cost as much as forward", _training(flops=4)),
        ("MACs of the forward alone, neither doubled nor tripled", _training(flops=1)),
        ("the class token is forgotten: N tokens, not T", _training(tokens=-1)),
        ("one block is counted", _training(repeated=1)),
        ("the products of tokens with tokens are not counted", _training(parts=("scores",))),
        ("the patch embedding is not counted", _training(parts=("patches",))),
        ("the head is not counted", _training(parts=("head",))),
        ("only the blocks are counted", _training(parts=("patches", "head"))),
        ("the epochs are forgotten", lambda config, epochs, *rest: _trained(config, 1, *rest)),
        ("the days are not turned into seconds", _wrongly_used(lambda e, days, peak: e * 1e18 / (days * peak * 1e12))),
        ("a day is taken for an hour", _wrongly_used(lambda e, days, peak: _used(e, days, peak) * 24)),
        ("a day is taken for its minutes", _wrongly_used(lambda e, days, peak: _used(e, days, peak) * 60)),
        (
            "the units do not meet: exa is 1e18, tera 1e12",
            _wrongly_used(lambda e, days, peak: e / (days * 86_400 * peak)),
        ),
        ("the share is upside down", _wrongly_used(lambda e, days, peak: 1 / _used(e, days, peak))),
        ("the share is in per cent", _wrongly_used(lambda e, days, peak: 100 * _used(e, days, peak))),
        (
            "speed is returned, not its share of the peak",
            _wrongly_used(lambda e, days, peak: e * 1e6 / (days * 86_400)),
        ),
        ("the peak of a chip with two cores is taken", _wrongly_used(lambda e, days, peak: _used(e, days, 2 * peak))),
    ],
)


def _differ(far):
    """far(difference, unit), where both tables have a number"""

    def answer(first, second, unit):
        there = ~np.isnan(first) & ~np.isnan(second)
        return there & far(np.where(there, first - second, 0.0), unit)

    return answer


_disagree = _differ(lambda d, unit: np.abs(d) > unit / 2)


def _cut_off(first, second, unit):
    there = ~np.isnan(first) & ~np.isnan(second)
    cut = np.floor(np.where(there, first, 0) / unit)
    return there & (cut != np.round(np.where(there, second, 0) / unit))


disagreements = FirstGeneration(
    _disagree,
    [
        (
            "a number that is missing is called a contradiction",
            lambda first, second, unit: ~(np.abs(first - second) <= unit / 2),
        ),
        (
            "what only one of the tables has is called a contradiction",
            lambda first, second, unit: _disagree(first, second, unit) | (np.isnan(first) ^ np.isnan(second)),
        ),
        ("numbers that round to each other are called a contradiction", _differ(lambda d, unit: d != 0)),
        (
            "numbers that round to each other, or are missing, are called a contradiction",
            lambda first, second, unit: first != second,
        ),
        ("a whole unit is allowed", _differ(lambda d, unit: np.abs(d) > unit)),
        ("only numbers that are too high are found", _differ(lambda d, unit: d > unit / 2)),
        ("only numbers that are too low are found", _differ(lambda d, unit: d < -unit / 2)),
        ("the numbers are cut off, not rounded", _cut_off),
        ("the numbers that agree are returned", lambda first, second, unit: np.abs(first - second) <= unit / 2),
        ("the differences are returned", lambda first, second, unit: first - second),
        ("the places are returned", lambda first, second, unit: np.argwhere(_disagree(first, second, unit))),
        (
            "a row is called contradictory as a whole",
            lambda first, second, unit: _disagree(first, second, unit).any(axis=1),
        ),
    ],
)
