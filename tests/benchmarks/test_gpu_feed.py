"""benchmarks/gpu_parts/feed.py in small: real photographs or made ones, through worker processes."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"gpu_part_{name}", ROOT / "benchmarks" / "gpu_parts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


feed = load("feed")


def test_all_rows_in_small(monkeypatch):
    monkeypatch.delenv("VITEDU_IMAGENET_SAMPLE", raising=False)
    monkeypatch.delenv("VITEDU_GPU_OUT", raising=False)
    written = []
    feed.run(device="cpu", seconds=4.0, small=True, data=None, write=lambda result: written.append(json.dumps(result)))
    result = json.loads(written[-1])
    assert len(written) >= 4  # after each row
    cores, one = (result["rows"][name] for name in ("all cores", "one core, no workers"))
    assert cores["workers"] == result["cores"]
    assert cores["per_core"] * result["cores"] == pytest.approx(cores["images_per_second"])
    assert one["images"] % 16 == 0
    assert result["ratio"] == pytest.approx(cores["images_per_second"] / result["training"]["images_per_second"])
    text = feed.table(result)
    assert f"| all cores | {cores['images_per_second']:.0f} |" in text
    assert "made-up photographs" in text
    assert feed.table(json.loads(written[0])).count("\n| ") == 1  # the head alone


def test_made_photographs_are_of_imagenet_s_size():
    files, _ = feed.make_photographs(6)
    assert len(files) == 6
    assert all(Image.open(io.BytesIO(data)).size == (500, 375) for data in files)
    assert 50_000 < np.median([len(data) for data in files]) < 200_000  # ImageNet: 107 kB


def test_the_sample_is_read_where_it_is(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    files, _ = feed.make_photographs(3)
    rows = [{"bytes": data, "path": None} for data in [*files, b"\x89PNG not a JPEG"]]
    pq.write_table(pa.table({"image": rows, "label": [0, 1, 2, 3]}), tmp_path / "train-0.parquet")
    found, what = feed.find_photographs(str(tmp_path), 200)
    assert found == files
    assert what == "3 photographs of ImageNet"


@pytest.mark.parametrize(
    "results",
    [
        {"rows": [{"model": "ViT-S/16", "what": "training, ours", "images_per_second": 3000.0},
                  {"model": "ViT-S/16", "what": "training, timm", "images_per_second": 9000.0},
                  {"model": "ViT-B/16", "what": "training, ours", "images_per_second": 8000.0}]},
        {"vit_s16": {"vitedu": {"bf16 compiled": {"images/s": 3000.0}}, "timm": {"images/s": 9000}}},
        {"models": {"vit_s16": {"forward": {"images_per_s": 9000.0}, "step": {"images_per_s": 3000.0, "size": 224}}}},
    ],
)  # fmt: skip
def test_the_speed_of_training_is_found_whatever_the_names(tmp_path, results):
    """The step of our ViT-S/16, not its forward, not another model's, not another library's."""
    (tmp_path / "fast.json").write_text(json.dumps(results))
    assert feed.training_speed(str(tmp_path))[0] == 3000.0


@pytest.mark.parametrize("text", ["{}", "{", '{"vit_s16": {"ms": 3}}'])
def test_no_speed_is_found_where_there_is_none(tmp_path, text):
    (tmp_path / "fast.json").write_text(text)
    assert feed.training_speed(str(tmp_path)) is None
    assert feed.training_speed(None) is None
    assert feed.training_speed(str(tmp_path / "nowhere")) is None
