"""vitedu_numpy/layers/positions.py: 2-D, fixed and relative positions."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import Module, ViTConfig, check_pair
from vitedu_numpy.layers.positions import (
    PositionEmbedding2D,
    RelativePosition,
    SinCosPosition2D,
    grid_positions,
    grid_positions_backward,
    make_positions,
    relative_scores,
    relative_scores_backward,
    sincos_2d,
)

GRID, D = (2, 3), 8


def test_grid_positions(rng, assert_right):
    E = {"E_x": rng.standard_normal((3, 4)), "E_y": rng.standard_normal((2, 4))}
    assert_right(check_pair(grid_positions, grid_positions_backward, E, rng, verbose=False))
    table, _ = grid_positions(**E)
    assert np.array_equal(table[1 * 3 + 2], np.concatenate([E["E_x"][2], E["E_y"][1]]))  # patch in row 1, column 2


@pytest.mark.parametrize("class_token", [True, False])
def test_positions_2d(class_token, rng, check_layer):
    layer = PositionEmbedding2D(GRID, D, class_token, rng, np.float64)
    check_layer(layer, rng.standard_normal((2, 6 + class_token, D)), needs_forward=False)


@pytest.mark.parametrize("class_token", [True, False])
def test_sines_and_cosines(class_token, rng, check_layer):
    layer = SinCosPosition2D(GRID, D, class_token)
    x = rng.standard_normal((2, 6 + class_token, D))
    assert np.array_equal(layer.backward(x), x)  # nothing to learn, and the tokens' gradient passes unchanged
    assert not layer.state_dict()
    if class_token:
        assert np.array_equal(layer(x)[:, 0], x[:, 0])


def test_sines_and_cosines_by_their_formula():
    table = sincos_2d(GRID, D, np.float64).reshape(2, 3, 4, 2)  # row, column, (sin x, cos x, sin y, cos y), frequency
    for y, x, i in np.ndindex(2, 3, 2):
        w = 1.0 if i == 0 else 1e-4  # D / 4 = 2 frequencies: the first and the last of the range
        expected = [np.sin(x * w), np.cos(x * w), np.sin(y * w), np.cos(y * w)]
        np.testing.assert_allclose(table[y, x, :, i], expected, rtol=0, atol=1e-15)  # one rounding of x w each


@pytest.mark.parametrize("T", [4, 1])
def test_relative_scores(T, rng, assert_right):
    """Also when only the first T of S tokens ask, as in the last block."""
    S = 4
    q, R = rng.standard_normal((2, 3, T, 5)), rng.standard_normal((2 * S - 1, 5))
    assert_right(check_pair(relative_scores, relative_scores_backward, {"q": q, "R": R}, rng, verbose=False))
    scores, _ = relative_scores(q, R)
    for b, h, t, s in np.ndindex(scores.shape):
        np.testing.assert_allclose(scores[b, h, t, s], q[b, h, t] @ R[t - s + S - 1], rtol=1e-12, atol=1e-14)


class Asked(Module):
    """Relative positions alone, with a cache kept for them as attention keeps it."""

    def __init__(self, relative):
        self.relative = relative

    def forward(self, q):
        scores, cache = self.relative(q)
        self.keep(cache)
        return scores

    def backward(self, dscores):
        return self.relative.backward(dscores, self.take())


@pytest.mark.parametrize("T", [4, 1])
def test_relative_position(T, rng, check_layer):
    check_layer(Asked(RelativePosition(4, 5, rng, np.float64)), rng.standard_normal((2, 3, T, 5)))


def test_where_positions_live():
    """Table 8: at the stem, in every block, or one shared by all blocks."""
    sizes = dict(image_size=(4, 6), patch_size=2, width=D, depth=2, heads=2, mlp_dim=8, num_classes=3)
    names = {"1d": "PositionEmbedding", "2d": "PositionEmbedding2D", "sincos2d": "SinCosPosition2D"}
    for kind in (*names, "relative", "none"):
        for where in ("stem", "every", "shared"):
            if (kind, where) == ("relative", "stem"):
                continue
            config = ViTConfig(**sizes, position_embedding=kind, position_at=where)
            made = {w: make_positions(config, np.random.default_rng(0), w) for w in ("stem", "every", "shared")}
            kinds = {w: type(m).__name__ for w, m in made.items() if m is not None}
            expected = {"stem": "Identity"} | ({} if kind == "none" else {where: names.get(kind, "RelativePosition")})
            assert kinds == expected
