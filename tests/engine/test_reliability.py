"""A run's folder and its checkpoints: what is damaged is named, never used, never deleted; two runs never share one.

docs/reliability.md lists every fault with the test here (or in test_signals.py, test_hostile_checkpoints.py) that
plays it.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_runs import _CONTEXT, PATIENCE, SMALL, losses, start, weights

from vitedu.cli import main
from vitedu.engine import checkpoints, lock
from vitedu.engine.checkpoints import CheckpointError
from vitedu.engine.distributed import World
from vitedu.engine.export import export_run
from vitedu.engine.lock import FolderLock, LockedError
from vitedu.engine.manifest import problems
from vitedu.engine.report import read_metrics
from vitedu.engine.runs import draw, read_run
from vitedu.engine.train import draw_curves, train

ALONE = World(0, 1, torch.device("cpu"))
LAST, BEFORE = "checkpoints/step_00000012", "checkpoints/step_00000008"


@pytest.fixture
def run_folder(reference, tmp_path) -> Path:
    """A copy of the small run that has come to its end: checkpoints of steps 8 and 12."""
    return Path(shutil.copytree(reference, tmp_path / "run"))


def flip(path, at=None) -> None:
    """Change one bit of a file, in its middle if nothing is said."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    path.write_bytes(content)


def same(ours, theirs) -> bool:
    """Bit for bit the same weights, and the same losses."""
    one, two = weights(ours), weights(theirs)
    same_weights = one.keys() == two.keys() and all(one[name].tobytes() == two[name].tobytes() for name in two)
    return same_weights and losses(ours).tolist() == losses(theirs).tolist()


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def test_one_flipped_bit_in_any_file_of_a_checkpoint_is_found(run_folder, tmp_path, capsys):
    """`vitedu runs --verify` names the file; `export` refuses, or takes the older one where it may."""
    assert main(["runs", str(run_folder), "--verify"]) == 0
    names = sorted(path.name for path in (run_folder / LAST).iterdir())
    assert names == [".metadata", "__0_0.distcp", "classes.json", "manifest.json", "recipe.json"]
    for name in names:
        path = run_folder / LAST / name
        whole = path.read_bytes()
        flip(path, 0 if name == "manifest.json" else None)  # a digest's bit would accuse another file
        assert len(problems(run_folder / LAST)) == 1
        assert main(["runs", str(run_folder), "--verify"]) == 1
        said = capsys.readouterr().out
        assert re.search(rf"step_00000012: damaged: {re.escape(name)}", said), said
        assert "step_00000008: whole" in said
        with pytest.raises(CheckpointError, match=rf"step_00000012 is damaged: {re.escape(name)}.*of step 8"):
            export_run(run_folder, tmp_path / "refused.npz")
        path.write_bytes(whole)
    assert not (tmp_path / "refused.npz").exists()
    flip(run_folder / LAST / "__0_0.distcp")
    assert export_run(run_folder, tmp_path / "older.npz", allow_older=True) == 8
    assert export_run(run_folder, tmp_path / "eight.npz", step=8) == 8
    assert (run_folder / LAST).exists(), "a reader renames nothing"


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_checkpoint_is_set_aside_and_written_anew(damage, run_folder, reference, capsys):
    shard = run_folder / LAST / "__0_0.distcp"
    if damage == "flipped":
        flip(shard)
    elif damage == "cut":
        shard.write_bytes(shard.read_bytes()[:100])
    else:
        shard.unlink()
    left = sorted(path.name for path in (run_folder / LAST).iterdir())
    train(SMALL, run_folder)
    said = capsys.readouterr().out
    assert f"checkpoint {run_folder / LAST} is damaged: __0_0.distcp" in said
    assert "trying the one before" in said
    assert "is now damaged_step_00000012" in said
    assert same(run_folder, reference)
    assert problems(run_folder / LAST) == []
    assert sorted(p.name for p in (run_folder / "checkpoints/damaged_step_00000012").iterdir()) == left


def test_with_no_whole_checkpoint_left_nothing_is_renamed(run_folder):
    """To begin at step 0 is a decision for a person."""
    for step in (LAST, BEFORE):
        flip(run_folder / step / "__0_0.distcp")
    with pytest.raises(CheckpointError, match="no checkpoint could be read, of step_00000012, step_00000008"):
        train(SMALL, run_folder)
    assert sorted(p.name for p in (run_folder / "checkpoints").iterdir()) == ["step_00000008", "step_00000012"]


def test_a_checkpoint_without_a_manifest_is_read_and_said(run_folder, reference, capsys):
    """What an older version wrote: neither manifest nor recipe."""
    shutil.rmtree(run_folder / LAST)
    for name in ("manifest.json", "recipe.json"):
        (run_folder / BEFORE / name).unlink()
    train(SMALL, run_folder)
    assert "step_00000008 has no manifest: an older version wrote it" in capsys.readouterr().out
    assert same(run_folder, reference)


def test_a_system_that_cannot_flush_folders(run_folder, reference, monkeypatch):
    """Windows: a folder cannot be opened."""
    shutil.rmtree(run_folder / LAST)

    def refuse(path, flags, *rest):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return open_file(path, flags, *rest)

    open_file = os.open
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints.os, "open", refuse)
        train(SMALL, run_folder)
    assert same(run_folder, reference)


# ---- the recipe ------------------------------------------------------------------------------------------------------


def test_a_recipe_that_is_gone_is_restored_from_the_checkpoint(run_folder, reference, capsys):
    shutil.rmtree(run_folder / LAST)
    (run_folder / "recipe.json").unlink()
    with pytest.raises(ValueError, match=r"holds another run.*learning_rate was 0.003, is 0.1"):
        train(replace(SMALL, learning_rate=0.1), run_folder)
    train(SMALL, run_folder)
    assert "recipe.json is gone; it was restored from" in capsys.readouterr().out
    assert same(run_folder, reference)
    assert json.loads((run_folder / "recipe.json").read_text())["recipe"]["learning_rate"] == 0.003


def test_a_recipe_that_was_changed_is_refused(run_folder, tmp_path):
    path = run_folder / "recipe.json"
    written = path.read_text()
    path.write_text(written.replace('"learning_rate": 0.003', '"learning_rate": 0.1'))
    changed = r"written by another run than recipe.json tells: learning_rate was 0.003, is 0.1"
    with pytest.raises(ValueError, match=changed):
        train(replace(SMALL, learning_rate=0.1), run_folder)
    path.write_text(written.replace('"learning_rate": 0.003', '"learning_rate": 0.1'))
    with pytest.raises(ValueError, match=changed):
        export_run(run_folder, tmp_path / "x.npz")
    path.write_text(written[:100])
    with pytest.raises(ValueError, match=r"does not hold the recipe of a run.*remove it, and it is restored"):
        train(SMALL, run_folder)


def test_a_run_stopped_before_its_first_checkpoint_blocks_nothing(reference, tmp_path, capsys):
    """A half-written first checkpoint is none either."""
    out = tmp_path / "run"
    (out / "checkpoints/step_00000004.tmp").mkdir(parents=True)
    record = json.loads((reference / "recipe.json").read_text())
    record["recipe"]["learning_rate"] = 0.1
    (out / "recipe.json").write_text(json.dumps(record))
    (out / "metrics.jsonl").write_text('{"step": 1, "images": 24, "seconds": 0.1, "loss": 9.0}\n')
    train(SMALL, out)
    assert "another run was stopped here before its first checkpoint" in capsys.readouterr().out
    assert same(out, reference)


def test_the_weights_of_a_run_whose_checkpoints_are_gone_are_not_replaced(run_folder):
    shutil.rmtree(run_folder / "checkpoints")
    before = (run_folder / "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match=r"holds the model\.safetensors of a run whose checkpoints are gone"):
        train(SMALL, run_folder)
    assert (run_folder / "model.safetensors").read_bytes() == before


def test_older_weights_in_the_folder_of_a_run_that_went_on_are_refused(run_folder, tmp_path):
    """`vitedu evaluate FOLDER` would else judge step 8 and say nothing."""
    import vitedu

    assert vitedu.load(run_folder).step == 12
    export_run(run_folder, run_folder / "model.safetensors", step=8)
    with pytest.raises(ValueError, match=r"holds the weights of step 8, the last checkpoint is step_00000012"):
        vitedu.load(run_folder)
    assert vitedu.load(run_folder / "model.safetensors").step == 8


# ---- metrics ---------------------------------------------------------------------------------------------------------


def test_damaged_lines_of_the_metrics_are_named_and_left_out(run_folder, reference, capsys):
    path = run_folder / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b"\xff\xfe" + lines[2]
    lines[4] = b"5\n"
    lines[6] = lines[6][:20] + b"\n"
    path.write_bytes(b"".join(lines) + b'{"step": 12, "ima')
    found = read_metrics(path)
    assert [line["step"] for line in found if "loss" in line] == [1, 2, 4, 6, 8, 9, 10, 11, 12]
    said = capsys.readouterr().err
    assert [int(n) for n in re.findall(r"line (\d+) is damaged and left out", said)] == [3, 5, 7]
    shutil.rmtree(run_folder / LAST)
    train(SMALL, run_folder)
    assert losses(run_folder)[-4:].tolist() == losses(reference)[-4:].tolist()


def test_runs_of_the_same_name_get_tables_of_their_own(reference, tmp_path, capsys):
    for name in ("a", "b"):
        shutil.copytree(reference, tmp_path / name / "run")
    assert main(["runs", str(tmp_path / "a/run"), str(tmp_path / "b/run"), "--csv", str(tmp_path / "csv")]) == 0
    assert sorted(path.name for path in (tmp_path / "csv").iterdir()) == ["a-run.csv", "b-run.csv"]
    assert re.search(r"a/run +b/run", capsys.readouterr().out)


def test_runs_are_drawn_under_the_names_of_their_folders(reference):
    """Not left out, as labels with a leading _ are, no formula, and no error where the locale lacks a letter."""
    pictures = set()
    for name in ("_try", "$a^{$", "lauf-\udcc3\udcbc"):
        file = io.BytesIO()
        draw([read_run(reference)._replace(name=name)], file)
        pictures.add(file.getvalue())
    umlaut = io.BytesIO()
    draw([read_run(reference)._replace(name="lauf-ü")], umlaut)
    assert len(pictures) == 3
    assert umlaut.getvalue() in pictures


def test_a_picture_does_not_end_a_run(reference, monkeypatch, capsys):
    """Whatever matplotlib stumbles over: the weights are written, and that is what counts."""

    def stumbles(*args):
        raise TypeError("set_text(): incompatible function arguments")

    monkeypatch.setattr("vitedu.engine.train.draw", stumbles)
    draw_curves(reference)
    assert capsys.readouterr().out == "no picture of the curves: set_text(): incompatible function arguments\n"


def test_half_of_the_bytes(reference, tmp_path, capsys):
    """`vitedu export --half`: the same weights, rounded to float16's 11 bits."""
    half, full = tmp_path / "half.safetensors", tmp_path / "full.safetensors"
    assert main(["export", str(reference), "--out", str(half), "--half"]) == 0
    assert main(["export", str(reference), "--out", str(full)]) == 0
    ours, theirs = load_file(half), load_file(full)
    assert all(ours[key].dtype == torch.float16 for key in theirs)
    assert all(torch.allclose(ours[key].float(), theirs[key], rtol=2**-11, atol=2**-25) for key in theirs)
    with pytest.raises(ValueError, match="dtype='int8' is not allowed; dtype must be one of"):
        export_run(reference, half, "int8")


def test_equal_weights_are_equal_files(reference, tmp_path):
    """`sha256sum` of two files tells whether two runs are the same: four exports, one digest."""
    files = [tmp_path / f"{n}.safetensors" for n in range(4)]
    for file in files:
        export_run(reference, file)
    assert len({file.read_bytes() for file in files}) == 1
    assert load_file(files[0]).keys() == load_file(reference / "model.safetensors").keys()


# ---- the lock --------------------------------------------------------------------------------------------------------


def test_the_second_of_two_starts_is_refused(tmp_path):
    """By name; what the first has half written stays."""
    out = tmp_path / "run"
    with FolderLock(out, ALONE) as held:
        held.take()
        half = out / "checkpoints/step_00000004.tmp"
        half.mkdir(parents=True)
        started = start(SMALL, out, world=2)
        for process in started:
            process.join(PATIENCE)
        assert [process.exitcode for process in started] == [1, 1]
        assert f"is in use by process {os.getpid()} on {os.uname().nodename}, since" in Path(f"{out}.log").read_text()
        assert half.exists()
    assert not (out / "run.lock").exists()


def take_a_lock(folder, gate, answers):
    """In a process of its own: take the lock when the gate opens, and keep it."""
    with FolderLock(folder, ALONE) as held:
        gate.wait()
        try:
            held.take()
            answers.put(True)
        except LockedError:
            answers.put(False)
        gate.wait()


def test_of_many_that_find_a_stale_lock_one_takes_it(tmp_path):
    """Six at once, and it was left by a process of this machine that is gone."""
    stale = lock._this_process() | {"process": 2**22 - 1, "token": "old"}
    (tmp_path / "run.lock").write_text(json.dumps(stale))
    gate, answers = _CONTEXT.Barrier(6), _CONTEXT.Queue()
    started = [_CONTEXT.Process(target=take_a_lock, args=(tmp_path, gate, answers), daemon=True) for _ in range(6)]
    for process in started:
        process.start()
    assert sorted(answers.get(timeout=PATIENCE) for _ in started) == [False] * 5 + [True]
    for process in started:
        process.join()
    assert list(tmp_path.iterdir()) == []


def test_which_locks_are_stale():
    """On this machine the process tells, elsewhere the time since it was last touched."""
    here = lock._this_process()
    assert not lock.is_stale(here, age=1e6)
    assert lock.is_stale(here | {"process": 2**22 - 1}, age=0)
    if here["ticks"]:
        assert lock.is_stale(here | {"ticks": "1"}, age=0), "its number belongs to another process by now"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ticks = lock._ticks(child.pid)
    child.stdin.close()
    end = time.monotonic() + PATIENCE
    while lock._ticks(child.pid) and time.monotonic() < end:  # ended, and nobody has asked: a zombie
        time.sleep(0.01)
    if here["ticks"]:
        assert lock.is_stale(here | {"process": child.pid, "ticks": ticks}, age=0)
    child.wait()
    for elsewhere in (here | {"host": "node7"}, here | {"boot": "x"}, here | {"namespace": "pid:[1]"}, {}):
        assert not lock.is_stale(elsewhere, age=lock.STALE - 1)
        assert lock.is_stale(elsewhere, age=lock.STALE + 1)


def test_a_lock_of_another_machine(tmp_path, monkeypatch, capsys):
    """Still: waited for, and taken over.  Touched meanwhile: refused."""
    path = tmp_path / "run.lock"
    path.write_text(json.dumps(lock._this_process() | {"host": "node7", "token": "old"}))
    monkeypatch.setattr(lock, "STALE", 1.5)
    with FolderLock(tmp_path, ALONE) as held:
        held.take()
    said = capsys.readouterr().out
    assert "on node7" in said
    assert "waiting to see whether it is still at work" in said
    assert "which is gone; it is taken over" in said

    path.write_text(json.dumps(lock._this_process() | {"host": "node7", "token": "alive"}))
    monkeypatch.setattr(lock, "STALE", 60.0)
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: os.utime(path))  # its owner's beat
    with pytest.raises(LockedError, match=r"in use by process \d+ on node7"), FolderLock(tmp_path, ALONE) as held:
        held.take()


def test_who_has_lost_its_folder_writes_nothing_more(run_folder, monkeypatch):
    """A process that was still for minutes (a laptop asleep) finds another's lock at its next beat."""
    monkeypatch.setattr(lock, "BEAT", 0.01)
    with FolderLock(run_folder, ALONE) as held:
        held.take()
        other = lock._this_process() | {"host": "node7", "token": "other"}
        (run_folder / "run.lock").write_text(json.dumps(other))
        end = time.monotonic() + PATIENCE
        while not held.lost and time.monotonic() < end:
            time.sleep(0.01)
        with pytest.raises(LockedError, match=r"taken over by process .* on node7"):
            held.check()
        shutil.rmtree(run_folder / LAST)
        with pytest.raises(LockedError, match="taken over by"):
            train(SMALL, run_folder)
        assert not (run_folder / LAST).exists()
    assert json.loads((run_folder / "run.lock").read_text())["token"] == "other", "another's lock is left alone"
