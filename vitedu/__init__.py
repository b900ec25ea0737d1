"""The Vision Transformer in PyTorch, and the tools to teach it.

`vitedu_numpy` is the NumPy twin: the same files, classes, parameter names and records.  Importing this package is
quick: PyTorch is loaded when the first thing that needs it is asked for.
"""

from importlib import import_module

from vitedu_numpy.config import (
    DIGITS_TRAINING,
    DIGITS_VIT,
    BiTConfig,
    EfficientNetConfig,
    HybridConfig,
    TrainConfig,
    TransformerConfig,
    VideoViTConfig,
    ViTConfig,
)
from vitedu_numpy.extras import naming_extras
from vitedu_numpy.schedule import learning_rate

__version__ = "0.1.0"

# module -> the names that it defines; loaded at first use.
_DEFINES = {
    "module": ("Module",),
    "evaluation.load": ("load",),
    "layers.attention": ("MultiHeadAttention",),
    "layers.dropout": ("Dropout",),
    "layers.layernorm": ("LayerNorm",),
    "layers.linear": ("Linear",),
    "layers.mlp": ("MLP",),
    "layers.patches": ("ClassToken", "PatchEmbedding", "PositionEmbedding"),
    "models": ("build", "create_model", "list_models", "named_config"),
    "models.bit": ("BiT",),
    "models.decode": ("greedy_decode",),
    "models.efficientnet": ("EfficientNet",),
    "models.encoder": ("Block", "Encoder"),
    "models.hybrid": ("Hybrid",),
    "models.masked": ("MaskedPatchViT",),
    "models.pretrained": ("from_pretrained",),
    "models.seq2seq": ("Transformer",),
    "models.variants": ("make_block", "make_encoder"),
    "models.video": ("VideoViT",),
    "models.vit": ("PreLogits", "ViT"),
    "training.loop": ("evaluate", "fit"),
    "training.optim": ("Adam", "SGD", "clip_by_global_norm"),
    "transfer.estimators": ("FewShotRidge", "ViTClassifier"),
    "transfer.fewshot": ("few_shot_accuracy",),
    "transfer.knn": ("knn_accuracy",),
    "transfer.probe": ("linear_probe",),
    "transfer.sweep": ("few_shot_sweep",),
    "weights": ("from_official", "to_official"),
    "weights.resize": ("resize_positions",),
}
_LAZY = {name: module for module, names in _DEFINES.items() for name in names}

# modules that are asked for by a short name -> where they stand
_MODULES = {
    "check": "check", "compute": "accounting.compute", "data": "data", "engine": "engine", "evaluation": "evaluation",
    "experiments": "experiments", "figures": "show.figures", "inspect": "inspect",
    "formulas": "accounting.formulas", "losses": "training.losses", "paper": "paper", "paper_tables": "paper",
    "plan": "plan", "recipes": "recipes", "show": "show", "weights": "weights",
}  # fmt: skip

__all__ = [
    "DIGITS_TRAINING", "DIGITS_VIT", "BiTConfig", "EfficientNetConfig", "HybridConfig", "TrainConfig",
    "TransformerConfig", "VideoViTConfig", "ViTConfig", "learning_rate", *_LAZY, *_MODULES,
]  # fmt: skip


@naming_extras()
def __getattr__(name: str):
    if name in _MODULES:
        return import_module(f".{_MODULES[name]}", __name__)
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
