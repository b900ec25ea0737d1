"""Pictures and sources for notebooks: `show.source(attention)`, `show.side_by_side(...)`, `show.style()`; `figures`.

`show.draw_figure_3()`, `..._4()` and `..._5()` draw the paper's figures from its tables, with own runs laid over;
`show.draw_accuracies(points)` draws any table of accuracies, with standard errors.
"""

from .accuracies import draw_accuracies, save_accuracies
from .code import side_by_side, source, style
from .paper import draw_figure_3, draw_figure_4, draw_figure_5

__all__ = [
    "draw_accuracies", "draw_figure_3", "draw_figure_4", "draw_figure_5", "save_accuracies", "side_by_side", "source",
    "style",
]  # fmt: skip
