"""Asked to stop, a run finishes its step, writes a checkpoint and leaves with a code that says so; then it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import PATIENCE, SMALL, ask, finish, losses, start, weights, with_run

from vitedu.cli import main
from vitedu.engine import train as engine
from vitedu.engine.distributed import World
from vitedu.engine.report import read_metrics
from vitedu.engine.stop import Stop

ROOT = Path(__file__).resolve().parents[2]
CLOCK = ("seconds", "images_per_second", "mfu")


@pytest.fixture(autouse=True)
def heard():
    """A shell that starts something in the background has it ignore Ctrl-C, and so what that starts.  Not here."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def asked(recipe, out, number, step, which=0, world=1) -> tuple[set, str]:
    """Ask process `which` in the middle of a step (None: of an evaluation); (exit codes, what was printed)."""
    started = start(recipe, out, world, asked=(number, step, which))
    for process in started:
        process.join(PATIENCE)
    return {process.exitcode for process in started}, Path(f"{out}.log").read_text(encoding="utf-8")


def lines(out) -> list[dict]:
    return [{k: v for k, v in x.items() if k not in CLOCK} for x in read_metrics(out / "metrics.jsonl")]


@pytest.mark.parametrize(
    ("number", "left", "code"),
    [(signal.SIGTERM, SystemExit, 75), (signal.SIGUSR1, SystemExit, 75), (signal.SIGINT, KeyboardInterrupt, 130)],
)
def test_a_signal_ends_the_step_with_a_checkpoint(number, left, code, reference, tmp_path, monkeypatch, capsys):
    """And the run goes on to the same bits, as after a kill."""
    out = tmp_path / "run"
    before = signal.getsignal(number)
    with monkeypatch.context() as patched:
        patched.setattr(engine, "make_objective", engine.make_objective)  # to be put back
        ask(number, step=5, which=0, rank=0)
        with pytest.raises(left) as stopped:
            engine.train(SMALL, out)
    assert getattr(stopped.value, "code", 130) == code
    assert signal.getsignal(number) == before
    said = f"{number.name}: stopped after step 6 of 12, with a checkpoint; the same command goes on from there"
    assert said in capsys.readouterr().out
    assert sorted(p.name for p in (out / "checkpoints").iterdir()) == ["step_00000004", "step_00000006"]
    assert not (out / "run.lock").exists()
    engine.train(SMALL, out)
    ours, theirs = weights(out), weights(reference)
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)
    assert lines(out) == lines(reference)


def test_the_command_line_hands_the_code_on(monkeypatch, capsys):
    """75: stopped by the system, the same command goes on; 130: by a person."""
    for error, code in ((SystemExit(75), 75), (KeyboardInterrupt(), 130)):

        def carry_out(*arguments, error=error):
            raise error

        monkeypatch.setattr(engine, "train", carry_out)
        assert main(["train", "vit_digits", "--out", "x"]) == code
    assert "the same command goes on from the last checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [("SystemExit(75)", 75), ("KeyboardInterrupt", 130)])
def test_the_code_arrives_at_the_shell(error, code):
    text = (
        "import sys\nfrom vitedu import cli\n"
        f"def stop(words):\n    raise {error}\n"
        "cli._COMMANDS['train'] = stop\nsys.argv = ['vitedu', 'train']\nsys.exit(cli.main())"
    )
    assert subprocess.run([sys.executable, "-c", text], capture_output=True).returncode == code


def test_two_processes_leave_after_the_same_step(reference, tmp_path):
    """The second alone is asked.  Float64 sums in another order than the reference: 1e-10, as in test_processes.py."""
    out = tmp_path / "run"
    codes, text = asked(SMALL, out, signal.SIGTERM, step=5, which=1, world=2)
    assert codes == {75}
    # The request travels with the sum of images at the beginning of a step: the other hears of it in the next.
    assert "stopped after step 7 of 12, with a checkpoint" in text
    finish(start(SMALL, out, world=2), out)
    np.testing.assert_allclose(losses(out), losses(reference), rtol=1e-10)


@pytest.mark.parametrize("world", [1, 2])
def test_an_evaluation_is_left_and_made_up_for(world, reference, tmp_path):
    """The one at the run's end, its second batch: the run is not over before it has been done."""
    recipe = with_run(SMALL, micro_batch=24)
    out = tmp_path / "run"
    codes, text = asked(recipe, out, signal.SIGTERM, step=None, which=world - 1, world=world)
    assert codes == {75}
    assert "stopped after step 12 of 12, with a checkpoint" in text
    assert not (out / "model.safetensors").exists()
    assert not any("eval_loss" in line for line in lines(out))
    finish(start(recipe, out, world), out)
    assert (out / "model.safetensors").exists()
    (ours,), (theirs,) = ([line for line in lines(folder) if "eval_loss" in line] for folder in (out, reference))
    assert ours["eval_accuracy"] == theirs["eval_accuracy"]
    assert ours["eval_loss"] == pytest.approx(theirs["eval_loss"], rel=1e-9)


def test_a_second_control_c_leaves_at_once():
    """One within a second is the same key: a terminal and torchrun may both pass it on."""
    with Stop(World(0, 1, torch.device("cpu"))), pytest.raises(SystemExit) as left:  # before the first step
        os.kill(os.getpid(), signal.SIGTERM)
    assert left.value.code == 75
    with Stop(World(0, 1, torch.device("cpu"))) as stop:
        with pytest.raises(KeyboardInterrupt):  # nothing is trained yet: the first does
            os.kill(os.getpid(), signal.SIGINT)
    with Stop(World(0, 1, torch.device("cpu"))) as stop:
        assert stop.count(24) == 24
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.count(24) == 24
        assert stop.wanted()
        stop.last -= 2  # seconds
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


LOADING = """
from small_loader import Grey, Same, Still
from vitedu.data.loader import Loader

if __name__ == "__main__":
    for _ in Loader(Still(), Same(), Grey(), seed=0, batch_size=8, steps=10**6, workers=2):
        print("loading", flush=True)
"""
PARTS = """
import numpy as np
from vitedu.data.sample import Sample

class Still:
    def read(self, ids):
        return [Sample(None, 0, "")] * len(ids)

class Same:
    def __call__(self, positions):
        return positions

class Grey:
    shape = (1, 4, 4)

    def __call__(self, data, rng):
        return np.zeros(self.shape, np.uint8)
"""


def descendants(pid: int) -> set[int]:
    """All processes below one, by /proc."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if fields[0] != "Z":
            parents[int(path.parent.name)] = int(fields[1])
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux who is whose child")
def test_loader_processes_end_with_a_parent_that_is_killed(tmp_path):
    """And they do not listen to what a terminal or a cluster sends to all: the training process will end them."""
    (tmp_path / "small_loader.py").write_text(PARTS)
    (tmp_path / "main.py").write_text(LOADING)
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "main.py")], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert process.stdout.readline() == "loading\n"
    below = descendants(process.pid)
    workers = {pid for pid in below if parent_of(pid) != process.pid}  # their parent is the server
    assert len(workers) == 2
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    for _ in range(50):
        assert process.stdout.readline() == "loading\n"
    assert workers <= descendants(process.pid)
    process.kill()
    process.wait()
    process.stdout.close()
    begun = time.monotonic()
    while any(Path(f"/proc/{pid}").exists() and is_running(pid) for pid in below):
        assert time.monotonic() - begun < 10, "they outlive it"
        time.sleep(0.05)
    print(f"gone after {time.monotonic() - begun:.2f} s")


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
