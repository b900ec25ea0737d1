"""What this room reads: arrays from a record of either package, and how tokens lie on the image.

One forward pass is enough: `record = {}; model(images, record)` writes every attention map `A`, also where PyTorch's
fused kernel attends (which stores none: the record computes A from q and k, beside it).  Tensors of PyTorch become
arrays here, from any device, so that all functions of the room exist once.  Taught in notebooks/21_inside.ipynb.

Shapes: `B` batch, `L` blocks, `T` tokens, `gh gw` grid of patches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import validate

__all__ = ["Layout", "Only", "as_array", "blocks", "check_tokens", "layout", "on_grid"]


class Only(dict):
    """A record that keeps only the keys that end in one of `endings`, e.g. `Only("attention/A")`.

    What ViT-L/16 records of 128 images takes 52 GB, the maps alone 8.
    """

    def __init__(self, *endings: str):
        super().__init__()
        self.endings = endings

    def __setitem__(self, key: str, value) -> None:
        if f"/{key}".endswith(tuple(f"/{ending}" for ending in self.endings)):
            super().__setitem__(key, value)

    def update(self, **values) -> None:
        for key, value in values.items():
            self[key] = value


def as_array(x, name: str = "record") -> np.ndarray:
    """An array, a tensor of PyTorch on any device, or a parameter of either package, as an array; it may share memory.

    Half precision becomes float32: sums over it would lose digits, and NumPy has no bfloat16.  Raises TypeError, by the
    argument's name, for what holds no numbers.
    """
    x = getattr(x, "value", x)  # vitedu_numpy's Parameter
    if hasattr(x, "detach"):  # a tensor; PyTorch need not be installed here
        x = x.detach().cpu()
        x = (x.float() if x.is_floating_point() and x.itemsize < 4 else x).numpy()
    given, x = x, validate.as_array(x, name)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name} holds a {type(given).__name__} of dtype {x.dtype}; expected real numbers")
    return x.astype(np.float32) if x.dtype == np.float16 else x


def blocks(record, name: str) -> list[np.ndarray]:
    """What each block wrote under `name`, in order.  Raises KeyError as `block_keys`."""
    keys = block_keys(record, name)
    found = [as_array(record[key], f"record[{key!r}]") for key in keys]
    for key, x in zip(keys, found, strict=True):
        if len(x) != len(found[0]):
            raise ValueError(
                f"record[{key!r}] has {len(x)} images, record[{keys[0]!r}] {len(found[0])}; expected those of one "
                "forward, which a record of its own has: record = {}"
            )
    return found


def block_keys(record, name: str) -> list[str]:
    """The keys under which the blocks wrote `name`, in order: `block00/name`, `block01/name`, ...

    Raises KeyError where the record has none, or lacks one: a BiT's, for instance, or one of another kind of model.
    """
    depth = 1 + max((int(key[5:].partition("/")[0]) for key in record if _is_block(key)), default=-1)
    missing = [key for i in range(depth) if (key := f"block{i:02d}/{name}") not in record]
    if not depth or missing:
        missing = missing or [f"block00/{name}"]
        hint = "" if depth else "; it holds no block: models without attention (BiT) have none, and without a forward"
        raise KeyError(f"record lacks {missing}{hint}; record = {{}}; model(images, record) fills it for a ViT")
    return [f"block{i:02d}/{name}" for i in range(depth)]


def _is_block(key: str) -> bool:
    head, slash, _ = key.partition("/")
    return head.startswith("block") and head[5:].isdigit() and bool(slash)


class Layout(NamedTuple):
    """How a model's tokens lie on its image."""

    grid: tuple[int, int]  # (gh, gw)
    first: int  # where the patches begin: 1 after a class token, else 0
    pitch: int  # pixels of the image from a patch's centre to the next one's

    @property
    def tokens(self) -> int:
        gh, gw = self.grid
        return self.first + gh * gw


def layout(config) -> Layout:
    """The `Layout` that a ViT's or a hybrid's config describes.     Raises TypeError for anything else.

    A hybrid's patch is as many pixels as its ResNet divides the image by, times its own side on the feature map.
    """
    if not hasattr(config, "grid"):
        raise TypeError(f"config is a {type(config).__name__}; expected a ViTConfig or a HybridConfig")
    stride = getattr(config, "stride", 1)  # of a hybrid's ResNet
    return Layout(config.grid, int(config.classifier == "token"), stride * config.patch_size)


def on_grid(x, config) -> np.ndarray:
    """Numbers per token laid out as the patches lie; the class token's is left out.     (..., T)  ->  (..., gh, gw)"""
    x, (grid, first, _) = as_array(x), layout(config)
    check_tokens(x.shape[-1], config, "x")
    return x[..., first:].reshape(*x.shape[:-1], *grid)


def check_tokens(T: int, config, name: str) -> None:
    """Refuse what was computed for another number of tokens: other images, or another model."""
    wanted, (gh, gw) = layout(config).tokens, layout(config).grid
    if T != wanted:
        parts = f"{gh} x {gw} patches" + " and a class token" * layout(config).first
        raise ValueError(f"{name} has {T} tokens; expected {wanted}, {parts}: is it of this model and image size?")
