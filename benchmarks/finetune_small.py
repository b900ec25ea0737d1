"""Does it help to have seen other images?  vit_cifar10 fine-tuned on digits, against the same model from scratch.

    python benchmarks/finetune_small.py [--out FOLDER] [--seeds 3]     six minutes of one core

Both take the same number of steps of the same batches.  The learning rate of each is chosen beforehand on the same
held-out part of the training images: fine-tuning with SGD as in Table 4, training from scratch with SGD and with Adam,
whichever is better.  Then every seed trains on all training images and is judged on the 360 test images.  Stopped, the
same command goes on (with --out).
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from vitedu.engine.distributed import processes
from vitedu.engine.finetune import choose_rate, dev_images, final_evaluation, recipe_for
from vitedu.engine.train import train
from vitedu.recipes import get_finetuning


def chosen(name, recipe, rates, held_out, out):
    """(accuracy on the held-out images, the recipe with its best rate)"""
    with processes(recipe.run) as world:
        rate = choose_rate(recipe, rates, held_out, out / name, world)
    return final_evaluation(out / name / "grid" / f"{rate:g}")["accuracy"], replace(recipe, learning_rate=rate)


def accuracies(name, recipe, seeds, out):
    """Test accuracy of each seed, in %."""
    found = []
    for seed in range(seeds):
        folder = out / name / f"seed{seed}"
        train(replace(recipe, seed=seed), folder)
        found.append(100 * final_evaluation(folder)["accuracy"])
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = arguments.out or Path(temporary)
        tuning = get_finetuning("digits")
        recipe, num_images = recipe_for(tuning, "vit_cifar10")
        held_out = dev_images(tuning, num_images)
        scratch = replace(recipe, start=None)
        adam = replace(scratch, optimizer="adam", weight_decay=0.1)
        ways = {"fine-tuned": chosen("finetuned", recipe, tuning.rates, held_out, out)}
        sgd = chosen("scratch-sgd", scratch, tuning.rates, held_out, out)
        ways["from scratch"] = max(
            sgd, chosen("scratch-adam", adam, (0.0005, 0.001, 0.002), held_out, out), key=lambda way: way[0]
        )
        for name, (held, best) in ways.items():
            how = f"{best.optimizer}, learning rate {best.learning_rate:g}, {100 * held:.1f} % on {held_out} held out"
            reached = accuracies(name.replace(" ", "-"), best, arguments.seeds, out)
            error = reached.std(ddof=1) / np.sqrt(len(reached)) if len(reached) > 1 else float("nan")
            each = ", ".join(f"{a:.1f}" for a in reached)
            print(
                f"{name:12s} {reached.mean():.1f} ± {error:.1f} % (mean and standard error; {each}); {how}", flush=True
            )
        print(f"{recipe.steps} steps of {recipe.batch_size} images, {num_images} training images")


if __name__ == "__main__":
    main()
