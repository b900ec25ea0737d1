"""vitedu_numpy/layers/patches.py: image to tokens."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import ClassToken, PatchEmbedding, PositionEmbedding, check_pair
from vitedu_numpy.layers.patches import patchify, patchify_backward, unpatchify


def test_patchify_by_hand():
    image = np.arange(2 * 2 * 4).reshape(1, 2, 2, 4)  # channel 0: 0..7, channel 1: 8..15, rows of 4 pixels
    patches, _ = patchify(image, 2)
    left = [0, 1, 4, 5, 8, 9, 12, 13]  # all of channel 0, row by row, then channel 1
    right = [2, 3, 6, 7, 10, 11, 14, 15]
    assert patches.tolist() == [[left, right]]


def test_patches_are_numbered_row_by_row():
    gh, gw, P = 3, 4, 2
    number = np.arange(gh * gw).reshape(gh, gw)
    image = np.kron(number, np.ones((P, P)))[None, None]  # every pixel holds the number of its patch
    patches, _ = patchify(image, P)
    assert patches[0].tolist() == [[n] * P * P for n in range(gh * gw)]


@pytest.mark.parametrize(("shape", "P"), [((2, 3, 4, 6), 2), ((3, 1, 3, 6), 3), ((2, 2, 3, 5), 1)], ids=str)
def test_patchify_pair(shape, P, rng, assert_right):
    inputs = {"images": rng.standard_normal(shape)}
    assert_right(check_pair(patchify, patchify_backward, inputs, rng, verbose=False, patch_size=P))
    patches, _ = patchify(inputs["images"], P)
    assert np.array_equal(unpatchify(patches, shape, P), inputs["images"])


def test_patch_embedding(rng, check_layer):
    check_layer(PatchEmbedding(3, 2, 5, rng, np.float64), rng.standard_normal((2, 3, 4, 6)))


def test_patch_embedding_is_one_linear_map_of_every_patch(rng, scramble):
    layer = scramble(PatchEmbedding(3, 2, 5, rng, np.float64))
    images, record = rng.standard_normal((2, 3, 4, 6)), {}
    x = layer(images, record)
    corner = images[1, :, 2:4, 2:4].reshape(-1)  # the second image's patch in the second row, second column
    expected = layer.weight.value @ corner + layer.bias.value
    np.testing.assert_allclose(x[1, 3 + 1], expected, rtol=1e-13)  # a sum of 12 products, rounded in another order
    assert list(record) == ["patches", "patch_embedding"]
    assert record["patch_embedding"] is x


def test_class_token(rng, check_layer):
    layer, x = ClassToken(3, np.float64), rng.standard_normal((2, 5, 3))
    check_layer(layer, x, needs_forward=False)
    tokens = layer(x)
    assert np.array_equal(tokens[:, 0], np.stack([layer.x_class.value] * 2))  # in front, the same for both images
    assert np.array_equal(tokens[:, 1:], x)


def test_position_embedding(rng, check_layer):
    layer, x = PositionEmbedding(5, 3, rng, np.float64), rng.standard_normal((2, 5, 3))
    check_layer(layer, x, needs_forward=False)
    assert np.array_equal(layer(x)[1, 4], x[1, 4] + layer.E_pos.value[4])
