"""Fine-tuning: one run from given weights, or a search over learning rates first (Sec. 4.1, App. B.1.1, Table 4).

Taught in notebooks/15_finetuning.ipynb, described in docs/scale.md.  The runs themselves are those of `train.py`, with
all it promises.

| in the folder | what |
|---|---|
| grid/0.003/, grid/0.01/, ... | a run for each learning rate, judged on a held-out part of the training images |
| grid.json, grid.csv | what each reached, and which was chosen |
| the rest | the run with the chosen rate on all training images |
"""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

from vitedu_numpy.contract import checked_for
from vitedu_numpy.validate import check_kind
from vitedu_numpy.weights.files import replacing

from ..data.memory import first_size
from ..data.objects import name_of
from ..data.open import open_source
from ..data.vtab import PREFIX
from ..recipes import FineTuning, format_recipe
from .distributed import processes
from .lock import FolderLock
from .report import read_metrics
from .run_folder import write_json
from .start import starting_config
from .train import train

__all__ = ["choose_rate", "dev_images", "finetune", "recipe_for"]


# elsewhere a grid is a pair of numbers
@checked_for({"grid": (lambda grid: isinstance(grid, bool), "True or False")})
def finetune(tuning, start: str, out, data=None, grid: bool = False) -> dict[str, float]:
    """Carry weights over to another data set; return the last evaluation.

    tuning: a `FineTuning`; start: the weights, as `from_pretrained` takes them, or a run's folder; out: the run's
    folder, where a run or a search that was stopped goes on; data: in place of `tuning.data.dataset`; grid: try
    `tuning.rates` first.  Raises as `train` does, and ValueError where weights, data and recipe do not fit together.
    """
    check_kind("tuning", tuning, FineTuning)
    recipe, num_images = recipe_for(tuning, start, data)
    if grid:
        held_out = dev_images(tuning, num_images)
    with processes(recipe.run) as world, FolderLock(out, world) as lock:
        if grid:
            lock.take()  # around the whole search; a run takes its own
            rate = choose_rate(recipe, tuning.rates, held_out, out, world, data)
            recipe = replace(recipe, learning_rate=rate)
        if world.is_first:
            print(format_recipe(recipe), flush=True)
        return train(recipe, out, data)


def recipe_for(tuning, start: str, data=None):
    """(the whole recipe, number of training images).  Looks at the weights' settings and at the data."""
    dataset, part = tuning.data.dataset if data is None else data, tuning.data
    if not dataset:
        raise ValueError(f"data='' is not allowed: recipe {tuning.name!r} names no data set; give a name or a folder")
    columns = {"image_column": part.image_column, "label_column": part.label_column}
    source = open_source(dataset, part.train_split, streaming=part.streaming, in_memory=False, **columns)
    dataset = name_of(dataset)
    num_images = min(len(source), part.train_images or len(source))
    classes = tuning.num_classes or source.num_classes
    if classes is None:
        raise ValueError(f"num_classes=None is not allowed: {dataset!r} does not say how many classes it has")
    if tuning.by_rule:
        tuning = tuning.settled(num_images, first_size(source, dataset))
    return tuning.recipe(start, starting_config(start, classes), classes), num_images


def dev_images(tuning, num_images: int) -> int:
    """How many of the training images the search holds out.  Raises ValueError where there is nothing to search."""
    tuning.check_rates()
    held_out = max(1, round(tuning.dev_part * num_images))
    if num_images - held_out < tuning.batch_size:
        raise ValueError(
            f"batch_size={tuning.batch_size} is not allowed: of {num_images} images {held_out} are held out for the "
            f"search; batch_size must be at most {num_images - held_out}"
        )
    return held_out


def choose_rate(recipe, rates, held_out: int, out, world, data=None) -> float:
    """Train once with each learning rate on all but `held_out` images, and return the best on those.

    For a task of VTAB-1k these are its 200, as the paper has it.

    The highest accuracy wins; of equal ones the lower loss.  A rate at which the run diverges has lost.  A search that
    was stopped goes on where it was; the choice is written to `out`.
    """
    out, lines = Path(out), []
    few = recipe.data.train_images  # of so few, some are held out: no others take part in the search
    part = {"hold_out": held_out} | ({} if few is None else {"train_images": few - held_out})
    dataset = name_of(recipe.data.dataset if data is None else data)
    if few is None and dataset.startswith(PREFIX):  # what is held out has a name there
        part = {"train_split": "train800", "eval_split": "val200"}
    recipe = replace(recipe, data=replace(recipe.data, **part))
    for rate in rates:
        folder = out / "grid" / f"{rate:g}"
        line = {"learning_rate": rate, "folder": f"grid/{rate:g}", "accuracy": None, "loss": None}
        try:
            train(replace(recipe, learning_rate=rate), folder, data)
            world.barrier()
            line |= final_evaluation(folder)
        except FloatingPointError as error:
            line["diverged"] = str(error)
        lines.append(line)
        _write(out, lines, held_out, None, world)
    reached = [i for i, line in enumerate(lines) if line["accuracy"] is not None]
    if not reached:
        raise FloatingPointError(f"the loss is not finite at any of the rates {tuple(rates)}; try smaller ones")
    best = max(reached, key=lambda i: (lines[i]["accuracy"], -lines[i]["loss"]))
    best = world.count(best if world.is_first else 0)  # what the first process has read is what counts
    _write(out, lines, held_out, rates[best], world)
    return rates[best]


def final_evaluation(folder) -> dict[str, float]:
    """{"accuracy", "loss"} on the held-out images at a run's end; of the averaged weights where there are any."""
    found = {}
    for line in read_metrics(Path(folder) / "metrics.jsonl"):
        found |= {name: value for name, value in line.items() if "eval_" in name}
    prefix = "ema_eval_" if "ema_eval_accuracy" in found else "eval_"
    values = {name: found[prefix + name] for name in ("accuracy", "loss")}
    if not math.isfinite(values["loss"]):
        raise FloatingPointError(f"{folder}: the loss on the held-out images is {values['loss']}")
    return values


def _write(out, lines, held_out, chosen, world) -> None:
    """The search so far, as grid.json and grid.csv."""
    if not world.is_first:
        return
    write_json(out / "grid.json", {"chosen": chosen, "held_out_images": held_out, "runs": lines})
    with replacing(out / "grid.csv") as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["learning_rate", "accuracy", "loss", "chosen"])
        for line in lines:
            rate = line["learning_rate"]
            table.writerow([rate, line["accuracy"], line["loss"], int(rate == chosen)])
