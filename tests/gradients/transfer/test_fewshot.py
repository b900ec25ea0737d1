"""vitedu_numpy/transfer/fewshot.py: few-shot least squares, step by step and whole."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import numerical_gradient
from vitedu_numpy.transfer.fewshot import (
    CONSTANT,
    eigen_ridge,
    eigen_suffices,
    few_shot_accuracy,
    predict,
    ridge,
    svd_ridge,
    whiten,
    whitening,
)
from vitedu_numpy.transfer.shots import choose_shots

LABELS = np.array([2, 0, 1, 1, 2, 0, 0, 2, 1, 0, 1, 2, 2, 0])


def data(rng, N, D, K=3):
    """Whitened features with their constant column, and +1 / -1 targets."""
    few = rng.standard_normal((N, D - 1)) * rng.uniform(0.1, 20, D - 1) + 3
    return whiten(few, *whitening(few)), 2.0 * (rng.integers(0, K, (N, 1)) == np.arange(K)) - 1


# ---- choosing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 7])
def test_shots_are_of_their_class_and_nested(seed):
    before = LABELS.copy()
    few, more = choose_shots(LABELS, 2, seed), choose_shots(LABELS, 4, seed)
    assert LABELS[few].tolist() == [0, 0, 1, 1, 2, 2]  # class by class
    assert LABELS[more].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert len(set(more)) == len(more)  # no image twice
    assert np.array_equal(few.reshape(3, 2), more.reshape(3, 4)[:, :2])  # the first 2 of each class's 4
    assert np.array_equal(LABELS, before)


def test_shots_are_those_of_one_permutation_per_class():
    """The official choice: one generator for all classes, which shuffles the positions of class 0, then of 1, ..."""
    rng = np.random.default_rng(5)
    expected = [rng.permutation(np.where(LABELS == c)[0])[:3] for c in range(3)]
    assert np.array_equal(choose_shots(LABELS, 3, 5), np.concatenate(expected))
    assert not np.array_equal(choose_shots(LABELS, 3, 5), choose_shots(LABELS, 3, 6))


# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_whitening_by_hand():
    few = np.array([[1.0, 4.0], [3.0, 4.0]])  # the second column never changes: its deviation is 0
    mean, std = whitening(few)
    assert mean.tolist() == [2, 4]
    assert std.tolist() == [1 + 1e-5, 1e-5]
    x = whiten(np.array([[1.0, 4.0], [2.0, 4.00001]]), mean, std)
    expected = [[-1 / (1 + 1e-5), 0, 100], [0, 1, 100]]
    np.testing.assert_allclose(x, expected, rtol=1e-9)  # 4.00001 - 4 has lost 6 of its 16 digits


def test_ridge_by_hand():
    """One feature, -1 and +1, and the constant 100: X^T X is diagonal, so each weight is its own little fraction.

    X = [[-1, 100], [1, 100]],  Y = [[1, -1], [-1, 1]]:  X^T X = diag(2, 20000),  X^T Y = [[-2, 2], [0, 0]]
    """
    X, Y = np.array([[-1.0, 100.0], [1.0, 100.0]]), np.array([[1.0, -1.0], [-1.0, 1.0]])
    for l2 in (0.5, 2.0, 1024.0):
        expected = [[-2 / (2 + l2), 2 / (2 + l2)], [0, 0]]
        np.testing.assert_allclose(ridge(X, Y, l2), expected, rtol=1e-14, atol=1e-16)  # 1e-16: one rounding of 1
    weights = ridge(X, Y, 2.0)  # scores of an image x: -x / 2 and x / 2
    images = np.array([[-3.0], [0.1], [9.0]])
    assert predict(images, np.zeros(1), np.ones(1), weights).tolist() == [0, 1, 1]


def test_accuracy_by_hand():
    """Class 0 lies around -1 and class 1 around +1, so the border is at 0: of four test images three are right."""
    train = np.array([[-1.5], [-0.5], [0.5], [1.5]], np.float32)
    test = np.array([[-2.0], [-0.1], [-0.3], [4.0]], np.float32)
    found = few_shot_accuracy(train, [0, 0, 1, 1], test, [0, 0, 1, 1], shots=(2,), seeds=(0, 1))
    assert found == {2: [0.75, 0.75]}


# ---- the solution ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("N", "D"), [(11, 5), (5, 11), (7, 7)])
def test_the_objective_has_no_slope_at_the_solution(N, D, rng):
    X, Y = data(rng, N, D)
    weights = ridge(X, Y, 3.0)

    def objective():
        return float(((X @ weights - Y) ** 2).sum() + 3.0 * (weights**2).sum())

    slope = numerical_gradient(objective, weights)
    scale = abs(2 * X.T @ Y).max()  # the slope at weights of 0
    # Rounding in a central difference: 1e-16 * 50 / 1e-5, times a few for sums of dozens of terms.
    assert abs(slope).max() <= 1e-8 * max(scale, 1)


@pytest.mark.parametrize(("N", "D"), [(11, 5), (5, 11), (40, 9), (7, 7)])
def test_three_ways_to_the_same_weights(N, D, rng):
    """Where the quick form is used, at 1 and 2^10, all agree to the 1e-10 that `eigen_suffices` promises."""
    X, Y = data(rng, N, D)
    for l2 in (1.0, 2.0**10):
        assert eigen_suffices(X, l2)
        weights = {}
        for form in ("primal", "dual", "SVD"):
            left, e, right = svd_ridge(X, Y) if form == "SVD" else eigen_ridge(X, Y, form)
            assert e.min() >= 0
            assert len(e) == {"primal": D, "dual": N, "SVD": min(N, D)}[form]
            weights[form] = left @ (right / (e + l2)[:, None])
        for form in ("primal", "dual"):
            np.testing.assert_allclose(weights[form], weights["SVD"], rtol=0, atol=1e-10 * abs(weights["SVD"]).max())
        assert np.array_equal(ridge(X, Y, l2), weights["primal" if N >= D else "dual"])  # the smaller matrix


def test_a_small_l2_is_left_to_the_svd(rng):
    """40 images: ||X||^2 is 4e5 and little more, so the border is at 2.2e-16 4e5 / 1e-10 = 0.9."""
    X, Y = data(rng, 40, 9)
    assert [eigen_suffices(X, l2) for l2 in (2.0**-10, 0.87, 0.92, 2.0**10)] == [False, False, True, True]
    for l2, solver in ((0.5, svd_ridge), (2.0, eigen_ridge)):
        left, e, right = solver(X, Y)
        assert np.array_equal(ridge(X, Y, l2), left @ (right / (e + l2)[:, None]))


def test_several_l2_at_once_are_those_one_by_one(rng):
    X, Y = data(rng, 8, 6)
    strengths = [2.0**-10, 0.7, 2.0**10]
    for one, l2 in zip(ridge(X, Y, strengths), strengths, strict=True):
        assert np.array_equal(one, ridge(X, Y, l2))


def test_float64_whatever_the_features_are(rng):
    features, labels = rng.standard_normal((14, 4)), LABELS
    for dtype in (np.float16, np.float32):
        narrow = features.astype(dtype)
        same = few_shot_accuracy(narrow.astype(np.float64), labels, narrow[::2], labels[::2], (2, 4))
        assert few_shot_accuracy(narrow, labels, narrow[::2], labels[::2], (2, 4)) == same
    mean, std = whitening(features.astype(np.float32))
    weights = ridge(whiten(features.astype(np.float32), mean, std).astype(np.float32), np.ones((14, 2)), 1.0)
    assert {a.dtype for a in (mean, std, weights)} == {np.dtype(np.float64)}


# ---- whole -----------------------------------------------------------------------------------------------------------


def test_accuracy_is_the_steps_one_after_the_other(rng):
    centres = rng.standard_normal((3, 5))
    train, test = centres[LABELS] + rng.standard_normal((14, 5)), centres[LABELS] + rng.standard_normal((14, 5))
    found = few_shot_accuracy(train, LABELS, test, LABELS, shots=(1, 4), seeds=(0, 3), l2=2.0)
    assert list(found) == [1, 4]
    for k, accuracies in found.items():
        for seed, accuracy in zip((0, 3), accuracies, strict=True):
            few = choose_shots(LABELS, k, seed)
            mean, deviation = train[few].mean(0), train[few].std(0) + 1e-5
            X, T = (np.c_[(x - mean) / deviation, np.full(len(x), CONSTANT)] for x in (train[few], test))
            Y = 2 * np.eye(3)[LABELS[few]] - 1
            W = np.linalg.solve(X.T @ X + 2.0 * np.eye(6), X.T @ Y)  # the normal equations
            assert accuracy == ((T @ W).argmax(1) == LABELS).mean()
    assert 0 < min(min(found.values())) < 1


def test_more_test_images_than_fit_at_once(rng, monkeypatch):
    features, weights = rng.standard_normal((11, 4)), rng.standard_normal((5, 3))
    whole = predict(features, *whitening(features), weights)
    for size in (1, 4, 11):
        monkeypatch.setattr("vitedu_numpy.transfer.fewshot.CHUNK", size)
        assert np.array_equal(predict(features, *whitening(features), weights), whole)


def test_features_that_say_the_class_are_never_wrong(rng):
    """And features of pure noise are right about as often as chance, 1 in K."""
    labels = np.arange(600) % 4
    clear = np.eye(4)[labels] + 0.01 * rng.standard_normal((600, 4))
    noise = rng.standard_normal((600, 4))
    assert few_shot_accuracy(clear, labels, clear, labels) == {k: [1.0] * 3 for k in (1, 5, 10, 25)}
    found = few_shot_accuracy(noise[:300], labels[:300], noise[300:], labels[300:])
    # 300 images, p = 1/4: a standard deviation of 0.025; 12 draws stay within 4 of them.
    assert all(abs(a - 0.25) < 0.1 for accuracies in found.values() for a in accuracies)


def test_labels_that_are_ids_cost_no_more_than_images():
    """A list of as many classes as the largest number would be 8 GB here."""
    labels = np.array([0, 2**30, 0, 1])
    with pytest.raises(ValueError, match=r"labels run from 0 to 1073741824; expected 0 \.\.\. K - 1"):
        choose_shots(labels, 1, 0)
    with pytest.raises(ValueError, match=r"labels run from 0 to 1073741824; expected 0 \.\.\. K - 1"):
        few_shot_accuracy(np.eye(4, 3), labels, np.eye(4, 3), labels, shots=(1,), seeds=(0,))
