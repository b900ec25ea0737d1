"""Pseudo-labels, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy.training.pseudo import balanced, confident, pseudo_labels, tempered

# Five images, three classes.  Powers of two: every number below is exact.
P = np.array(
    [
        [0.5, 0.25, 0.25],
        [0.75, 0.125, 0.125],
        [0.375, 0.375, 0.25],  # a tie: the first class
        [0.0, 1.0, 0.0],
        [0.25, 0.625, 0.125],
    ]
)


def test_without_filter_and_balance_the_labels_are_the_probabilities():
    found = pseudo_labels(P)  # 0.375 is above 0.3
    np.testing.assert_array_equal(found.positions, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(found.targets, P)
    np.testing.assert_array_equal(found.classes, [0, 0, 0, 1, 1])


def test_the_filter_keeps_what_is_at_least_the_threshold():
    np.testing.assert_array_equal(confident(P, 0.5), [0, 1, 3, 4])  # 0.5 itself stays
    np.testing.assert_array_equal(pseudo_labels(P, threshold=0.51).positions, [1, 3, 4])
    np.testing.assert_array_equal(confident(np.float32([[0.3, 0.7], [0.7, 0.3]]), 0.7), [0, 1])  # also in float32


@pytest.mark.parametrize(
    ("per_class", "positions"),
    [
        (1, [1, 3]),  # the most confident of each; nobody took class 2
        (2, [1, 0, 3, 4]),
        (3, [1, 0, 2, 3, 4, 3]),  # class 1 has two: again from its first
        (5, [1, 0, 2, 1, 0, 3, 4, 3, 4, 3]),
    ],
)
def test_balance_takes_the_most_confident_of_each_class_and_repeats(per_class, positions):
    found = pseudo_labels(P, per_class=per_class)
    np.testing.assert_array_equal(found.positions, positions)
    np.testing.assert_array_equal(found.targets, P[positions])


def test_balance_counts_after_the_filter():
    np.testing.assert_array_equal(pseudo_labels(P, threshold=0.7, per_class=2).positions, [1, 1, 3, 3])


def test_of_equally_confident_images_the_earlier_comes_first():
    classes, confidence = np.array([1, 0, 1, 0]), np.full(4, 0.5)
    np.testing.assert_array_equal(balanced(classes, confidence, 2), [1, 3, 0, 2])


def test_hard_labels():
    found = pseudo_labels(P, soft=False)
    np.testing.assert_array_equal(found.targets, np.eye(3)[[0, 0, 0, 1, 1]])


def test_temperature_is_that_of_the_softmax():
    """T = 1/2 squares: 4 : 1 : 1 of 0.5, 0.25, 0.25.  And softmax(z / T) for other T, to a few roundings."""
    np.testing.assert_allclose(tempered(P[:1], 0.5), [[2 / 3, 1 / 6, 1 / 6]], rtol=1e-15)
    z = np.random.default_rng(0).standard_normal((4, 6))

    def softmax(z):
        return np.exp(z) / np.exp(z).sum(1, keepdims=True)

    for temperature in (0.3, 1, 2, 5):
        np.testing.assert_allclose(tempered(softmax(z), temperature), softmax(z / temperature), rtol=1e-13)


def test_a_low_temperature_is_a_hard_label_and_no_zero_by_zero():
    p = np.full((1, 1000), 1e-3)
    p[0, 7] += 1e-4
    q = tempered(p / p.sum(), 1e-4)  # 1e-3^10000 is 0 in every float
    np.testing.assert_allclose(q, np.eye(1000)[[7]], atol=1e-12)


def test_the_filter_looks_before_the_temperature():
    """At T = 1/4 image 0 would be 16/18 = 0.89 sure; it is 0.5."""
    np.testing.assert_array_equal(pseudo_labels(P, threshold=0.6, temperature=0.25).positions, [1, 3, 4])


@pytest.mark.parametrize(
    ("probabilities", "options", "error", "words"),
    [
        (P, dict(threshold=1.5), ValueError, r"threshold=1.5 .* \[0, 1\]"),
        (P[:3], dict(threshold=0.9), ValueError, "threshold=0.9 leaves none of 3 .* 0.75"),
        (P, dict(per_class=0), ValueError, "per_class=0 .* positive integer or None"),
        (P, dict(soft="yes"), ValueError, "soft='yes' .* True or False"),
        (P, dict(temperature=0.0), ValueError, "temperature=0.0 .* positive"),
        (P, dict(temperature=2.0, soft=False), ValueError, "temperature=2.0 .* 1 with soft=False"),
        (P[0], {}, ValueError, r"probabilities has shape \(3,\); expected \(n, K\)"),
        (P[:0], {}, ValueError, r"probabilities has shape \(0, 3\)"),
        (P > 0.3, {}, TypeError, "probabilities has dtype bool; expected floats"),
        (np.log(P[:2]), {}, ValueError, "row 0 sums to -3.466.*softmax"),  # logits
        (P * [[1], [1], [1], [np.nan], [1]], {}, ValueError, "row 3 sums to nan"),
    ],
)
def test_what_makes_no_sense_is_refused(probabilities, options, error, words):
    with pytest.raises(error, match=words):
        pseudo_labels(probabilities, **options)
