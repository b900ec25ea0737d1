"""The loss of a sequence: what the next symbol should have been.  Taught in notebooks/11_seq2seq.ipynb.

Shapes: `B` sequences in a batch, `T` symbols in a sequence, `V` symbols in the vocabulary.
"""

from __future__ import annotations

import torch.nn.functional as F

from vitedu_numpy.validate import require

from ..layers.symbols import check_symbols
from ..module import shaped
from ..tensors import may_look

__all__ = ["token_cross_entropy"]


@shaped
def token_cross_entropy(logits, targets, pad, label_smoothing=0.0):
    """loss = -mean of log p(target) over the targets that are not `pad`.     logits (B, T, V), targets (B, T) -> scalar

    Raises TypeError for targets that are not integers, ValueError for a wrong shape, a symbol outside 0 ... V - 1, or
    nothing but padding.
    """
    B, T, V = logits.shape
    require(pad <= V, "pad", pad, f"a symbol in 0..{V - 1}, or {V}, which occurs nowhere")
    targets = check_symbols(targets, "targets", V)
    if may_look(targets) and not (targets != pad).any():
        raise ValueError(f"targets holds nothing but pad={pad}; expected at least one other symbol")
    options = dict(ignore_index=pad, label_smoothing=label_smoothing)
    return F.cross_entropy(logits.reshape(B * T, V), targets.reshape(B * T).long(), **options)
