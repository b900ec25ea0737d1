"""Small training runs in processes of their own, as a laptop or a cluster would start them.

Not in conftest.py, because those processes import it, too (`pythonpath` in pyproject.toml).
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch.distributed import TCPStore

from vitedu.engine.report import read_metrics
from vitedu.recipes import DataRecipe, Execution, Recipe
from vitedu_numpy.config import ViTConfig

# A process that has everything imported and hands out copies of itself: a run starts in a tenth of a second.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["vitedu.engine.train", "sklearn.datasets"])

# Seconds after which a process counts as hanging.  No test waits that long, on a busy machine either.
PATIENCE = 600

SMALL = Recipe(
    name="small",
    model=ViTConfig(8, 2, 16, 2, 2, 24, num_classes=10, channels=1),
    data=DataRecipe("digits", "train", "test", crop="pad", pad=1, flip=False, eval_resize=None),
    run=Execution(device="cpu", precision="float64", threads=1, log_every=1, checkpoint_every=4),
    steps=12,
    batch_size=24,
    learning_rate=3e-3,
    warmup_steps=3,
    decay="cosine",
)


def with_run(recipe: Recipe, **changes) -> Recipe:
    """The recipe, carried out in another way."""
    return replace(recipe, run=replace(recipe.run, **changes))


def _process(recipe, out, rank, world, port, log, keywords):
    """What a new process does.  It ends without Python's own clean-up, which a killed process does not have either."""
    if world > 1:  # as torchrun does: the store where processes meet is there already
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(world))
        os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    output = open(log, "a", encoding="utf-8", buffering=1)
    sys.stdout = sys.stderr = output
    from vitedu.engine.train import train

    asked = keywords.pop("asked", None)
    if asked is not None:
        ask(*asked, rank)
    limit = keywords.pop("file_limit", None)
    if limit is not None:  # bytes: longer files cannot be written
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        train(recipe, out, **keywords)
    except (SystemExit, KeyboardInterrupt) as stop:
        output.flush()
        os._exit(getattr(stop, "code", 130))
    except BaseException:
        traceback.print_exc(file=output)
        output.flush()
        os._exit(1)
    output.flush()
    os._exit(0)


def ask(number, step, which, rank) -> None:
    """Have the signal `number` come to process `which` in the middle of a step; step=None: of an evaluation."""
    from vitedu.engine import train

    make = train.make_objective

    def make_objective(*arguments):
        objective = make(*arguments)

        def asking(net, batch, step, **keywords):
            is_there = not keywords.get("train", True) if wanted is None else step == wanted
            if is_there and rank == which:
                os.kill(os.getpid(), number)
            return objective(net, batch, step, **keywords)

        return asking

    wanted, train.make_objective = step, make_objective


def start(recipe, out, world=1, **keywords):
    """Start a run on `world` processes and return them."""
    store, port = None, 0
    if world > 1:  # it takes a port that is free, and keeps it
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        port = store.port
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    log = f"{out}.log"
    started = [
        _CONTEXT.Process(target=_process, args=(recipe, str(out), rank, world, port, log, keywords), daemon=True)
        for rank in range(world)
    ]
    for process in started:
        process.start()
        process.store = store  # open as long as the processes are known
    return started


def finish(started, out, limit=PATIENCE) -> None:
    """Wait for the processes; fail with what they printed when one of them failed."""
    end = time.monotonic() + limit
    for process in started:
        process.join(max(0.1, end - time.monotonic()))
    codes = [process.exitcode for process in started]
    for process in started:
        process.kill()
    assert codes == [0] * len(codes), f"exit codes {codes}\n" + Path(f"{out}.log").read_text(encoding="utf-8")


def run(recipe, out, world=1, **keywords):
    """Carry out a recipe in processes of its own, and return its losses, one per step."""
    finish(start(recipe, out, world, **keywords), out)
    return losses(out)


def losses(out) -> np.ndarray:
    return np.array([line["loss"] for line in read_metrics(Path(out) / "metrics.jsonl") if "loss" in line])


def weights(out) -> dict[str, np.ndarray]:
    """The exported weights of a run, by name."""
    from safetensors.numpy import load_file

    return load_file(Path(out) / "model.safetensors")
