"""Pictures and sources for notebooks: `show.source(attention)`, `show.side_by_side(...)`, `show.style()`; `figures`.

`show.draw_figure_3()`, `..._4()` and `..._5()` draw the paper's figures from its tables, with own runs laid over;
`show.draw_accuracies(points)` any table of accuracies with standard errors; the others what `vitedu.inspect` finds in a
model.  `draw_model`, `draw_flow`, `draw_cells` and their like are the diagrams of the lessons.
`show.microscope(model, image)`: sliders for patch, block and head.
"""

from .accuracies import draw_accuracies, save_accuracies
from .boxes import (
    draw_attention_graph,
    draw_block,
    draw_flow,
    draw_loop,
    draw_model,
    draw_paths,
    draw_question,
    draw_ring,
    draw_square,
)
from .cells import (
    draw_cells,
    draw_embedding,
    draw_normalised,
    draw_product,
    draw_sequence,
    draw_softmax,
    draw_split,
)
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
from .missing import do_without
from .paper import draw_figure_3, draw_figure_4, draw_figure_5
from .shares import draw_shares
from .sketches import draw_autograd, draw_data_parallelism, draw_update
from .slides import Microscope, Slide, View, draw_microscope, microscope
from .slopes import draw_secants

__all__ = [
    "Microscope", "Slide", "View", "draw_accuracies", "draw_attention_distance", "draw_attention_graph",
    "draw_autograd", "draw_block", "draw_cells", "draw_cka", "draw_data_parallelism", "draw_embedding",
    "draw_figure_3", "draw_figure_4", "draw_figure_5", "draw_filters", "draw_flow", "draw_heads", "draw_lens",
    "draw_lens_maps", "draw_loop", "draw_microscope", "draw_model", "draw_normalised", "draw_paths",
    "draw_position_similarity", "draw_product", "draw_query_maps", "draw_question", "draw_ring", "draw_rollout",
    "draw_secants", "draw_sequence", "draw_shares", "draw_softmax", "draw_split", "draw_square", "draw_update",
    "microscope", "save_accuracies", "side_by_side", "source", "style",
]  # fmt: skip

do_without()
