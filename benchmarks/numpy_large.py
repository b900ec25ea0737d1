"""The paper's models in NumPy alone: one forward and backward at 224 pixels, time and peak memory.

    python benchmarks/numpy_large.py [--models vit_b16 bit_r50x1 r50_b16] [--batch 1]

Each model runs in a process of its own: float32, random weights, random images; the second of two steps is timed.  Then
one step in float64 is compared with the PyTorch twin's: the last column is the worst of logits and all gradients,
relative.  (In float32 a rectifier whose input is nearly 0 may be open in one package and shut in the other.)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

# Threads that wait for work would otherwise spin and take the cores from whoever is measured next.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
from memory import growth

import vitedu_numpy as vn
from vitedu_numpy import losses
from vitedu_numpy.training.losses import one_hot

MODELS = ("vit_b16", "bit_r50x1", "r50_b16")


def run(name: str, batch: int) -> None:
    rng = np.random.default_rng(0)
    model = vn.create_model(name, rng=rng)
    for _, p in model.named_parameters():
        p.value += 0.02 * rng.standard_normal(p.value.shape).astype(np.float32)
    images = rng.uniform(-1, 1, (batch, 3, 224, 224)).astype(np.float32)
    targets = one_hot(rng.integers(0, 1000, batch), 1000)
    times = []

    def step():
        model.zero_grad()
        start = time.perf_counter()
        logits = model(images)
        middle = time.perf_counter()
        _, cache = losses.softmax_cross_entropy(logits, targets)
        model.backward(losses.softmax_cross_entropy_backward(np.float32(1), cache))
        times[:] = [middle - start, time.perf_counter() - middle]

    peak = growth(step, times=2) if sys.platform == "linux" else float("nan")
    if not times:
        step(), step()
    size = sum(p.value.size for _, p in model.named_parameters()) / 1e6
    print(f"{name:10s} {batch:5d} {size:12.1f} {times[0]:10.2f} {times[1]:10.2f} {peak:10.0f}", end=" ", flush=True)
    print(f"{difference(model, images, targets):10.0e}")


def difference(model, images, targets) -> float:
    """Largest difference of logits and gradients from the PyTorch twin's in float64, relative to each largest entry."""
    import torch

    import vitedu

    images, targets = images.astype(np.float64), targets.astype(np.float64)
    double, twin = vn.build(model.config, 0, np.float64), vitedu.build(model.config).double()
    double.load_state_dict(model.state_dict())
    twin.load_state_dict(model.state_dict())
    logits = double(images)
    _, cache = losses.softmax_cross_entropy(logits, targets)
    double.backward(losses.softmax_cross_entropy_backward(1.0, cache))
    theirs = twin(torch.from_numpy(images))
    torch.nn.functional.cross_entropy(theirs, torch.from_numpy(targets)).backward()
    gradients = twin.gradients()
    errors = [vn.relative_error(g, gradients[name].numpy()) for name, g in double.gradients().items()]
    return max(*errors, vn.relative_error(logits, theirs.detach().numpy()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        run(args.models[0], args.batch)
        return
    print(f"NumPy {np.__version__}, {vn.blas.cpu_count()} cores, float32, 224 x 224 pixels")
    heads = ("parameters M", "forward s", "backward s", "MiB above", "twin")
    print(f"{'model':10s} {'batch':>5s} {heads[0]:>12s} " + " ".join(f"{h:>10s}" for h in heads[1:]), flush=True)
    for name in args.models:
        command = [sys.executable, __file__, "--models", name, "--batch", str(args.batch), "--alone"]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
