"""Recipes of one's own, as files: TOML, JSON, a run's recipe.json, Python.  Described in docs/scale.md.

    base = "vit_cifar10"        # a recipe to begin from; without one, [model] has to be whole
    epochs = 20
    learning_rate = 5e-4

    [model]
    width = 128

    [data]
    dataset = "data/mine"

| file | what it is |
|---|---|
| mine.toml | the fields of a `Recipe` or `FineTuning`, with a table for each part; "none" stands for None |
| mine.json | the same in JSON |
| a run's folder, or its recipe.json | what that run carried out, on the same data |
| mine.py | is EXECUTED; whatever is called `recipe` in it then.  Only a name that ends in .py is |

A key that is no field is refused, with the nearest that is one.
"""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, Field, fields, is_dataclass, replace

from vitedu_numpy.config import BiTConfig, HybridConfig, ViTConfig
from vitedu_numpy.validate import did_you_mean

from .recipe import DataRecipe, Execution, Notes, Recipe

__all__ = ["is_recipe_file", "read_recipe_file", "read_table", "recipe_in"]

ENDINGS = (".toml", ".json", ".py")
MODELS = {kind.__name__: kind for kind in (ViTConfig, HybridConfig, BiTConfig)}
PARTS = {"data": DataRecipe, "notes": Notes, "run": Execution}


def is_recipe_file(name) -> bool:
    """Does `name` mean a file or a run's folder, and no name of a recipe?  It need not exist."""
    name = os.fspath(name) if isinstance(name, (str, os.PathLike)) else ""
    return name.lower().endswith(ENDINGS) or os.path.isfile(os.path.join(name, "recipe.json"))


def read_recipe_file(path, kind: type, named):
    """The recipe in a file.     kind: `Recipe`, `FineTuning`, or both; named: from a name to the recipe of that name

    Raises OSError where the file cannot be read, ValueError that names file and key for everything in it that is wrong.
    """
    path = os.fspath(path)
    path = os.path.join(path, "recipe.json") if os.path.isdir(path) else path
    try:
        found = _python(path) if path.lower().endswith(".py") else read_table(path)
        if isinstance(found, dict) and "model_kind" in found and "recipe" in found:
            found = _of_a_run(found)
        elif isinstance(found, dict):
            found = _built(found, kind, named, os.path.splitext(os.path.basename(path))[0])
        elif not is_dataclass(found):
            raise ValueError(f"recipe is a {type(found).__name__}; expected a Recipe or a FineTuning")
        if not isinstance(found, kind):
            other = "`vitedu train`" if isinstance(found, Recipe) else "`vitedu finetune FROM --recipe`"
            raise ValueError(f"it holds a {type(found).__name__}, which is for {other}")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"{path}: {reason}") from error
    return found


def recipe_in(record) -> tuple[Recipe, int]:
    """(recipe, number of training images) of what stands in a recipe.json.  Raises ValueError, TypeError, KeyError."""
    parts = dict(record["recipe"])
    kinds = {"model": MODELS[record["model_kind"]]} | PARTS
    parts |= {name: kind(**parts[name]) for name, kind in kinds.items()}
    return Recipe(**parts), int(record["num_images"])


def _of_a_run(record) -> Recipe:
    """The recipe, with the data set that the run was given on the command line."""
    recipe, _ = recipe_in(record)
    return replace(recipe, data=replace(recipe.data, dataset=record.get("data") or recipe.data.dataset))


def read_table(path) -> dict:
    with open(path, "rb") as file:
        text = file.read().decode("utf-8-sig")
    if path.lower().endswith(".json"):
        found = json.loads(text, object_pairs_hook=_once)
    else:
        try:
            import tomllib
        except ModuleNotFoundError:
            raise ValueError("TOML is read by Python 3.11 or newer; with this one write the same as .json") from None
        found = tomllib.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"it holds a {type(found).__name__}; expected fields by name")
    return found


def _once(pairs) -> dict:
    """A JSON object.  Raises ValueError for a key that stands twice: one of the two would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key in found if sum(name == key for name, _ in pairs) > 1)
        raise ValueError(f"key {twice!r} stands twice")
    return found


def _python(path):
    """Whatever the file calls `recipe`.  It is executed: it may do anything."""
    import runpy

    try:
        found = runpy.run_path(path, run_name="vitedu_recipe")
    except OSError:
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(f"executing it ended with {type(error).__name__}: {error}") from error
    if "recipe" not in found:
        raise ValueError("it defines no `recipe`; expected recipe = Recipe(...) or FineTuning(...)")
    return found["recipe"]


# ---- from fields by name to a recipe ---------------------------------------------------------------------------------


def _built(given: dict, kind: type, named, name: str):
    given = dict(given)
    base = given.pop("base", None)
    if base is not None:
        if not isinstance(base, str):
            raise ValueError(f"base={base!r} is not allowed; base must be the name of a recipe")
        begun = named(base)
        given = {"name": name} | given
        return _changed(begun, _one_length(given) if isinstance(begun, Recipe) else given, "")
    if isinstance(kind, tuple):  # either: a model of its own is what fine-tuning lacks
        kind = kind[0] if "model" in given else kind[1]
    _check_keys(given, ["base", *(f.name for f in fields(kind))], "")
    given = {"name": name} | given
    if kind is Recipe:
        given["model"] = _model(given.get("model"))
    for part, of in PARTS.items():
        given[part] = _filled(of, given.get(part, {}), part)
    return _filled(kind, given, "")


def _one_length(given: dict) -> dict:
    """A run is as long as the file says: `steps` there takes the place of the base's `epochs`, and the other way."""
    if "steps" in given and "epochs" not in given:
        return {"epochs": "none", **given}
    return {"steps": "none", **given} if "epochs" in given and "steps" not in given else given


def _model(given):
    if not isinstance(given, dict):
        raise ValueError(f"model={given!r} is not allowed; give a table [model], or base = ... to begin from")
    given = dict(given)
    kind = given.pop("kind", "ViTConfig")
    if kind not in MODELS:
        hint = did_you_mean(kind, MODELS)
        raise ValueError(f"model.kind={kind!r} is not known; {hint}allowed is one of {', '.join(MODELS)}")
    return _filled(MODELS[kind], given, "model")


def _changed(config, given: dict, part: str):
    """A dataclass with some fields changed, parts of it included."""
    known = {f.name: f for f in fields(config)}
    _check_keys(given, known, part)
    values = {}
    for key, value in given.items():
        old = getattr(config, key)
        if is_dataclass(old):
            values[key] = _changed(old, _table(value, _path(part, key)), _path(part, key))
        else:
            values[key] = _value(value, known[key])
    return replace(config, **values)


def _filled(kind: type, given, part: str):
    known = {f.name: f for f in fields(kind)}
    _check_keys(_table(given, part), known, part)
    missing = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING and n not in given]
    if missing:
        raise ValueError(f"{', '.join(_path(part, name) for name in missing)} must be given, where there is no base")
    return kind(**{key: v if is_dataclass(v) else _value(v, known[key]) for key, v in given.items()})


def _table(value, path: str) -> dict:
    if not isinstance(value, dict):
        raise ValueError(f"{path}={value!r} is not allowed; {path} must be a table of fields")
    return value


def _check_keys(given, known, part: str) -> None:
    for key in given:
        if key not in known:
            where = f" in [{part}]" if part else ""
            hint = did_you_mean(key, known) or f"fields are {', '.join(known)}"
            raise ValueError(f"unknown key {key!r}{where}; {hint}".rstrip())


def _value(value, field: Field):
    """A list as a tuple, "none" as None where the field may be None and no text."""
    kind = str(field.type)
    if isinstance(value, str) and value.lower() == "none" and "None" in kind and "str" not in kind:
        return None
    return _tuple(value)


def _tuple(value):
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def _path(part: str, name: str) -> str:
    return f"{part}.{name}" if part else name
