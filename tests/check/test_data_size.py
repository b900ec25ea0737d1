"""vitedu/check/catalogue/data_size.py: the right answers in other styles, the mistakes in other words."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from vitedu_numpy.config import TrainConfig
from vitedu_numpy.training.batches import batches

# ---- right answers ---------------------------------------------------------------------------------------------------


def numbers_one_by_one(seed, ids, count):
    rows = {i: np.random.default_rng((seed, i)).random(count) for i in set(ids.tolist())}
    return [rows[i] for i in ids.tolist()]


def numbers_of_a_seed_sequence(seed, ids, count):
    made = [np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, int(i)]))) for i in ids]
    return np.array([rng.random(count) for rng in made])


def passes_by_loops(sizes, steps, batch_size):
    found = [(steps * min(batch_size, n) / n, min(n, steps * batch_size)) for n in sizes.tolist()]
    return tuple(zip(*found, strict=True))


def stopped_by_loops(held_out, test):
    found = []
    for looks, accuracies in zip(held_out, test, strict=True):
        best = 0
        for c, look in enumerate(looks):
            if look > looks[best]:
                best = c
        found.append(accuracies[best])
    return found


def stopped_by_sorting(held_out, test):
    return np.take_along_axis(test, np.argsort(-held_out, axis=1, kind="stable"), axis=1)[:, 0]


def paired_by_the_standard_library(first, second):
    pairs = [[a - b for a, b in zip(*rows, strict=True)] for rows in zip(first, second, strict=True)]
    return [statistics.fmean(d) for d in pairs], [statistics.stdev(d) / math.sqrt(len(d)) for d in pairs]


def paired_by_variances(first, second):
    """Var(a - b) = Var(a) + Var(b) - 2 Cov(a, b)"""
    errors = []
    for a, b in zip(first, second, strict=True):
        C = np.cov(a, b)
        errors.append(np.sqrt((C[0, 0] + C[1, 1] - 2 * C[0, 1]) / len(a)))
    return first.mean(axis=1) - second.mean(axis=1), errors


def crossing_by_walking(sizes, difference, error, r):
    low = 0
    for n, in_errors in zip(sizes, difference / error, strict=True):
        if in_errors < -r:
            low = n
        if in_errors > r and low:
            return low, n
    return 0, 0


RIGHT = [
    ("stream_numbers", numbers_one_by_one),
    ("stream_numbers", numbers_of_a_seed_sequence),
    ("passes", passes_by_loops),
    ("stopped_early", stopped_by_loops),
    ("stopped_early", stopped_by_sorting),
    ("paired_difference", paired_by_the_standard_library),
    ("paired_difference", paired_by_variances),
    ("crossing", crossing_by_walking),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize("answer", [paired_by_variances, stopped_by_sorting], ids=lambda f: f.__name__)
def test_float32_is_precise_enough(answer, assert_right, in_float32):
    """Accuracies near 1 with differences of hundredths: float32 keeps five digits of a difference, four are asked."""
    assert_right(dict(zip([f for _, f in RIGHT], [n for n, _ in RIGHT], strict=True))[answer], in_float32(answer))


@pytest.mark.parametrize("n", [5, 24, 96, 500])
def test_passes_are_what_the_trainer_does(n):
    """With sizes that batches divide: else an epoch leaves some out, which the exercise does not count."""
    steps, batch_size = 24, 8
    order = np.concatenate([indices for indices, _ in batches(n, TrainConfig(steps, batch_size, 1.0))])
    seen, different = passes_by_loops(np.array([n]), steps, batch_size)
    assert len(order) / n == seen[0]
    assert len(np.unique(order)) == different[0]


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def shared_generator(seed, ids, count):
    rng = np.random.default_rng(seed)
    return [rng.random(count) for _ in ids]


def peeking(held_out, test):
    return [max(row) for row in test]


def independent(first, second):
    d = [a.mean() - b.mean() for a, b in zip(first, second, strict=True)]
    return d, np.sqrt((first.var(1, ddof=1) + second.var(1, ddof=1)) / first.shape[1])


AGAIN = [
    ("stream_numbers", shared_generator, "in turn"),
    ("stream_numbers", lambda s, ids, k: numbers_one_by_one(s, np.arange(len(ids)), k), "place in the list"),
    ("passes", lambda n, s, b: (s * b / n, np.clip(n, 0, s * b)), "more images than there are"),
    ("passes", lambda n, s, b: (s / np.maximum(1, n / b), n), "all n images"),
    ("stopped_early", peeking, "best test accuracy"),
    ("stopped_early", lambda h, t: t[:, h.sum(0).argmax()], "for all runs"),
    ("paired_difference", independent, "independent"),
    ("paired_difference", lambda a, b: paired_by_the_standard_library(b, a), "sign"),
    ("crossing", lambda n, d, e, r: crossing_by_walking(n, d, e, 0), "not asked"),
    ("crossing", lambda n, d, e, r: crossing_by_walking(n, -d, e, r), "overtaken"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
