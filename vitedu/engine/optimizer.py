"""The optimiser of a recipe, and its learning rate.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import torch

from vitedu_numpy.schedule import learning_rate

from ..training.optim import SGD, Adam, is_kernel

__all__ = ["clip_gradients", "make_optimizer", "rate_at"]


class DecayedSGD(SGD):
    """SGD with momentum, after a decoupled decay of the weight matrices: w <- (1 - lr weight_decay) w - lr v."""

    def __init__(self, model, lr: float, weight_decay: float):
        super().__init__(model, lr)
        self.kernels = [p for name, p in model.named_parameters() if is_kernel(name, p)]
        self.weight_decay = weight_decay

    @torch.no_grad()
    def step(self, closure=None):
        """One update."""
        if self.weight_decay:
            torch._foreach_mul_(self.kernels, 1 - self.lr * self.weight_decay)
        return super().step(closure)


def make_optimizer(model, recipe):
    """`Adam` (decoupled weight decay on weight matrices alone), or `SGD` with momentum 0.9 and the same decay."""
    if recipe.optimizer == "adam":
        return Adam(model, recipe.learning_rate, weight_decay=recipe.weight_decay)
    return DecayedSGD(model, recipe.learning_rate, recipe.weight_decay)


def rate_at(step: int, recipe, total_steps: int) -> float:
    """The learning rate of update number `step`."""
    return learning_rate(
        step, base=recipe.learning_rate, total_steps=total_steps, warmup_steps=recipe.warmup_steps, decay=recipe.decay,
        end=recipe.linear_end, milestones=recipe.milestones,
    )  # fmt: skip


def clip_gradients(model, max_norm) -> torch.Tensor:
    """Scale all gradients so that their joint length is at most `max_norm` (None: never); return the length.

    The length is a tensor on the device: reading it here would make a GPU wait.
    """
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), torch.inf if max_norm is None else max_norm)
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # sharded: the sum over all processes
