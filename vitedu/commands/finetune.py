"""`vitedu finetune FROM --data DATA --out FOLDER`.  Taught in notebooks/15_finetuning.ipynb."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
import os
import sys
from typing import Annotated

from .arguments import Usage, is_first, named, naming_splits, read, refuse_empty, typed, writable

__all__ = ["finetune"]

USAGE = """usage: vitedu finetune FROM --out FOLDER [--recipe RECIPE] [--data DATA] [--grid] [--any.field VALUE]

FROM: a run's folder, a file, a name such as vit_cifar10 or ViT-B_16, or a hub id.
RECIPE: a file (mine.toml, mine.json, or mine.py, which is executed), or one of {recipes}; where it is left out, the one
made for DATA.
DATA: a hub name or a folder; vtab/TASK:FOLDER, a task of VTAB-1k; vtab:FOLDER, all that are there, each in a folder of
OUT; `vitedu evaluate --data vtab` lists them.
`vitedu finetune FROM --recipe RECIPE --help` lists all fields.
"""


def finetune(arguments):
    """Read the arguments, fine-tune, print the last evaluation.  Returns 1 if one task of many failed."""
    import tyro

    from ..recipes import FineTuning, finetuning_for, get_finetuning, list_finetunings

    if not arguments or arguments[0].startswith("-"):
        usage = USAGE.format(recipes=", ".join(list_finetunings()))
        if "--help" in arguments or "-h" in arguments:
            print(usage, end="")
            return 0
        raise Usage(usage.partition("\n")[0])
    refuse_empty(arguments)
    start = arguments.pop(0)
    name, data = take(arguments, "--recipe"), value_of(arguments, "--data") or ""
    chosen = named(get_finetuning, name) if name else named(finetuning_for, data)

    def understood(arguments, chosen):
        def finetune(
            recipe: tyro.conf.AvoidSubcommands[Annotated[FineTuning, tyro.conf.arg(name="")]] = chosen,
            *,
            out: str,
            data: str = "",
            grid: bool = False,
        ):
            """Fine-tune.  Every field may be changed.

            Args:
                recipe: what is run.
                out: the run's folder; a run or a search that was stopped goes on.
                data: hub name or folder, in place of the recipe's.
                grid: try each of the rates on a held-out part of the training images, then train on all with the best.
            """
            return recipe, out, data or None, grid

        found = read(finetune, arguments, f"vitedu finetune FROM --recipe {chosen.name}")
        writable(found[1], folder=True)
        with typed():
            found[0].check_length()
            if found[3]:
                found[0].check_rates()
        return found

    def carry_out(recipe, out, data, grid, name=""):
        from ..engine.finetune import finetune

        with naming_splits(data__train_split=recipe.data.train_split, data__eval_split=recipe.data.eval_split):
            results = finetune(recipe, start, out, data, grid)
        if is_first():
            print(name + (", ".join(f"{key} {value:.4f}" for key, value in results.items()) or "done"), flush=True)

    read_first = understood(arguments, chosen)  # before any file is looked for
    from ..data.vtab import ALL, PREFIX, TASKS, split_name, tasks_in

    if not data.startswith((PREFIX, ALL)):
        return carry_out(*read_first)

    def carry_out_task(name, folder, one_of_many):
        task = TASKS[name]
        size = _image_size(value_of(arguments, "--image-size"), start, task.classes)
        recipe, out, _, grid = understood(arguments, chosen.for_task(task.flip, task.crop, size))
        out = os.path.join(out, name) if one_of_many else out
        return carry_out(recipe, out, f"{PREFIX}{name}:{folder}", grid, f"{name}: " if one_of_many else "")

    if data.startswith(PREFIX):
        return carry_out_task(*split_name(data), False)
    failed = 0
    for task, folder in tasks_in(data.partition(":")[2]):
        try:
            carry_out_task(task, folder, True)
        except (ValueError, OSError, ArithmeticError) as error:  # the others can be had all the same
            print(f"vitedu: {task}: {error}", file=sys.stderr)
            failed = 1
    return failed


def _image_size(given: str | None, start: str, classes: int) -> int | None:
    """What `--image-size` says; "None": the size of the weights."""
    if given == "None":
        from ..engine.start import starting_config

        return starting_config(start, classes).image_size
    return int(given) if given is not None and given.isdecimal() else None


def value_of(arguments, option) -> str | None:
    """What follows `option`, or its part after "="; None where it is not given."""
    for i, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name == option:
            return value if equals else arguments[i + 1] if i + 1 < len(arguments) else None
    return None


def take(arguments, option) -> str | None:
    """As `value_of`, and take both out of the list.  Raises ValueError where nothing follows."""
    value = value_of(arguments, option)
    for i, word in enumerate(arguments):
        if word.partition("=")[0] == option:
            if value is None:
                raise Usage(f"{option} must be followed by a value")
            del arguments[i : i + (1 if "=" in word else 2)]
            break
    return value
