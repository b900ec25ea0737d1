"""Results of experiments: means with their standard errors, and every seed as a faint dot."""

from __future__ import annotations

import math

from .axes import COLOURS, MARKERS
from .figures import save_figure

__all__ = ["draw_panel", "save_experiment"]


def draw_panel(ax, rows, metrics, x="n", ylabel="accuracy", title="", xlabel="", live=False):
    """Means, with a line for each condition; see `vitedu.experiments.Panel` for `x`.  Returns the axes.

    rows: with the fields condition, n, seed, metric, value.  Bars are one standard error of the mean to either side;
    one seed has none.  With x "condition" there is a line for each metric.  live: these are rows of a run of one's own,
    laid over recorded ones: open markers of the same colours, with ", live" behind their names.  Raises ValueError for
    another x, or where there is no row of these metrics.
    """
    at = {(row.condition, row.n, row.seed): row.value for row in rows if row.metric == x}
    known = ("n", "metric", "condition", "number")
    rows = [row for row in rows if row.metric in metrics]
    if not rows or not (x in known or at):
        raise ValueError(f"x={x!r} with {len(rows)} rows of {tuple(metrics)}; expected one of {known}, or a metric")
    joined = "" if x in ("metric", "condition") else "-"
    line_of, place_of = _layout(metrics, x, at)
    places = list(dict.fromkeys(map(place_of, rows)))
    if x == "metric":
        places.sort(key=list(metrics).index)
    lines = list(dict.fromkeys(map(line_of, rows)))
    for k, line in enumerate(lines):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        xs, means, errors = [], [], []
        own = [row for row in rows if line_of(row) == line]
        for place in sorted({place_of(row) for row in own}) if joined else places:
            values = [row.value for row in own if place_of(row) == place]
            if not values:
                continue
            apart = k - (len(lines) - 1) / 2  # a little, so that bars do not hide each other
            where = place * 1.03**apart if joined else places.index(place) + 0.1 * apart
            if not live:
                ax.plot([where] * len(values), values, marker, color=colour, alpha=0.25, ms=5, zorder=2)
            mean, count = math.fsum(values) / len(values), len(values)
            spread = math.fsum((v - mean) ** 2 for v in values)
            xs.append(where)
            means.append(mean)
            errors.append(math.sqrt(spread / (count - 1) / count) if count > 1 else math.nan)
        look = {"mfc": "none", "label": f"{line}, live"} if live else {"label": line}
        ax.errorbar(xs, means, errors, fmt=marker + joined, color=colour, capsize=3, ms=6, zorder=3, **look)
    if joined:
        ax.set_xscale("log")
        ax.set_xlabel({"n": "training images", "number": xlabel}.get(x, x))
    else:
        ax.set_xticks(range(len(places)), places, rotation=30, ha="right")
    ax.set(ylabel=ylabel, title=title)
    ax.grid(alpha=0.3)
    return ax


def _layout(metrics, x, at):
    """Two functions of a row: the name of its line, and its place along x."""

    def line_of(row):
        if x == "number" or at:
            return row.condition.rpartition(", ")[0]
        if x == "condition":
            return row.metric
        return f"{row.condition}, {row.metric}" if x == "n" and len(metrics) > 1 else row.condition

    def place_of(row):
        if x == "number":
            return float(row.condition.rpartition(", ")[2])
        return at[row.condition, row.n, row.seed] if at else getattr(row, x)

    return line_of, place_of


def save_experiment(rows, panels, path, title="") -> None:
    """The panels of an experiment side by side, written to `path`, whole or not at all."""
    from matplotlib.figure import Figure  # without pyplot: nothing is shown, no window system is looked for

    figure = Figure(figsize=(4.2 * len(panels) + 1.8, 3.8), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, panel in zip(axes, panels, strict=True):
        draw_panel(ax, rows, panel.metrics, panel.x, panel.ylabel, panel.title, panel.xlabel)
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)
