"""Recipes by name: the paper's Table 3, the authors' AugReg settings, some for a laptop; fine-tuning."""

from .augreg import AUGREG
from .finetune import FineTuning, finetuning_for, get_finetuning, list_finetunings
from .hyper_rule import HyperRule, hyper_rule
from .laptop import LAPTOP
from .paper import PAPER
from .recipe import DataRecipe, Execution, Notes, Recipe, flatten, format_recipe

__all__ = [
    "DataRecipe", "Execution", "FineTuning", "HyperRule", "Notes", "Recipe", "finetuning_for", "flatten",
    "format_recipe", "get_finetuning", "get_recipe", "hyper_rule", "list_finetunings", "list_recipes",
]  # fmt: skip

_RECIPES = {recipe.name: recipe for recipe in [*LAPTOP, *PAPER, *AUGREG]}


def list_recipes() -> list[str]:
    """Names of all recipes."""
    return list(_RECIPES)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.  Raises ValueError, with all names, for an unknown one."""
    if name not in _RECIPES:
        raise ValueError(f"recipe={name!r} is not known; allowed is one of {', '.join(_RECIPES)}")
    return _RECIPES[name]
