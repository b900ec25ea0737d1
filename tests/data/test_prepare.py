"""The one-time preparation: smaller images, nothing lost, and a stop at any moment costs one shard."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest

import vitedu.data.prepare as module
from vitedu.data import open_source
from vitedu.data.prepare import prepare, shrink


@pytest.fixture
def folder(tmp_path, photos, write_shards):
    """24 photographs, one of them damaged, the classes in order."""
    images = list(photos)
    images[4] = images[4][:500]
    return write_shards(tmp_path / "set", images, np.arange(24) // 8)


def size_of(data):
    from PIL import Image

    return Image.open(io.BytesIO(data)).size


def made(out):
    return {name: (out / name).read_bytes() for name in sorted(os.listdir(out))}


def test_prepare(folder, tmp_path):
    done = prepare(folder, "train", str(tmp_path / "out"), size=64, threads=2)
    assert (done.images, done.shards, len(done.skipped)) == (23, 1, 1)
    assert "row 4: " in done.skipped[0]
    for streaming in (True, False):
        source = open_source(done.folder, "train", streaming=streaming, in_memory=False)
        samples = source.read(np.arange(23))
        assert sorted(s.label for s in samples) == [0] * 7 + [1] * 8 + [2] * 8
        assert all(min(size_of(s.data)) == 64 for s in samples)
        assert source.class_names == ["cat", "dog", "fox"]
        assert [s.label for s in samples] != sorted(s.label for s in samples)  # mixed on the way


def test_small_images_keep_their_bytes(photos):
    assert shrink(photos[0], 90, 90) == photos[0]
    assert size_of(shrink(photos[0], 60, 90)) == (100, 60)  # 150 x 90, the shorter side to 60


def test_shrinking_keeps_the_picture(photos):
    """The mean colour stays within one level of 255; the aspect to a pixel."""
    from PIL import Image

    big, small = (np.asarray(Image.open(io.BytesIO(data)), float) for data in (photos[1], shrink(photos[1], 40, 95)))
    np.testing.assert_allclose(small.mean((0, 1)), big.mean((0, 1)), atol=1)
    assert small.shape[:2] == (40, round(40 * big.shape[1] / big.shape[0]))


def test_stopped_and_begun_again(folder, tmp_path, monkeypatch):
    """Killed in the third shard: the first two stay as they are, and the whole equals one that was never stopped."""
    monkeypatch.setattr(module, "MEGABYTE", 4096)
    whole = prepare(folder, "train", str(tmp_path / "whole"), size=64, shard_mb=4)
    assert whole.shards > 3

    write, calls = module._write_shard, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 3:
            write(*args)
            raise KeyboardInterrupt
        return write(*args)

    out = tmp_path / "out"
    monkeypatch.setattr(module, "_write_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare(folder, "train", str(out), size=64, shard_mb=4)
    kept = made(out)
    assert sum(name.endswith(".parquet") for name in kept) == 2
    assert not any(name.endswith(".tmp") for name in kept)
    calls.clear()
    monkeypatch.setattr(module, "_write_shard", lambda *args: calls.append(args) or write(*args))
    again = prepare(folder, "train", str(out), size=64, shard_mb=4)
    assert len(calls) == whole.shards - 2
    assert again[1:] == whole[1:]
    assert made(out) == made(tmp_path / "whole")


def test_disk_full(folder, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_shard", full)
    with pytest.raises(
        OSError, match="No space left on device; 0 of 1 shards are finished and stay: run the same again"
    ):
        prepare(folder, "train", str(tmp_path / "out"), size=64)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"size": 0}, "size=0 is not allowed"),
        ({"quality": 101}, "quality=101"),
        ({"shard_mb": 1.5}, "shard_mb=1.5"),
        ({"dataset": "digits"}, "data='digits' is in memory already"),
        ({"split": "train[:5]"}, "must be one word"),
    ],
)
def test_bad_input(folder, tmp_path, options, text):
    arguments = {"dataset": folder, "split": "train", "out": str(tmp_path / "out")} | options
    with pytest.raises(ValueError, match=text.replace("[", r"\[")):
        prepare(**arguments)
    assert not (tmp_path / "out").exists()


def test_another_size_needs_another_folder(folder, tmp_path):
    prepare(folder, "train", str(tmp_path / "out"), size=64)
    with pytest.raises(ValueError, match=r"out='.*' was begun with size=64; go on with that, or use another folder"):
        prepare(folder, "train", str(tmp_path / "out"), size=32)
