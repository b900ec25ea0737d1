"""Reading files that may be broken or hostile, and writing whole ones.  Taught in notebooks/13_weights.ipynb.

An .npz file is a zip archive of arrays.  Reading one must not run what is in it (`allow_pickle=False`), must not unpack
a megabyte to gigabytes, and must say what is wrong with it; writing one must never leave half a file under the name of
a whole one.  The same text stands in both packages.
"""

from __future__ import annotations

import os
import zipfile
from contextlib import contextmanager
from math import prod

import numpy as np

from ..contract import checked
from ..limits import check_limit
from .about import TEXTS
from .first_bytes import refuse_pointer, what_it_is
from .official import weights_prefix
from .wrappers import unwrapped

__all__ = [
    "check_finite",
    "pickle_refused",
    "read_npz",
    "read_texts",
    "replacing",
]


# Where trainers keep the weights in a checkpoint: the first that is there is taken.
_WITHIN = ("state_dict", "model", "model_ema", "state_dict_ema", "teacher")


@checked
def read_npz(path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by key; of a training checkpoint only the weights.  Nothing in it is ever executed.

    Raises OSError where the file cannot be opened, ValueError that names file and key where it is no .npz file, is cut
    off, or holds anything but finite real numbers.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:  # a missing file, a folder: Python says it well
        arrays, keys = {}, _checked_keys(file, path)
        with _naming(path):
            members = np.load(file, allow_pickle=False)
        for key in keys:
            with _naming(f"{path}: key {key!r}"):
                arrays[key] = _numbers(members[key], is_text=key in TEXTS)
    return unwrapped(arrays, path)


@checked
def read_texts(path) -> dict[str, str]:
    """The texts of an .npz file (`about.TEXTS`), without its numbers.  Errors as in `read_npz`."""
    path = os.fspath(path)
    with open(path, "rb") as file:
        keys = _checked_keys(file, path)
        with _naming(path):
            members = np.load(file, allow_pickle=False)
            return {key: str(members[key]) for key in TEXTS if key in keys}


def _checked_keys(file, path) -> list[str]:
    """The keys of the weights, after a look at how much they claim to be: nothing is unpacked but headers."""
    refuse_pointer(path)
    if not zipfile.is_zipfile(file):
        found = f"{path} is not an .npz file, or was cut off; expected what `np.savez` writes"
        raise ValueError(f"{found}{what_it_is(path)}")
    with _naming(path):
        archive = zipfile.ZipFile(file)
        members = archive.infolist()
    if any(member.filename.endswith("data.pkl") for member in members):
        raise ValueError(pickle_refused(path))
    with _naming(path):
        check_limit("VITEDU_MAX_KEYS", len(members), f"it has {len(members):,} arrays")
        keys = {member.filename.removesuffix(".npy"): member for member in members}
        if len(keys) < len(members):
            raise ValueError("two of its arrays have the same name")
        prefix = weights_prefix(keys)
        keys = {key: member for key, member in keys.items() if key.startswith(prefix)}
        size, total = os.path.getsize(path), sum(member.file_size for member in keys.values())
        if total > 8 * size:  # trained weights hardly get smaller
            check_limit("VITEDU_MAX_UNPACKED", total, f"its {size:,} bytes would unpack to {total:,}")
        for key, member in keys.items():
            with _naming(f"key {key!r}"):
                if key in TEXTS:
                    check_limit("VITEDU_MAX_TEXT", member.file_size, f"it has {member.file_size:,} bytes of text")
                _check_header(archive, member)
    file.seek(0)
    return list(keys)


def _check_header(archive, member) -> None:
    """Refuse an array whose header claims another size than the archive has for it."""
    with archive.open(member) as file:
        if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
            raise ValueError("it is not an array; expected one")
        file.seek(0)
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"it is of version {version} of NumPy's format; expected (1, 0) or (2, 0)")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise ValueError("it holds Python objects, which can run anything; none are read (allow_pickle=False)")
        if prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(f"it claims to be {dtype} {shape}, but has {member.file_size - file.tell():,} bytes")


def pickle_refused(path) -> str:
    """Why a file of pickles is not read, and how to make one of numbers alone, in one line."""
    path = os.fspath(path)
    new = os.path.splitext(path)[0] + ".safetensors"
    new = new if new != path else f"{path}.new.safetensors"
    return (
        f"{path} is a pickle, which can run anything while it is read; expected .npz or .safetensors.  To convert it: "
        f'python -c "import argparse, torch, safetensors.torch as st; '
        f"torch.serialization.add_safe_globals([argparse.Namespace]); "
        f"s = torch.load({path!r}, map_location='cpu', weights_only=True); "
        f"s = next((s[k] for k in {_WITHIN} if isinstance(s.get(k), dict)), s); "
        f"st.save_file({{k: v.clone().contiguous() for k, v in s.items() if hasattr(v, 'clone')}}, {new!r})\""
    )


def check_finite(arrays) -> None:
    """Raise ValueError that names the first array with NaN or infinity: no reader would take a file of it."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name!r} holds NaN or infinity; expected finite numbers; nothing was written")


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
