"""Image files whose labels stand in a table beside them: `train.csv`, `metadata.jsonl`.

Taught in notebooks/14_pretraining.ipynb.  A folder `images/` beside such a table is no class.  A table is one that
lists files where it has a column for their paths and one for their labels, by the names below; which split it is of
says its own name (val_labels.csv), its folder (train/metadata.csv), a column `split`, or else the folders in its paths.

Columns may be parted by commas, semicolons or tabs, in UTF-8, or UTF-16 as spreadsheets write it.  A table that lists
images and cannot be used is named, so that nobody takes folders for labels without knowing.
"""

from __future__ import annotations

import contextlib
import csv
import json
import logging
import os
import re

from vitedu_numpy.limits import limit

from .classes import is_gap, is_list_of_numbers, name_in_form
from .columns import LABELS, inside
from .folder import SPLITS, ImageFiles, NoSplit, said_split, split_folders
from .retry import Retry
from .scan import LeftOut, entries, is_folder, is_hidden, is_image, walk

__all__ = ["ListedFiles", "other_tables", "tables_beside"]

_log = logging.getLogger(__name__)

PATHS = ("file_name", "filename", "path", "file", "file_path", "filepath", "image_path", "img_path", "image_file",
         "image_name", "image_id", "image", "img")  # fmt: skip
NAMES = (*LABELS, "class_name", "classname", "category", "label_name")
YES_OR_NO = ("is_train", "is_training", "is_training_image", "train")  # columns that say whether a row is of training
KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
SEPARATORS = ",;\t|"


def tables_beside(folder: str, image: str | None = None, label: str | None = None):
    """([(table, its column of paths, its column of labels)], a line for each table that lists images without labels)

    Of a folder and of the folders of its splits.  image, label: columns that are asked for.  Raises ValueError where a
    table has them not, and for one that lists images but has no line of names at its top.
    """
    places = [folder, *(place for place in split_folders(folder).values() if place != folder)]
    files = [e.path for place in places for e in entries(place) if not is_folder(e) and not is_hidden(e.name)]
    found, unused = [], []
    for file in files:
        if os.path.splitext(file)[1].lower() not in KINDS:
            continue
        columns = _head(file)
        if not columns:  # a table of images, or no table
            continue
        said = {name.strip().lower(): name for name in reversed(columns)}  # "Path", " label"
        path = image if image in columns else next((said[c] for c in PATHS if c in said), None)
        label_column = next((said[c] for c in NAMES if c in said), None) if label is None else label
        if path and label_column in columns:
            if twice := [column for column in (path, label_column) if columns.count(column) > 1]:
                raise ValueError(f"{file} has the column {twice[0]!r} twice; which is meant cannot be told")
            found.append((file, path, label_column))
            continue
        listed = [cell for cell in columns if is_image(cell.strip())]
        if listed and len(columns) > 1 and any(_is_there(cell.strip(), file, folder) for cell in listed):
            raise ValueError(
                f"{file} begins with {', '.join(columns[:3])}, a file in place of the names of columns; write a first "
                f"line such as path,label"
            )
        if path or any(_is_there(cell, file, folder) for cell in _first(file).values()):
            text = "{} lists images, but no column {}; its columns are {} (label_column= names one)"
            missing = f"is called {label!r}" if label else f"of labels that is known ({', '.join(NAMES[:4])}, ...)"
            if path is None:
                text, missing = text.replace("label_column", "image_column"), "of paths that is known"
            unused.append(text.format(file, missing, ", ".join(columns)))
    if label is not None and not found and unused:
        raise ValueError(f"label_column={label!r} is not allowed: {unused[0]}")
    return found, unused


def other_tables(folder: str) -> list[str]:
    """A line for each table beside the images whose columns do not tell that it lists them."""
    tables = [e.path for e in entries(folder) if e.name.lower().endswith(KINDS) and not is_folder(e)]
    text, found = "{} was not taken for a list of images: {}", []
    for file in tables:
        columns = _head(file)
        if len(columns) > 1:
            why = f"its columns are {', '.join(columns)} (image_column= and label_column= name two)"
            found.append(text.format(file, why))
        elif not columns and not file.lower().endswith(".parquet"):
            try:
                next(iter(_rows(file)), None)
            except ValueError as error:
                found.append(text.format(file, error))
    return found


class ListedFiles(ImageFiles):
    """The images that tables list for one split, in their order.     tables: as `tables_beside` gives them

    Labels that are not all whole numbers are names of classes.  class_names: those of the training split, where they
    are known; then labels are taken for names.  Raises ValueError that names table and row for a path that leads out of
    the folder or to no file, or a row without a label.
    """

    def __init__(self, folder: str, split: str, tables, retry: Retry | None = None, class_names=None):
        files, labels, seen, self.left_out = [], [], {}, LeftOut()
        elsewhere = []  # (split, file as the table has it, table) of the rows of other splits
        split = SPLITS.get(split.lower(), split)
        by_folder = {os.path.basename(place): name for name, place in split_folders(folder).items()}
        splits = {table: _split_of(table, folder) for table, *_ in tables}
        # Beside tables of splits, one of all images (trainval.csv, labels.csv) is of none, unless its rows say which.
        default = None if any(splits.values()) else "train"
        for table, path_column, label_column in tables:
            of_table, columns = splits[table], None
            if of_table not in (None, split):
                elsewhere += [(of_table, values.get(path_column), table) for values in _others(table)]
            else:
                for row, values in enumerate(_rows(table), 1):
                    path, label = values.get(path_column), values.get(label_column)
                    if columns is None:
                        columns = _split_columns(values, path_column, label_column)
                        if of_table is None and columns and columns[0] != "split":
                            _log.warning("%s: its column %r says the splits", table, columns[0])
                    of_row = of_table or _split_of_row(values, columns, path, by_folder)
                    of_row = default if of_row is None else of_row
                    if of_row != split:
                        self.left_out.add("rows that say no split", not of_row)
                        elsewhere += [(of_row, path, table)] if of_row else []
                        continue
                    where = f"{table}, row {row}"
                    file, text = _file(path, table, folder, where), _text(label, label_column, where)
                    if file not in seen:
                        seen[file] = text
                        files.append(file)
                        labels.append(text)
                    elif seen[file] == text:
                        self.left_out.add("rows that list an image a second time")
                    else:
                        both = f"{seen[file]!r} and {text!r}"
                        raise ValueError(f"{where} lists {file!r} a second time, with another label: {both}")
        _say_shared(folder, split, seen, elsewhere)
        if not files:
            names = ", ".join(table for table, *_ in tables)
            raise NoSplit(f"data={folder!r} has no split {split!r}: no image of it is listed in {names}", split)
        self.left_out.add("images that are not listed for this split", _require_files(folder, files, tables))
        labels, self.class_names = _whole_numbers(labels, tables), None
        below = [label for label in labels if re.fullmatch(r"-\d+", label)]
        if below and len(below) < len(labels):
            file = files[labels.index(below[0])]
            raise ValueError(f"{tables[0][0]} gives {file!r} the label {below[0]}, which is no class; others have one")
        if class_names is not None or not all(re.fullmatch(r"[+-]?\d{1,18}", label) for label in labels):
            self.class_names = sorted({*labels})
        numbers = {name: number for number, name in enumerate(self.class_names or ())}
        self._begin(folder, files, [numbers[label] if numbers else int(label) for label in labels], retry)


def _others(table) -> list[dict]:
    """The rows of a table of another split, as far as they can be read: whoever asks for that split hears the rest."""
    found = []
    with contextlib.suppress(ValueError, OSError):
        for values in _rows(table):
            found.append(values)
    return found


def _say_shared(folder, split, files, elsewhere) -> None:
    """Say how many images of this split another one lists, too: such a model is judged on what it was trained on."""
    shared = {}
    for other, path, table in elsewhere:
        with contextlib.suppress(ValueError, OSError):
            if (file := _file(path, table, folder, table)) in files:
                shared.setdefault(other, []).append(file)
    for other, found in sorted(shared.items()):
        text = "data=%r: the splits %r and %r share %d images, the first is %s; what is judged on them says little"
        _log.warning(text, folder, split, other, len({*found}), found[0])


def _whole_numbers(labels, tables) -> list[str]:
    """Labels that are all numbers, written as whole ones: 3.0 is what a table with a gap makes of 3.

    Raises ValueError where they are measurements, such as 0.37: each would be a class of its own.
    """
    if not all(re.fullmatch(r"[+-]?\d{1,18}(\.\d*)?([eE][+-]?\d+)?", label) for label in labels):
        return labels
    numbers = [label if label.lstrip("+-").isdigit() else float(label) for label in labels]
    broken = next((number for number in numbers if isinstance(number, float) and not number.is_integer()), None)
    if broken is not None:
        raise ValueError(f"{tables[0][0]} has the label {broken}; expected class numbers or names")
    return [number if isinstance(number, str) else str(int(number)) for number in numbers]


def _head(file) -> list[str]:
    """The names of a table's columns, [] where it holds the images themselves."""
    kind = os.path.splitext(file)[1].lower()
    if kind == ".parquet":
        columns, holds_images = _columns(file)
        return [] if holds_images else columns
    if kind in (".csv", ".tsv"):
        encoding = _encoding(file)
        with open(file, encoding=encoding, errors="replace", newline="") as lines:  # what is broken, its rows will say
            top = _to_names(lines)
        return next(csv.reader([top], delimiter=_separator(top)), [])
    return list(_first(file))


def _first(file) -> dict:
    """The first row of a table; {} where there is none, or another kind of file."""
    from .parquet import first_row

    try:
        return first_row(file) if file.lower().endswith(".parquet") else next(iter(_rows(file)), {})
    except ValueError:
        return {}


def _is_there(cell, table, folder) -> bool:
    """Does a cell name an image that lies below the folder?"""
    if not isinstance(cell, str) or not is_image(cell) or "\0" in cell:
        return False
    cell = cell.replace("\\", "/")
    return any(os.path.isfile(os.path.join(place, cell)) for place in (os.path.dirname(table), folder))


def _encoding(file) -> str:
    with open(file, "rb") as begin:
        return "utf-16" if begin.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _to_names(lines) -> str:
    """The line with the names of the columns; the file is left where it begins.  Before it: remarks, `sep=;`."""
    begin, line = lines.tell(), lines.readline(2**16)
    while line and (not line.strip() or line.startswith("sep=") or (line[0] == "#" and not _has_path(line[1:]))):
        begin, line = lines.tell(), lines.readline(2**16)
    lines.seek(begin)
    return line


def _has_path(line) -> bool:
    return any(name.strip().lower() in PATHS for name in line.split(_separator(line)))


def _separator(line: str) -> str:
    """What parts the names of the columns: of four marks the one that comes most often."""
    return max(SEPARATORS, key=line.count)


def _columns(file) -> tuple[list[str], bool]:
    """(columns of texts and whole numbers, are there others that may hold images?) of a parquet file."""
    import pyarrow as pa

    from .parquet import parquet_schemas

    schema = parquet_schemas([file])[0][1]
    is_plain = lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)  # noqa: E731
    is_deep = lambda kind: pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)  # noqa: E731
    return [f.name for f in schema if is_plain(f.type)], any(is_deep(f.type) for f in schema)


def _rows(file):
    """The rows of a table as dicts.  Raises ValueError that names the file and the row."""
    kind = os.path.splitext(file)[1].lower()
    if kind == ".parquet":
        from .parquet import read_columns

        yield from read_columns(file, _columns(file)[0]).to_pylist()
        return
    number = 0
    with open(file, encoding=_encoding(file), newline="") as lines:
        try:
            if kind in (".csv", ".tsv"):
                for row in csv.DictReader(lines, delimiter=_separator(_to_names(lines))):
                    number += 1
                    if any(row.get(None, ())):  # what is in no column
                        raise ValueError(f"more cells than columns, from {row[None][0]!r} on; put such texts in quotes")
                    yield row
                return
            while line := lines.readline(limit("VITEDU_MAX_TEXT")):
                number += 1
                row = json.loads(line) if line.strip() else None
                if row is not None and not isinstance(row, dict):
                    raise ValueError(f"expected an object, got {line[:40]!r}")
                if row is not None:
                    yield row
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{file}, after row {number}: it is not UTF-8 ({error.reason}); save it as UTF-8"
            ) from error
        except (ValueError, csv.Error, RecursionError) as error:
            raise ValueError(f"{file}, row {number or 1}: {error}") from error


def _split_of(table, folder) -> str | None:
    """The split that a table is of by its own name or its folder; None: it does not say."""
    found = said_split(os.path.splitext(os.path.basename(table))[0])
    if found is not None or os.path.dirname(table) == folder:
        return found
    return said_split(os.path.basename(os.path.dirname(table)))


def _split_of_row(values, columns, path, by_folder) -> str | None:
    """By the column that says splits, else by the first folder of the path; None: neither."""
    for column in columns:
        value = values.get(column)
        if column.strip().lower() in YES_OR_NO and str(value).strip().lower() in ("0", "1", "true", "false"):
            return "train" if str(value).strip().lower() in ("1", "true") else "test"
        if isinstance(value, str):
            return said_split(value) or value.strip()
    first = str(path).replace("\\", "/").removeprefix("./").partition("/")
    return by_folder.get(first[0], SPLITS.get(first[0].lower())) if first[1] else None


def _split_columns(values, *others) -> list[str]:
    """The columns of a row that say its split: by their name, or by a value such as "val"."""
    names = [name for name in values if isinstance(name, str) and name not in others]
    found = [name for name in names if name.strip().lower() in ("split", *YES_OR_NO)]
    return found or [name for name in names if str(values[name]).strip().lower() in SPLITS]


def _file(path, table, folder, where) -> str:
    """The path of an image below the folder; in a table it may begin at the table's own folder."""
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError(f"{where} names no file: {path!r}")
    path, own = path.strip().replace("\\", "/"), os.path.dirname(table)
    below = os.path.normpath(os.path.join(own, path))
    if own != folder and not os.path.exists(below):
        below = os.path.normpath(os.path.join(folder, path))
    if not below.startswith(os.path.join(os.path.normpath(folder), "")):
        below, folder = inside(path, folder, where), os.path.realpath(folder)
    return os.path.relpath(below, folder)


def _text(label, column, where) -> str:
    is_text = isinstance(label, str | int | float) and not isinstance(label, bool)
    if not is_text or is_gap(str(label)) or is_list_of_numbers(str(label)):
        raise ValueError(f"{where} has {column}={label!r}; expected a class number or name")
    return name_in_form(str(label).strip())


def _nearly(file, folder) -> str:
    """Of a listed file that is not there: an image of nearly that name, and how they differ, for the message."""
    if re.match(r"[a-z]{2,}:/", file):
        return ", an address; fetch the images, and list their files"
    name, stem = (_alike(os.path.basename(file)), _alike(os.path.splitext(os.path.basename(file))[0]))
    root = os.path.realpath(folder)
    for _, where, names in walk([root], os.path.dirname(root), LeftOut()):
        where = os.path.relpath(where, os.path.basename(root))
        for there in names:
            if is_image(there) and (_alike(there) == name or _alike(os.path.splitext(there)[0]) in (name, stem)):
                found = os.path.normpath(os.path.join(where, there))
                if _alike(found) == _alike(file):
                    how = "case" if name_in_form(found) != name_in_form(file) else "Unicode form"
                    return f"; there is {found!r}, which differs in {how} alone"
                return f"; there is {found!r}: list images as seen from the table or from {folder}, with their endings"
    return ""


def _alike(name) -> str:
    return name_in_form(name).casefold()


def _require_files(folder, files, tables) -> int:
    """How many images beside the listed ones are not listed; every folder is looked into once.

    Raises ValueError where files are missing, or lead out of the folder.
    """
    places = {}
    for file in files:
        places.setdefault(os.path.dirname(file), {})[file] = True
    missing, others = [], 0
    for place, found in places.items():
        where = os.path.join(folder, place)
        inside(where, folder, tables[0][0])
        here = {e.name: e for e in entries(where)} if os.path.isdir(where) else {}
        for file in found:
            entry = here.get(os.path.basename(file))
            if entry is None:
                missing.append(file)
            elif entry.is_symlink():
                inside(entry.path, folder, tables[0][0])
        others += sum(map(is_image, here)) - sum(is_image(file) for file in found)
    if missing:
        raise ValueError(
            f"{tables[0][0]} lists {len(files)} images, of which {len(missing)} are no files in {folder}; the first is "
            f"{missing[0]!r}{_nearly(missing[0], folder)}"
        )
    return others
