"""Safetensors files: names and numbers, and nothing that runs.  Taught in notebooks/13_weights.ipynb.

Only here, and not in `vitedu_numpy`: the formats of PyTorch libraries.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vitedu_numpy.config import BiTConfig, EfficientNetConfig, HybridConfig, ViTConfig
from vitedu_numpy.extras import naming_extras
from vitedu_numpy.limits import check_limit
from vitedu_numpy.validate import require
from vitedu_numpy.weights.about import about_texts
from vitedu_numpy.weights.files import check_finite, pickle_refused, replacing
from vitedu_numpy.weights.first_bytes import PICKLE, refuse_pointer, what_it_is
from vitedu_numpy.weights.layout import as_array

from ..module import checked

__all__ = [
    "INDEX", "PICKLES", "STORED_DTYPE", "WEIGHTS", "check_index", "parts_of", "read_json", "read_metadata",
    "read_parts", "read_safetensors", "save_safetensors", "settings_in", "weights_in", "write_safetensors",
]  # fmt: skip

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".tar")
OTHERS = (".msgpack", ".h5", ".onnx", ".gguf")  # of other libraries
_CONFIGS = {kind.__name__: kind for kind in (ViTConfig, HybridConfig, BiTConfig, EfficientNetConfig)}


@naming_extras()
@checked
def read_safetensors(path):
    """(arrays by key, metadata) of a safetensors file.

    Raises OSError where the file cannot be opened, ValueError that names file and key where it is no such file, is cut
    off, or holds anything but finite real numbers.
    """
    from safetensors import safe_open

    path = os.fspath(path)
    refuse_pointer(path)  # a missing file, a folder: Python says it well
    try:
        with safe_open(path, framework="pt") as file:
            check_limit("VITEDU_MAX_KEYS", len(file.keys()), f"it has {len(file.keys()):,} arrays")
            arrays, metadata = {key: as_array(file.get_tensor(key)) for key in file.keys()}, file.metadata() or {}
    except Exception as error:  # its own kinds of errors, none of which name the file
        raise _no_safetensors(path, error) from error
    for key, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{path}: key {key!r} (dtype {array.dtype}) must hold finite real numbers")
    return arrays, metadata


def _no_safetensors(path, error) -> ValueError:
    found = what_it_is(path, "safetensors")
    if found.endswith(PICKLE):
        return ValueError(pickle_refused(path))
    return ValueError(f"{path} cannot be read as a safetensors file: {error}{found}")


def weights_in(folder) -> list[str]:
    """The safetensors files of a folder: `model.safetensors`, or the parts that its index names.

    Raises FileNotFoundError that says what is there in their place, ValueError for an index that leads elsewhere.
    """
    folder = os.fspath(folder)
    whole, index = os.path.join(folder, WEIGHTS), os.path.join(folder, INDEX)
    if os.path.exists(whole):
        return [whole]
    if os.path.exists(index):
        return [os.path.join(folder, part) for part in parts_of(index)]
    if os.path.islink(whole):
        raise FileNotFoundError(f"{whole} is a link that leads nowhere, to {os.readlink(whole)}; fetch the file anew")
    others = sorted(name for name in os.listdir(folder) if name.endswith((".safetensors", ".npz", *PICKLES, *OTHERS)))
    if others == ["adapter_model.safetensors"]:
        raise FileNotFoundError(
            f"{folder} holds no {WEIGHTS}, but an adapter (LoRA), which is none; save the model after merging the two "
            f"(merge_and_unload in peft)"
        )
    advice = f"; it holds {', '.join(others[:3])}" if others else ""
    below = sorted(str(found.parent) for depth in ("*", "*/*") for found in Path(folder).glob(f"{depth}/{WEIGHTS}"))
    if below:  # of a trainer that writes checkpoint-500, of a hub's cache
        more = f" (and in {len(below) - 1} more)" if len(below) > 1 else ""
        advice += f"; there is one in {below[0]}{more}: give that folder"
    elif len(others) == 1 and others[0].endswith(OTHERS):
        advice += ", which is not read"
    elif len(others) == 1 and not others[0].endswith(PICKLES):
        advice += ": give the path of that file"
    elif others and others[0].endswith(PICKLES):
        advice += f".  {pickle_refused(os.path.join(folder, others[0]))}"
    raise FileNotFoundError(f"{folder} holds no {WEIGHTS}, nor {INDEX}{advice}")


def parts_of(index) -> list[str]:
    """The names of the files that a `model.safetensors.index.json` names, all beside it.  Errors as in `read_json`."""
    found = read_json(index).get("weight_map")
    is_map = isinstance(found, dict) and found and all(isinstance(name, str) for name in found.values())
    if not is_map or not all(re.fullmatch(r"[\w-][\w.-]*\.safetensors", name) for name in found.values()):
        raise ValueError(f"{os.fspath(index)}: 'weight_map' must give each key the name of a file beside it")
    return sorted({*found.values()})


def check_index(index, arrays) -> None:
    """Raise ValueError for a key that the index of a model in parts names, and that none of its parts has."""
    for key, part in read_json(index)["weight_map"].items():
        if key not in arrays:
            raise ValueError(
                f"{os.fspath(index)} says that {part} has the key {key!r}, which it has not: fetch it anew"
            )


def read_parts(paths):
    """`read_safetensors` of the parts of one model.  Raises ValueError for a key that stands in two of them."""
    arrays, metadata = {}, {}
    for path in paths:
        if not os.path.exists(path) and len(paths) > 1:
            raise FileNotFoundError(f"{path} is not there; the index beside it names it: fetch this part, too")
        more, texts = read_safetensors(path)
        if twice := sorted(arrays.keys() & more.keys()):
            raise ValueError(f"{path}: key {twice[0]!r} stands in another part, too")
        arrays |= more
        metadata |= texts
    return arrays, metadata


@naming_extras()
@checked
def read_metadata(path) -> dict[str, str]:
    """The texts of a safetensors file, without its arrays.  Errors as in `read_safetensors`."""
    from safetensors import safe_open

    path = os.fspath(path)
    refuse_pointer(path)
    try:
        with safe_open(path, framework="np") as file:
            return file.metadata() or {}
    except Exception as error:
        raise _no_safetensors(path, error) from error


@naming_extras()
def write_safetensors(path, arrays, config, about=None) -> None:
    """Write arrays at exactly `path`, complete or not at all, with our settings in the file's metadata.

    about: an `About` (class names, preparation of images), which goes there too.  Raises ValueError that names an array
    with NaN or infinity.
    """
    from safetensors.numpy import save_file

    check_finite(arrays)
    settings = json.dumps({"kind": type(config).__name__, **asdict(config)})
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):  # the library's error is of its own kind
        raise FileNotFoundError(f"path={os.fspath(path)!r}: there is no folder {folder!r} to write to")
    with replacing(path) as temporary:
        save_file(arrays, temporary, {"format": "pt", "vitedu/config": settings, **about_texts(about)})
        _in_order(temporary)
        os.umask(umask := os.umask(0))
        os.chmod(temporary, 0o666 & ~umask)  # as any other file; the library would let nobody else read it


def _in_order(path) -> None:
    """Sort the header's metadata, which the library writes in another order each time: equal weights, equal bytes."""
    with open(path, "r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) <= length:  # always, as long as the library writes JSON without spaces
            file.seek(8)
            file.write(text.ljust(length))


_STORED = ("float16", "float32", "float64")


def _is_stored(dtype) -> bool:
    """By name or as NumPy has it."""
    name = getattr(dtype, "name", getattr(dtype, "__name__", dtype))
    return isinstance(name, str) and name in _STORED


STORED_DTYPE = _is_stored, f"one of {_STORED}"  # how weights may stand in a file: a test, and what it allows


def save_safetensors(model, path, dtype=np.float32, about=None) -> None:
    """Write a model under its own names, with its settings; `from_pretrained(path)` builds it again.

    dtype: np.float16 halves the file, np.float64 keeps a model of float64; about: as in `write_safetensors`.  Raises
    ValueError for another dtype, and, naming the parameter, where a number is not finite or does not fit into it.
    """
    require(_is_stored(dtype), "dtype", dtype, STORED_DTYPE[1])
    dtype, arrays = np.dtype(dtype), {}
    for name, value in model.state_dict().items():
        exact = value.detach().cpu().double().numpy()
        with np.errstate(over="ignore"):
            arrays[name] = exact.astype(dtype, order="C")  # the library writes memory as it lies, also channels last
        check_finite({name: exact})
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name!r} holds a number that does not fit into dtype={dtype.name}")
    write_safetensors(path, arrays, model.config, about)


def settings_in(metadata, source):
    """The config that we wrote into a file's metadata, or None."""
    if "vitedu/config" not in metadata:
        return None
    try:
        found = json.loads(metadata["vitedu/config"])
        return _CONFIGS[found.pop("kind")](**found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{source}: metadata 'vitedu/config' does not hold the settings of a model: {error}") from None


def read_json(path) -> dict:
    """The object in a JSON file.  Raises OSError, or ValueError that names the file."""
    size = os.path.getsize(path)
    check_limit("VITEDU_MAX_TEXT", size, f"{os.fspath(path)} has {size:,} bytes")
    with open(path, encoding="utf-8-sig") as file:
        try:
            found = json.load(file)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{os.fspath(path)} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{os.fspath(path)} holds a {type(found).__name__}; expected an object")
    return found
