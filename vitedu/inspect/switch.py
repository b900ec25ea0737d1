"""Attention heads switched off: what would the model say without them?  Taught in notebooks/21_inside.ipynb.

Shapes: `h` heads, `Dh` numbers per head.
"""

from __future__ import annotations

import copy

from torch import nn

from vitedu_numpy.inspect.parts import check_heads, vit_of

__all__ = ["without_heads"]


def without_heads(model, heads):
    """A model that computes what `model` does with some heads' results set to 0: exact, and `model` stays as it is.

    heads: (block, head) or a list of such pairs.  What a head gives meets its Dh columns of `out.weight`: those are 0
    in the new model, which shares all other values with `model` and is in evaluation mode.  Its
    parameters get no gradients.  Raises TypeError for a model without attention (BiT), ValueError for an unknown head.
    """
    heads = check_heads(heads, vit_of(model).config)
    shared = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()}
    twin = copy.deepcopy(model, shared | {id(b): b for b in model.buffers()}).eval()
    for i, head in heads:
        attention = vit_of(twin).encoder.blocks[i].attention
        weight = attention.out.weight.detach().clone()
        Dh = weight.shape[1] // attention.heads
        weight[:, head * Dh : (head + 1) * Dh] = 0
        attention.out.weight = nn.Parameter(weight, requires_grad=False)
    return twin
