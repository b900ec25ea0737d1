"""A training loop to read from top to bottom, and accuracy.  Taught in notebooks/07_vit_numpy.ipynb."""

from __future__ import annotations

import math

import numpy as np

from ..schedule import learning_rate
from .batches import batches, random_shift
from .losses import one_hot
from .optim import Adam, clip_by_global_norm
from .parallel import DataParallel

__all__ = ["evaluate", "fit"]


def fit(model, images, labels, config, *, threads=None, progress=iter) -> dict[str, list[float]]:
    """Train `model` in place.  Returns {"loss", "learning_rate", "grad_norm"}: one number per step.

    images (n, C, H, W) floats in [-1, 1]; labels (n,) integers; config: a `TrainConfig`; threads: Python threads
    (default: one per core); progress: wraps the loop over steps, e.g. `tqdm`.  Raises FloatingPointError, naming the
    step, when the loss is not finite.
    """
    images = model.check_images(images).astype(model.dtype, copy=False)
    targets = one_hot(labels, model.config.num_classes, config.label_smoothing, model.dtype)
    if len(images) != len(targets) or len(images) == 0:
        raise ValueError(f"images holds {len(images)} images, labels {len(targets)} entries; expected equal and not 0")
    schedule = dict(base=config.learning_rate, total_steps=config.steps)
    schedule |= dict(warmup_steps=config.warmup_steps, decay=config.decay)
    parallel = DataParallel(model, threads, rng=config.seed)
    optimizer = Adam(model, config.learning_rate, weight_decay=config.weight_decay)
    order = batches(len(images), config)
    history = {"loss": [], "learning_rate": [], "grad_norm": []}
    model.train()
    for step in progress(range(config.steps)):
        indices, rng = next(order)
        batch = random_shift(images[indices], config.shift, rng)
        optimizer.lr = learning_rate(step, **schedule)
        loss, _ = parallel.loss_and_gradients(batch, targets[indices], config.loss)
        if not math.isfinite(loss):
            raise FloatingPointError(f"loss is {loss} at step {step}; try a smaller learning_rate or a longer warm-up")
        norm = clip_by_global_norm(model, config.clip_norm or math.inf)
        optimizer.step()
        for name, value in (("loss", loss), ("learning_rate", optimizer.lr), ("grad_norm", norm)):
            history[name].append(value)
    return history


def evaluate(model, images, labels, batch_size: int = 256) -> float:
    """Fraction of images whose largest logit is at the label.     images (n, C, H, W), labels (n,)"""
    images = model.check_images(images)
    labels = np.asarray(labels)
    if labels.shape != (len(images),) or len(images) == 0:
        raise ValueError(f"labels has shape {labels.shape} for {len(images)} images; expected one each, not 0")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r} is not allowed; batch_size must be a positive integer")
    was_training = model.training
    model.eval()
    parts = [model(images[i : i + batch_size]).argmax(axis=-1) for i in range(0, len(images), batch_size)]
    model.train(was_training)
    return float((np.concatenate(parts) == labels).mean())
