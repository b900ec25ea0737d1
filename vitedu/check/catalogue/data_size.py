"""Checks for notebooks/19_how_much_data.ipynb: an image's numbers, passes, early stopping, paired errors, crossings."""

from __future__ import annotations

import numpy as np

from ..engine import Check, Mistake

__all__ = ["crossing", "paired_difference", "passes", "stopped_early", "stream_numbers"]


# ---- stream_numbers(seed, ids, count) -> numbers ---------------------------------------------------------------------


def _id_cases(rng):
    """A seed, ids (n,) in no order and one of them twice, and how many numbers each image needs."""
    cases = []
    for n, count in [(4, 3), (5, 2), (3, 6)]:
        ids = rng.permutation(40)[:n] + 2
        ids[-1] = ids[0]
        cases.append((int(rng.integers(3, 20)), ids, count))
    return cases


def _by_image(key):
    """key (seed, id, place in the list) -> what the image's own generator is made of"""

    def answer(seed, ids, count):
        made = [np.random.default_rng(key(seed, int(i), place)) for place, i in enumerate(ids)]
        return np.stack([rng.random(count) for rng in made])

    return answer


def _normal(seed, ids, count):
    return np.stack([np.random.default_rng([seed, i]).standard_normal(count) for i in ids])


stream_numbers = Check(
    "stream_numbers",
    reference=_by_image(lambda seed, i, place: [seed, i]),
    cases=_id_cases,
    outputs={"numbers": "(n, count)"},
    mistakes=[
        Mistake(
            "one generator draws for all images in turn",
            "Ask for the same images in another order: do they stay what they were?",
            lambda seed, ids, count: np.random.default_rng(seed).random((len(ids), count)),
        ),
        Mistake(
            "the place in the list counts, not the image's number",
            "The list names one image twice. Are these two rows the same?",
            _by_image(lambda seed, i, place: [seed, place]),
        ),
        Mistake(
            "seed and number are added",
            "Then image 1 of seed 4 and image 4 of seed 1 are one and the same.",
            _by_image(lambda seed, i, place: seed + i),
        ),
        Mistake(
            "seed and number are exchanged",
            "Image 1 of seed 4 is not image 4 of seed 1: which one comes first?",
            _by_image(lambda seed, i, place: [i, seed]),
        ),
        Mistake(
            "the seed is left out",
            "Another seed should be another stream.",
            _by_image(lambda seed, i, place: i),
        ),
        Mistake(
            "the images' numbers are left out: all rows are alike",
            "How does one image differ from the next?",
            _by_image(lambda seed, i, place: seed),
        ),
        Mistake(
            "all images from 0 on are drawn, and those asked for are picked",
            "It is the same image every time; but what does image number 10^12 cost?",
            lambda seed, ids, count: np.random.default_rng(seed).random((ids.max() + 1, count))[ids],
        ),
        Mistake(
            "normal numbers, not uniform ones",
            "Between 0 and 1, all equally likely.",
            _normal,
        ),
    ],
)


# ---- passes(sizes, steps, batch_size) -> seen, different -------------------------------------------------------------


def _size_cases(rng):
    """sizes (R,): some below a batch, some between, some longer than the whole training."""
    cases = []
    for R, steps, batch_size in [(4, 7, 6), (5, 9, 4), (3, 5, 8)]:
        bounds = np.linspace(np.log(2), np.log(2.5 * steps * batch_size), R)
        sizes = np.exp(bounds + 0.2 * rng.uniform(size=R)).astype(int)
        cases.append((sizes, steps, batch_size))
    return cases


def _counted(seen=lambda n, s, b: s * np.minimum(b, n) / n, different=lambda n, s, b: np.minimum(n, s * b)):
    return lambda sizes, steps, batch_size: (seen(sizes, steps, batch_size), different(sizes, steps, batch_size))


passes = Check(
    "passes",
    reference=_counted(),
    cases=_size_cases,
    outputs={"seen": "(R,)", "different": "(R,)"},
    mistakes=[
        Mistake(
            "steps are counted, not images",
            "How many images does one update see?",
            _counted(lambda n, s, b: s / n),
        ),
        Mistake(
            "a batch holds more images than there are",
            "With 3 images and batches of 64: how many does an update see?",
            _counted(lambda n, s, b: s * b / n),
        ),
        Mistake(
            "only whole passes are counted",
            "A mean over images need not be whole.",
            _counted(lambda n, s, b: s * np.minimum(b, n) // n),
        ),
        Mistake(
            "the ratio is upside down",
            "Few images are seen often.",
            _counted(lambda n, s, b: n / (s * np.minimum(b, n))),
        ),
        Mistake(
            "the first time is not counted",
            "An image that is seen once has one pass.",
            _counted(lambda n, s, b: s * np.minimum(b, n) / n - 1),
        ),
        Mistake(
            "every image is seen at least once",
            "A training can be over before the stream's n images are.",
            _counted(lambda n, s, b: np.maximum(1, s * np.minimum(b, n) / n)),
        ),
        Mistake(
            "all n images count as seen",
            "How many can an update see, and how many updates are there?",
            _counted(different=lambda n, s, b: n),
        ),
        Mistake(
            "an image counts anew each time it is seen",
            "Of 3 images, how many different ones can one see?",
            _counted(different=lambda n, s, b: s * np.minimum(b, n)),
        ),
        Mistake(
            "the different images are bounded by the steps",
            "How many images does one update see?",
            _counted(different=lambda n, s, b: np.minimum(n, s)),
        ),
        Mistake(
            "the different images are those of one batch",
            "And the next batch?",
            _counted(different=lambda n, s, b: np.minimum(n, b)),
        ),
    ],
)


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


def _at(choose):
    """choose (held_out, test) -> the check (R,) at which the test accuracies are read"""

    def answer(held_out, test):
        return test[np.arange(len(test)), choose(held_out, test)]

    return answer


def _first_hill(held_out, test):
    falls = np.diff(held_out, axis=1, append=-1) < 0
    return falls.argmax(axis=1)


stopped_early = Check(
    "stopped_early",
    reference=_at(lambda held_out, test: held_out.argmax(axis=1)),
    cases=_look_cases,
    outputs={"accuracy": "(R,)"},
    mistakes=[
        Mistake(
            "the best test accuracy is taken",
            "Who chooses by the test images has no test images any more.",
            lambda held_out, test: test.max(axis=1),
        ),
        Mistake(
            "the held-out accuracy is reported",
            "It was chosen because it was high: it flatters.",
            lambda held_out, test: held_out.max(axis=1),
        ),
        Mistake(
            "nobody stops: the last check is taken",
            "Which weights were kept?",
            lambda held_out, test: test[:, -1],
        ),
        Mistake(
            "of two equal checks the later one is taken",
            "Of equals the first: it is there already when the second comes.",
            _at(lambda h, test: h.shape[1] - 1 - h[:, ::-1].argmax(axis=1)),
        ),
        Mistake(
            "one check is chosen for all runs",
            "Each run was stopped by its own accuracies.",
            lambda held_out, test: test[:, held_out.mean(axis=0).argmax()],
        ),
        Mistake(
            "a run stops as soon as it falls for the first time",
            "The best of all checks, not the first hill.",
            _at(_first_hill),
        ),
        Mistake(
            "the mean over the checks is taken",
            "One set of weights is kept, and tested.",
            lambda held_out, test: test.mean(axis=1),
        ),
        Mistake(
            "the best run of each check is looked for",
            "Along which axis do the checks lie?",
            lambda held_out, test: test[held_out.argmax(axis=0), np.arange(held_out.shape[1])],
        ),
        Mistake(
            "the number of the check is returned",
            "And the accuracy there?",
            lambda held_out, test: held_out.argmax(axis=1),
        ),
    ],
)


# ---- paired_difference(first, second) -> difference, error -----------------------------------------------------------


def _seed_cases(rng):
    """Accuracies (S, seeds) of two models at S sizes: seeds differ more than models do."""
    cases = []
    for S, seeds in [(3, 5), (5, 4), (2, 6)]:
        shared = rng.uniform(0.3, 0.8, (S, 1)) + 0.06 * rng.standard_normal((S, seeds))
        own = [0.02 * rng.standard_normal((S, seeds)) for _ in range(2)]
        cases.append((shared + own[0] + 0.01, shared + own[1]))
    return cases


def _error(d):
    return d.std(axis=1, ddof=1) / np.sqrt(d.shape[1])


def _paired(error=lambda a, b: _error(a - b), difference=lambda a, b: (a - b).mean(axis=1)):
    return lambda first, second: (difference(first, second), error(first, second))


paired_difference = Check(
    "paired_difference",
    reference=_paired(),
    cases=_seed_cases,
    outputs={"difference": "(S,)", "error": "(S,)"},
    mistakes=[
        Mistake(
            "the errors of two independent means are put together",
            "Both models saw the same images of a seed: what varies with these is in both.",
            _paired(lambda a, b: np.hypot(_error(a), _error(b))),
        ),
        Mistake(
            "the errors of the two means are added",
            "First the difference of each pair, then its error.",
            _paired(lambda a, b: _error(a) + _error(b)),
        ),
        Mistake(
            "the variances are divided by the number of pairs, not by one less",
            "The mean was taken from the same pairs.",
            _paired(lambda a, b: (a - b).std(axis=1) / np.sqrt(a.shape[1])),
        ),
        Mistake(
            "the deviation of a single pair is given",
            "The mean of many pairs is surer than one of them.",
            _paired(lambda a, b: (a - b).std(axis=1, ddof=1)),
        ),
        Mistake(
            "the root is missing: that is a variance",
            "An error has the unit of an accuracy.",
            _paired(lambda a, b: _error(a - b) ** 2),
        ),
        Mistake(
            "the deviation is divided by the number of pairs, not by its root",
            "It is the variance of a mean that is n times smaller.",
            _paired(lambda a, b: (a - b).std(axis=1, ddof=1) / a.shape[1]),
        ),
        Mistake(
            "the difference has the wrong sign",
            "First minus second.",
            _paired(difference=lambda a, b: (b - a).mean(axis=1)),
        ),
        Mistake(
            "the sign is lost, pair by pair",
            "Sometimes the one is ahead, sometimes the other: that is what the error is about.",
            _paired(lambda a, b: _error(abs(a - b)), lambda a, b: abs(a - b).mean(axis=1)),
        ),
        Mistake(
            "the spread over sizes is taken, not over seeds",
            "Along which axis do the seeds lie?",
            lambda a, b: _paired()(a.T, b.T),
        ),
        Mistake(
            "one error for all sizes",
            "Each size has seeds of its own.",
            lambda a, b: ((a - b).mean(axis=1), np.full(len(a), _error((a - b).reshape(1, -1))[0])),
        ),
        Mistake(
            "the pairs are taken apart: each model's runs are sorted first",
            "Seed k of the one belongs to seed k of the other.",
            _paired(lambda a, b: _error(np.sort(a, axis=1) - np.sort(b, axis=1))),
        ),
    ],
)


# ---- crossing(sizes, difference, error, r) -> low, high --------------------------------------------------------------


def _curve_cases(rng):
    """Rising sizes (S,), a difference (S,) of two models, its error (S,), and how many errors are asked for.

    B: certainly behind; b: by more than one error; -, +: by less; a, A: as much ahead.
    """
    in_errors = {"B": (-6, -3), "b": (-1.8, -1.2), "-": (-0.8, -0.3), "+": (0.3, 0.8), "a": (1.2, 1.8), "A": (3, 6)}
    cases = []
    for curve in ("BB+AA", "BBA", "A+BB", "b-+a", "Bb+", "+-AAAA", "B-A+B-aA"):
        sizes = np.cumprod(rng.integers(2, 5, len(curve))) * 10
        error = rng.uniform(0.01, 0.05, len(curve))
        cases.append((sizes, error * [rng.uniform(*in_errors[letter]) for letter in curve], error, 2.0))
    return cases


def _bracket(behind=lambda d, e, r: d < -r * e, ahead=lambda d, e, r: d > r * e, pick=(-1, 0), near=False):
    """pick: which of the sizes behind, before the first one ahead; and which of the sizes ahead that follow one."""

    def answer(sizes, difference, error, r):
        low, high = behind(difference, error, r), ahead(difference, error, r)
        ends = [j for j in range(len(sizes)) if high[j] and (low[j - 1 : j] if near else low[:j]).any()]
        if not ends:
            return 0, 0
        end = ends[pick[1]]
        return sizes[np.flatnonzero(low[:end])[pick[0]]], sizes[end]

    return answer


def _either_way(sizes, difference, error, r):
    there, back = _bracket(), _bracket(lambda d, e, r: d > r * e, lambda d, e, r: d < -r * e)
    found = [f(sizes, difference, error, r) for f in (there, back)]
    return min((f for f in found if f[1]), key=lambda f: f[1], default=(0, 0))


def _places(sizes, difference, error, r):
    return _bracket()(np.arange(len(sizes)), difference, error, r)


crossing = Check(
    "crossing",
    reference=_bracket(),
    cases=_curve_cases,
    outputs={"low": "(a number)", "high": "(a number)"},
    mistakes=[
        Mistake(
            "the errors are not asked",
            "A mean just below zero, the next one just above: is that a crossing or chance?",
            _bracket(lambda d, e, r: d < 0, lambda d, e, r: d > 0),
        ),
        Mistake(
            "one error is enough",
            "How many were asked for?",
            _bracket(lambda d, e, r: d < -e, lambda d, e, r: d > e),
        ),
        Mistake(
            "it need not be clearly behind before",
            "Both ends must be certain: one curve alone ahead has crossed nothing.",
            _bracket(behind=lambda d, e, r: d < 0),
        ),
        Mistake(
            "it need not be clearly ahead afterwards",
            "Both ends must be certain: catching up is not overtaking.",
            _bracket(ahead=lambda d, e, r: d > 0),
        ),
        Mistake(
            "the first is overtaken, it does not overtake",
            "Negative: behind. Which sign comes first?",
            _bracket(lambda d, e, r: d > r * e, lambda d, e, r: d < -r * e),
        ),
        Mistake(
            "either way counts",
            "The claim has a direction: behind with few images, ahead with many.",
            _either_way,
        ),
        Mistake(
            "the first size that is behind is taken",
            "The narrowest bracket: what is the last size that is certain to be behind?",
            _bracket(pick=(0, 0)),
        ),
        Mistake(
            "the last size that is ahead is taken",
            "The narrowest bracket: where is it certain for the first time?",
            _bracket(pick=(-1, -1)),
        ),
        Mistake(
            "only neighbouring sizes are compared",
            "Between two certain ones there may be some that tell nothing.",
            _bracket(near=True),
        ),
        Mistake(
            "places in the list are returned, not sizes",
            "How many images are that?",
            _places,
        ),
    ],
)
