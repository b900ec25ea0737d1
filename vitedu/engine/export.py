"""The weights of a run as one file.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from vitedu_numpy.contract import checked_for
from vitedu_numpy.weights.about import About
from vitedu_numpy.weights.loading import save_npz

from ..models import build
from ..recipes import Execution
from ..weights.safe import STORED_DTYPE, read_json, save_safetensors
from .average import Average
from .checkpoints import Checkpoints
from .distributed import processes
from .run_folder import place_of_recipe, read_classes, read_precision, read_recipe

__all__ = ["export_model", "export_run", "make_model", "preparation_of"]


def preparation_of(data_recipe) -> dict:
    """What `evaluation_transform` does to images, as it stands in a file."""
    return {"eval_resize": None if data_recipe.crop == "pad" else data_recipe.eval_resize}


def make_model(recipe):
    """The model that the objective trains, its first weights drawn from the recipe's seed."""
    if recipe.objective == "masked_patches":
        from ..models.masked import MaskedPatchViT

        return MaskedPatchViT(recipe.model, recipe.seed, target=recipe.masked_target)
    return build(recipe.model, recipe.seed)


def export_model(model, average, recipe, path, world, dtype=np.float32, classes=None, step=None) -> None:
    """Gather the weights (the averaged ones, where there are any) on the first process and write them to `path`.

    A name that ends in .npz gives the authors' layout, .safetensors our own names; `from_pretrained` reads both.  What
    masked patches have trained becomes a ViT with a new, zero head.  classes: their names, which go into the file, as
    do the step and the preparation of images for evaluation.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    with average.in_place_of(model):
        state = get_model_state_dict(model, options=options)
    if world.is_first:
        whole = make_model(recipe).to(next(iter(state.values())).dtype)
        whole.load_state_dict(state)
        if recipe.objective == "masked_patches":
            whole = whole.classifier(recipe.seed)
        about = About(classes, preparation_of(recipe.data), step)
        if str(path).endswith(".npz"):
            save_npz(whole.float(), path, about=about)
        else:
            save_safetensors(whole, path, dtype, about)
    world.barrier()


@checked_for({"dtype": STORED_DTYPE})  # a file may be of float16, no model is
def export_run(folder, path, dtype=np.float32, step: int | None = None, allow_older: bool = False) -> int:
    """Write the weights of a run's last checkpoint to `path`; return its step.

    step: take this one; allow_older: take the one before where the last is damaged.  Raises CheckpointError where it is
    and neither was asked for, ValueError for another ending than .safetensors or .npz, or a folder without a run or a
    checkpoint.
    """
    if not str(path).endswith((".safetensors", ".npz")):
        raise ValueError(f"out={str(path)!r} is not allowed; the name must end in .safetensors or .npz")
    folder = Path(folder)
    place = place_of_recipe(folder) or folder
    recipe, _ = read_recipe(place)
    with processes(Execution(device="cpu")) as world:
        checkpoints = Checkpoints(
            folder / "checkpoints", world, keep=1_000_000, tidy=False, record=read_json(place / "recipe.json")
        )
        model = make_model(recipe).to(torch.float64 if read_precision(place) == "float64" else torch.float32)
        average = Average(model, recipe.ema)
        found = checkpoints.load_latest(model, None, average, step, older=allow_older)
        if found == 0:
            whole = folder / "model.safetensors"
            hint = f"; the weights of the run's end are there: {whole}" if whole.exists() else ""
            raise ValueError(f"folder={str(folder)!r} holds no checkpoint{hint}")
        export_model(model, average, recipe, path, world, dtype, read_classes(place), found)
    return found
