"""Many cells as one table."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from .cell import read_cell

__all__ = ["csv_table", "markdown_table", "read_cells"]

COLUMNS = ("model", "digest", "data", "split", "metric", "value", "standard_error", "n", "precision", "classes", "date")


def read_cells(folder) -> list[dict]:
    """All cells of a folder, sorted by model and data set.  Raises ValueError that names a file which is none."""
    if not Path(folder).is_dir():
        raise ValueError(f"table={str(folder)!r} is no folder; expected one that `vitedu evaluate --out` wrote into")
    cells = [read_cell(path) for path in sorted(Path(folder).glob("*.json"))]
    if not cells:
        raise ValueError(f"table={str(folder)!r} holds no cells (*.json)")
    return sorted(cells, key=lambda cell: (cell["model"]["name"], cell["model"]["digest"], cell["data"]["name"]))


def markdown_table(cells, metric: str = "top1") -> str:
    """Models down, data sets across, "75.32 ± 0.43" (per cent, standard error) in each cell; "-": not computed.

    Two cells of the same model and column (other preparation or precision) stand in one place, one after the other.
    """
    cells = [cell for cell in cells if metric in cell["metrics"]]
    models = list(dict.fromkeys((cell["model"]["name"], cell["model"]["digest"]) for cell in cells))
    columns = list(dict.fromkeys(sorted(_column(cell) for cell in cells)))
    names = [name for name, _ in models]
    lines = [["model", *columns], ["---"] * (len(columns) + 1)]
    for name, digest in models:
        row = [name if names.count(name) == 1 else f"{name} ({digest[:8]})"]
        for column in columns:
            here = [c for c in cells if c["model"]["digest"] == digest and c["model"]["name"] == name]
            found = [_number(c["metrics"][metric]) for c in here if _column(c) == column]
            row.append("; ".join(found) or "-")
        lines.append(row)
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"{metric}, % ± standard error\n\n{table}\n"


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
    return text.getvalue()


def _column(cell) -> str:
    data = cell["data"]
    return f"{Path(data['name']).name}, {data['split']} (n = {cell['n']:,})"


def _number(found) -> str:
    return f"{100 * found['value']:.2f} ± {100 * found['standard_error']:.2f}"
