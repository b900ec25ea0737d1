"""Optimisers: SGD with momentum, Adam with decoupled weight decay, clipping.  Taught in notebooks/08_vit_torch.ipynb.

PyTorch's own optimisers, given the model's parameters in two groups: with and without weight decay.
"""

from __future__ import annotations

import torch

from vitedu_numpy.validate import check_betas, check_max_norm, check_momentum, check_not_negative

from ..module import checked

__all__ = ["SGD", "Adam", "clip_by_global_norm", "is_kernel"]


def is_kernel(name: str, value) -> bool:
    """True for weight matrices: the only parameters that weight decay shrinks (the official code's "kernels")."""
    return name.endswith("weight") and value.ndim >= 2


@checked
def clip_by_global_norm(model, max_norm: float) -> float:
    """Scale all gradients together so that their joint Euclidean length is at most `max_norm`; return the length.

    The factor is max_norm / (norm + 1e-6), at most 1.
    """
    check_max_norm(max_norm)
    return float(torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm))


class _LearningRate:
    """`optimizer.lr`: one learning rate for all groups."""

    @property
    def lr(self) -> float:
        return self.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = value


class SGD(_LearningRate, torch.optim.SGD):
    """v <- momentum v + g,   w <- w - lr v   (heavy ball, not Nesterov)."""

    @checked
    def __init__(self, model, lr: float, momentum: float = 0.9):
        check_not_negative(lr=lr)
        check_momentum(momentum=momentum)
        super().__init__(model.parameters(), lr=lr, momentum=momentum)


class Adam(_LearningRate, torch.optim.AdamW):
    """Adam with decoupled weight decay on kernels only (Kingma & Ba 2015; Loshchilov & Hutter 2019).

    PyTorch calls it AdamW; its plain `torch.optim.Adam(weight_decay=...)` adds the decay to the gradient instead, which
    is another algorithm (see DEVIATIONS.md).
    """

    @checked
    def __init__(self, model, lr: float, betas=(0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0):
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        named = list(model.named_parameters())
        groups = [
            {"params": [p for n, p in named if is_kernel(n, p)], "weight_decay": weight_decay},
            {"params": [p for n, p in named if not is_kernel(n, p)], "weight_decay": 0.0},
        ]
        super().__init__(groups, lr=lr, betas=betas, eps=eps, fused=True)
