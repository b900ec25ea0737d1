"""Recipes by name: the paper's Table 3, the authors' AugReg settings, some for a laptop; fine-tuning.

Where a name is asked for, a file of one's own will do (`files.py`).
"""

from vitedu_numpy.validate import did_you_mean

from .augreg import AUGREG
from .files import is_recipe_file, read_recipe_file
from .finetune import FineTuning, finetuning_for, list_finetunings
from .finetune import get_finetuning as _named_finetuning
from .hyper_rule import HyperRule, hyper_rule
from .laptop import LAPTOP
from .paper import PAPER
from .recipe import DataRecipe, Execution, Notes, Recipe, flatten, format_recipe

__all__ = [
    "DataRecipe", "Execution", "FineTuning", "HyperRule", "Notes", "Recipe", "any_recipe", "finetuning_for", "flatten",
    "format_recipe", "get_finetuning", "get_recipe", "hyper_rule", "is_recipe_file", "list_finetunings", "list_recipes",
]  # fmt: skip

_RECIPES = {recipe.name: recipe for recipe in [*LAPTOP, *PAPER, *AUGREG]}


def list_recipes() -> list[str]:
    """Names of all recipes."""
    return list(_RECIPES)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name, or in that file.  Raises ValueError, with all names, for an unknown one.

    name: of `list_recipes()`, or a .toml, .json or .py file (which is executed), or a run's folder.
    """
    if is_recipe_file(name):
        return read_recipe_file(name, Recipe, any_recipe)
    if not isinstance(name, str) or name not in _RECIPES:
        if name in list_finetunings():
            raise ValueError(f"recipe={name!r} is one for fine-tuning: `vitedu finetune FROM --recipe {name}`")
        hint = did_you_mean(name, [*_RECIPES, *list_finetunings()])
        raise ValueError(f"recipe={name!r} is not known; {hint}allowed is a file, or one of {', '.join(_RECIPES)}")
    return _RECIPES[name]


def get_finetuning(name: str) -> FineTuning:
    """As `get_recipe`, for fine-tuning."""
    return read_recipe_file(name, FineTuning, any_recipe) if is_recipe_file(name) else _named_finetuning(name)


def any_recipe(name: str) -> Recipe | FineTuning:
    """A recipe of either kind, by its name or file.  Errors as `get_recipe`."""
    if is_recipe_file(name):
        return read_recipe_file(name, (Recipe, FineTuning), any_recipe)
    return get_finetuning(name) if name in list_finetunings() else get_recipe(name)
