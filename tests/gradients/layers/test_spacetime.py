"""vitedu_numpy/layers/spacetime.py: the same attention, among other neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import MultiHeadAttention
from vitedu_numpy.layers.spacetime import SpaceAttention, TimeAttention, from_space, from_time, to_space, to_time

B, gf, N, D, h = 2, 3, 5, 6, 2
KINDS = pytest.mark.parametrize("kind", [SpaceAttention, TimeAttention])


@pytest.fixture
def z(rng) -> np.ndarray:
    return rng.standard_normal((B, gf * N, D))


def test_who_sits_together(z):
    space, time = to_space(z, gf), to_time(z, gf)
    assert space.shape == (B * gf, N, D)
    assert time.shape == (B * N, gf, D)
    for b in range(B):
        for f in range(gf):
            for n in range(N):
                assert np.array_equal(space[b * gf + f, n], z[b, f * N + n])
                assert np.array_equal(time[b * N + n, f], z[b, f * N + n])


def test_there_and_back(z):
    assert np.array_equal(from_space(to_space(z, gf), gf), z)
    assert np.array_equal(from_time(to_time(z, gf), gf, N), z)


@KINDS
def test_layer(kind, z, rng, check_layer):
    check_layer(kind(D, h, gf, rng, np.float64), z, samples=40)


@KINDS
def test_it_is_a_joint_attention_under_a_mask(kind, z, rng, scramble):
    """All gf N tokens at once, where only those of the same slice, or of the same place, may be asked."""
    layer = scramble(kind(D, h, gf, rng, np.float64))
    joint = MultiHeadAttention(D, h, rng, np.float64)
    joint.load_state_dict(layer.state_dict())
    number = np.arange(gf * N)
    group = number // N if kind is SpaceAttention else number % N
    mask = group[:, None] == group
    assert mask.sum() == {SpaceAttention: gf * N**2, TimeAttention: N * gf**2}[kind]
    np.testing.assert_allclose(layer(z), joint(z, mask), rtol=0, atol=1e-12)  # the same sums in another order


@KINDS
def test_the_record_holds_the_smaller_matrices(kind, z, rng):
    record = {}
    kind(D, h, gf, rng, np.float64)(z, record=record)
    assert record["A"].shape == {SpaceAttention: (B * gf, h, N, N), TimeAttention: (B * N, h, gf, gf)}[kind]
