"""Which images come when, and random shifts: arrays for both packages.  Taught in notebooks/07_vit_numpy.ipynb."""

from __future__ import annotations

import numpy as np

__all__ = ["batches", "random_shift"]


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


def random_shift(images, pixels: int, rng: np.random.Generator):
    """Move each image by up to `pixels` pixels down and across; what comes in from outside is -1 (background).

    images (B, C, H, W)  ->  (B, C, H, W)
    """
    if pixels == 0:
        return images
    B, _, H, W = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)), constant_values=-1)
    down, across = rng.integers(0, 2 * pixels + 1, (2, B))
    return np.stack([padded[b, :, i : i + H, j : j + W] for b, (i, j) in enumerate(zip(down, across, strict=True))])
