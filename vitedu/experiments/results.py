"""Results as a tidy table: one row for each number that was measured; a file beside it says how they came about."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import NamedTuple

from vitedu_numpy.contract import checked
from vitedu_numpy.weights.files import replacing

__all__ = [
    "COLUMNS", "Results", "Row", "format_results", "read_results", "recorded", "recorded_names", "write_results",
]  # fmt: skip


class Row(NamedTuple):
    """One measurement."""

    experiment: str
    condition: str
    n: int  # training images
    seed: int
    metric: str
    value: float
    steps: int  # updates after which the weights were taken
    seconds: float  # of the whole cell: processor time, on a GPU time of the clock


COLUMNS = Row._fields
RECORDED = Path(__file__).parent / "recorded"  # results that are shipped, as they came out


class Results(NamedTuple):
    """Rows, and how they came about: command, machine, hours, budget, how many of how many cells."""

    rows: list[Row]
    about: dict

    def values(self, metric: str, condition: str, n: int | None = None) -> dict[int, float]:
        """{seed: value}; n may be left out where there is one only.  Raises ValueError where nothing was measured."""
        found = [r for r in self.rows if r.metric == metric and r.condition == condition and n in (None, r.n)]
        if not found or len({r.n for r in found}) > 1:
            have = sorted({(r.metric, r.condition, r.n) for r in self.rows})
            raise ValueError(f"metric={metric!r}, condition={condition!r}, n={n!r}: expected one of {have}")
        return {r.seed: r.value for r in found}

    def mean(self, metric: str, condition: str, n: int | None = None) -> tuple[float, float]:
        """Mean over seeds, and its standard error (NaN for one seed)."""
        values = list(self.values(metric, condition, n).values())
        mean, k = math.fsum(values) / len(values), len(values)
        if k == 1:
            return mean, math.nan
        return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (k - 1) / k)


def write_results(results: Results, path) -> None:
    """PATH.csv and PATH.json, each whole or not at all."""
    path = Path(path)
    with replacing(path.with_suffix(".csv")) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in results.rows:
            table.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in row])
    with replacing(path.with_suffix(".json")) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(results.about, file, indent=1)
        file.write("\n")


@checked
def read_results(path) -> Results:
    """What `write_results` wrote.  Raises OSError, or ValueError that names file and line of what is wrong."""
    path = Path(path).with_suffix(".csv")
    rows = []
    with open(path, encoding="utf-8", newline="") as file:
        table = csv.reader(file)
        if tuple(next(table, ())) != COLUMNS:
            raise ValueError(f"{path} does not begin with the columns {','.join(COLUMNS)}")
        for line in table:
            try:
                experiment, condition, n, seed, metric, value, steps, seconds = line
                rows.append(
                    Row(experiment, condition, int(n), int(seed), metric, float(value), int(steps), float(seconds))
                )
            except ValueError as error:
                raise ValueError(f"{path}, line {table.line_num}: {error}") from None
    with open(path.with_suffix(".json"), encoding="utf-8") as file:
        try:
            about = json.load(file)
        except ValueError as error:
            raise ValueError(f"{path.with_suffix('.json')} is no JSON: {error}") from None
    return Results(rows, about)


def recorded_names() -> list[str]:
    """Experiments whose results are shipped."""
    return sorted(path.stem for path in RECORDED.glob("*.csv"))


def recorded(name: str) -> Results:
    """The shipped results of an experiment.  Raises ValueError where there are none."""
    if name not in recorded_names():
        raise ValueError(f"name={name!r} has no recorded results; there are {recorded_names()}")
    return read_results(RECORDED / name)


def format_results(results: Results) -> str:
    """A table in Markdown: mean ± standard error over seeds of every metric, and of how many cells.

    One number of images: a row for each metric and a column for each condition, or the other way round, so that the
    table is long rather than wide.  Several: a row for each condition and number of images, a column for each metric.
    """
    rows = results.rows
    metrics, conditions, sizes, seeds = (
        list(dict.fromkeys(getattr(row, field) for row in rows)) for field in ("metric", "condition", "n", "seed")
    )
    have = {(row.metric, row.condition, row.n) for row in rows}

    def shown(*key):
        if key not in have:
            return "-"
        (mean, error), count = results.mean(*key), len(results.values(*key))
        spread = f" ± {error:.3f}" if count > 1 else ""
        return f"{mean:.3f}{spread}" + (f" ({count})" if count < len(seeds) else "")

    if len(sizes) > 1:
        lines = [["n", "condition", *metrics]]
        lines += [[str(n), c, *(shown(m, c, n) for m in metrics)] for n in sorted(sizes) for c in conditions]
    elif len(conditions) > len(metrics):
        lines = [["condition", *metrics]]
        lines += [[c, *(shown(m, c, sizes[0]) for m in metrics)] for c in conditions]
    else:
        lines = [["metric", *conditions]]
        lines += [[metric, *(shown(metric, c, sizes[0]) for c in conditions)] for metric in metrics]
    lines.insert(1, ["---"] * len(lines[0]))
    about = results.about
    cells = f"{about['finished']} of {about['cells']} cells, seeds {', '.join(map(str, seeds))}"
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{cells}\n"
