"""BiT's HyperRule: how to fine-tune, from the number and size of the images alone (Kolesnikov et al. 2020, Sec. 3.3).

Taught in notebooks/15_finetuning.ipynb.  The paper and the authors' code (google-research/big_transfer) differ, and the
released results are the code's:

|  | paper | code |
|---|---|---|
| small images (area < 96 x 96) | 160, crops of 128 | the same |
| others | 448, crops of 384; for R152x4 512 and 480 | 512, crops of 480 |
| decays of a short run, 500 updates | at 30, 60, 90 % | after 200, 300, 400 |
| warm-up | not said | 100 of 500 updates, 500 of the longer runs |
"""

from __future__ import annotations

from typing import NamedTuple

from vitedu_numpy.validate import is_count, require

__all__ = ["HyperRule", "hyper_rule"]


class HyperRule(NamedTuple):
    """What the rule says; batches are of 512 images, the optimiser is SGD with momentum 0.9 and no decay."""

    resize: int  # pixels: each image is made a square of this side,
    crop: int  # and a square of this side cut out of it
    steps: int
    warmup_steps: int
    learning_rate: float
    milestones: tuple[float, ...]  # parts of the run after which the learning rate is a tenth
    mixup: float  # p of Beta(p, p)


def hyper_rule(num_images: int, image_hw: tuple[int, int], version: str = "code") -> HyperRule:
    """The rule for a training set of `num_images` whose images have about `image_hw` = (H, W) pixels.

    version: "code" or "paper", see the table above.  Raises ValueError for anything else, or for sizes below 1.
    """
    require(version in ("code", "paper"), "version", version, "one of ('code', 'paper')")
    require(is_count(num_images), "num_images", num_images, "a positive integer")
    is_pair = isinstance(image_hw, (tuple, list)) and len(image_hw) == 2 and all(map(is_count, image_hw))
    require(is_pair, "image_hw", image_hw, "two positive integers (H, W)")
    H, W = image_hw
    as_coded = version == "code"
    resize, crop = (160, 128) if H * W < 96 * 96 else (512, 480) if as_coded else (448, 384)
    small = num_images < 20_000
    steps = 500 if small else 10_000 if num_images < 500_000 else 20_000
    warmup = (100 if small else 500) if as_coded else 0
    milestones = (0.4, 0.6, 0.8) if small and as_coded else (0.3, 0.6, 0.9)
    return HyperRule(resize, crop, steps, warmup, 0.003, milestones, 0.0 if small else 0.1)
