"""vitedu_numpy/transfer/sweep.py: many strengths and shots at once say what each says alone, image by image."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy.transfer import sweep
from vitedu_numpy.transfer.fewshot import few_shot_accuracy, predict, ridge, whiten, whitening
from vitedu_numpy.transfer.shots import choose_shots
from vitedu_numpy.transfer.sweep import few_shot_sweep, from_rows, from_sums, nested_sums, predict_each, sweep_classes

STRENGTHS = [2.0**-3, 1.0, 2.0**10, 2.0**16]


@pytest.fixture
def data(rng):
    """20 classes that overlap, 30 features of many sizes, far from 0:  train (400, 30), test (200, 30) and labels."""
    labels = np.arange(600) % 20
    x = rng.standard_normal((20, 30))[labels] / 2 + rng.standard_normal((600, 30))
    x = (x * rng.uniform(0.1, 30, 30) + rng.uniform(-100, 100, 30)).astype(np.float32)
    return x[:400], labels[:400], x[400:], labels[400:]


def test_sums_grow_by_the_new_rows(data):
    x, labels, *_ = data
    chosen = {shots: choose_shots(labels, shots, 0) for shots in (5, 2, 9)}
    seen = []
    for shots, shift, sums, gram in nested_sums(x, chosen):
        rows = x[chosen[shots]] - shift
        # Sums of up to 180 terms in another order: 1e-16 times a few.
        np.testing.assert_allclose(gram, rows.T @ rows, rtol=0, atol=1e-13 * abs(gram).max())
        expected = [rows[labels[chosen[shots]] == c].sum(0) for c in range(20)]
        np.testing.assert_allclose(sums, expected, rtol=0, atol=1e-13 * abs(gram).max())
        seen.append(shots)
    assert seen == [2, 5, 9]


@pytest.mark.parametrize("shots", [2, 10])
def test_sums_give_the_weights_of_the_rows(shots, data):
    """Scores of the test images, but for what all classes share: the constant column's part."""
    x, labels, x_test, _ = data
    images = choose_shots(labels, shots, 3)
    ((_, *sums),) = nested_sums(x, {shots: images})
    from_the_sums = from_sums(shots, *sums, least=1.0)
    from_the_rows = from_rows(x[images], labels[images], 20, least=1.0)
    mean, std = whitening(x[images])
    np.testing.assert_allclose(from_the_sums[0], mean, rtol=1e-12)
    np.testing.assert_allclose(from_the_sums[1], std, rtol=1e-12)
    targets = 2.0 * (labels[images][:, None] == np.arange(20)) - 1
    for l2 in (1.0, 2.0**10):
        scores = whiten(x_test, mean, std) @ ridge(whiten(x[images], mean, std), targets, l2)
        for _, _, left, e, right in (from_the_sums, from_the_rows):
            ours = whiten(x_test, mean, std) @ left @ (right / (e + l2)[:, None])
            ours -= (ours - scores).mean(axis=1, keepdims=True)
            # `eigen_suffices` promises 1e-10 of the weights.
            np.testing.assert_allclose(ours, scores, rtol=0, atol=1e-9 * abs(scores).max())


@pytest.mark.parametrize("seed", [0, 1])
def test_every_prediction_is_that_of_one_fit(seed, data):
    """1 shot has 20 images for 31 columns: the dual form; more have X^T X; the smallest l2 asks for the SVD of some."""
    x, labels, x_test, _ = data
    chosen = {shots: choose_shots(labels, shots, seed) for shots in (1, 2, 5, 10)}
    found = dict(sweep_classes(x, labels, x_test, chosen, STRENGTHS))
    assert set(found) == set(chosen)
    for shots, images in chosen.items():
        mean, std = whitening(x[images])
        targets = 2.0 * (labels[images][:, None] == np.arange(20)) - 1
        weights = ridge(whiten(x[images], mean, std), targets, STRENGTHS)
        for classes, W in zip(found[shots], weights, strict=True):
            assert np.array_equal(classes, predict(x_test, mean, std, W))


def test_every_cell_is_that_of_few_shot_accuracy(data):
    kinds = dict(shots=(10, 1, 2), seeds=(0, 4))  # in this order, which is not the rising one
    found = few_shot_sweep(*data, **kinds, l2=STRENGTHS)
    assert list(found) == [10, 1, 2]
    for l2 in STRENGTHS:
        assert {shots: cells[l2] for shots, cells in found.items()} == few_shot_accuracy(*data, **kinds, l2=l2)
    assert 0.1 < np.mean(found[10][1.0]) < 0.9  # it is no trivial task


def test_columns_that_are_constant_in_few_images_only(data, monkeypatch):
    """A column that is divided by 1e-5, and by its deviation in more images: the shift is its value, so sums do."""
    x, labels, x_test, truth = (array.copy() for array in data)
    x[choose_shots(labels, 5, 0), 7] = 1234.567
    monkeypatch.setattr(sweep, "from_rows", None)
    found = few_shot_sweep(x, labels, x_test, truth, shots=(2, 5, 10), seeds=(0,), l2=[2.0**10])
    expected = few_shot_accuracy(x, labels, x_test, truth, shots=(2, 5, 10), seeds=(0,), l2=2.0**10)
    assert {shots: cells[2.0**10] for shots, cells in found.items()} == expected


def test_one_image_far_away(data):
    """The worst for subtracting N m m^T: all of a column's deviation is one image, and it is one of the fewest."""
    x, labels, x_test, truth = (array.copy() for array in data)
    x[choose_shots(labels, 2, 0)[3], 7] = 1e7
    found = few_shot_sweep(x, labels, x_test, truth, shots=(2, 10), seeds=(0,), l2=STRENGTHS)
    for l2 in STRENGTHS:
        expected = few_shot_accuracy(x, labels, x_test, truth, shots=(2, 10), seeds=(0,), l2=l2)
        assert {shots: cells[l2] for shots, cells in found.items()} == expected


def test_a_small_strength_is_not_left_to_the_sums(data):
    x, labels, *_ = data
    ((_, *sums),) = nested_sums(x, {10: choose_shots(labels, 10, 0)})
    assert from_sums(10, *sums, least=1.0) is not None
    assert from_sums(10, *sums, least=1e-3) is None


def test_scores_too_near_for_float32_are_compared_in_float64(rng):
    """Two classes whose scores differ by 1e-9 of their size, the second larger: float32 sees the same number twice."""
    features = rng.uniform(1, 2, (50, 4))
    right = np.stack([np.ones(5), np.full(5, 1 + 1e-9), np.zeros(5)], axis=1)  # (r, K)
    solution = np.zeros(4), np.ones(4), np.eye(5), np.zeros(5), right
    (classes,) = predict_each(features, solution, [1.0])
    assert (classes == 1).all()


def test_numbers_that_float32_cannot_hold(rng):
    features = rng.uniform(1, 2, (50, 4))
    for size in (1e60, 1e-60):
        right = np.stack([np.full(5, size), np.full(5, 2 * size)], axis=1)
        solution = np.zeros(4), np.ones(4), np.eye(5), np.zeros(5), right
        assert (predict_each(features, solution, [1.0, 1e50]) == 1).all()


def test_images_that_are_all_alike():
    """Every class's few images are the same point: all scores are 0, so the first class it is, in every cell."""
    x, labels = np.zeros((12, 2)), np.arange(12) % 3
    x[6:] = [[1, 0], [0, 1], [1, 1]] * 2
    found = dict(sweep_classes(x, labels, x, {2: np.array([0, 3, 1, 4, 2, 5])}, [1.0]))
    assert (found[2] == 0).all()
