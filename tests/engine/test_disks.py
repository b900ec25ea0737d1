"""Slow disks, disks that go away, clocks that are set: the run waits, or stops with its last checkpoint whole."""

from __future__ import annotations

import errno
import os
import shutil
import time

import pytest
from small_runs import SMALL, losses, weights, with_run

from vitedu.engine import checkpoints
from vitedu.engine.checkpoints import CheckpointError
from vitedu.engine.train import train

EVERY = with_run(SMALL, checkpoint_every=1)  # of 12 steps, of milliseconds each


def same(ours, theirs) -> bool:
    """Bit for bit the same weights, and the same losses."""
    one, two = weights(ours), weights(theirs)
    same_weights = one.keys() == two.keys() and all(one[name].tobytes() == two[name].tobytes() for name in two)
    return same_weights and losses(ours).tolist() == losses(theirs).tolist()


def test_a_slow_disk_is_waited_for(reference, tmp_path, monkeypatch):
    """Each write takes as long as many steps.  One at a time is written, and what is written is of its own step.

    A writer that looked at the weights late would save those of a later step; to go on from there would show it.
    """
    at_once, most, write = [0], [0], checkpoints.Writer.write_data

    def slowly(self, plan, planner):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.2)
        try:
            return write(self, plan, planner)
        finally:
            at_once[0] -= 1

    monkeypatch.setattr(checkpoints.Writer, "write_data", slowly)
    out = tmp_path / "run"
    train(EVERY, out)
    monkeypatch.undo()
    assert most == [1]
    assert same(out, reference)
    folder = out / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["step_00000011", "step_00000012"]
    shutil.rmtree(folder / "step_00000012")
    (out / "model.safetensors").unlink()
    train(EVERY, out)  # from step 11, which was written while step 12 was computed
    assert same(out, reference)


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_disk_that_goes_away(code, reference, tmp_path, monkeypatch):
    """From the third checkpoint on every write fails, as on a mount that is lost, or a quota that is used up."""
    out, write, calls = tmp_path / "run", checkpoints.Writer.write_data, []

    def lost(self, plan, planner):
        calls.append(1)
        if len(calls) >= 3:
            raise OSError(code, os.strerror(code))
        return write(self, plan, planner)

    monkeypatch.setattr(checkpoints.Writer, "write_data", lost)
    with pytest.raises(CheckpointError, match=f"step 3 could not be written: .*{os.strerror(code)}.*step_00000002, is"):
        train(EVERY, out)
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["step_00000001", "step_00000002"]
    assert not (out / "model.safetensors").exists()
    monkeypatch.undo()
    train(EVERY, out)  # it is back
    assert same(out, reference)


def test_the_folder_of_checkpoints_is_taken_away(reference, tmp_path, monkeypatch):
    """Renamed by somebody while the run writes: the run stops and says so; moved back, it goes on."""
    out, elsewhere, write, calls = tmp_path / "run", tmp_path / "elsewhere", checkpoints.Writer.write_data, []

    def taken(self, plan, planner):
        calls.append(1)
        if len(calls) == 3:
            os.rename(out / "checkpoints", elsewhere)
        return write(self, plan, planner)

    monkeypatch.setattr(checkpoints.Writer, "write_data", taken)
    with pytest.raises(CheckpointError, match=r"step 3 could not be written: .*there is none before"):
        train(EVERY, out)
    monkeypatch.undo()
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    os.rename(elsewhere, out / "checkpoints")
    train(EVERY, out)
    assert same(out, reference)


def test_a_clock_that_is_set(reference, tmp_path, monkeypatch):
    """The clock of the day jumps back by years and on again, as after a laptop's sleep: no number depends on it."""
    real, count = time.time, iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: real() + (-1e8, 1e8)[next(count) % 2])
    out = tmp_path / "run"
    train(EVERY, out)
    assert same(out, reference)
