"""Damage and loss: what can pass is tried again, what cannot is named."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import threading

import numpy as np
import pytest

from vitedu.data import Loader, Retry, ShardError, Shuffled, Streamed, open_source
from vitedu.data.retry import is_passing
from vitedu.data.transforms import training_transform
from vitedu.recipes import DataRecipe


class Flaky:
    """Fails `times` times, then gives 42."""

    def __init__(self, times, error):
        self.times, self.error, self.calls = times, error, 0

    def __call__(self):
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return 42


def test_waits_double_up_to_a_limit():
    waits = []
    retry = Retry(tries=6, first_wait=1, longest_wait=5, sleep=waits.append)
    assert retry(Flaky(5, ConnectionError("gone")), "shard 7") == 42
    assert waits == [1, 2, 4, 5, 5]


def test_waits_are_scattered_by_a_generator(rng):
    waits = []
    Retry(tries=5, first_wait=8, sleep=waits.append, rng=rng)(Flaky(4, TimeoutError()), "shard 7")
    assert all(full / 2 <= wait <= full for wait, full in zip(waits, (8, 16, 32, 60), strict=True))
    assert waits != [8, 16, 32, 60]


def test_after_the_last_try_the_error_names_shard_and_tries(caplog):
    flaky = Flaky(99, FileNotFoundError("no such file"))
    with pytest.raises(ShardError, match=r"shard 7 could not be read: 3 tries in 3 s failed.*FileNotFoundError"):
        Retry(tries=3, sleep=lambda s: None)(flaky, "shard 7")
    assert flaky.calls == 3
    assert [record.getMessage().split("; ")[-1] for record in caplog.records] == [
        "try 2 of 3 in 1 s",
        "try 3 of 3 in 2 s",
    ]


@pytest.mark.parametrize("error", [ValueError("no parquet"), PermissionError("not yours"), ShardError("tried already")])
def test_what_will_not_pass_is_not_tried_again(error):
    flaky = Flaky(99, error)
    with pytest.raises(type(error)):
        Retry(sleep=lambda s: None)(flaky, "shard 7")
    assert flaky.calls == 1


def test_errors_of_network_libraries_pass():
    """Some are no OSError: told by where they come from."""
    lost = type("ReadError", (Exception,), {"__module__": "httpx"})
    assert is_passing(lost())
    assert is_passing(type("Later", (lost,), {"__module__": "elsewhere"})())
    assert not is_passing(KeyError("label"))


# ---- shards ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shards(tmp_path, photos, write_shards):
    return write_shards(tmp_path / "set", photos, np.arange(24) % 3)


LAST = "train-00002-of-00003.parquet"


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_truncated_parquet(shards, streaming, kept, impatient):
    path = os.path.join(shards, LAST)
    os.truncate(path, int(kept * os.path.getsize(path)))
    with pytest.raises(ValueError, match=f"{LAST}.* damaged or cut short") as info:
        open_source(shards, "train", streaming=streaming, in_memory=False, retry=impatient)
    assert "bytes" in str(info.value)


def test_damage_within_a_parquet_file(shards, impatient):
    """The footer is whole, pages are not: noticed when the chunk is read."""
    source = open_source(shards, "train", streaming=True, retry=impatient)
    path = os.path.join(shards, LAST)
    with open(path, "r+b") as f:
        f.seek(4)
        f.write(b"\xff" * 200)
    with pytest.raises((ValueError, ShardError), match=LAST):
        source.read(np.arange(16, 24))


def test_a_shard_that_vanishes_and_comes_back(shards):
    path, away = os.path.join(shards, LAST), os.path.join(shards, "away")
    source = open_source(shards, "train", streaming=True)
    waits = []

    def come_back(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            shutil.move(away, path)

    source.retry = Retry(sleep=come_back)
    shutil.move(path, away)
    assert len(source.read([23])[0].data) > 1000
    assert waits == [1, 2, 4]


def test_a_shard_that_stays_away(shards, impatient):
    source = open_source(shards, "train", streaming=True, retry=impatient)
    os.remove(os.path.join(shards, LAST))
    with pytest.raises(ShardError, match=f"{LAST} could not be read: 3 tries"):
        source.read([23])
    assert len(source.read([3])[0].data) > 1000  # the others can still be read


def test_a_connection_that_breaks(photos, write_shards, tmp_path, monkeypatch, impatient):
    """Through fsspec, as from the hub: every other request fails, and the run does not notice."""
    import fsspec

    from vitedu.data.parquet import ParquetShards
    from vitedu.data.sources import Chunked

    folder = write_shards(tmp_path / "set", photos, np.arange(24) % 3)
    memory = fsspec.filesystem("memory")
    memory.put(folder, "/far", recursive=True)
    files = [f"memory://far/{name}" for name in sorted(os.listdir(folder))]
    near = open_source(folder, "train", streaming=True)
    opened = memory.open
    calls, own = [], threading.local()

    def flaky(*args, **kwargs):
        calls.append(args)
        own.count = getattr(own, "count", 0) + 1  # each thread's own: no request fails twice in a row
        if own.count % 2:
            raise ConnectionResetError("the other side hung up")
        return opened(*args, **kwargs)

    monkeypatch.setattr(type(memory), "open", lambda self, *args, **kwargs: flaky(*args, **kwargs))
    far = Chunked(ParquetShards(files, "far", retry=impatient), retry=impatient)
    assert far.shards.remote
    assert [s.data for s in far.read(np.arange(24))] == [s.data for s in near.read(np.arange(24))]
    assert len(calls) > 6
    memory.rm("/far", recursive=True)


def test_truncated_arrow(tmp_path, photos):
    from datasets import ClassLabel, Dataset, Features, Image

    features = Features({"image": Image(), "label": ClassLabel(names=["a", "b"])})
    rows = {"image": [{"bytes": p, "path": None} for p in photos], "label": [i % 2 for i in range(24)]}
    Dataset.from_dict(rows, features).save_to_disk(tmp_path / "saved")
    (file,) = (tmp_path / "saved").glob("*.arrow")
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(ValueError, match="saved"):
        open_source(str(tmp_path / "saved"), "train", streaming=True)


@pytest.mark.parametrize("kept", [0.3, 0.8])
def test_truncated_tar(tmp_path, photos, kept, impatient):
    path = tmp_path / "train-0000.tar"
    with tarfile.open(path, "w") as tar:
        for i, photo in enumerate(photos):
            for name, data in ((f"{i:04d}.jpg", photo), (f"{i:04d}.cls", b"1")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    os.truncate(path, int(kept * path.stat().st_size))
    with pytest.raises(ValueError, match=r"train-0000\.tar is no plain tar file, or cut short"):
        open_source(str(tmp_path), "train", streaming=True, retry=impatient)


# ---- images ----------------------------------------------------------------------------------------------------------


def test_five_per_cent_corrupt_jpegs(tmp_path, photos, write_shards, rng):
    """Two of 40: each counted and named once per epoch, and out of the loss; the other 38 as without them."""
    images = (photos * 2)[:40]
    images[7], images[31] = images[7][:300], b"this is no image"
    folder = write_shards(tmp_path, images, np.arange(40) % 3)
    for streaming in (True, False):
        source = open_source(folder, "train", streaming=streaming, in_memory=False)
        order = Streamed(source.chunks, 0, 2, 2, 4) if streaming else Shuffled(40, 0)
        transform = training_transform(DataRecipe(), (3, 16, 16))
        loader = Loader(source, order, transform, seed=0, batch_size=8, steps=10)
        batches = [batch for micro in loader for batch in micro]
        problems = [line for batch in batches for line in batch.problems]
        assert len(problems) == 4
        assert len(set(problems)) == 2
        assert all(str(tmp_path) in line and ("row" in line or "image" in line) for line in problems)
        assert sum(int(batch.valid.sum()) for batch in batches) == 80 - 4
        for batch in batches:
            assert (batch.images[~batch.valid] == 0).all()


def test_corrupt_images_in_memory(tmp_path, photos, write_shards):
    """Decoded beforehand, they are found then, and named when their turn comes."""
    images = [photos[0]] * 12
    images[5] = images[5][:200]
    folder = write_shards(tmp_path, images, np.zeros(12))
    source = open_source(folder, "train", in_memory=True)
    assert source.images.shape == (12, 90, 150, 3)
    transform = training_transform(DataRecipe(crop="pad"), (3, 90, 150))
    (batch,) = next(iter(Loader(source, Shuffled(12, 0), transform, seed=0, batch_size=12, steps=1)))
    assert int(batch.valid.sum()) == 11
    assert len(batch.problems) == 1
    assert "image 5" in batch.problems[0]
