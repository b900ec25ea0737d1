"""Checkpoints: sharded, written in the background, whole or not there.  Taught in notebooks/14_pretraining.ipynb.

PyTorch's distributed checkpoints (`torch.distributed.checkpoint`): every process writes its own part, and any number of
processes may read them again.  A checkpoint is written to `step_00001000.tmp` and renamed when all of it is on the
disk, so a folder without `.tmp` is complete, and a kill at any moment leaves the one before.  `manifest.py` keeps what
was written apart from what is read, `storage.py` keeps the reading harmless.
"""

from __future__ import annotations

import os
import shutil
import sys
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

from ..recipes.files import recipe_in
from .manifest import checkpoint_at, has_manifest, problems, set_aside, steps_in, steps_set_aside
from .run_folder import changes, check_classes, read_classes
from .storage import Planner, Reader, Writer, read_metadata

__all__ = ["CheckpointError", "Checkpoints"]

_ERRORS = (Exception, CheckpointException)  # PyTorch's own is a BaseException, which a plain `except` lets pass


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or read; the message says which, and what is still there."""


class Checkpoints:
    """The checkpoints of one run.

    folder: where they are; keep: how many of the newest stay; keep_every: steps whose multiples stay for ever; classes:
    names of the classes, a classes.json in each checkpoint; record: the run's recipe.json, which each has, too; guard:
    called before one is written, it raises where this process may not write (`lock.py`).
    """

    def __init__(
        self, folder, world, keep: int = 2, keep_every: int | None = None, tidy: bool = True, classes=None, record=None,
        guard=None,
    ):  # fmt: skip
        self.classes, self.record, self.guard, self.writes = classes, record, guard or (lambda: None), tidy
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
        return checkpoint_at(self.folder, step)

    def steps(self) -> list[int]:
        """The steps of all complete checkpoints, in order; what the first process sees, on all processes.

        On a network's file system two processes may see a folder differently for a while.
        """
        found = [steps_in(self.folder)]
        dist.broadcast_object_list(found, src=0, group=self.line)
        return found[0]

    # ---- writing -------------------------------------------------------------------------------------------------

    def save(self, step: int, model, optimizer, average) -> None:
        """Start to write; training goes on meanwhile.  Waits for the one before, should it not be finished."""
        self.finish()
        if step in self.steps():
            return
        self.guard()
        beside = {"recipe.json": self.record} if self.record else {}
        beside |= {"classes.json": list(self.classes)} if self.classes else {}
        writer = Writer(self.path(step).with_suffix(".tmp"), beside)
        try:
            state = _state(model, optimizer, average, step)
            self.pending = dcp.async_save(state, storage_writer=writer, process_group=self.line), step
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
                os.replace(self.path(step).with_suffix(".tmp"), self.path(step))
                _flush_folder(self.folder)
                self._prune()
        except _ERRORS as error:
            self._failed(step, error)

    def close(self) -> None:
        """Let a checkpoint that is being written come to its end, after an error somewhere else.

        After a second Ctrl-C nobody waits: the next start removes what is half written.
        """
        if sys.exc_info()[0] is KeyboardInterrupt:
            return
        try:
            self.finish()
        except CheckpointError as error:
            print(error, flush=True)

    def _failed(self, step, error):
        if self.world.is_first:
            shutil.rmtree(self.path(step).with_suffix(".tmp"), ignore_errors=True)
        there = steps_in(self.folder)
        last = f"the last good one, {self.path(there[-1])}, is untouched" if there else "there is none before it"
        raise CheckpointError(f"the checkpoint of step {step} could not be written: {_cause(error)}; {last}") from error

    def _prune(self) -> None:
        for step in steps_in(self.folder)[: -self.keep]:
            if self.keep_every is None or step % self.keep_every:
                shutil.rmtree(self.path(step))

    # ---- reading -------------------------------------------------------------------------------------------------

    def load_latest(self, model, optimizer, average, step: int | None = None, older: bool = True) -> int:
        """Read the newest checkpoint into model, optimiser (None: leave it out) and average; return its step, or 0.

        step: read this one, and no other.  A damaged checkpoint is named, set aside where this is a run, and the one
        before is read, unless older=False.  Raises CheckpointError where none can be read, ValueError where it was
        written by another run or with another list of classes.
        """
        steps, damaged = self.steps(), []
        if step is not None and step not in steps:
            raise CheckpointError(f"step={step} is not allowed: {self.folder} has the checkpoints of steps {steps}")
        lost = [s for s in steps_set_aside(self.folder) if not steps or s > steps[-1]]
        if lost and not older and step is None:
            raise CheckpointError(
                f"the checkpoint of step {lost[-1]} in {self.folder} was set aside as damaged; go on with the run, or "
                f"allow an older one, of step {steps[-1] if steps else 'none'} (--step, --allow-older)"
            )
        for wanted in reversed(steps) if step is None else [step]:
            path = self.path(wanted)
            wrong, metadata = self._look_at(path)
            state = _state(model, optimizer, average, wanted)
            if not wrong:
                self._check_run(path)
                try:
                    reader = Reader(path, metadata)
                    dcp.load(state, storage_reader=reader, planner=Planner(), process_group=self.line)
                    if state["step"] != wanted:
                        wrong = f"it says that it is of step {str(state['step'])[:20]}"
                except _ERRORS as error:
                    wrong = _cause(error)
            if wrong:
                damaged.append(path)
                there = [s for s in steps if s < wanted] if step is None else []
                if not older and there:
                    raise CheckpointError(
                        f"checkpoint {path} is damaged: {wrong}; go on with the run, or allow an older one, of step "
                        f"{there[-1]} (--step, --allow-older)"
                    )
                if there:
                    self._say(f"checkpoint {path} is damaged: {wrong}; trying the one before")
                else:
                    self._say(f"checkpoint {path} is damaged: {wrong}")
                continue
            if optimizer is None:
                set_model_state_dict(model, state["model"])
            else:
                set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
            self._set_aside(damaged)
            return wanted
        if damaged:
            raise CheckpointError(f"no checkpoint could be read, of {', '.join(path.name for path in damaged)}")
        return 0

    def _look_at(self, path):
        """(what is wrong with a checkpoint, "" where it is whole; its metadata), the same for all processes.

        Each looks at its part of the files.
        """
        wrong, metadata = [], None
        if has_manifest(path):
            wrong = problems(path, slice(self.world.rank, None, self.world.size))
        elif self.world.is_first:
            self._say(
                f"checkpoint {path} has no manifest: an older version wrote it, and nobody can tell a changed bit"
            )
        try:
            metadata = read_metadata(path)
        except (OSError, ValueError) as error:
            wrong.append(str(error).splitlines()[0])
        everywhere = [None] * self.world.size
        dist.all_gather_object(everywhere, wrong, group=self.line)
        return next((lines[0] for lines in everywhere if lines), ""), metadata

    def _check_run(self, path) -> None:
        check_classes(read_classes(path), self.classes, str(path))
        if self.record and (path / "recipe.json").exists():
            changed = changes(path, *recipe_in(self.record), self.record.get("begun_from", ""))
            if changed:
                raise ValueError(
                    f"{path} was written by another run than recipe.json tells: {'; '.join(changed)}; was that file "
                    f"changed?  Without it, it is restored from the newest checkpoint"
                )

    def _set_aside(self, damaged) -> None:
        if self.world.is_first and self.writes:
            for path in damaged:
                self._say(f"{path} is now {set_aside(path).name}; its step is written anew when the run gets there")
        self.world.barrier()

    def _say(self, text) -> None:
        if self.world.is_first:
            print(text, flush=True)


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
    """Make a rename last through a power cut, where a system can flush a folder: Windows cannot."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
