"""Batches: the same whatever the number of processes and workers, from any step on."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from probes import AsPixels, Dies, Numbers

from vitedu.data import Arrays, Loader, Retry, ShardError, Shuffled, Streamed, open_source
from vitedu.data.sources import Chunked
from vitedu.data.transforms import evaluation_transform, training_transform
from vitedu.recipes import DataRecipe

LENGTHS = [7, 5, 9, 4, 6, 8]  # 39 images: no multiple of the batch of 12, so epochs end within batches


def loader(steps=7, **options):
    order = Streamed(LENGTHS, 2, lanes=3, window=2, block=4)
    settings = {"seed": 5, "batch_size": 12, "steps": steps} | options
    return Loader(Chunked(Numbers(LENGTHS)), order, AsPixels(), **settings)


def joined(batches, field):
    return np.concatenate([np.asarray(getattr(batch, field)) for batch in batches])


def rows(batches):
    """What was seen, image by image, in the order of positions."""
    fields = [
        joined(batches, f).reshape(-1, k) for f, k in (("positions", 1), ("images", 2), ("labels", 1), ("valid", 1))
    ]
    table = np.hstack(fields)
    return table[np.argsort(table[:, 0])]


WHOLE = rows([batch for micro in loader() for batch in micro])


def test_shapes_and_types():
    (first, *_) = next(iter(loader(micro_batch=5)))
    assert first.images.shape == (5, 1, 1, 2)
    assert (first.images.dtype, first.labels.dtype, first.valid.dtype) == (torch.uint8, torch.int64, torch.bool)
    assert [len(batch.labels) for batch in next(iter(loader(micro_batch=5)))] == [5, 5, 2]


def test_every_image_once_per_epoch():
    for epoch in range(2):
        assert sorted(WHOLE[39 * epoch : 39 * (epoch + 1), 3]) == list(range(39))


def test_an_unreadable_image_is_black_and_named():
    batches = [batch for micro in loader() for batch in micro]
    missing = WHOLE[WHOLE[:, 3] == 13]
    assert len(missing) == 2
    assert (missing[:, [1, 2, 4]] == 0).all()
    assert [line for batch in batches for line in batch.problems] == ["image 13: thirteen"] * 2
    assert WHOLE[:, 4].sum() == 84 - 2


@pytest.mark.parametrize(("world", "micro_batch"), [(1, None), (1, 5), (2, None), (2, 4), (4, None), (4, 2), (4, 1)])
def test_any_split_of_the_batch(world, micro_batch):
    parts = [loader(world=world, rank=rank, micro_batch=micro_batch) for rank in range(world)]
    np.testing.assert_array_equal(rows([b for part in parts for micro in part for b in micro]), WHOLE)


@pytest.mark.parametrize("start", range(8))
def test_resume_at_any_step(start):
    np.testing.assert_array_equal(rows_or_none(loader(start=start)), WHOLE[12 * start :])


def rows_or_none(loader):
    batches = [batch for micro in loader for batch in micro]
    return rows(batches) if batches else WHOLE[:0]


def test_two_then_one_then_two_processes():
    """Stopped after steps 2 and 5: every position once, every image once per epoch, none repeated, none skipped."""
    parts = [loader(start=start, steps=stop, world=world, rank=rank)
             for start, stop, world in ((0, 2, 2), (2, 5, 1), (5, 7, 2)) for rank in range(world)]  # fmt: skip
    seen = [b for part in parts for micro in part for b in micro]
    assert sorted(joined(seen, "positions")) == list(range(84))
    np.testing.assert_array_equal(rows(seen), WHOLE)


def test_processes_must_share_equally():
    with pytest.raises(ValueError, match=r"batch_size=12 .* multiple of the 5 processes"):
        loader(world=5)


# ---- worker processes ----------------------------------------------------------------------------------------------

MANY = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than this machine has cores


@MANY
@pytest.mark.parametrize(("workers", "options"), [(1, {}), (2, {"micro_batch": 5}), (3, {"start": 3, "world": 2})])
def test_workers_give_the_same_bytes(workers, options):
    alone, helped = list(loader(**options)), list(loader(workers=workers, **options))
    assert len(alone) == len(helped)
    for one, other in zip(alone, helped, strict=True):
        for a, b in zip(one, other, strict=True):
            for field in ("images", "labels", "valid"):
                assert torch.equal(getattr(a, field), getattr(b, field))
            assert a.positions.tolist() == b.positions.tolist()
            assert a.problems == b.problems


@MANY
def test_more_workers_than_images():
    np.testing.assert_array_equal(
        rows([b for micro in loader(workers=3, micro_batch=2, steps=2) for b in micro]), WHOLE[:24]
    )


def test_photographs_with_workers(photographs):
    """Real files, real transform: two workers, byte for byte what none gives."""

    def batches(workers):
        source = open_source(photographs, "train", streaming=True)
        order = Streamed(source.chunks, 0, lanes=4, window=1, block=2)
        transform = training_transform(DataRecipe(), (3, 32, 32))
        made = Loader(source, order, transform, seed=0, batch_size=8, steps=3, workers=workers)
        return [batch for micro in made for batch in micro]

    for alone, helped in itertools.zip_longest(batches(0), batches(2)):
        assert torch.equal(alone.images, helped.images)
        assert torch.equal(alone.labels, helped.labels)


LIGHT = """
import numpy as np
from probes import InsideWorker
from vitedu.data import Arrays, Loader, Shuffled

arrays = Arrays(np.zeros((4, 1, 1, 3), np.uint8), np.zeros(4))
(batch,) = next(iter(Loader(arrays, Shuffled(4, 0), InsideWorker(), seed=0, batch_size=4, steps=1, workers=1)))
print(batch.images[0].flatten().tolist())
"""


def test_workers_are_light():
    """One thread each, and nothing loaded that only the training process needs.

    In a process of its own: all workers of one process are copies of the first, which other tests load more into.
    """
    places = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    command, environment = [sys.executable, "-c", LIGHT], os.environ | {"PYTHONPATH": places}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.stdout.split("\n") == ["[1, 1, 0]", ""], done.stderr


def test_an_error_in_a_worker_arrives_as_it_was(tmp_path, photos, write_shards):
    """Its own type and words, not those of a library around it."""
    folder = write_shards(tmp_path, photos, np.zeros(24), shards=2)
    source = open_source(folder, "train", streaming=True, retry=Retry(tries=2, first_wait=0.01))
    (tmp_path / "train-00001-of-00002.parquet").unlink()
    broken = Loader(source, Shuffled(24, 0), AsPixels(), seed=0, batch_size=24, steps=1, workers=1)
    with pytest.raises(ShardError, match=r"train-00001-of-00002.parquet could not be read: 2 tries .* failed") as info:
        list(broken)
    assert "in a loader process" in str(info.value.__cause__)


def test_a_worker_that_is_killed():
    arrays = Arrays(np.zeros((4, 1, 1, 3), np.uint8), np.zeros(4))
    with pytest.raises(RuntimeError, match=r"a loader process was ended .* fewer workers \(now 1\)"):
        list(Loader(arrays, Shuffled(4, 0), Dies(), seed=0, batch_size=4, steps=2, workers=1))


@pytest.mark.parametrize("layout", ["mapped", "files"])
def test_other_sources_with_workers(layout, parquet_folder, photos, tmp_path):
    """A memory-mapped table is opened again in the worker, by its file; image files by their names."""
    if layout == "mapped":
        source = open_source(parquet_folder, "train", hold_out=4)
    else:
        for i, photo in enumerate(photos):
            (tmp_path / f"class{i % 3}").mkdir(exist_ok=True)
            (tmp_path / f"class{i % 3}" / f"{i}.jpg").write_bytes(photo)
        source = open_source(str(tmp_path), "train")
    transform = evaluation_transform(DataRecipe(eval_resize=None), (3, 16, 16))
    order = Shuffled(len(source), 0)
    one, other = (
        next(iter(Loader(source, order, transform, seed=0, batch_size=12, steps=1, workers=workers)))[0]
        for workers in (0, 1)
    )
    assert torch.equal(one.images, other.images)
    assert int(one.valid.sum()) == 12


def test_what_a_worker_is_sent_is_small_and_loads_little(parquet_folder):
    """A streaming source travels as a few kilobytes, and takes neither PyTorch nor `datasets` with it."""
    source = open_source(parquet_folder, "train", streaming=True)
    source.read([0])
    sent = pickle.dumps((source, Streamed(source.chunks, 0), Shuffled(24, 0)))
    assert len(sent) < 10_000
    code = "import pickle, sys; pickle.load(sys.stdin.buffer); print([m for m in ('torch', 'datasets') if m in %s])"
    code %= "sys.modules"
    done = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, timeout=600, check=True)
    assert done.stdout.strip() == b"[]"
