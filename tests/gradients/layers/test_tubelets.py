"""vitedu_numpy/layers/tubelets.py: videos cut into tubelets, their projection, positions that know no time."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import PatchEmbedding, check_pair
from vitedu_numpy.layers.patches import patchify
from vitedu_numpy.layers.tubelets import SpacePosition, TubeletEmbedding, tubeletify, tubeletify_backward

B, F, C, H, W, Pf, P, D = 2, 6, 3, 4, 10, 3, 2, 5
N, gf = 10, 2


@pytest.fixture
def videos(rng) -> np.ndarray:
    return rng.standard_normal((B, F, C, H, W))


def test_tubelets_by_hand(videos):
    """Slice by slice, row by row; a tubelet is (Pf, C, P, P)."""
    tubelets, _ = tubeletify(videos, Pf, P)
    assert tubelets.shape == (B, gf * N, Pf * C * P * P)
    for t, (f, row, column) in enumerate((f, r, c) for f in (0, 3) for r in (0, 2) for c in (0, 2, 4, 6, 8)):
        expected = videos[:, f : f + 3, :, row : row + 2, column : column + 2].reshape(B, -1)
        assert np.array_equal(tubelets[:, t], expected)


def test_a_tubelet_of_one_frame_is_a_patch(videos):
    tubelets, _ = tubeletify(videos, 1, P)
    patches = [patchify(videos[:, f], P)[0] for f in range(F)]
    assert np.array_equal(tubelets, np.concatenate(patches, axis=1))


@pytest.mark.parametrize("tubelet_length", [1, 2, 3, 6])
def test_pair(tubelet_length, videos, rng, assert_right):
    small = videos[:, :, :1, :, :4].copy()
    constants = dict(tubelet_length=tubelet_length, patch_size=P)
    assert_right(check_pair(tubeletify, tubeletify_backward, {"videos": small}, rng, verbose=False, **constants))


def test_backward_is_the_inverse(videos):
    tubelets, cache = tubeletify(videos, Pf, P)
    assert np.array_equal(tubeletify_backward(tubelets, cache), videos)


@pytest.mark.parametrize(
    ("length", "side", "words"), [(4, 2, "6 frames; expected a multiple"), (3, 3, "4 x 10 pixels")]
)
def test_what_cannot_be_cut(length, side, words, videos):
    with pytest.raises(ValueError, match=words):
        tubeletify(videos, length, side)


def test_embedding(videos, rng, check_layer):
    check_layer(TubeletEmbedding(C, Pf, P, D, rng, np.float64), videos, samples=40)


def test_the_filters_of_a_tubelet_are_patch_filters_side_by_side(videos, rng, scramble):
    """The embedding is the sum over its frames, each with a patch filter of its own."""
    layer = scramble(TubeletEmbedding(C, Pf, P, D, rng, np.float64))
    frame_filter = PatchEmbedding(C, P, D, rng, np.float64)
    expected = np.zeros((B, gf * N, D))
    for i, E in enumerate(np.split(layer.weight.value, Pf, axis=1)):
        frame_filter.weight.value = E
        expected += np.concatenate([frame_filter(videos[:, f + i]) for f in (0, 3)], axis=1)
    np.testing.assert_allclose(layer(videos), expected + layer.bias.value, rtol=0, atol=1e-13)  # 36 products, reordered


def test_space_position(rng, check_layer):
    check_layer(SpacePosition(N, D, rng, np.float64), rng.standard_normal((B, gf * N, D)), needs_forward=False)


def test_every_slice_gets_the_same_positions(rng):
    layer = SpacePosition(N, D, rng, np.float64)
    added = layer(np.zeros((B, gf * N, D)))
    assert np.array_equal(added[:, :N], added[:, N:])
    assert np.array_equal(added[1, N:], layer.E_pos.value)
