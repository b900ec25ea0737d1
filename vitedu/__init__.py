"""The Vision Transformer in PyTorch, and the tools to teach it.

`vitedu_numpy` is the NumPy twin: the same files, classes, parameter names and records.  Importing this package is
quick: PyTorch is loaded when the first thing that needs it is asked for.
"""

from importlib import import_module

from .config import DIGITS_TRAINING, DIGITS_VIT, TrainConfig, ViTConfig
from .schedule import learning_rate

__version__ = "0.1.0"

# name -> the module that defines it; loaded at first use.
_LAZY = {
    "Adam": "optim", "Block": "encoder", "ClassToken": "patches", "Dropout": "dropout", "Encoder": "encoder",
    "LayerNorm": "layernorm", "Linear": "linear", "MLP": "encoder", "Module": "module",
    "MultiHeadAttention": "attention", "PatchEmbedding": "patches", "PositionEmbedding": "patches",
    "PreLogits": "vit", "SGD": "optim", "ViT": "vit", "clip_by_global_norm": "optim", "evaluate": "train",
    "fit": "train",
}  # fmt: skip

_MODULES = ("check", "data", "figures", "losses", "show")

__all__ = ["DIGITS_TRAINING", "DIGITS_VIT", "TrainConfig", "ViTConfig", "learning_rate", *_LAZY, *_MODULES]


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
