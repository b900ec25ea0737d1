"""k nearest neighbours against scikit-learn's `KNeighborsClassifier` with DINO's weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from vitedu.transfer import knn as torch_knn
from vitedu_numpy.transfer import knn as numpy_knn


@pytest.mark.parametrize("package", [numpy_knn, torch_knn], ids=["vitedu_numpy", "vitedu"])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_classes_are_those_of_scikit_learn(package, temperature):
    x, labels = load_digits(return_X_y=True)
    data = x[:600], labels[:600], x[600:900]
    given = data if package is numpy_knn else map(torch.from_numpy, data)
    found = package.knn_classes(*given, 10, temperature=temperature)
    for k, classes in found.items():
        model = KNeighborsClassifier(
            k, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / temperature)
        )
        assert np.array_equal(np.asarray(classes), model.fit(*data[:2]).predict(data[2])), k
