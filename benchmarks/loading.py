"""Reading weights from files: the time of `from_npz` and `from_pretrained`, and what first values would add.

    python benchmarks/loading.py [ROUNDS]

ViT-B/16 and BiT-R50x1 from files in the authors' layout, and the ViT of the package.  "drawing": the same with first
values drawn and then overwritten, which is what building and then loading costs.  Both take turns; medians.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch

import vitedu
import vitedu.models.pretrained
import vitedu_numpy
import vitedu_numpy.models.pretrained


def seconds(load, path, module, draws) -> float:
    """One reading; draws: with the first values."""
    without = {"without_drawing": nullcontext} if draws else {}
    with patch.multiple(module, **without) if without else nullcontext():
        start = time.perf_counter()
        load(path)
        return time.perf_counter() - start


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    doors = {
        "NumPy": (vitedu_numpy.from_npz, vitedu_numpy.models.pretrained),
        "PyTorch": (vitedu.from_pretrained, vitedu.models.pretrained),
    }
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name in ("vit_b16", "bit_r50x1"):
            files[name] = Path(folder) / f"{name}.npz"
            vitedu.create_model(name, rng=0).save_npz(files[name])
        vitedu.from_pretrained("vit_cifar10").save_npz(Path(folder) / "vit_cifar10.npz")
        print(f"{'':12s} {'':8s} {'ms':>6s} {'drawing, ms':>12s} {'ratio':>6s}")
        for name in (*files, "vit_cifar10"):
            for package, (load, module) in doors.items():
                path = files.get(name, "vit_cifar10" if package == "PyTorch" else Path(folder) / "vit_cifar10.npz")
                seconds(load, path, module, False)  # the file is in memory from here on
                pairs = [[seconds(load, path, module, draws) for draws in (False, True)] for _ in range(rounds)]
                ratio = median(a / b for a, b in pairs)
                ours, drawing = (1000 * median(column) for column in zip(*pairs, strict=True))
                print(f"{name:12s} {package:8s} {ours:6.0f} {drawing:12.0f} {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()
