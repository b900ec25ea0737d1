"""What an attention weight does to the answer: dlogit/dA.  Taught in notebooks/21_inside.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens, `Dh` numbers per head, `K` classes.
"""

from __future__ import annotations

import numpy as np

from ..module import checked
from .parts import check_class, vit_of
from .recorded import blocks

__all__ = ["attention_gradients"]


@checked
def attention_gradients(model, images, target) -> list[np.ndarray]:
    """dA of every block, first block first: how much the logit of class `target` grows with each attention weight.

    images (B, C, H, W), target 0 ... K - 1  ->  L arrays (B, h, T, T)

    dA = dy v^T, y the heads' results: every weight is taken as free, though softmax's rows sum to 1.  What later
    blocks make of it is in dy.  Call `model.eval()` first; `model` keeps its own caches and gradients.
    Raises TypeError for a model without attention (BiT), ValueError for an unknown class.
    """
    check_class(target, model)
    twin = model.replica()
    attentions = [block.attention for block in vit_of(twin).encoder.blocks]
    record, dys = {}, []
    for attention in attentions:
        attention.attend_backward = _noting(attention.attend_backward, dys)
    logits = twin(images, record)
    dlogits = np.zeros_like(logits)
    dlogits[:, target] = 1
    twin.backward(dlogits)  # the last block's dy comes first
    values = blocks(record, "attention/v")  # each (B, h, T, Dh)
    return [dy @ v.swapaxes(-1, -2) for dy, v in zip(dys[::-1], values, strict=True)]


def _noting(attend_backward, dys):
    """The same step backward, which also writes down the dy (B, h, T, Dh) that comes to it."""

    def noted(dy):
        dys.append(dy)
        return attend_backward(dy)

    return noted
