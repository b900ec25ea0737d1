"""What goes wrong is said, stops the run with a code that is not 0, and leaves what was there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import PATIENCE, SMALL, finish, losses, start, weights, with_run

from vitedu.cli import main

ROOT = Path(__file__).resolve().parents[2]


def failed(started, out) -> str:
    """Wait for a run that must fail; return what it printed."""
    for process in started:
        process.join(PATIENCE)
    assert [process.exitcode for process in started] == [1] * len(started)
    return Path(f"{out}.log").read_text(encoding="utf-8")


def checkpoints(out):
    return sorted(path.name for path in (Path(out) / "checkpoints").iterdir())


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    """A learning rate of 1e200 makes the first update overflow."""
    out = tmp_path / "run"
    text = failed(start(replace(with_run(SMALL, checkpoint_every=1), learning_rate=1e200, warmup_steps=0), out), out)
    assert "FloatingPointError: the loss is nan at step" in text or "FloatingPointError: the loss is inf" in text
    assert "smaller learning_rate" in text


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path):
    """A file system that takes no more is played by a limit on the size of a file (as `ulimit -f` sets)."""
    out = tmp_path / "run"
    first = with_run(SMALL, checkpoint_every=4)
    finish(start(first, out), out)
    kept = checkpoints(out)
    again = tmp_path / "full"
    shutil.copytree(out, again)
    shutil.rmtree(again / "checkpoints" / kept[-1])  # so there is something to do
    text = failed(start(first, again, file_limit=40_000), again)
    assert "CheckpointError: the checkpoint of step 12 could not be written" in text
    assert "step_00000008, is untouched" in text
    assert checkpoints(again) == ["step_00000008"]
    finish(start(first, again), again)  # with room again
    assert losses(again).tolist() == losses(out).tolist()


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    out = tmp_path / "run"
    finish(start(SMALL, out), out)
    kept = weights(out)
    text = failed(start(replace(SMALL, model=replace(SMALL.model, width=24)), out), out)
    assert "holds another run" in text
    assert "model.width was 16, is 24" in text
    assert all((weights(out)[name] == value).all() for name, value in kept.items())


# ---- on the command line ---------------------------------------------------------------------------------------------


def words(text: str) -> str:
    """A message without the box that it is printed in."""
    return " ".join(text.replace("│", " ").split())


def vitedu(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "vitedu.cli", *map(str, arguments)],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


def test_wrong_names_are_answered_with_the_right_ones(tmp_path):
    done = vitedu("train", "vit_digit", "--out", tmp_path)
    assert done.returncode == 1
    assert "recipe='vit_digit' is not known" in done.stderr
    assert "vit_digits" in done.stderr

    done = vitedu("train", "vit_digits", "--out", tmp_path, "--model.widht", 3)
    assert done.returncode == 2
    assert "--model.widht" in done.stderr
    assert "--model.width" in done.stderr  # what may have been meant

    done = vitedu("train", "vit_digits", "--out", tmp_path, "--model.width", 49)
    assert done.returncode != 0
    assert "width=49 is not allowed; width must be a multiple of heads=4" in words(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_data_path_is_named(tmp_path):
    done = vitedu("train", "vit_cifar10", "--out", tmp_path / "run", "--data", tmp_path / "nowhere")
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch, capsys):
    """What `make lab` installs trains on the digits and on folders of images; parquet needs more."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train-00000.parquet").touch()
    monkeypatch.setitem(sys.modules, "datasets", None)  # as if it were not installed
    assert main(["train", "vit_cifar10", "--out", str(tmp_path / "run"), "--data", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "datasets" in said
    assert ".[train]" in said
    assert not (tmp_path / "run").exists()


def test_torchrun_and_overrides(tmp_path):
    """The whole way: two processes started by torchrun, fields changed on the command line, curves compared."""
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "vitedu.cli",
         "train", "vit_digits", "--out", str(out), "--epochs", "0.27", "--warmup-steps", "2", "--run.threads", "1",
         "--run.parallel", "fsdp", "--run.few-shot-every", "6", "--run.precision", "bf16", "--ema", "0.9"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "eval_accuracy" in done.stdout
    assert "few_shot_5" in done.stdout
    assert "ema_eval_accuracy" in done.stdout
    table = vitedu("runs", out, "--out", tmp_path / "curves.png")
    assert table.returncode == 0, table.stderr
    assert "held-out accuracy" in table.stdout
    assert (tmp_path / "curves.png").stat().st_size > 5000
    done = vitedu("export", out, "--out", tmp_path / "weights.npz")
    assert done.returncode == 0, done.stderr
    assert "step 6" in done.stdout


def test_pytest_would_see_a_run_that_does_not_fail(tmp_path):
    """`failed` itself fails for a good run."""
    out = tmp_path / "run"
    with pytest.raises(AssertionError):
        failed(start(SMALL, out), out)


def test_more_classes_than_the_model_has_are_refused(tmp_path):
    out = tmp_path / "run"
    text = failed(start(replace(SMALL, model=replace(SMALL.model, num_classes=7)), out), out)
    assert "model.num_classes=7 is not allowed: 'digits' has 10 classes" in text
    assert not out.exists()
