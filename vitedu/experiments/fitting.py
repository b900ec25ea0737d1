"""Training on the first n images of a stream, with early stopping; features, accuracy.  No regularisation at all.

Taught in notebooks/18_locality.ipynb and 19_how_much_data.ipynb.

On a CPU each model is trained by itself: a step of three small ViTs side by side takes as long as three steps, one of
three small ResNets longer.  On a GPU `training.many.Many` carries all seeds in one program.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from vitedu_numpy.config import TrainConfig
from vitedu_numpy.training.batches import batches, check_loss, scheduled_rate

from ..models import build
from ..training.loop import evaluate
from ..training.losses import one_hot, softmax_cross_entropy
from ..training.many import Many
from ..training.optim import Adam, clip_by_global_norm
from .experiment import Measured

__all__ = [
    "Alone",
    "Fitted",
    "accuracy",
    "as_batch",
    "features",
    "fit_stream",
    "labelled",
    "same",
    "scores",
    "training",
]

CHUNK = 500  # images at once where nothing is learned


@dataclass(frozen=True)
class Fitted:
    """A trained model with the weights of its best check."""

    model: torch.nn.Module
    step: int  # after which these weights were there
    held_out: float  # accuracy on the held-out images then
    loss: float  # mean training loss of the last tenth of all steps

    def measured(self, tests=()) -> Measured:
        """What `tests` of the model found, {metric: value}, and what its training tells."""
        return Measured(dict(tests) | {"held-out": self.held_out, "training loss": self.loss}, self.step)


def same(images):
    """Images as the stream draws them: what `view` is where nothing is done to them."""
    return images


def labelled(stream, count, view=same):
    """(images, labels) of the first `count` of a stream."""
    images, factors = stream.draw(np.arange(count))
    return view(images), factors["label"]


def training(budget, rate, **options) -> TrainConfig:
    """A tenth of the steps to warm up, then a cosine; no regularisation, if `options` do not say otherwise."""
    return TrainConfig(budget.steps, budget.batch_size, rate, **{"warmup_steps": budget.steps // 10, **options})


def as_batch(images, device="cpu") -> torch.Tensor:
    """Bytes (n, C, H, W) as floats in [-1, 1] on the device."""
    return torch.from_numpy(images).to(device).float() / 127.5 - 1


def as_bytes(images) -> np.ndarray:
    """What `as_batch` turns back: the 256 levels of a stream's images."""
    return np.rint((images + 1) * 127.5).astype(np.uint8)


def fit_stream(config, stream, n, training, held_out, *, seeds=(0,), target="label", view=same, checks=8, device="cpu",
               optimizer=Adam):  # fmt: skip
    """Models of `config`, one for each seed, trained on images 0 ... n - 1 of a stream: a list of `Fitted`.

    Everything of model k belongs to seeds[k]: its first weights, its images (of `stream` with that seed), their order,
    and dropout; the seeds of `stream` and `training` (a `TrainConfig`) are not used.  held_out: (images, labels);
    accuracy there is looked at `checks` times, evenly, and the weights of the best time (of equals the first) are kept.
    target: the factor to be learned, "label" or another of a few values, or a function of all factors.  view: done to
    all images, those of `held_out` too, e.g. one fixed permutation.  optimizer: called as `Adam` is; with another than
    that the models are trained one after another.

    Raises FloatingPointError, naming the step, for a loss that is not finite.
    """
    if len(seeds) > 1 and optimizer is not Adam:
        options = dict(target=target, view=view, checks=checks, device=device, optimizer=optimizer)
        return [fit_stream(config, stream, n, training, held_out, seeds=[s], **options)[0] for s in seeds]
    pixels, labels, places, known = [], [], [], 0  # side by side, each model has images of its own
    for seed in seeds:
        own = replace(stream, seed=seed)
        order = np.array([indices for indices, _ in batches(n, replace(training, seed=seed))])  # (steps, batch)
        used, place = np.unique(order, return_inverse=True)  # of a long stream nobody sees all
        places.append(known + place.reshape(order.shape))
        known += len(used)
        for start in range(0, len(used), 1000):
            drawn, factors = own.draw(used[start : start + 1000])
            pixels.append(as_bytes(view(drawn)))
            labels.append(target(factors) if callable(target) else factors[target])
    pixels, places = np.concatenate(pixels), np.stack(places)  # (seeds, steps, batch)
    targets = one_hot(np.concatenate(labels), config.num_classes, training.label_smoothing).to(device)
    images, truth = torch.from_numpy(view(held_out[0])).to(device), torch.from_numpy(held_out[1]).to(device)

    options = dict(weight_decay=training.weight_decay, clip_norm=training.clip_norm or math.inf, device=device)
    kind = partial(Alone, optimizer=optimizer) if len(seeds) == 1 else Many
    trainer = kind(lambda seed: build(config, seed), seeds, **options)
    stops = {round(training.steps * (c + 1) / checks) for c in range(checks)}
    best, when, kept = torch.full((len(seeds),), -1.0), [0] * len(seeds), None
    last = torch.zeros(len(seeds), device=device)
    tail = max(training.steps // 10, 1)
    with torch.random.fork_rng():  # dropout leaves the caller's random numbers alone
        torch.manual_seed(seeds[0])
        for step in range(training.steps):
            batch = as_batch(pixels[places[:, step]].reshape(-1, *pixels.shape[1:]), device)
            batch = batch.reshape(len(seeds), -1, *batch.shape[1:])
            loss, _ = trainer.step(batch, targets[places[:, step]], scheduled_rate(step, training))
            if device == "cpu" or step % 50 == 0:  # a GPU need not wait for the host every step
                check_loss(float(loss.detach().sum()), step)
            last += loss.detach() * (step >= training.steps - tail)
            if step + 1 in stops:
                logits = torch.cat([trainer.logits(part) for part in images.split(CHUNK)], dim=1)  # (seeds, n, K)
                right = (logits.argmax(-1) == truth).float().mean(1).cpu()
                better = right > best
                best = torch.where(better, right, best)
                when = [step + 1 if better[k] else when[k] for k in range(len(seeds))]
                if kept is None:
                    kept = {name: p.detach().clone() for name, p in trainer.parameters.items()}
                for name, p in trainer.parameters.items():
                    kept[name][better] = p.detach()[better]
    with torch.no_grad():
        for name, p in trainer.parameters.items():
            p.copy_(kept[name])
    losses = (last / tail).tolist()
    return [Fitted(model.eval(), when[k], float(best[k]), losses[k]) for k, model in enumerate(trainer.models())]


class Alone:
    """`Many` for a single model, without `vmap`: the same methods and shapes (K = 1), in less time on a CPU."""

    def __init__(self, make, seeds, *, weight_decay=0.0, clip_norm=math.inf, device="cpu", optimizer=Adam):
        self.model = make(seeds[0]).to(device).train()
        for module in self.model.modules():
            if hasattr(module, "recompute"):
                module.recompute = False  # small models have the memory
        self.clip_norm = clip_norm
        self.optimizer = optimizer(self.model, 1.0, weight_decay=weight_decay)

    @property
    def parameters(self):
        return {name: p[None] for name, p in self.model.named_parameters()}

    def step(self, images, targets, lr):
        """images (1, b, C, H, W), targets (1, b, K), lr  ->  loss (1,), gradient length"""
        self.optimizer.lr = lr
        self.optimizer.zero_grad()
        loss = softmax_cross_entropy(self.model(images[0]), targets[0])
        loss.backward()
        norm = clip_by_global_norm(self.model, self.clip_norm)
        self.optimizer.step()
        return loss[None], norm

    @torch.no_grad()
    def logits(self, images):
        """images (b, C, H, W)  ->  (1, b, K)"""
        self.model.eval()
        try:
            return self.model(images)[None]
        finally:
            self.model.train()

    def models(self):
        return [copy.deepcopy(self.model)]


@torch.no_grad()
def scores(model, images) -> torch.Tensor:
    """Logits (n, K) of NumPy images (n, C, H, W)."""
    device = next(model.parameters()).device
    return torch.cat([model(part.to(device)) for part in torch.from_numpy(images).split(CHUNK)])


def accuracy(model, images, labels) -> float:
    """The part of the images whose largest logit is at the label."""
    return evaluate(model, images, labels, CHUNK)


@torch.no_grad()
def features(model, images) -> torch.Tensor:
    """What the head reads, (n, D), of NumPy images."""
    head = getattr(model, "vit", model).head
    found = []
    hook = head.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
    try:
        scores(model, images)
    finally:
        hook.remove()
    return torch.cat(found)
