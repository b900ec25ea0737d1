"""What data sheets say of GPUs.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields

from vitedu_numpy.validate import check_flags, did_you_mean, is_number, require

from ..recipes.files import read_table

__all__ = ["GPUS", "LIST", "Gpu", "gpu_named", "known_gpus"]


@dataclass(frozen=True)
class Gpu:
    """What a data sheet says of a GPU: dense matrix products, without the zeros that "sparsity" counts as work."""

    bf16: float  # 1e12 FLOP/s
    float32: float | None  # 1e12 FLOP/s in true float32, which is PyTorch's default (not TF32)
    gib: float  # memory
    watts: int | None = None  # at most; None: not known
    has_bf16: bool = True  # else `bf16` is the speed in float16
    link: float | None = None  # 1e9 bytes/s that it can send to the others of its node; None: not known
    driver: str | None = None  # what the driver calls it, for cards of one's own

    def __post_init__(self):
        for name in ("bf16", "float32", "gib", "watts", "link"):
            value = getattr(self, name)
            may_lack = name in ("float32", "watts", "link")
            good = (value is None and may_lack) or (is_number(value) and value > 0)
            require(good, name, value, "a positive number" + " or left out" * may_lack)
        check_flags(self, "has_bf16")
        require(self.driver is None or isinstance(self.driver, str), "driver", self.driver, "a text")


# NVIDIA's data sheets; the SXM forms.  H100 and H200 are printed there with sparsity: half of 1979.  The V100 has
# float16 in place of bfloat16.  TPUv3: cloud.google.com/tpu/docs/v3, per chip of two cores 123e12 FLOP/s, 32 GiB and on
# average 220 W.  Links: half of the NVLink speed printed there, which counts both directions; the RTX 4090 has PCIe 4.
GPUS = {
    "h200": Gpu(989, 67, 139, 700, link=450),
    "h100": Gpu(989, 67, 80, 700, link=450),
    "a100-80gb": Gpu(312, 19.5, 80, 400, link=300),
    "a100-40gb": Gpu(312, 19.5, 40, 400, link=300),
    "v100": Gpu(125, 15.7, 32, 300, has_bf16=False, link=150),
    "rtx4090": Gpu(165, 82.6, 24, 450, link=32),
    "tpuv3-core": Gpu(61.5, None, 16, 110),
}
LIST = "VITEDU_GPUS"  # environment variable: a file with cards of one's own

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
    """The key in `known_gpus()` of the GPU that the driver calls `name`, None for one that is not there."""
    require(isinstance(name, str), "name", name, "a text")
    own = (key for key, gpu in known_gpus().items() if name and gpu.driver == name)
    sheets = (key for words, key in _DRIVER.items() if re.fullmatch(rf"(NVIDIA |Tesla )?{words}", name))
    return next(own, None) or next(sheets, None)


def known_gpus(path: str | None = None) -> dict[str, Gpu]:
    """`GPUS`, and those in a file of one's own: `path`, else the one that the variable VITEDU_GPUS names.

        [l40s]
        bf16 = 362            # 1e12 FLOP/s, dense
        float32 = 91.6        # this and the rest may be left out, but for gib
        gib = 48
        watts = 350
        link = 32             # 1e9 bytes/s to the others of its node
        driver = "NVIDIA L40S"    # as `nvidia-smi -L` has it: then `mfu` of a run takes it, too

    Raises OSError where the file cannot be read, ValueError that names it and the key that is wrong.
    """
    require(path is None or isinstance(path, (str, os.PathLike)), "path", path, "a file, or None")
    given = path or os.environ.get(LIST)
    if not given:
        return GPUS
    try:
        return GPUS | {name.lower(): _gpu(name, values) for name, values in read_table(given).items()}
    except ValueError as error:
        raise ValueError(f"{given}: {error}") from error
    except OSError as error:
        if path:
            raise
        reason = error.strerror or error
        raise type(error)(f"{LIST}={given!r} is not allowed; it must name a .toml or .json file: {reason}") from error


def _gpu(name, values) -> Gpu:
    if not isinstance(values, dict):
        raise ValueError(f"{name}={values!r} is not allowed; each GPU must be a table [{name}]")
    known = [f.name for f in fields(Gpu)]
    for key in values:
        if key not in known:
            hint = did_you_mean(key, known)
            raise ValueError(f"unknown key {key!r} in [{name}]; {hint}keys are {', '.join(known)}")
    missing = [key for key in ("bf16", "gib") if key not in values]
    if missing:
        raise ValueError(f"[{name}] lacks {', '.join(missing)}")
    return Gpu(**({"float32": None} | values))
