"""Many models at once, trained side by side in one program.  Taught in notebooks/20_ablations.ipynb.

A small model keeps no processor busy: most of a step is starting its operations.  Stacked, the k-th slice of every
parameter belongs to model k, and `torch.func.vmap` carries one forward out for all of them: the same number of
operations as for one model, each K times as large.  The models never meet: what comes out for model k is what it would
have become alone (to rounding, as sums are ordered otherwise).

Shapes: `K` models, `b` images of a batch; a stacked parameter is (K, *shape).
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch.func import functional_call, grad_and_value, vmap

from vitedu_numpy.schedule import learning_rate
from vitedu_numpy.training.batches import batches, random_shift
from vitedu_numpy.validate import is_count, is_model, require

from ..layers.dropout import Dropout
from ..module import checked
from . import losses
from .losses import one_hot
from .optim import is_kernel

__all__ = ["Many", "fit_many"]


class Many:
    """K models of one shape, their parameters stacked; `logits`, `step`, and `models` to take them apart again.

    make(seed) -> a model with first weights of that seed, e.g. `lambda seed: ViT(config, seed)`; it is called for each
    of `seeds`.  weight_decay, clip_norm, and the learning rate of a step: one number for all, or K numbers.  The update
    is that of `optim.Adam`, with weight decay on kernels only.
    loss: (logits, targets) -> scalar, e.g. `losses.softmax_cross_entropy`.

    Dropout and stochastic depth draw for each model by itself, but not the numbers that it would draw alone.
    """

    def __init__(self, make, seeds, *, weight_decay=0.0, clip_norm=None, betas=(0.9, 0.999), eps=1e-8,
                 loss=losses.softmax_cross_entropy, device="cpu", dtype=torch.float32, autocast=None):  # fmt: skip
        is_list = isinstance(seeds, list | tuple | range) and seeds and all(is_count(seed, 0) for seed in seeds)
        require(is_list, "seeds", seeds, "a list of integers >= 0, one for each model")
        self.make, self.seeds = make, list(seeds)
        K, self.betas, self.eps = len(self.seeds), betas, eps
        models = [make(seed) for seed in self.seeds]
        require(all(map(is_model, models)), "make", make, "a function that makes a model of a seed")
        states = [dict(model.named_parameters()) for model in models]
        self.parameters = {
            name: torch.stack([state[name].detach() for state in states]).to(device, dtype) for name in states[0]
        }
        self.first = {name: torch.zeros_like(p) for name, p in self.parameters.items()}  # moments of the gradient
        self.second = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.steps = torch.zeros((), device=device, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
        self.weight_decay = self.per_model("weight_decay", weight_decay)
        self.clip_norm = None if clip_norm is None else self.per_model("clip_norm", clip_norm)

        body = make(self.seeds[0]).to(device, dtype)  # each forward lends it the weights of one model
        for module in body.modules():
            if hasattr(module, "recompute"):
                module.recompute = False  # checkpointing does not go through vmap
            if hasattr(module, "fused"):
                module.fused = False  # the fused kernel would go through it one model at a time
            if isinstance(module, Dropout):
                module.draw = partial(_draw, module)
        self.check_images = body.check_images  # once, before training
        body.check_images = lambda images: images  # it asks whether values are finite, which no vmap can answer
        self.body, loss_type = body.train(), dtype

        def loss_of(parameters, images, targets):
            with nullcontext() if autocast is None else torch.autocast(torch.device(device).type, autocast):
                logits = functional_call(body, parameters, (images,))
            return loss(logits.to(loss_type), targets)

        self._gradients = grad_and_value(loss_of)
        self._forward = lambda parameters, images: functional_call(body, parameters, (images,))
        self._K = K

    def __len__(self) -> int:
        return self._K

    def per_model(self, name: str, value) -> torch.Tensor:
        """(K,) on the device, of one number or of K."""
        like = next(iter(self.parameters.values()))
        value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
        if value.ndim and value.shape != (len(self.seeds),):
            shape = tuple(value.shape)
            raise ValueError(f"{name} has shape {shape}; expected one number, or {len(self.seeds)}, one for each model")
        return value.expand(len(self.seeds))

    def logits(self, images) -> torch.Tensor:
        """Scores without dropout.     images (b, C, H, W), the same for all, or (K, b, C, H, W)  ->  (K, b, classes)"""
        self.body.eval()
        try:
            with torch.no_grad():
                return vmap(self._forward, in_dims=(0, _axis(images, 4)))(self.parameters, images)
        finally:
            self.body.train()

    def gradients(self, images, targets):
        """({name: (K, *shape)}, losses (K,)); images and targets are one batch for all models, or K batches."""
        in_dims = 0, _axis(images, 4), _axis(targets, 2)
        # "different": dropout draws for each model by itself.  Without dropout nothing is drawn at all.
        return vmap(self._gradients, in_dims=in_dims, randomness="different")(self.parameters, images, targets)

    def step(self, images, targets, lr):
        """One update of all; lr: one number or K.  Returns each model's loss (K,) and gradient length (K,)."""
        gradients, values = self.gradients(images, targets)
        with torch.no_grad():
            norm = torch.stack([g.flatten(1).square().sum(1) for g in gradients.values()]).sum(0).sqrt()  # (K,)
            if self.clip_norm is not None:
                factor = (self.clip_norm / (norm + 1e-6)).clamp(max=1)
                gradients = {name: g * _for(factor, g) for name, g in gradients.items()}
            self._adam(gradients, self.per_model("lr", lr))
        return values, norm

    def _adam(self, gradients, lr) -> None:
        """`optim.Adam` for K models:  m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,

        w <- (1 - lr wd) w - lr mhat / (sqrt(vhat) + eps),   mhat = m / (1 - b1^t),   vhat = v / (1 - b2^t)
        """
        b1, b2 = self.betas
        self.steps += 1
        mean, spread = 1 - b1**self.steps, (1 - b2**self.steps).sqrt()
        for name, w in self.parameters.items():
            g, m, v, rate = gradients[name], self.first[name], self.second[name], _for(lr, w)
            m.lerp_(g, 1 - b1)
            v.mul_(b2).addcmul_(g, g, value=1 - b2)
            if is_kernel(name, w[0]):
                w.mul_(1 - rate * _for(self.weight_decay, w))
            w.sub_((rate / mean) * m / (v.sqrt() / spread + self.eps))

    def models(self) -> list:
        """K models of their own, with these weights."""
        like = next(iter(self.parameters.values()))
        found = []
        for k in range(len(self)):
            model = self.make(self.seeds[k]).to(like.device, like.dtype)
            model.load_state_dict({name: p[k] for name, p in self.parameters.items()})
            found.append(model)
        return found


def _draw(dropout, shape, like):
    """`Dropout.draw`, with an operation that `vmap` draws for each model anew (it refuses to fill an empty mask)."""
    if not dropout.training or dropout.rate == 0:
        return None
    kept = torch.rand(dropout.mask_shape(shape), dtype=like.dtype, device=like.device) >= dropout.rate
    return kept.to(like.dtype) / (1 - dropout.rate)


def _axis(x, alone: int) -> int | None:
    """Where the models are in a batch: the first axis, or nowhere if all share it."""
    if x.ndim not in (alone, alone + 1):
        raise ValueError(f"a batch has shape {tuple(x.shape)}; expected {alone} axes, or {alone + 1} for K batches")
    return None if x.ndim == alone else 0


def _for(value, like):
    """(K,) as (K, 1, ..., 1), to multiply a stacked parameter."""
    return value.view(-1, *(1 for _ in like.shape[1:]))


@checked
def fit_many(make, images, labels, training, seeds, *, learning_rates=None, same_order=False, device="cpu",
             dtype=torch.float32, progress=iter):  # fmt: skip
    """`fit` for K models side by side; returns (models, history), each number of the history a row of K.

    images (n, C, H, W) floats in [-1, 1], labels (n,): NumPy arrays; training: a `TrainConfig`.  Model k begins as
    `make(seeds[k])` and sees the data in the order of `training.seed` (same_order) or of seeds[k].
    learning_rates: K numbers in place of `training.learning_rate`.  Raises FloatingPointError, naming step and model,
    when a loss is not finite.
    """
    base = training.learning_rate if learning_rates is None else learning_rates
    many = Many(
        make, seeds, weight_decay=training.weight_decay, clip_norm=training.clip_norm or math.inf,
        loss=getattr(losses, f"{training.loss}_cross_entropy"), device=device, dtype=dtype,
    )  # fmt: skip
    base = many.per_model("learning_rates", base)
    targets = one_hot(labels, many.body.config.num_classes, training.label_smoothing, dtype).to(device)
    images = many.check_images(images).numpy()
    if len(images) != len(targets) or len(images) == 0:
        raise ValueError(f"images holds {len(images)} images, labels {len(targets)} entries; expected equal and not 0")
    order_seeds = [training.seed] if same_order else many.seeds
    orders = [batches(len(images), replace(training, seed=seed)) for seed in order_seeds]
    schedule = dict(base=1.0, total_steps=training.steps, warmup_steps=training.warmup_steps, decay=training.decay)
    history = {"loss": [], "learning_rate": [], "grad_norm": []}
    with torch.random.fork_rng():  # dropout follows training.seed and leaves the caller's random numbers alone
        torch.manual_seed(training.seed)
        for step in progress(range(training.steps)):
            drawn = [next(order) for order in orders]
            batch = np.stack([random_shift(images[indices], training.shift, rng) for indices, rng in drawn])
            rows = np.stack([indices for indices, _ in drawn])
            if same_order:
                batch, rows = batch[0], rows[0]
            lr = base * learning_rate(step, **schedule)
            loss, norm = many.step(torch.from_numpy(batch).to(device, dtype), targets[torch.from_numpy(rows)], lr)
            if not bool(torch.isfinite(loss).all()):
                wrong = int((~torch.isfinite(loss)).nonzero()[0])
                raise FloatingPointError(
                    f"loss is {loss[wrong]} at step {step} in model {wrong} (seed {many.seeds[wrong]}); try a smaller "
                    "learning rate or a longer warm-up"
                )
            for name, value in (("loss", loss), ("learning_rate", lr), ("grad_norm", norm)):
                history[name].append(value.tolist())
    return many.models(), history
