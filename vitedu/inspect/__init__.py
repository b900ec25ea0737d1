"""Looking inside a model: filters, positions, attention, answers on the way, heads, likeness of layers (Sec. 4.5).

All read one record, of either package: `record = {}; model(images, record)`.  `vitedu.show` draws what they return.
"""

from vitedu_numpy.extras import naming_extras
from vitedu_numpy.inspect.cka import cka_matrix, layer_features, linear_cka
from vitedu_numpy.inspect.filters import filter_components
from vitedu_numpy.inspect.lens import logit_lens, token_lens
from vitedu_numpy.inspect.maps import (
    attention_distance,
    attention_maps,
    patch_distances,
    query_maps,
    rollout,
    rollout_mask,
    to_pixels,
)
from vitedu_numpy.inspect.recorded import Layout, Only, as_array, layout, on_grid
from vitedu_numpy.inspect.similarity import position_similarity, position_vectors

with naming_extras():
    import torch  # noqa: F401
from .gradient import attention_gradients
from .switch import without_heads

__all__ = [
    "Layout", "Only", "as_array", "attention_distance", "attention_gradients", "attention_maps", "cka_matrix",
    "filter_components", "layer_features", "layout", "linear_cka", "logit_lens", "on_grid", "patch_distances",
    "position_similarity", "position_vectors", "query_maps", "rollout", "rollout_mask", "to_pixels", "token_lens",
    "without_heads",
]  # fmt: skip
