"""Which column of a table holds the image, which the label.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from .sample import Sample

__all__ = ["Columns", "Rows", "find_columns", "with_names_of_files"]

# In the order in which they are taken where a table has several.
IMAGES = ("image", "img", "jpg", "jpeg", "png", "webp")
LABELS = ("label", "labels", "fine_label", "cls", "class", "target", "json.label")


class Columns(NamedTuple):
    image: str
    label: str  # "json.label": field `label` of column `json`
    class_names: list[str] | None


def find_columns(features, name: str, image: str | None = None, label: str | None = None) -> Columns:
    """The columns of `datasets.Features`: by type, and by name where the type leaves a choice.

    Raises ValueError that lists the columns when it is not clear which to take.
    """
    images = [column for column, feature in features.items() if _is_image(feature)]
    labels = [column for column, feature in _flat(features) if _is_label(feature)]
    with_names = [c for c in labels if hasattr(features.get(c), "names")]
    image = _choose("image", image, images, IMAGES, [], features, name)
    label = _choose("label", label, labels, LABELS, with_names, features, name)
    return Columns(image, label, list(features[label].names) if label in with_names else None)


def with_names_of_files(columns: Columns, schemas) -> Columns:
    """The columns, with the class names that the files of this split say themselves.     schemas: (file, Arrow schema)

    `datasets` takes the names of a folder from the first file of its first split, and then reads the numbers of every
    other file by them.  Raises ValueError where two files of a split have different lists.
    """
    from datasets import Features

    found = {}  # list of names -> the first file that has it
    different = {(schema.metadata or {}).get(b"huggingface"): (file, schema) for file, schema in schemas}
    for text, (file, schema) in different.items():
        names = getattr(Features.from_arrow_schema(schema).get(columns.label), "names", None) if text else None
        if names:
            found.setdefault(tuple(names), file)
    if len(found) > 1:
        (one, first), (other, second) = list(found.items())[:2]
        place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        raise ValueError(
            f"{first} and {second} number their classes differently: class {place} is {_name(one, place)} in one and "
            f"{_name(other, place)} in the other.  Write both with one list of names"
        )
    return columns._replace(class_names=list(next(iter(found)))) if found else columns


def _name(names, place) -> str:
    return repr(names[place]) if place < len(names) else "nothing"


def _choose(kind, wanted, possible, known, sure, features, name):
    if wanted is not None:
        found = [wanted] if wanted in possible else []
    else:
        found = [c for c in known if c in possible][:1] or (possible if len(possible) == 1 else sure)
    if len(found) == 1 and (kind == "image" or wanted or found[0] in (*known, *sure)):
        return found[0]
    columns = ", ".join(f"{column} ({_kind(feature)})" for column, feature in features.items())
    raise ValueError(
        f"data={name!r} has no column that is clearly the {kind}{f' (asked for: {wanted!r})' if wanted else ''}; its "
        f"columns are {columns}.  Name it with {kind}_column=..."
    )


def _flat(features):
    for column, feature in features.items():
        yield column, feature
        if isinstance(feature, dict):
            yield from ((f"{column}.{field}", inner) for field, inner in feature.items())


def _kind(feature) -> str:
    return getattr(feature, "dtype", None) or type(feature).__name__


def _is_image(feature) -> bool:
    if isinstance(feature, dict):  # an image column whose description was lost
        return set(feature) == {"bytes", "path"}
    return type(feature).__name__ == "Image" or getattr(feature, "dtype", "") in ("binary", "large_binary")


def _is_label(feature) -> bool:
    return type(feature).__name__ == "ClassLabel" or getattr(feature, "dtype", "").startswith(("int", "uint"))


class Rows:
    """rows[i] -> Sample, from an Arrow table or record batch; the bytes are copied when a row is asked for."""

    def __init__(self, table, columns: Columns, name: str):
        import pyarrow as pa

        self.name = name
        images = _whole(table.column(columns.image))
        self.paths = None
        if pa.types.is_struct(images.type):
            kept = [field.name for field in images.type]
            self.paths = images.field("path") if "path" in kept else None
            images = images.field("bytes")
        self.images = images
        column, _, field = columns.label.partition(".")
        labels = _whole(table.column(column))
        labels = labels.field(field) if field else labels
        if labels.null_count:
            raise ValueError(f"{name}: {labels.null_count} rows have no {columns.label}")
        self.labels = labels.to_numpy(zero_copy_only=False).astype(np.int64)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> Sample:
        data = self.images[row].as_py()
        if data is None:
            data = self._from_file(row)
        return Sample(data, int(self.labels[row]), f"{self.name}, row {row}")

    def _from_file(self, row) -> bytes:
        """Some tables name the file of an image instead of holding it.  No file: no bytes, an unreadable image."""
        path = self.paths[row].as_py() if self.paths is not None else None
        if path is None or not os.path.isfile(path):
            return b""
        with open(path, "rb") as f:
            return f.read()


def _whole(column):
    """A column in one piece."""
    if not hasattr(column, "num_chunks"):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
