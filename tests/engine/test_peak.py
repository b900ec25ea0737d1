"""mfu in `metrics.jsonl`: its arithmetic by hand, its peak from a data sheet or a stopwatch."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from small_runs import SMALL, read_metrics

from vitedu import ViTConfig
from vitedu.engine import peak
from vitedu.engine.distributed import World
from vitedu.engine.peak import flops_per_image, measure_peak, peak_flops
from vitedu.engine.report import Report
from vitedu.plan.gpus import gpu_named


def test_flops_by_hand():
    """4 patches and the class token; one block, of which the head reads one token."""
    recipe = replace(SMALL, model=ViTConfig(4, 2, 6, 1, 2, 8, num_classes=10, channels=1))
    embedding = 4 * (1 * 2 * 2) * 6
    attention = 5 * 6 * 18 + 2 * (1 * 5 * 6) + 1 * 6 * 6  # qkv of all; scores, weighted mean and output of one
    mlp = 2 * 6 * 8
    assert flops_per_image(recipe) == 6 * (embedding + attention + mlp + 6 * 10)
    # Masked patches read every token.
    assert flops_per_image(replace(recipe, objective="masked_patches")) == 6 * (
        embedding + 5 * 6 * 18 + 2 * (5 * 5 * 6) + 5 * 6 * 6 + 5 * mlp + 6 * 10
    )


def test_mfu_by_hand(tmp_path, monkeypatch):
    """10 updates of 24 images in 2 s are 120 images/s; with 480 at best that is a quarter."""
    now = iter([100.0, 102.0])
    monkeypatch.setattr("vitedu.engine.report.time.perf_counter", lambda: next(now))
    report = Report(tmp_path, World(0, 1, torch.device("cpu")), 20, 0, 24, peak=480.0)
    report.log(10, loss=1.0, learning_rate=1e-3)
    report.close()
    assert read_metrics(tmp_path / "metrics.jsonl")[-1]["mfu"] == 0.25
    assert "MFU 25.0%" in report.bar.postfix


def test_a_run_has_it(reference):
    """On a CPU: more than nothing, and not more than a matrix product alone (and a fifth, for a clock that varies)."""
    found = [line["mfu"] for line in read_metrics(reference / "metrics.jsonl") if "loss" in line]
    assert len(found) == SMALL.steps
    assert all(0 < mfu < 1.2 for mfu in found)
    said = json.loads((reference / "versions.json").read_text())["peak"]
    assert said.endswith("TFLOP/s a process: measured on 1 threads of the CPU with a matrix product")
    assert float(said.split()[0]) > 0


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA H200", "h200"), ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA A100-SXM4-40GB", "a100-40gb"), ("Tesla V100-SXM2-16GB", "v100"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"), ("NVIDIA H100 PCIe", None), ("NVIDIA H100 NVL", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None), ("Tesla T4", None), ("", None),
    ],
)  # fmt: skip
def test_the_driver_s_names(name, known):
    """Slower forms of the same chip are not taken for the ones in the table."""
    assert gpu_named(name) == known


@pytest.mark.parametrize(
    ("name", "precision", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "bf16", (989e12, "data sheet of h100")),
        ("NVIDIA A100-SXM4-80GB", "float32", (19.5e12, "data sheet of a100-80gb")),
        ("NVIDIA H100 80GB HBM3", "float64", (7.0, "measured on NVIDIA H100 80GB HBM3 with a matrix product")),
        ("Tesla V100-SXM2-16GB", "bf16", (7.0, "measured on Tesla V100-SXM2-16GB with a matrix product")),  # float16's
        ("Tesla T4", "float32", (7.0, "measured on Tesla T4 with a matrix product")),
    ],
)
def test_data_sheet_or_stopwatch(monkeypatch, name, precision, expected):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    monkeypatch.setattr(peak, "measure_peak", lambda device, precision: 7.0)
    assert peak_flops(torch.device("cuda", 0), precision) == pytest.approx(expected)


@pytest.mark.parametrize("precision", ["bf16", "float32", "float64"])
def test_a_cpu_is_timed(precision):
    """Between a slow and an impossible processor: 10 MFLOP/s and 1 PFLOP/s."""
    assert 1e7 < measure_peak(torch.device("cpu"), precision, seconds=0.01) < 1e15
