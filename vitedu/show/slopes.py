"""A slope without a formula: the tangent of a curve, and the secants that forward and central differences measure."""

from __future__ import annotations

import numpy as np

from .axes import COLOURS, new_axes

__all__ = ["draw_secants"]


def draw_secants(f, slope, x, h, ax=None):
    """`f` around `x` with its tangent, and the lines whose slopes forward and central differences with step h are.

    f: a function of arrays; slope: its true slope at x; all of it is drawn from x - 1.5 h to x + 1.5 h.
    """
    if not h > 0:
        raise ValueError(f"h={h!r} is not allowed; h must be a positive number")
    ax = new_axes(ax, (6.4, 3.2))
    places = np.linspace(x - 1.5 * h, x + 1.5 * h, 200)
    ax.plot(places, f(places), color="black", lw=2, label="f")
    lines = (
        ("tangent", x, f(x), slope, COLOURS[2], "-", "o"),
        ("forward difference", x, f(x), (f(x + h) - f(x)) / h, COLOURS[1], "--", "s"),
        ("central difference", x - h, f(x - h), (f(x + h) - f(x - h)) / (2 * h), COLOURS[0], "-.", "^"),
    )
    ends = {"tangent": [x], "forward difference": [x, x + h], "central difference": [x - h, x + h]}
    for name, x0, y0, s, colour, style, marker in lines:
        ax.plot(places, y0 + s * (places - x0), color=colour, ls=style, lw=1.5, label=f"{name}: slope {s:.4g}")
        ax.plot(ends[name], f(np.array(ends[name])), marker, color=colour, ms=6)
    ax.set(xlabel="x", xticks=[x - h, x, x + h])
    ax.set_xticklabels(["x - h", "x", "x + h"])
    ax.set(ylabel="f(x)", yticks=[])
    ax.legend(frameon=False, fontsize=9)
    return ax
