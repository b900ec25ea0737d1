"""`vitedu recipes`: all recipes as a table; `vitedu recipes NAME`: one in full.  Described in docs/scale.md."""

# No `from __future__ import annotations` here: the annotations are values that tyro reads.
from typing import Annotated

from .arguments import Usage, named, read

__all__ = ["recipes"]


def recipes(arguments) -> int:
    """Print a table, or the fields of those that are named."""
    import tyro

    def recipes(
        names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="RECIPE")] = (),
        *,
        gpu: str = "a100-80gb",
        gpus: int = 8,
    ):
        """All recipes: parameters, data, length, hours; or the fields of some.

        Args:
            names: recipes, or files with one; without any: the table.
            gpu: the machine that the hours are reckoned for, as in `vitedu plan`.
            gpus: how many of them.
        """
        return names, gpu, gpus

    names, gpu, gpus = read(recipes, arguments, "vitedu recipes")
    from ..recipes import any_recipe, format_recipe

    for name in names:
        print(format_recipe(named(any_recipe, name)))
    if not names:
        print("\n".join(table(gpu, gpus)))
    return 0


def table(gpu: str, gpus: int) -> list[str]:
    """A line for each recipe.  Raises Usage for a machine that there is not."""
    from ..plan import PlanRequest
    from ..recipes import get_finetuning, get_recipe, list_finetunings, list_recipes

    try:
        request = PlanRequest(gpu=gpu, gpus=gpus)
    except ValueError as error:
        raise Usage(str(error)) from error
    machine = f"{gpus} x {gpu}"
    rows = [("recipe", "parameters", "data", "images", "length", "hours", "on")]
    rows += [_row(get_recipe(name), request, machine) for name in list_recipes()]
    tuned = [("for `vitedu finetune FROM --recipe`", "", "data", "", "length", "hours", "on")]
    tuned += [_tuning_row(get_finetuning(name)) for name in list_finetunings()]
    notes = [
        f"hours on {machine}: arithmetic, as `vitedu plan RECIPE` has it, with what it assumes; on a CPU: measured.",
        "?: not known before the data, or the weights that are carried over, are.",
        "`vitedu recipes RECIPE` shows one in full; a file of your own will do wherever a RECIPE is asked for.",
    ]
    return [*_aligned(rows), "", *_aligned(tuned), "", *notes]


def _row(recipe, request, machine) -> tuple[str, ...]:
    from ..accounting.formulas import parameters_by_part
    from ..plan.planner import hours, images_of

    images = images_of(recipe)
    parameters = sum(parameters_by_part(recipe.model).values())
    length = f"{recipe.steps} steps" if recipe.epochs is None else f"{recipe.epochs:g} epochs"
    measured = recipe.notes.cost if "core" in recipe.notes.hardware or "CPU" in recipe.notes.hardware else ""
    if measured:
        took, where = _in_hours(measured), "one CPU core"
    else:
        found = hours(recipe, request, images)
        took, where = "?" if found is None else f"{found:,.0f}" if found >= 100 else f"{found:.3g}", machine
    data = recipe.data.dataset or ("JFT-300M (private)" if "-jft" in recipe.name else "?")
    return (recipe.name, _millions(parameters), data, "?" if images is None else f"{images:,}", length, took, where)


def _tuning_row(tuning) -> tuple[str, ...]:
    from ..plan.planner import images_in

    images = images_in(tuning.data.dataset)
    length = "by its rule" if tuning.steps is None else f"{tuning.steps} steps"
    cost = _in_hours(tuning.notes.cost) if tuning.notes.cost else "?"
    return (
        tuning.name, "", tuning.data.dataset or "any", "?" if images is None else f"{images:,}", length, cost,
        tuning.notes.hardware if tuning.notes.cost else "?",
    )  # fmt: skip


def _in_hours(cost: str) -> str:
    """ "22 minutes of one core" -> "0.37" """
    number, unit, *_ = cost.split()
    return f"{float(number) * {'s': 1 / 3600, 'minutes': 1 / 60, 'hours': 1}[unit]:.2g}"


def _millions(n: int) -> str:
    return f"{n / 1e6:.1f} M" if n >= 1e6 else f"{n:,}"


def _aligned(rows) -> list[str]:
    """Columns of equal width, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[f"{cell:{way}{w}}" for cell, way, w in zip(row, "<><><><", widths, strict=True)] for row in rows]
    return ["  ".join(row).rstrip() for row in cells]
