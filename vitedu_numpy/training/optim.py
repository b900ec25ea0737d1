"""Optimisers: SGD with momentum, Adam with decoupled weight decay, clipping.  Taught in notebooks/07_vit_numpy.ipynb.

An optimiser holds the model's parameters and changes their values in place.
"""

from __future__ import annotations

import numpy as np

from ..module import checked
from ..validate import check_betas, check_max_norm, check_momentum, check_not_negative

__all__ = ["SGD", "Adam", "clip_by_global_norm", "is_kernel"]


def is_kernel(name: str, value) -> bool:
    """True for weight matrices: the only parameters that weight decay shrinks (the official code's "kernels")."""
    return name.endswith("weight") and value.ndim >= 2


@checked
def clip_by_global_norm(model, max_norm: float) -> float:
    """Scale all gradients together so that their joint Euclidean length is at most `max_norm`; return the length.

    The factor is max_norm / (norm + 1e-6), at most 1: PyTorch's rule.
    """
    check_max_norm(max_norm)
    gradients = [p.grad for _, p in model.named_parameters() if p.grad is not None]
    norm = float(np.sqrt(sum(float(np.vdot(g, g)) for g in gradients)))
    factor = max_norm / (norm + 1e-6)
    if factor < 1:
        for g in gradients:
            g *= factor
    return norm


class SGD:
    """v <- momentum v + g,   w <- w - lr v   (heavy ball, not Nesterov)."""

    @checked
    def __init__(self, model, lr: float, momentum: float = 0.9):
        check_not_negative(lr=lr)
        check_momentum(momentum=momentum)
        self.lr, self.momentum = lr, momentum
        self.parameters = [p for _, p in model.named_parameters()]
        self.v = [np.zeros_like(p.value) for p in self.parameters]

    def step(self) -> None:
        """One update from the gradients that are there."""
        for p, v in zip(self.parameters, self.v, strict=True):
            if p.grad is None:
                continue
            v *= self.momentum
            v += p.grad
            p.value -= self.lr * v


class Adam:
    """Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019).

    m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,   mhat = m / (1 - b1^t),   vhat = v / (1 - b2^t)
    w <- w - lr wd w   (kernels only),   w <- w - lr mhat / (sqrt(vhat) + eps)
    """

    @checked
    def __init__(self, model, lr: float, betas=(0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0):
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        self.lr, self.betas, self.eps, self.t = lr, betas, eps, 0
        named = list(model.named_parameters())
        self.parameters = [p for _, p in named]
        self.decay = [weight_decay if is_kernel(name, p.value) else 0.0 for name, p in named]
        self.m = [np.zeros_like(p.value) for p in self.parameters]
        self.v = [np.zeros_like(p.value) for p in self.parameters]

    def step(self) -> None:
        """One update from the gradients that are there."""
        self.t += 1
        (b1, b2), lr = self.betas, self.lr
        correct1, correct2 = 1 - b1**self.t, 1 - b2**self.t
        for p, m, v, decay in zip(self.parameters, self.m, self.v, self.decay, strict=True):
            if p.grad is None:
                continue
            g = p.grad
            p.value *= 1 - lr * decay
            m *= b1
            m += (1 - b1) * g
            v *= b2
            v += (1 - b2) * g * g
            update = np.sqrt(v / correct2)
            update += self.eps
            np.divide(m, update, out=update)
            update *= lr / correct1
            p.value -= update
