"""Weights to begin from, in place of newly drawn ones: fine-tuning.  Taught in notebooks/15_finetuning.ipynb."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from vitedu_numpy.contract import checked_for

from ..models.pretrained import from_pretrained

__all__ = ["begin_from", "digest", "starting_config", "weights_at"]

TRAINING = ("dropout", "attention_dropout", "stochastic_depth", "head_bias", "image_size")  # the recipe decides


_PLACE = (lambda start: isinstance(start, str | os.PathLike) and str(start), "a name or a path")
checked = checked_for({"start": _PLACE})


@checked
def weights_at(start: str) -> str:
    """What `from_pretrained` is given: `start` itself; of a run's folder the weights at its end.

    Raises ValueError for the folder of a run that has not ended, and for a checkpoint of training.
    """
    folder = Path(os.fspath(start))
    if (folder / ".metadata").exists() or (folder.name == "checkpoints" and folder.is_dir()):
        raise ValueError(
            f"start={str(start)!r} is a checkpoint of training, with an optimiser and in parts; start must be the "
            f"run's folder, or what `vitedu export` writes"
        )
    if not (folder / "recipe.json").exists():
        return str(start)
    if not (folder / "model.safetensors").exists():
        raise ValueError(
            f"start={str(start)!r} is a run that has not come to its end; go on with it, or give what "
            f"`vitedu export {start} --out FILE` writes of its last checkpoint"
        )
    return str(folder / "model.safetensors")


@checked
def starting_config(start: str, num_classes: int | None = None):
    """The settings of the model that `start` holds.  num_classes: for a file without a head."""
    return from_pretrained(weights_at(start), num_classes=num_classes).config


def begin_from(model, recipe) -> str:
    """Give a new model the weights of `recipe.start`, its head at zero; return their digest ("" where there are none).

    Positions are interpolated to the model's grid.  Raises OSError or ValueError, as `from_pretrained` does, and
    ValueError that names every setting in which the weights are of another model than the recipe's.
    """
    if recipe.start is None:
        return ""
    config = recipe.model
    without_hidden = getattr(config, "representation_size", None) is None
    found = from_pretrained(weights_at(recipe.start), config.num_classes, config.image_size, without_hidden)
    kinds = [type(c).__name__.removesuffix("Config") for c in (found.config, config)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"start={recipe.start!r} holds a {kinds[0]}; the recipe's model is a {kinds[1]}")
    theirs, ours = asdict(found.config), asdict(config)
    other = [
        f"model.{name} is {value!r} there, {ours[name]!r} here"
        for name, value in theirs.items()
        if value != ours[name] and name not in TRAINING
    ]
    if other:
        raise ValueError(f"start={recipe.start!r} holds another model than the recipe's: {'; '.join(other)}")
    state = found.state_dict()
    with torch.no_grad():
        for name, value in state.items():
            if is_head(name):
                value.fill_(config.head_bias if name.endswith("bias") else 0.0)
    model.load_state_dict(state)
    return digest(model)


def is_head(name: str) -> bool:
    """Is this parameter one of the last layer's, which a new task begins anew?"""
    return name.removeprefix("vit.").startswith("head.")


def digest(model) -> str:
    """SHA-256 of a model's weights, by name.

    Without the head, which is not kept, and without the positions: interpolated on another processor they may differ
    in the last bit.
    """
    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if not is_head(name) and "position_embedding" not in name:
            found.update(f"{name} {tuple(value.shape)}\n".encode())
            found.update(np.ascontiguousarray(value.detach().cpu().float().numpy()))
    return found.hexdigest()
