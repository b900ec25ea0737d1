"""Recipes by name: the paper's Table 3, the authors' AugReg settings, and some for a laptop."""

from .augreg import AUGREG
from .laptop import LAPTOP
from .paper import PAPER
from .recipe import DataRecipe, Execution, Notes, Recipe, flatten, format_recipe

__all__ = ["DataRecipe", "Execution", "Notes", "Recipe", "flatten", "format_recipe", "get_recipe", "list_recipes"]

_RECIPES = {recipe.name: recipe for recipe in [*LAPTOP, *PAPER, *AUGREG]}


def list_recipes() -> list[str]:
    """Names of all recipes."""
    return list(_RECIPES)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.  Raises ValueError, with all names, for an unknown one."""
    if name not in _RECIPES:
        raise ValueError(f"recipe={name!r} is not known; allowed is one of {', '.join(_RECIPES)}")
    return _RECIPES[name]
