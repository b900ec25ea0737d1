"""What came out of the paper's experiments: Tables 2 and 5 to 9.

Taught in notebooks/12_compute.ipynb and 17_state_of_the_art.ipynb.

Accuracies are top-1, in %, where a table does not say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from .table import Measured, Table

__all__ = [
    "JFT_IMAGES", "JFT_SUBSETS", "TABLE_2", "TABLE_5", "TABLE_6", "TABLE_7", "TABLE_8", "TABLE_9", "TASKS",
    "TPU_CORE_DAYS", "VTAB_GROUPS", "Comparison", "Optimizer", "Position", "Scaling", "Transfer", "Vtab",
]  # fmt: skip

JFT_IMAGES = 303_000_000  # Sec. 4.1: "JFT with 18k classes and 303M high-resolution images"
JFT_SUBSETS = (9_000_000, 30_000_000, 90_000_000, JFT_IMAGES)  # Sec. 4.3, Fig. 4
TASKS = ("imagenet", "real", "cifar10", "cifar100", "pets", "flowers")  # real: ImageNet, labels of Beyer et al. 2020


@dataclass(frozen=True)
class Comparison:
    """A column of Table 2: one model, pre-trained once, fine-tuned three times per task."""

    name: str
    pretrained_on: str
    imagenet: Measured
    real: Measured
    cifar10: Measured | None
    cifar100: Measured | None
    pets: Measured | None
    flowers: Measured | None
    vtab: Measured | None
    core_days: int  # days times cores of a TPUv3 for the whole pre-training


_M = Measured

TABLE_2 = Table(
    (
        Comparison(
            "ViT-H/14", "JFT-300M", _M(88.55, 0.04), _M(90.72, 0.05), _M(99.50, 0.06), _M(94.55, 0.04),
            _M(97.56, 0.03), _M(99.68, 0.02), _M(77.63, 0.23), 2500,
        ),
        Comparison(
            "ViT-L/16", "JFT-300M", _M(87.76, 0.03), _M(90.54, 0.03), _M(99.42, 0.03), _M(93.90, 0.05),
            _M(97.32, 0.11), _M(99.74, 0.00), _M(76.28, 0.46), 680,
        ),
        Comparison(
            "ViT-L/16", "ImageNet-21k", _M(85.30, 0.02), _M(88.62, 0.05), _M(99.15, 0.03), _M(93.25, 0.05),
            _M(94.67, 0.15), _M(99.61, 0.02), _M(72.72, 0.21), 230,
        ),
        Comparison(
            "BiT-L R152x4", "JFT-300M", _M(87.54, 0.02), _M(90.54), _M(99.37, 0.06), _M(93.51, 0.08),
            _M(96.62, 0.23), _M(99.63, 0.03), _M(76.29, 1.70), 9900,
        ),
        Comparison(
            "Noisy Student EfficientNet-L2", "ImageNet, JFT-300M without labels", _M(88.4), _M(90.55), None, None,
            None, None, None, 12_300,
        ),
    ),
    number=2,
    caption="the largest models against the best of their time",
    units="accuracy in %, mean and standard deviation of three fine-tunings; TPUv3-core-days",
    mark="V3",
    common={"averaging": 0.9999, "image_size": {"ViT-L/16": 512, "ViT-H/14": 518}},
    notes=(
        "Image sizes and averaging are those of ImageNet (and ReaL) only; the rest was fine-tuned at 384 pixels.",
        "Noisy Student on ImageNet: 88.5 as improved by Touvron et al. 2020.",
    ),
)  # fmt: skip

TPU_CORE_DAYS = {row.name: row.core_days for row in TABLE_2 if row.pretrained_on == "JFT-300M" and "ViT" in row.name}


@dataclass(frozen=True)
class Transfer:
    """A cell of Table 5 for every task: a model pre-trained on one of three data sets, then fine-tuned."""

    pretrained_on: str
    name: str
    imagenet: float
    real: float
    cifar10: float
    cifar100: float
    pets: float
    flowers: float


TABLE_5 = Table(
    (
        Transfer("ImageNet", "ViT-B/16", 77.91, 83.57, 98.13, 87.13, 93.81, 89.49),
        Transfer("ImageNet", "ViT-B/32", 73.38, 79.56, 97.77, 86.31, 92.04, 85.43),
        Transfer("ImageNet", "ViT-L/16", 76.53, 82.19, 97.86, 86.35, 93.64, 89.66),
        Transfer("ImageNet", "ViT-L/32", 71.16, 77.83, 97.94, 87.07, 91.35, 86.36),
        Transfer("ImageNet-21k", "ViT-B/16", 83.97, 88.35, 98.95, 91.67, 94.43, 99.38),
        Transfer("ImageNet-21k", "ViT-B/32", 81.28, 86.63, 98.79, 91.97, 93.02, 99.11),
        Transfer("ImageNet-21k", "ViT-L/16", 85.15, 88.40, 99.16, 93.44, 94.73, 99.61),
        Transfer("ImageNet-21k", "ViT-L/32", 80.99, 85.65, 99.13, 93.04, 93.09, 99.19),
        Transfer("ImageNet-21k", "ViT-H/14", 85.13, 88.70, 99.27, 93.82, 94.82, 99.51),
        Transfer("JFT-300M", "ViT-B/16", 84.15, 88.85, 99.00, 91.87, 95.80, 99.56),
        Transfer("JFT-300M", "ViT-B/32", 80.73, 86.27, 98.61, 90.49, 93.40, 99.27),
        Transfer("JFT-300M", "ViT-L/16", 87.12, 89.99, 99.38, 94.04, 97.11, 99.56),
        Transfer("JFT-300M", "ViT-L/32", 84.37, 88.28, 99.19, 92.52, 95.83, 99.45),
        Transfer("JFT-300M", "ViT-H/14", 88.04, 90.33, 99.50, 94.55, 97.56, 99.68),
    ),
    number=5,
    caption="transfer after pre-training on three data sets of growing size; Fig. 3 draws its ImageNet rows",
    units="accuracy in %",
    mark="V3",
    common={"image_size": 384},
    notes=(
        "H/14 was not pre-trained on ImageNet.",
        "ImageNet here is without the averaging and the larger images of Table 2.",
        "Which of the two lengths of Table 3 is not said: L/16 on JFT equals the 14 epochs of Table 6.",
    ),
)


@dataclass(frozen=True)
class Scaling:
    """A row of Table 6: pre-training on JFT-300M, accuracy after fine-tuning, compute of the pre-training."""

    name: str  # `named_config` knows it
    epochs: int
    imagenet: float
    real: float
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


TABLE_6 = Table(
    (
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
    ),
    number=6,
    caption="models of many sizes after pre-training on JFT-300M; Fig. 5 draws it",
    units="accuracy in %; compute in 1e18 floating-point operations",
    mark="V3",
    common={"image_size": 384},
    notes=("`vitedu.compute.table_6()` puts our own count of the compute beside each row.",),
)


@dataclass(frozen=True)
class Optimizer:
    """A column of Table 7: a ResNet pre-trained on JFT-300M for 7 epochs with one of two optimisers."""

    name: str
    optimizer: str  # "Adam", "SGD"
    imagenet: float
    cifar10: float
    cifar100: float
    pets: float
    flowers: float
    average: float


TABLE_7 = Table(
    (
        Optimizer("R50x1", "Adam", 77.54, 97.67, 86.07, 91.11, 94.26, 89.33),
        Optimizer("R50x1", "SGD", 78.24, 97.46, 85.17, 91.00, 92.06, 88.79),
        Optimizer("R152x2", "Adam", 84.97, 99.06, 92.05, 95.37, 98.62, 94.01),
        Optimizer("R152x2", "SGD", 84.37, 99.07, 91.06, 94.79, 99.32, 93.72),
    ),
    number=7,
    caption="Adam against SGD in the pre-training of ResNets",
    units="accuracy in %",
    mark="V3",
)


@dataclass(frozen=True)
class Position:
    """A row of Table 8, with the names that `ViTConfig.position_embedding` and `positions_in` have."""

    kind: str
    stem: float
    every: float | None = None
    shared: float | None = None


TABLE_8 = Table(
    (
        Position("none", 0.61382),
        Position("1d", 0.64206, 0.63964, 0.64292),
        Position("2d", 0.64001, 0.64046, 0.64022),
        Position("relative", 0.64032),
    ),
    number=8,
    caption="position embeddings of four kinds, added once, or before every layer, each with its own or one for all",
    units="5-shot accuracy on ImageNet by least squares, as a fraction",
    mark="V3",
    common={"name": "ViT-B/16"},
    notes=(
        "How often each was trained is not said, so small differences may be chance.",
        "Relative positions stand in the column of the default, the stem; they are part of every layer's attention.",
    ),
)


@dataclass(frozen=True)
class Vtab:
    """A row of Table 9: the 19 tasks of VTAB with 1000 training images each."""

    name: str
    pretrained_on: str
    caltech101: float
    cifar100: float
    dtd: float
    flowers: float
    pets: float
    sun397: float
    svhn: float
    camelyon: float
    eurosat: float
    resisc45: float
    retinopathy: float
    clevr_count: float
    clevr_dist: float
    dmlab: float
    dspr_loc: float
    dspr_ori: float
    kitti_dist: float
    snorb_azim: float
    snorb_elev: float
    mean: float


TABLE_9 = Table(
    (
        Vtab(
            "ViT-H/14", "JFT-300M", 95.3, 85.5, 75.2, 99.7, 97.2, 65.0, 88.9,
            83.3, 96.7, 91.4, 76.6, 91.7, 63.8, 53.1, 79.4, 63.3, 84.5, 33.2, 51.2, 77.6,
        ),
        Vtab(
            "ViT-L/16", "JFT-300M", 95.4, 81.9, 74.3, 99.7, 96.7, 63.5, 87.4,
            83.6, 96.5, 89.7, 77.1, 86.4, 63.1, 49.7, 74.5, 60.5, 82.2, 36.2, 51.1, 76.3,
        ),
        Vtab(
            "ViT-L/16", "ImageNet-21k", 90.8, 84.1, 74.1, 99.3, 92.7, 61.0, 80.9,
            82.5, 95.6, 85.2, 75.3, 70.3, 56.1, 41.9, 74.7, 64.9, 79.9, 30.5, 41.7, 72.7,
        ),
    ),
    number=9,
    caption="each of the 19 tasks of VTAB",
    units="accuracy in %",
    mark="V2",
)  # fmt: skip
VTAB_GROUPS = {
    "natural": ("caltech101", "cifar100", "dtd", "flowers", "pets", "sun397", "svhn"),
    "specialized": ("camelyon", "eurosat", "resisc45", "retinopathy"),
    "structured": (
        "clevr_count", "clevr_dist", "dmlab", "dspr_loc", "dspr_ori", "kitti_dist", "snorb_azim", "snorb_elev",
    ),
}  # fmt: skip
