"""The authors' later recipes, as in google-research/big_vision.  Taught in notebooks/14_pretraining.ipynb.

AugReg ("How to train your ViT?", Steiner et al. 2021, arXiv:2106.10270): strong augmentation for ViTs on ImageNet-21k
and ImageNet.  Their weight decay is not multiplied by the learning rate; ours is, so it stands here divided by it:
1e-4 at a learning rate of 1e-3 is 0.1.

Each size has the augmentation that the authors' file names for it; `augmented(recipe, "strong1")` gives another level.
Dropout and stochastic depth are 0 in those files; the AugReg paper has them at 0.1 for B and L on ImageNet alone.
"""

from __future__ import annotations

from dataclasses import replace

from vitedu_numpy.models.names import named_config
from vitedu_numpy.validate import check_kind

from ..accounting.compute import exaflops
from ..accounting.formulas import macs_by_part
from .paper import IMAGENET, IMAGENET21K, NUM_IMAGES
from .recipe import Notes, Recipe

__all__ = ["AUGREG", "LEVELS", "augmented"]

# level -> (RandAugment: operations, magnitude; p of mixup's Beta(p, p)).  "light1" with magnitude 0 is not "none": some
# operations, such as equalize, have no magnitude.
LEVELS = {
    "none": (0, 10, 0.0),
    "light1": (2, 0, 0.0),
    "light2": (2, 10, 0.2),
    "medium1": (2, 15, 0.2),
    "medium2": (2, 15, 0.5),
    "strong1": (2, 20, 0.5),
    "strong2": (2, 20, 0.8),
}

# model -> level, on ImageNet-21k and on ImageNet
_SIZES = {
    "vit_ti16": ("none", "light1"),
    "vit_s32": ("none", "medium1"),
    "vit_s16": ("light1", "medium2"),
    "vit_b32": ("light2", "medium2"),
    "vit_b16": ("light2", "medium2"),
    "vit_l16": ("medium2", "medium2"),
}

# The authors train on all images but 51 200 of ImageNet-21k, and on 99 % of ImageNet.
_I21K = replace(IMAGENET21K, hold_out=51_200)
_I1K = replace(IMAGENET, hold_out=12_812)


def augmented(recipe: Recipe, level: str) -> Recipe:
    """The recipe with another level of augmentation: "none", "light1", "light2", ... "strong2".

    Raises ValueError for any other.
    """
    check_kind("recipe", recipe, Recipe)
    if level not in LEVELS:
        raise ValueError(f"level={level!r} is not allowed; level must be one of {tuple(LEVELS)}")
    layers, magnitude, p = LEVELS[level]
    data = replace(recipe.data, randaugment_layers=layers, randaugment_magnitude=magnitude, mixup=p)
    return replace(recipe, data=data)


def _notes(file, config, epochs, images, expected="see the paper", took="") -> Notes:
    cost = f"{exaflops(sum(macs_by_part(config).values()), epochs, images):.0f} exaFLOPs{took}"
    return Notes(f"google-research/big_vision, configs/{file}", expected, "TPUv3", cost)


# What all of AugReg has in common: 300 epochs of 4096, cosine, warm-up of 10 000 steps, clipping at 1, sigmoid loss.
_COMMON = dict(
    epochs=300,
    batch_size=4096,
    learning_rate=1e-3,
    warmup_steps=10_000,
    decay="cosine",
    weight_decay=1e-4 / 1e-3,
    clip_norm=1.0,
    loss="sigmoid",
)


def _i21k(model, level) -> Recipe:
    config = named_config(model, 21_843, classifier="gap", head_bias=-10.0)
    notes = _notes("vit_i21k.py", config, 300, NUM_IMAGES["imagenet21k"])
    return augmented(Recipe(f"{model}-augreg-imagenet21k", config, _I21K, notes, **_COMMON), level)


def _i1k(model, level) -> Recipe:
    width = named_config(model).width
    config = named_config(model, 1000, representation_size=width, head_bias=-6.9)
    notes = _notes("vit_i1k.py", config, 300, NUM_IMAGES["imagenet"])
    return augmented(Recipe(f"{model}-augreg-imagenet", config, _I1K, notes, **_COMMON), level)


# BiT, with SGD: 0.03 and 3e-5 per 256 images, times 16 for 4096; the authors' decay again divided by the learning rate.
_BIT_MODEL = named_config("bit_r50x1", 21_843, head_bias=-10.0, pool_padding="-inf")  # -inf: as in big_vision
_BIT = Recipe(
    name="bit_r50x1-sgd-imagenet21k",
    model=_BIT_MODEL,
    data=_I21K,
    notes=_notes("bit_i21k.py", _BIT_MODEL, 90, NUM_IMAGES["imagenet21k"], "not said"),
    epochs=90,
    batch_size=4096,
    optimizer="sgd",
    learning_rate=0.03 * 16,
    warmup_steps=5000,
    decay="cosine",
    weight_decay=(3e-5 * 16) / (0.03 * 16),
    clip_norm=1.0,
    loss="sigmoid",
)

# "Better plain ViT baselines for ImageNet-1k" (Beyer et al. 2022, arXiv:2205.01580).
_BETTER_MODEL = named_config("vit_s16", 1000, classifier="gap", representation_size=384, position_embedding="sincos2d")
_BETTER = augmented(
    Recipe(
        name="vit_s16-better-imagenet",
        model=_BETTER_MODEL,
        data=_I1K,
        notes=_notes(
            "vit_s16_i1k.py",
            _BETTER_MODEL,
            90,
            NUM_IMAGES["imagenet"],
            "76.5 % on the validation images of ImageNet",
            ", 6 to 7 hours on 8 cores",
        ),
        epochs=90,
        batch_size=1024,
        learning_rate=1e-3,
        warmup_steps=10_000,
        decay="cosine",
        weight_decay=1e-4 / 1e-3,
        clip_norm=1.0,
        loss="softmax",
    ),
    "light2",
)

AUGREG = [
    *(_i21k(model, level) for model, (level, _) in _SIZES.items()),
    *(_i1k(model, level) for model, (_, level) in _SIZES.items()),
    _BIT,
    _BETTER,
]
