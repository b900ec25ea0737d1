"""One training step of the same ViT in NumPy and in PyTorch: paired ratios, where the time goes, peak memory.

    python benchmarks/numpy_vs_torch.py [--rounds 15] [--threads 2]

The step is forward + backward + Adam at 32x32 pixels, patch 4, width 192, depth 6, 3 heads, batch 64, float32, all on
the same number of threads.  Candidates take turns in every round, so that a slow moment hits them all; a ratio is the
median over rounds of the time divided by the other's time in the same round.

Candidates
    torch eager        a ViT from PyTorch's own layers with fused attention and fused AdamW, written here
    vitedu             the PyTorch twin, eager: the same, but its last block computes the class token only
    numpy chunks       vitedu_numpy.DataParallel: chunks of the batch on Python threads (class token only, too)
    numpy whole batch  vitedu_numpy without chunks: the whole batch at once, threads inside matrix products only
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

CONFIG = vn.ViTConfig(image_size=32, patch_size=4, width=192, depth=6, heads=3, mlp_dim=768, num_classes=10)
CANDIDATES = ("torch eager", "vitedu", "numpy chunks", "numpy whole batch")


def batch(size: int = 64):
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (size, 3, 32, 32)).astype(np.float32)
    return images, one_hot(rng.integers(0, 10, size), 10)


def eager_vit(config):
    """The model as PyTorch users write it, from PyTorch's own layers and fused attention: nothing of ours in it."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.heads = c.heads
            self.norm1, self.norm2 = nn.LayerNorm(c.width), nn.LayerNorm(c.width)
            self.qkv, self.out = nn.Linear(c.width, 3 * c.width), nn.Linear(c.width, c.width)
            self.mlp = nn.Sequential(nn.Linear(c.width, c.mlp_dim), nn.GELU(), nn.Linear(c.mlp_dim, c.width))

        def forward(self, x):
            B, T, D = x.shape
            q, k, v = self.qkv(self.norm1(x)).reshape(B, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            y = nn.functional.scaled_dot_product_attention(q, k, v)
            x = x + self.out(y.transpose(1, 2).reshape(B, T, D))
            return x + self.mlp(self.norm2(x))

    class EagerViT(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.embed = nn.Conv2d(c.channels, c.width, c.patch_size, c.patch_size)
            self.token = nn.Parameter(torch.zeros(1, 1, c.width))
            self.position = nn.Parameter(0.02 * torch.randn(1, c.num_tokens, c.width))
            self.blocks = nn.Sequential(*(Block(c) for _ in range(c.depth)))
            self.norm, self.head = nn.LayerNorm(c.width), nn.Linear(c.width, c.num_classes)

        def forward(self, images):
            x = self.embed(images).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
            return self.head(self.norm(self.blocks(x))[:, 0])

    return EagerViT(config)


def make_step(name: str, threads: int, size: int = 64):
    """A function without arguments that does one training step of this candidate."""
    images, targets = batch(size)
    if name.startswith("numpy"):
        model = vn.ViT(CONFIG, 0)
        optimizer = vn.Adam(model, 1e-3, weight_decay=0.1)
        parallel = vn.DataParallel(model, threads)

        def step():
            if name == "numpy chunks":
                parallel.loss_and_gradients(images, targets)
            else:
                model.zero_grad()
                _, cache = losses.softmax_cross_entropy(model(images), targets)
                model.backward(losses.softmax_cross_entropy_backward(np.float32(1), cache))
            optimizer.step()

        return step

    import torch

    import vitedu

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    images, targets = torch.from_numpy(images), torch.from_numpy(targets)
    if name == "vitedu":
        model = vitedu.ViT(CONFIG)
        optimizer = vitedu.Adam(model, 1e-3, weight_decay=0.1)
    else:
        model = eager_vit(CONFIG)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, fused=True)

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), targets).backward()
        optimizer.step()

    return step


def ratios(rounds: int, threads: int) -> None:
    steps = {name: make_step(name, threads) for name in CANDIDATES}
    times = {name: [] for name in CANDIDATES}
    for n in range(rounds + 2):  # the first two warm up
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if n >= 2:
                times[name].append(time.perf_counter() - start)
    base, twin = np.array(times["torch eager"]), np.array(times["vitedu"])
    print(f"{'training step, batch 64':24s} {'median ms':>10s} {'best ms':>8s} {'/ eager':>11s} {'/ vitedu':>9s}")
    for name, t in times.items():
        t = np.array(t)
        print(
            f"{name:24s} {1e3 * np.median(t):10.0f} {1e3 * t.min():8.0f}"
            f" {np.median(t / base):11.2f} {np.median(t / twin):9.2f}"
        )


def where_time_goes() -> None:
    """Time inside each layer function, one thread, one batch in chunks."""
    from vitedu_numpy.layers import attention, layernorm, linear, mlp, patches

    spent: dict[str, float] = {}

    def timed(f):
        def wrapper(*args, **kwargs):
            start = time.perf_counter()
            result = f(*args, **kwargs)
            spent[f.__name__] = spent.get(f.__name__, 0.0) + time.perf_counter() - start
            return result

        return wrapper

    names = {
        linear: ("linear", "linear_backward"), patches: ("linear", "linear_backward"),
        attention: ("attention", "attention_backward"), layernorm: ("layernorm", "layernorm_backward"),
        mlp: ("gelu_blocked", "gelu_backward"),
    }  # fmt: skip
    originals = [(module, f, getattr(module, f)) for module, fs in names.items() for f in fs]
    model = vn.ViT(CONFIG, 0)
    parallel, optimizer, data = vn.DataParallel(model, threads=1), vn.Adam(model, 1e-3), batch()
    parallel.loss_and_gradients(*data)
    for module, f, original in originals:
        setattr(module, f, timed(original))
    start = time.perf_counter()
    for _ in range(3):
        parallel.loss_and_gradients(*data)
        timed(optimizer.step)()
    total = time.perf_counter() - start
    for module, f, original in originals:
        setattr(module, f, original)
    print("\nwhere the time goes, one thread:")
    for name, seconds in sorted(spent.items(), key=lambda row: -row[1]):
        print(f"    {name if name != 'step' else 'Adam':20s} {100 * seconds / total:5.1f} %")
    print(f"    {'everything else':20s} {100 * (1 - sum(spent.values()) / total):5.1f} %")


def matrix_products() -> None:
    """GFLOP/s of the three products of a linear layer, one thread each: how far the two BLAS libraries are apart."""
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x, W, dy = (rng.standard_normal(shape).astype(np.float32) for shape in ((1040, 192), (768, 192), (1040, 768)))
    products = {"x W^T": (x, W.T), "dy^T x": (dy.T, x), "dy W": (dy, W)}
    print("\nmatrix products, one thread, GFLOP/s:   NumPy  PyTorch")
    with vn.blas.single_threaded_blas():
        for name, (a, b) in products.items():
            rates = []
            for left, right in ((a, b), (torch.from_numpy(a), torch.from_numpy(b))):
                times = []
                for _ in range(60):
                    start = time.perf_counter()
                    left @ right
                    times.append(time.perf_counter() - start)
                rates.append(2e-9 * a.shape[0] * a.shape[1] * b.shape[1] / np.median(times))
            print(f"    {name:32s} {rates[0]:8.0f} {rates[1]:8.0f}")


def peak_memory(threads: int) -> None:
    """Growth of the peak resident memory over the built model, each candidate in a process of its own."""
    print(f"\n{'peak memory of 3 steps':24s} {'batch 64':>10s} {'batch 256':>10s}   MiB over the built model")
    for name in CANDIDATES:
        row = []
        for size in (64, 256):
            command = [sys.executable, __file__, "--threads", str(threads), "--memory-of", name, str(size)]
            row.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        print(f"{name:24s} {row[0]:10.0f} {row[1]:10.0f}")


def memory_of(name: str, size: int, threads: int) -> None:
    """Print the growth of the peak in MiB over the built model."""
    print(growth(make_step(name, threads, size)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=vn.blas.cpu_count())
    parser.add_argument("--memory-of", nargs=2, metavar=("NAME", "BATCH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of:
        memory_of(args.memory_of[0], int(args.memory_of[1]), args.threads)
        return
    print(f"NumPy {np.__version__}, {args.threads} threads, {args.rounds} rounds, medians of paired ratios\n")
    ratios(args.rounds, args.threads)
    where_time_goes()
    matrix_products()
    if sys.platform == "linux":
        peak_memory(args.threads)
    else:
        print("\npeak memory: measured on Linux only")


if __name__ == "__main__":
    main()
