"""`data_size` on photographs: CIFAR-10's first n images, of 16 x 16 pixels, and accuracy on its test images.

The images are not shipped: the environment's VITEDU_CIFAR10 names a folder of CIFAR-10, or its name on a hub.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..data.open import open_source
from .data_size import RATES, SIZES
from .experiment import Budget, Condition, Experiment, Panel
from .fitting import accuracy, fit_stream, labelled, training
from .models import SIZE, small_models

__all__ = ["CIFAR_SIZE", "CIFAR_SIZE_RATES", "Pictures"]

FOLDER = "VITEDU_CIFAR10"


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of a data set as if they were a stream; image i is the i-th of an order that belongs to the seed."""

    pixels: np.ndarray  # (n, C, H, W) bytes
    labels: np.ndarray  # (n,)
    seed: int = 0

    def draw(self, ids) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Images (len(ids), C, H, W) float32 in [-1, 1], and {"label"}.  Raises ValueError beyond the last image."""
        if len(ids) and max(ids) >= len(self.labels):
            raise ValueError(f"image {max(ids)} is not there; this part of the data has {len(self.labels)} images")
        rows = np.random.default_rng(self.seed).permutation(len(self.labels))[ids]
        return self.pixels[rows].astype(np.float32) / 127.5 - 1, {"label": self.labels[rows]}


def small(images) -> np.ndarray:
    """(n, H, W, C) bytes -> (n, C, 16, 16) bytes: means of whole squares.  Raises ValueError for another size."""
    n, H, W, C = images.shape
    if H % SIZE or W % SIZE:
        raise ValueError(f"images are {H} x {W}; expected sides that are multiples of {SIZE} pixels")
    squares = images.transpose(0, 3, 1, 2).reshape(n, C, SIZE, H // SIZE, SIZE, W // SIZE)
    return np.rint(squares.mean((3, 5), dtype=np.float32)).astype(np.uint8)


@lru_cache
def _read(folder: str) -> dict[str, Pictures]:
    """ "train": nine tenths of the training split, "tune": its last tenth, "test": the test split."""
    train, test = (open_source(folder, split, in_memory=True) for split in ("train", "test"))
    pixels, labels = small(train.images), np.asarray(train.labels)
    kept = len(labels) - len(labels) // 10
    order = np.random.default_rng(0).permutation(len(labels))  # files may be sorted by class
    parts = {"train": order[:kept], "tune": order[kept:]}
    found = {name: Pictures(pixels[rows], labels[rows]) for name, rows in parts.items()}
    return found | {"test": Pictures(small(test.images), np.asarray(test.labels))}


def pictures(part: str) -> Pictures:
    """The "train", "tune" or "test" images.  Raises ValueError where the environment names no folder."""
    folder = os.environ.get(FOLDER)
    if not folder:
        raise ValueError(f"{FOLDER} is not set; it must name a folder of CIFAR-10, or cifar10 to fetch it from the hub")
    return _read(folder)[part]


def measure(settings, n, seeds, budget, device):
    """Train on n images, test on others of the same classes."""
    test = labelled(pictures("test"), budget.images)
    return [f.measured({"test": accuracy(f.model, *test)}) for f in _fit(settings, n, seeds, budget, device)]


def measure_rate(settings, n, seeds, budget, device):
    """The same training; looked at are held-out images of the training split alone."""
    return [f.measured() for f in _fit(settings, n, seeds, budget, device)]


def _fit(settings, n, seeds, budget, device):
    held_out, options = labelled(pictures("tune"), budget.images), training(budget, settings["rate"])
    return fit_stream(settings["model"], pictures("train"), n, options, held_out, seeds=seeds, device=device)


MODELS = small_models(10)
TUNED = {
    "held-out": "accuracy on held-out images of the training split, the best of eight looks",
    "training loss": "mean cross-entropy of the last tenth of all steps",
}
FULL = Budget(SIZES, steps=1280, batch_size=64, images=2000, seeds=(0, 1, 2), minutes=20)
FAST = Budget((20,), steps=8, batch_size=8, images=20, seeds=(0,), minutes=0.3)

CIFAR_SIZE = Experiment(
    "cifar_size",
    question="Does a ViT catch up with a ResNet of equal cost as photographs become more?",
    prediction="No: the ResNet leads at every n, by most in the middle. The paper needs more than ImageNet's million "
    "images before a ViT leads, and here are 40,000.",
    conditions=tuple(Condition(name, {"model": MODELS[name], "rate": rate}) for name, rate in RATES.items()),
    metrics={"test": "accuracy on test images of CIFAR-10, 16 x 16 pixels", **TUNED},
    measure=measure,
    full=FULL,
    fast=FAST,
    panels=(Panel("CIFAR-10, 16 x 16 pixels", ("test",)),),
)

CIFAR_SIZE_RATES = Experiment(
    "cifar_size_rates",
    question="Are the learning rates of `data_size` good ones for photographs, too?",
    prediction="Within a point of the best: the models are the same, and Adam's rates travel well.",
    conditions=tuple(
        Condition(f"{name}, {rate:g}", {"model": MODELS[name], "rate": rate})
        for name, rates in (("ViT", (2e-3, 4e-3, 8e-3)), ("BiT", (3e-3, 1e-2, 3e-2)))
        for rate in rates
    ),
    metrics=TUNED,
    measure=measure_rate,
    full=replace(FULL, sizes=SIZES[2::2], seeds=(100,), minutes=7),
    fast=FAST,
    panels=(Panel("tuning", ("held-out",)),),
)
