"""Which images few-shot accuracy is measured on, and what makes no sense.  Taught in notebooks/14_pretraining.ipynb.

No mathematics, so it stands once: both packages choose the same images and refuse the same input.
"""

from __future__ import annotations

import numpy as np

from ..validate import is_number, require

__all__ = ["check_l2", "check_labels", "choose_all", "choose_shots"]


def choose_shots(labels, shots, seed):
    """Positions of `shots` images of each class, class by class: (K shots,).

    Every class is shuffled once and its first images are taken, so the images for 5 shots are among those for 10.
    Raises TypeError for labels that are not integers; ValueError for a class that has too few images, labels below 0 or
    of another shape, and shots or a seed that are no such numbers.
    """
    labels = check_labels(labels, "labels")
    for name, value, least in (("shots", shots, 1), ("seed", seed, 0)):
        is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        require(is_integer and value >= least, name, value, f"an integer >= {least}")
    rng, chosen = np.random.default_rng(seed), []
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])  # K lists of positions
    for c, images in enumerate(by_class):
        if len(images) < shots:
            raise ValueError(f"class {c} has {len(images)} images; shots={shots} needs as many of every class")
        chosen.append(rng.permutation(images)[:shots])
    return np.concatenate(chosen)


def choose_all(train_labels, test_labels, shots, seeds):
    """({(shots, seed): positions of images}, number of classes): every choice is made before any work.

    Raises as `choose_shots`, and ValueError for shots or seeds that are no list, a single class, and test labels of
    other classes.
    """
    K = int(train_labels.max()) + 1
    if K < 2:
        raise ValueError("train_labels holds one class; expected 2 or more")
    if test_labels.max() >= K:
        raise ValueError(f"test_labels run to {test_labels.max()}; train_labels allow 0..{K - 1}")
    for name, value in (("shots", shots), ("seeds", seeds)):
        require(isinstance(value, (tuple, list, range)) and len(value) > 0, name, value, "a list of integers")
    return {(k, seed): choose_shots(train_labels, k, seed) for k in shots for seed in seeds}, K


def check_labels(labels, name, count=None):
    """Labels as an array (N,) of int64.  count: how many there must be."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {labels.dtype}; expected integers 0 ... K - 1")
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"{name} has shape {labels.shape}; expected (N,), N at least 1")
    if count not in (None, len(labels)):
        raise ValueError(f"{name} holds {len(labels)} labels for {count} images")
    if labels.min() < 0:
        raise ValueError(f"{name} run from {labels.min()}; expected 0 ... K - 1")
    return labels.astype(np.int64)


def check_l2(l2):
    """The strength of the penalty as a float."""
    value = l2.item() if isinstance(l2, np.number) else l2
    require(is_number(value) and value > 0, "l2", l2, "a positive number")
    return float(value)
