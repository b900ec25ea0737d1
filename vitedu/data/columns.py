"""Which column of a table holds the image, which the label.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import logging
import os
from typing import NamedTuple

import numpy as np

from .classes import is_gap, is_list_of_numbers, name_in_form
from .sample import Sample
from .scan import ENDINGS

__all__ = [
    "IMAGES",
    "LABELS",
    "Columns",
    "Rows",
    "columns_of",
    "find_columns",
    "inside",
    "label_column",
    "names_in",
    "number_labels",
    "schema_features",
    "with_names_of_files",
]  # fmt: skip

_log = logging.getLogger(__name__)

# In the order in which they are taken where a table has several.
IMAGES = ("image", "img", *(ending.removeprefix(".") for ending in ENDINGS))
LABELS = ("label", "labels", "fine_label", "cls", "class", "target", "json.label")
BYTES, TEXTS = ("binary", "large_binary", "binary_view"), ("string", "large_string", "string_view")


class Columns(NamedTuple):
    image: str
    label: str  # "json.label": field `label` of column `json`
    class_names: list[str] | None
    is_text: bool = False  # are labels names, not numbers?  Then class_names is known when all of them are


def find_columns(features, name: str, image: str | None = None, label: str | None = None) -> Columns:
    """The columns of `datasets.Features`: by type, and by name where the type leaves a choice.

    Raises ValueError that lists the columns when it is not clear which to take.
    """
    images = [column for column, feature in features.items() if _is_image(feature)]
    labels = [column for column, feature in _flat(features) if _is_label(feature)]
    texts = [column for column, feature in _flat(features) if _is_text(feature)]
    # By their name or by request alone: names of classes, and 3.0 or true, which are numbers of classes, too.
    others = texts + [column for column, feature in _flat(features) if _is_number(feature)]
    labels += [column for column in others if (column in LABELS if label is None else column == label)]
    with_names = [c for c in labels if hasattr(_feature(features, c), "names")]
    image = _choose("image", image, images, IMAGES, [], features, name)
    chosen = _choose("label", label, labels, LABELS, with_names, features, name)
    beside = [column for column in labels if column != chosen and column in (*LABELS, *with_names)]
    if label is None and beside:
        text = "data=%r: labels are those of the column %r; there is %s, too (label_column= chooses)"
        _log.warning(text, name, chosen, ", ".join(map(repr, beside)))
    label = chosen
    return Columns(image, label, list(_feature(features, label).names) if label in with_names else None, label in texts)


def schema_features(schema, file: str):
    """`datasets.Features` of an Arrow schema.  Raises ValueError that names the file where it has none."""
    from datasets import Features

    try:
        return Features.from_arrow_schema(schema)
    except Exception as error:  # types that it does not know, a description of columns that is no JSON
        raise ValueError(f"{file}: its columns are not understood: {type(error).__name__}: {error}") from error


def columns_of(features, name: str, schemas, image=None, label=None) -> Columns:
    """`find_columns`, and the class names that the files say themselves.     schemas: (file, Arrow schema)"""
    return with_names_of_files(find_columns(features, name, image, label), schemas)


def with_names_of_files(columns: Columns, schemas) -> Columns:
    """The columns, with the class names that the files of this split say themselves.     schemas: (file, Arrow schema)

    `datasets` takes the names of a folder from the first file of its first split, and then reads the numbers of every
    other file by them.  Raises ValueError where two files of a split have different lists.
    """
    found = {}  # list of names -> the first file that has it
    different = {(schema.metadata or {}).get(b"huggingface"): (file, schema) for file, schema in schemas}
    for text, (file, schema) in different.items():
        names = getattr(_feature(schema_features(schema, file), columns.label), "names", None) if text else None
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


_EXPECTED = {
    "image": "the bytes of image files, or names of files below a folder that is given (no arrays, no texts in base64)",
    "label": "one whole number or one text for each image (no lists, no bytes)",
}


def _choose(kind, wanted, possible, known, sure, features, name):
    if wanted is not None:
        found = [wanted] if wanted in possible else []
    else:
        found = [c for c in known if c in possible][:1] or (possible if len(possible) == 1 else sure)
    if len(found) == 1 and (kind == "image" or wanted or found[0] in (*known, *sure)):
        return found[0]
    columns = ", ".join(f"{column} ({_kind(feature)})" for column, feature in features.items())
    unfit = wanted or next((c for c in known if c in features and c not in possible), None)
    if unfit is not None and _feature(features, unfit) is not None and unfit not in possible:
        asked = f"{kind}_column={wanted!r} is not allowed: " if wanted else ""
        raise ValueError(
            f"{asked}data={name!r} has the column {unfit!r}, which is of type {_kind(_feature(features, unfit))}; "
            f"expected {_EXPECTED[kind]}; its columns are {columns}"
        )
    raise ValueError(
        f"data={name!r} has no column that is clearly the {kind}{f' (asked for: {wanted!r})' if wanted else ''}; its "
        f"columns are {columns}.  Name it with {kind}_column=... (--data.{kind}-column on the command line)"
    )


def _flat(features):
    for column, feature in features.items():
        yield column, feature
        if isinstance(feature, dict):
            yield from ((f"{column}.{field}", inner) for field, inner in feature.items())


def _feature(features, path: str):
    """What a column is, or a field of one: "json.label"."""
    column, _, field = path.partition(".")
    found = features.get(path, features.get(column))
    return found.get(field) if field and isinstance(found, dict) else found


def _kind(feature) -> str:
    kind = type(feature).__name__
    return kind if kind.startswith("Array") else getattr(feature, "dtype", None) or kind


def _is_image(feature) -> bool:
    if isinstance(feature, dict):  # an image column whose description was lost
        return getattr(feature.get("bytes"), "dtype", "") in BYTES
    return type(feature).__name__ == "Image" or getattr(feature, "dtype", "") in BYTES


def _is_label(feature) -> bool:
    return type(feature).__name__ == "ClassLabel" or getattr(feature, "dtype", "").startswith(("int", "uint"))


def _is_number(feature) -> bool:
    return getattr(feature, "dtype", "").startswith(("float", "bool"))


def _is_text(feature) -> bool:
    return getattr(feature, "dtype", "") in TEXTS


# ---- labels ----------------------------------------------------------------------------------------------------------


def label_column(table, columns: Columns):
    """The labels of an Arrow table or record batch, as one Arrow array."""
    import pyarrow.compute as pc

    column, _, field = columns.label.partition(".")
    values = _whole(table.column(column))
    return pc.struct_field(values, field) if field else values


def names_in(parts) -> list[str]:
    """The sorted names of classes in some Arrow columns of texts, in one Unicode form."""
    found = {text for part in parts for text in part.unique().to_pylist() if text is not None}
    return sorted({*map(name_in_form, found)})


def number_labels(values, columns: Columns, name: str) -> np.ndarray:
    """An Arrow array of labels -> (n,) int64.

    Raises ValueError that names the first row without a label, or with one that is not among the class names.
    """
    import pyarrow.compute as pc

    def row(flags):
        return pc.index(flags, True).as_py()

    if values.null_count:
        first = row(pc.is_null(values))
        raise ValueError(f"{name}: {values.null_count} rows have no {columns.label}, row {first} is the first of them")
    names = columns.class_names
    if columns.is_text:
        encoded = values.dictionary_encode()
        numbers = {text: number for number, text in enumerate(names)}
        texts = [*map(name_in_form, encoded.dictionary.to_pylist())]  # one name may come in two forms
        if empty := [i for i, text in enumerate(texts) if is_gap(text) or is_list_of_numbers(text)]:
            first = row(pc.equal(encoded.indices, empty[0]))
            raise ValueError(
                f"{name}: row {first} has {columns.label} {texts[empty[0]]!r}; expected the name of a class"
            )
        if unknown := [text for text in texts if text not in numbers]:
            raise ValueError(f"{name}: {columns.label} is {unknown[0]!r} somewhere, which is not among its classes")
        return np.array([numbers[text] for text in texts], np.int64)[encoded.indices.to_numpy(zero_copy_only=False)]
    labels = values.to_numpy(zero_copy_only=False)
    if labels.dtype.kind == "f" and len(broken := np.flatnonzero(labels != np.round(labels))):
        first = int(broken[0])
        raise ValueError(f"{name}: row {first} has {columns.label} {labels[first]}; expected whole numbers, or names")
    if len(labels) and labels.dtype.kind in "iuf" and labels.max() >= 2**31:
        first = int(np.argmax(labels))
        raise ValueError(f"{name}: row {first} has {columns.label} {labels[first]}, which numbers no class")
    if labels.dtype.kind not in "iufb":
        raise ValueError(f"{name}: {columns.label} is of type {values.type}; expected whole numbers, or names")
    if len(labels) and labels.min() < 0 <= labels.max():
        first = int(np.argmax(labels < 0))
        raise ValueError(f"{name}: row {first} has {columns.label} {labels[first]}, which is no class; others have one")
    if names is not None and len(labels) and labels.max() >= len(names):
        first = int(np.argmax(labels >= len(names)))
        raise ValueError(
            f"{name}: row {first} has {columns.label} {labels[first]}, but there are {len(names)} class names, for "
            f"0 ... {len(names) - 1}"
        )
    return labels.astype(np.int64)


# ---- rows ------------------------------------------------------------------------------------------------------------


class Rows:
    """rows[i] -> Sample, from an Arrow table or record batch; the bytes are copied when a row is asked for.

    folder: where the files lie that a table may name in place of holding them; None: nowhere.
    """

    def __init__(self, table, columns: Columns, name: str, folder: str | None = None):
        import pyarrow as pa
        import pyarrow.compute as pc

        self.name, self.folder = name, folder
        if missing := [c for c in (columns.image, columns.label.partition(".")[0]) if c not in table.schema.names]:
            raise ValueError(f"{name} has no column {missing[0]!r}; its columns are {', '.join(table.schema.names)}")
        images = _whole(table.column(columns.image))
        self.paths = None
        if pa.types.is_struct(images.type):
            kept = [field.name for field in images.type]
            self.paths = pc.struct_field(images, "path") if "path" in kept else None
            images = pc.struct_field(images, "bytes")  # null where the whole image is
        self.images = images
        self.labels = number_labels(label_column(table, columns), columns, name)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> Sample:
        return self.sample(row, f"{self.name}, row {row}")

    def sample(self, row: int, name: str) -> Sample:
        """The image of a row, called `name` in messages."""
        data = self.images[row].as_py()
        if data is None:
            path = self.paths[row].as_py() if self.paths is not None else None
            data, name = _from_file(path, self.folder, name)
        return Sample(data, int(self.labels[row]), name)


def inside(path: str, folder: str | None, name: str) -> str:
    """The path of a file that `name`, e.g. a row of a table, names: below `folder`, links followed.

    Raises ValueError for any other: a table from outside must not choose which files of this machine are read.
    """
    if "\0" in path:
        raise ValueError(f"{name} names the file {path!r}, which is no path")
    if folder is None:
        raise ValueError(
            f"{name} names the file {path!r} in place of holding an image, and no folder belongs to it; "
            f"where images are files, give their folder in place of the table"
        )
    root = os.path.realpath(folder)
    found = os.path.realpath(os.path.join(root, path))
    if found != root and not found.startswith(os.path.join(root, "")):
        raise ValueError(
            f"{name} names the file {path!r}, which is not inside the data set's folder {folder}; refused: "
            f"files are named as seen from there"
        )
    return found


def _from_file(path, folder, name):
    """(bytes, name) of an image that a table does not hold.  No file: no bytes, an unreadable image."""
    if path is None:
        return b"", name
    found = inside(path, folder, name)
    if not os.path.isfile(found):
        return b"", f"{name}: no file {path!r}"
    with open(found, "rb") as f:
        return f.read(), name


def _whole(column):
    """A column in one piece."""
    if not hasattr(column, "num_chunks"):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
