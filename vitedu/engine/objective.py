"""What a run minimises: the loss of a micro-batch, as a sum over its images.  Taught in notebooks/14_pretraining.ipynb.

The step divides by the number of valid images of the whole batch, over all processes; so the loss is the same mean
however the batch is split.
"""

from __future__ import annotations

import numpy as np
import torch

from ..data.mixup import mix, mixup_lambda
from ..models.masked import choose_corruption, masked_patch_accuracy, masked_patch_loss, masked_target
from ..training import losses

__all__ = ["Classify", "MaskedPatches", "as_floats", "make_objective"]


def as_floats(images: torch.Tensor, device, dtype) -> torch.Tensor:
    """uint8 (b, C, H, W)  ->  floats in [-1, 1] on the device"""
    return images.to(device, non_blocking=True).to(dtype) / 127.5 - 1


class Classify:
    """Softmax or sigmoid cross-entropy, with label smoothing and mixup as the recipe has them."""

    def __init__(self, recipe, device, dtype):
        self.recipe, self.device, self.dtype = recipe, device, dtype
        self.loss = getattr(losses, f"{recipe.loss}_cross_entropy")  # means over the images they are given

    def __call__(self, net, batch, step: int, train: bool = True):
        """(sum of the losses, number of images guessed right) over the batch's valid images, as tensors."""
        recipe = self.recipe
        images = as_floats(batch.images, self.device, self.dtype)
        labels = batch.labels.to(self.device, non_blocking=True)
        smoothing = recipe.label_smoothing if train else 0.0
        targets = losses.one_hot(labels, recipe.model.num_classes, smoothing, self.dtype)
        if train and recipe.data.mixup:
            images, targets = mix(
                images, targets, mixup_lambda(recipe.data.mixup, recipe.seed, step), batch.valid.to(self.device)
            )
        logits = net(images).to(self.dtype)  # the loss is taken in full precision, whatever the network computed in
        count = int(batch.valid.sum())
        if count == 0:  # every process must take part in backward
            return logits.sum() * 0, logits.detach().sum() * 0
        if count < len(labels):
            valid = batch.valid.to(self.device)
            logits, targets, labels = logits[valid], targets[valid], labels[valid]
        right = (logits.detach().argmax(-1) == labels).sum()
        return self.loss(logits, targets) * count, right.to(self.dtype)


class MaskedPatches:
    """Masked patch prediction (App. B.1.2): the mean loss over an image's hidden patches."""

    def __init__(self, recipe, device, dtype):
        self.recipe, self.device, self.dtype = recipe, device, dtype

    def __call__(self, net, batch, step: int, train: bool = True):
        """As `Classify`; "right" is the part of the hidden patches whose colour was guessed (0 for the L2 target)."""
        recipe = self.recipe
        config, seed = recipe.model, recipe.seed if train else recipe.seed + 1
        rngs = [_corruption_rng(seed, int(position)) for position in batch.positions]
        corruption = choose_corruption(rngs, config.num_patches, recipe.masked_rate)
        corruption = type(corruption)(*(part.to(self.device, non_blocking=True) for part in corruption))
        pixels = batch.images.to(self.device, non_blocking=True)
        targets = masked_target(pixels, corruption, config.patch_size, recipe.masked_target)
        predictions = net(as_floats(pixels, self.device, self.dtype), corruption).to(self.dtype)
        valid = batch.valid.to(self.device)
        loss = (masked_patch_loss(predictions, targets, "none") * valid).sum()
        right = masked_patch_accuracy(predictions.detach(), targets)
        return loss, loss.detach() * 0 if right is None else (right.to(self.dtype) * valid).sum()


def _corruption_rng(seed: int, position: int) -> np.random.Generator:
    """The random numbers of the image at `position`, far behind those that its crop was drawn from."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, position], np.uint64)).jumped())


def make_objective(recipe, device, dtype):
    """The objective that the recipe names."""
    kinds = {"classify": Classify, "masked_patches": MaskedPatches}
    return kinds[recipe.objective](recipe, device, dtype)
