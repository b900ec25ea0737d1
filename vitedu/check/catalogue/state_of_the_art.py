"""Checks for notebooks/17_state_of_the_art.ipynb: error bars, equal compute, the best trades, a training's compute."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.config import ViTConfig

from ..engine import Check, Mistake, quiet

__all__ = ["compute_at_accuracy", "difference_in_errors", "disagreements", "pareto_front", "training_compute"]


# ---- difference_in_errors(first, second) -> ratio --------------------------------------------------------------------


def _run_cases(rng):
    """first (n1,), second (n2,): accuracies of the runs of two models, in %, never equally many."""
    sizes = [(3, 5), (4, 3), (6, 4)]
    return [tuple(rng.uniform(85, 90) + rng.uniform(0.03, 0.3) * rng.standard_normal(n) for n in two) for two in sizes]


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


difference_in_errors = Check(
    "difference_in_errors",
    reference=_in_errors(_error),
    cases=_run_cases,
    outputs={"ratio": "(a number)"},
    mistakes=[
        Mistake(
            "the deviations of single runs are taken for the errors of the means",
            "The mean of many runs is surer than one of them.",
            _in_errors(lambda a, b: np.hypot(a.std(ddof=1), b.std(ddof=1))),
        ),
        Mistake(
            "the variances are divided by n, not by n - 1",
            "The mean was taken from the same runs: of three deviations, two are free.",
            _in_errors(lambda a, b: _error(a, b, ddof=0)),
        ),
        Mistake(
            "single runs, and n in place of n - 1",
            "Two things: whose deviation is it, and over how many free ones?",
            _in_errors(lambda a, b: np.hypot(a.std(), b.std())),
        ),
        Mistake(
            "the errors are added as they are",
            "Two independent errors seldom point the same way. What is it that adds up?",
            _in_errors(lambda a, b: a.std(ddof=1) / np.sqrt(len(a)) + b.std(ddof=1) / np.sqrt(len(b))),
        ),
        Mistake(
            "the errors are averaged",
            "A difference of two uncertain numbers is less certain than either of them.",
            _in_errors(lambda a, b: (a.std(ddof=1) / np.sqrt(len(a)) + b.std(ddof=1) / np.sqrt(len(b))) / 2),
        ),
        Mistake(
            "only the first model's error is counted",
            "The second was measured too.",
            _in_errors(lambda a, b: a.std(ddof=1) / np.sqrt(len(a))),
        ),
        Mistake(
            "only the second model's error is counted",
            "The first was measured too.",
            _in_errors(lambda a, b: b.std(ddof=1) / np.sqrt(len(b))),
        ),
        Mistake(
            "each deviation is divided by n, not by its root",
            "It is the variance of a mean that is n times smaller.",
            _in_errors(lambda a, b: np.hypot(a.std(ddof=1) / len(a), b.std(ddof=1) / len(b))),
        ),
        Mistake(
            "the root is missing: that divides by a variance",
            "The ratio has no unit. Which unit has a variance of accuracies?",
            _in_errors(lambda a, b: _error(a, b) ** 2),
        ),
        Mistake(
            "one deviation is taken for both models",
            "Nobody says that both vary alike: BiT's runs vary seven times as much on VTAB.",
            _in_errors(_pooled),
        ),
        Mistake(
            "all runs are thrown together",
            "Their spread then holds the very difference that is in question.",
            _in_errors(_thrown_together),
        ),
        Mistake(
            "the difference has the wrong sign",
            "First minus second: who is better when the ratio is positive?",
            _in_errors(_error, lambda a, b: b.mean() - a.mean()),
        ),
        Mistake(
            "the sign is lost",
            "The ratio should also say who is ahead.",
            _in_errors(_error, lambda a, b: abs(a.mean() - b.mean())),
        ),
        Mistake(
            "the difference is not divided by its error",
            "How many errors is that?",
            _in_errors(lambda a, b: 1.0),
        ),
        Mistake(
            "the best runs are compared, not the means",
            "The best of five tends to be higher than the best of three, for equal models too.",
            _in_errors(_error, lambda a, b: a.max() - b.max()),
        ),
        Mistake(
            "the runs are paired",
            "Run 1 of one model has nothing to do with run 1 of the other; there need not even be as many.",
            lambda a, b: (a - b).mean() / ((a - b).std(ddof=1) / np.sqrt(len(a))),
        ),
    ],
)


# ---- compute_at_accuracy(wanted, compute, accuracy) -> needed --------------------------------------------------------


def _curve_cases(rng):
    """wanted (n,), compute (R,) ascending, accuracy (R,): not always rising, yet reaching all that is wanted."""
    cases = []
    for R, dips in [(5, [2]), (7, [3, 5]), (6, [1, 3])]:
        compute = np.exp(np.cumsum(rng.uniform(0.5, 1.5, R)) + 3)
        accuracy = 75 + np.cumsum(rng.uniform(1, 3, R))
        for dip in dips:
            accuracy[dip] = accuracy[dip - 1] - rng.uniform(0.2, 0.8)
        wanted = rng.uniform(accuracy[0] + 0.1, accuracy.max() - 0.1, R + 2)
        cases.append((wanted, compute, accuracy))
    return cases


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


compute_at_accuracy = Check(
    "compute_at_accuracy",
    reference=_needed(),
    cases=_curve_cases,
    outputs={"needed": "(n,)"},
    mistakes=[
        Mistake(
            "the line is straight in compute, not in its logarithm",
            "On which axis does the figure draw a straight line?",
            _needed(before=lambda c: c, after=lambda c: c),
        ),
        Mistake(
            "the rows are taken as they come, though their accuracy falls in between",
            "`np.interp` wants ascending values, and does not say so. Which accuracy has one *at most* this compute?",
            quiet(_needed(best=lambda a: a)),
        ),
        Mistake(
            "the rows are sorted by accuracy",
            "A model that cost more and is worse would then stand before a cheaper one.",
            _sorted_by_accuracy,
        ),
        Mistake(
            "rows that a cheaper one beats are left out",
            "Also a way to do it. Here such a row holds the best so far, and the curve rises only after it.",
            _without_beaten,
        ),
        Mistake(
            "the best is taken from the right: of all models that cost more",
            "What can one get for at most this compute?",
            _needed(best=lambda a: np.maximum.accumulate(a[::-1])[::-1]),
        ),
        Mistake(
            "the worst so far is taken, not the best",
            "More compute never forces one to take the worse model.",
            _needed(best=np.minimum.accumulate),
        ),
        Mistake(
            "the logarithm is returned",
            "How does one get from log exaFLOPs to exaFLOPs?",
            _needed(after=lambda c: c),
        ),
        Mistake(
            "two logarithms of different base",
            "What undoes `np.log10`?",
            _needed(before=np.log10),
        ),
        Mistake(
            "the exponential belongs to another base",
            "What undoes `np.log`?",
            _needed(after=lambda c: 10**c),
        ),
        Mistake(
            "the logarithm of the accuracy is taken too",
            "Only one of the two axes is logarithmic.",
            _needed(of=np.log),
        ),
        Mistake(
            "no line is drawn: the first model that reaches the accuracy",
            "Between two models lies another that nobody trained. What would it have cost?",
            _first_that_reaches,
        ),
        Mistake(
            "no line is drawn: the last model that is not better",
            "Between two models lies another that nobody trained. What would it have cost?",
            _last_below,
        ),
        Mistake(
            "no line is drawn: the model with the nearest accuracy",
            "Between two models lies another that nobody trained. What would it have cost?",
            _nearest,
        ),
        Mistake(
            "one line from the first model to the last",
            "The curve bends; the models in between say how.",
            _ends_alone,
        ),
        Mistake(
            "accuracies and compute are exchanged",
            "`np.interp(x, xp, fp)`: which of the two is asked for?",
            lambda wanted, compute, accuracy: np.interp(wanted, np.log(compute), np.maximum.accumulate(accuracy)),
        ),
    ],
)


# ---- pareto_front(compute, accuracy) -> kept -------------------------------------------------------------------------


def _trade_cases(rng):
    """compute (R,), accuracy (R,), in no order; some are equal in one, some in both."""
    cases = []
    for R in (9, 12, 15):
        compute = rng.integers(1, R, R).astype(float)
        accuracy = np.round(70 + 8 * np.log(compute) + rng.uniform(-4, 4, R))
        compute[:2], accuracy[:2] = 0.5, (75, 73)  # equally cheap, one better
        compute[2:4], accuracy[2:4] = (2 * R, 3 * R), 100  # equally good, one cheaper
        compute[4:6], accuracy[4:6] = 0.4, 72  # the same twice
        order = rng.permutation(R)
        cases.append((compute[order], accuracy[order]))
    return cases


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


pareto_front = Check(
    "pareto_front",
    reference=_best_trades,
    cases=_trade_cases,
    outputs={"kept": "(R,)"},
    mistakes=[
        Mistake(
            "a row that is equal in one and worse in the other is kept",
            "Of two models with the same compute, which one does nobody want?",
            _front(lambda c, a, compute, accuracy: (compute < c) & (accuracy > a)),
        ),
        Mistake(
            "every row beats itself",
            "A row stands among those it is compared with. When is one really better?",
            _front(lambda c, a, compute, accuracy: (compute <= c) & (accuracy >= a)),
        ),
        Mistake(
            "of equally cheap models the worse is kept too",
            "Of two models with the same compute, which one does nobody want?",
            _front(lambda c, a, compute, accuracy: (compute < c) & (accuracy >= a)),
        ),
        Mistake(
            "of equally good models the dearer is kept too",
            "Of two models with the same accuracy, which one does nobody want?",
            _front(lambda c, a, compute, accuracy: (compute <= c) & (accuracy > a)),
        ),
        Mistake(
            "of two rows that are the same, one is dropped",
            "Neither is better than the other.",
            _one_of_equals,
        ),
        Mistake(
            "the rows are taken in the order of the table",
            "Better than everything *before* it must mean than everything cheaper.",
            lambda compute, accuracy: _running(compute, accuracy, range(len(compute))),
        ),
        Mistake(
            "sorted by compute alone, and of equally cheap models the first one seen is kept",
            "Where compute is equal, which one should come first?",
            lambda compute, accuracy: _running(compute, accuracy, _cheap_first(compute, accuracy)),
        ),
        Mistake(
            "the answer is in order of compute",
            "`kept[i]` belongs to row i of the table as it was given.",
            _in_order_of_compute,
        ),
        Mistake(
            "the positions of the rows are returned",
            "A mask has a True or False for every row.",
            lambda compute, accuracy: np.flatnonzero(_best_trades(compute, accuracy)),
        ),
        Mistake(
            "the rows that are beaten are returned",
            "Those are the ones to leave out.",
            lambda compute, accuracy: ~_best_trades(compute, accuracy),
        ),
        Mistake(
            "more compute is taken for better",
            "Which of the two should be small?",
            lambda compute, accuracy: _best_trades(-compute, accuracy),
        ),
        Mistake(
            "the worst trades are kept: dear and bad",
            "Which of the two should be small?",
            lambda compute, accuracy: _best_trades(-compute, -accuracy),
        ),
        Mistake(
            "rows that lie under a straight line between two others are dropped",
            "Nobody can buy half of each of two models.",
            _hull,
        ),
        Mistake(
            "only the most accurate model is kept",
            "What does somebody take who cannot pay for it?",
            lambda compute, accuracy: accuracy == accuracy.max(),
        ),
    ],
)


# ---- training_compute(config, epochs, images, core_days, peak) -> exaflops, utilisation ------------------------------


def _training_cases(rng):
    """Small ViTs, so that every part shows; peak in 1e12 FLOP/s."""
    sizes = [(20, 5, 6, 2, 2, 10, 3), (12, 4, 9, 3, 3, 7, 11), (8, 4, 10, 1, 5, 16, 6)]
    cases = []
    for image, patch, width, depth, heads, hidden, classes in sizes:
        config = ViTConfig(image, patch, width, depth, heads, hidden, classes)
        cases.append((config, int(rng.integers(3, 90)), int(rng.integers(1e10, 1e12)), int(rng.integers(2, 30)), 61.5))
    return cases


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


training_compute = Check(
    "training_compute",
    reference=_training(),
    cases=_training_cases,
    outputs={"exaflops": "(a number)", "utilisation": "(a number)"},
    mistakes=[
        Mistake(
            "the forward pass alone is counted",
            "Training also computes gradients: with respect to what, and at what cost?",
            _training(flops=2),
        ),
        Mistake(
            "MACs are counted, not FLOPs",
            "How many operations are in one multiply-accumulate?",
            _training(flops=3),
        ),
        Mistake(
            "backward is taken to cost as much as forward",
            "Every product of the forward has two gradients: for its input and for its weight.",
            _training(flops=4),
        ),
        Mistake(
            "MACs of the forward alone, neither doubled nor tripled",
            "Two factors are missing: from MACs to FLOPs, and from forward to training.",
            _training(flops=1),
        ),
        Mistake(
            "the class token is forgotten: N tokens, not T",
            "How long is the sequence that enters a block?",
            _training(tokens=-1),
        ),
        Mistake(
            "one block is counted",
            "Which field of the configuration says how often it is repeated?",
            _training(repeated=1),
        ),
        Mistake(
            "the products of tokens with tokens are not counted",
            "Two matrix products in every block have no weights.",
            _training(parts=("scores",)),
        ),
        Mistake(
            "the patch embedding is not counted",
            "Pixels become D numbers per patch. By which layer?",
            _training(parts=("patches",)),
        ),
        Mistake(
            "the head is not counted",
            "Which layer turns D numbers into K class scores?",
            _training(parts=("head",)),
        ),
        Mistake(
            "only the blocks are counted",
            "What comes before the first block, and after the last?",
            _training(parts=("patches", "head")),
        ),
        Mistake(
            "the epochs are forgotten",
            "How often does the model see each image?",
            lambda config, epochs, *rest: _trained(config, 1, *rest),
        ),
        Mistake(
            "the days are not turned into seconds",
            "The peak is said per second.",
            _wrongly_used(lambda e, days, peak: e * 1e18 / (days * peak * 1e12)),
        ),
        Mistake(
            "a day is taken for an hour",
            "How many seconds has a day?",
            _wrongly_used(lambda e, days, peak: _used(e, days, peak) * 24),
        ),
        Mistake(
            "a day is taken for its minutes",
            "How many seconds has a day?",
            _wrongly_used(lambda e, days, peak: _used(e, days, peak) * 60),
        ),
        Mistake(
            "the units do not meet: exa is 1e18, tera 1e12",
            "exaFLOPs, over seconds, over teraFLOPs per second: which power of ten is left?",
            _wrongly_used(lambda e, days, peak: e / (days * 86_400 * peak)),
        ),
        Mistake(
            "the share is upside down",
            "What was done, over what could have been done.",
            _wrongly_used(lambda e, days, peak: 1 / _used(e, days, peak)),
        ),
        Mistake(
            "the share is in per cent",
            "A part of 1 is asked for.",
            _wrongly_used(lambda e, days, peak: 100 * _used(e, days, peak)),
        ),
        Mistake(
            "speed is returned, not its share of the peak",
            "TFLOP/s per core: of how many that are possible?",
            _wrongly_used(lambda e, days, peak: e * 1e6 / (days * 86_400)),
        ),
        Mistake(
            "the peak of a chip with two cores is taken",
            "The days are those of one core, and so is the peak that is given.",
            _wrongly_used(lambda e, days, peak: _used(e, days, 2 * peak)),
        ),
    ],
)


# ---- disagreements(first, second, unit) -> mask ----------------------------------------------------------------------


def _table_cases(rng):
    """first, second (R, C) with nan where a table has no number; second is printed in steps of `unit`."""
    cases = []
    for R, C, unit in [(4, 5, 0.1), (6, 3, 0.01), (3, 7, 1.0)]:
        first = rng.uniform(70, 99, (R, C))
        nearest = np.round(first / unit)
        first = unit * (nearest + rng.uniform(-0.4, 0.4, (R, C)))  # rounds to it, with room to spare
        off = rng.permutation(np.resize([0, 0, 0, 1, -1, 3], R * C)).reshape(R, C)
        second = unit * (nearest + off)
        holes = rng.permutation(R * C)
        first.ravel()[holes[0]], second.ravel()[holes[1]] = np.nan, np.nan
        first.ravel()[holes[2]] = second.ravel()[holes[2]] = np.nan
        cases.append((first, second, unit))
    return cases


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


disagreements = Check(
    "disagreements",
    reference=_disagree,
    cases=_table_cases,
    outputs={"mask": "(R, C)"},
    mistakes=[
        Mistake(
            "a number that is missing is called a contradiction",
            "A table that says nothing contradicts nobody. What is `nan != nan`, what is `not nan <= 1`?",
            lambda first, second, unit: ~(np.abs(first - second) <= unit / 2),
        ),
        Mistake(
            "what only one of the tables has is called a contradiction",
            "Both have to say something.",
            lambda first, second, unit: _disagree(first, second, unit) | (np.isnan(first) ^ np.isnan(second)),
        ),
        Mistake(
            "numbers that round to each other are called a contradiction",
            "The second table is printed with fewer digits.",
            _differ(lambda d, unit: d != 0),
        ),
        Mistake(
            "numbers that round to each other, or are missing, are called a contradiction",
            "The second table is printed with fewer digits, and `nan != nan` is true.",
            lambda first, second, unit: first != second,
        ),
        Mistake(
            "a whole unit is allowed",
            "How far can rounding carry a number?",
            _differ(lambda d, unit: np.abs(d) > unit),
        ),
        Mistake(
            "only numbers that are too high are found",
            "A difference has a sign.",
            _differ(lambda d, unit: d > unit / 2),
        ),
        Mistake(
            "only numbers that are too low are found",
            "A difference has a sign.",
            _differ(lambda d, unit: d < -unit / 2),
        ),
        Mistake(
            "the numbers are cut off, not rounded",
            "97.58 is printed as 97.6.",
            _cut_off,
        ),
        Mistake(
            "the numbers that agree are returned",
            "Which ones are worth a look?",
            lambda first, second, unit: np.abs(first - second) <= unit / 2,
        ),
        Mistake(
            "the differences are returned",
            "A True or False is asked for, of every number.",
            lambda first, second, unit: first - second,
        ),
        Mistake(
            "the places are returned",
            "A True or False is asked for, of every number.",
            lambda first, second, unit: np.argwhere(_disagree(first, second, unit)),
        ),
        Mistake(
            "a row is called contradictory as a whole",
            "Which of its numbers is it?",
            lambda first, second, unit: _disagree(first, second, unit).any(axis=1),
        ),
    ],
)
