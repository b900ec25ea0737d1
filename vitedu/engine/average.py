"""Averaged weights: an exponential moving average along the run ("Polyak averaging", Table 2).

Taught in notebooks/14_pretraining.ipynb.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

__all__ = ["Average"]


class Average:
    """average <- decay average + (1 - decay) weights, after every update.  With decay=None there is none.

    It starts at the first weights, and is kept in shards as the parameters are.
    """

    def __init__(self, model, decay: float | None):
        self.decay = decay
        self.weights = {} if decay is None else {n: p.detach().clone() for n, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model) -> None:
        """Take in the model's weights of now."""
        if self.weights:
            get_ema_multi_avg_fn(self.decay)(list(self.weights.values()), list(model.parameters()), None)

    @contextmanager
    def in_place_of(self, model):
        """While this holds, the model has the averaged weights (where there are any)."""
        self._swap(model)
        try:
            yield
        finally:
            self._swap(model)

    @torch.no_grad()
    def _swap(self, model) -> None:
        own = dict(model.named_parameters())
        for name, average in self.weights.items():
            kept = own[name].detach().clone()
            own[name].copy_(average)
            average.copy_(kept)
