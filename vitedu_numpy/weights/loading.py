"""Weights into a model, out of it, and over to another task.  Taught in notebooks/13_weights.ipynb.

A file does not say with which constants it was trained: loading sets those of the authors' code.  A model with other
settings writes them into its file, as one text under the key `vitedu/config`, and they win; the authors' code does
not look at that key.  The same text stands in both packages.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, fields, replace
from math import inf

import numpy as np

from ..config import HybridConfig
from .about import about_texts
from .contents import SETTINGS, config_of, grid_of, kind_of, settings_of
from .files import check_finite, read_npz, replacing
from .layout import as_array
from .official import OFFICIAL, from_official, official_layout, to_official, weights_prefix

__all__ = ["adapt", "load_npz", "load_state", "open_npz", "save_npz", "say_image_size", "set_constants", "with_head"]

_log = logging.getLogger(__name__)  # as warnings: seen in a notebook and on a terminal without any setting up

# A file brings its own constants; what belongs to a training run is the model's, and stays.
CONSTANTS = ("gelu", "layernorm_eps", "groupnorm_eps", "batchnorm_eps", "standardize_eps", "pool_padding")
TRAINING = ("dropout", "attention_dropout", "stochastic_depth", "batchnorm_momentum", "head_bias")
_KINDS = {"ViTConfig": "ViT", "HybridConfig": "hybrid", "BiTConfig": "BiT", "EfficientNetConfig": "EfficientNet"}


def save_npz(model, path, naming="old", about=None) -> None:
    """Write a ViT, hybrid or BiT as the authors would: exactly at `path`, complete or not at all.

    naming: as in `to_official`; about: an `About`, as text.  Settings that the arrays do not tell, or other constants
    than the authors', go in as text too.  Raises ValueError for weights that are not finite, OSError where nothing can
    be written; what was there before is then still there.
    """
    arrays, settings = to_official(model.state_dict(), model.config, naming), asdict(model.config)
    check_finite(arrays)
    try:
        told = asdict(config_of(arrays)) == settings
    except ValueError:
        told = False
    if not told:
        arrays[SETTINGS] = np.array(json.dumps({"kind": type(model.config).__name__, **settings}))
    arrays |= {key: np.array(text) for key, text in about_texts(about).items()}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)  # to an open file: given a name, NumPy would add .npz to it


def load_npz(model, path) -> None:
    """Read a file of the authors, or of `save_npz`, into a model of the same sizes, and set the file's constants.

    `model.config` says afterwards which they are.  Raises OSError, or one ValueError that names the file, the key, what
    was found and what was expected; the model is then as it was.
    """
    arrays, config, source = read_npz(path), model.config, os.fspath(path)
    kind, theirs = type(config).__name__, kind_of(arrays, source)
    if kind != theirs:
        raise ValueError(f"{source} holds a {_KINDS[theirs]}; the model is a {_KINDS[kind]}")
    try:
        state = from_official(arrays, config, source)
        constants = _constants(arrays, config, source)
    except ValueError as error:
        raise ValueError(f"{error}{_hint(arrays, config)}") from None
    load_state(model, state, replace(config, **constants), source)


def load_state(model, state, config, source) -> None:
    """`model.load_state_dict`, with the file's name in its errors, and then the constants of `config`."""
    for name, value in state.items():
        if name.endswith("running_var") and as_array(value).min() < 0:  # of batch normalisation: a root comes next
            raise ValueError(f"{source} does not fit the model: {name!r} holds a variance below 0")
    try:
        model.load_state_dict(state)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{source} does not fit the model: {error.args[0]}") from None
    set_constants(model, config)


def set_constants(model, config) -> None:
    """Let every layer compute with the constants of `config`, and `model.config` say so."""
    attributes = {
        "Gelu": ("form", "gelu"),
        "LayerNorm": ("eps", "layernorm_eps"),
        "GroupNorm": ("eps", "groupnorm_eps"),
        "BatchNorm": ("eps", "batchnorm_eps"),
        "StdConv": ("eps", "standardize_eps"),
    }
    for _, module in model.named_modules():
        kinds = [kind.__name__ for kind in type(module).__mro__]  # a FrugalStdConv is a StdConv
        kind = next((kind for kind in kinds if kind in attributes or kind == "MaxPool"), None)
        if kind in attributes:
            attribute, field = attributes[kind]
            setattr(module, attribute, getattr(config, field))
        elif kind == "MaxPool" and hasattr(config, "pool_padding"):
            module.border = -inf if config.pool_padding == "-inf" else 0.0
        if hasattr(module, "config"):
            module.config = config if type(module.config).__name__ == type(config).__name__ else config.vit


def _constants(arrays, config, source) -> dict:
    """The constants to load with.  Refuses what the arrays alone do not show: another grid, other kinds of layers."""
    own = settings_of(arrays, source)
    grid = grid_of(arrays, source) if own is None else getattr(own, "grid", None)
    has_grid = hasattr(config, "grid") and config.position_embedding != "none"
    if has_grid and grid not in (None, config.grid):
        raise ValueError(f"{source} does not fit the model: its positions are of a grid {grid}, expected {config.grid}")
    if own is None:
        return OFFICIAL[type(config).__name__]
    for name in (field.name for field in fields(config)):
        here, there = getattr(own, name), getattr(config, name)
        if here != there and name not in (*CONSTANTS, *TRAINING, "image_size"):
            raise ValueError(
                f"{source} does not fit the model: key {SETTINGS!r} has {name}={here!r}, expected {there!r}"
            )
    return {name: getattr(own, name) for name in CONSTANTS if hasattr(own, name)}


def _hint(arrays, config) -> str:
    """How to load all the same, for the two differences that people want to have."""
    try:
        theirs = config_of(arrays, config.image_size)
        from_official(arrays, theirs)
    except ValueError:
        return ""  # broken, not another model
    changes = []
    if getattr(theirs, "grid", None) != getattr(config, "grid", None):
        changes.append(f"image_size={config.image_size}")  # interpolates the positions
    if theirs.num_classes != config.num_classes:
        changes.append(f"num_classes={config.num_classes}")  # starts a new head
    call = f"from_pretrained(path, {', '.join(changes)}), in NumPy from_npz(...),"
    return f". To change grid or classes: {call} builds the model and adapts the weights" if changes else ""


# ---- to another task -----------------------------------------------------------------------------------------------


def open_npz(path, num_classes=None, image_size=None, position_embedding=None):
    """(state, config) of a file of the authors; the other arguments count only where the file does not tell."""
    arrays, source = read_npz(path), os.fspath(path)
    config = config_of(arrays, image_size, num_classes, source)
    if SETTINGS not in arrays and getattr(config, "position_embedding", "") == "none" and position_embedding is None:
        text = '%s has no positions; the model has none either.  position_embedding="sincos2d" adds those of big_vision'
        _log.warning(text + ' (models that end in sincos2d), "none" says that none is right', source)
    if SETTINGS not in arrays and image_size is None:
        say_image_size(config, source)
    arrays = with_head(arrays, official_layout(config), source, weights_prefix(arrays))
    return from_official(arrays, config, source), config


def say_image_size(config, source) -> None:
    """Log which size a hybrid was taken for: its ResNet rounds up, so several sizes share the grid of a file."""
    if isinstance(config, HybridConfig):
        (gh, gw), (size, _) = config.grid, config.image_hw
        least = size - size // gh // config.patch_size + 1
        text = "%s: the image size was taken to be %d; all from %d on have its %d x %d patches, image_size= chooses"
        _log.warning(text, source, size, least, gh, gw)


def with_head(arrays, table, source, prefix="") -> dict:
    """The arrays, with a head at zero where the file has none at all; `prefix`: what stands before its keys."""
    head = {prefix + entry.key: entry.their_shape for entry in table if entry.name.removeprefix("vit.")[:5] == "head."}
    if any(key in arrays for key in head):
        return arrays
    _log.warning("%s has no head; a new one starts at zero", source)
    return arrays | {key: np.zeros(shape, np.float32) for key, shape in head.items()}


def adapt(
    state,
    config,
    source,
    resize_state,
    num_classes=None,
    image_size=None,
    drop_pre_logits=False,
    method="linear",
    **changes,
):
    """State and config of a file, changed for another task.  What was changed in the weights is logged as a warning.

    resize_state: the package's own, from its `resize.py`; num_classes: another number starts a new head, at zero;
    image_size: positions are interpolated by `method` (see `grids.py`); drop_pre_logits: leave that layer out, and
    start a new head; changes: fields of the config that leave the arrays as they are, such as dropout=0.1, or
    position_embedding="sincos2d" where the file has no positions.
    Raises TypeError for any other field, ValueError for a value out of its range.
    """
    free = [field.name for field in fields(config) if field.name in (*CONSTANTS, *TRAINING)]
    free += ["position_embedding"] if getattr(config, "position_embedding", None) in ("none", "sincos2d") else []
    fixed = [name for name in changes if name not in free]
    if fixed:
        raise TypeError(f"{source}: {fixed} cannot be changed, the weights are for what they are; {free} can")
    given = {"num_classes": num_classes, "image_size": image_size}
    new = replace(config, **changes, **{name: value for name, value in given.items() if value is not None})
    state, dropped = dict(state), drop_pre_logits and getattr(config, "representation_size", None) is not None
    if dropped:
        new = replace(new, representation_size=None)
        state = {name: value for name, value in state.items() if "pre_logits." not in name}
        _log.warning("%s: the pre-logits layer was left out", source)
    if dropped or new.num_classes != config.num_classes:
        _start_head(state, new.width if dropped else None, new)
        text = "%s: the head for %d classes was left out; a new one for %d classes starts at zero"
        _log.warning(text, source, config.num_classes, new.num_classes)
    if hasattr(config, "grid") and new.grid != config.grid:
        state = resize_state(state, config, new, method)
        if config.position_embedding in ("1d", "2d"):
            text = "%s: the positions were interpolated from %d x %d to %d x %d patches (%s)"
            _log.warning(text, source, *config.grid, *new.grid, method)
    return state, new


def _start_head(state, features, config) -> None:
    """A head with no opinion, as a new model has it."""
    weight = next(name for name in state if name.endswith("head.weight"))
    old = as_array(state[weight])
    state[weight] = np.zeros((config.num_classes, features or old.shape[1]), old.dtype)
    state[weight.replace("weight", "bias")] = np.full(config.num_classes, config.head_bias, old.dtype)
