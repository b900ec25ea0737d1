"""What the loader costs: images per second of a training step with it and without it, paired ratios.

    python benchmarks/loader_overhead.py [--data FOLDER] [--jpeg] [--workers 0] [--blocks 41] [--steps 2]

Two ways to run the same step, in turns, in one process: "with" asks the loader for the next batch, as `vitedu train`
does; "without" takes one batch again and again.  A block is a few steps of one way; a pair is one block of each, and
which comes first changes from pair to pair.  Overhead is the median over pairs of (time with / time without) - 1, by
the clock, and in CPU time of this process, in which with workers=0 all is done.  The time from asking for a batch to
having it is measured besides: with workers=0 nothing happens meanwhile, so it is the same overhead again, without the
noise of two blocks; with workers it is the time that the step had to wait.

Default: the recipe vit_cifar10 (patch 4, width 96, batch 128, bfloat16, one thread) on as many random images in memory
as CIFAR-10 has; --data: on those of a folder, such as CIFAR-10 in parquet files.  The bound is 5 %.

--jpeg: photographs, decoded and cropped to 224 pixels, for a ViT-Ti/16 with batches of 16: scikit-learn's two, in
pieces of ImageNet's size, or those of --data.  Nothing is promised there: a core that trains and decodes does one or
the other, and beside a GPU the decoding is done by other cores (`--run.workers`).
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from dataclasses import replace
from functools import partial

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import torch

from vitedu.data.loader import Loader
from vitedu.data.memory import Arrays, Sample
from vitedu.data.open import open_source
from vitedu.data.order import Shuffled
from vitedu.data.transforms import training_transform
from vitedu.engine.export import make_model
from vitedu.engine.objective import make_objective
from vitedu.engine.optimizer import clip_gradients, make_optimizer
from vitedu.models import named_config
from vitedu.recipes import DataRecipe, get_recipe

BOUND = 0.05


class Photographs:
    """JPEG files in memory, of which there seem to be many."""

    class_names, num_classes = None, None

    def __init__(self, files: list[bytes], count: int = 10_000):
        self.files, self.chunks = files, np.ones(count, np.int64)

    def __len__(self) -> int:
        return len(self.chunks)

    def read(self, ids) -> list[Sample]:
        return [Sample(self.files[i % len(self.files)], 0, f"photograph {i}") for i in np.asarray(ids).tolist()]


def random_images(count: int = 50_000) -> Arrays:
    rng = np.random.default_rng(0)
    return Arrays(rng.integers(0, 256, (count, 32, 32, 3), np.uint8), rng.integers(0, 10, count))


def setting(args):
    """(recipe, source) of the command line."""
    recipe = get_recipe("vit_cifar10")
    recipe = replace(recipe, run=replace(recipe.run, precision="bf16"))
    if not args.jpeg:
        return recipe, open_source(args.data, "train") if args.data else random_images()
    recipe = replace(recipe, model=named_config("vit_ti16", 1000), data=DataRecipe(), batch_size=16)
    if args.data:
        return recipe, open_source(args.data, "train", in_memory=False)
    from data import photographs

    return recipe, Photographs(photographs())


def make_step(recipe):
    """One update, as in `vitedu/engine/train.py`, on one process: a function of the step's micro-batches."""
    model = make_model(recipe)
    model.train()
    optimizer = make_optimizer(model, recipe)
    objective = make_objective(recipe, torch.device("cpu"), torch.float32)
    autocast = partial(torch.autocast, "cpu", torch.bfloat16, enabled=recipe.run.precision == "bf16")

    def step(micro_batches, number):
        count = sum(int(batch.valid.sum()) for batch in micro_batches)
        optimizer.zero_grad()
        for batch in micro_batches:
            with autocast():
                loss, _ = objective(model, batch, number)
            (loss / count).backward()
        clip_gradients(model, recipe.clip_norm)
        optimizer.step()

    return step


def measure(recipe, source, args) -> dict[str, np.ndarray]:
    """Seconds per step of each pair of blocks: "with", "without", and "fetching", a part of "with".

    "... CPU": the same of the CPU.
    """
    step = make_step(recipe)
    transform = training_transform(recipe.data, (recipe.model.channels, *recipe.model.image_hw))
    loader = iter(
        Loader(
            source,
            Shuffled(len(source), recipe.seed),
            transform,
            seed=recipe.seed,
            batch_size=recipe.batch_size,
            steps=10**9,
            workers=args.workers,
        )
    )
    same = next(loader)
    # Workers fetched ahead while the other block ran: batches that are there already are used up before the clock runs.
    ahead = 2 if args.workers else 0

    def block_with():
        for _ in range(ahead):
            step(next(loader), 0)
        fetching, start, cpu = 0.0, time.perf_counter(), time.process_time()
        for number in range(args.steps):
            asked = time.perf_counter()
            batch = next(loader)
            fetching += time.perf_counter() - asked
            step(batch, number)
        return time.perf_counter() - start, time.process_time() - cpu, fetching

    def block_without():
        start, cpu = time.perf_counter(), time.process_time()
        for number in range(args.steps):
            step(same, number)
        return time.perf_counter() - start, time.process_time() - cpu, 0.0

    blocks = {"with": block_with, "without": block_without}
    seconds = {name: [] for name in ("with", "without", "with CPU", "without CPU", "fetching")}
    block_without(), block_with()
    gc.collect()
    gc.freeze()
    for pair in range(args.blocks):
        for way in ("with", "without") if pair % 2 else ("without", "with"):
            whole, cpu, fetching = blocks[way]()
            seconds[way].append(whole)
            seconds[f"{way} CPU"].append(cpu)
            if way == "with":
                seconds["fetching"].append(fetching)
    return {name: np.array(values) / args.steps for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="a folder with a split 'train'; default: made-up images")
    parser.add_argument(
        "--jpeg", action="store_true", help="photographs and a ViT-Ti/16 in place of the CIFAR-10 recipe"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes that read and decode")
    parser.add_argument("--blocks", type=int, default=41, help="pairs of blocks")
    parser.add_argument("--steps", type=int, default=2, help="steps in a block")
    args = parser.parse_args()
    for name, low in (("workers", 0), ("blocks", 1), ("steps", 1)):
        if getattr(args, name) < low:
            parser.error(f"--{name} {getattr(args, name)} is not allowed; it must be at least {low}")
    torch.set_num_threads(1)
    recipe, source = setting(args)
    seconds = measure(recipe, source, args)

    model = "ViT-Ti/16, 224 pixels" if args.jpeg else "vit_cifar10"
    where = args.data or "made-up images"
    print(f"{model}, batch {recipe.batch_size}, {recipe.run.precision}, one thread, {args.workers} workers; {where}")
    print(f"{args.blocks} pairs of blocks of {args.steps} steps; images/s are medians, (best)\n")
    for way in ("with", "without"):
        speed = recipe.batch_size / seconds[way]
        print(f"{way + ' loader':16s} {np.median(speed):8.0f} images/s ({speed.max():.0f})")
    ratios = seconds["with"] / seconds["without"] - 1
    in_cpu = seconds["with CPU"] / seconds["without CPU"] - 1
    waited = seconds["fetching"] / (seconds["with"] - seconds["fetching"])
    rows = [("overhead", ratios), ("... in CPU time", in_cpu), ("fetching / step", waited)]
    for name, values in rows if args.workers == 0 else rows[::2]:
        low, middle, high = np.percentile(values, [25, 50, 75])
        print(f"{name:16s} {middle:8.1%}   (quartiles {low:.1%} to {high:.1%})")
    if not args.jpeg:
        verdict = "kept" if np.median(ratios) < BOUND else "NOT KEPT"
        print(f"\nthe bound of {BOUND:.0%} is {verdict}")


if __name__ == "__main__":
    main()
