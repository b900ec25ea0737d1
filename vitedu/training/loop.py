"""A training loop to read from top to bottom, and accuracy.  Taught in notebooks/08_vit_torch.ipynb."""

from __future__ import annotations

import math

import torch

from vitedu_numpy.config import TrainConfig
from vitedu_numpy.training.batches import batches, check_labelled, check_loss, random_shift, scheduled_rate

from ..module import checked_loop
from . import losses
from .losses import one_hot
from .optim import Adam, clip_by_global_norm

__all__ = ["evaluate", "fit", "prepare"]


def fit(model, images, labels, config: TrainConfig, *, progress=iter) -> dict[str, list[float]]:
    """Train `model` in place, where it is (CPU or GPU).  Returns {"loss", "learning_rate", "grad_norm"}, one number
    per step.

    images (n, C, H, W) floats in [-1, 1] and labels (n,) integers, as NumPy arrays; config: a `TrainConfig`; progress:
    wraps the loop over steps, e.g. `tqdm`.  Raises FloatingPointError, naming the step, when the loss is not finite.
    """
    images, targets = prepare(model, images, labels, config)
    optimizer = Adam(model, config.learning_rate, weight_decay=config.weight_decay)
    loss_function = getattr(losses, f"{config.loss}_cross_entropy")
    order = batches(len(images), config)
    history = {"loss": [], "learning_rate": [], "grad_norm": []}
    model.train()
    with torch.random.fork_rng():  # dropout follows config.seed and leaves the caller's random numbers alone
        torch.manual_seed(config.seed)
        for step in progress(range(config.steps)):
            indices, rng = next(order)
            batch = random_shift(images[indices], config.shift, rng)
            optimizer.lr = scheduled_rate(step, config)
            optimizer.zero_grad()
            loss = loss_function(model(torch.from_numpy(batch).to(targets.device)), targets[indices])
            check_loss(loss.detach(), step)
            loss.backward()
            norm = clip_by_global_norm(model, config.clip_norm or math.inf)
            optimizer.step()
            for name, value in (("loss", float(loss.detach())), ("learning_rate", optimizer.lr), ("grad_norm", norm)):
                history[name].append(value)
    return history


def prepare(model, images, labels, config: TrainConfig):
    """Images and targets (n, K) in the model's dtype.  Raises ValueError for none, or for unequal numbers of them.

    The images stay NumPy's, for `random_shift`; the targets go where the model is.
    """
    like = next(model.parameters())
    images = model.check_images(images).detach().to(like.dtype).numpy()
    targets = one_hot(labels, model.config.num_classes, config.label_smoothing, like.dtype).to(like.device)
    if len(images) != len(targets) or len(images) == 0:
        raise ValueError(f"images holds {len(images)} images, labels {len(targets)} entries; expected equal and not 0")
    return images, targets


@torch.no_grad()
def evaluate(model, images, labels, batch_size: int = 256) -> float:
    """Fraction of images whose largest logit is at the label.     images (n, C, H, W), labels (n,): NumPy arrays"""
    images = model.check_images(images)
    labels = check_labelled(images, labels, model.config.num_classes, batch_size)
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    parts = [_largest(model(images[i : i + batch_size].to(device))) for i in range(0, len(images), batch_size)]
    model.train(was_training)
    return float((torch.cat(parts).cpu().numpy() == labels).mean())


def _largest(logits):
    """The class with the largest logit.  Raises FloatingPointError where that is none: NaN is not the largest."""
    if torch.isnan(logits).any():
        raise FloatingPointError("model gives NaN for an image; expected logits that are numbers")
    return logits.argmax(-1)


fit, prepare, evaluate = map(checked_loop, (fit, prepare, evaluate))  # arguments by their names, see contract.py
