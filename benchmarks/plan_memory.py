"""The memory that `vitedu plan` predicts against what training steps really take (Linux, a minute).

    python benchmarks/plan_memory.py

Two steps with Adam, in float32 on the CPU, beyond the weights.  "tensors": the peak of what PyTorch's allocator
gave, by its profiler; a plan adds up all parts at their largest, so it should lie above, not far.  "process": growth of
the resident memory, with the scratch of the CPU's libraries and the gaps between tensors, which no plan knows
(`usable_memory` leaves room for them).
"""

from __future__ import annotations

import os
import subprocess
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch

from vitedu import losses
from vitedu.models import build
from vitedu.plan import PlanRequest, plan
from vitedu.recipes import DataRecipe, Execution, Recipe
from vitedu.training import optim
from vitedu_numpy.config import BiTConfig, ViTConfig

MIB = 2**20
VIT = ViTConfig(32, 4, 192, 6, 3, 768, num_classes=10, gelu="tanh")
BIT = BiTConfig((1, 1, 1), 10, image_size=32, base_width=48, stem="small", groups=8)
CASES = {  # name -> (model, images, recomputation)
    "ViT 192, 6 blocks, 64 images": (VIT, 64, False),
    "the same, 128 images": (VIT, 128, False),
    "the same, recomputed": (VIT, 128, True),
    "BiT 48, 3 units, 64 images": (BIT, 64, False),
}


def predicted(config, images, recompute) -> float:
    run = Execution(precision="float32", recompute=recompute)
    recipe = Recipe("mine", config, data=DataRecipe("mine"), run=run, epochs=1, batch_size=images)
    parts = plan(PlanRequest(gpus=1, num_images=1000, micro_batch=images), recipe).memory["ddp"]
    return (sum(parts.values()) - parts["weights"]) / MIB


def make_step(config, images, recompute):
    torch.set_num_threads(1)
    model = build(config, 0)
    for module in model.modules():
        if recompute and hasattr(module, "recompute_blocks"):
            module.recompute_blocks = True
    optimizer = optim.Adam(model, lr=1e-3)
    x = torch.randint(0, 256, (images, 3, 32, 32), dtype=torch.uint8)
    targets = losses.one_hot(torch.randint(0, 10, (images,)), 10)

    def step():
        optimizer.zero_grad()
        losses.softmax_cross_entropy(model(x / 127.5 - 1), targets).backward()
        optimizer.step()

    return step


def tensors(step) -> float:
    """The most that tensors held at once during two calls of step(), MiB."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
        step()
    changes = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        held += change.nbytes()
        most = max(most, held)
    return most / MIB


def main() -> None:
    print(f"{'MiB':30s} {'predicted':>9s} {'tensors':>9s} {'ratio':>6s} {'process':>9s}")
    for name, case in CASES.items():
        peak, process = (measured(name, how) for how in ("tensors(step)", "memory.growth(step, times=2)"))
        guess = predicted(*case)
        print(f"{name:30s} {guess:9.0f} {peak:9.0f} {guess / peak:6.2f} {process:9.0f}", flush=True)


def measured(name, how) -> float:
    """In a process of its own: memory that an earlier case gave back would serve the next."""
    code = f"import memory; from plan_memory import *; step = make_step(*CASES[{name!r}]); print({how})"
    folder = os.path.dirname(os.path.abspath(__file__))
    return float(subprocess.check_output([sys.executable, "-c", code], cwd=folder).split()[-1])


if __name__ == "__main__":
    main()
