"""A run that is killed, again and again, ends with exactly the weights of one that never was."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from small_runs import PATIENCE, SMALL, finish, losses, read_metrics, start, weights, with_run

from vitedu.engine.run_folder import read_recipe
from vitedu.engine.stop import AGAIN


@pytest.mark.parametrize("world", [1])
def test_twenty_kills_leave_no_trace(world, reference, tmp_path):
    """SIGKILL, and every fourth time SIGTERM, at random moments, while a checkpoint is being written too.

    Moments are drawn over the time that a run needs from start to end; a run that ended before its moment came is begun
    again in a new folder, so that all twenty kills hit a living process.  A kill that came before the first checkpoint
    makes the time longer, should the machine have become busy.
    """
    rng = np.random.default_rng(20)
    begun = time.monotonic()
    finish(start(with_run(SMALL, checkpoint_every=2), tmp_path / "timed", world), tmp_path / "timed")
    whole = time.monotonic() - begun
    kills, stopped, unfinished, resumed, attempt = 0, 0, 0, 0, 0
    out = tmp_path / "run0"
    while kills < 20:
        started = start(with_run(SMALL, checkpoint_every=2), out, world)
        started[0].join(rng.uniform(0.2, 1.0) * whole)
        if started[0].exitcode is not None:  # it was done: begin again elsewhere
            finish(started, out)
            same_weights(out, reference)
            attempt += 1
            out = tmp_path / f"run{attempt}"
            continue
        kills += 1
        for process in started:
            os.kill(process.pid, signal.SIGTERM if kills % 4 == 0 else signal.SIGKILL)
            process.join()
        stopped += started[0].exitcode == AGAIN
        unfinished += any((out / "checkpoints").glob("*.tmp"))
        can_go_on = any((out / "checkpoints").glob("step_????????"))
        resumed += can_go_on
        whole *= 1 if can_go_on else 1.2
    finish(start(with_run(SMALL, checkpoint_every=2), out, world), out)
    same_weights(out, reference)
    np.testing.assert_array_equal(losses(out), losses(reference))
    assert [line["step"] for line in read_metrics(out / "metrics.jsonl") if "loss" in line] == [*range(1, 13)]
    assert resumed > 0, "no kill came after a checkpoint: nothing was tested"
    said = f"{unfinished} during a write, {resumed} with a checkpoint to go on from"
    print(f"{kills} kills, 5 of them SIGTERM, of which {stopped} ended with code {AGAIN}; {said}")


def same_weights(out, reference):
    ours, theirs = weights(out), weights(reference)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def stopped_at(step, out, world=1):
    """Let a run write its checkpoint of that step, and kill it before the next."""
    started = start(with_run(SMALL, checkpoint_every=step), out, world)
    wanted = out / "checkpoints" / f"step_{step:08d}"
    end = time.monotonic() + PATIENCE
    while not wanted.exists() and time.monotonic() < end and started[0].exitcode is None:
        time.sleep(0.002)
    for process in started:
        process.kill()
        process.join()
    assert wanted.exists()


def test_another_number_of_processes_goes_on_with_the_next_image(reference, tmp_path):
    """2 processes -> 1 -> 2.  Float64 sums in another order: 1e-10, as in test_processes.py."""
    out = tmp_path / "run"
    stopped_at(3, out, world=2)
    stopped_at(7, out, world=1)
    finish(start(SMALL, out, world=2), out)
    np.testing.assert_allclose(losses(out), losses(reference), rtol=1e-10)
    assert read_recipe(out)[0] == SMALL
