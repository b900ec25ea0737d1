"""Muon: momentum whose update is made orthogonal.  Taught in notebooks/20_ablations.ipynb.

For the weight matrices of the blocks; Adam has the rest.
Source: Jordan et al. 2024 (kellerjordan.github.io/posts/muon), with the step length of Liu et al. 2025
(arXiv:2502.16982), which suits Adam's learning rates.  `torch.optim.Muon` is the same, matrix by matrix; here all
matrices of a size go through the iteration together, as a small model has many matrices and none of them is large.

Shapes: `n` matrices of a size, `R C` their rows and columns, R <= C.
"""

from __future__ import annotations

import torch

from vitedu_numpy.contract import checked_for
from vitedu_numpy.validate import check_momentum, check_not_negative, require

from ..module import checked
from ..tensors import A_MODEL
from .optim import Adam

__all__ = ["Muon", "orthogonal"]


@checked
def orthogonal(M, steps: int = 5, eps: float = 1e-7):
    """About U V^T of M = U S V^T: five steps of an odd polynomial that draws singular values near 1.     (n, R, C)

    X <- a X + (b A + c A A) X with A = X X^T, in bfloat16: the values come to lie in 0.7 ... 1.2, which is enough.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    X = M.bfloat16()
    X = X / X.norm(dim=(-2, -1), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        A = X @ X.mT  # (n, R, R)
        B = torch.baddbmm(A, A, A, beta=b, alpha=c)
        X = torch.baddbmm(X, B, X, beta=a)
    return X.to(M.dtype)


# lr may be a tensor
_RULES = {"model": A_MODEL, "lr": (lambda lr: True, "")}


class Muon:
    """m <- beta m + (1 - beta) g,   u = orthogonal((1 - beta) g + beta m),
    w <- (1 - lr weight_decay) w - 0.2 sqrt(max(R, C)) lr u      for the matrices of `model.encoder.blocks`;
    Adam with the learning rate `adam_share` lr for all other parameters.

    q, k and v are three matrices, as in their first values.  `lr` may be a 0-d tensor on the model's device: a step
    then never waits for the host.
    """

    @checked_for(_RULES)
    def __init__(self, model, lr, momentum: float = 0.95, weight_decay: float = 0.0, adam_share: float = 0.5,
                 betas=(0.9, 0.999)):  # fmt: skip
        matrices = {n: p for n, p in model.named_parameters() if n.startswith("encoder.blocks") and p.ndim == 2}
        if not matrices:
            raise ValueError(f"model={type(model).__name__} is not allowed: it has no matrices in encoder.blocks")
        check_not_negative(weight_decay=weight_decay, adam_share=adam_share)
        check_momentum(momentum=momentum)
        if isinstance(lr, torch.Tensor):
            require(lr.ndim == 0, "lr", lr, "a number, or a 0-d tensor")
        else:
            check_not_negative(lr=lr)
        self.model, self.momentum, self.weight_decay, self.adam_share = model, momentum, weight_decay, adam_share
        self.groups = []  # [(parameters, parts of each, rows, columns, momentum (n, rows, columns))]
        by_shape = {}
        for name, p in matrices.items():
            parts = 3 if name.endswith("qkv.weight") else 1
            rows, columns = p.shape[0] // parts, p.shape[1]
            by_shape.setdefault((rows, columns, parts), []).append(p)
        for (rows, columns, parts), parameters in by_shape.items():
            buffer = parameters[0].new_zeros(len(parameters) * parts, rows, columns)
            self.groups.append((parameters, parts, rows, columns, buffer))
        self.adam = Adam(_Others(model, matrices), 1.0, betas=betas, weight_decay=weight_decay)
        for group in self.adam.param_groups:
            group["capturable"] = isinstance(lr, torch.Tensor)
        self.lr = lr

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.model.parameters():
            p.grad = None

    def state(self) -> list[torch.Tensor]:
        """All tensors that a step changes, besides the parameters."""
        return [group[-1] for group in self.groups] + adam_state(self.adam)

    @torch.no_grad()
    def step(self) -> None:
        """One update."""
        for parameters, parts, rows, columns, buffer in self.groups:
            grads = torch.stack([p.grad for p in parameters]).view(-1, rows, columns)
            buffer.lerp_(grads, 1 - self.momentum)
            update = grads.lerp(buffer, self.momentum)
            update = orthogonal(update.mT).mT if rows > columns else orthogonal(update)
            update = update * (-0.2 * max(rows, columns) ** 0.5 * self.lr)
            update = update.reshape(len(parameters), parts * rows, columns)
            torch._foreach_mul_(parameters, 1 - self.lr * self.weight_decay)
            torch._foreach_add_(parameters, list(update.unbind()))
        self.adam.lr = self.lr * self.adam_share
        self.adam.step()


class _Others:
    """A model as an optimiser sees it, without some of its parameters."""

    def __init__(self, model, without):
        self.model, self.without = model, without

    def parameters(self):
        return (p for _, p in self.named_parameters())

    def named_parameters(self):
        return ((n, p) for n, p in self.model.named_parameters() if n not in self.without)


def adam_state(adam) -> list[torch.Tensor]:
    """The tensors of an Adam: its two moments and its count, for each parameter that has had a step."""
    return [value for state in adam.state.values() for value in state.values() if isinstance(value, torch.Tensor)]
