"""Few-shot least squares against weights of 40 digits: in both packages, where l2 is small and columns are bad.

The 40 digits come from benchmarks/few_shot_cells.py, which tries 720 cells; here are those that were once wrong.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from vitedu.transfer import fewshot as torch_fewshot
from vitedu_numpy.transfer import fewshot as numpy_fewshot
from vitedu_numpy.transfer.shots import choose_shots

EPS = np.finfo(np.float64).eps


@pytest.fixture(scope="module")
def cells():
    """The script, as a module."""
    path = Path(__file__).resolve().parents[3] / "benchmarks" / "few_shot_cells.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def whitened(kind, N, D, rng):
    """Features (N, D) that are hard on X^T X in different ways, and targets (N, 5)."""
    x = rng.standard_normal((N, D - 1))
    if kind == "columns of zeros":
        x[:, :3] = 0
    elif kind == "nearly equal columns":
        x[:, 1] = x[:, 0] + 1e-7 * x[:, 1]
        x[:, 2] = x[:, 0]
    elif kind == "rank 3":
        x = x[:, :3] @ rng.standard_normal((3, D - 1))
    X = numpy_fewshot.whiten(x, *numpy_fewshot.whitening(x))
    return X, 2.0 * (rng.integers(0, 5, (N, 1)) == np.arange(5)) - 1


def test_the_40_digits_are_right(cells, rng):
    """Against the normal equations, solved by mpmath with 60 digits."""
    X, Y = whitened("plain", 7, 5, rng)
    with mpmath.workdps(60):
        A, B = mpmath.matrix(X.tolist()), mpmath.matrix(Y.tolist())
        for l2 in (2.0**-10, 2.0**10):
            expected = mpmath.inverse(A.T * A + mpmath.eye(5) * mpmath.mpf(l2)) * (A.T * B)
            largest = max(abs(value) for value in expected)
            for (i, j), value in np.ndenumerate(cells.exact_ridge(X, Y, l2)):
                found = mpmath.mpf(value) / mpmath.mpf(2) ** cells.PLACES
                assert abs(found - expected[i, j]) <= mpmath.mpf(10) ** -40 * largest


@pytest.mark.parametrize("kind", ["plain", "columns of zeros", "nearly equal columns", "rank 3"])
@pytest.mark.parametrize(("N", "D"), [(9, 24), (24, 9), (24, 24)])
def test_the_bound_of_the_quick_form(kind, N, D, cells, rng):
    """Its error is at most eps ||X||^2 / l2 times what rounding many numbers makes of it: below 2, so 4 here.

    The SVD's is below a twentieth of that; with it the weights never lose more than 1e-8, at l2 = 2^-10 and above.
    """
    X, Y = whitened(kind, N, D, rng)
    for l2 in (2.0**-10, 2.0**-4, 2.0**4):
        exact = cells.exact_ridge(X, Y, l2).astype(np.float64) * 2.0**-cells.PLACES
        bound = EPS * (X**2).sum() / l2

        def error(weights, exact=exact):
            return np.linalg.norm(weights - exact, 2) / np.linalg.norm(exact, 2)

        both = (numpy_fewshot, np.asarray), (torch_fewshot, torch.from_numpy)
        for package, array in both:
            for form in ("primal", "dual"):
                left, e, right = (np.asarray(part) for part in package.eigen_ridge(array(X), array(Y), form))
                assert error(left @ (right / (e + l2)[:, None])) <= 4 * bound + 20 * EPS
            left, e, right = (np.asarray(part) for part in package.svd_ridge(array(X), array(Y)))
            assert error(left @ (right / (e + l2)[:, None])) <= bound / 20 + 100 * EPS
            suffices = package.eigen_suffices(array(X), l2)
            assert suffices == (bound <= 1e-10)
            assert error(np.asarray(package.ridge(array(X), array(Y), l2))) <= (4e-10 if suffices else 1e-8)


@pytest.mark.parametrize("package", [numpy_fewshot, torch_fewshot], ids=["vitedu_numpy", "vitedu"])
def test_cells_that_eigenvalues_got_wrong(package, cells):
    """Ten shots of digits, seed 1: for l2 up to 2^-4, NumPy's eigenvalues of X^T X put one of 797 images elsewhere.

    Three pixels are 0 in all chosen images but not in all test images, which the whitening divides by 1e-5: an error of
    a hundred thousandth in a weight that should be 0 becomes one of 1 in a score.
    """
    pixels, labels = load_digits(return_X_y=True)
    images = choose_shots(labels[:1000], 10, 1)
    few, test = pixels[images].astype(np.float32), pixels[1000:].astype(np.float32)
    Y = 2.0 * (labels[images][:, None] == np.arange(10)) - 1
    strengths = [2.0**p for p in (-10, -7, -4, 0, 10)]
    mean, std = numpy_fewshot.whitening(few)
    X, T = numpy_fewshot.whiten(few, mean, std), numpy_fewshot.whiten(test, mean, std)
    for l2, classes in zip(strengths, cells.classes_of(package, few, Y, test, strengths), strict=True):
        assert np.array_equal(classes, cells.exact_classes(X, Y, T, l2))
