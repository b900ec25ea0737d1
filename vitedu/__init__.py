"""The Vision Transformer in PyTorch, and the tools to teach it.

`vitedu_numpy` is the NumPy twin: the same files, classes, parameter names and records.  Importing this package is
quick: PyTorch is loaded when the first thing that needs it is asked for.
"""

from importlib import import_module

from .config import DIGITS_TRAINING, DIGITS_VIT, BiTConfig, HybridConfig, TrainConfig, TransformerConfig, ViTConfig
from .schedule import learning_rate

__version__ = "0.1.0"

# name -> the module that defines it; loaded at first use.
_LAZY = {
    "Adam": "optim", "BiT": "bit", "Block": "encoder", "ClassToken": "patches", "Dropout": "dropout",
    "Encoder": "encoder", "Hybrid": "hybrid", "LayerNorm": "layernorm", "Linear": "linear", "MLP": "encoder",
    "MaskedPatchViT": "masked", "Module": "module", "MultiHeadAttention": "attention", "PatchEmbedding": "patches",
    "PositionEmbedding": "patches", "PreLogits": "vit", "SGD": "optim", "Transformer": "seq2seq", "ViT": "vit",
    "build": "models", "clip_by_global_norm": "optim", "create_model": "models", "evaluate": "train",
    "few_shot_accuracy": "fewshot", "fit": "train", "from_official": "weights", "from_pretrained": "weights",
    "greedy_decode": "decode", "list_models": "models", "named_config": "models", "resize_positions": "resize",
    "to_official": "weights",
}  # fmt: skip

_MODULES = (
    "check", "compute", "data", "engine", "figures", "formulas", "losses", "paper_tables", "plan", "recipes", "show",
    "weights",
)  # fmt: skip

__all__ = [
    "DIGITS_TRAINING", "DIGITS_VIT", "BiTConfig", "HybridConfig", "TrainConfig", "TransformerConfig", "ViTConfig",
    "learning_rate", *_LAZY, *_MODULES,
]  # fmt: skip


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
