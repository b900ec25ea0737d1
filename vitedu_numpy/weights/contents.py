"""Which model a file holds, read from the shapes of its arrays.  Taught in notebooks/13_weights.ipynb.

The same text stands in both packages.  Shapes: `D` width, `h` heads, `P` patch side, `C` channels, `K` classes.
"""

from __future__ import annotations

import json
import os
import re
from math import isqrt

import numpy as np

from ..config import BiTConfig, HybridConfig, ViTConfig
from ..limits import check_limit
from .files import read_npz
from .layout import check_layout
from .official import OFFICIAL, POSITIONS, canonical, official_layout, weights_prefix

__all__ = ["SETTINGS", "check_image", "config_of", "grid_of", "kind_of", "settings_of"]

SETTINGS = "vitedu/config"  # the key of our own settings, as JSON text, in files of models that the arrays do not tell

_CONFIGS = {"ViTConfig": ViTConfig, "HybridConfig": HybridConfig, "BiTConfig": BiTConfig}
_BIT_ROOT = "resnet/root_block/standardized_conv2d/kernel"
_BLOCK = "Transformer/encoderblock_0"


def config_of(source, image_size=None, num_classes=None, name=None):
    """The settings of the model in a file of the authors: sizes from the arrays, constants as in their code.

    source: a path, or arrays by key (`name`: what to call them in an error).  image_size: needed where the arrays do
    not tell, because there are no positions or their grid is not square; num_classes: where there is no head.  Raises
    ValueError where they are needed, or where the arrays are not those of a ViT, hybrid or BiT.
    """
    if isinstance(source, (str, os.PathLike)):
        source, name = read_npz(source), os.fspath(source)
    name = name or "arrays"
    own = settings_of(source, name)
    if own is not None:
        return own
    kind, sizes = kind_of(source, name), _sizes(source, name)
    step, grid = sizes.pop("step", None), grid_of(source, name)
    if sizes["num_classes"] is None and num_classes is None:
        raise ValueError(f"{name} has no head; say num_classes=")
    if kind != "BiTConfig" and grid is None and image_size is None:
        why, more = "its positions are no square grid", ""
        if sizes["position_embedding"] == "none":
            why, more = "it has no positions", ', and position_embedding="sincos2d" if it was trained with such'
        raise ValueError(f"{name} does not tell the image size: {why}; say image_size={more}")
    image_size = image_size if grid is None else grid[0] * step
    extra = {"num_classes": num_classes} if sizes["num_classes"] is None else {}
    extra |= {} if image_size is None else {"image_size": image_size}
    try:
        return _CONFIGS[kind](**sizes | extra | OFFICIAL[kind])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def kind_of(arrays, name="arrays") -> str:
    """ "ViTConfig", "HybridConfig" or "BiTConfig"; ValueError if it is none of them."""
    prefix = weights_prefix(arrays)
    keys = {key.removeprefix(prefix) for key in arrays}
    if any(key.startswith("resnet/") for key in keys):
        return "BiTConfig"
    if "conv_root/kernel" in keys:
        return "HybridConfig"
    if "embedding/kernel" in keys:
        return "ViTConfig"
    dotted = any(key.endswith(".weight") for key in keys)
    more = "; names with dots are those of PyTorch, which are read from .safetensors files" if dotted else ""
    raise ValueError(
        f"{name} holds no ViT, hybrid or BiT: found keys {sorted(keys)[:3]} ..., "
        f"expected 'embedding/kernel' or {_BIT_ROOT!r}{more}"
    )


def grid_of(arrays, name="arrays"):
    """(gh, gw) of the positions in a file, if they are a square grid; else None.

    The class token's row is counted where there is a class token: 196 rows are 14 x 14 patches without one, never
    guessed to be a token and 195 patches.
    """
    arrays, _ = canonical(arrays, name)
    if POSITIONS not in arrays:
        return None
    patches = _shape(arrays, POSITIONS, 3, name)[1] - ("cls" in arrays)
    side = isqrt(max(patches, 0))
    return (side, side) if side * side == patches > 0 else None


def settings_of(arrays, name="arrays"):
    """The config that `save_npz` wrote into the file, or None; ValueError if it does not fit the arrays."""
    if SETTINGS not in arrays:
        return None
    where = f"{name}: key {SETTINGS!r}"
    try:
        found = json.loads(str(arrays[SETTINGS]))
        own = _CONFIGS[found.pop("kind")](**found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{where} does not hold the settings of a model: {error}") from None
    # Counted first: a few bytes that say depth=10**9 must not cost a table of as many rows.
    counted = _sizes(arrays, name)
    for field in ("depth", "blocks"):
        if getattr(own, field, None) != counted.get(field):
            raise ValueError(
                f"{where} says {field}={getattr(own, field, None)}; the arrays are of {counted.get(field)}"
            )
    check_image(own, name)
    arrays, called = canonical(arrays, name)
    check_layout({k: a for k, a in arrays.items() if k[:7] != "vitedu/"}, official_layout(own), name, called)
    return own


def check_image(config, source) -> None:
    """Refuse settings whose image, or its fixed positions, would fill the memory: no array tells their size."""
    H, W = config.image_hw
    check_limit("VITEDU_MAX_PIXELS", H * W, f"{source}: its settings are for images of {H} x {W} pixels")
    if getattr(config, "position_embedding", "") == "sincos2d":
        size = 8 * config.num_tokens * config.width
        check_limit("VITEDU_MAX_UNPACKED", size, f"{source}: its fixed positions would have {size:,} bytes")


def _sizes(arrays, name) -> dict:
    """Arguments of the config, read from the arrays' shapes; `step`, the pixels per patch, beside them."""
    kind, (arrays, _) = kind_of(arrays, name), canonical(arrays, name)
    head = "resnet/head/conv2d/kernel" if kind == "BiTConfig" else "head/kernel"
    sizes = {"num_classes": np.shape(arrays[head])[-1] if np.ndim(arrays.get(head)) else None}
    if kind == "BiTConfig":
        side, _, C, W = _shape(arrays, _BIT_ROOT, 4, name)
        factor = W // 64 if W % 64 == 0 else 1
        sizes |= {"stem": "imagenet" if side == 7 else "small", "base_width": W // factor, "width_factor": factor}
        return sizes | {"channels": C, "blocks": _blocks(arrays, "resnet/block", name)}
    P, _, C, D = _shape(arrays, "embedding/kernel", 4, name)
    has_pre_logits = "pre_logits/kernel" in arrays
    sizes |= {
        "patch_size": P, "step": P, "channels": C, "width": D,
        "depth": _count(arrays, "Transformer/encoderblock_", name, first=0),
        "heads": _shape(arrays, f"{_BLOCK}/MultiHeadDotProductAttention_1/query/kernel", 3, name)[1],
        "mlp_dim": _shape(arrays, f"{_BLOCK}/MlpBlock_3/Dense_0/kernel", 2, name)[1],
        "classifier": "token" if "cls" in arrays else "gap",
        "representation_size": _shape(arrays, "pre_logits/kernel", 2, name)[1] if has_pre_logits else None,
        "position_embedding": "1d" if POSITIONS in arrays else "none",
    }  # fmt: skip
    if kind == "HybridConfig":
        _, _, C, W = _shape(arrays, "conv_root/kernel", 4, name)
        blocks = _blocks(arrays, "block", name)
        factor = 4 * 2 ** max(len(blocks) - 1, 0)  # what the ResNet divides the image's sides by
        sizes |= {"channels": C, "backbone_width": W, "blocks": blocks, "step": factor * P}
    return sizes


def _shape(arrays, key, axes, name) -> tuple[int, ...]:
    found = np.shape(arrays[key]) if key in arrays else None
    if found is None or len(found) != axes or 0 in found:
        what = "is missing" if found is None else f"has shape {found}"
        raise ValueError(f"{name}: key {key!r} {what}; expected an array with {axes} axes")
    return found


def _count(arrays, front, name, first=1) -> int:
    """How many numbers follow `front` in the keys; they must be first, first + 1, ..."""
    found = {int(match[1]) for key in arrays if (match := re.match(rf"{front}(\d{{1,6}})/", key))}
    if found != set(range(first, first + len(found))):
        numbers = sorted(found)[:5]
        raise ValueError(f"{name}: keys {front!r} + number have {numbers} ...; expected {first}, {first + 1}, ...")
    return len(found)


def _blocks(arrays, front, name) -> tuple[int, ...]:
    stages = _count(arrays, front, name)
    return tuple(_count(arrays, f"{front}{s + 1}/unit", name) for s in range(stages))
