"""Reading files that may be broken or hostile, and writing whole ones.  Taught in notebooks/13_weights.ipynb.

An .npz file is a zip archive of arrays.  Reading one must not run what is in it (`allow_pickle=False`) and must say
what is wrong with it; writing one must never leave half a file under the name of a whole one.  The same text stands in
both packages.
"""

from __future__ import annotations

import os
import zipfile
from contextlib import contextmanager

import numpy as np

from ..contract import checked
from .about import TEXTS
from .official import weights_prefix

__all__ = ["read_npz", "read_texts", "replacing"]


@checked
def read_npz(path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by key; of a training checkpoint only the weights.  Nothing in it is ever executed.

    Raises OSError where the file cannot be opened, ValueError that names file and key where it is no .npz file, is cut
    off, or holds anything but finite real numbers.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:  # a missing file, a folder: Python says it well
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path} is not an .npz file, or was cut off; expected what `np.savez` writes")
        file.seek(0)
        arrays = {}
        with _naming(path):
            members = np.load(file, allow_pickle=False)
            keys = list(members.files)
        prefix = weights_prefix(keys)
        for key in keys:
            if key.startswith(prefix):
                with _naming(f"{path}: key {key!r}"):
                    arrays[key] = _numbers(members[key], is_text=key in TEXTS)
    return arrays


@checked
def read_texts(path) -> dict[str, str]:
    """The texts of an .npz file (`about.TEXTS`), without its numbers.  Errors as in `read_npz`."""
    path = os.fspath(path)
    with open(path, "rb") as file, _naming(path):
        members = np.load(file, allow_pickle=False)
        return {key: str(members[key]) for key in TEXTS if key in members.files}


@contextmanager
def _naming(where):
    """Whatever a broken file makes the libraries raise becomes a ValueError that says where."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{where} cannot be read: {error}") from error


def _numbers(array, is_text) -> np.ndarray:
    if not isinstance(array, np.ndarray):
        raise ValueError("it is not an array; expected one")
    if is_text and array.dtype.kind == "U":
        return array
    if array.dtype.kind == "V" and array.dtype.itemsize == 2:  # how NumPy stores bfloat16, which it does not know
        array = (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"it has dtype {array.dtype}; expected real numbers")
    if not np.isfinite(array).all():
        raise ValueError("it holds NaN or infinity; expected finite numbers")
    return array


@contextmanager
def replacing(path):
    """A temporary path beside `path`; on leaving, what was written there takes its place at once, or not at all.

    Raises OSError where nothing can be written; what was there before is then still there.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        raise IsADirectoryError(f"path={path!r} is a folder; expected the name of a file")
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # on the disk before it gets its name
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
