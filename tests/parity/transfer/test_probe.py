"""The linear probe against scikit-learn's `LogisticRegression`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from vitedu.transfer import probe as torch_probe
from vitedu_numpy.transfer import probe as numpy_probe


@pytest.mark.parametrize("package", [numpy_probe, torch_probe], ids=["vitedu_numpy", "vitedu"])
@pytest.mark.parametrize("l2", [0.1, 0.003])
def test_weights_are_those_of_scikit_learn(package, l2):
    """It sums over images where we take the mean: C = 1 / (N l2).  Both leave the bias free of the penalty."""
    x, labels = load_digits(return_X_y=True)
    x, labels = x[:400] / 16, labels[:400]
    given = (x, labels) if package is numpy_probe else map(torch.from_numpy, (x, labels))
    weight, bias = (np.asarray(array) for array in package.fit_logistic(*given, 10, l2, tolerance=1e-9))
    model = LogisticRegression(C=1 / (400 * l2), tol=1e-9, max_iter=5000).fit(x, labels)
    # The bias is only fixed up to a number that is added to all; sums of pixels make its curvature the smallest.
    np.testing.assert_allclose(weight, model.coef_, rtol=0, atol=1e-5 * abs(model.coef_).max())
    np.testing.assert_allclose(
        bias - bias.mean(), model.intercept_ - model.intercept_.mean(), rtol=0, atol=1e-4 * abs(model.intercept_).max()
    )
