"""Small data sets for the tests: crops of scikit-learn's two photographs, in every layout that can be opened."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from vitedu.data.retry import Retry

sys.path.append(str(Path(__file__).parent))  # `probes`, which worker processes must be able to import


@pytest.fixture(autouse=True, scope="session")
def own_caches(tmp_path_factory):
    """Nothing that a test fetches or indexes outlives it."""
    import datasets

    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "datasets")
        patch.setenv("VITEDU_CACHE", str(folder / "vitedu"))
        yield


@pytest.fixture(scope="session")
def photos() -> list[bytes]:
    """24 JPEGs, no two alike, of unequal sizes."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    rng = np.random.default_rng(0)
    found = []
    for i in range(24):
        picture = load_sample_image(("china.jpg", "flower.jpg")[i % 2])
        top, left = rng.integers(0, 200, 2)
        encoded = io.BytesIO()
        Image.fromarray(picture[top : top + 90 + i, left : left + 150 - i]).save(encoded, "JPEG", quality=85)
        found.append(encoded.getvalue())
    return found


@pytest.fixture(scope="session")
def write_shards():
    """write_shards(folder, images, labels, shards=3, rows=5): parquet files as on the hub, `rows` to a row group."""

    def write(folder, images, labels, shards=3, rows=5, split="train", names=("cat", "dog", "fox")):
        import pyarrow as pa
        import pyarrow.parquet as pq
        from datasets import ClassLabel, Features, Image

        schema = Features({"image": Image(), "label": ClassLabel(names=list(names))}).arrow_schema
        os.makedirs(folder, exist_ok=True)
        for k, part in enumerate(np.array_split(np.arange(len(images)), shards)):
            column = [{"bytes": images[i], "path": f"{i}.jpg"} for i in part]
            table = pa.table({"image": column, "label": [int(labels[i]) for i in part]}, schema)
            pq.write_table(table, f"{folder}/{split}-{k:05d}-of-{shards:05d}.parquet", row_group_size=rows)
        return str(folder)

    return write


@pytest.fixture(scope="session")
def parquet_folder(tmp_path_factory, photos, write_shards) -> str:
    """24 photographs of 3 classes in 3 files of row groups of 5 and 3."""
    return write_shards(tmp_path_factory.mktemp("parquet"), photos, np.arange(24) % 3)


@pytest.fixture(scope="session")
def photographs(parquet_folder) -> str:
    """The ImageNet photographs in the folder that VITEDU_IMAGENET_SAMPLE names, else `parquet_folder`."""
    return os.environ.get("VITEDU_IMAGENET_SAMPLE") or parquet_folder


@pytest.fixture
def impatient() -> Retry:
    """Retries that do not wait."""
    return Retry(tries=3, sleep=lambda seconds: None)
