"""Chunks: how often they are read, by whom, and that resuming goes on with the very next image."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from probes import AsPixels, Numbers

from vitedu.data import Loader, Streamed, open_source
from vitedu.data.sources import Chunked, Subset

LENGTHS = [20] * 47 + [7, 13]  # 960 images


def read_by_ranks(world, block, batch=48, lanes=6, window=2, epochs=1, workers=0):
    """Chunks read by each of `world` processes."""
    logs = []
    for rank in range(world):
        shards = Numbers(LENGTHS)
        order = Streamed(LENGTHS, 0, lanes, window, block)
        steps = epochs * 960 // batch
        loader = Loader(
            Chunked(shards), order, AsPixels(), seed=0, batch_size=batch, steps=steps, rank=rank, world=world
        )
        seen = [p for micro in loader for batch_ in micro for p in batch_.positions.tolist()]
        assert len(seen) == epochs * 960 // world
        logs.append(shards.log)
    return logs


def test_one_process_reads_each_chunk_once_per_epoch():
    (log,) = read_by_ranks(world=1, block=8, epochs=3)
    for epoch in range(3):
        assert sorted(log[epoch * 49 : (epoch + 1) * 49]) == list(range(49))


@pytest.mark.parametrize("block", [1, 5, 32])
def test_one_process_reads_each_chunk_once_whatever_the_block(block):
    (log,) = read_by_ranks(world=1, block=block)
    assert sorted(log) == list(range(49))


def test_processes_read_their_own_lanes():
    """block = batch / lanes: 3 processes read hardly a chunk twice; with another block, each reads nearly all."""
    matched = sum(map(len, read_by_ranks(world=3, block=8)))
    unmatched = sum(map(len, read_by_ranks(world=3, block=5)))
    assert matched <= 49 + 6  # lanes end at unlike times: their last chunks have several readers
    assert unmatched > 1.8 * 49  # what the wrong block costs


def test_more_processes_than_lanes_share_chunks():
    """12 processes on 6 lanes: two read each chunk."""
    logs = read_by_ranks(world=12, block=8)
    assert 2 * 49 <= sum(map(len, logs)) <= 2 * 49 + 3 * 6


def test_no_more_chunks_are_kept_than_there_is_room_for():
    shards, room = Numbers([10] * 8), 3
    source = Chunked(shards, room=room)
    for i in range(8):
        source.read([10 * i])  # one image of each: none is ever used up
        assert len(source.open) <= room
    assert shards.log == list(range(8))
    source.read([50, 61, 72])
    assert shards.log == list(range(8))  # the last three are still there
    source.read(np.arange(70, 80))
    assert 7 not in source.open  # used up, so it is given back


def test_one_read_opens_a_chunk_once_even_without_room(rng):
    shards = Numbers([10] * 8)
    ids = rng.permutation(80)
    assert [s.data for s in Chunked(shards, room=1).read(ids)] == ids.tolist()
    assert shards.log == list(range(8))


def test_far_chunks_are_fetched_ahead():
    shards = Numbers([10] * 8)
    shards.remote = True
    source = Chunked(shards)
    source.prefetch([25, 31])
    assert [s.data for s in source.read([25, 31, 47])] == [25, 31, 47]
    assert sorted(shards.log) == [2, 3, 4]


def test_a_source_travels_without_its_chunks():
    source = Chunked(Numbers([10] * 8))
    source.read([3])
    copy = pickle.loads(pickle.dumps(source))
    assert len(copy.open) == 0
    assert copy.read([77])[0].data == 77


def test_subset_leaves_images_out_of_their_chunks():
    """Held-out images are no part of the order; chunks are given back when the others are used up."""
    shards = Numbers([10] * 8)
    left_out = np.array([0, 3, 17, *range(40, 50)])
    kept = np.setdiff1d(np.arange(80), left_out)
    subset = Subset(Chunked(shards), kept[::-1])
    assert subset.chunks.tolist() == [8, 9, 10, 10, 0, 10, 10, 10]
    order = Streamed(subset.chunks, 0, lanes=2, window=2, block=4)
    loader = Loader(subset, order, AsPixels(), seed=0, batch_size=1, steps=len(kept))
    assert sorted(int(micro[0].labels) for micro in loader) == kept.tolist()
    assert sorted(shards.log) == [0, 1, 2, 3, 5, 6, 7]
    assert not subset.source.open


def test_resume_goes_on_with_the_next_image(photographs):
    """Stopped in the middle of a window and begun anew, from real files, over the end of an epoch."""

    def labels_and_names(start, steps):
        source = open_source(photographs, "train", streaming=True)
        order = Streamed(source.chunks, 1, lanes=2, window=2, block=2)
        return [
            (s.name, s.label)
            for step in range(start, steps)
            for s in source.read(order(np.arange(step * 8, (step + 1) * 8)))
        ]

    n = len(open_source(photographs, "train", streaming=True))
    steps = 2 * n // 8
    whole = labels_and_names(0, steps)
    for stop in (1, steps // 2 - 1, steps // 2 + 1, steps - 1):
        assert labels_and_names(0, stop) + labels_and_names(stop, steps) == whole
    for epoch in (whole[:n], whole[n : 2 * n]):
        assert len(set(epoch)) == n


def test_photographs_through_the_whole_path(photographs):
    """Streaming source, streaming order, inception crop, loader: each photograph once per epoch, none damaged."""
    from vitedu.data.transforms import training_transform
    from vitedu.recipes import DataRecipe

    source = open_source(photographs, "train", streaming=True)
    order = Streamed(source.chunks, 0, lanes=4, window=2, block=2)
    transform = training_transform(DataRecipe(), (3, 64, 64))
    n = len(source)
    loader = Loader(source, order, transform, seed=0, batch_size=8, steps=n // 8)
    batches = [batch for micro in loader for batch in micro]
    assert sum(int(batch.valid.sum()) for batch in batches) == n
    assert not any(batch.problems for batch in batches)
    labels = np.concatenate([batch.labels.numpy() for batch in batches])
    assert sorted(labels.tolist()) == sorted(s.label for s in source.read(np.arange(n)))
    spreads = np.concatenate([batch.images.numpy().astype(float).std((1, 2, 3)) for batch in batches])
    assert (spreads > 1).all()  # nothing is one flat colour
