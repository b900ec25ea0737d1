"""The part "cifar10" of the GPU kit, in small on a CPU: what it writes, and that a seed begins from nothing."""

from __future__ import annotations

import io
import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vitedu import from_pretrained

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def cifar10(monkeypatch):
    """The part, imported as the kit does."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from gpu_parts import cifar10

    return cifar10


def test_the_whole_part(cifar10, tmp_path, monkeypatch):
    monkeypatch.setenv("VITEDU_GPU_OUT", str(tmp_path))
    written = []
    cifar10.run(device="cpu", seconds=6, small=True, data=None, write=lambda r: written.append(json.dumps(r)))
    assert len(written) > 5
    for so_far in written:  # a run may be cut off after any of them
        assert cifar10.table(json.loads(so_far)).startswith("CIFAR-10 from scratch, plain ViT, on CPU")
    result = json.loads(written[-1])
    assert result["data"].startswith("synthetic")
    assert len(result["pilots"]) == len(cifar10.PILOTS)
    best = max(result["pilots"], key=lambda pilot: pilot["held_out"])
    assert result["chosen"] == {name: best[name] for name in ("optimizer", "lr")}
    finished = [entry for entry in result["seeds"] if "accuracy" in entry]
    assert finished[0]["seed"] == 0
    assert f"| 0 | {finished[0]['epochs']:.0f}" in cifar10.table(result)
    exported = tmp_path / result["export"]["file"]
    assert exported.stat().st_size == result["export"]["bytes"]
    assert from_pretrained(exported).config == cifar10.SMALL
    assert result["export"]["accuracy"] == pytest.approx(max(e["accuracy"] for e in finished), abs=0.02)  # float16


def whole(cifar10, size=64):
    (images, labels), *_ = cifar10.read_data(None, small=True)
    loader = cifar10.Resident(
        images[:size], labels[:size], num_classes=10, seed=0, batch_size=16, augmentation=cifar10.Augmentation()
    )
    return cifar10.Whole(cifar10.SMALL, loader, torch.device("cpu"), None, compiled=False)


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_a_seed_begins_from_nothing(cifar10, kind):
    """After another seed's training, the losses of seed 0 are those of a new start, to the bit."""
    trainer = whole(cifar10).trainer(kind)
    trainer.train(1, 1e-3)  # until then the optimiser has no state to be set back
    losses = trainer._losses()
    trainer.reset(3)
    trainer.train(5, 1e-2)
    assert trainer._losses() == losses
    assert whole(cifar10).trainer(kind)._losses() == losses
    assert losses[0] == pytest.approx(np.log(10), abs=1e-5)  # a new head has no opinion
    assert len(set(losses)) == 4


def test_stochastic_depth_is_drawn_by_position(cifar10):
    w = whole(cifar10)
    _, _, masks = w._inputs(w.loader.ids(0)[0], torch.tensor(0), torch.tensor(0), torch.tensor(1.0))
    assert masks.shape == (2, 16, 1, 1) == w.masks.shape
    rates = [0.1, 0.1]  # of the second block's two branches; the first block, at rate 0, drops nothing
    assert w.rates.tolist() == pytest.approx(rates)
    for mask, rate in zip(masks, rates, strict=True):
        assert mask[mask != 0].numpy() == pytest.approx(1 / (1 - rate))
    many = torch.cat([
        w._inputs(w.loader.ids(0)[0], torch.tensor(16 * s), torch.tensor(0), torch.tensor(1.0))[2] for s in range(200)
    ], dim=1)  # fmt: skip
    assert many.min() == 0
    assert float(many.mean()) == pytest.approx(1, abs=0.02)  # 6400 draws: standard error 0.004


def test_a_step_stays_on_its_device_and_waits_for_nothing(cifar10, monkeypatch):
    """The device "meta" computes no values: tensors of another device, or reading a value, would raise there.

    Fused Adam and autocast do not know that device; they are left out.
    """
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(cifar10, "Adam", lambda *_, **__: SimpleNamespace(param_groups=[], step=lambda: None))
    monkeypatch.setattr("vitedu.training.muon.Adam", cifar10.Adam)
    w = whole(cifar10)
    loader = w.loader
    loader.images, loader.labels = loader.images.to("meta"), loader.labels.to("meta")
    loader.device = torch.device("meta")
    loader.start(0)
    w = cifar10.Whole(cifar10.SMALL, loader, loader.device, None, compiled=False)
    for kind in ("adam", "muon"):
        trainer = w.trainer(kind)
        trainer.ids.copy_(loader.ids(0, 3)[1])
        trainer.work()
        trainer.work()
        assert trainer.loss.device.type == "meta"


def test_training_stops_at_its_deadline(cifar10):
    trainer = whole(cifar10).trainer("adam")
    assert trainer.train(40, 1e-3, deadline=0.0, every=5) == 5


def test_losses_are_means_since_the_last_report(cifar10):
    trainer = whole(cifar10).trainer("adam")
    trainer.train(1, 1e-3)
    reports = []
    trainer.reset(0)
    trainer.train(4, 1e-3, report=lambda step, loss: reports.append((step, loss)), every=3, warm_up=False)
    losses = trainer._losses()
    assert [step for step, _ in reports] == [3, 4]
    assert [loss for _, loss in reports] == pytest.approx([np.mean(losses[:3]), losses[3]], rel=1e-6)


def test_parquet_is_read(cifar10, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)

    def png(image):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        return {"bytes": buffer.getvalue(), "path": None}

    for split in ("train", "test"):
        rows = pa.table({"img": [png(image) for image in pixels], "label": [3, 1, 4, 1, 5]})
        pq.write_table(rows, tmp_path / f"{split}-00000-of-00001.parquet")
    (images, labels), _, what = cifar10.read_data(str(tmp_path), small=False)
    assert np.array_equal(images, pixels.transpose(0, 3, 1, 2))
    assert labels.tolist() == [3, 1, 4, 1, 5]
    assert what == "CIFAR-10: 5 training and 5 test images"
    with pytest.raises(FileNotFoundError, match="holds no train"):
        cifar10.read_data(str(tmp_path / "nowhere"), small=False)
