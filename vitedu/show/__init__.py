"""Pictures and sources for notebooks: `show.source(attention)`, `show.side_by_side(...)`, `show.style()`; `figures`.

`show.draw_figure_3()`, `..._4()` and `..._5()` draw the paper's figures from its tables, with own runs laid over;
`show.draw_accuracies(points)` any table of accuracies with standard errors; the others what `vitedu.inspect` finds in a
model.  `show.microscope(model, image)`: sliders for patch, block and head.
"""

from .accuracies import draw_accuracies, save_accuracies
from .code import side_by_side, source, style
from .inside import (
    draw_attention_distance,
    draw_cka,
    draw_filters,
    draw_heads,
    draw_lens,
    draw_lens_maps,
    draw_position_similarity,
    draw_query_maps,
    draw_rollout,
)
from .paper import draw_figure_3, draw_figure_4, draw_figure_5
from .shares import draw_shares
from .sketches import draw_autograd, draw_data_parallelism, draw_update
from .slides import Microscope, Slide, View, draw_microscope, microscope

__all__ = [
    "Microscope", "Slide", "View", "draw_accuracies", "draw_attention_distance", "draw_autograd", "draw_cka",
    "draw_data_parallelism", "draw_figure_3", "draw_figure_4", "draw_figure_5", "draw_filters", "draw_heads",
    "draw_lens", "draw_lens_maps", "draw_microscope", "draw_position_similarity", "draw_query_maps", "draw_rollout",
    "draw_shares", "draw_update", "microscope", "save_accuracies", "side_by_side", "source", "style",
]  # fmt: skip
