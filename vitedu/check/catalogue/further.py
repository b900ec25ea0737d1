"""Exercises that no notebook asks: an exam's, or those whose answers a notebook prints, to warm up with."""

from __future__ import annotations

from .attention import scaled_scores_backward, softmax_backward
from .block import block_backward
from .encoder import class_token, class_token_backward, pool, position_embedding_backward, shuffle_patches
from .layernorm import layernorm_backward
from .linear import central_difference
from .losses import cross_entropy_backward, label_smoothing
from .mlp import dropout, gelu, gelu_backward, mlp
from .optim import adam_step, sgd_step
from .positions import grid_positions, relative_scores

__all__ = [
    "adam_step", "block_backward", "central_difference", "class_token", "class_token_backward",
    "cross_entropy_backward", "dropout", "gelu", "gelu_backward", "grid_positions", "label_smoothing",
    "layernorm_backward", "mlp", "pool", "position_embedding_backward", "relative_scores", "scaled_scores_backward",
    "sgd_step", "shuffle_patches", "softmax_backward",
]  # fmt: skip
