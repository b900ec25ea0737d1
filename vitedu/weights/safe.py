"""Safetensors files: names and numbers, and nothing that runs.  Taught in notebooks/13_weights.ipynb.

Only here, and not in `vitedu_numpy`: the formats of PyTorch libraries.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import numpy as np

from vitedu_numpy.config import BiTConfig, EfficientNetConfig, HybridConfig, ViTConfig
from vitedu_numpy.extras import naming_extras
from vitedu_numpy.weights.about import about_texts
from vitedu_numpy.weights.files import replacing
from vitedu_numpy.weights.layout import as_array

from ..module import checked

__all__ = ["read_json", "read_metadata", "read_safetensors", "save_safetensors", "settings_in", "write_safetensors"]

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
    with open(path, "rb"):  # a missing file, a folder: Python says it well
        pass
    try:
        with safe_open(path, framework="pt") as file:
            arrays, metadata = {key: as_array(file.get_tensor(key)) for key in file.keys()}, file.metadata() or {}
    except Exception as error:  # its own kinds of errors, none of which name the file
        raise ValueError(f"{path} cannot be read as a safetensors file: {error}") from error
    for key, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{path}: key {key!r} (dtype {array.dtype}) must hold finite real numbers")
    return arrays, metadata


@naming_extras()
@checked
def read_metadata(path) -> dict[str, str]:
    """The texts of a safetensors file, without its arrays.  Errors as in `read_safetensors`."""
    from safetensors import safe_open

    path = os.fspath(path)
    with open(path, "rb"):
        pass
    try:
        with safe_open(path, framework="np") as file:
            return file.metadata() or {}
    except Exception as error:
        raise ValueError(f"{path} cannot be read as a safetensors file: {error}") from error


@naming_extras()
def write_safetensors(path, arrays, config, about=None) -> None:
    """Write arrays at exactly `path`, complete or not at all, with our settings in the file's metadata.

    about: an `About` (class names, preparation of images), which goes there too.
    """
    from safetensors.numpy import save_file

    settings = json.dumps({"kind": type(config).__name__, **asdict(config)})
    with replacing(path) as temporary:
        save_file(arrays, temporary, {"format": "pt", "vitedu/config": settings, **about_texts(about)})
        os.umask(umask := os.umask(0))
        os.chmod(temporary, 0o666 & ~umask)  # as any other file; the library would let nobody else read it


def save_safetensors(model, path, dtype=np.float32, about=None) -> None:
    """Write a model under its own names, with its settings; `from_pretrained(path)` builds it again.

    dtype: np.float16 halves the file; about: as in `write_safetensors`.  Raises ValueError, naming the parameter, where
    a number does not fit into it.
    """
    arrays = {}
    for name, value in model.state_dict().items():
        exact = value.detach().cpu().double().numpy()
        with np.errstate(over="ignore"):
            arrays[name] = exact.astype(dtype, order="C")  # the library writes memory as it lies, also channels last
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name!r} holds a number that does not fit into dtype={np.dtype(dtype).name}")
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
    with open(path, encoding="utf-8") as file:
        try:
            found = json.load(file)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{os.fspath(path)} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{os.fspath(path)} holds a {type(found).__name__}; expected an object")
    return found
