"""Losses: what the model should have said.  Taught in notebooks/07_vit_numpy.ipynb.

Shapes: `B` batch, `K` classes.  Targets are rows of numbers in [0, 1]; `one_hot` makes them from labels.
Every loss is a mean over the batch; the sigmoid ones sum over classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from vitedu_numpy.validate import (
    check_dtype,
    check_integers,
    check_label_range,
    check_not_empty,
    check_parts,
    check_smoothing,
)

from ..layers.swish import sigmoid
from ..module import checked, shaped
from ..tensors import from_array, may_look

__all__ = [
    "binary_cross_entropy", "cross_entropy", "one_hot", "sigmoid", "sigmoid_cross_entropy", "softmax_cross_entropy",
]  # fmt: skip


@checked
def one_hot(labels, num_classes, label_smoothing=0.0, dtype=torch.float32):
    """Targets (B, K): 1 at the label, 0 elsewhere; smoothing s mixes in the uniform: (1 - s) onehot + s / K.

    Raises TypeError for labels that are not integers, ValueError for a wrong shape or a label outside 0..K-1.
    """
    check_smoothing(num_classes, label_smoothing)
    labels = labels if isinstance(labels, torch.Tensor) else from_array(check_integers(labels, num_classes), "labels")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"labels has dtype {labels.dtype}; expected integers 0..{num_classes - 1}")
    if labels.ndim != 1:
        raise ValueError(f"labels has shape {tuple(labels.shape)}; expected (B,)")
    labels = labels.long()
    if may_look(labels):  # on a GPU an index out of range stops the kernel itself
        check_label_range(labels, num_classes)
    dtype = dtype if isinstance(dtype, torch.dtype) else getattr(torch, check_dtype(dtype))
    onehot = F.one_hot(labels, int(num_classes)).to(dtype)
    return onehot * (1 - label_smoothing) + label_smoothing / num_classes


def _check_targets(scores, targets, name):
    if targets.shape != scores.shape:
        raise ValueError(
            f"targets has shape {tuple(targets.shape)}; expected that of {name}, {tuple(scores.shape)} = (B, K)"
        )
    check_not_empty(name, scores)
    for given, x in ((name, scores), ("targets", targets)):
        if not x.is_floating_point():
            raise TypeError(f"{given} has dtype {x.dtype}; expected floating point")
        if given in ("p", "targets") and may_look(x):
            check_parts(given, x.detach())


# ---- softmax: exactly one class is right -----------------------------------------------------------------------


@shaped
def cross_entropy(p, targets):
    """loss = -mean_B sum_K targets log p.     p, targets (B, K), p from softmax  ->  scalar"""
    _check_targets(p, targets, "p")
    return -(targets * torch.log(p)).sum() / len(p)


@shaped
def softmax_cross_entropy(logits, targets):
    """In one: loss = mean_B sum_K targets (logsumexp(logits) - logits).     logits, targets (B, K)  ->  scalar"""
    _check_targets(logits, targets, "logits")
    return F.cross_entropy(logits, targets)


# ---- sigmoid: every class is a question of its own (ImageNet-21k has images with several labels) ------------------


@shaped
def binary_cross_entropy(p, targets):
    """loss = -mean_B sum_K (targets log p + (1 - targets) log(1 - p)).     p, targets (B, K)  ->  scalar"""
    _check_targets(p, targets, "p")
    return -(targets * torch.log(p) + (1 - targets) * torch.log(1 - p)).sum() / len(p)


@shaped
def sigmoid_cross_entropy(logits, targets):
    """The two above in one: loss = mean_B sum_K (log(1 + exp(x)) - targets x), x = logits.

    logits, targets (B, K)  ->  scalar
    """
    _check_targets(logits, targets, "logits")
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(logits)
