"""What the tests of evaluation share."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))  # `greys`


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
def png():
    """png(level, side=8): the bytes of a grey image."""
    from PIL import Image

    def make(level, side=8):
        encoded = io.BytesIO()
        Image.fromarray(np.full((side, side, 3), level, np.uint8)).save(encoded, "PNG")
        return encoded.getvalue()

    return make


@pytest.fixture
def write_images(png):
    """write_images(folder, {"train/cat/1.png": level, ...}): grey PNG files; returns the folder's path."""

    def write(folder, levels):
        for name, level in levels.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(png(level))
        return str(folder)

    return write


@pytest.fixture
def write_table(png):
    """write_table(file, names, [(class, level), ...]): a parquet table that numbers its classes by its own `names`."""

    def write(file, names, rows):
        import pyarrow as pa
        import pyarrow.parquet as pq
        from datasets import ClassLabel, Features, Image

        schema = Features({"image": Image(), "label": ClassLabel(names=list(names))}).arrow_schema
        column = [{"bytes": png(level), "path": None} for _, level in rows]
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"image": column, "label": [names.index(c) for c, _ in rows]}, schema), file)
        return str(file.parent)

    return write
