"""Held-out accuracy on handwritten digits, both packages, three seeds, with the time it took.

    python benchmarks/digits_accuracy.py [--seeds 3] [--patch-size 4 --depth 2] [--steps 1000]

Trains DIGITS_VIT, or that with other patches and another depth, with DIGITS_TRAINING, or fewer of its steps, on four
fifths of scikit-learn's digits and tests on the held-out fifth.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import torch
from tqdm import tqdm

import vitedu
import vitedu_numpy
from vitedu.data import load_digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--patch-size", type=int, default=vitedu.DIGITS_VIT.patch_size)
    parser.add_argument("--depth", type=int, default=vitedu.DIGITS_VIT.depth)
    parser.add_argument("--steps", type=int, default=vitedu.DIGITS_TRAINING.steps)
    args = parser.parse_args()
    model_config = replace(vitedu.DIGITS_VIT, patch_size=args.patch_size, depth=args.depth)
    digits = load_digits()
    torch.set_num_threads(1)  # a model this small is no quicker on two, and far slower where the cores are shared
    for package in (vitedu_numpy, vitedu):
        accuracies, seconds = [], []
        for seed in range(args.seeds):
            model = package.ViT(model_config, seed)
            start = time.perf_counter()
            config = replace(vitedu.DIGITS_TRAINING, seed=seed, steps=args.steps, warmup_steps=args.steps // 10)
            package.fit(model, digits.train_images, digits.train_labels, config, progress=tqdm)
            seconds.append(time.perf_counter() - start)
            accuracies.append(100 * package.evaluate(model, digits.test_images, digits.test_labels))
        spread = np.std(accuracies, ddof=1) if args.seeds > 1 else 0.0
        each = ", ".join(f"{a:.2f}" for a in accuracies)
        print(
            f"{package.__name__:13s} accuracy {np.mean(accuracies):.2f} % +- {spread:.2f} (seeds: {each}),"
            f" {np.mean(seconds):.0f} s per run, slowest {max(seconds):.0f} s"
        )


if __name__ == "__main__":
    main()
