"""How fast the device could multiply at best: what a run's speed is compared with (MFU).

Taught in notebooks/14_pretraining.ipynb.

    MFU = 3 x 2 x MACs of a forward of one image x images/s / (FLOP/s at best x processes)

"Model FLOPs utilisation" (Chowdhery et al. 2022, arXiv:2204.02311): what is computed twice does not count.
"""

from __future__ import annotations

import time

import torch

from vitedu_numpy.validate import is_number, require

from ..accounting.formulas import macs_by_part
from ..plan.gpus import gpu_named, known_gpus

__all__ = ["flops_per_image", "measure_peak", "peak_flops"]

DTYPES = {"bf16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}


def flops_per_image(recipe) -> float:
    """FLOPs of training on one image: 3 forwards, 2 FLOPs a MAC.  Masked patches are counted as if they classified."""
    return 6 * sum(macs_by_part(recipe.model, shortcut=recipe.objective == "classify").values())


def peak_flops(device, precision: str, given: float | None = None) -> tuple[float, str]:
    """(FLOP/s of one process's device at best, where that number comes from).     given: `run.gpu_flops`"""
    require(given is None or (is_number(given) and given > 0), "given", given, "a positive number or None")
    require(precision in DTYPES, "precision", precision, f"one of {tuple(DTYPES)}")
    if given is not None:
        return given, "gpu_flops says so"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    known = gpu_named(name)
    if known is not None:
        card = known_gpus()[known]
        sheet = {"bf16": card.bf16 if card.has_bf16 else None, "float32": card.float32}
        if sheet.get(precision) is not None:
            return 1e12 * sheet[precision], f"data sheet of {known}"
    found = measure_peak(device, precision)
    on = f"{torch.get_num_threads()} threads of the CPU" if device.type == "cpu" else name or device.type
    return found, f"measured on {on} with a matrix product"


def measure_peak(device, precision: str, seconds: float = 0.05) -> float:
    """FLOP/s of the quickest of some square matrix products that take `seconds` together."""
    side = 512 if device.type == "cpu" else 4096
    a = torch.ones(side, side, dtype=DTYPES[precision], device=device)
    quickest, end = float("inf"), None
    while end is None or time.perf_counter() < end:
        start = time.perf_counter()
        a @ a
        if device.type != "cpu":
            getattr(torch, device.type).synchronize()  # torch.cuda, torch.mps
        if end is None:  # the first one prepares
            end = time.perf_counter() + seconds
            quickest = time.perf_counter() - start
        else:
            quickest = min(quickest, time.perf_counter() - start)
    return 2 * side**3 / quickest
