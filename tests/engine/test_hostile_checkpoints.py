"""A checkpoint from somebody else can run nothing, whatever its files hold."""

from __future__ import annotations

import collections
import io
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from small_runs import SMALL
from torch.distributed.checkpoint.api import CheckpointException

from vitedu.engine.checkpoints import CheckpointError
from vitedu.engine.distributed import processes
from vitedu.engine.export import export_run
from vitedu.engine.storage import read_metadata
from vitedu.engine.train import train

LAST, BEFORE = "checkpoints/step_00000012", "checkpoints/step_00000008"


class Attack:
    """Pickled, it makes whoever unpickles it run a command."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def given(reference, tmp_path) -> Path:
    """A run's folder with one checkpoint and no manifest, as anybody can make one."""
    folder = Path(shutil.copytree(reference, tmp_path / "run"))
    shutil.rmtree(folder / BEFORE)
    for name in ("manifest.json", "recipe.json"):
        (folder / LAST / name).unlink()
    return folder


def metadata_of(checkpoint):
    return pickle.loads((checkpoint / ".metadata").read_bytes())


def put_in_place_of(name, value, checkpoint) -> None:
    """Append a pickled value to the file of tensors, and say that it is what `name` stands for."""
    metadata, buffer, shard = metadata_of(checkpoint), io.BytesIO(), checkpoint / "__0_0.distcp"
    torch.save(value, buffer)
    (index,) = (index for index in metadata.storage_data if index.fqn == name)
    place = replace(metadata.storage_data[index], offset=shard.stat().st_size, length=len(buffer.getvalue()))
    metadata.storage_data[index] = place
    shard.write_bytes(shard.read_bytes() + buffer.getvalue())
    (checkpoint / ".metadata").write_bytes(pickle.dumps(metadata))


def as_pytorch_reads(checkpoint) -> None:
    with processes(SMALL.run):
        dcp.load({"step": 0}, checkpoint_id=str(checkpoint))


def refused(folder, marker) -> None:
    """Neither a resume nor an export takes it, and nothing was run."""
    with pytest.raises(CheckpointError, match="no checkpoint could be read"):
        export_run(folder, folder / "x.npz")
    with pytest.raises(CheckpointError, match="no checkpoint could be read"):
        train(SMALL, folder)
    assert not marker.exists()


def test_metadata_that_runs_a_command(given, tmp_path, capsys):
    marker = tmp_path / "ran"
    (given / LAST / ".metadata").write_bytes(pickle.dumps(Attack(marker)))
    refused(given, marker)
    said = capsys.readouterr().out
    assert f"it asks for {os.system.__module__}.system, which no checkpoint needs; refused, not run" in said
    with pytest.raises(CheckpointException):
        as_pytorch_reads(given / LAST)
    assert marker.exists(), "the attack is one"


def test_a_number_that_runs_a_command(given, tmp_path, capsys):
    """The step of the checkpoint is no tensor: PyTorch pickles it."""
    marker = tmp_path / "ran"
    put_in_place_of("step", Attack(marker), given / LAST)
    refused(given, marker)
    assert f"step asks for {os.system.__module__}.system; refused, not run" in capsys.readouterr().out
    as_pytorch_reads(given / LAST)
    assert marker.exists(), "the attack is one"


def test_a_tensor_that_runs_a_command(given, tmp_path, capsys):
    marker = tmp_path / "ran"
    put_in_place_of("model.head.weight", Attack(marker), given / LAST)
    refused(given, marker)
    assert f"a tensor asks for {os.system.__module__}.system; refused, not run" in capsys.readouterr().out


def test_a_place_outside_of_the_checkpoint(given, tmp_path, capsys):
    for name in ("../../../secret.distcp", "/etc/passwd", "__0_0.distcp/../x", "x.distcp"):
        metadata = metadata_of(given / LAST)
        index = next(iter(metadata.storage_data))
        metadata.storage_data[index] = replace(metadata.storage_data[index], relative_path=name)
        (given / LAST / ".metadata").write_bytes(pickle.dumps(metadata))
        with pytest.raises(ValueError, match="which is no part of a checkpoint; refused"):
            read_metadata(given / LAST)
    refused(given, tmp_path / "ran")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Ran out of input"),
        (b"\x80\x04]\x94.", "holds a list; expected the contents of a checkpoint"),
        (pickle.dumps(print), "it asks for builtins.print"),
        (pickle.dumps(collections.Counter), "it asks for collections.Counter"),
        (b"cposix\nsystem\n(S'true'\ntR.", "it asks for posix.system"),
        (b"ctorch.hub\nload\n.", "it asks for torch.hub.load"),
        (b"\x80\x04\x8c\x1ctorch.distributed.checkpoint\x8c\x04load\x93.", "it asks for torch.distributed.checkpoint"),
    ],
)
def test_other_metadata(content, said, tmp_path):
    (tmp_path / ".metadata").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_metadata(tmp_path)


def test_transformations_are_refused(given):
    """PyTorch lets a file name decoders for itself; ours need none."""
    metadata = metadata_of(given / LAST)
    index = next(iter(metadata.storage_data))
    metadata.storage_data[index] = replace(metadata.storage_data[index], transform_descriptors=["zstd"])
    (given / LAST / ".metadata").write_bytes(pickle.dumps(metadata))
    with pytest.raises(ValueError, match="asks for transformations of the files"):
        read_metadata(given / LAST)


def test_a_manifest_that_leads_outside(reference, tmp_path, capsys):
    """Else a manifest could have any file read."""
    folder = Path(shutil.copytree(reference, tmp_path / "run"))
    path = folder / LAST / "manifest.json"
    path.write_text(path.read_text().replace('"classes.json"', '"../../../secret"'))
    with pytest.raises(CheckpointError, match=r"manifest.json is damaged: '../../../secret' is no file of it"):
        export_run(folder, tmp_path / "x.npz")
