"""Which images transfer is measured on, and what makes no sense.  Taught in notebooks/16_fewshot.ipynb.

No mathematics, so it stands once: both packages choose the same images and refuse the same input.
"""

from __future__ import annotations

import logging

import numpy as np

from ..validate import as_array, is_count, is_number, require

__all__ = ["check_l2", "check_labels", "check_neighbors", "choose_all", "choose_shots", "count_classes", "hold_out"]

MOST_CLASSES = 10**6  # a number beyond is some other column of the table
_log = logging.getLogger(__name__)  # as warnings: seen in a notebook and on a terminal without any setting up


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
    present = np.unique(labels)  # numbers that are ids, such as 10**9, must not cost a list of as many classes
    c = int(np.argmax(np.append(present, -1) != np.arange(len(present) + 1)))
    if c < len(present):
        raise ValueError(f"class {c} has 0 images; shots={shots} needs as many of every class")
    for c, images in enumerate(_by_class(labels)):
        if len(images) < shots:
            raise ValueError(f"class {c} has {len(images)} images; shots={shots} needs as many of every class")
        chosen.append(rng.permutation(images)[:shots])
    return np.concatenate(chosen)


def _by_class(labels) -> list[np.ndarray]:
    """The positions of each class that has any, in rising order."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def choose_all(train_labels, test_labels, shots, seeds):
    """({(shots, seed): positions of images}, number of classes): every choice is made before any work.

    Raises as `choose_shots` and `count_classes`, and ValueError for shots or seeds that are no list.
    """
    K = count_classes(train_labels, test_labels)
    for name, value in (("shots", shots), ("seeds", seeds)):
        require(isinstance(value, (tuple, list, range)) and len(value) > 0, name, value, "a list of integers")
    return {(k, seed): choose_shots(train_labels, k, seed) for k in shots for seed in seeds}, K


def count_classes(train_labels, test_labels) -> int:
    """K.  Raises ValueError for a single class, and for test labels of other classes."""
    K = int(train_labels.max()) + 1
    if K > max(len(train_labels), 10_000):
        most = f"train_labels run to {K - 1:,} for {len(train_labels):,} images"
        raise ValueError(f"{most}; expected the classes numbered from 0 on, with none left out")
    if K < 2:
        raise ValueError("train_labels holds one class; expected 2 or more")
    if test_labels.max() >= K:
        raise ValueError(f"test_labels run to {test_labels.max()}; train_labels allow 0..{K - 1}")
    return K


def check_labels(labels, name, count=None):
    """Labels as an array (N,) of int64.  count: how many there must be."""
    labels = as_array(labels, name)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {labels.dtype}; expected integers 0 ... K - 1")
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"{name} has shape {labels.shape}; expected (N,), N at least 1")
    if count not in (None, len(labels)):
        raise ValueError(f"{name} holds {len(labels)} labels for {count} images")
    if not 0 <= labels.min() <= labels.max() < MOST_CLASSES:
        allowed = f"0 ... K - 1, K below {MOST_CLASSES}"
        raise ValueError(f"{name} run from {labels.min()} to {labels.max()}; expected {allowed}")
    return labels.astype(np.int64)


def check_neighbors(k, count):
    """The numbers of neighbours, rising; says which ask for more than the `count` images there are."""
    require(
        isinstance(k, (tuple, list, range)) and len(k) > 0 and all(map(is_count, k)), "k", k, "a list of integers >= 1"
    )
    more = sorted(n for n in set(k) if n > count)
    if more:
        _log.warning("k=%s: there are %d training images, so all of them vote", ", ".join(map(str, more)), count)
    return sorted(set(k))


def hold_out(labels, part, seed):
    """(kept, held out): positions, `part` of each class (rounded) chosen by the seed; one of each is always kept."""
    require(is_number(part) and 0 < part < 1, "held_out", part, "a number between 0 and 1")
    require(is_count(seed, 0), "seed", seed, "an integer >= 0")
    rng, held = np.random.default_rng(seed), []
    for images in map(rng.permutation, _by_class(labels)):
        held.append(images[: min(round(part * len(images)), len(images) - 1)])
    held = np.sort(np.concatenate(held))
    if not len(held):
        raise ValueError(f"held_out={part} of {len(labels)} images leaves none to choose on")
    return np.setdiff1d(np.arange(len(labels)), held), held


def check_l2(l2):
    """The strength of the penalty as a float."""
    value = l2.item() if isinstance(l2, np.number) else l2
    require(is_number(value) and value > 0, "l2", l2, "a positive number")
    return float(value)
