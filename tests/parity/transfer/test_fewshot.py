"""Few-shot least squares against scikit-learn's `Ridge`, and against the normal equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge

from vitedu.transfer.fewshot import few_shot_accuracy, ridge, whiten, whitening
from vitedu_numpy.transfer.shots import choose_shots


@pytest.fixture(scope="module")
def digits():
    """Pixels as features, (1797, 64): three of the columns are always 0."""
    pixels, labels = load_digits(return_X_y=True)
    return torch.tensor(pixels, dtype=torch.float32), torch.tensor(labels)


@pytest.mark.parametrize("shots", [1, 5, 25])  # 10 and 50 images for 65 columns: dual; 250: primal
@pytest.mark.parametrize("l2", [2.0**-4, 2.0**10])
def test_weights_are_those_of_other_solvers(shots, l2, digits):
    pixels, labels = digits
    images = choose_shots(labels, shots, 0)
    x = whiten(pixels[images], *whitening(pixels[images]))
    targets = 2.0 * torch.nn.functional.one_hot(labels[images]).double() - 1
    ours = ridge(x, targets, l2).numpy()
    X, Y = x.numpy(), targets.numpy()
    others = {
        "normal equations": np.linalg.solve(X.T @ X + l2 * np.eye(65), X.T @ Y),
        "scikit-learn, Cholesky": Ridge(l2, fit_intercept=False, solver="cholesky").fit(X, Y).coef_.T,
        "scikit-learn, SVD": Ridge(l2, fit_intercept=False, solver="svd").fit(X, Y).coef_.T,
    }
    # The condition number is the largest eigenvalue, 1e4 N = 2.5e6 at most, over l2: up to 4e7 times 1e-16.
    for name, weights in others.items():
        assert abs(ours - weights).max() <= 1e-8 * abs(weights).max(), name


def test_accuracy_on_digits_is_that_of_scikit_learn(digits):
    pixels, labels = digits
    train, test = slice(0, 1200), slice(1200, None)
    data = pixels[train], labels[train], pixels[test], labels[test]
    found = few_shot_accuracy(*data, shots=(1, 10), seeds=(0, 1))
    for k, accuracies in found.items():
        for seed, accuracy in enumerate(accuracies):
            images = choose_shots(labels[train], k, seed)
            few = pixels[images].double().numpy()
            mean, std = few.mean(0), few.std(0) + 1e-5
            X, T = (np.c_[(x - mean) / std, np.full(len(x), 100.0)] for x in (few, pixels[test].double().numpy()))
            model = Ridge(2.0**10, fit_intercept=False, solver="svd").fit(X, 2 * np.eye(10)[labels[images]] - 1)
            assert accuracy == (model.predict(T).argmax(1) == labels[test].numpy()).mean()
    assert 0.3 < np.mean(found[1]) < np.mean(found[10]) < 1
