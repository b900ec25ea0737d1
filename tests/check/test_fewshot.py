"""vitedu/check/catalogue/fewshot.py: the right answers in other styles, the mistakes in other words."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy.transfer import fewshot, solvers

# ---- right answers ---------------------------------------------------------------------------------------------------


def as_the_package(features, test_features):
    statistics = fewshot.whitening(features)
    return fewshot.whiten(features, *statistics), fewshot.whiten(test_features, *statistics)


def column_by_column(features, test_features):
    columns = []
    for x, t in zip(features.T, test_features.T, strict=True):
        std = (sum((x - x.mean()) ** 2) / len(x)) ** 0.5 + 1e-5
        columns.append(((x - x.mean()) / std, (t - x.mean()) / std))
    X, T = (np.stack([*side, np.full(len(side[0]), 100)], axis=1) for side in zip(*columns, strict=True))
    return X, T


def by_torch(features, test_features):
    torch = pytest.importorskip("torch")
    x, t = torch.from_numpy(features), torch.from_numpy(test_features)
    mean, std = x.mean(0), x.std(0, unbiased=False) + 1e-5
    return [torch.nn.functional.pad((side - mean) / std, (0, 1), value=100.0) for side in (x, t)]


def targets_by_loop(labels, num_classes):
    return [[1 if label == c else -1 for c in range(num_classes)] for label in labels]


def targets_by_index(labels, num_classes):
    Y = -np.ones((len(labels), num_classes), np.float32)
    Y[np.arange(len(labels)), labels] = 1
    return Y


def shots_by_loop(labels, shots, seed):
    rng, positions = np.random.default_rng(seed), []
    for c in sorted(set(labels.tolist())):
        positions += rng.permutation([i for i, label in enumerate(labels) if label == c])[:shots].tolist()
    return positions


def by_more_rows(X, Y, l2):
    """The penalty as D more images: sqrt(l2) I, with target 0."""
    D = X.shape[1]
    rows = np.concatenate([X, np.sqrt(l2) * np.eye(D)])
    return np.linalg.lstsq(rows, np.concatenate([Y, np.zeros((D, Y.shape[1]))]), rcond=None)[0]


def refitted(X, Y, l2):
    scores = []
    for i in range(len(X)):
        others = np.arange(len(X)) != i
        scores.append(X[i] @ by_more_rows(X[others], Y[others], l2))
    return np.stack(scores)


def loo_by_svd(X, Y, l2):
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    shrink = U * (s**2 / (s**2 + l2))
    h = (shrink * U).sum(axis=1)[:, None]
    return Y - (Y - shrink @ (U.T @ Y)) / (1 - h)


RIGHT = [
    ("whiten", as_the_package),
    ("whiten", column_by_column),
    ("whiten", by_torch),
    ("plus_minus_targets", targets_by_loop),
    ("plus_minus_targets", targets_by_index),
    ("few_shots", shots_by_loop),
    ("ridge_primal", solvers.cholesky),
    ("ridge_primal", by_more_rows),
    ("ridge_primal", solvers.eigen_dual),
    ("ridge_dual", solvers.cholesky_dual),
    ("ridge_dual", solvers.svd),
    ("standard_error", lambda accuracy: [np.std(row, ddof=1) / len(row) ** 0.5 for row in accuracy]),
    ("leave_one_out", refitted),
    ("leave_one_out", loo_by_svd),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize("name", ["ridge_primal", "ridge_dual"])
def test_float32_is_precise_enough(name, assert_right, in_float32):
    """Without the constant column, which costs four of its seven digits."""
    assert_right(name, in_float32(by_more_rows))


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def torch_std(features, test_features):
    torch = pytest.importorskip("torch")
    x, t = torch.from_numpy(features), torch.from_numpy(test_features)
    return [torch.nn.functional.pad((side - x.mean(0)) / (x.std(0) + 1e-5), (0, 1), value=100.0) for side in (x, t)]


def standard_scaler(features, test_features):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    scaler = preprocessing.StandardScaler().fit(features)
    return [np.c_[scaler.transform(x), np.full(len(x), 100.0)] for x in (features, test_features)]


def one_hot_eye(labels, num_classes):
    return np.eye(num_classes)[labels]


def late(labels, num_classes):
    return 2 * np.eye(num_classes)[(labels + 1) % num_classes] - 1


def generator_inside(labels, shots, seed):
    positions = []
    for c in range(labels.max() + 1):
        rng = np.random.default_rng(seed)
        positions.extend(rng.permutation(np.flatnonzero(labels == c))[:shots])
    return np.array(positions)


def no_shuffle(labels, shots, seed):
    return [i for c in range(max(labels) + 1) for i in np.flatnonzero(labels == c)[:shots]]


def sklearn_ridge(X, Y, l2):
    """`Ridge` as most people call it penalises as here; a mean of squares, as in training, does not."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    return linear_model.Ridge(alpha=l2 * len(X), fit_intercept=False).fit(X, Y).coef_.T


AGAIN = [
    ("whiten", torch_std, "N - 1"),
    ("whiten", standard_scaler, "does not reach"),
    ("whiten", lambda x, t: tuple(as_the_package(side, side)[0] for side in (x, t)), "their own mean"),
    ("whiten", lambda x, t: tuple(side[:, :-1] for side in as_the_package(x, t)), "missing"),
    ("plus_minus_targets", one_hot_eye, "have 0"),
    ("plus_minus_targets", late, "too late"),
    ("few_shots", generator_inside, "a generator of its own"),
    ("few_shots", no_shuffle, "whatever the seed"),
    ("ridge_primal", lambda X, Y, l2: np.linalg.inv(X.T @ X + l2) @ X.T @ Y, "every entry"),
    ("ridge_primal", lambda X, Y, l2: np.linalg.pinv(X) @ Y, "no penalty"),
    ("ridge_primal", sklearn_ridge, "number of images"),
    ("ridge_primal", lambda X, Y, l2: solvers.normal_equations(X, -Y, l2), "wrong sign"),
    ("ridge_dual", lambda X, Y, l2: np.linalg.inv(X @ X.T + l2 * np.eye(len(X))) @ Y, "weights of the images"),
    ("ridge_dual", lambda X, Y, l2: np.linalg.pinv(X) @ Y, "no penalty"),
    ("ridge_dual", lambda X, Y, l2: X @ solvers.eigen(X, Y, l2), "scores of the training images"),
    ("standard_error", lambda accuracy: np.std(accuracy, axis=1) / np.sqrt(accuracy.shape[1]), "n - 1"),
    ("standard_error", lambda accuracy: [np.std(row, ddof=1) for row in accuracy], "deviation of one seed"),
    ("standard_error", lambda accuracy: np.std(accuracy, 0, ddof=1) / len(accuracy) ** 0.5, "not the axis"),
    ("leave_one_out", lambda X, Y, l2: X @ by_more_rows(X, Y, l2), "whole fit"),
    ("leave_one_out", lambda X, Y, l2: Y - refitted(X, Y, l2), "residuals"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


def test_an_answer_for_the_wrong_form_stops_with_its_line(unknown):
    """(N, N) and (N, D) do not fit: the sizes differ on purpose."""

    def my_ridge_primal(X, Y, l2):
        return np.linalg.solve(X @ X.T + l2 * np.eye(len(X)), X.T @ Y)

    message = unknown("ridge_primal", my_ridge_primal)
    assert "it stopped at `return np.linalg.solve(X @ X.T + l2 * np.eye(len(X)), X.T @ Y)`" in message
