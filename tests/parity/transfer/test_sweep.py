"""Few-shot sweeps against scikit-learn's `Ridge`, fitted anew for every cell: the same class for every test image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from vitedu.transfer import sweep as torch_sweep
from vitedu_numpy.transfer import sweep as numpy_sweep
from vitedu_numpy.transfer.shots import choose_shots

STRENGTHS = [2.0**-4, 1.0, 2.0**6, 2.0**14]


def pixels():
    """Digits: 64 columns of which some never change, 10 classes."""
    x, labels = load_digits(return_X_y=True)
    return x[:1200] + 0.0, labels[:1200], x[1200:], labels[1200:]


def overlapping():
    """A hundred classes around points in 10 directions of 40; about half of the test images is right."""
    rng = np.random.default_rng(0)
    labels = np.arange(2500) % 100
    means = rng.standard_normal((100, 10)) @ rng.standard_normal((10, 40))
    x = (means[labels] + 2 * rng.standard_normal((2500, 40))) * rng.uniform(0.1, 10, 40)
    return x[:2000], labels[:2000], x[2000:], labels[2000:]


@pytest.mark.parametrize("package", [numpy_sweep, torch_sweep], ids=["vitedu_numpy", "vitedu"])
@pytest.mark.parametrize("make", [pixels, overlapping])
def test_predictions_are_those_of_ridge(make, package):
    x, labels, x_test, truth = make()
    chosen = {shots: choose_shots(labels, shots, 2) for shots in (1, 5, 15)}
    arrays = (x, labels, x_test) if package is numpy_sweep else map(torch.from_numpy, (x, labels, x_test))
    found = dict(package.sweep_classes(*arrays, chosen, STRENGTHS))
    right = []
    for shots, images in chosen.items():
        few = x[images]
        scaler = StandardScaler().fit(few)
        scaler.scale_ = few.std(axis=0) + 1e-5  # where it puts 1 for a column that never changes
        Y = 2.0 * (labels[images][:, None] == np.arange(labels.max() + 1)) - 1
        for l2, classes in zip(STRENGTHS, found[shots], strict=True):
            model = Ridge(l2, solver="svd").fit(scaler.transform(few), Y)  # its intercept takes no part in the penalty
            expected = model.predict(scaler.transform(x_test)).argmax(axis=1)
            assert np.array_equal(np.asarray(classes), expected), (shots, l2)
            right.append((expected == truth).mean())
    assert 0.05 < min(right) < max(right) < 1
