"""vitedu_numpy/transfer/solvers.py: four ways to the same weights, and where each of them leaves it."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy.transfer import solvers
from vitedu_numpy.transfer.fewshot import ridge, whiten, whitening
from vitedu_numpy.transfer.solvers import back_substitution, forward_substitution

PRIMAL = ("normal_equations", "cholesky", "eigen")
DUAL = ("normal_equations_dual", "cholesky_dual", "eigen_dual")


def data(rng, N, D, constant=True):
    """Whitened features, with the constant column of 100 or without, and +1 / -1 targets."""
    few = rng.standard_normal((N, D - 1))
    X = whiten(few, *whitening(few))
    return X if constant else X[:, :-1], 2.0 * (np.arange(N)[:, None] % 5 == np.arange(5)) - 1


def error(name, X, Y, l2, dtype):
    """The largest error in the weights, as a part of the largest weight; infinity where there is no solution."""
    exact = ridge(X, Y, l2)
    try:
        weights = getattr(solvers, name)(X.astype(dtype), Y.astype(dtype), l2)
    except np.linalg.LinAlgError:
        return np.inf
    assert weights.dtype == dtype
    return abs(weights - exact).max() / abs(exact).max()


def test_by_hand():
    """X^T X + 2 = [[4, 0], [0, 10]],  X^T Y = [2, 4]:  W = [1/2, 2/5]."""
    X, Y = np.array([[1.0, 2.0], [-1.0, 2.0]]), np.array([[2.0], [0.0]])
    for name in (*PRIMAL, *DUAL, "svd"):
        np.testing.assert_allclose(getattr(solvers, name)(X, Y, 2.0), [[0.5], [0.4]], rtol=1e-14)


def test_substitution(rng):
    L = np.tril(rng.uniform(1, 2, (6, 6)))
    B = rng.standard_normal((6, 3))
    np.testing.assert_allclose(L @ forward_substitution(L, B), B, atol=1e-13)
    np.testing.assert_allclose(L.T @ back_substitution(L.T, B), B, atol=1e-13)


@pytest.mark.parametrize("name", [*PRIMAL, *DUAL, "svd"])
@pytest.mark.parametrize(("N", "D"), [(60, 20), (20, 60), (20, 20)])
def test_all_are_equal_in_float64(name, N, D, rng):
    """The largest eigenvalue is 1e4 N, so at l2 = 2^10 at most 600 times the least: 1e-16 becomes 1e-13."""
    X, Y = data(rng, N, D)
    assert error(name, X, Y, 2.0**10, np.float64) < 1e-12


def test_where_float32_fails(rng):
    """N = 20, D = 60, so X^T X has 41 eigenvalues that are 0, and l2 is all that stands there."""
    X, Y = data(rng, 20, 60)  # the largest eigenvalue is 2e5; float32 rounds it by 1e-2
    for name in PRIMAL:
        assert error(name, X, Y, 2.0**10, np.float32) < 1e-4
        assert error(name, X, Y, 1e-3, np.float32) > 1e-4
    X, Y = data(rng, 60, 20)  # now X X^T has 41 of them
    for name in DUAL:
        assert error(name, X, Y, 2.0**10, np.float32) < 1e-4
        assert error(name, X, Y, 1e-3, np.float32) > 0.1  # nothing is left, or Cholesky meets a negative pivot
    assert error("cholesky_dual", X, Y, 1e-3, np.float32) == np.inf
    for N, D in ((20, 60), (60, 20)):  # the SVD never squares: it is right where the others are not
        assert error("svd", *data(rng, N, D), 1e-3, np.float32) < 1e-5


def test_it_is_the_constant_column_that_costs_the_digits(rng):
    """In X X^T it adds 1e4 to every entry, hundreds of times what the others hold; in X^T X it has a row of its own."""
    few, many = (20, 60), (60, 20)
    state = rng.bit_generator.state

    def errors(name, shape, l2, dtype):
        for constant in (True, False):
            rng.bit_generator.state = state
            yield error(name, *data(rng, *shape, constant), l2, dtype)

    for dtype in (np.float32, np.float64):
        for name in DUAL:
            with_it, without = errors(name, many, 1.0, dtype)
            assert with_it > 50 * without, name
    for name in PRIMAL:
        with_it, without = errors(name, few, 1.0, np.float32)
        assert with_it < 2 * without, name


def test_eigenvalues_lose_to_the_svd_in_float64_too(rng):
    X, Y = data(rng, 60, 20)
    assert error("eigen_dual", X, Y, 1e-3, np.float64) > 1e-10
    assert error("svd", X, Y, 1e-3, np.float64) < 1e-12
