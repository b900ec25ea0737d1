"""Losses: what the model should have said.  Taught in notebooks/07_vit_numpy.ipynb.

Shapes: `B` batch, `K` classes.  Targets are rows of numbers in [0, 1]; `one_hot` makes them from labels.
Every loss is a mean over the batch; the sigmoid ones sum over classes.
"""

from __future__ import annotations

import numpy as np

from ..layers.softmax import softmax
from ..layers.swish import sigmoid, sigmoid_backward
from ..module import checked, shaped
from ..validate import check_integers, check_label_range, check_not_empty, check_parts, check_smoothing

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_backward", "cross_entropy", "cross_entropy_backward",
    "one_hot", "sigmoid", "sigmoid_backward", "sigmoid_cross_entropy", "sigmoid_cross_entropy_backward",
    "softmax_cross_entropy", "softmax_cross_entropy_backward",
]  # fmt: skip


@checked
def one_hot(labels, num_classes, label_smoothing=0.0, dtype=np.float32):
    """Targets (B, K): 1 at the label, 0 elsewhere; smoothing s mixes in the uniform: (1 - s) onehot + s / K.

    Raises TypeError for labels that are not integers, ValueError for a wrong shape or a label outside 0..K-1.
    """
    check_smoothing(num_classes, label_smoothing)
    labels = check_integers(labels, num_classes)
    if labels.ndim != 1:
        raise ValueError(f"labels has shape {labels.shape}; expected (B,)")
    check_label_range(labels, num_classes)
    targets = np.full((len(labels), num_classes), label_smoothing / num_classes, dtype)
    targets[np.arange(len(labels)), labels] += 1 - label_smoothing
    return targets


def _check_targets(scores, targets, name):
    if np.shape(targets) != scores.shape:
        raise ValueError(f"targets has shape {np.shape(targets)}; expected that of {name}, {scores.shape} = (B, K)")
    check_not_empty(name, scores)
    check_parts("targets", targets)
    if name == "p":
        check_parts("p", scores)


# ---- softmax: exactly one class is right -----------------------------------------------------------------------


@shaped
def cross_entropy(p, targets):
    """loss = -mean_B sum_K targets log p.     p, targets (B, K), p from softmax  ->  scalar"""
    _check_targets(p, targets, "p")
    loss = -(targets * np.log(p)).sum() / len(p)  # [1]
    return loss, (p, targets)


@shaped
def cross_entropy_backward(dloss, cache):
    """dp (B, K)"""
    p, targets = cache
    return -dloss * targets / p / len(p)  # from [1]


@shaped
def softmax_cross_entropy(logits, targets):
    """In one: loss = mean_B sum_K targets (logsumexp(logits) - logits).     logits, targets (B, K)  ->  scalar

    No logarithm of a probability that rounded to 0, and a gradient of one line.
    """
    _check_targets(logits, targets, "logits")
    shifted = logits - logits.max(axis=-1, keepdims=True)  # (B, K)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # (B, K)
    loss = -(targets * log_p).sum() / len(logits)
    return loss, (logits, targets)


@shaped
def softmax_cross_entropy_backward(dloss, cache):
    """dlogits = (p sum_K(targets) - targets) / B: what the model said minus what it should have said.  (B, K)"""
    logits, targets = cache
    p, _ = softmax(logits)
    return dloss * (p * targets.sum(axis=-1, keepdims=True) - targets) / len(logits)


# ---- sigmoid: every class is a question of its own (ImageNet-21k has images with several labels) ------------------


@shaped
def binary_cross_entropy(p, targets):
    """loss = -mean_B sum_K (targets log p + (1 - targets) log(1 - p)).     p, targets (B, K)  ->  scalar"""
    _check_targets(p, targets, "p")
    loss = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum() / len(p)  # [1]
    return loss, (p, targets)


@shaped
def binary_cross_entropy_backward(dloss, cache):
    """dp (B, K)"""
    p, targets = cache
    return dloss * ((1 - targets) / (1 - p) - targets / p) / len(p)  # from [1]


@shaped
def sigmoid_cross_entropy(logits, targets):
    """The two above in one: loss = mean_B sum_K (log(1 + exp(x)) - targets x), x = logits.

    logits, targets (B, K)  ->  scalar
    """
    _check_targets(logits, targets, "logits")
    softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))  # log(1 + exp(x)) without overflow
    loss = (softplus - targets * logits).sum() / len(logits)
    return loss, (logits, targets)


@shaped
def sigmoid_cross_entropy_backward(dloss, cache):
    """dlogits = (p - targets) / B"""
    logits, targets = cache
    p, _ = sigmoid(logits)
    return dloss * (p - targets) / len(logits)
