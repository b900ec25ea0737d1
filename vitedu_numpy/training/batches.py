"""Which images come when, at which rate, and random shifts.  Taught in notebooks/07_vit_numpy.ipynb.

Arrays and numbers, for the loops of both packages.
"""

from __future__ import annotations

import math

import numpy as np

from ..contract import checked
from ..schedule import learning_rate
from ..validate import check_integers, check_label_range, is_integer, require

__all__ = ["batches", "check_labelled", "check_loss", "random_shift", "scheduled_rate"]


def batches(num_images: int, config):
    """Yield (indices (batch_size,), rng) for every step: epoch after epoch, each in a new random order.

    The order depends on `config.seed` alone.  An epoch's last images, too few for a batch, are left out (the next
    epoch's order is another).  Fewer images than `config.batch_size`: every batch is all of them.
    """
    size = min(config.batch_size, num_images)
    rng = np.random.default_rng(config.seed)
    step = 0
    while step < config.steps:
        order = rng.permutation(num_images)
        for start in range(0, num_images - size + 1, size):
            if step < config.steps:
                yield order[start : start + size], rng
            step += 1


@checked
def random_shift(images, pixels: int, rng: np.random.Generator):
    """Move each image by up to `pixels` pixels down and across; what comes in from outside is -1 (background).

    images (B, C, H, W)  ->  (B, C, H, W)
    """
    require(isinstance(rng, np.random.Generator), "rng", rng, "a NumPy Generator")
    if not isinstance(images, np.ndarray) or images.dtype.kind not in "fiu" or (pixels and images.ndim != 4):
        raise TypeError(f"images is {str(images)[:80]}; expected an array (B, C, H, W) of numbers")
    if pixels == 0:
        return images
    B, _, H, W = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)), constant_values=-1)
    down, across = rng.integers(0, 2 * pixels + 1, (2, B))
    return np.stack([padded[b, :, i : i + H, j : j + W] for b, (i, j) in enumerate(zip(down, across, strict=True))])


def scheduled_rate(step: int, config) -> float:
    """The learning rate that a `TrainConfig` wants at `step`; see `learning_rate`."""
    c = config
    options = dict(total_steps=c.steps, warmup_steps=c.warmup_steps, decay=c.decay)
    return learning_rate(step, base=c.learning_rate, **options)


def check_labelled(images, labels, num_classes: int, batch_size: int) -> np.ndarray:
    """The labels as an array: one integer of 0 ... num_classes - 1 for each image.  Raises TypeError, ValueError."""
    labels = check_integers(labels, num_classes)
    if labels.shape != (len(images),) or len(images) == 0:
        raise ValueError(f"labels has shape {labels.shape} for {len(images)} images; expected one each, not 0")
    check_label_range(labels, num_classes)
    require(is_integer(batch_size, 1), "batch_size", batch_size, "a positive integer")
    return labels


def check_loss(loss, step: int) -> None:
    """Raise FloatingPointError, naming the step, when the loss is not finite."""
    if not math.isfinite(loss):
        raise FloatingPointError(f"loss is {loss} at step {step}; try a smaller learning_rate or a longer warm-up")
