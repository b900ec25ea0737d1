"""The MLP of a block: linear, GELU, linear (Sec. 3.1).  Taught in notebooks/05_block.ipynb.

Shapes: `B` batch, `T` tokens, `D` width, `M` hidden width.
"""

from __future__ import annotations

import numpy as np

from ..init import normal
from ..module import Module
from ..record import note
from .dropout import Dropout
from .gelu import gelu_backward, gelu_blocked, gelu_tanh, gelu_tanh_backward
from .linear import Linear

__all__ = ["MLP", "Gelu"]


class Gelu(Module):
    """GELU without parameters: `form` is "erf" (the definition) or "tanh" (the official code's approximation)."""

    def __init__(self, form: str):
        if form not in ("erf", "tanh"):
            raise ValueError(f"gelu={form!r} is not allowed; gelu must be 'erf' or 'tanh'")
        self.form = form

    def forward(self, x):
        y, cache = gelu_blocked(x) if self.form == "erf" else gelu_tanh(x)
        self.keep(cache)
        return y

    def backward(self, dy):
        return (gelu_backward if self.form == "erf" else gelu_tanh_backward)(dy, self.take())


class MLP(Module):
    """Linear (D -> M), GELU, linear (M -> D), the last two followed by dropout (Sec. 3.1)."""

    def __init__(self, width, mlp_dim, rng, gelu="erf", dropout=0.0, dtype=np.float32):
        self.fc1 = Linear(width, mlp_dim, rng, dtype)
        self.gelu = Gelu(gelu)
        self.drop1 = Dropout(dropout, rng)
        self.fc2 = Linear(mlp_dim, width, rng, dtype)
        self.drop2 = Dropout(dropout, rng)
        for layer in (self.fc1, self.fc2):  # the official code's choice; elsewhere biases start at 0
            layer.bias.value = normal(rng, layer.bias.value.shape, 1e-6, dtype)

    def forward(self, x, record=None):
        """x (B, T, D)  ->  (B, T, D)"""
        hidden = self.fc1(x)  # (B, T, M)
        note(record, hidden=hidden)
        activated = self.gelu(hidden)
        note(record, gelu=activated)
        out = self.drop2(self.fc2(self.drop1(activated)))  # (B, T, D)
        note(record, out=out)
        return out

    def backward(self, dout):
        dactivated = self.drop1.backward(self.fc2.backward(self.drop2.backward(dout)))  # (B, T, M)
        return self.fc1.backward(self.gelu.backward(dactivated))  # (B, T, D)
