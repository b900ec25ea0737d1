"""A training loop to read from top to bottom, and accuracy.  Taught in notebooks/07_vit_numpy.ipynb."""

from __future__ import annotations

import math

import numpy as np

from ..config import TrainConfig
from ..module import checked_loop
from .batches import batches, check_labelled, check_loss, random_shift, scheduled_rate
from .losses import one_hot
from .optim import Adam, clip_by_global_norm
from .parallel import DataParallel

__all__ = ["evaluate", "fit", "prepare"]


def fit(model, images, labels, config: TrainConfig, *, threads=None, progress=iter) -> dict[str, list[float]]:
    """Train `model` in place.  Returns {"loss", "learning_rate", "grad_norm"}: one number per step.

    images (n, C, H, W) floats in [-1, 1]; labels (n,) integers; config: a `TrainConfig`; threads: Python threads
    (default: one per core); progress: wraps the loop over steps, e.g. `tqdm`.  Raises FloatingPointError, naming the
    step, when the loss is not finite.
    """
    images, targets = prepare(model, images, labels, config)
    optimizer = Adam(model, config.learning_rate, weight_decay=config.weight_decay)
    parallel = DataParallel(model, threads, rng=config.seed)
    order = batches(len(images), config)
    history = {"loss": [], "learning_rate": [], "grad_norm": []}
    model.train()
    for step in progress(range(config.steps)):
        indices, rng = next(order)
        batch = random_shift(images[indices], config.shift, rng)
        optimizer.lr = scheduled_rate(step, config)
        loss, _ = parallel.loss_and_gradients(batch, targets[indices], config.loss)
        check_loss(loss, step)
        norm = clip_by_global_norm(model, config.clip_norm or math.inf)
        optimizer.step()
        for name, value in (("loss", loss), ("learning_rate", optimizer.lr), ("grad_norm", norm)):
            history[name].append(value)
    return history


def prepare(model, images, labels, config: TrainConfig):
    """Images and targets (n, K) in the model's dtype.  Raises ValueError for none, or for unequal numbers of them."""
    images = model.check_images(images).astype(model.dtype, copy=False)
    targets = one_hot(labels, model.config.num_classes, config.label_smoothing, model.dtype)
    if len(images) != len(targets) or len(images) == 0:
        raise ValueError(f"images holds {len(images)} images, labels {len(targets)} entries; expected equal and not 0")
    return images, targets


def evaluate(model, images, labels, batch_size: int = 256) -> float:
    """Fraction of images whose largest logit is at the label.     images (n, C, H, W), labels (n,)"""
    images = model.check_images(images)
    labels = check_labelled(images, labels, model.config.num_classes, batch_size)
    was_training = model.training
    model.eval()
    parts = [_largest(model(images[i : i + batch_size])) for i in range(0, len(images), batch_size)]
    model.train(was_training)
    return float((np.concatenate(parts) == labels).mean())


def _largest(logits):
    """The class with the largest logit.  Raises FloatingPointError where that is none: NaN is not the largest."""
    if np.isnan(logits).any():
        raise FloatingPointError("model gives NaN for an image; expected logits that are numbers")
    return logits.argmax(axis=-1)


fit, prepare, evaluate = map(checked_loop, (fit, prepare, evaluate))  # arguments by their names, see contract.py
