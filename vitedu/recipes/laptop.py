"""Recipes for a laptop without a GPU: digits in seconds, CIFAR-10 in half an hour."""

from __future__ import annotations

from vitedu_numpy.config import DIGITS_VIT, BiTConfig, ViTConfig

from .recipe import DataRecipe, Execution, Notes, Recipe

__all__ = ["LAPTOP"]

# 48.3 and 47.1 million MACs an image: equal compute, as far as whole units of 16 channels allow.
CIFAR_VIT = ViTConfig(32, 4, 96, 6, 3, 384, num_classes=10)
CIFAR_BIT = BiTConfig((3, 3, 3), 10, image_size=32, base_width=16, stem="small", groups=8)

_CIFAR = DataRecipe("cifar10", "train", "test", crop="pad", pad=4, eval_resize=None)
_CIFAR_RUN = Execution(threads=1, evaluate_every=1000, checkpoint_every=500)
_DIGITS = DataRecipe("digits", "train", "test", crop="pad", pad=1, flip=False, eval_resize=None)


def _cifar(name, model, epochs, learning_rate, expected, cost):
    """Chosen on 5000 held-out training images, three learning rates for each model, two epochs each."""
    return Recipe(
        name=name,
        model=model,
        data=_CIFAR,
        notes=Notes("ours: plain augmentation, cosine decay", expected, "CPU, 1 thread, bfloat16", cost),
        run=_CIFAR_RUN,
        epochs=epochs,
        batch_size=128,
        learning_rate=learning_rate,
        warmup_steps=500,
        decay="cosine",
        weight_decay=0.1,
    )


LAPTOP = [
    Recipe(
        name="vit_digits",
        model=DIGITS_VIT,
        data=_DIGITS,
        notes=Notes("chosen on a fifth of the training digits", "98 % of 360 images", "one CPU core", "40 s"),
        run=Execution(precision="float32", threads=1, checkpoint_every=500),  # too small for two threads
        steps=2000,
        batch_size=64,
        learning_rate=3e-3,
        warmup_steps=200,
        decay="cosine",
        weight_decay=0.5,
        label_smoothing=0.1,
    ),
    _cifar("vit_cifar10", CIFAR_VIT, 10, 1e-3, "64.7 % of 5000 test images", "22 minutes of one core"),
    _cifar("bit_cifar10", CIFAR_BIT, 10, 1e-2, "81.2 % of 5000 test images", "39 minutes of one core"),
    _cifar("vit_cifar10_long", CIFAR_VIT, 30, 1e-3, "75.1 % of 5000 test images", "68 minutes of one core"),
    _cifar("bit_cifar10_long", CIFAR_BIT, 30, 1e-2, "86.0 % of 5000 test images", "135 minutes of one core"),
]
