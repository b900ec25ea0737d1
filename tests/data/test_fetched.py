"""Tar shards of the hub that are not streamed: fetched once, read as local ones, and there without a network, too."""

from __future__ import annotations

import io
import tarfile
from types import SimpleNamespace

import fsspec
import pytest
from files_at_hand import add, labels_of, picture

from vitedu.data import ShardError, open_source

# `datasets` would give 8 of these 9 images: for it g.0 and g.1 are one sample, "g".
NAMES = ["a", "b", "c", "d", "e", "f", "g.0", "g.1", "h"]


@pytest.fixture
def hub(monkeypatch):
    """A hub with one data set of two shards; `hub.asked` says what for."""
    hub = SimpleNamespace(asked=[], offline=False)
    files = fsspec.filesystem("memory")
    for shard in range(2):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as tar:
            for k, name in enumerate(NAMES):
                add(tar, f"{name}.png", picture(k + 9 * shard))
                add(tar, f"{name}.cls", str(k).encode())
        files.pipe(f"/owner/set/train-{shard}.tar", content.getvalue())

    def builder_of(name, config=None):
        hub.asked.append(name)
        if hub.offline:
            raise ConnectionError("the Hugging Face hub cannot be reached (no network), and nothing")
        shards = [f"memory://owner/set/train-{shard}.tar" for shard in range(2)]
        config = SimpleNamespace(name="default", data_files={"train": shards})
        return SimpleNamespace(config=config, info=SimpleNamespace(features=None, splits=None))

    monkeypatch.setattr("vitedu.data.open.builder_of", builder_of)
    yield hub
    files.rm("/owner", recursive=True)


def test_no_image_is_lost_to_a_dot_in_its_name(hub):
    source = open_source("owner/set", "train", in_memory=False)
    assert labels_of(source) == [*range(9), *range(9)]
    assert [sample.data for sample in source.read([7, 16])] == [picture(7), picture(16)]


def test_without_a_network_what_was_fetched_is_used(hub, caplog):
    first = open_source("owner/set", "train", in_memory=False)
    hub.offline = True
    again = open_source("owner/set", "train", in_memory=False)
    assert [sample.data for sample in again.read(range(18))] == [sample.data for sample in first.read(range(18))]
    assert "the tar files that were fetched before are used" in caplog.text
    with pytest.raises(ConnectionError, match="the Hugging Face hub cannot be reached"):
        open_source("owner/other", "train")


def test_a_shard_that_is_gone_is_named(hub, impatient, monkeypatch, tmp_path):
    monkeypatch.setenv("VITEDU_CACHE", str(tmp_path))
    fsspec.filesystem("memory").rm("/owner/set/train-1.tar")
    with pytest.raises(ShardError, match=r"memory://owner/set/train-1\.tar could not be read: 3 tries"):
        open_source("owner/set", "train", retry=impatient)
