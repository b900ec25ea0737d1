"""What data sheets say of GPUs.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["GPUS", "Gpu", "gpu_named"]


@dataclass(frozen=True)
class Gpu:
    """What a data sheet says of a GPU: dense matrix products, without the zeros that "sparsity" counts as work."""

    bf16: float  # 1e12 FLOP/s
    float32: float | None  # 1e12 FLOP/s in true float32, which is PyTorch's default (not TF32)
    gib: float  # memory
    watts: int  # at most
    has_bf16: bool = True  # else `bf16` is the speed in float16


# NVIDIA's data sheets; the SXM forms.  H100 and H200 are printed there with sparsity: half of 1979.  The V100 has
# float16 in place of bfloat16.  TPUv3: cloud.google.com/tpu/docs/v3, per chip of two cores 123e12 FLOP/s, 32 GiB and on
# average 220 W.
GPUS = {
    "h200": Gpu(989, 67, 139, 700),
    "h100": Gpu(989, 67, 80, 700),
    "a100-80gb": Gpu(312, 19.5, 80, 400),
    "a100-40gb": Gpu(312, 19.5, 40, 400),
    "v100": Gpu(125, 15.7, 32, 300, has_bf16=False),
    "rtx4090": Gpu(165, 82.6, 24, 450),
    "tpuv3-core": Gpu(61.5, None, 16, 110),
}

# What the driver calls them.  Other forms of the same chip (PCIe, NVL) are slower: they are not in the table.
_DRIVER = {
    r"H200": "h200",
    r"H100 80GB HBM3": "h100",
    r"A100-SXM4?-80GB": "a100-80gb",
    r"A100-SXM4?-40GB": "a100-40gb",
    r"V100-SXM2-(16|32)GB": "v100",
    r"GeForce RTX 4090": "rtx4090",
}


def gpu_named(name: str) -> str | None:
    """The key in `GPUS` of the GPU that the driver calls `name`, None for one that is not there."""
    return next((key for words, key in _DRIVER.items() if re.fullmatch(rf"(NVIDIA |Tesla )?{words}", name)), None)
