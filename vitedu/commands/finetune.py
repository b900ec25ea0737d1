"""`vitedu finetune FROM --data DATA --out FOLDER`.  Described in docs/scale.md."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
import os
from typing import Annotated

__all__ = ["finetune"]

USAGE = """usage: vitedu finetune FROM --out FOLDER [--recipe RECIPE] [--data DATA] [--grid] [--any.field VALUE]

FROM: a run's folder, a file, a name such as vit_cifar10 or ViT-B_16, or a hub id.
RECIPE: one of {recipes}; where it is left out, the one made for DATA.
`vitedu finetune FROM --recipe RECIPE --help` lists all fields.
"""


def finetune(arguments):
    """Read the arguments, fine-tune, print the last evaluation."""
    import tyro

    from ..recipes import FineTuning, finetuning_for, get_finetuning, list_finetunings

    if not arguments or arguments[0].startswith("-"):
        print(USAGE.format(recipes=", ".join(list_finetunings())), end="")
        return 0 if "--help" in arguments or "-h" in arguments else 2
    start = arguments.pop(0)
    name = take(arguments, "--recipe")
    chosen = get_finetuning(name) if name else finetuning_for(value_of(arguments, "--data") or "")

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

    recipe, out, data, grid = tyro.cli(finetune, args=arguments, prog=f"vitedu finetune FROM --recipe {chosen.name}")
    from ..engine.finetune import finetune as carry_out

    results = carry_out(recipe, start, out, data, grid)
    if int(os.environ.get("RANK", 0)) == 0:
        print(", ".join(f"{name} {value:.4f}" for name, value in results.items()) or "done")


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
                raise ValueError(f"{option} must be followed by a value")
            del arguments[i : i + (1 if "=" in word else 2)]
            break
    return value
