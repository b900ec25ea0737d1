"""Which precision a run computes in, where the recipe leaves it open.  Taught in notebooks/14_pretraining.ipynb.

bfloat16 is quicker where the processor multiplies in it, and many times slower where it has to be imitated.
"""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from .run_folder import read_precision

__all__ = ["choose_precision", "seconds_per_product"]

PRECISIONS = ("bf16", "float32", "float64")
MACS = 300_000_000  # of the products that are timed: some hundredths of a second in float32
GAIN = 0.9  # bfloat16 has to take less than so much of float32's time


def choose_precision(folder, recipe, world) -> tuple[str, str]:
    """(precision, why): "bf16", "float32" or "float64", the same on every process.

    What the recipe names is taken.  "auto": what the run in this folder was begun with, so that a resume is exact; for
    a new run bfloat16 where the device computes it quickly, else float32.  The first process decides.
    """
    asked = recipe.run.precision
    if asked != "auto":
        return asked, "the recipe says so"
    chosen, why = 0, ""
    if world.is_first:
        precision, why = _decide(folder, recipe, world.device)
        chosen = PRECISIONS.index(precision)
    return PRECISIONS[world.count(chosen)], why  # the others add 0


def _decide(folder, recipe, device) -> tuple[str, str]:
    before = read_precision(folder)
    if before is not None:
        return before, "the run was begun with it"
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "this GPU has bfloat16"
        return "float32", "this GPU has no bfloat16"
    if device.type == "mps":
        return "float32", "bfloat16 on a Mac's GPU has not been tried; --run.precision bf16 takes it"
    half, single = (seconds_per_product(recipe.model, half) for half in (True, False))
    what = f"a step's products take {1000 * half:.1f} ms in bfloat16, {1000 * single:.1f} ms in float32"
    return ("bf16" if half < GAIN * single else "float32"), f"here {what}"


def seconds_per_product(config, half: bool, repeats: int = 3) -> float:
    """Forward and backward of two linear layers, as wide as the model's MLP, on this CPU; the quickest of some.

    As in training: float32 weights, with half=True autocast to bfloat16.
    """
    config = getattr(config, "vit", config)  # a hybrid's
    D, M = getattr(config, "width", 256), getattr(config, "mlp_dim", 1024)  # a ResNet's products are of such sizes
    rows = min(max(MACS // (2 * D * M), 64), 4096)
    x = torch.ones(rows, D)
    weights = [torch.ones(M, D, requires_grad=True), torch.ones(D, M, requires_grad=True)]
    seconds = []
    for _ in range(1 + repeats):  # the first one prepares
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = F.linear(F.linear(x, weights[0]), weights[1])
        torch.autograd.grad(y.float().sum(), weights)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
