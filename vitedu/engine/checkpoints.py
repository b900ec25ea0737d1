"""Checkpoints: sharded, written in the background, whole or not there.  Taught in notebooks/14_pretraining.ipynb.

PyTorch's distributed checkpoints (`torch.distributed.checkpoint`): every process writes its own part, and any number of
processes may read them again.  A checkpoint is written to `step_00001000.tmp` and renamed when all of it is on the
disk, so a folder without `.tmp` is complete, and a kill at any moment leaves the one before.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import (
    get_model_state_dict,
    get_state_dict,
    set_model_state_dict,
    set_state_dict,
)

from .run_folder import check_classes, read_classes, write_json

__all__ = ["CheckpointError", "Checkpoints"]

_ERRORS = (Exception, CheckpointException)  # PyTorch's own is a BaseException, which a plain `except` lets pass


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or read; the message says which, and what is still there."""


class Checkpoints:
    """The checkpoints of one run.

    folder: where they are; keep: how many of the newest stay; keep_every: steps whose multiples stay for ever; classes:
    names of the classes, a classes.json in each checkpoint.
    """

    def __init__(self, folder, world, keep: int = 2, keep_every: int | None = None, tidy: bool = True, classes=None):
        self.classes = classes
        self.folder, self.world, self.keep, self.keep_every = Path(folder), world, keep, keep_every
        self.pending = None  # (what is being written, its step)
        # The thread that writes talks to the other processes at the same time as training does: on a line of its own.
        self.line = dist.new_group(backend="gloo")
        if world.is_first and tidy:  # a reader (`tidy=False`) leaves alone what a run may be writing
            self.folder.mkdir(parents=True, exist_ok=True)
            for unfinished in self.folder.glob("step_*.tmp"):
                shutil.rmtree(unfinished)
        world.barrier()

    def path(self, step: int) -> Path:
        return self.folder / f"step_{step:08d}"

    def steps(self) -> list[int]:
        """The steps of all complete checkpoints, in order; what the first process sees, on all processes.

        On a network's file system two processes may see a folder differently for a while.
        """
        found = [self._steps_seen_here()]
        dist.broadcast_object_list(found, src=0, group=self.line)
        return found[0]

    def _steps_seen_here(self) -> list[int]:
        names = [re.fullmatch(r"step_(\d+)", p.name) for p in self.folder.glob("step_*")]
        return sorted(int(match[1]) for match in names if match)

    # ---- writing -------------------------------------------------------------------------------------------------

    def save(self, step: int, model, optimizer, average) -> None:
        """Start to write; training goes on meanwhile.  Waits for the one before, should it not be finished."""
        self.finish()
        if step in self.steps():
            return
        temporary = self.path(step).with_suffix(".tmp")
        try:
            state = _state(model, optimizer, average, step)
            self.pending = dcp.async_save(state, checkpoint_id=str(temporary), process_group=self.line), step
        except _ERRORS as error:
            self._failed(step, error)

    def poll(self) -> None:
        """Rename what has been written by now.  To be called once a step; costs nothing."""
        if self.pending is not None and self.pending[0].done():
            self.finish()

    def finish(self) -> None:
        """Wait until what is being written is on the disk and has its name."""
        if self.pending is None:
            return
        (future, step), self.pending = self.pending, None
        try:
            future.result()
            if self.world.is_first:
                # The last file that is written is the list of all others, so here everything is there.
                if self.classes:
                    write_json(self.path(step).with_suffix(".tmp") / "classes.json", list(self.classes))
                os.replace(self.path(step).with_suffix(".tmp"), self.path(step))
                _flush_folder(self.folder)
                self._prune()
        except _ERRORS as error:
            self._failed(step, error)

    def close(self) -> None:
        """Let a checkpoint that is being written come to its end, after an error somewhere else."""
        try:
            self.finish()
        except CheckpointError as error:
            print(error, flush=True)

    def _failed(self, step, error):
        if self.world.is_first:
            shutil.rmtree(self.path(step).with_suffix(".tmp"), ignore_errors=True)
        there = self._steps_seen_here()
        last = f"the last good one, {self.path(there[-1])}, is untouched" if there else "there is none before it"
        raise CheckpointError(f"the checkpoint of step {step} could not be written: {_cause(error)}; {last}") from error

    def _prune(self) -> None:
        for step in self._steps_seen_here()[: -self.keep]:
            if self.keep_every is None or step % self.keep_every:
                shutil.rmtree(self.path(step))

    # ---- reading -------------------------------------------------------------------------------------------------

    def load_latest(self, model, optimizer, average) -> int:
        """Read the newest checkpoint into model, optimiser (None: leave it out) and average; return its step, or 0.

        A damaged checkpoint is named, and the one before is read.  Raises CheckpointError where none can be read,
        ValueError where it was written with another list of classes.
        """
        failures = []
        for step in reversed(self.steps()):
            check_classes(read_classes(self.path(step)), self.classes, str(self.path(step)))
            state = _state(model, optimizer, average, step)
            try:
                dcp.load(state, checkpoint_id=str(self.path(step)), process_group=self.line)
            except _ERRORS as error:
                failures.append(f"{self.path(step)}: {_cause(error)}")
                if self.world.is_first:
                    print(f"checkpoint {failures[-1]}; trying the one before", flush=True)
                continue
            if optimizer is None:
                set_model_state_dict(model, state["model"])
            else:
                set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
            return int(state["step"])
        if failures:
            raise CheckpointError("no checkpoint could be read:\n  " + "\n  ".join(failures))
        return 0


def _state(model, optimizer, average, step) -> dict:
    """All that a run needs to go on.  Schedule, data order and random numbers follow from the step alone."""
    if optimizer is None:
        return {"model": get_model_state_dict(model), "average": average.weights, "step": step}
    model_state, optimizer_state = get_state_dict(model, optimizer)
    return {"model": model_state, "optimizer": optimizer_state, "average": average.weights, "step": step}


def _cause(error: BaseException) -> str:
    """The first line of what went wrong first: PyTorch wraps the errors of all processes into one."""
    found = getattr(error, "failures", None)
    if found:
        error = next(iter(found.values()))
        error = error[0] if isinstance(error, tuple) else error
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


def _flush_folder(folder) -> None:
    """Make a rename last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
