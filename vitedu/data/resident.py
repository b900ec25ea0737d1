"""A small data set that lives where the model does: all images as bytes on the device, augmented there in batches.

The order law holds (`order.py`): which image comes when, and what is drawn for it, is a function of (seed, position).
So a run can stop and go on at any step, and a batch may be cut in parts, without a bit of difference.  The draws are
bit by bit the same on every device; the pixels are, but where two devices round a sum differently.

These augmentations are not those of `transforms.py`, which draw image by image on the host.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from vitedu_numpy.contract import checked
from vitedu_numpy.validate import as_array, check_flags, is_count, is_number, require

from . import batched
from .batched import in_box
from .draws import below, random_bits, uniform
from .order import Shuffled

__all__ = ["Augmentation", "Resident"]

# Which draw is for what.  An image has these sixteen; a pair of images mixes by those of its first.
(DOWN, ACROSS, FLIP, OPERATION, STRENGTH, SIGN, ERASE, ERASE_ROW, ERASE_COLUMN, ERASE_SIDE, MIX, SHARE, MIX_ROW,
 MIX_COLUMN, *_) = range(16)  # fmt: skip


@dataclass(frozen=True)
class Augmentation:
    """What is done to a batch; every rate is a probability, of an image or (mixup, cutmix) of a pair of images."""

    pad: int = 4  # pixels of border of the random crop
    flip: bool = True  # left and right change places with probability 1/2
    trivial: bool = True  # TrivialAugment: one random operation
    erase: float = 0.25  # a grey square, a quarter of the side to the half of it
    mixup: float = 0.25  # shares from Beta(1/2, 1/2)
    cutmix: float = 0.5  # shares from Beta(1, 1)

    def __post_init__(self):
        require(is_count(self.pad, 0), "pad", self.pad, "an integer >= 0")
        check_flags(self, "flip", "trivial")
        for name in ("erase", "mixup", "cutmix"):
            rate = getattr(self, name)
            require(is_number(rate) and 0 <= rate <= 1, name, rate, "in [0, 1]")
        if self.mixup + self.cutmix > 1:
            raise ValueError(f"mixup={self.mixup} is not allowed with cutmix={self.cutmix}; their sum must be <= 1")

    def __call__(self, images, positions, seed):
        """`pixels` with the words of (seed, position): bytes (b, C, H, W), positions (b,) -> whole numbers 0 ... 255"""
        return self.pixels(images, random_bits(seed, positions, 16))

    def pixels(self, images, bits):
        """Bytes (b, C, H, W) and words (b, 16)  ->  float32 whole numbers 0 ... 255"""
        H, W = images.shape[2:]
        u = uniform(bits)
        down, across = below(bits[:, DOWN], 2 * self.pad + 1), below(bits[:, ACROSS], 2 * self.pad + 1)
        flipped = (u[:, FLIP] < 0.5) & self.flip
        operation = below(bits[:, OPERATION], len(batched.OPERATIONS))
        sign = torch.where(u[:, SIGN] < 0.5, 1.0, -1.0)
        if self.trivial:
            matrix = batched.trivial_matrix(operation, u[:, STRENGTH], sign, H, W)
        else:
            matrix = batched.identity_matrix(u[:, STRENGTH])
        x = batched.move(images, matrix, down, across, flipped, self.pad).float()
        if self.trivial:
            x = batched.trivial_colours(x, operation, u[:, STRENGTH], sign)
        if self.erase:
            side = 0.25 + 0.25 * u[:, ERASE_SIDE]
            side = torch.where(u[:, ERASE] < self.erase, side, 0.0)
            x = batched.erase(x, in_box(u[:, ERASE_ROW] * H, u[:, ERASE_COLUMN] * W, side * H, side * W, H, W))
        return x

    def mix(self, images, targets, bits, mixing=1.0):
        """Mixup or cutmix of pairs, as words (b, 16) say.  mixing: multiplies both rates, a number or a 0-d tensor."""
        if not self.mixup and not self.cutmix:
            return images, targets
        u = uniform(bits)[::2].repeat_interleave(2, dim=0)  # of the pair's first image, for both
        kind, share = u[:, MIX], u[:, SHARE]
        H, W = images.shape[2:]
        keep_box = batched.cutmix_keep(share, u[:, MIX_ROW], u[:, MIX_COLUMN], H, W)
        keep_all = torch.sin(math.pi / 2 * share).square()[:, None, None, None]  # Beta(1/2, 1/2) by its inverse
        cut, mixed = self.cutmix * mixing, (self.cutmix + self.mixup) * mixing
        one_for_each = kind[:, None, None, None]
        keep = torch.where(one_for_each < cut, keep_box, torch.where(one_for_each < mixed, keep_all, 1.0))
        return batched.mix_pairs(images, targets, keep)


def _tensor(x, name) -> torch.Tensor:
    if isinstance(x, torch.Tensor):
        return x
    array = as_array(x, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {array.dtype}; expected numbers")
    return torch.from_numpy(array)


class Resident:
    """Images (n, C, H, W) uint8 and labels (n,) on `device`; step s takes the positions s B ... (s + 1) B - 1.

    num_images: use only the first so many (the others may be held out).  `ids` says which images a step shows; `batch`
    makes floats and targets of them, and is a function of tensors alone: compile it, or capture it in a CUDA graph.
    """

    @checked
    def __init__(self, images, labels, *, num_classes, seed, batch_size, device="cpu", augmentation=None,
                 label_smoothing=0.0, num_images=None):  # fmt: skip
        images, labels = _tensor(images, "images"), _tensor(labels, "labels")
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise TypeError(f"labels has dtype {labels.dtype}; expected integers 0 ... K - 1")
        fits = augmentation is None or callable(augmentation)
        require(fits, "augmentation", augmentation, "an Augmentation, or None")
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(f"images is {images.dtype} {tuple(images.shape)}; expected uint8 (n, C, H, W)")
        if labels.shape != (len(images),):
            raise ValueError(f"labels has shape {tuple(labels.shape)}; expected ({len(images)},)")
        require(num_images is None or is_count(num_images), "num_images", num_images, "a positive integer, or None")
        least, most = (int(labels.min()), int(labels.max())) if len(labels) else (0, 0)
        if least < 0 or most >= num_classes:
            raise ValueError(f"labels run from {least} to {most}; allowed is 0..{num_classes - 1}")
        self.images, self.labels = images.to(device), labels.to(device, torch.int64)
        self.num_images = len(images) if num_images is None else num_images
        if not 0 < self.num_images <= len(images):
            raise ValueError(f"num_images={num_images} is not allowed; it must be from 1 to {len(images)}")
        self.device, self.batch_size, self.num_classes = self.images.device, batch_size, num_classes
        self.augmentation, self.label_smoothing = augmentation or Augmentation(), label_smoothing
        self.start(seed)

    def start(self, seed: int) -> None:
        """Another seed: another order and other draws."""
        self.order = Shuffled(self.num_images, seed)
        self.seed = torch.tensor(seed, device=self.device)

    def positions(self, step: int, count: int = 1) -> np.ndarray:
        """The positions of `count` steps from `step` on."""
        return np.arange(step * self.batch_size, (step + count) * self.batch_size)

    def ids(self, step: int, count: int = 1) -> torch.Tensor:
        """Which images those are, on the device: one copy for many steps.     -> (count, B) int64"""
        ids = self.order(self.positions(step, count)).astype(np.int64).reshape(count, self.batch_size)
        ids = torch.from_numpy(ids)
        if self.device.type == "cuda":  # from pinned memory the copy waits for nothing
            ids = ids.pin_memory()
        return ids.to(self.device, non_blocking=True)

    def batch(self, ids, positions, seed, mixing=1.0):
        """Augmented images in [-1, 1] and their targets.     ids, positions (b,) int64  ->  (b, C, H, W), (b, K)

        seed: `self.seed`, mixing: as in `Augmentation.mix`; both are arguments, so that a compiled function does not
        take them for constants.  The first position must be even where images are mixed in pairs.
        """
        bits = random_bits(seed, positions, 16)
        x = self.augmentation.pixels(self.images[ids], bits) / 127.5 - 1
        onehot = (self.labels[ids][:, None] == torch.arange(self.num_classes, device=ids.device)).float()
        targets = onehot * (1 - self.label_smoothing) + self.label_smoothing / self.num_classes
        return self.augmentation.mix(x, targets, bits, mixing)

    def step(self, step: int, mixing=1.0):
        """`batch` for one step, in one call."""
        positions = torch.from_numpy(self.positions(step)).to(self.device)
        return self.batch(self.ids(step)[0], positions, self.seed, mixing)
