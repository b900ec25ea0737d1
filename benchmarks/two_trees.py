"""Two checkouts side by side: what reading, importing, a first step and a checkpoint cost, as paired ratios.

    python benchmarks/two_trees.py BEFORE AFTER [--jpeg FOLDER] [--table FOLDER] [--rounds 12]

BEFORE, AFTER: the roots of two working trees (`git worktree add ../before COMMIT`).  --jpeg: class folders of JPEGs, or
parquet files of photographs; --table: small images in parquet files, such as CIFAR-10.  In every round each measure is
taken of both trees, one right after the other, and who is first changes; the ratio is the median over rounds of AFTER /
BEFORE, with the quartiles.  CPU: seconds of CPU time of the process, which other programs on the machine disturb least.

Imports and first steps are measured in new processes, the rest in two that stay, one for each tree, with one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import median, quantiles

NEW = {
    "numpy": ("import vitedu_numpy",),
    "torch": ("import vitedu", "first use of vitedu.ViT, PyTorch loaded", "first training step"),
}
STAY = ("photographs", "small images", "checkpoint: write", "checkpoint: read")


class Clock:
    """Seconds by the clock and of the CPU since it was made or asked last."""

    def __init__(self):
        self.took()

    def took(self) -> tuple[float, float]:
        now = time.perf_counter(), time.process_time()
        before, self.then = getattr(self, "then", now), now
        return now[0] - before[0], now[1] - before[1]


# ---- in a process of one tree ----------------------------------------------------------------------------------------


def in_new_process(kind) -> dict:
    clock, found = Clock(), {}
    if kind == "numpy":
        import vitedu_numpy  # noqa: F401

        return {"import vitedu_numpy": clock.took()}
    import vitedu

    found["import vitedu"] = clock.took()
    import torch

    torch.set_num_threads(1)
    clock.took()
    model = vitedu.ViT(vitedu.DIGITS_VIT, 0)
    found["first use of vitedu.ViT, PyTorch loaded"] = clock.took()
    optimizer = vitedu.Adam(model, 1e-3)
    targets = vitedu.losses.one_hot([3, 7], num_classes=10)
    vitedu.losses.softmax_cross_entropy(model(torch.zeros(2, 1, 8, 8)), targets).backward()
    optimizer.step()
    found["first training step"] = clock.took()
    return found


def staying(jpeg, table) -> dict:
    """measure -> a function that does it once and returns (how much, seconds, CPU seconds)."""
    from dataclasses import replace

    import torch

    torch.set_num_threads(1)
    from vitedu.data.loader import Loader
    from vitedu.data.open import open_source
    from vitedu.data.order import Shuffled
    from vitedu.data.transforms import training_transform
    from vitedu.engine.average import Average
    from vitedu.engine.checkpoints import Checkpoints
    from vitedu.engine.distributed import processes
    from vitedu.engine.export import make_model
    from vitedu.engine.optimizer import make_optimizer
    from vitedu.recipes import DataRecipe, get_recipe

    recipe = get_recipe("vit_cifar10")

    def loader(data, pixels, settings, batch, batches):
        source = open_source(data, "train", **({"in_memory": False} if pixels > 64 else {}))
        transform = training_transform(settings, (3, pixels, pixels))
        order = Shuffled(len(source), 0)
        found = iter(Loader(source, order, transform, seed=0, batch_size=batch, steps=10**9))
        next(found)

        def measure():
            clock = Clock()
            for _ in range(batches):
                next(found)
            return batch * batches, *clock.took()

        return measure

    folder, world = tempfile.TemporaryDirectory(), processes(replace(recipe.run, device="cpu"))
    checkpoints = Checkpoints(folder.name, world.__enter__())
    model = make_model(recipe)
    optimizer, average, step = make_optimizer(model, recipe), Average(model, None), [0]

    def write():
        step[0] += 1
        clock = Clock()
        checkpoints.save(step[0], model, optimizer, average)
        checkpoints.finish()
        return 1, *clock.took()

    def read():
        clock = Clock()
        checkpoints.load_latest(model, optimizer, average)
        return 1, *clock.took()

    found = {"checkpoint: write": write, "checkpoint: read": read, "keep": lambda: (folder, world)}
    if jpeg:
        found["photographs"] = loader(jpeg, 224, DataRecipe(), 32, 16)
    if table:
        found["small images"] = loader(table, 32, recipe.data, 128, 400)
    return found


def child(kind, jpeg, table) -> None:
    talk = os.fdopen(os.dup(1), "w")  # what libraries print goes elsewhere
    os.dup2(2, 1)
    if kind in NEW:
        print(json.dumps(in_new_process(kind)), file=talk, flush=True)
        return
    measures = staying(jpeg, table)
    print(json.dumps(sorted(measures)), file=talk, flush=True)
    for line in sys.stdin:
        print(json.dumps(measures[line.strip()]()), file=talk, flush=True)
    os._exit(0)  # the processes of a group leave as they like


# ---- of both ---------------------------------------------------------------------------------------------------------


def started(tree, kind, args):
    environment = os.environ | {"PYTHONPATH": tree, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or every import would be compiled anew
    words = [sys.executable, os.path.abspath(__file__), "--child", kind, "--jpeg", args.jpeg, "--table", args.table]
    return subprocess.Popen(
        words, env=environment, cwd=tree, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def answer(process, question=None):
    if question is not None:
        process.stdin.write(question + "\n")
        process.stdin.flush()
    return json.loads(process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*")
    parser.add_argument("--jpeg", default="")
    parser.add_argument("--table", default="")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--child")
    args = parser.parse_args()
    if args.child:
        return child(args.child, args.jpeg, args.table)
    trees = [os.path.abspath(tree) for tree in args.trees]
    if len(trees) != 2 or not all(os.path.isdir(os.path.join(tree, "vitedu")) for tree in trees):
        parser.error("give two working trees, each of which holds a folder vitedu/")
    stay = [started(tree, "stay", args) for tree in trees]
    known = set(answer(stay[0])) & set(answer(stay[1]))
    found = {}  # measure -> [per round: ((per second, CPU), (the same of AFTER))]
    for number in range(args.rounds + 1):  # the first is no measure: files come into memory, bytecode is written
        turn, pair = (0, 1) if number % 2 else (1, 0), [{}, {}]
        for kind in NEW:
            for which in turn:
                process = started(trees[which], kind, args)
                pair[which] |= {name: (1, *seconds) for name, seconds in answer(process).items()}
                process.stdin.close()
                process.wait()
        for name in STAY:
            for which in turn:
                if name in known:
                    pair[which][name] = answer(stay[which], name)
        for name in pair[0] if number else ():
            found.setdefault(name, []).append((pair[0][name], pair[1][name]))
        print(f"round {number} of {args.rounds}", file=sys.stderr, flush=True)
    for process in stay:
        process.stdin.close()
        process.wait()
    head = "| measure | before | after | after / before, CPU | by the clock |\n|---|---|---|---|---|"
    print(f"{args.rounds} rounds\n\n{head}")
    for name, pairs in found.items():
        print(line(name, pairs))


def line(name, pairs) -> str:
    cells = []
    for which in (0, 1):
        cpu = median(pair[which][2] / pair[which][0] for pair in pairs)
        cells.append(f"{1 / cpu:,.0f} images/s" if pairs[0][0][0] > 1 else f"{1000 * cpu:,.1f} ms")
    for clock in (2, 1):
        ratios = [pair[1][clock] / pair[0][clock] for pair in pairs]
        low, _, high = quantiles(ratios, n=4)
        cells.append(f"{median(ratios):.3f} ({low:.3f} to {high:.3f})")
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
