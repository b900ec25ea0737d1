"""Attention heads switched off: what would the model say without them?  Taught in notebooks/21_inside.ipynb.

Shapes: `h` heads, `Dh` numbers per head.
"""

from __future__ import annotations

from ..module import Parameter
from .parts import check_heads, vit_of

__all__ = ["without_heads"]


def without_heads(model, heads):
    """A model that computes what `model` does with some heads' results set to 0: exact, and `model` stays as it is.

    heads: (block, head) or a list of such pairs.  What a head gives meets its Dh columns of `out.weight`: those are 0
    in the new model, which shares all other values with `model` and is in evaluation mode.
    Raises TypeError for a model without attention (BiT), ValueError for an unknown head.
    """
    heads = check_heads(heads, vit_of(model).config)
    twin = model.replica().eval()
    for i, head in heads:
        attention = vit_of(twin).encoder.blocks[i].attention
        weight = attention.out.weight.value.copy()
        Dh = weight.shape[1] // attention.heads
        weight[:, head * Dh : (head + 1) * Dh] = 0
        attention.out.weight = Parameter(weight)
    return twin
