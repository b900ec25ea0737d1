"""What the card's data sheet says."""

from __future__ import annotations

import os

from vitedu.plan import GPUS


def peak_flops(name: str) -> tuple[float | None, str]:
    """bfloat16 FLOP/s of the card by its name, and where the number is from; VITEDU_GPU_PEAK (1e12) overrides."""
    given = os.environ.get("VITEDU_GPU_PEAK")
    if given:
        return 1e12 * float(given), "--peak"
    words = name.lower().replace("geforce rtx ", "rtx").replace("-", " ")
    for key, gpu in GPUS.items():
        if all(word in words for word in key.split("-")):
            return 1e12 * gpu.bf16, f"{key} in vitedu plan"
    return None, "unknown: give --peak"
