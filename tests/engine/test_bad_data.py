"""Files that are damaged: a few bad images cost nothing but themselves, a bad shard stops the run and is named."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_runs import PATIENCE, SMALL, finish, losses, read_metrics, start, with_run

from vitedu.recipes import DataRecipe

RECIPE = replace(
    with_run(SMALL, checkpoint_every=2),
    model=replace(SMALL.model, channels=3, image_size=16, patch_size=4, num_classes=4),
    data=DataRecipe("", "train", "", crop="inception", eval_resize=None),
    steps=5,
    batch_size=16,
)


def jpeg(rng) -> bytes:
    """Grey steps with a little noise, 24 x 20 pixels."""
    pixels = np.add.outer(8 * np.arange(20), 3 * np.arange(24))[..., None] + rng.integers(0, 40, (20, 24, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Two parquet shards of 40 images; images 7 and 31, one in twenty, are cut off after 60 bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(3)
    images = [jpeg(rng) for _ in range(40)]
    for number in (7, 31):
        images[number] = images[number][:60]
    for shard in range(2):
        part = slice(20 * shard, 20 * shard + 20)
        rows = {"image": [{"bytes": data, "path": None} for data in images[part]], "label": [i % 4 for i in range(20)]}
        pq.write_table(pa.table(rows), tmp_path / f"train-{shard:05d}-of-00002.parquet", row_group_size=5)
    return tmp_path


@pytest.mark.parametrize("streaming", [False, True])
def test_images_that_cannot_be_read_are_skipped_counted_and_named(folder, tmp_path, streaming):
    """80 positions are two epochs of 40 images: each bad image comes twice."""
    out = tmp_path / "runs" / "run"
    recipe = replace(RECIPE, data=replace(RECIPE.data, streaming=streaming, lanes=2, window=2))
    finish(start(recipe, out, data=str(folder)), out)
    assert np.isfinite(losses(out)).all()
    assert read_metrics(out / "metrics.jsonl")[-1]["skipped"] == 4
    said = [line for line in Path(f"{out}.log").read_text(encoding="utf-8").splitlines() if "skipped an image" in line]
    assert len(said) == 4


def test_bad_images_have_no_part_in_the_loss_however_the_batch_is_split(folder, tmp_path):
    """The mean over the valid images of all processes, to float64 rounding."""
    found = []
    for world, micro_batch in ((1, None), (2, 3)):
        out = tmp_path / "runs" / f"{world}"
        finish(start(with_run(RECIPE, micro_batch=micro_batch), out, world, data=str(folder)), out)
        found.append(losses(out))
    np.testing.assert_allclose(*found, rtol=1e-10)


def test_a_shard_that_is_cut_off_stops_the_run_and_is_named(folder, tmp_path):
    shard = folder / "train-00001-of-00002.parquet"
    shard.write_bytes(shard.read_bytes()[:-400])
    out = tmp_path / "runs" / "run"
    recipe = replace(RECIPE, data=replace(RECIPE.data, streaming=True, lanes=2, window=2))
    started = start(recipe, out, data=str(folder))
    started[0].join(PATIENCE)
    assert started[0].exitcode == 1
    assert shard.name in Path(f"{out}.log").read_text(encoding="utf-8")
