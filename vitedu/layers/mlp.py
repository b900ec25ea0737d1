"""The MLP of a block: linear, GELU, linear (Sec. 3.1).  Taught in notebooks/05_block.ipynb.

Shapes: `B` batch, `T` tokens, `D` width, `M` hidden width.
"""

from __future__ import annotations

import torch
from torch.utils.checkpoint import checkpoint

from vitedu_numpy.record import note

from ..init import normal
from ..module import Module
from .dropout import Dropout
from .gelu import gelu, gelu_tanh
from .linear import Linear

__all__ = ["MLP", "FrugalMLP", "Gelu"]


class Gelu(Module):
    """GELU without parameters: `form` is "erf" (the definition) or "tanh" (the official code's approximation)."""

    def __init__(self, form: str):
        super().__init__()
        if form not in ("erf", "tanh"):
            raise ValueError(f"gelu={form!r} is not allowed; gelu must be 'erf' or 'tanh'")
        self.form = form

    def forward(self, x):
        return gelu(x) if self.form == "erf" else gelu_tanh(x)


class MLP(Module):
    """Linear (D -> M), GELU, linear (M -> D), the last two followed by dropout (Sec. 3.1)."""

    def __init__(self, width, mlp_dim, rng=None, gelu="erf", dropout=0.0):
        super().__init__()
        self.fc1 = Linear(width, mlp_dim, rng)
        self.gelu = Gelu(gelu)
        self.drop1 = Dropout(dropout)
        self.fc2 = Linear(mlp_dim, width, rng)
        self.drop2 = Dropout(dropout)
        with torch.no_grad():
            for layer in (self.fc1, self.fc2):  # the official code's choice; elsewhere biases start at 0
                normal(layer.bias, 1e-6, rng)

    def forward(self, x, record=None):
        """x (B, T, D)  ->  (B, T, D)"""
        hidden = self.fc1(x)  # (B, T, M)
        note(record, hidden=hidden)
        activated = self.gelu(hidden)
        note(record, gelu=activated)
        out = self.drop2(self.fc2(self.drop1(activated)))  # (B, T, D)
        note(record, out=out)
        return out


class FrugalMLP(MLP):
    """`MLP` that does not keep GELU's output, a quarter of a block's memory, but computes it again in backward.

    `recompute = False` on the module switches that off; so does a record.
    """

    def __init__(self, width, mlp_dim, rng=None, gelu="erf", dropout=0.0):
        super().__init__(width, mlp_dim, rng, gelu, dropout)
        self.recompute = True

    def forward(self, x, record=None):
        """x (B, T, D)  ->  (B, T, D)"""
        if record is not None or not self.recompute or not torch.is_grad_enabled():
            return super().forward(x, record)
        draws = self.training and self.drop1.rate > 0  # then the same numbers must be dropped again
        out = checkpoint(self._after_hidden, self.fc1(x), use_reentrant=False, preserve_rng_state=draws)
        return self.drop2(out)

    def _after_hidden(self, hidden):
        """Inside `checkpoint` only `hidden` is kept."""
        return self.fc2(self.drop1(self.gelu(hidden)))
