"""Two models, the same seeds: an exercise that two notebooks have, in the words of each (data_size, ablations)."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise

__all__: list[str] = []  # each stands in its notebook's file


def _cases(rng):
    """Accuracies (R, seeds) of two models: what a seed does, it does to both, and seeds differ more than models do."""
    cases = []
    for R, seeds in [(3, 5), (5, 4), (2, 6)]:
        shared = rng.uniform(0.3, 0.8, (R, 1)) + 0.06 * rng.standard_normal((R, seeds))
        own = 0.02 * rng.standard_normal((2, R, seeds))
        cases.append((shared + own[0] + 0.01, shared + own[1]))
    return cases


@exercise(cases=_cases, outputs={"difference": "(S,)", "error": "(S,)"}, level=2, minutes=10)
def paired_difference(first, second):
    d = first - second  # the differences of the pairs
    n = d.shape[1]
    spread = d.std(axis=1, ddof=1)  # their deviation
    error = spread / np.sqrt(n)  # the error
    return d.mean(axis=1), error


@exercise(cases=_cases, outputs={"mean": "(R,)", "error": "(R,)"}, level=1, minutes=10)
def paired_lead(a, b):
    d = a - b  # the differences of the pairs
    n = d.shape[1]
    spread = d.std(axis=1, ddof=1)  # their deviation
    error = spread / np.sqrt(n)  # the error
    return d.mean(axis=1), error


_PAIR = "Both saw the same images of a seed: what varies with these is in both. Of which numbers is the deviation?"
for _check, _a, _b in ((paired_difference, "first", "second"), (paired_lead, "a", "b")):
    _one, _other = (f"{x}.std(axis=1, ddof=1)" for x in (_a, _b))
    _check.slips_in(
        "spread",
        ("the errors of two independent means are put together", _PAIR, f"np.hypot({_one}, {_other})"),
        ("the errors of the two means are added", _PAIR, f"{_one} + {_other}"),
        ("the errors of the two means are subtracted", "A deviation of differences is no difference of deviations.",
         f"np.abs({_one} - {_other})"),
        ("one error for all rows", "Each row has seeds of its own.", "d.std(ddof=1) / np.sqrt(len(d)) + 0 * d[:, 0]"),
        ("one error for all rows", "Each row has seeds of its own.", "d.std(ddof=1) + 0 * d[:, 0]"),
    )  # fmt: skip
    _check.slips_in(
        "d",
        ("the difference has the wrong sign", f"How much more has `{_a}` than `{_b}`?", f"{_b} - {_a}"),
        ("the sign is lost, pair by pair",
         "Sometimes the one is ahead, sometimes the other: that is what the error is about.", f"np.abs({_a} - {_b})"),
        ("the pairs are taken apart: each model's runs are sorted first",
         "Seed k of the one belongs to seed k of the other.", f"np.sort({_a}, axis=1) - np.sort({_b}, axis=1)"),
        ("mean and error run over the rows, not over the seeds", "Along which axis do the seeds lie?",
         f"({_a} - {_b}).T"),
    )  # fmt: skip
    _check.slips_in(
        "error",
        ("the deviation of a single pair is given", "The mean of many pairs is surer than one of them.", "spread"),
        ("the root is missing: that is a variance", "An error has the unit of an accuracy.", "spread**2 / n"),
        ("the deviation is divided by the number of pairs, not by its root",
         "It is the variance of a mean that is n times smaller.", "spread / n"),
        ("n - 1 twice: in the variance, and again for the mean",
         "n - 1 belongs to the variance. How many values has the mean?", "spread / np.sqrt(n - 1)"),
    )  # fmt: skip
    _check.slip(
        "the variances are divided by the number of pairs, not by one less",
        "The mean was taken from the same pairs: of n differences, how many are free?",
        spread="d.std(axis=1)",
    )
