"""What the drawn figures share: axes, legends beside them, colours and markers."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.contract import checked_for
from vitedu_numpy.extras import naming_extras
from vitedu_numpy.validate import as_array, is_integer, is_real

__all__ = ["COLOURS", "MARKERS", "checked", "legend_beside", "new_axes", "numbers"]

# Okabe and Ito's colours, which colour-blind readers tell apart; their yellow, faint on white, last.  Markers help.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


_AXES = (lambda ax: hasattr(ax, "imshow"), "axes of Matplotlib")
_FIGURE = (lambda figure: hasattr(figure, "savefig"), "a figure of Matplotlib")
_WINDOW = (lambda smooth: is_integer(smooth, 1), "a positive integer")  # elsewhere `smooth` is a flag
_LINE = (lambda uniform: is_real(uniform) and uniform >= 0, "a number >= 0")
_RULES = {"ax": _AXES, "figure": _FIGURE, "smooth": _WINDOW, "columns": _WINDOW, "show": _WINDOW, "uniform": _LINE}
checked = checked_for(_RULES)


def numbers(x, name: str) -> np.ndarray:
    """x as floats.  Raises TypeError or ValueError, by the argument's name, for what cannot be drawn."""
    x = as_array(x, name)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {x.dtype}; expected real numbers")
    if not x.size:
        raise ValueError(f"{name} has shape {x.shape}; expected at least one number")
    return x.astype(float)


@naming_extras()
def new_axes(ax, size):
    """`ax`, or the axes of a new figure of that size, inches."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def legend_beside(ax, handles, labels) -> None:
    """Beside the axes: there it covers no point.  The figure makes room for it."""
    if handles:
        columns = -(-len(handles) // 12)  # more would be higher than the axes
        ax.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, ncols=columns)
    if ax.figure.get_layout_engine() is None:
        ax.figure.set_layout_engine("constrained")
