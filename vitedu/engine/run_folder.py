"""A run's folder: what was run, with which versions.  Taught in notebooks/14_pretraining.ipynb.

| file | what |
|---|---|
| recipe.json | the final recipe, and a digest of the weights it begins from: enough to repeat the run |
| classes.json | the names of the classes in the order of their numbers, where the data set tells them |
| versions.json | of Python and the packages |
| metrics.jsonl | one line per report |
| curves.png | loss, accuracy, learning rate |
| checkpoints/ | see `checkpoints.py`; each has its own recipe.json and classes.json |
| run.lock | while it runs: which process has the folder, see `lock.py` |
| model.safetensors | the weights at the end |
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vitedu_numpy.weights.files import replacing

from ..data.objects import name_of
from ..recipes import Recipe, flatten
from ..recipes.files import recipe_in
from ..weights.safe import read_json
from .manifest import checkpoint_at, problems, steps_in

__all__ = [
    *("changes", "check_classes", "open_run", "place_of_recipe", "read_classes", "read_precision", "read_recipe"),
    *("versions", "write_json"),
]

_PACKAGES = ("vitedu", "torch", "numpy", "datasets", "pyarrow", "pillow", "simplejpeg", "opencv-python-headless")


def open_run(
    folder, recipe, dataset, num_images: int, world, precision: str, facts: dict[str, str], classes=None,
    begun_from: str = "",
) -> dict:  # fmt: skip
    """Write what is run into a new folder; in an old one, see that it is the same run.  What recipe.json then holds.

    precision: what was taken, where the recipe leaves it open; facts: what else stands in versions.json; classes: the
    names that number the labels, None where the data do not tell; begun_from: the digest of the weights that it begins
    from, "" for new ones.  Only `run.*`, how it is carried out, the notes, and where data and weights lie may have
    changed.  Raises ValueError that names every other difference, unless there is no checkpoint yet: then nothing is
    lost, and the folder begins anew.  Raises it too where a run's last weights stand there without any checkpoint.  A
    recipe.json that is gone is taken from the newest checkpoint.
    """
    folder = Path(folder)
    kind = type(recipe.model).__name__
    record = {"model_kind": kind, "num_images": num_images, "data": name_of(dataset), "precision": precision}
    record |= {"begun_from": begun_from} if begun_from else {}
    record["recipe"] = asdict(recipe)
    place, kept = place_of_recipe(folder), folder / "checkpoints"
    if (folder / "model.safetensors").exists() and not steps_in(kept) and not any(kept.glob("damaged_*")):
        raise ValueError(
            f"out={str(folder)!r} holds the model.safetensors of a run whose checkpoints are gone, and a new run would "
            "replace it; give another folder, or move the file away"
        )
    if place is not None:
        changed = changes(place, recipe, num_images, begun_from)
        if steps_in(kept) or any(kept.glob("damaged_*")):
            if changed:
                raise ValueError(
                    f"out={str(folder)!r} holds another run; give another folder, or undo: {'; '.join(changed)}"
                )
            check_classes(read_classes(place), classes, f"out={str(folder)!r}")
        if world.is_first and changed:
            print(
                f"{folder}: another run was stopped here before its first checkpoint; this one begins in its place",
                flush=True,
            )
        if world.is_first and place != folder:
            print(f"{folder / 'recipe.json'} is gone; it was restored from {place}", flush=True)
    world.barrier()
    if world.is_first:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "recipe.json", record)
        where = {"processes": world.size, "device": str(world.device)}
        write_json(folder / "versions.json", versions() | where | facts)
        if classes:
            write_json(folder / "classes.json", list(classes))
    world.barrier()
    return record


def place_of_recipe(folder) -> Path | None:
    """Where a run's recipe.json stands: in its folder, else in its newest checkpoint; None: nowhere."""
    folder = Path(folder)
    if (folder / "recipe.json").exists():
        return folder
    kept = folder / "checkpoints"
    places = [checkpoint_at(kept, step) for step in reversed(steps_in(kept))]
    return next((p for p in places if (p / "recipe.json").exists() and not problems(p, only="recipe.json")), None)


def changes(place, recipe, num_images: int, begun_from: str = "") -> list[str]:
    """What makes a run another one than that whose recipe.json stands in the folder `place`, one line for each."""
    old, old_images = read_recipe(place)
    old_start = read_json(Path(place) / "recipe.json").get("begun_from", "")
    begun = "the digest of the weights it begins from"
    unsaid = "start" if (old.start is None) == (recipe.start is None) else begun  # weights may lie elsewhere by now
    before, now = (
        flatten(r) | {"images in the data set": n, begun: digest}
        for r, n, digest in ((old, old_images, old_start), (recipe, num_images, begun_from))
    )
    return [
        f"{name} was {before.get(name)!r}, is {now.get(name)!r}"
        for name in sorted({*before, *now})
        if not name.startswith(("run.", "notes.", "data.dataset"))
        and name != unsaid
        and before.get(name) != now.get(name)
    ]


def read_recipe(folder) -> tuple[Recipe, int]:
    """(the recipe of a run's folder, number of training images).  Raises OSError or ValueError that name the file."""
    path = Path(folder) / "recipe.json"
    try:
        return recipe_in(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        has_copy = any((path.parent / "checkpoints").glob("step_*/recipe.json"))
        advice = "; remove it, and it is restored from the newest checkpoint" if has_copy else ""
        raise ValueError(f"{path} does not hold the recipe of a run: {error}{advice}") from error


def read_classes(folder) -> list[str] | None:
    """The class names of a run's folder or a checkpoint's; None where they are not known.  Errors as above."""
    path = Path(folder) / "classes.json"
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, list) or not found or not all(isinstance(name, str) for name in found):
            raise ValueError("expected a list of names")
        return found
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} does not hold class names: {error}") from error


def check_classes(before, now, what: str) -> None:
    """Raise ValueError that begins with `what` where two lists of class names differ; None: nothing is known."""
    if not before or not now or list(before) == list(now):
        return
    k = next((k for k, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now)))
    was, is_now = (repr(names[k]) if k < len(names) else "nothing" for names in (before, now))
    raise ValueError(
        f"{what} was trained with other classes: class {k} was {was}, is {is_now} ({len(before)} classes then, "
        f"{len(now)} now); give the data of then, or another folder"
    )


def read_precision(folder) -> str | None:
    """The precision that the run in a folder was last carried out in; None where there is no run.  Errors as above."""
    folder = place_of_recipe(folder)
    if folder is None:
        return None
    recipe, _ = read_recipe(folder)
    found = read_json(folder / "recipe.json").get("precision", recipe.run.precision)
    if found not in ("bf16", "float32", "float64"):
        raise ValueError(f"{folder}/recipe.json has precision={found!r}; allowed is 'bf16', 'float32' or 'float64'")
    return found


def write_json(path, value) -> None:
    """Write JSON, complete or not at all."""
    with replacing(path) as temporary:
        Path(temporary).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
