"""Small files for the tests of this folder: pictures, tables, members of tar files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np


def picture(value: int = 0, kind: str = "PNG", size=(80, 70)) -> bytes:
    """An image file of one colour, too large to be decoded beforehand."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", size, (value % 256, 50, 99)).save(file, kind)
    return file.getvalue()


def put(path, data: bytes | None = None, value: int = 0) -> None:
    """A file, by default a picture, with the folders that it needs."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(value) if data is None else data)


def add(tar, name: str, data: bytes) -> None:
    """A member of a tar file."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def write_table(path, images, labels, names=None) -> None:
    """A parquet file as on the hub.  images: bytes, or {"bytes": ..., "path": ...}; labels: numbers, or texts."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import ClassLabel, Features, Image, Value

    kind = "string" if any(isinstance(label, str) for label in labels) else "int64"
    label = ClassLabel(names=list(names)) if names else Value(kind)
    column = [image if isinstance(image, dict) else {"bytes": image, "path": None} for image in images]
    schema = Features({"image": Image(), "label": label}).arrow_schema
    pq.write_table(pa.table({"image": column, "label": labels}, schema), path)


def labels_of(source) -> list[int]:
    return [sample.label for sample in source.read(np.arange(len(source)))]
