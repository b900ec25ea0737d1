"""Wrong answers to notebooks/19_how_much_data.ipynb: an image's numbers, passes, early stopping, pairs, crossings."""

from __future__ import annotations

import numpy as np

from . import FirstGeneration

__all__ = ["crossing", "paired_difference", "passes", "stopped_early", "stream_numbers"]


def _by_image(key):
    """key (seed, id, place in the list) -> what the image's own generator is made of"""

    def answer(seed, ids, count):
        made = [np.random.default_rng(key(seed, int(i), place)) for place, i in enumerate(ids)]
        return np.stack([rng.random(count) for rng in made])

    return answer


def _normal(seed, ids, count):
    return np.stack([np.random.default_rng([seed, i]).standard_normal(count) for i in ids])


stream_numbers = FirstGeneration(
    _by_image(lambda seed, i, place: [seed, i]),
    [
        (
            "one generator draws for all images in turn",
            lambda seed, ids, count: np.random.default_rng(seed).random((len(ids), count)),
        ),
        ("the place in the list counts, not the image's number", _by_image(lambda seed, i, place: [seed, place])),
        ("seed and number are added", _by_image(lambda seed, i, place: seed + i)),
        ("seed and number are exchanged", _by_image(lambda seed, i, place: [i, seed])),
        ("the seed is left out", _by_image(lambda seed, i, place: i)),
        ("the images' numbers are left out: all rows are alike", _by_image(lambda seed, i, place: seed)),
        (
            "all images from 0 on are drawn, and those asked for are picked",
            lambda seed, ids, count: np.random.default_rng(seed).random((ids.max() + 1, count))[ids],
        ),
        ("normal numbers, not uniform ones", _normal),
    ],
)


def _counted(seen=lambda n, s, b: s * np.minimum(b, n) / n, different=lambda n, s, b: np.minimum(n, s * b)):
    return lambda sizes, steps, batch_size: (seen(sizes, steps, batch_size), different(sizes, steps, batch_size))


passes = FirstGeneration(
    _counted(),
    [
        ("steps are counted, not images", _counted(lambda n, s, b: s / n)),
        ("a batch holds more images than there are", _counted(lambda n, s, b: s * b / n)),
        ("only whole passes are counted", _counted(lambda n, s, b: s * np.minimum(b, n) // n)),
        ("the ratio is upside down", _counted(lambda n, s, b: n / (s * np.minimum(b, n)))),
        ("the first time is not counted", _counted(lambda n, s, b: s * np.minimum(b, n) / n - 1)),
        ("every image is seen at least once", _counted(lambda n, s, b: np.maximum(1, s * np.minimum(b, n) / n))),
        ("all n images count as seen", _counted(different=lambda n, s, b: n)),
        ("an image counts anew each time it is seen", _counted(different=lambda n, s, b: s * np.minimum(b, n))),
        ("the different images are bounded by the steps", _counted(different=lambda n, s, b: np.minimum(n, s))),
        ("the different images are those of one batch", _counted(different=lambda n, s, b: np.minimum(n, b))),
    ],
)


def _at(choose):
    """choose (held_out, test) -> the check (R,) at which the test accuracies are read"""

    def answer(held_out, test):
        return test[np.arange(len(test)), choose(held_out, test)]

    return answer


def _first_hill(held_out, test):
    falls = np.diff(held_out, axis=1, append=-1) < 0
    return falls.argmax(axis=1)


stopped_early = FirstGeneration(
    _at(lambda held_out, test: held_out.argmax(axis=1)),
    [
        ("the best test accuracy is taken", lambda held_out, test: test.max(axis=1)),
        ("the held-out accuracy is reported", lambda held_out, test: held_out.max(axis=1)),
        ("nobody stops: the last check is taken", lambda held_out, test: test[:, -1]),
        ("of two equal checks the later one is taken", _at(lambda h, test: h.shape[1] - 1 - h[:, ::-1].argmax(axis=1))),
        ("one check is chosen for all runs", lambda held_out, test: test[:, held_out.mean(axis=0).argmax()]),
        ("a run stops as soon as it falls for the first time", _at(_first_hill)),
        ("the mean over the checks is taken", lambda held_out, test: test.mean(axis=1)),
        (
            "the best run of each check is looked for",
            lambda held_out, test: test[held_out.argmax(axis=0), np.arange(held_out.shape[1])],
        ),
        ("the number of the check is returned", lambda held_out, test: held_out.argmax(axis=1)),
    ],
)


def _error(d):
    return d.std(axis=1, ddof=1) / np.sqrt(d.shape[1])


def _paired(error=lambda a, b: _error(a - b), difference=lambda a, b: (a - b).mean(axis=1)):
    return lambda first, second: (difference(first, second), error(first, second))


paired_difference = FirstGeneration(
    _paired(),
    [
        ("the errors of two independent means are put together", _paired(lambda a, b: np.hypot(_error(a), _error(b)))),
        ("the errors of the two means are added", _paired(lambda a, b: _error(a) + _error(b))),
        (
            "the variances are divided by the number of pairs, not by one less",
            _paired(lambda a, b: (a - b).std(axis=1) / np.sqrt(a.shape[1])),
        ),
        ("the deviation of a single pair is given", _paired(lambda a, b: (a - b).std(axis=1, ddof=1))),
        ("the root is missing: that is a variance", _paired(lambda a, b: _error(a - b) ** 2)),
        (
            "the deviation is divided by the number of pairs, not by its root",
            _paired(lambda a, b: (a - b).std(axis=1, ddof=1) / a.shape[1]),
        ),
        ("the difference has the wrong sign", _paired(difference=lambda a, b: (b - a).mean(axis=1))),
        (
            "the sign is lost, pair by pair",
            _paired(lambda a, b: _error(abs(a - b)), lambda a, b: abs(a - b).mean(axis=1)),
        ),
        ("the spread over sizes is taken, not over seeds", lambda a, b: _paired()(a.T, b.T)),
        (
            "one error for all sizes",
            lambda a, b: ((a - b).mean(axis=1), np.full(len(a), _error((a - b).reshape(1, -1))[0])),
        ),
        (
            "the pairs are taken apart: each model's runs are sorted first",
            _paired(lambda a, b: _error(np.sort(a, axis=1) - np.sort(b, axis=1))),
        ),
    ],
)


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


crossing = FirstGeneration(
    _bracket(),
    [
        ("the errors are not asked", _bracket(lambda d, e, r: d < 0, lambda d, e, r: d > 0)),
        ("one error is enough", _bracket(lambda d, e, r: d < -e, lambda d, e, r: d > e)),
        ("it need not be clearly behind before", _bracket(behind=lambda d, e, r: d < 0)),
        ("it need not be clearly ahead afterwards", _bracket(ahead=lambda d, e, r: d > 0)),
        (
            "the first is overtaken, it does not overtake",
            _bracket(lambda d, e, r: d > r * e, lambda d, e, r: d < -r * e),
        ),
        ("either way counts", _either_way),
        ("the first size that is behind is taken", _bracket(pick=(0, 0))),
        ("the last size that is ahead is taken", _bracket(pick=(-1, -1))),
        ("only neighbouring sizes are compared", _bracket(near=True)),
        ("places in the list are returned, not sizes", _places),
    ],
)
