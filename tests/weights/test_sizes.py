"""A file's claims about its size are checked before anything of that size is made."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import vitedu_numpy
from vitedu import BiTConfig, EfficientNetConfig, ViTConfig, from_pretrained
from vitedu.models import build
from vitedu.weights import save_safetensors
from vitedu_numpy.limits import LIMITS, limit

VIT = ViTConfig(8, 4, 12, 2, 3, 5, num_classes=7)
BIT = BiTConfig((1, 1), num_classes=7, base_width=8, groups=4)
EFFICIENT = EfficientNetConfig(num_classes=7, stages=((1, 3, 1, 1, 8),), top_width=8, stem_width=8)


def claiming(path, config, **changes):
    """A file of a model whose settings say something else."""
    save_safetensors(build(config, 0), path)
    with safe_open(path, "np") as file:
        texts = file.metadata()
    texts["vitedu/config"] = json.dumps(json.loads(texts["vitedu/config"]) | changes)
    save_file(load_file(path), path, texts)
    return path


@pytest.mark.parametrize(
    ("config", "changes", "text"),
    [
        (VIT, {"depth": 10**7}, "its settings are of 10,000,000 blocks; it has 32 arrays in all"),
        (VIT, {"width": 3 * 2**20}, r"'patch_embedding.weight' has shape \(12, 48\); by its settings \(3145728, 48\)"),
        (VIT, {"mlp_dim": 10**15}, "mlp_dim=1000000000000000 is not allowed"),
        (VIT, {"num_classes": 10**12}, "num_classes=1000000000000 is not allowed"),
        (VIT, {"image_size": 10**6}, "for images of 1000000 x 1000000 pixels; more than VITEDU_MAX_PIXELS=67,108,864"),
        (VIT, {"image_size": 8000, "position_embedding": "sincos2d"}, "fixed positions would .* VITEDU_MAX_UNPACKED"),
        (BIT, {"blocks": [10**7, 1]}, "its settings are of 10,000,001 blocks"),
        (BIT, {"width_factor": 10**9}, "no model of its settings can be built"),
        (EFFICIENT, {"depth_multiplier": 1e9}, "its settings are of 1,000,000,000 blocks"),
    ],
)  # fmt: skip
def test_settings_that_claim_more_than_the_arrays(config, changes, text, tmp_path):
    """Each of these would hang, or ask for terabytes."""
    path = claiming(tmp_path / "x.safetensors", config, **changes)
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(ValueError, match=rf"x\.safetensors.*{text}"):
        from_pretrained(path)
    assert time.monotonic() - began < 20  # well under a second; cores may be shared
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize("config", [VIT, replace(VIT, position_embedding="sincos2d"), BIT, EFFICIENT])
def test_honest_settings(config, tmp_path):
    assert from_pretrained(claiming(tmp_path / "x.safetensors", config)).config == config


def npz(path, dtype="<f4", shape=(3,), content=bytes(12), count=1):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(count):
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
            archive.writestr(f"embedding/kernel{k or ''}.npy", header.getvalue() + content)
    return path


@pytest.mark.parametrize("open_file", [from_pretrained, vitedu_numpy.from_npz])
def test_an_archive_that_unpacks_to_far_more_than_it_is(open_file, tmp_path, monkeypatch):
    """300 kB that would be 300 MB; the arrays are not touched.  Whoever means it raises the limit."""
    path = npz(tmp_path / "x.npz", shape=(75_000_000,), content=bytes(300_000_000))
    assert path.stat().st_size < 400_000
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"bytes would unpack to 300,\d{3},\d{3}; more than VITEDU_MAX_UNPACKED="):
        open_file(path)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    monkeypatch.setenv("VITEDU_MAX_UNPACKED", "400_000_000")
    with pytest.raises(ValueError, match=r"embedding/kernel' has shape \(75000000,\)"):
        open_file(path)


@pytest.mark.parametrize("open_file", [from_pretrained, vitedu_numpy.from_npz])
def test_headers_that_lie(open_file, tmp_path):
    with pytest.raises(ValueError, match=r"claims to be float32 \(1000000000000,\), but has 12 bytes"):
        open_file(npz(tmp_path / "x.npz", shape=(10**12,)))
    with pytest.raises(ValueError, match="claims to be float32"):
        open_file(npz(tmp_path / "y.npz", shape=(2,)))


def test_as_many_arrays_as_no_model_has(tmp_path, monkeypatch):
    monkeypatch.setenv("VITEDU_MAX_KEYS", "10")
    with pytest.raises(ValueError, match="has 11 arrays; more than VITEDU_MAX_KEYS=10 is not read"):
        from_pretrained(npz(tmp_path / "x.npz", count=11))
    save_file({str(k): np.ones(1) for k in range(11)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="has 11 arrays; more than VITEDU_MAX_KEYS=10 is not read"):
        from_pretrained(tmp_path / "x.safetensors")


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", ""])
def test_a_limit_that_is_none(value, monkeypatch):
    monkeypatch.setenv("VITEDU_MAX_PIXELS", value)
    with pytest.raises(ValueError, match=r"VITEDU_MAX_PIXELS=.* is not allowed; the environment variable"):
        limit("VITEDU_MAX_PIXELS")


def test_every_limit_can_be_raised(monkeypatch):
    for name, (value, _) in LIMITS.items():
        assert limit(name) == value
        monkeypatch.setenv(name, str(10 * value))
        assert limit(name) == 10 * value
