"""Exercises of notebooks/19_how_much_data.ipynb: an image's numbers, passes, early stopping, crossings."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from .paired import paired_difference

__all__ = ["crossing", "paired_difference", "paired_with_gaps", "passes", "stopped_early", "stream_numbers"]


# ---- stream_numbers(seed, ids, count) -> numbers ---------------------------------------------------------------------


def _id_cases(rng):
    """A seed, ids (n,) in no order and one of them twice, and how many numbers each image needs."""
    cases = []
    for n, count in [(4, 3), (5, 2), (3, 6)]:
        ids = rng.permutation(40)[:n] + 2
        ids[-1] = ids[0]
        cases.append((int(rng.integers(3, 20)), ids, count))
    return cases


def _drawn(keys, count, draw="random"):
    """A generator for each key, and the first numbers of each."""
    return np.array([getattr(np.random.default_rng(key), draw)(count) for key in keys])


@exercise(cases=_id_cases, outputs={"numbers": "(n, count)"}, level=1, minutes=10)
def stream_numbers(seed, ids, count):
    keys = [[seed, i] for i in ids]  # what each image's generator is made of
    return _drawn(keys, count)  # the numbers


stream_numbers.slips_in(
    "keys",
    ("the place in the list counts, not the image's number",
     "The list names one image twice. Are these two rows the same?", "[[seed, r] for r in range(len(ids))]"),
    ("the numbers are sorted, and each is asked for once", "Row r belongs to image ids[r].",
     "[[seed, i] for i in np.unique(ids)]"),
    ("seed and number are added", "Then image 1 of seed 4 and image 4 of seed 1 are one and the same.",
     "[seed + i for i in ids]"),
    ("seed and number are exchanged", "Image 1 of seed 4 is not image 4 of seed 1: which one comes first?",
     "[[i, seed] for i in ids]"),
    ("the seed is left out", "Another seed should be another stream.", "[i for i in ids]"),
    ("the images' numbers are left out: all rows are alike", "How does one image differ from the next?",
     "[seed for i in ids]"),
)  # fmt: skip
stream_numbers.slips_in(
    "result",
    ("one generator draws for all images", "Another list should not change an image's numbers.",
     "np.random.default_rng([seed, *ids]).random((len(ids), count))"),
    ("one generator draws for all images in turn",
     "Ask for the same images in another order: do they stay what they were?",
     "np.random.default_rng(seed).random((len(ids), count))"),
    ("all images from 0 on are drawn, and those asked for are picked",
     "It is the same image every time; but what does image number 10^12 cost?",
     "np.random.default_rng(seed).random((ids.max() + 1, count))[ids]"),
    ("normal numbers, not uniform ones", "Between 0 and 1, all equally likely.",
     "_drawn(keys, count, 'standard_normal')"),
)  # fmt: skip


# ---- passes(sizes, steps, batch_size) -> seen, different -------------------------------------------------------------


def _size_cases(rng):
    """sizes (R,): some below a batch, some between, some longer than the whole training."""
    cases = []
    for R, steps, batch_size in [(4, 7, 6), (5, 9, 4), (3, 5, 8)]:
        bounds = np.linspace(np.log(2), np.log(2.5 * steps * batch_size), R)
        sizes = np.exp(bounds + 0.2 * rng.uniform(size=R)).astype(int)
        cases.append((sizes, steps, batch_size))
    return cases


@exercise(cases=_size_cases, outputs={"seen": "(R,)", "different": "(R,)"}, level=1, minutes=10)
def passes(sizes, steps, batch_size):
    batch = np.minimum(batch_size, sizes)  # the images of an update
    shown = steps * batch  # the images of all updates
    seen = shown / sizes  # the passes
    different = np.minimum(sizes, steps * batch_size)  # the different images
    return seen, different


passes.slips_in(
    "seen",
    ("steps are counted, not images", "How many images does one update see?", "steps / sizes"),
    ("a batch holds more images than there are", "With 3 images and batches of 64: how many does an update see?",
     "steps * batch_size / sizes"),
    ("only whole passes are counted", "A mean over images need not be whole.", "shown // sizes"),
    ("the ratio is upside down", "Few images are seen often.", "sizes / shown"),
    ("the first time is not counted", "An image that is seen once has one pass.", "shown / sizes - 1"),
    ("an image is seen once at most", "What happens when the images run out before the training ends?",
     "np.minimum(1, shown / sizes)"),
    ("every image is seen at least once", "A training can be over before the stream's n images are.",
     "np.maximum(1, shown / sizes)"),
)  # fmt: skip
passes.slips_in(
    "different",
    ("all n images count as seen", "How many can an update see, and how many updates are there?", "sizes"),
    ("an image counts anew each time it is seen", "Of 3 images, how many different ones can one see?", "shown"),
    ("the different images are bounded by the steps", "How many images does one update see?",
     "np.minimum(sizes, steps)"),
    ("the different images are those of one batch", "And the next batch?", "batch"),
)  # fmt: skip


# ---- stopped_early(held_out, test) -> accuracy -----------------------------------------------------------------------


def _look_cases(rng):
    """Accuracies (R, C) of R runs at C checks, in hundredths; some runs have their best twice."""
    cases = []
    for R, C in [(3, 5), (5, 4), (4, 7)]:
        rise = 0.5 * np.sin(np.linspace(0.4, 2.6, C)) + 0.3
        held_out, test = (np.round(rise + 0.12 * rng.standard_normal((R, C)), 2) for _ in range(2))
        best = held_out[0].argmax()
        held_out[0, (best + 2) % C] = held_out[0, best]
        cases.append((held_out, test))
    return cases


@exercise(cases=_look_cases, outputs={"accuracy": "(R,)"}, level=1, minutes=10)
def stopped_early(held_out, test):
    R, C = held_out.shape
    look = held_out.argmax(axis=1)  # the check that is kept
    return test[np.arange(R), look]  # the accuracy


stopped_early.slips_in(
    "look",
    ("of two equal checks the later one is taken", "Of equals the first: it is there already when the second comes.",
     "C - 1 - held_out[:, ::-1].argmax(axis=1)"),
    ("the check with the lowest held-out accuracy is taken", "Which weights does one keep, the best or the worst?",
     "held_out.argmin(axis=1)"),
    ("nobody stops: the last check is taken", "Which weights were kept?", "-1"),
    ("one check is chosen for all runs", "Each run was stopped by its own accuracies.",
     "held_out.mean(axis=0).argmax()"),
    ("a run stops as soon as it falls for the first time", "The best of all checks, not the first hill.",
     "(np.diff(held_out, axis=1, append=-1) < 0).argmax(axis=1)"),
)  # fmt: skip
stopped_early.slips_in(
    "result",
    ("the best test accuracy is taken", "Who chooses by the test images has no test images any more.",
     "test.max(axis=1)"),
    ("the held-out accuracy is reported", "It was chosen because it was high: it flatters.", "held_out.max(axis=1)"),
    ("the mean over the checks is taken", "One set of weights is kept, and tested.", "test.mean(axis=1)"),
    ("the best run of each check is looked for", "Along which axis do the checks lie?",
     "test[held_out.argmax(axis=0), np.arange(C)]"),
    ("the number of the check is returned", "And the accuracy there?", "look"),
)  # fmt: skip


# ---- crossing(sizes, difference, error, r) -> low, high --------------------------------------------------------------


def _curve_cases(rng):
    """Rising sizes (S,), a difference (S,) of two models, its error (S,), and how many errors are asked for.

    B: certainly behind; b: by more than one error; -, +: by less; a, A: as much ahead.
    """
    in_errors = {"B": (-6, -3), "b": (-1.8, -1.2), "-": (-0.8, -0.3), "+": (0.3, 0.8), "a": (1.2, 1.8), "A": (3, 6)}
    cases = []
    for curve in ("BB+AA", "BBA", "A+BB", "b-+a", "Bb+", "+-AAAA", "B-A+B-aA", "Ba+A", "b+A"):
        sizes = np.cumprod(rng.integers(2, 5, len(curve))) * 10
        error = rng.uniform(0.01, 0.05, len(curve))
        cases.append((sizes, error * [rng.uniform(*in_errors[letter]) for letter in curve], error, 2.0))
    return cases


def _bracket(places, behind, ahead, pick=(-1, 0), near=False):
    """The size behind before a size ahead; pick: which of them, near: neighbours only."""
    ends = [j for j in range(len(places)) if ahead[j] and (behind[j - 1 : j] if near else behind[:j]).any()]
    if not ends:
        return 0, 0
    end = ends[pick[1]]
    return places[np.flatnonzero(behind[:end])[pick[0]]], places[end]


def _anywhere(places, behind, ahead):
    """The last size behind and the first one ahead, in whatever order."""
    return (places[behind][-1], places[ahead][0]) if behind.any() and ahead.any() else (0, 0)


def _either_way(places, one, other):
    found = [_bracket(places, one, other), _bracket(places, other, one)]
    return min((f for f in found if f[1]), key=lambda f: f[1], default=(0, 0))


@exercise(cases=_curve_cases, outputs={"low": "(a number)", "high": "(a number)"}, level=3, minutes=25)
def crossing(sizes, difference, error, r):
    certain = r * error  # what is certain
    behind = difference < -certain  # the sizes behind for certain
    ahead = difference > certain  # the sizes ahead for certain
    bracket = _bracket(sizes, behind, ahead)  # the bracket
    return bracket[0], bracket[1]


_BOTH = "Both ends must be certain: "
crossing.slip(
    "the errors are not asked",
    "A mean just below zero, the next one just above: is that a crossing or chance?",
    certain="0 * error",
)
crossing.slip(
    "the last size behind is returned though none is ahead afterwards",
    "What is asked for where there is no crossing?",
    result="(bracket[0] if bracket[1] else np.max(sizes * behind), bracket[1])",
)
crossing.slip(
    "the last size behind and the first one ahead are taken, in whatever order they stand",
    "What is it called when a curve is ahead first and behind afterwards?",
    bracket="_anywhere(sizes, behind, ahead)",
)
crossing.slip("one error is enough", "How many were asked for?", certain="error")
crossing.slip("what is asked for is not multiplied by the error", "r is a number of errors.", certain="r + 0 * error")
crossing.slips_in(
    "behind",
    ("it need not be clearly behind before", _BOTH + "one curve alone ahead has crossed nothing.", "difference < 0"),
    ("it need not be behind before", _BOTH + "one curve alone ahead has crossed nothing.",
     "np.ones(len(sizes), bool)"),
    ("one error behind is enough", "How many were asked for?", "difference < -error"),
)  # fmt: skip
crossing.slips_in(
    "ahead",
    ("it need not be clearly ahead afterwards", _BOTH + "catching up is not overtaking.", "difference > 0"),
    ("one error ahead is enough", "How many were asked for?", "difference > error"),
)
crossing.slip(
    "the first is overtaken, it does not overtake",
    "Negative: behind. Which sign comes first?",
    behind="difference > certain",
    ahead="difference < -certain",
)
crossing.slips_in(
    "bracket",
    ("either way counts", "The claim has a direction: behind with few images, ahead with many.",
     "_either_way(sizes, behind, ahead)"),
    ("the first size that is behind is taken", "The narrowest bracket: what is the last size certain to be behind?",
     "_bracket(sizes, behind, ahead, (0, 0))"),
    ("the last size that is ahead is taken", "The narrowest bracket: where is it certain for the first time?",
     "_bracket(sizes, behind, ahead, (-1, -1))"),
    ("only neighbouring sizes are compared", "Between two certain ones there may be some that tell nothing.",
     "_bracket(sizes, behind, ahead, near=True)"),
    ("places in the list are returned, not sizes", "How many images are that?",
     "_bracket(np.arange(len(sizes)), behind, ahead)"),
)  # fmt: skip


# ---- paired_with_gaps(first, second) -> difference, error ------------------------------------------------------------


def _gap_cases(rng):
    """Accuracies (S, seeds) of two models; nan where a run has failed, of each row two pairs at least are whole."""
    cases = []
    for S, seeds, gone in [(3, 5, ((0, 0, 1), (1, 2, 3), (0, 2, 0))), (4, 4, ((1, 1, 2), (0, 3, 0))),
                           (2, 6, ((0, 0, 0), (1, 0, 5), (1, 1, 2)))]:  # fmt: skip
        shared = rng.uniform(0.3, 0.8, (S, 1)) + 0.06 * rng.standard_normal((S, seeds))
        both = shared + np.array([0.03, 0.0])[:, None, None] + 0.02 * rng.standard_normal((2, S, seeds))
        for model, row, seed in gone:
            both[model, row, seed] = np.nan
        cases.append((both[0], both[1]))
    return cases


def _spread_of(x):
    """The variance of what is there, row by row."""
    return np.nanvar(x, axis=1, ddof=1)


@exercise(cases=_gap_cases, outputs={"difference": "(S,)", "error": "(S,)"}, level=2, minutes=20)
def paired_with_gaps(first, second):
    d = first - second  # the differences of the pairs
    n = (~np.isnan(d)).sum(axis=1)  # how many pairs are whole
    difference = np.nanmean(d, axis=1)  # the mean of the whole pairs
    variance = _spread_of(d)  # their variance
    error = np.sqrt(variance / n)  # the error
    return difference, error


_WHOLE = "A run without its partner says nothing of the difference. Which numbers have one?"
for _name, _why, _lines in (
    ("each model's mean is taken over all of its own runs", _WHOLE,
     {"difference": "np.nanmean(first, axis=1) - np.nanmean(second, axis=1)"}),
    ("failed runs are counted as pairs", "Of how many differences is it the mean?", {"n": "d.shape[1]"}),
    ("a failed run counts as an accuracy of 0", "Nobody measured 0.",
     {"d": "np.nan_to_num(first) - np.nan_to_num(second)"}),
    ("a failed pair counts as no difference", "Nobody measured that the two are equal.",
     {"d": "np.nan_to_num(first - second)"}),
    ("a seed that failed anywhere is left out everywhere", "The other sizes have measured it.",
     {"d": "np.where(np.isnan(first - second).any(axis=0), np.nan, first - second)"}),
    ("the pairs are taken apart: the errors of two independent means, over all runs",
     "Of which numbers is the deviation?",
     {"error": "np.sqrt(_spread_of(first) / (~np.isnan(first)).sum(axis=1)"
               " + _spread_of(second) / (~np.isnan(second)).sum(axis=1))"}),
    ("the pairs are taken apart: the errors of two independent means", "Of which numbers is the deviation?",
     {"variance": "_spread_of(first) + _spread_of(second)"}),
    ("the variances are divided by the number of pairs, not by one less",
     "The mean was taken from the same pairs: of n differences, how many are free?",
     {"variance": "np.nanvar(d, axis=1)"}),
    ("the deviation of a single pair is given", "The mean of many pairs is surer than one of them.",
     {"error": "np.sqrt(variance)"}),
    ("rows with a gap have no answer", "Two whole pairs are enough for a mean and an error.",
     {"difference": "d.mean(axis=1)", "variance": "d.var(axis=1, ddof=1)"}),
):  # fmt: skip
    paired_with_gaps.slip(_name, _why, **_lines)
