"""benchmarks/transfer.py: killed half-way it goes on to the same table, and its means and errors are those it says."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from vitedu import ViT
from vitedu.weights import save_safetensors
from vitedu_numpy.config import ViTConfig

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "transfer.py"
CELLS = 2 * 6 + 3 + 2 * 2  # two seeds of six rows, three searches for a rate, two seeds of two trainings


@pytest.fixture(scope="module")
def transfer():
    spec = importlib.util.spec_from_file_location("transfer", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """The script with a ViT so small that all of it takes seconds."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_safetensors(ViT(ViTConfig(8, 4, 16, 1, 2, 24, num_classes=7), 0), path)
    small = ["--models", path, "--seeds", 2, "--steps", 4, "--precision", "float32"]
    return [str(word) for word in (sys.executable, SCRIPT, *small)]


def test_killed_half_way_it_goes_on_to_the_same_table(words, tmp_path):
    """Two workers, killed when a search is done and others are not, against one that never stopped: equal to the byte.

    The workers end with the one who started them: else the pipe would stay open and `communicate` would wait.
    """
    whole, out = tmp_path / "whole", tmp_path / "out"
    done = subprocess.run([*words, "--out", whole, "--workers", "1"], capture_output=True, text=True, check=True)
    assert f"{CELLS}/{CELLS}" in done.stderr  # the bar
    assert (whole / "transfer.md").read_text(encoding="utf-8") in done.stdout

    run = [*words, "--out", out, "--workers", "2"]
    process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 300
    while not (early := sorted((out / "cells").glob("*rate*"))) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    written = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}
    assert early
    assert len(written) < CELLS
    assert not (out / "transfer.md").exists()

    subprocess.run(run, capture_output=True, check=True)
    for name in ("transfer.md", "transfer.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert (out / "transfer.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert {path: path.stat().st_mtime_ns for path in written} == written  # nothing was computed twice
    assert len(list((out / "cells").glob("*.json"))) == CELLS


def test_other_settings_are_other_cells(transfer, tmp_path):
    """A cell counts only for the weights and settings that it was got with."""
    cells = transfer.Cells(tmp_path, "m.safetensors", {"digest": "a", "rates": (0.1, 0.2)})
    assert cells.read("1 shot", 0) is None
    cells.write("1 shot", 0, 0.5)
    assert cells.read("1 shot", 0)["value"] == 0.5
    assert transfer.Cells(tmp_path, "m.safetensors", {"digest": "a", "rates": (0.1, 0.3)}).read("1 shot", 0) is None
    assert transfer.Cells(tmp_path, "m.safetensors", {"digest": "b", "rates": (0.1, 0.2)}).read("1 shot", 0) is None
    (path,) = (tmp_path / "cells").iterdir()
    path.write_text("{", encoding="utf-8")  # damaged: as if it were not there
    assert cells.read("1 shot", 0) is None


def test_means_errors_and_differences(transfer):
    """By hand: mean of 60, 62, 64 is 62, their deviation 2, the mean's error 2 / sqrt(3) = 1.15; pairs seed by seed."""
    found = {"1 shot": {"a": [60.0, 62.0, 64.0], "b": [50.0, 50.0, 50.0]}}
    found |= {"fine-tuned": {"a": [90.0, 91.0, 95.0], "b": [80.0, 82.0, 84.0]}}
    found |= {"from scratch": {"a": [40.0, 41.0, 45.0], "b": [30.0, 40.0, 50.0]}}
    table = transfer.markdown(found, ["a, fine-tuned: SGD"], 150, "float32")
    assert table.splitlines()[:5] == [
        "| accuracy, % | a | b | a − b |",
        "| --- | --- | --- | --- |",
        "| 1 shot | 62.0 ± 1.2 | 50.0 ± 0.0 | 12.0 ± 1.2 |",
        "| fine-tuned | 92.0 ± 1.5 | 82.0 ± 1.2 | 10.0 ± 0.6 |",  # 10, 9, 11: 1 / sqrt(3)
        "| from scratch | 42.0 ± 1.5 | 40.0 ± 5.8 | 2.0 ± 4.4 |",  # 10, 1, -5: 7.55 / sqrt(3)
    ]
    assert "| fine-tuned − from scratch | 50.0 ± 0.0 | 42.0 ± 4.6 | 8.0 ± 4.6 |" in table
    assert "over 3 seeds" in table
    lines = transfer.as_csv(found).splitlines()
    assert lines[:2] == [
        "row,model,mean,standard_error,seed0,seed1,seed2", "1 shot,a,62.0000,1.1547,60.0000,62.0000,64.0000",
    ]  # fmt: skip
    assert transfer.mean_and_error([3.0]) == (3.0, None)


def test_a_seed_changes_every_row_of_frozen_features(transfer):
    """Other images to learn from: on features that are mostly noise no two seeds give all the same numbers."""
    rng = np.random.default_rng(0)
    labels, truth = np.arange(300) % 10, np.arange(1000) % 10
    means = rng.standard_normal((10, 6))
    x, x_test = (torch.from_numpy(means[k] + 1.5 * rng.standard_normal((len(k), 6))) for k in (labels, truth))
    for row in transfer.FROZEN:
        values = {seed: transfer.frozen_accuracy(row, seed, x, labels, x_test, truth) for seed in (0, 1, 2)}
        assert len(set(values.values())) > 1, row
        assert transfer.frozen_accuracy(row, 0, x, labels, x_test, truth) == values[0], row
