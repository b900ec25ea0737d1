"""Exercises of notebooks/17_state_of_the_art.ipynb: error bars, equal accuracy, the front, a training's compute."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.config import ViTConfig

from ..slips.exercise import exercise

__all__ = [
    "batchnorm_backward", "compute_at_accuracy", "difference_in_errors", "disagreements", "epochs_behind",
    "pareto_front", "training_compute",
]  # fmt: skip


# ---- difference_in_errors(first, second) -> ratio --------------------------------------------------------------------


def _run_cases(rng):
    """first (n1,), second (n2,): accuracies of the runs of two models, in %, never equally many."""
    sizes = [(3, 5), (4, 3), (6, 4)]
    return [tuple(rng.uniform(85, 90) + rng.uniform(0.03, 0.3) * rng.standard_normal(n) for n in two) for two in sizes]


@exercise(cases=_run_cases, outputs={"ratio": "(a number)"}, level=1, minutes=10)
def difference_in_errors(first, second):
    n1 = len(first)
    n2 = len(second)
    d1 = first.std(ddof=1)  # the deviation of the first model's runs
    d2 = second.std(ddof=1)  # the deviation of the second model's runs
    one = d1 / np.sqrt(n1)  # the error of the first mean
    other = d2 / np.sqrt(n2)  # the error of the second mean
    error = np.hypot(one, other)  # the error of the difference
    difference = first.mean() - second.mean()  # the difference
    return difference / error  # the ratio


_FREE = "The mean was taken from the same runs: of three deviations, two are free."
difference_in_errors.slip(
    "the variances are divided by n, not by n - 1", _FREE, d1="first.std()", d2="second.std()",
)  # fmt: skip
difference_in_errors.slip(
    "the deviations of single runs are taken for the errors of the means",
    "The mean of many runs is surer than one of them.",
    one="d1", other="d2",
)  # fmt: skip
difference_in_errors.slip(
    "single runs, and n in place of n - 1",
    "Two things: whose deviation is it, and over how many free ones?",
    one="first.std()", other="second.std()",
)  # fmt: skip
difference_in_errors.slip(
    "each deviation is divided by n, not by its root",
    "It is the variance of a mean that is n times smaller.",
    one="d1 / n1", other="d2 / n2",
)  # fmt: skip
_SELDOM = "Two independent errors seldom point the same way. What is it that adds up?"
_ALIKE = "Nobody says that both vary alike: BiT's runs vary seven times as much on VTAB."
difference_in_errors.slips_in(
    "error",
    ("the errors are added as they are", _SELDOM, "one + other"),
    ("the errors are averaged", "A difference of two uncertain numbers is less certain than either of them.",
     "(one + other) / 2"),
    ("only the first model's error is counted", "The second was measured too.", "one"),
    ("only the second model's error is counted", "The first was measured too.", "other"),
    ("the root is missing: that divides by a variance", "The ratio has no unit. Which unit has a variance?",
     "one**2 + other**2"),
    ("one deviation is taken for both models", _ALIKE,
     "np.sqrt((d1**2 * (n1 - 1) + d2**2 * (n2 - 1)) / (n1 + n2 - 2) * (1 / n1 + 1 / n2))"),
    ("the variances of both are added, and divided by all runs", "Each mean has its own number of runs.",
     "np.sqrt((d1**2 + d2**2) / (n1 + n2))"),
    ("all runs are thrown together", "Their spread then holds the very difference that is in question.",
     "np.append(first, second).std(ddof=1) / np.sqrt(n1 + n2)"),
    ("the difference is not divided by its error", "How many errors is that?", "1.0"),
)  # fmt: skip
difference_in_errors.slips_in(
    "difference",
    ("the difference has the wrong sign", "First minus second: who is better when the ratio is positive?",
     "second.mean() - first.mean()"),
    ("the sign is lost", "The ratio should also say who is ahead.", "abs(first.mean() - second.mean())"),
    ("the best runs are compared, not the means",
     "The best of five tends to be higher than the best of three, for equal models too.",
     "first.max() - second.max()"),
)  # fmt: skip
difference_in_errors.slip(
    "the runs are paired",
    "Run 1 of one model has nothing to do with run 1 of the other; there need not even be as many.",
    result="(first - second).mean() / ((first - second).std(ddof=1) / np.sqrt(n1))",
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


@exercise(cases=_curve_cases, outputs={"needed": "(n,)"}, level=2, minutes=15)
def compute_at_accuracy(wanted, compute, accuracy):
    best = np.maximum.accumulate(accuracy)  # the best so far
    cost = np.log(compute)  # the axis of compute
    line = np.interp(wanted, best, cost)  # the straight lines
    return np.exp(line)  # the compute


_AXIS = "On which axis does the figure draw a straight line?"
_BASE = "What undoes `{}`?"
_LINE = "Between two models lies another that nobody trained. What would it have cost?"
compute_at_accuracy.slip("the line is straight in compute, not in its logarithm", _AXIS, cost="compute", result="line")
compute_at_accuracy.slips_in(
    "best",
    ("the rows are taken as they come, though their accuracy falls in between",
     "`np.interp` wants ascending values, and does not say so. Which accuracy has one *at most* this compute?",
     "accuracy"),
    ("the accuracies alone are sorted", "Then row and compute no longer belong to each other.", "np.sort(accuracy)"),
    ("the best is taken from the right: of all models that cost more", "What can one get for at most this compute?",
     "np.maximum.accumulate(accuracy[::-1])[::-1]"),
    ("the worst so far is taken, not the best", "More compute never forces one to take the worse model.",
     "np.minimum.accumulate(accuracy)"),
)  # fmt: skip
compute_at_accuracy.slip("two logarithms of different base", _BASE.format("np.log10"), cost="np.log10(compute)")
compute_at_accuracy.slips_in(
    "result",
    ("the exponential belongs to another base", _BASE.format("np.log"), "10**line"),
    ("the logarithm is returned", "How does one get from log exaFLOPs to exaFLOPs?", "line"),
)
compute_at_accuracy.slip("the logarithm is returned", "How does one get back from it?", cost="np.log10(compute)",
                         result="line")  # fmt: skip
compute_at_accuracy.slips_in(
    "line",
    ("the rows are sorted by accuracy",
     "A model that cost more and is worse would then stand before a cheaper one.",
     "np.interp(wanted, np.sort(accuracy), cost[np.argsort(accuracy)])"),
    ("rows that a cheaper one beats are left out",
     "Also a way to do it. Here such a row holds the best so far, and the curve rises only after it.",
     "np.interp(wanted, accuracy[best == accuracy], cost[best == accuracy])"),
    ("the logarithm of the accuracy is taken too", "Only one of the two axes is logarithmic.",
     "np.interp(np.log(wanted), np.log(best), cost)"),
    ("no line is drawn: the first model that reaches the accuracy", _LINE,
     "np.array([cost[accuracy >= a][0] for a in wanted])"),
    ("no line is drawn: the last model that is not better", _LINE,
     "np.array([cost[accuracy <= a][-1] for a in wanted])"),
    ("no line is drawn: the model with the nearest accuracy", _LINE,
     "cost[np.abs(accuracy - wanted[:, None]).argmin(axis=1)]"),
    ("one line from the first model to the last", "The curve bends; the models in between say how.",
     "np.interp(wanted, accuracy[[0, -1]], cost[[0, -1]])"),
)  # fmt: skip
compute_at_accuracy.slip(
    "accuracies and compute are exchanged",
    "`np.interp(x, xp, fp)`: which of the two is asked for?",
    result="np.interp(wanted, cost, best)",
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


def _running(accuracy, order):
    """In this order, kept is what is better than all before it."""
    kept, best = np.zeros(len(accuracy), bool), -np.inf
    for i in order:
        if accuracy[i] > best:
            kept[i], best = True, accuracy[i]
    return kept


def _hull(compute, accuracy, kept):
    """Rows on or over every straight line between two others that are kept."""
    c, a = compute[kept], accuracy[kept]
    on = kept.copy()
    for i in np.flatnonzero(kept):
        left, right = c < compute[i], c > compute[i]
        part = (compute[i] - c[left][:, None]) / (c[right] - c[left][:, None])
        on[i] = (accuracy[i] >= a[left][:, None] + part * (a[right] - a[left][:, None])).all()
    return on


@exercise(cases=_trade_cases, outputs={"kept": "(R,)"}, level=2, minutes=20)
def pareto_front(compute, accuracy):
    cheap = compute[:, None] <= compute  # the rows that cost at most as much
    good = accuracy[:, None] >= accuracy  # the rows that are at least as good
    cheaper = compute[:, None] < compute  # the rows that cost less
    better = accuracy[:, None] > accuracy  # the rows that are better
    beats = cheap & good & (cheaper | better)  # who beats whom
    return ~beats.any(axis=0)  # the rows that are kept


_SAME = "Of two models with the same compute, which one does nobody want?"
pareto_front.slips_in(
    "beats",
    ("a row that is equal in one and worse in the other is kept", _SAME, "cheaper & better"),
    ("every row beats itself", "A row stands among those it is compared with. When is one really better?",
     "cheap & good"),
    ("of two rows that are the same, each beats the other", "Neither is better than the other.",
     "cheap & good & ~np.eye(len(compute), dtype=bool)"),
    ("of equally cheap models the worse is kept too", _SAME, "cheaper & good"),
    ("of equally good models the dearer is kept too",
     "Of two models with the same accuracy, which one does nobody want?", "cheap & better"),
    ("one that is better in either is taken to beat the row", "In both at least as good, and better in one.",
     "cheaper | better"),
    ("only the most accurate model is kept", "What does somebody take who cannot pay for it?", "better"),
    ("only the cheapest model is kept", "Is nobody ready to pay for more accuracy?", "cheaper"),
    ("more compute is taken for better", "Which of the two should be small?", "cheap.T & good & (cheaper.T | better)"),
    ("the worst trades are kept: dear and bad", "Which of the two should be small?",
     "cheap.T & good.T & (cheaper.T | better.T)"),
)  # fmt: skip
_MASK = "A mask has a True or False for every row."
pareto_front.slips_in(
    "result",
    ("of two rows that are the same, one is dropped", "Neither is better than the other.",
     "_running(accuracy, np.lexsort((-accuracy, compute)))"),
    ("the rows are taken in the order of the table",
     "Better than everything *before* it must mean than everything cheaper.",
     "_running(accuracy, range(len(compute)))"),
    ("sorted by compute alone, and of equally cheap models the first one seen is kept",
     "Where compute is equal, which one should come first?",
     "_running(accuracy, np.argsort(compute, kind='stable'))"),
    ("the answer is in order of compute", "`kept[i]` belongs to row i of the table as it was given.",
     "(~beats.any(axis=0))[np.argsort(compute, kind='stable')]"),
    ("the positions of the rows are returned", _MASK, "np.flatnonzero(~beats.any(axis=0))"),
    ("the rows that are beaten are returned", "Those are the ones to leave out.", "beats.any(axis=0)"),
    ("rows that lie under a straight line between two others are dropped",
     "Nobody can buy half of each of two models.", "_hull(compute, accuracy, ~beats.any(axis=0))"),
    ("only the most accurate model is kept", "What does somebody take who cannot pay for it?",
     "accuracy == accuracy.max()"),
)  # fmt: skip


# ---- training_compute(config, epochs, images, core_days, peak) -> exaflops, utilisation ------------------------------


def _training_cases(rng):
    """Small ViTs, so that every part shows; peak in 1e12 FLOP/s."""
    sizes = [(20, 5, 6, 2, 2, 10, 3), (12, 4, 9, 3, 3, 7, 11), (8, 4, 10, 1, 5, 16, 6)]
    cases = []
    for image, patch, width, depth, heads, hidden, classes in sizes:
        config = ViTConfig(image, patch, width, depth, heads, hidden, classes)
        cases.append((config, int(rng.integers(3, 90)), int(rng.integers(1e10, 1e12)), int(rng.integers(2, 30)), 61.5))
    return cases


@exercise(
    cases=_training_cases, outputs={"exaflops": "(a number)", "utilisation": "(a number)"}, level=2, minutes=20
)  # fmt: skip
def training_compute(config, epochs, images, core_days, peak):
    c = config
    D = c.width
    T = c.num_tokens
    repeats = c.depth
    patches = c.num_patches * c.channels * c.patch_size**2 * D  # the patch embedding's MACs
    linear = 4 * T * D**2 + 2 * T * D * c.mlp_dim  # the layers' MACs
    products = 2 * T**2 * D  # the products' MACs
    head = D * c.num_classes  # the head's MACs
    macs = patches + repeats * (linear + products) + head  # all MACs
    flops = 6 * macs * epochs * images  # the FLOPs
    exaflops = flops / 1e18  # the exaFLOPs
    seconds = core_days * 86_400  # the seconds
    possible = seconds * peak * 1e12  # what could be done
    return exaflops, flops / possible


def _counted(line, seen):
    """Slips in the FLOPs of a training; `line` counts them: 6 * macs * `seen`."""
    return (
        ("the forward pass alone is counted",
         "Training also computes gradients: with respect to what, and at what cost?", {line: f"2 * macs * {seen}"}),
        ("MACs are counted, not FLOPs", "How many operations are in one multiply-accumulate?",
         {line: f"3 * macs * {seen}"}),
        ("backward is taken to cost as much as forward",
         "Every product of the forward has two gradients: for its input and for its weight.",
         {line: f"4 * macs * {seen}"}),
        ("MACs of the forward alone, neither doubled nor tripled",
         "Two factors are missing: from MACs to FLOPs, and from forward to training.", {line: f"macs * {seen}"}),
        ("the class token is forgotten: N tokens, not T", "How long is the sequence that enters a block?",
         {"T": "c.num_patches"}),
        ("one block is counted", "Which field of the configuration says how often it is repeated?", {"repeats": "1"}),
        ("the products of tokens with tokens are not counted", "Two matrix products in every block have no weights.",
         {"products": "0"}),
        ("the patch embedding is not counted", "Pixels become D numbers per patch. By which layer?", {"patches": "0"}),
        ("the head is not counted", "Which layer turns D numbers into K class scores?", {"head": "0"}),
        ("only the blocks are counted", "What comes before the first block, and after the last?",
         {"patches": "0", "head": "0"}),
    )  # fmt: skip


_LONG = "How many seconds has a day?"
for _name, _why, _lines in (
    *_counted("flops", "epochs * images"),
    ("the epochs are forgotten", "How often does the model see each image?", {"flops": "6 * macs * images"}),
    ("the days are not turned into seconds", "The peak is said per second.", {"seconds": "core_days"}),
    ("a day is taken for an hour", _LONG, {"seconds": "core_days * 3600"}),
    ("a day is taken for its minutes", _LONG, {"seconds": "core_days * 24 * 60"}),
    ("the peak of a chip with two cores is taken", "The days are those of one core, and so is the peak that is given.",
     {"possible": "seconds * 2 * peak * 1e12"}),
    ("the peak is taken to be in FLOP/s, not in 1e12 of them", "What does the unit of the peak say?",
     {"possible": "seconds * peak"}),
):  # fmt: skip
    training_compute.slip(_name, _why, **_lines)
_POWER = "exaFLOPs, over seconds, over teraFLOPs per second: which power of ten is left?"
training_compute.slips_in(
    "result",
    ("the units do not meet: exa is 1e18, tera 1e12", _POWER, "(exaflops, exaflops / (seconds * peak))"),
    ("the share is upside down", "What was done, over what could have been done.", "(exaflops, possible / flops)"),
    ("the share is in per cent", "A part of 1 is asked for.", "(exaflops, 100 * flops / possible)"),
    ("speed is returned, not its share of the peak", "TFLOP/s per core: of how many that are possible?",
     "(exaflops, flops / seconds / 1e12)"),
)  # fmt: skip


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


@exercise(cases=_table_cases, outputs={"mask": "(R, C)"}, level=1, minutes=10)
def disagreements(first, second, unit):
    off = first - second  # the differences
    distance = np.abs(off)  # the distances
    return distance > unit / 2  # the numbers that are too far apart


_SIGN = "A difference has a sign."
_NAN = "A table that says nothing contradicts nobody. What is `nan != nan`, what is `not nan <= 1`?"
_EACH = "A True or False is asked for, of every number."
disagreements.slips_in(
    "result",
    ("a whole unit is allowed", "How far can rounding carry a number?", "distance > unit"),
    ("only numbers that are too high are found", _SIGN, "off > unit / 2"),
    ("only numbers that are too low are found", _SIGN, "off < -unit / 2"),
    ("the numbers are cut off, not rounded", "97.58 is printed as 97.6.",
     "~np.isnan(off) & (np.floor(first / unit) != np.round(second / unit))"),
    ("the numbers that agree are returned", "Which ones are worth a look?", "distance <= unit / 2"),
    ("numbers that round to each other are called a contradiction", "The second table is printed with fewer digits.",
     "distance > 0"),
    ("a number that is missing is called a contradiction", _NAN, "~(distance <= unit / 2)"),
    ("what only one of the tables has is called a contradiction", "Both have to say something.",
     "(distance > unit / 2) | (np.isnan(first) ^ np.isnan(second))"),
    ("numbers that round to each other, or are missing, are called a contradiction",
     "The second table is printed with fewer digits, and `nan != nan` is true.", "first != second"),
    ("the differences are returned", _EACH, "off"),
    ("the places are returned", _EACH, "np.argwhere(distance > unit / 2)"),
    ("a row is called contradictory as a whole", "Which of its numbers is it?",
     "(distance > unit / 2).any(axis=1)"),
)  # fmt: skip


# ---- epochs_behind(config, images, core_days, peak, utilisation) -> epochs -------------------------------------------


def _behind_cases(rng):
    """As for a training's compute, with a utilisation in place of the epochs."""
    return [
        (config, images, core_days, peak, float(rng.uniform(0.2, 0.6)))
        for config, _, images, core_days, peak in _training_cases(rng)
    ]


@exercise(cases=_behind_cases, outputs={"epochs": "(a number)"}, level=2, minutes=20)
def epochs_behind(config, images, core_days, peak, utilisation):
    c = config
    D = c.width
    T = c.num_tokens
    repeats = c.depth
    patches = c.num_patches * c.channels * c.patch_size**2 * D  # the patch embedding's MACs
    linear = 4 * T * D**2 + 2 * T * D * c.mlp_dim  # the layers' MACs
    products = 2 * T**2 * D  # the products' MACs
    head = D * c.num_classes  # the head's MACs
    macs = patches + repeats * (linear + products) + head  # all MACs
    each = 6 * macs * images  # the FLOPs of an epoch
    done = core_days * 86_400 * peak * 1e12 * utilisation  # the FLOPs that were done
    return done / each  # the epochs


for _name, _why, _lines in (
    *_counted("each", "images"),
    ("the machine is taken to work without a pause", "What part of its peak did it use?",
     {"done": "core_days * 86_400 * peak * 1e12"}),
    ("divided by the utilisation, not multiplied", "A machine that is idle half of the time does more, or less?",
     {"done": "core_days * 86_400 * peak * 1e12 / utilisation"}),
    ("a day has 24 hours of 60 seconds", _LONG, {"done": "core_days * 1_440 * peak * 1e12 * utilisation"}),
    ("images are given, not epochs", "How many images are in an epoch?", {"result": "done / (6 * macs)"}),
):  # fmt: skip
    epochs_behind.slip(_name, _why, **_lines)


# ---- batchnorm_backward(dy, x, weight, eps) -> dx, dweight, dbias ----------------------------------------------------


def _batchnorm_cases(rng):
    """dy, x (B, C, H, W), weight (C,), eps that counts"""
    return [
        (rng.standard_normal(shape), 2 + 1.5 * rng.standard_normal(shape), rng.normal(1, 0.5, shape[1]), eps)
        for shape, eps in [((3, 2, 2, 4), 0.3), ((2, 4, 3, 2), 0.1), ((4, 3, 1, 5), 0.5)]
    ]


_PIXELS = (0, 2, 3)


@exercise(
    cases=_batchnorm_cases, outputs={"dx": "(B, C, H, W)", "dweight": "(C,)", "dbias": "(C,)"}, level=3, minutes=35
)  # fmt: skip
def batchnorm_backward(dy, x, weight, eps):
    mean = x.mean(axis=_PIXELS, keepdims=True)  # the means
    root = np.sqrt(x.var(axis=_PIXELS, keepdims=True) + eps)  # the deviations
    xhat = (x - mean) / root  # the normalised channels
    dweight = (dy * xhat).sum(axis=_PIXELS)  # dweight
    dbias = dy.sum(axis=_PIXELS)  # dbias
    dxhat = dy * weight[:, None, None]  # the gradient of xhat
    first = dxhat.mean(axis=_PIXELS, keepdims=True)  # what the mean takes
    second = xhat * (dxhat * xhat).mean(axis=_PIXELS, keepdims=True)  # what the variance takes
    dx = (dxhat - first - second) / root  # dx
    return dx, dweight, dbias


for _name, _why, _lines in (
    ("mean and variance are taken for constants",
     "That is the backward of inference. In training each of them is a function of x.",
     {"first": "0.0", "second": "0.0"}),
    ("the mean is taken for a constant", "What if all numbers of a channel grow by the same amount?", {"first": "0.0"}),
    ("the variance is taken for a constant", "What if a channel is stretched?", {"second": "0.0"}),
    ("each image is normalised by itself", "Whose pixels does the mean of a channel run over?",
     {"first": "dxhat.mean(axis=(2, 3), keepdims=True)",
      "second": "xhat * (dxhat * xhat).mean(axis=(2, 3), keepdims=True)"}),
    ("each image is normalised by itself", "Whose pixels does the mean of a channel run over?",
     {"mean": "x.mean(axis=(2, 3), keepdims=True)", "root": "np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)",
      "first": "dxhat.mean(axis=(2, 3), keepdims=True)",
      "second": "xhat * (dxhat * xhat).mean(axis=(2, 3), keepdims=True)"}),
    ("the gradients run over the channels, as in layer norm", "Over which axes is a channel normalised?",
     {"first": "dxhat.mean(axis=1, keepdims=True)", "second": "xhat * (dxhat * xhat).mean(axis=1, keepdims=True)"}),
    ("the weight is forgotten on the way back", "What multiplies xhat in the forward?", {"dxhat": "dy"}),
    ("divided by the variance, not by its root", "What divides x in the forward?",
     {"dx": "(dxhat - first - second) / root**2"}),
    ("not divided by the deviation", "What divides x in the forward?", {"dx": "dxhat - first - second"}),
    ("dweight is made with x, not with xhat", "What does the weight multiply?",
     {"dweight": "(dy * x).sum(axis=_PIXELS)"}),
    ("the gradients of weight and bias are means, not sums",
     "Each image and pixel used the same weight: do their gradients add up?",
     {"dweight": "(dy * xhat).mean(axis=_PIXELS)", "dbias": "dy.mean(axis=_PIXELS)"}),
    ("eps is left out", "A channel that is nearly constant: what would it be divided by?",
     {"root": "x.std(axis=_PIXELS, keepdims=True)"}),
):  # fmt: skip
    batchnorm_backward.slip(_name, _why, **_lines)
