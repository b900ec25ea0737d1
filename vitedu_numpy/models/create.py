"""Models from their settings or their names: `create_model("vit_b16")`.  Taught in notebooks/12_compute.ipynb.

The names, and what they stand for, are in `vitedu_numpy/models/names.py`.
"""

from __future__ import annotations

import numpy as np

from ..config import BiTConfig, EfficientNetConfig, HybridConfig, ViTConfig
from ..module import checked
from .bit import BiT
from .efficientnet import EfficientNet
from .hybrid import Hybrid
from .names import named_config
from .vit import ViT

__all__ = ["build", "create_model"]


@checked
def build(config, rng=None, dtype=np.float32):
    """The model that `config` describes: `ViT`, `Hybrid`, `BiT` or `EfficientNet`."""
    kinds = {ViTConfig: ViT, HybridConfig: Hybrid, BiTConfig: BiT, EfficientNetConfig: EfficientNet}
    kind = kinds.get(type(config))
    if kind is None:
        raise TypeError(f"config is a {type(config).__name__}; expected one of {[k.__name__ for k in kinds]}")
    return kind(config, rng, dtype)


@checked
def create_model(name: str, num_classes: int | None = None, image_size=None, rng=None, dtype=np.float32, **overrides):
    """Build a named model: `create_model("vit_b16", num_classes=10, image_size=384, dropout=0.1)`.

    rng: a Generator or seed for the first parameters (None: different ones every time); dtype: float32 or float64;
    the rest as in `named_config`.
    """
    return build(named_config(name, num_classes, image_size, **overrides), rng, dtype)
