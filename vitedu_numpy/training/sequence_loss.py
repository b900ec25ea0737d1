"""The loss of a sequence: what the next symbol should have been.  Taught in notebooks/11_seq2seq.ipynb.

Shapes: `B` sequences in a batch, `T` symbols in a sequence, `V` symbols in the vocabulary.
"""

from __future__ import annotations

import numpy as np

from ..layers.symbols import check_symbols
from ..module import shaped
from ..validate import require
from .losses import one_hot, softmax_cross_entropy, softmax_cross_entropy_backward

__all__ = ["token_cross_entropy", "token_cross_entropy_backward"]


@shaped
def token_cross_entropy(logits, targets, pad, label_smoothing=0.0):
    """loss = -mean of log p(target) over the targets that are not `pad`.     logits (B, T, V), targets (B, T) -> scalar

    Raises TypeError for targets that are not integers, ValueError for a wrong shape, a symbol outside 0 ... V - 1, or
    nothing but padding.
    """
    V = logits.shape[-1]
    require(pad <= V, "pad", pad, f"a symbol in 0..{V - 1}, or {V}, which occurs nowhere")
    targets = check_symbols(targets, "targets", V)
    counts = targets != pad  # (B, T)
    if not counts.any():
        raise ValueError(f"targets holds nothing but pad={pad}; expected at least one other symbol")
    wanted = one_hot(targets[counts], V, label_smoothing, logits.dtype)  # (R, V): R targets count
    loss, cache = softmax_cross_entropy(logits[counts], wanted)  # [1]
    return loss, (counts, logits.shape, cache)


@shaped
def token_cross_entropy_backward(dloss, cache):
    """dlogits (B, T, V); 0 where the target is `pad`"""
    counts, shape, cache = cache
    dwanted = softmax_cross_entropy_backward(dloss, cache)  # (R, V)  from [1]
    dlogits = np.zeros(shape, dwanted.dtype)
    dlogits[counts] = dwanted
    return dlogits
