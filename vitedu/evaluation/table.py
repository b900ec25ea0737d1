"""Many cells as one table; those of VTAB-1k as one of their own, with means."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from vitedu_numpy.contract import checked

from ..data.vtab import GROUPS, PREFIX, TASKS
from .cell import read_cell

__all__ = ["csv_table", "markdown_lines", "markdown_table", "points", "read_cells", "vtab_means", "vtab_table"]

COLUMNS = ("model", "digest", "data", "split", "metric", "value", "standard_error", "n", "precision", "classes", "date")


@checked
def read_cells(folder) -> list[dict]:
    """All cells of a folder, sorted by model and data set.  Raises ValueError that names a file which is none."""
    if not Path(folder).is_dir():
        raise ValueError(f"table={str(folder)!r} is no folder; expected one that `vitedu evaluate --out` wrote into")
    cells = [read_cell(path) for path in sorted(Path(folder).glob("*.json"))]
    if not cells:
        raise ValueError(f"table={str(folder)!r} holds no cells (*.json)")
    return sorted(cells, key=lambda cell: (cell["model"]["name"], cell["model"]["digest"], cell["data"]["name"]))


@checked
def markdown_table(cells, metric: str = "top1") -> str:
    """Models down, data sets across, "75.32 ± 0.43" (per cent, standard error) in each cell; "-": not computed.

    Two cells of the same model and column (other preparation or precision) stand in one place, one after the other.
    Tests of VTAB-1k are left to `vtab_table`; "" where nothing else is there.
    """
    cells = [cell for cell in cells if metric in cell["metrics"] and not _is_vtab_test(cell)]
    if not cells:
        return ""
    names = _names(cells)
    columns = list(dict.fromkeys(sorted(_column(cell) for cell in cells)))
    lines = [["model", *columns]]
    for key, name in names.items():
        here = [cell for cell in cells if _key(cell) == key]
        found = [[_number(c["metrics"][metric]) for c in here if _column(c) == column] for column in columns]
        lines.append([name, *("; ".join(numbers) or "-" for numbers in found)])
    return f"{metric}, % ± standard error\n\n{markdown_lines(lines)}"


# ---- VTAB-1k -------------------------------------------------------------------------------------------------------


@checked
def vtab_means(cells) -> dict[str, dict[str, tuple]]:
    """{model: {"natural", "specialized", "structured", "all": (mean, standard error, tasks there, tasks in all)}}.

    Top-1 on the test images; the mean over the tasks that are there, its error that of the test images alone.  A model
    is a name: each task has weights of its own.  None in place of mean and error where no task is there, or one has two
    results, so that it is not said which counts.
    """
    found = {}
    for name, tasks in _vtab(cells).items():
        groups = {group: [task for task in TASKS if TASKS[task].group == group] for group in GROUPS} | {"all": [*TASKS]}
        found[name] = {}
        for group, members in groups.items():
            there = [tasks[task] for task in members if task in tasks]
            mean = error = None
            if there and all(len(metrics) == 1 for metrics in there):
                mean = sum(m["value"] for (m,) in there) / len(there)
                error = math.sqrt(sum(m["standard_error"] ** 2 for (m,) in there)) / len(there)
            found[name][group] = mean, error, len(there), len(members)
    return found


@checked
def vtab_table(cells) -> str:
    """Models down; the means by group and of all with the number of tasks that are there, then each task.  "": none."""
    found, means = _vtab(cells), vtab_means(cells)
    if not found:
        return ""
    tasks = [task for task in TASKS if any(task in own for own in found.values())]
    lines = [["model", *GROUPS, "all", *tasks]]
    for name, own in found.items():
        line = [name]
        for mean, error, there, members in means[name].values():
            number = "-" if mean is None else _number({"value": mean, "standard_error": error})
            line.append(f"{number} ({there} of {members})")
        lines.append(line + ["; ".join(map(_number, own[task])) if task in own else "-" for task in tasks])
    title = "VTAB-1k, top1, % ± standard error; means over the tasks that are there (so many of all)"
    twice = [f"{name}: {task}" for name, own in found.items() for task, metrics in own.items() if len(metrics) > 1]
    note = f"\nTwo results, so no mean: {', '.join(twice)}\n" if twice else ""
    return f"{title}\n\n{markdown_lines(lines)}{note}"


def _vtab(cells):
    """{model: {task: [its numbers]}}, tasks in the order of `TASKS`"""
    found = {}
    for cell in cells:
        if _is_vtab_test(cell) and "top1" in cell["metrics"]:
            task = cell["data"]["name"].removeprefix(PREFIX)
            found.setdefault(cell["model"]["name"], {}).setdefault(task, []).append(cell["metrics"]["top1"])
    return {name: {task: own[task] for task in TASKS if task in own} for name, own in found.items()}


def _is_vtab_test(cell) -> bool:
    name = cell["data"]["name"]
    return name.startswith(PREFIX) and name.removeprefix(PREFIX) in TASKS and cell["data"]["split"] == "test"


# ---- as a picture, as lines ----------------------------------------------------------------------------------------


@checked
def points(cells, metric: str = "top1") -> list[tuple]:
    """(data set, model, per cent, standard error) of each cell, for `vitedu.show.draw_accuracies`; VTAB's means too."""
    others = [cell for cell in cells if metric in cell["metrics"] and not _is_vtab_test(cell)]
    names, rows = _names(others), []
    for cell in sorted(others, key=_column):
        rows.append((_column(cell), names[_key(cell)], cell["metrics"][metric]))
    if metric == "top1":
        for name, tasks in _vtab(cells).items():
            rows += [(f"vtab/{task}", name, number) for task, numbers in tasks.items() for number in numbers]
        for name, groups in vtab_means(cells).items():
            for group, (mean, error, there, members) in groups.items():
                if mean is not None:
                    number = {"value": mean, "standard_error": error}
                    rows.append((f"VTAB-1k, {group}, {there} of {members}", name, number))
    return [(row, name, 100 * found["value"], 100 * found["standard_error"]) for row, name, found in rows]


@checked
def csv_table(cells) -> str:
    """One line for each number of each cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in cells:
        for metric, found in cell["metrics"].items():
            model, data = cell["model"], cell["data"]
            writer.writerow([
                model["name"], model["digest"], data["name"], data["split"], metric, f"{found['value']:.6f}",
                f"{found['standard_error']:.6f}", cell["n"], cell["precision"], data["classes"], cell["date"],
            ])  # fmt: skip
    for name, groups in vtab_means(cells).items():
        for group, (mean, error, there, members) in groups.items():
            if mean is not None:
                numbers = f"{mean:.6f}", f"{error:.6f}", "", "", f"{there} of {members} tasks", ""
                writer.writerow([name, "", f"VTAB-1k, {group}", "test", "mean top1", *numbers])
    return text.getvalue()


def _key(cell) -> tuple[str, str]:
    return cell["model"]["name"], cell["model"]["digest"]


def _names(cells) -> dict[tuple, str]:
    """{(name, digest): what to call it}: the digest's beginning where two models have one name."""
    keys = list(dict.fromkeys(map(_key, cells)))
    names = [name for name, _ in keys]
    return {key: key[0] if names.count(key[0]) == 1 else f"{key[0]} ({key[1][:8]})" for key in keys}


def markdown_lines(lines) -> str:
    """Rows of texts, the head first, as a Markdown table."""
    lines = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _column(cell) -> str:
    data = cell["data"]
    name = data["name"] if data["name"].startswith(PREFIX) else Path(data["name"]).name
    return f"{name}, {data['split']} (n = {cell['n']:,})"


def _number(found) -> str:
    return f"{100 * found['value']:.2f} ± {100 * found['standard_error']:.2f}"
