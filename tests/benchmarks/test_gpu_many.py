"""The part "many" of the GPU kit, in small on a CPU."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

PART = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu_parts" / "many.py"


@pytest.fixture(scope="module")
def many():
    spec = importlib.util.spec_from_file_location("gpu_part_many", PART)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_whole_part(many):
    written = []
    many.run(device="cpu", seconds=3, small=True, data=None, write=lambda r: written.append(json.dumps(r)))
    for so_far in written:
        assert many.table(json.loads(so_far)).startswith("2 small ViTs at once on CPU")
    result = json.loads(written[-1])
    assert result["finished"]
    assert result["notes"] == []
    assert [case["name"] for case in result["cases"]] == ["digits", "cifar10"]
    for case in result["cases"]:
        # float32, five steps: sums in another order, and Adam's root makes little of it more.
        assert case["loss_difference"] < 1e-4
        assert set(case["variants"]) == {"one after another", "stacked"}
        assert case["variants"]["one after another"]["ratio"] == 1
        assert case["variants"]["stacked"]["rounds"] >= 3


def test_a_way_that_fails_is_a_note(many, monkeypatch):
    """Stacking may fail where a device or a version cannot do it; the other way is measured all the same."""
    monkeypatch.setattr(many.Stacked, "step", lambda self, images, targets: 1 / 0)
    monkeypatch.setattr(many, "difference", lambda *arguments: 0.0)
    written = []
    many.run(device="cpu", seconds=1, small=True, data=None, write=written.append)
    assert written[-1]["notes"][0] == "digits, stacked: ZeroDivisionError: division by zero"
    assert set(written[-1]["cases"][0]["variants"]) == {"one after another"}
