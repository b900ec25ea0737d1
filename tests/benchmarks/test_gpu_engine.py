"""benchmarks/gpu_parts/engine.py in small on the CPU: the run that it kills, and what its comparison sees."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[2]


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"gpu_part_{name}", ROOT / "benchmarks" / "gpu_parts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


engine = load("engine")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="what torchrun has started is found in /proc")
@pytest.mark.parametrize("by_command", [True, False], ids=["command line", "without tyro"])
def test_a_killed_run_is_resumed_and_compared(by_command, tmp_path):
    """One way at a time: the run that is killed by the command line, the one it is compared with by the driver."""
    engine.write_images(tmp_path / "images", None, 128, 32)
    settings = {
        "steps": 16, "warmup_steps": 2, "batch_size": 16, "model.width": 24, "model.mlp_dim": 24, "model.depth": 1,
        "model.patch_size": 8, "model.dropout": 0.1, "run.device": "cpu", "run.precision": "float32",
        "run.threads": 1, "run.log_every": 1, "run.checkpoint_every": 4, "run.deterministic": True,
    }  # fmt: skip
    launcher = engine.Launcher(tmp_path, tmp_path / "images", settings, time.monotonic() + 600)
    launcher.by_command = by_command
    if not by_command:
        engine.uninterrupted(launcher, "whole", {})
        assert engine.facts(launcher, "whole")["device"] == "cpu"
        assert engine.compare(tmp_path / "whole", tmp_path / "whole")["bit_equal"]
        return
    found = engine.interrupted(launcher, "killed", {}, kill_at=6)
    assert found["killed_after_step"] >= 6
    assert found["resumed_at_step"] in (4, 8, 12)
    assert [line["step"] for line in engine.metrics(tmp_path / "killed") if "loss" in line] == [*range(1, 17)]
    launcher.close()
    with pytest.raises(engine.NotFinished, match="no time left"):
        launcher.start("late", {})


def folder(path: Path, weights, losses) -> Path:
    path.mkdir()
    save_file(weights, path / "model.safetensors")
    lines = [{"step": i + 1, "loss": loss, "seconds": 0.1 * i} for i, loss in enumerate(losses)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_one_bit_is_seen(tmp_path):
    weights = {"a": np.array([1.0, 2.0], np.float32), "b": np.zeros(3, np.float32)}
    nearly = weights | {"a": np.nextafter(weights["a"], 3)}
    whole = folder(tmp_path / "whole", weights, [2.0, 1.0])
    found = engine.compare(whole, folder(tmp_path / "same", weights, [2.0, 1.0]))
    assert found["bit_equal"]
    assert (found["arrays"], found["lines_of_metrics"]) == (2, 2)
    found = engine.compare(whole, folder(tmp_path / "weights", nearly, [2.0, 1.0]))
    assert (found["arrays_that_differ"], found["metrics_equal"], found["bit_equal"]) == (1, True, False)
    assert 0 < found["largest_difference"] < 1e-6
    found = engine.compare(whole, folder(tmp_path / "loss", weights, [2.0, np.nextafter(1.0, 2)]))
    assert (found["first_step_that_differs"], found["bit_equal"]) == (2, False)
    found = engine.compare(whole, folder(tmp_path / "shorter", weights, [2.0]))
    assert not found["bit_equal"]
    minus = weights | {"b": -weights["b"]}  # -0.0 == 0.0, but not its bits
    assert not engine.compare(whole, folder(tmp_path / "minus", minus, [2.0, 1.0]))["bit_equal"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="descendants are found in /proc")
def test_kill_takes_the_whole_family():
    """A child in a session of its own, as torchrun starts them, does not outlive the kill."""
    child = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '100'], start_new_session=True); print(p.pid)"
    process = subprocess.Popen([sys.executable, "-c", child + "; sys.stdout.flush(); time.sleep(100)"], stdout=-1)
    pid = int(process.stdout.readline())
    assert engine.descendants(process.pid) == [pid]
    engine.kill(process)
    process.stdout.close()
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(60_000):  # until it is gone, or only waits for somebody to ask for its exit code
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    pytest.fail("the grandchild is still alive")


def test_the_table_can_be_made_of_half_a_result():
    """As after a stop in the middle: some rows failed, some were not reached."""
    text = engine.table(
        {
            "gpu": "H100", "nccl": "2.28", "torch": "2.11", "steps": 200, "checkpoint_every": 20, "batch_size": 128,
            "rows": {
                "DDP, float32": {
                    "outcome": "bit-equal", "arrays": 3, "arrays_that_differ": 0, "lines_of_metrics": 4,
                    "metrics_equal": True, "killed_after_step": 50, "resumed_at_step": 40, "nccl_communicators": 1,
                },
                "FSDP2, float32": {"outcome": "killed run: failed with exit code 1: Error: a | b"},
                "DDP, bfloat16, compiled": {"outcome": "not reached"},
            },
        }
    )  # fmt: skip
    assert "| DDP, float32 | bit-equal | 50 | 40 | 0 of 3 | 4, equal | 1 | - |" in text
    assert "a / b" in text  # the error cannot break the table
    assert text.count("| -") >= 8
