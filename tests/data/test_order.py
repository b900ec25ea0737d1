"""Positions to image numbers: every image once per epoch, and nothing but (seed, position) decides."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu.data import Shuffled, Streamed, sample_rng
from vitedu.data.order import SampleRandom, fixed_permutation

# lengths of the chunks, lanes, window, block
CASES = {
    "equal chunks": ([10] * 12, 4, 3, 5),
    "unequal": ([3, 11, 1, 7, 7, 2, 19, 5], 3, 2, 4),
    "primes": ([2, 3, 5, 7, 11, 13, 17, 19, 23], 4, 3, 3),
    "fewer chunks than lanes": ([4, 9], 5, 2, 3),
    "one chunk": ([17], 3, 4, 8),
    "chunks of one image": ([1] * 37, 4, 5, 2),
    "empty chunks": ([0, 4, 0, 0, 6, 1, 0], 2, 2, 3),
    "a block longer than a lane": ([5, 5, 6], 2, 1, 100),
    "one lane": ([5, 8, 2, 4], 1, 2, 7),
    "one image": ([1], 2, 2, 2),
}


@pytest.mark.parametrize(("lengths", "lanes", "window", "block"), CASES.values(), ids=CASES)
def test_streamed_gives_every_image_once_per_epoch(lengths, lanes, window, block):
    order = Streamed(lengths, 5, lanes, window, block)
    n = sum(lengths)
    for epoch in range(4):
        ids = order(np.arange(epoch * n, (epoch + 1) * n))
        assert sorted(ids.tolist()) == list(range(n))


@pytest.mark.parametrize("make", [lambda: Shuffled(101, 3), lambda: Streamed([7, 20, 13, 40, 21], 3, 3, 2, 4)])
def test_order_is_a_function_of_the_position_alone(make, rng):
    """Asked one at a time, backwards, from another process's copy, over the end of an epoch: the same numbers."""
    whole = make()(np.arange(303))
    backwards = make()
    for position in rng.permutation(303):
        assert backwards(np.array([position])) == whole[position]
    np.testing.assert_array_equal(make()(np.arange(90, 230)), whole[90:230])


@pytest.mark.parametrize("make", [lambda seed: Shuffled(60, seed), lambda seed: Streamed([10] * 6, seed, 2, 2, 4)])
def test_epochs_and_seeds_differ(make):
    epochs = make(0)(np.arange(120)).reshape(2, 60)
    assert (epochs[0] != epochs[1]).sum() > 40  # of 60; two random orders agree in about one place
    assert (epochs[0] != make(1)(np.arange(60))).sum() > 40


def test_numbers_never_change():
    """A run that was begun with an older version goes on with the very next image: these are fixed for ever."""
    assert Shuffled(10, 3)(np.arange(12)).tolist() == SHUFFLED
    assert Streamed([3, 4, 3], 3, 2, 2, 2)(np.arange(12)).tolist() == STREAMED
    assert sample_rng(3, 5).integers(0, 1000, 4).tolist() == DRAWS
    assert fixed_permutation(8, 3).tolist() == PERMUTED


SHUFFLED = [9, 6, 0, 2, 1, 4, 7, 5, 3, 8, 4, 1]
STREAMED = [6, 5, 7, 8, 4, 3, 1, 2, 0, 9, 8, 7]
DRAWS = [630, 89, 433, 331]
PERMUTED = [3, 1, 6, 7, 4, 2, 0, 5]


def test_sample_random_is_sample_rng():
    """The quick one draws the same, whatever was drawn before: half-used words must not be left over."""
    random = SampleRandom(7)
    for position in (0, 5, 2**40, 5):
        slow, quick = sample_rng(7, position), random(position)
        for draw in (lambda r: r.integers(0, 9, 3, dtype=np.int32), lambda r: r.random(), lambda r: r.beta(0.2, 0.2)):
            np.testing.assert_array_equal(draw(quick), draw(slow))
        quick.integers(0, 9, dtype=np.int32)  # leaves half a word behind


def test_each_lane_is_its_part_of_every_batch():
    """With block = batch / lanes, four processes share 8 lanes: no chunk is read by two of them in one epoch."""
    batch, lanes, lengths = 32, 8, np.full(83, 10)
    order = Streamed(lengths, 0, lanes, window=3, block=batch // lanes)
    n = lengths.sum()
    chunk_of = np.repeat(np.arange(83), 10)
    for epoch in range(3):  # the epochs after the first do not begin at the start of a batch
        positions = np.arange(epoch * n, (epoch + 1) * n)
        rank = positions % batch // (batch // 4)
        chunks = chunk_of[order(positions)]
        readers = [set(chunks[rank == r]) for r in range(4)]
        # Lanes of 100 and 110 images: in the last turns some are at their end, and the others move up.
        shared = sum(len(chunks) for chunks in readers) - 83
        assert shared <= 2 * lanes
        steady = positions < (epoch + 1) * n - 2 * 10 * lanes
        readers = [set(chunks[steady & (rank == r)]) for r in range(4)]
        assert sum(len(r) for r in readers) == len(set().union(*readers))


def test_neighbours_come_from_many_chunks():
    """64 images in a row: from lanes * window chunks about, as a sample drawn from so many at random would."""
    order = Streamed([50] * 400, 0, lanes=8, window=4, block=4)
    chunks = order(np.arange(64_00)) // 50
    seen = [len(set(chunks[i : i + 64])) for i in range(640, 6400, 64)]
    assert (
        np.mean(seen) > 20
    )  # 64 random draws from 32 chunks hit 27.8; windows that end at unlike times: a little less


def test_fourteen_million_images_cost_megabytes():
    lengths = np.full(140_000, 100)
    lengths[::50] = 37
    order = Streamed(lengths, 0, lanes=64, window=4, block=64)
    ids = order(np.arange(4096))
    assert len(set(ids.tolist())) == 4096
    plan = vars(order) | vars(order._plan(0))
    assert sum(value.nbytes for value in plan.values() if isinstance(value, np.ndarray)) < 20e6


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([],), "chunk_lengths"),
        (([0, 0],), "chunk_lengths"),
        (([3, -1],), "chunk_lengths"),
        (([3], 0, 0), "lanes=0"),
        (([3], 0, 2, 1.5), "window=1.5"),
        (([3], 0, 2, 1, True), "block=True"),
    ],
)
def test_bad_input(arguments, text):
    with pytest.raises(ValueError, match=text):
        Streamed(*(arguments if len(arguments) > 1 else (*arguments, 0)))
