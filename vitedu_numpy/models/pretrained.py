"""A model from a file of the authors, ready for another task.  Taught in notebooks/13_weights.ipynb."""

from __future__ import annotations

import os

import numpy as np

from ..drawing import without_drawing
from ..module import checked
from ..weights.loading import adapt, load_state, open_npz
from ..weights.resize import resize_state
from .create import build

__all__ = ["from_npz"]


@checked
def from_npz(
    path,
    num_classes=None,
    image_size=None,
    drop_pre_logits=False,
    method="linear",
    rng=None,
    dtype=np.float32,
    **changes,
):
    """The model in a file of the authors (or of `save_npz`): `from_npz("ViT-B_16.npz", num_classes=10, dropout=0.1)`.

    Arguments as in `adapt`; rng: where dropout comes from (a Generator, or a seed); dtype: float32 or float64.  Raises
    OSError where the file cannot be opened, ValueError where it holds no model or not the one asked for.
    """
    state, config = open_npz(path, num_classes, image_size, changes.get("position_embedding"))
    task = num_classes, image_size, drop_pre_logits, method
    state, config = adapt(state, config, os.fspath(path), resize_state, *task, **changes)
    with without_drawing():
        model = build(config, rng, dtype)
    load_state(model, state, config, os.fspath(path))
    return model
