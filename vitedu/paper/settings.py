"""What the paper built and how it was trained: Tables 1, 3 and 4.

Taught in notebooks/12_compute.ipynb and 17_state_of_the_art.ipynb.
"""

from __future__ import annotations

from dataclasses import dataclass

from .table import Table

__all__ = ["TABLE_1", "TABLE_3", "TABLE_4", "FineTuning", "PreTraining", "Variant"]


@dataclass(frozen=True)
class Variant:
    """A row of Table 1: the sizes of a model, and its parameters as the paper rounds them."""

    name: str
    depth: int  # "Layers", L
    width: int  # "Hidden size", D
    mlp_dim: int  # "MLP size", M
    heads: int
    millions: int  # "Params"


TABLE_1 = Table(
    (
        Variant("ViT-Base", 12, 768, 3072, 12, 86),
        Variant("ViT-Large", 24, 1024, 4096, 16, 307),
        Variant("ViT-Huge", 32, 1280, 5120, 16, 632),
    ),
    number=1,
    caption="sizes of the three models",
    units="layers, widths, heads; parameters in millions",
    mark="V3",
    notes=(
        "The patch size that the parameters belong to is not said: 86 fits B/16, 632 fits H/14, 307 fits L/32 alone.",
        "Ti and S are not in the paper; the b of Fig. 4 is Base with all hidden widths halved.",
    ),
)


@dataclass(frozen=True)
class PreTraining:
    """A row of Table 3."""

    names: tuple[str, ...]  # the models of the row: "R50x{1,2}" is two
    pretrained_on: str  # "JFT-300M", "ImageNet-21k", "ImageNet"
    epochs: tuple[int, ...]  # one length, or two
    learning_rate: float  # base rate
    decay: str  # "linear", "cosine"
    weight_decay: float
    dropout: float


_JFT, _I21K, _IMAGENET = "JFT-300M", "ImageNet-21k", "ImageNet"

TABLE_3 = Table(
    (
        PreTraining(("ViT-B/16", "ViT-B/32"), _JFT, (7,), 8e-4, "linear", 0.1, 0.0),
        PreTraining(("ViT-L/32",), _JFT, (7,), 6e-4, "linear", 0.1, 0.0),
        PreTraining(("ViT-L/16",), _JFT, (7, 14), 4e-4, "linear", 0.1, 0.0),
        PreTraining(("ViT-H/14",), _JFT, (14,), 3e-4, "linear", 0.1, 0.0),
        PreTraining(("R50x1", "R50x2"), _JFT, (7,), 1e-3, "linear", 0.1, 0.0),
        PreTraining(("R101x1",), _JFT, (7,), 8e-4, "linear", 0.1, 0.0),
        PreTraining(("R152x1", "R152x2"), _JFT, (7,), 6e-4, "linear", 0.1, 0.0),
        PreTraining(("R50+ViT-B/16", "R50+ViT-B/32"), _JFT, (7,), 8e-4, "linear", 0.1, 0.0),
        PreTraining(("R50+ViT-L/32",), _JFT, (7,), 2e-4, "linear", 0.1, 0.0),
        PreTraining(("R50+ViT-L/16",), _JFT, (7, 14), 4e-4, "linear", 0.1, 0.0),
        PreTraining(("ViT-B/16", "ViT-B/32"), _I21K, (90,), 1e-3, "linear", 0.03, 0.1),
        PreTraining(("ViT-L/16", "ViT-L/32"), _I21K, (30, 90), 1e-3, "linear", 0.03, 0.1),
        PreTraining(("ViT-B/16", "ViT-B/32", "ViT-L/16", "ViT-L/32"), _IMAGENET, (300,), 3e-3, "cosine", 0.3, 0.1),
    ),
    number=3,
    caption="settings of the pre-training",
    units="passes over the data; learning rate of Adam",
    mark="V3",
    common={
        "batch_size": 4096, "warmup_steps": 10_000, "image_size": 224, "beta1": 0.9, "beta2": 0.999,
        "imagenet_clip_norm": 1.0,  # for ImageNet alone
    },
    notes=(
        "The last row is printed as ViT-*: these four models have results in Table 5.",
        "Dropout: after every dense layer but the one for q, k, v, and after the positions are added.",
        "Not in the paper: the loss, the first bias of the head, where the decay ends; label smoothing has no value.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class FineTuning:
    """A row of Table 4."""

    dataset: str
    steps: int
    learning_rates: tuple[float, ...]  # the best on a held-out part of the training images was taken


_SMALL_RATES = (0.001, 0.003, 0.01, 0.03)

TABLE_4 = Table(
    (
        FineTuning("ImageNet", 20_000, (0.003, 0.01, 0.03, 0.06)),
        FineTuning("CIFAR-100", 10_000, _SMALL_RATES),
        FineTuning("CIFAR-10", 10_000, _SMALL_RATES),
        FineTuning("Pets", 500, _SMALL_RATES),
        FineTuning("Flowers", 500, _SMALL_RATES),
        FineTuning("VTAB", 2500, (0.01,)),
    ),
    number=4,
    caption="settings of the fine-tuning, by SGD with momentum",
    units="steps; base learning rates that were tried",
    mark="V3",
    common={
        "batch_size": 512, "momentum": 0.9, "decay": "cosine", "weight_decay": 0.0, "clip_norm": 1.0, "image_size": 384,
        "held_out": {"ImageNet": 0.01, "CIFAR-100": 0.02, "CIFAR-10": 0.02, "Pets": 0.1, "Flowers": 0.1},
    },
    notes=(
        "The head is one layer that starts at zero.",
        "Table 2 alone: ImageNet at 512 pixels (L/16) and 518 (H/14), weights averaged with a factor of 0.9999.",
        "A warm-up is not mentioned.",
    ),
)  # fmt: skip
