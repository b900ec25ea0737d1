"""Tables 1 and 6 of the paper, as data.  Taught in notebooks/12_compute.ipynb.

Numbers of Dosovitskiy et al. (arXiv:2010.11929) and nothing of ours: `compute.py` puts our own beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["JFT_IMAGES", "TABLE_1", "TABLE_6", "TPU_CORE_DAYS", "Scaling", "Variant"]

JFT_IMAGES = 303_000_000  # Sec. 4.1: "JFT with 18k classes and 303M high-resolution images"


@dataclass(frozen=True)
class Variant:
    """A row of Table 1: the sizes of a model, and its parameters as the paper rounds them."""

    name: str
    depth: int  # "Layers", L
    width: int  # "Hidden size", D
    mlp_dim: int  # "MLP size", M
    heads: int
    millions: int  # "Params"


TABLE_1 = (
    Variant("ViT-Base", 12, 768, 3072, 12, 86),
    Variant("ViT-Large", 24, 1024, 4096, 16, 307),
    Variant("ViT-Huge", 32, 1280, 5120, 16, 632),
)


@dataclass(frozen=True)
class Scaling:
    """A row of Table 6: pre-training on JFT-300M, accuracy after fine-tuning (%), compute of the pre-training."""

    name: str  # `named_config` knows it
    epochs: int
    imagenet: float
    real: float  # ImageNet with the cleaned labels of Beyer et al. 2020
    cifar10: float
    cifar100: float
    pets: float
    flowers: float
    exaflops: int  # 1e18 floating-point operations

    @property
    def kind(self) -> str:
        """ "ViT", "ResNet" or "Hybrid"."""
        return "ViT" if self.name.startswith("ViT") else "Hybrid" if "+" in self.name else "ResNet"

    @property
    def average(self) -> float:
        """Mean of the five columns besides ImageNet."""
        return (self.real + self.cifar10 + self.cifar100 + self.pets + self.flowers) / 5


TABLE_6 = (
    Scaling("ViT-B/32", 7, 80.73, 86.27, 98.61, 90.49, 93.40, 99.27, 55),
    Scaling("ViT-B/16", 7, 84.15, 88.85, 99.00, 91.87, 95.80, 99.56, 224),
    Scaling("ViT-L/32", 7, 84.37, 88.28, 99.19, 92.52, 95.83, 99.45, 196),
    Scaling("ViT-L/16", 7, 86.30, 89.43, 99.38, 93.46, 96.81, 99.66, 783),
    Scaling("ViT-L/16", 14, 87.12, 89.99, 99.38, 94.04, 97.11, 99.56, 1567),
    Scaling("ViT-H/14", 14, 88.08, 90.36, 99.50, 94.71, 97.11, 99.71, 4262),
    Scaling("R50x1", 7, 77.54, 84.56, 97.67, 86.07, 91.11, 94.26, 50),
    Scaling("R50x2", 7, 82.12, 87.94, 98.29, 89.20, 93.43, 97.02, 199),
    Scaling("R101x1", 7, 80.67, 87.07, 98.48, 89.17, 94.08, 95.95, 96),
    Scaling("R152x1", 7, 81.88, 87.96, 98.82, 90.22, 94.17, 96.94, 141),
    Scaling("R152x2", 7, 84.97, 89.69, 99.06, 92.05, 95.37, 98.62, 563),
    Scaling("R152x2", 14, 85.56, 89.89, 99.24, 91.92, 95.75, 98.75, 1126),
    Scaling("R200x3", 14, 87.22, 90.15, 99.34, 93.53, 96.32, 99.04, 3306),
    Scaling("R50x1+ViT-B/32", 7, 84.90, 89.15, 99.01, 92.24, 95.75, 99.46, 106),
    Scaling("R50x1+ViT-B/16", 7, 85.58, 89.65, 99.14, 92.63, 96.65, 99.40, 274),
    Scaling("R50x1+ViT-L/32", 7, 85.68, 89.04, 99.24, 92.93, 96.97, 99.43, 246),
    Scaling("R50x1+ViT-L/16", 7, 86.60, 89.72, 99.18, 93.64, 97.03, 99.40, 859),
    Scaling("R50x1+ViT-L/16", 14, 87.12, 89.76, 99.31, 93.89, 97.36, 99.11, 1668),
)

# Table 2: days on one core of a TPUv3 for the whole pre-training.
TPU_CORE_DAYS = {"ViT-L/16": 680, "ViT-H/14": 2500}
