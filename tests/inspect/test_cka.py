"""Linear CKA: its invariances, a loop over Gram entries, both ways of computing it, and what bias it has."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy.inspect import as_array, cka_matrix, layer_features, linear_cka
from vitedu_numpy.inspect.cka import _gram_is_cheaper

CLOSE = dict(rel=1e-10, abs=1e-12)  # float64, sums of thousands of terms in another order


def loop_cka(X, Y, unbiased=False):
    """Kornblith et al., Eqs. 3 and 4, and Song et al.'s estimate, entry by entry from the Gram matrices."""
    n = len(X)
    K, L = X @ X.T, Y @ Y.T

    def hsic(K, L):
        if not unbiased:
            H = np.eye(n) - np.ones((n, n)) / n
            return sum((H @ K @ H)[i, j] * (H @ L @ H)[i, j] for i in range(n) for j in range(n)) / (n - 1) ** 2
        K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
        trace = sum(K[i, j] * L[i, j] for i in range(n) for j in range(n))
        rows = sum(K[i].sum() * L[i].sum() for i in range(n))
        return (trace + K.sum() * L.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * rows) / (n * (n - 3))

    return hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L))


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize(("p", "q"), [(3, 4), (30, 50), (2, 60)], ids=["few features", "many features", "both"])
def test_against_a_loop_over_gram_entries(rng, p, q, unbiased):
    X = rng.standard_normal((12, p)) + 3  # columns with a mean
    Y = rng.standard_normal((12, q)) + X[:, :2] @ rng.standard_normal((2, q))
    assert linear_cka(X, Y, unbiased) == pytest.approx(loop_cka(X, Y, unbiased), **CLOSE)


def test_both_ways_are_taken():
    """This guards the test above: 12 images; 3 and 4 features cost less, 30 and 50 more than Gram matrices."""
    assert not _gram_is_cheaper(12, [3], [4])
    assert _gram_is_cheaper(12, [30], [50])
    assert not _gram_is_cheaper(5000, [192] * 12, [192] * 12)  # class tokens of many images
    assert _gram_is_cheaper(500, [65 * 96] * 7, [65 * 96] * 7)  # all tokens of a few


@pytest.mark.parametrize("unbiased", [False, True])
def test_invariances(rng, unbiased):
    X, Y = rng.standard_normal((20, 6)), rng.standard_normal((20, 9))
    Y[:, :6] += X
    value = linear_cka(X, Y, unbiased)
    Q, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    assert linear_cka(X, X, unbiased) == pytest.approx(1, **CLOSE)
    assert linear_cka(Y, X, unbiased) == pytest.approx(value, **CLOSE)
    assert linear_cka(-3 * X @ Q + 7, Y, unbiased) == pytest.approx(value, **CLOSE)
    assert linear_cka(X, X @ Q, unbiased) == pytest.approx(1, **CLOSE)
    stretched = X * np.array([9, 1, 1, 1, 1, 1])  # another linear map is not forgiven
    assert linear_cka(X, stretched, unbiased) < 0.9


def test_unrelated_features(rng):
    """With 400 features of 20 images the plain estimate is near 1 though nothing is shared; the other is near 0."""
    plain, unbiased = (
        [linear_cka(rng.standard_normal((20, 400)), rng.standard_normal((20, 400)), way) for _ in range(20)]
        for way in (False, True)
    )
    assert min(plain) > 0.9
    assert abs(np.mean(unbiased)) < 0.1


@pytest.mark.parametrize("unbiased", [False, True])
def test_a_matrix_is_its_entries(rng, unbiased):
    Xs = [rng.standard_normal((10, p)) for p in (3, 40, 7)]
    Ys = [Xs[1][:, :20], rng.standard_normal((10, 5))]
    expected = [[loop_cka(X, Y, unbiased) for Y in Ys] for X in Xs]
    np.testing.assert_allclose(cka_matrix(Xs, Ys, unbiased), expected, rtol=1e-10)
    alone = cka_matrix(Xs, unbiased=unbiased)
    np.testing.assert_allclose(np.diag(alone), 1, rtol=1e-12)
    np.testing.assert_allclose(alone, alone.T, rtol=1e-12)


def test_large_means_do_not_hurt(rng):
    """Features far from 0, as residual streams are: float32 rounds them, and centring is done in float64."""
    X, Y = rng.standard_normal((30, 5)), rng.standard_normal((30, 8))
    far = (X + 100).astype(np.float32)
    assert linear_cka(far, Y) == pytest.approx(linear_cka(X, Y), rel=1e-4)
    assert linear_cka(X + 1e6, Y) == pytest.approx(linear_cka(X, Y), rel=1e-8)


# ---- features -------------------------------------------------------------------------------------------------------


def test_features_of_a_record(seen, small):
    it = seen(small())
    z = as_array(it.record["block02/z"])
    features = layer_features(it.record)
    assert list(features) == ["tokens", "block00/z", "block01/z", "block02/z"]
    np.testing.assert_array_equal(features["block02/z"], z.reshape(2, 13 * 12))
    np.testing.assert_array_equal(layer_features(it.record, "first")["block02/z"], z[:, 0])
    np.testing.assert_array_equal(layer_features(it.record, "mean")["block02/z"], z.mean(axis=1))


def test_a_vit_beside_a_resnet(twins, small, rng):
    """Feature maps (B, C, H, W) as Raghu et al. compare them: all numbers, or the mean over pixels."""
    import vitedu_numpy as vn

    config = vn.BiTConfig(blocks=(1, 1), num_classes=3, image_size=16, base_width=8, groups=4, stem="small")
    record, names = {}, ["stage0/unit0/out", "stage1/unit0/out"]
    vn.BiT(config, 0, dtype="float64")(rng.uniform(-1, 1, (8, 3, 16, 16)), record)
    features = layer_features(record, "mean", names)
    np.testing.assert_array_equal(features[names[1]], record[names[1]].mean(axis=(2, 3)))
    assert layer_features(record, "all", names)[names[0]].shape == (8, 32 * 16 * 16)
    Y = rng.standard_normal((8, 4))
    matrix = cka_matrix(list(features.values()), [Y])
    assert matrix.shape == (2, 1)
    assert matrix[1, 0] == pytest.approx(linear_cka(features[names[1]], Y))
