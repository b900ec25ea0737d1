"""What an attention weight does to the answer: dlogit/dA.  Taught in notebooks/21_inside.ipynb.

Shapes: `B` batch, `h` heads, `T` tokens, `Dh` numbers per head, `K` classes.
"""

from __future__ import annotations

import torch

from vitedu_numpy.contract import checked
from vitedu_numpy.inspect.parts import check_class
from vitedu_numpy.inspect.recorded import as_array, block_keys, blocks

__all__ = ["attention_gradients"]


@checked
def attention_gradients(model, images, target) -> list:
    """dA of every block, first block first: how much the logit of class `target` grows with each attention weight.

    images (B, C, H, W), target 0 ... K - 1  ->  L arrays (B, h, T, T)

    dA = dy v^T, y the heads' results: every weight is taken as free, though softmax's rows sum to 1.  What later
    blocks make of it is in dy.  Call `model.eval()` first; `model` keeps its gradients; the fused kernel may attend.
    Raises TypeError for a model without attention (BiT), ValueError for an unknown class.
    """
    check_class(target, model)
    images, record = model.check_images(images), {}
    with torch.enable_grad():
        logits = model(images.detach().clone().requires_grad_(), record)  # a way back, also through frozen parameters
    values = blocks(record, "attention/v")  # each (B, h, T, Dh)
    heads = [record[key] for key in block_keys(record, "attention/heads")]  # each (B, T, D)
    dys = torch.autograd.grad(logits[:, target].sum(), heads)
    found = []
    for dy, v in zip(dys, values, strict=True):
        B, h, T, Dh = v.shape
        dy = as_array(dy).reshape(B, T, h, Dh).swapaxes(1, 2)  # (B, h, T, Dh)
        found.append(dy @ v.swapaxes(-1, -2))
    return found
