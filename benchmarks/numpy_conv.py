"""A 3x3 convolution in NumPy and in PyTorch: forward + backward, paired ratios.

    python benchmarks/numpy_conv.py [--rounds 30] [--threads 2]

64 -> 64 channels, 32x32 pixels, batch 32, float32, all on the same number of threads.  Candidates take turns in every
round, so that a slow moment hits them all; a ratio is the median over rounds of the time divided by the time of
"torch" in the same round.

Candidates
    torch                 torch.nn.functional.conv2d and autograd on plain (B, C, H, W) tensors, as most people write it
    torch, channels last  the same with everything in the layout that its convolutions are quickest in
    numpy                 conv2d_chunked and its backward: columns and matrix products, chunks on threads
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time

# Threads that wait for work would otherwise spin and take the cores from whoever is measured next.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import torch

from vitedu_numpy import relative_error
from vitedu_numpy.blas import cpu_count
from vitedu_numpy.layers import conv_chunked

B, C, O, H, W, KERNEL = 32, 64, 64, 32, 32, 3


def make_candidates():
    """name -> a function without arguments that computes (y, dx, dweight)."""
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((B, channels, H, W)).astype(np.float32) for channels in (C, O))
    weight = (0.05 * rng.standard_normal((O, C, KERNEL, KERNEL))).astype(np.float32)

    def in_numpy():
        y, cache = conv_chunked.conv2d_chunked(x, weight, padding=1)
        return y, *conv_chunked.conv2d_chunked_backward(dy, cache)

    def in_torch(layout):
        tensors = [torch.from_numpy(array).contiguous(memory_format=layout) for array in (x, weight, dy)]
        torch_x, torch_weight = (tensor.requires_grad_() for tensor in tensors[:2])

        def step():
            torch_x.grad = torch_weight.grad = None
            y = torch.nn.functional.conv2d(torch_x, torch_weight, padding=1)
            y.backward(tensors[2])
            return y.detach(), torch_x.grad, torch_weight.grad

        return step

    return {
        "torch": in_torch(torch.contiguous_format),
        "torch, channels last": in_torch(torch.channels_last),
        "numpy": in_numpy,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=cpu_count())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    conv_chunked.cpu_count = lambda: args.threads

    candidates = make_candidates()
    print(f"NumPy {np.__version__}, PyTorch {torch.__version__}, {args.threads} threads, {args.rounds} rounds")
    print("largest relative difference between numpy and torch:", end=" ")
    errors = zip(candidates["numpy"](), candidates["torch"](), strict=True)
    print(", ".join(f"{relative_error(ours, theirs.numpy()):.0e}" for ours, theirs in errors), "(y, dx, dweight)\n")

    times = {name: [] for name in candidates}
    with conv_chunked.single_threaded_blas() if args.threads == 1 else contextlib.nullcontext():
        for n in range(args.rounds + 2):  # the first two warm up
            for name, step in candidates.items():
                start = time.perf_counter()
                step()
                if n >= 2:
                    times[name].append(time.perf_counter() - start)
    print(f"{'forward + backward':22s} {'median ms':>10s} {'best ms':>8s} {'/ torch':>8s} {'GFLOP/s':>8s}")
    operations = 3 * 2 * B * H * W * C * O * KERNEL**2  # y, dx, dweight: a multiplication and an addition each
    for name, t in times.items():
        t, base = np.array(t), np.array(times["torch"])
        median = np.median(t)
        ratio, speed = np.median(t / base), operations / median / 1e9
        print(f"{name:22s} {1e3 * median:10.1f} {1e3 * t.min():8.1f} {ratio:8.2f} {speed:8.0f}")


if __name__ == "__main__":
    main()
