"""Results of experiments: means with their standard errors, and every seed as a faint dot."""

from __future__ import annotations

import math

from .axes import COLOURS, MARKERS
from .figures import save_figure

__all__ = ["draw_panel", "save_experiment"]


def draw_panel(ax, rows, metrics, x="n", ylabel="accuracy", title=""):
    """One line for each condition (x "n" or "metric"), or one for each metric (x "condition").  Returns the axes.

    rows: with the fields condition, n, seed, metric, value.  Bars are one standard error of the mean to either side;
    one seed has none.  Raises ValueError for another x, or where there is no row of these metrics.
    """
    rows = [row for row in rows if row.metric in metrics]
    if x not in ("n", "metric", "condition") or not rows:
        raise ValueError(f"x={x!r} with {len(rows)} rows of {tuple(metrics)}; expected 'n', 'metric' or 'condition'")
    line_of = (lambda row: row.metric) if x == "condition" else (lambda row: row.condition)
    if x == "n" and len(metrics) > 1:
        line_of = lambda row: f"{row.condition}, {row.metric}"  # noqa: E731 (one of three short rules)
    places = list(dict.fromkeys(getattr(row, x) for row in rows))
    if x == "metric":
        places.sort(key=list(metrics).index)
    lines = list(dict.fromkeys(map(line_of, rows)))
    for k, line in enumerate(lines):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        xs, means, errors = [], [], []
        for place in places:
            values = [row.value for row in rows if line_of(row) == line and getattr(row, x) == place]
            if not values:
                continue
            if x == "n":
                at = place * 1.03 ** (k - (len(lines) - 1) / 2)  # a little apart, so that bars do not hide each other
            else:
                at = places.index(place) + 0.1 * (k - (len(lines) - 1) / 2)
            ax.plot([at] * len(values), values, marker, color=colour, alpha=0.25, ms=5, zorder=2)
            mean, count = math.fsum(values) / len(values), len(values)
            spread = math.fsum((v - mean) ** 2 for v in values)
            xs.append(at)
            means.append(mean)
            errors.append(math.sqrt(spread / (count - 1) / count) if count > 1 else 0.0)
        joined = "-" if x == "n" else ""
        ax.errorbar(xs, means, errors, fmt=marker + joined, color=colour, capsize=3, ms=6, label=line, zorder=3)
    if x == "n":
        ax.set_xscale("log")
        ax.set_xlabel("training images")
    else:
        ax.set_xticks(range(len(places)), places, rotation=30, ha="right")
    ax.set(ylabel=ylabel, title=title)
    ax.grid(alpha=0.3)
    return ax


def save_experiment(rows, panels, path, title="") -> None:
    """The panels of an experiment side by side, written to `path`, whole or not at all."""
    from matplotlib.figure import Figure  # without pyplot: nothing is shown, no window system is looked for

    figure = Figure(figsize=(4.2 * len(panels) + 1.8, 3.8), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, panel in zip(axes, panels, strict=True):
        draw_panel(ax, rows, panel.metrics, panel.x, panel.ylabel, panel.title)
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)
