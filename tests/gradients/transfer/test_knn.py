"""vitedu_numpy/transfer/knn.py: who votes, and with how much."""

from __future__ import annotations

import logging

import numpy as np

from vitedu_numpy.transfer.knn import knn_accuracy, knn_classes, nearest, normalize


def test_normalize_by_hand():
    assert normalize(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.6, 0.8], [0, 0]]


def test_votes_by_hand():
    """Angles of 0 (class 0), 60 and 61 degrees (class 1), asked at 20: one near vote against two far ones."""
    angles = np.deg2rad([0, 60, 61])
    train, labels = np.stack([np.cos(angles), np.sin(angles)], axis=1), np.array([0, 1, 1])
    test = np.array([[np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20))]])
    near = np.exp(np.cos(np.deg2rad(20)) / 0.07)
    far = np.exp(np.cos(np.deg2rad(40)) / 0.07) + np.exp(np.cos(np.deg2rad(41)) / 0.07)
    assert near > far
    assert knn_classes(train, labels, test, 2, k=(1, 3))[3].tolist() == [0]
    assert knn_classes(train, labels, test, 2, k=(3,), temperature=10.0)[3].tolist() == [
        1
    ]  # every vote counts the same
    assert knn_classes(5 * train, labels, test / 9, 2, k=(3,))[3].tolist() == [0]  # lengths do not count


def test_nearest_are_the_most_alike_in_order(rng):
    train, test = normalize(rng.standard_normal((50, 6))), normalize(rng.standard_normal((9, 6)))
    cosine, near = nearest(train, test, 7)
    expected = np.argsort(-(test @ train.T), axis=1)[:, :7]
    assert np.array_equal(near, expected)
    assert np.array_equal(cosine, np.take_along_axis(test @ train.T, expected, 1))


def test_one_k_at_a_time_is_the_same(rng):
    x, labels, test = rng.standard_normal((80, 5)), rng.integers(0, 4, 80), rng.standard_normal((30, 5))
    together = knn_classes(x, labels, test, 4, k=(20, 1, 10))
    assert list(together) == [20, 1, 10]
    for k, classes in together.items():
        assert np.array_equal(classes, knn_classes(x, labels, test, 4, k=(k,))[k])


def test_fewer_images_than_k_all_vote_and_it_is_said(rng, caplog):
    x, labels = rng.standard_normal((30, 5)), np.arange(30) % 3
    with caplog.at_level(logging.WARNING):
        found = knn_accuracy(x, labels, x, labels, k=(10, 100, 200))
    assert found[100] == found[200] == knn_accuracy(x, labels, x, labels, k=(30,))[30]
    assert caplog.messages == ["k=100, 200: there are 30 training images, so all of them vote"]
