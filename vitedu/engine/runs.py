"""Runs side by side: how far they are, what differs, their curves.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import NamedTuple

from vitedu_numpy.contract import checked
from vitedu_numpy.extras import naming_extras
from vitedu_numpy.validate import require
from vitedu_numpy.weights.files import replacing

from ..recipes import flatten
from .manifest import checkpoint_at, has_manifest, problems, steps_in
from .report import read_metrics
from .run_folder import place_of_recipe, read_recipe

__all__ = [
    *("Run", "compare", "differences", "draw", "file_names", "picture_endings", "read_run", "read_runs", "verify"),
    "write_csv",
]

COLUMNS = (
    *("step", "images", "seconds", "loss", "accuracy", "learning_rate", "grad_norm", "images_per_second"),
    *("eval_loss", "eval_accuracy"),
)


class Run(NamedTuple):
    """What `vitedu train` left in a folder."""

    name: str
    settings: dict[str, object]  # the recipe, flat
    metrics: list[dict]  # the lines of metrics.jsonl

    def series(self, key: str) -> tuple[list[int], list[float]]:
        """(images seen, values) of one of the metrics, e.g. "loss", "eval_accuracy"."""
        lines = [line for line in self.metrics if key in line]
        return [line["images"] for line in lines], [line[key] for line in lines]

    def last(self, key: str):
        """The newest value, None where there is none."""
        return next((line[key] for line in reversed(self.metrics) if key in line), None)


@checked
def read_run(folder) -> Run:
    """Raises OSError or ValueError, naming the file, where the folder holds no run."""
    folder = Path(folder)
    place = place_of_recipe(folder)
    if place is None:
        what = "holds no run: no recipe.json is in it" if folder.is_dir() else "is no folder; expected that of a run"
        raise FileNotFoundError(f"{str(folder)!r} {what}")
    recipe, _ = read_recipe(place)
    return Run(folder.name, flatten(recipe), read_metrics(folder / "metrics.jsonl"))


def read_runs(folders) -> list[Run]:
    """As `read_run`, each named by as much of its path as tells them apart: a/run and b/run."""
    _check_list("folders", folders, "folders of runs")
    paths = [Path(folder).resolve().parts for folder in folders]
    runs = []
    for folder, path in zip(folders, paths, strict=True):
        others = [other for other in paths if other != path]
        length = next((n for n in range(1, len(path)) if all(other[-n:] != path[-n:] for other in others)), len(path))
        runs.append(read_run(folder)._replace(name="/".join(path[-length:])))
    return runs


def file_names(runs) -> list[str]:
    """A name for the table of each run, no two of them equal, not even where capitals do not count."""
    names, taken = [], set()
    for run in runs:
        stem = re.sub(r"[^\w.-]", "-", run.name).strip("-")
        name, count = stem, 1
        while name.casefold() in taken:
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.casefold())
        names.append(f"{name}.csv")
    return names


def verify(folders) -> tuple[list[str], bool]:
    """(a line for each checkpoint of these runs, is one of them damaged?)  Reads every file that they hold."""
    lines, damaged = [], False
    _check_list("folders", folders, "folders of runs")
    for folder in folders:
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"{folder!r} is no folder; expected that of a run")
        kept = Path(folder) / "checkpoints"
        steps = steps_in(kept)
        lines += [] if steps else [f"{kept}: no checkpoint"]
        for path in (checkpoint_at(kept, step) for step in steps):
            size = sum(file.stat().st_size for file in path.iterdir()) / 1e6
            if not has_manifest(path):
                lines.append(f"{path}: no manifest, an older version wrote it ({size:.2f} MB)")
                continue
            found = problems(path)
            damaged = damaged or bool(found)
            lines.append(f"{path}: {'damaged: ' + '; '.join(found) if found else f'whole ({size:.2f} MB)'}")
        lines += [f"{path}: set aside as damaged" for path in sorted(kept.glob("damaged_*"))]
    return lines, damaged


def _check_list(name, value, what) -> None:
    require(isinstance(value, list | tuple) and len(value) > 0, name, value, f"a list of {what}")


def differences(runs) -> dict[str, list]:
    """Setting -> its value in each run, for the settings in which the runs differ."""
    names = sorted({name for run in runs for name in run.settings})
    values = {name: [run.settings.get(name) for run in runs] for name in names}
    return {name: found for name, found in values.items() if any(value != found[0] for value in found)}


def compare(runs) -> str:
    """A table: one column per run; where each is, what it reached, what was set differently."""
    _check_list("runs", runs, "runs, as `read_run` gives them")
    rows = [("", [run.name for run in runs])]
    for label, key, form in (
        ("step", "step", "{}"), ("images", "images", "{}"), ("hours", "seconds", "{:.2f}"), ("loss", "loss", "{:.4f}"),
        ("accuracy", "accuracy", "{:.4f}"), ("held-out accuracy", "eval_accuracy", "{:.4f}"),
        ("... averaged weights", "ema_eval_accuracy", "{:.4f}"), ("5-shot accuracy", "few_shot_5", "{:.4f}"),
        ("images/s", "images_per_second", "{:.0f}"), ("skipped images", "skipped", "{}"),
    ):  # fmt: skip
        values = [run.last(key) for run in runs]
        if any(value is not None for value in values):
            scale = 3600 if key == "seconds" else 1
            rows.append((label, ["-" if v is None else form.format(v / scale if scale > 1 else v) for v in values]))
    rows += [(name, [str(v) for v in values]) for name, values in differences(runs).items() if name != "name"]
    first = max(len(label) for label, _ in rows)
    widths = [max(len(cells[i]) for _, cells in rows) for i in range(len(runs))]
    return "\n".join(
        label.ljust(first) + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for label, cells in rows
    )


def write_csv(run, path) -> None:
    """The curves as a table: one line per step that was reported, empty where nothing was measured."""
    rows = {}
    for line in run.metrics:
        rows.setdefault(line["step"], {}).update(line)
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row in rows.values():
            values = [row.get(name, "") for name in COLUMNS]
            table.writerow([f"{value:.5g}" if isinstance(value, float) else value for value in values])


@naming_extras()
def picture_endings() -> tuple[str, ...]:
    """Those of the pictures that can be drawn here: (".png", ".svg", ...)."""
    from matplotlib.backend_bases import FigureCanvasBase

    return tuple(f".{ending}" for ending in sorted(FigureCanvasBase.get_supported_filetypes()))


@naming_extras()
def draw(runs, path) -> None:
    """Loss, accuracy on held-out images and learning rate of all runs, as a picture."""
    from matplotlib.figure import Figure  # and not pyplot, which would change how a notebook draws

    panels = [("loss", "training loss"), ("eval_accuracy", "held-out accuracy"), ("learning_rate", "learning rate")]
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    axes = figure.subplots(1, 3)
    for ax, (key, label) in zip(axes, panels, strict=True):
        for run in runs:
            images, values = run.series(key)
            ax.plot(images, values, label="run", marker="o" if key == "eval_accuracy" else None, markersize=3)
        ax.set(xlabel="images seen", ylabel=label)
        ax.grid(alpha=0.3)
    for text, run in zip(axes[0].legend().get_texts(), runs, strict=True):
        text.set(text=_readable(run.name), parse_math=False)  # as a label "_try" is left out, and "$a$" a formula
    figure.savefig(path, dpi=110)


def _readable(name: str) -> str:
    """A file's name as text that can be drawn, also where the locale does not know its letters (LC_ALL=C)."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
