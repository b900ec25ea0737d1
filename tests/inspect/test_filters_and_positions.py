"""Principal components against scikit-learn and eigenvectors; similarity against loops and the cosines of sines."""

from __future__ import annotations

import numpy as np
import pytest

import vitedu
from vitedu_numpy.inspect import as_array, filter_components, position_similarity, position_vectors
from vitedu_numpy.layers.positions import grid_positions, sincos_2d

CLOSE = dict(rtol=1e-9, atol=1e-11)  # float64; eigenvectors lose some digits to the gap between eigenvalues


# ---- filters --------------------------------------------------------------------------------------------------------


def test_components_are_scikit_learns(rng):
    """Same mean taken off, same order; scikit-learn's sign is a matter of its version, ours is not."""
    from sklearn.decomposition import PCA

    weight = rng.standard_normal((40, 3 * 16)) * np.linspace(2, 0.5, 48)
    components, part = filter_components(weight, 4)
    assert components.shape == (28, 3, 4, 4)
    pca = PCA(28, svd_solver="full").fit(weight)
    flat = components.reshape(28, 48)
    signs = np.sign((flat * pca.components_).sum(axis=1))
    np.testing.assert_allclose(flat * signs[:, None], pca.components_, **CLOSE)
    np.testing.assert_allclose(part, pca.explained_variance_ratio_, **CLOSE)


def test_components_are_eigenvectors_of_the_covariance(rng):
    weight = rng.standard_normal((20, 2 * 9))  # 2 channels, 3 x 3
    components, part = filter_components(weight, 3, count=5)
    C = np.cov(weight, rowvar=False)  # (18, 18)
    for component, share in zip(components.reshape(5, 18), part, strict=True):
        np.testing.assert_allclose(C @ component, share * np.trace(C) * component, **CLOSE)
        assert np.linalg.norm(component) == pytest.approx(1)
        assert component[np.abs(component).argmax()] > 0


def test_the_sign_does_not_hang_on_the_filters_signs(rng):
    weight = rng.standard_normal((20, 12))
    np.testing.assert_allclose(filter_components(-weight, 2, 4)[0], filter_components(weight, 2, 4)[0], **CLOSE)


def test_components_of_a_model_of_either_package(twins, small):
    """The paper's count is 28; 12 numbers a filter (3 x 2 x 2), and 12 filters, have at most 11 components."""
    ours, theirs = twins(small())
    a, b = (filter_components(it.model.patch_embedding.weight, 2, 11) for it in (ours, theirs))
    np.testing.assert_array_equal(a[0], b[0])
    assert a[1].sum() == pytest.approx(1)


def test_order_inside_a_filter_is_channel_row_column():
    """A filter that differs in one pixel alone has its component there."""
    weight = np.zeros((4, 3, 2, 2))
    weight[1, 2, 0, 1] = 5.0  # blue, top right
    (component,), _ = filter_components(weight.reshape(4, 12), 2, 1)
    assert component[2, 0, 1] == 1
    assert np.abs(component).sum() == 1


# ---- positions ------------------------------------------------------------------------------------------------------


def test_similarity_is_what_a_loop_says(rng):
    vectors = rng.standard_normal((13, 6))  # a class token first
    found = position_similarity(vectors, (3, 4))
    assert found.shape == (3, 4, 3, 4)
    for r, c, y, x in np.ndindex(3, 4, 3, 4):
        one, other = vectors[1 + 4 * r + c], vectors[1 + 4 * y + x]
        cosine = sum(one * other) / (sum(one**2) * sum(other**2)) ** 0.5
        assert found[r, c, y, x] == pytest.approx(cosine, abs=1e-14)


def test_square_grids_are_found(rng):
    for T, first in ((16, 0), (17, 1)):
        vectors = rng.standard_normal((T, 5))
        np.testing.assert_array_equal(position_similarity(vectors), position_similarity(vectors[first:], (4, 4)))


def test_sines_and_cosines_show_their_pattern():
    """sin a sin b + cos a cos b = cos(a - b): the similarity is the mean over w of cos(w dx) and cos(w dy).

    So it depends on the offset alone, falls from the patch itself along its row and column, and a step down is as
    good as a step across.
    """
    grid, width = (5, 7), 64
    found = position_similarity(sincos_2d(grid, width, np.float64), grid)
    w = 10000.0 ** -np.linspace(0, 1, width // 4)
    for r, c, y, x in np.ndindex(5, 7, 5, 7):
        expected = (np.cos(w * (x - c)).mean() + np.cos(w * (y - r)).mean()) / 2
        assert found[r, c, y, x] == pytest.approx(expected, abs=1e-12)
    assert found[2, 3, 2, 4] == pytest.approx(found[2, 3, 3, 3], abs=1e-12)
    assert (np.diff(found[2, 0, 2, :3]) < 0).all()


KINDS = [("1d", None), ("2d", None), ("sincos2d", None), ("1d", "shared"), ("2d", "every"), ("sincos2d", "every")]


@pytest.mark.parametrize(("kind", "place"), KINDS)
@pytest.mark.parametrize("classifier", ["token", "gap"])
def test_position_vectors_of_every_kind(twins, small, kind, place, classifier):
    """Against the tables' own formulas; a vector per token, class token first."""
    config = small(position_embedding=kind, position_at=place, classifier=classifier)
    block = 1 if place == "every" else None
    for it in twins(config):
        found = position_vectors(it.model, block)
        assert found.shape == (config.num_tokens, 12)
        state = {name: as_array(value) for name, value in it.model.state_dict().items()}
        path = {None: "", "shared": "encoder.", "every": "encoder.blocks.1."}[place] + "position_embedding."
        if kind == "1d":
            expected = state[path + "E_pos"]
        else:
            grid, first = config.grid, int(classifier == "token")
            table = sincos_2d(grid, 12, np.float64)
            extra = np.zeros((first, 12))
            if kind == "2d":
                table, _ = grid_positions(state[path + "E_x"], state[path + "E_y"])
                extra = state[path + "E_class"] if first else extra
            expected = np.concatenate([extra, table])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)
        assert position_similarity(found, config.grid).shape == (3, 4, 3, 4)


def test_the_shipped_model_knows_its_rows_and_columns():
    """Neighbours' positions are more alike than those across the image (Fig. 7 centre): learned, not built in."""
    model = vitedu.from_pretrained("vit_cifar10")
    similarity = position_similarity(position_vectors(model))
    assert similarity[3, 3, 3, 4] > 0.5 > similarity[3, 3, 7, 7]
    untrained = position_similarity(position_vectors(vitedu.ViT(model.config, 0)))
    assert abs(untrained[3, 3, 3, 4]) < 0.5
