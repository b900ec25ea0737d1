"""vitedu/check/catalogue/state_of_the_art.py: the right answers in other styles, the mistakes in other words."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from vitedu import compute as accounting
from vitedu.plan import GPUS

# ---- right answers ---------------------------------------------------------------------------------------------------


def by_statistics(first, second):
    errors = [statistics.variance(runs.tolist()) / len(runs) for runs in (first, second)]
    return (statistics.mean(first.tolist()) - statistics.mean(second.tolist())) / math.sqrt(sum(errors))


def by_scipy(first, second):
    """Welch's t is this ratio."""
    return pytest.importorskip("scipy.stats").ttest_ind(first, second, equal_var=False).statistic


def by_searching(wanted, compute, accuracy):
    """Walk along the curve of the best so far until the accuracy is passed."""
    needed = []
    for a in wanted:
        best, before = accuracy[0], compute[0]
        for c, reached in zip(compute[1:], accuracy[1:], strict=True):
            top = max(best, reached)
            if a <= top:
                needed.append(before * (c / before) ** ((a - best) / (top - best)))
                break
            best, before = top, c
    return needed


def by_log2(wanted, compute, accuracy):
    return 2 ** np.interp(wanted, np.maximum.accumulate(accuracy), np.log2(compute))


def front_by_comparison(compute, accuracy):
    cheap, good = compute[:, None] <= compute, accuracy[:, None] >= accuracy  # [i, j]: i is at least as ... as j
    equal = (compute[:, None] == compute) & (accuracy[:, None] == accuracy)
    return ~(cheap & good & ~equal).any(axis=0)


def front_by_sorting(compute, accuracy):
    """The best at this compute, and better than anything cheaper."""
    kept = []
    for c, a in zip(compute, accuracy, strict=True):
        cheaper = accuracy[compute < c]
        kept.append(bool(a == accuracy[compute == c].max() and (not len(cheaper) or a > cheaper.max())))
    return kept


def as_the_package_counts(config, epochs, images, core_days, peak):
    exaflops = accounting.exaflops(sum(accounting.macs_by_part(config).values()), epochs, images)
    return exaflops, exaflops / (core_days * 24 * 60 * 60 * peak * 1e-6)


def by_rounding(first, second, unit):
    with np.errstate(invalid="ignore"):
        apart = np.round(first / unit) != np.round(second / unit)
    return apart & np.isfinite(first + second)


def cell_by_cell(first, second, unit):
    def differ(a, b):
        return not (math.isnan(a) or math.isnan(b)) and abs(a - b) > unit / 2

    return [[differ(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(first, second, strict=True)]


RIGHT = [
    ("difference_in_errors", by_statistics),
    ("difference_in_errors", by_scipy),
    ("compute_at_accuracy", by_searching),
    ("compute_at_accuracy", by_log2),
    ("pareto_front", front_by_comparison),
    ("pareto_front", front_by_sorting),
    ("training_compute", as_the_package_counts),
    ("disagreements", by_rounding),
    ("disagreements", cell_by_cell),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def students_t(first, second):
    """SciPy's default takes one variance for both."""
    return pytest.importorskip("scipy.stats").ttest_ind(first, second).statistic


def paired_t(first, second):
    return np.mean(first - second) / (np.std(first - second, ddof=1) / len(first) ** 0.5)


def numpy_std(first, second):
    return (first.mean() - second.mean()) / np.sqrt(np.std(first) ** 2 / len(first) + np.std(second) ** 2 / len(second))


def straight_in_compute(wanted, compute, accuracy):
    return np.interp(wanted, np.maximum.accumulate(accuracy), compute)


def by_sorted_pairs(wanted, compute, accuracy):
    pairs = sorted(zip(accuracy, compute, strict=True))
    return np.exp(np.interp(wanted, [a for a, _ in pairs], [math.log(c) for _, c in pairs]))


def records(compute, accuracy):
    """Better than every row above it in the table."""
    return [bool((accuracy[:i] < a).all()) for i, a in enumerate(accuracy)]


def sorted_front(compute, accuracy):
    kept, best = np.zeros(len(compute), bool), -1.0
    for c, a, i in sorted(zip(compute, -accuracy, range(len(compute)), strict=True)):
        assert c > 0
        kept[i], best = -a > best, max(best, -a)
    return kept


def forward_only(config, epochs, images, core_days, peak):
    exaflops, used = as_the_package_counts(config, epochs, images, core_days, peak)
    return exaflops / 3, used / 3


def by_the_chip(config, epochs, images, core_days, peak):
    """Two cores are on a chip."""
    assert peak == GPUS["tpuv3-core"].bf16
    exaflops, used = as_the_package_counts(config, epochs, images, core_days, peak)
    return exaflops, used / 2


def hours(config, epochs, images, core_days, peak):
    exaflops, _ = as_the_package_counts(config, epochs, images, core_days, peak)
    return exaflops, exaflops * 1e18 / (core_days * 3600 * peak * 1e12)


AGAIN = [
    ("difference_in_errors", students_t, "one deviation is taken for both"),
    ("difference_in_errors", paired_t, "paired"),
    ("difference_in_errors", numpy_std, "divided by n, not by n - 1"),
    ("difference_in_errors", lambda a, b: -by_statistics(a, b), "wrong sign"),
    ("difference_in_errors", lambda a, b: np.mean(a) - np.mean(b), "not divided by its error"),
    ("compute_at_accuracy", straight_in_compute, "straight in compute"),
    ("compute_at_accuracy", by_sorted_pairs, "sorted by accuracy"),
    ("compute_at_accuracy", lambda w, c, a: np.log(by_searching(w, c, a)), "the logarithm is returned"),
    ("compute_at_accuracy", lambda w, c, a: np.exp(np.interp(w, a, np.log(c))), "as they come"),
    ("pareto_front", records, "in the order of the table"),
    ("pareto_front", sorted_front, "one is dropped"),
    ("pareto_front", lambda c, a: np.argwhere(front_by_sorting(c, a)).ravel(), "positions"),
    ("pareto_front", lambda c, a: np.logical_not(front_by_sorting(c, a)), "beaten are returned"),
    ("training_compute", forward_only, "forward pass alone"),
    ("training_compute", by_the_chip, "two cores"),
    ("training_compute", hours, "a day is taken for an hour"),
    ("disagreements", lambda a, b, unit: np.abs(a - b) > unit, "a whole unit"),
    ("disagreements", lambda a, b, unit: ~np.isclose(a, b, rtol=0, atol=unit / 2), "missing is called"),
    ("disagreements", lambda a, b, unit: np.abs(a - b) < unit / 2, "agree are returned"),
    ("disagreements", lambda a, b, unit: a - b > unit / 2, "too high"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
