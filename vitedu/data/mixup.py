"""Mixup: each image, and its targets, with a share of another one.  Taught in notebooks/14_pretraining.ipynb.

    image  <-  lam image + (1 - lam) partner,     targets  <-  lam targets + (1 - lam) partner's targets

Source: Zhang et al. 2018 (arXiv:1710.09412); lam ~ Beta(p, p), of which the larger of lam and 1 - lam is taken, one for
the whole step: the authors' AugReg recipes (big_vision).  There the partner is the neighbour in the device's batch.
Here images mix in pairs: positions 2k and 2k + 1.  So a step is the same whatever the number of processes and the size
of micro-batches, as long as that is even.
"""

from __future__ import annotations

import numpy as np

from vitedu_numpy.validate import check_kind, is_integer, is_number, require

__all__ = ["mix", "mixup_lambda"]


def mixup_lambda(p: float, seed: int, step: int) -> float:
    """The share of the image itself in this step, from 1/2 to 1; 1 (no mixing) for p = 0.

    A function of its arguments alone: all processes draw the same, and a resumed run goes on as it would have.
    """
    require(is_number(p) and p >= 0, "p", p, "a number >= 0")
    for name, value in (("seed", seed), ("step", step)):
        require(is_integer(value, 0), name, value, "an integer >= 0")
    if p == 0:
        return 1.0
    # 3: a stream of its own, apart from the order of the data ([seed, epoch])
    lam = np.random.default_rng([seed, step, 3]).beta(p, p)
    return float(max(lam, 1 - lam))


def mix(images, targets, lam: float, valid=None):
    """images (b, C, H, W) and targets (b, K), float tensors on any device  ->  the same, mixed in pairs.

    valid (b,) bool: an image whose partner could not be read stays as it is.  Raises ValueError for an odd b: then some
    image would have its partner in another micro-batch.
    """
    import torch

    for name, x in (("images", images), ("targets", targets)):
        check_kind(name, x, torch.Tensor)
    require(is_number(lam) and 0 <= lam <= 1, "lam", lam, "a number in [0, 1]")
    if images.ndim != 4 or targets.ndim != 2 or not (images.is_floating_point() and targets.is_floating_point()):
        given = ", ".join(f"{n} {x.dtype} {tuple(x.shape)}" for n, x in (("images", images), ("targets", targets)))
        raise ValueError(f"{given}; expected floats, images (b, C, H, W) and targets (b, K)")
    b = len(images)
    if len(targets) != b:
        raise ValueError(f"targets has {len(targets)} rows, images {b}; expected as many")
    if b % 2:
        raise ValueError(f"images has {b} rows; mixup takes them in pairs, so micro-batches must be even")
    if lam == 1:
        return images, targets
    share = torch.full((b,), lam, dtype=images.dtype, device=images.device)
    if valid is not None:
        share = torch.where(_swap_pairs(valid), share, 1)
    rows, pixels = share[:, None], share[:, None, None, None]
    return (
        pixels * images + (1 - pixels) * _swap_pairs(images),
        rows * targets + (1 - rows) * _swap_pairs(targets),
    )


def _swap_pairs(x):
    """Rows 0, 1, 2, 3, ...  ->  1, 0, 3, 2, ..."""
    return x.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)
