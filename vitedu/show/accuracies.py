"""A table of accuracies as a picture: a row per task, a dot per model, with its standard error.

Numbers that differ by less than their errors look it here; in a table of digits they do not.
"""

from __future__ import annotations

import math
import textwrap
from numbers import Real

from vitedu_numpy.extras import naming_extras

from .axes import COLOURS, MARKERS
from .figures import save_figure

__all__ = ["draw_accuracies", "save_accuracies"]

OWN_COLOURS = COLOURS[:7]  # without yellow; seven and eight have no common divisor, so 56 models get 56 different pairs
WIDTH = 36  # characters of a name in a line


def draw_accuracies(points, ax=None, title: str = "", xlabel: str = "top-1 (%)"):
    """Draw (row, model, value, standard error) in per cent; the error is None where none is known.

    Rows and models come in the order of their first points, the first row on top; the models of a row stand one below
    the other.  ax: axes to draw on, else those of a new figure, which no window shows.  A bar is one standard error to
    either side.  Returns the axes.  Raises ValueError for no points, and for one that is no such four.
    """
    points = _checked(points)
    rows, models = (list(dict.fromkeys(point[i] for point in points)) for i in (0, 1))
    ax = _axes(rows, models) if ax is None else ax
    gap = 0.6 / len(models)
    for i, model in enumerate(models):
        own = [(rows.index(row), value, error or 0.0) for row, name, value, error in points if name == model]
        places, values, errors = zip(*own, strict=True)
        y = [place + gap * (i - (len(models) - 1) / 2) for place in places]
        colour = OWN_COLOURS[i % len(OWN_COLOURS)]
        ax.errorbar(
            values, y, xerr=errors if any(errors) else None, fmt=MARKERS[i % len(MARKERS)], color=colour, capsize=3,
            label=_lines(model),
        )  # fmt: skip
    for border in range(1, len(rows)):
        ax.axhline(border - 0.5, color="0.9", lw=0.8, zorder=0)
    ends = [value + sign * (error or 0.0) for _, _, value, error in points for sign in (-1, 1)]
    margin = max(0.06 * (max(ends) - min(ends)), 0.5)
    ax.set(xlim=(min(ends) - margin, max(ends) + margin), ylim=(len(rows) - 0.5, -0.5), xlabel=xlabel)
    ax.set_title(_lines(title, 60))
    ax.set_yticks(range(len(rows)), [_lines(row) for row in rows])
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.3)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)  # beside the axes it covers no point
    return ax


@naming_extras()
def save_accuracies(points, *paths, title: str = "", xlabel: str = "top-1 (%)") -> None:
    """`draw_accuracies` into files, each whole or not at all; an ending says the format."""
    ax = draw_accuracies(points, title=title, xlabel=xlabel)
    for path in paths:
        save_figure(ax.figure, path)


def _axes(rows, models):
    """Axes that have room for all names: 0.085 inches a letter at matplotlib's 10 points."""
    from matplotlib.figure import Figure  # without pyplot: no window system is looked for

    left, right = (max(len(line) for name in names for line in _lines(name).split("\n")) for names in (rows, models))
    lines = max(sum(_lines(row).count("\n") + 1 for row in rows), sum(_lines(m).count("\n") + 1 for m in models))
    height = max(len(rows) * (0.24 + 0.14 * len(models)), 0.22 * lines) + 1.0
    return Figure(figsize=(4.4 + 0.085 * (left + right), height), layout="constrained").subplots()


def _lines(name: str, width: int = WIDTH) -> str:
    """A name in lines that fit, "$" as itself and not as the beginning of a formula."""
    return "\n".join(textwrap.wrap(name, width)).replace("$", r"\$")


def _checked(points) -> list:
    is_list = isinstance(points, list | tuple) and all(isinstance(point, list | tuple) for point in points)
    if not is_list or not points:
        given = f"points={points!r} is not allowed" if points or points is None else "points is empty"
        raise ValueError(f"{given}; expected a list of (row, model, value, standard error) in per cent")
    for i, point in enumerate(points):
        fits = len(point) == 4 and isinstance(point[0], str) and isinstance(point[1], str)
        fits = fits and isinstance(point[2], Real) and math.isfinite(point[2])
        if not fits or not (point[3] is None or (isinstance(point[3], Real) and 0 <= point[3] < math.inf)):
            raise ValueError(
                f"points[{i}]={point!r}; expected (row, model, value, standard error or None), names and numbers"
            )
    return points
