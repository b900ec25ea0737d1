"""Distance, rollout, one patch's view: against plain loops, closed forms, and what must sum to 1."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vitedu_numpy.inspect import (
    attention_distance,
    attention_maps,
    layout,
    on_grid,
    patch_distances,
    query_maps,
    rollout,
    rollout_mask,
    to_pixels,
)

# float64, sums of at most a few hundred terms in another order
CLOSE = dict(rtol=1e-12, atol=1e-14)


def record_of(*maps) -> dict:
    return {f"block{i:02d}/attention/A": A for i, A in enumerate(maps)}


def random_maps(rng, *shape):
    A = rng.uniform(0, 1, shape) ** 4  # uneven
    return A / A.sum(axis=-1, keepdims=True)


# ---- distance -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renormalise", [False, True])
def test_distance_is_what_a_loop_says(small, rng, renormalise):
    config = small()  # 3 x 4 patches of 2 pixels, and a class token
    A = random_maps(rng, 2, 3, 13, 13)
    expected = np.zeros((2, 3))
    for b in range(2):
        for head in range(3):
            for t in range(12):
                weight = sum(A[b, head, 1 + t, 1 + s] for s in range(12)) if renormalise else 1.0
                for s in range(12):
                    down, across = t // 4 - s // 4, t % 4 - s % 4
                    expected[b, head] += A[b, head, 1 + t, 1 + s] / weight * 2 * math.sqrt(down**2 + across**2) / 12
    found = attention_distance(record_of(A, A), config, renormalise)
    assert found.shape == (2, 2, 3)
    np.testing.assert_allclose(found[:, 0], expected, **CLOSE)
    np.testing.assert_allclose(found[:, 1], expected, **CLOSE)


@pytest.mark.parametrize("classifier", ["token", "gap"])
def test_uniform_attention(small, classifier):
    """On a grid of gh x gw, (gh - |a|)(gw - |b|) of the N^2 pairs lie a down and b across, so their mean distance is

        P / N^2 sum_a sum_b (gh - |a|)(gw - |b|) sqrt(a^2 + b^2),

    and uniform attention over T tokens puts N / T of its weight on patches.  Renormalised, that factor is 1.
    """
    config = small(classifier=classifier)
    (gh, gw), T = config.grid, config.num_tokens
    N, P = gh * gw, config.patch_size
    pairs = [(a, b) for a in range(1 - gh, gh) for b in range(1 - gw, gw)]
    closed = P / N**2 * sum((gh - abs(a)) * (gw - abs(b)) * math.hypot(a, b) for a, b in pairs)
    record = record_of(np.full((1, 2, T, T), 1 / T))
    np.testing.assert_allclose(attention_distance(record, config), np.full((1, 1, 2), closed * N / T), **CLOSE)
    np.testing.assert_allclose(attention_distance(record, config, True), np.full((1, 1, 2), closed), **CLOSE)
    np.testing.assert_allclose(patch_distances((gh, gw), P).mean(), closed, **CLOSE)


def test_a_fine_grid_is_a_square():
    """Two random points of a unit square are (2 + sqrt 2 + 5 asinh 1) / 15 = 0.5214 apart; of 40 x 40, within 0.1 %."""
    assert patch_distances((40, 40), 1 / 40).mean() == pytest.approx((2 + 2**0.5 + 5 * math.asinh(1)) / 15, rel=1e-3)


def test_a_head_that_looks_at_itself_or_one_to_the_right(small):
    config = small(classifier="gap")  # T = N = 12, 4 columns
    itself, right = np.eye(12), np.eye(12)
    right[:] = 0
    for t in range(12):
        right[t, t + 1 if t % 4 < 3 else t] = 1  # those in the last column look at themselves
    found = attention_distance(record_of(np.stack([itself, right])[None]), config)
    np.testing.assert_array_equal(found, [[[0.0, 2 * 9 / 12]]])  # 2 pixels for 9 of 12


def test_patches_that_ask_the_class_token_alone(small):
    """The authors' variant counts them as distance 0; of a true mean they are no part."""
    A = np.zeros((1, 1, 13, 13))
    A[..., 0] = 1
    assert attention_distance(record_of(A), small()) == 0
    assert attention_distance(record_of(A), small(), renormalise=True) == 0
    A[0, 0, 1, :2] = 0, 0
    A[0, 0, 1, 2] = 1  # patch 0 asks its right neighbour
    assert attention_distance(record_of(A), small()) == pytest.approx(2 / 12)
    assert attention_distance(record_of(A), small(), renormalise=True) == 2


def test_pixels_of_a_hybrid(hybrid_config, rng):
    """Neighbouring patches lie as many pixels apart as the ResNet divides the image by."""
    assert layout(hybrid_config) == ((2, 3), 1, 8)
    A = np.zeros((1, 1, 7, 7))
    A[0, 0, :, 1] = 1  # all ask the first patch
    distances = [0, 8, 16, 8, 8 * 2**0.5, 8 * 5**0.5]
    assert attention_distance(record_of(A), hybrid_config) == pytest.approx(np.mean(distances))


# ---- rollout --------------------------------------------------------------------------------------------------------


def test_rollout_is_the_sum_over_all_ways(rng):
    """Entry (t, s) of a product of three matrices: the sum over the ways t <- j <- i <- s, written out."""
    T = 5
    maps = [random_maps(rng, 1, 2, T, T) for _ in range(3)]
    steps = [0.5 * A[0].mean(axis=0) + 0.5 * np.eye(T) for A in maps]
    expected = np.zeros((T, T))
    for t, j, i, s in np.ndindex(T, T, T, T):
        expected[t, s] += steps[2][t, j] * steps[1][j, i] * steps[0][i, s]
    np.testing.assert_allclose(rollout(record_of(*maps))[0], expected, **CLOSE)
    np.testing.assert_allclose(rollout(record_of(*maps), depth=1)[0], steps[0], **CLOSE)


def test_rollout_of_a_real_record(seen, small):
    it = seen(small())
    R = rollout(it.record)
    assert R.shape == (2, 13, 13)
    np.testing.assert_allclose(R.sum(axis=-1), 1, rtol=1e-14)  # a mean of rows that sum to 1, three times
    assert (R > 0).all()
    mask = rollout_mask(it.record, it.config)
    np.testing.assert_array_equal(mask.reshape(2, 12), R[:, 0, 1:])


def test_rollout_without_attention_stays_at_home(rng):
    """Heads that look at themselves move nothing; heads that look at token 0 leave (1/2)^L where it was."""
    itself = np.eye(4)[None, None]
    np.testing.assert_allclose(rollout(record_of(itself, itself))[0], np.eye(4), **CLOSE)
    first = np.zeros((1, 1, 4, 4))
    first[..., 0] = 1
    R = rollout(record_of(first, first, first))[0]
    np.testing.assert_allclose(np.diag(R)[1:], 1 / 8, **CLOSE)
    np.testing.assert_allclose(R[1:, 0], 7 / 8, **CLOSE)


def test_rollout_with_mean_pooling(small, rng):
    config = small(classifier="gap")
    record = record_of(random_maps(rng, 2, 3, 12, 12))
    mask = rollout_mask(record, config)
    np.testing.assert_allclose(mask.reshape(2, 12), rollout(record).mean(axis=1), **CLOSE)
    np.testing.assert_allclose(mask.sum(axis=(1, 2)), 1, **CLOSE)


def test_float32_records(small, rng):
    """Six heads' maps in float32: 1e-7 of each number, no more after three blocks of averages."""
    maps = [random_maps(rng, 1, 6, 13, 13) for _ in range(3)]
    rounded = record_of(*(A.astype(np.float32) for A in maps))
    np.testing.assert_allclose(rollout(rounded), rollout(record_of(*maps)), rtol=1e-6)
    np.testing.assert_allclose(rollout(rounded).sum(axis=-1), 1, rtol=1e-14)
    exact = attention_distance(record_of(*maps), small())
    np.testing.assert_allclose(attention_distance(rounded, small()), exact, rtol=1e-6)


# ---- one token's view, pixels ---------------------------------------------------------------------------------------


def test_query_maps_are_rows_of_A(seen, small):
    it = seen(small())
    maps = attention_maps(it.record)
    found = query_maps(it.record, it.config, query=(2, 1), block=1)
    assert found.shape == (2, 3, 3, 4)
    for b, head, row, column in np.ndindex(*found.shape):
        assert found[b, head, row, column] == maps[1][b, head, 1 + 2 * 4 + 1, 1 + row * 4 + column]
    of_class = query_maps(it.record, it.config)
    np.testing.assert_array_equal(of_class.reshape(2, 3, 12), maps[-1][:, :, 0, 1:])
    np.testing.assert_allclose(of_class.sum(axis=(2, 3)) + maps[-1][:, :, 0, 0], 1, **CLOSE)


def test_on_grid(small):
    np.testing.assert_array_equal(on_grid(np.arange(13), small()), np.arange(1, 13).reshape(3, 4))
    patches = np.arange(24).reshape(2, 12)
    np.testing.assert_array_equal(on_grid(patches, small(classifier="gap"))[1, 2], [20, 21, 22, 23])


def test_to_pixels(rng):
    maps = rng.uniform(0, 1, (2, 3, 4))
    blocks = to_pixels(maps, (6, 8), smooth=False)
    np.testing.assert_array_equal(blocks, maps.repeat(2, axis=1).repeat(2, axis=2))
    smooth = to_pixels(maps, (15, 20))
    assert smooth.shape == (2, 15, 20)
    np.testing.assert_allclose(smooth[:, 2::5, 2::5], maps, **CLOSE)  # the middle pixel of a patch has its number
    np.testing.assert_allclose(smooth[:, 2, 3], 0.8 * maps[:, 0, 0] + 0.2 * maps[:, 0, 1], **CLOSE)  # a fifth on
    np.testing.assert_allclose(to_pixels(np.ones((3, 4)), (7, 9)), 1, **CLOSE)


def test_to_pixels_is_pytorchs_interpolation(rng):
    import torch

    maps = rng.uniform(0, 1, (1, 2, 3, 4))
    theirs = torch.nn.functional.interpolate(torch.tensor(maps), (11, 17), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(to_pixels(maps, (11, 17)), theirs.numpy(), **CLOSE)
