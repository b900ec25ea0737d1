"""What are the two models of the package worth for other images?  vit_cifar10 and bit_cifar10, carried over to digits.

    python benchmarks/transfer.py [--out FOLDER] [--seeds 3] [--steps 150]     twelve minutes of two busy cores

Frozen features: 1, 5, 10 and 25 shots, 20 nearest neighbours, a linear probe.  Then fine-tuning, against training the
same model from scratch for as many steps of the same batches.  One table, mean and standard error over the seeds, as
transfer.md, transfer.csv, transfer.png and .svg in the folder.  Stopped, the same command goes on: each number is a
file in cells/, each training a run's folder in runs/.

What a seed changes
    shots          which images of each class (equal for both models)
    20-NN, linear  which four fifths of the training images are kept (equal for both models); for the probe also on
                   which tenth of them its penalty is chosen
    fine-tuned     the order of the images and their crops; the head starts at zero, so it draws nothing
    from scratch   these, and all first weights

The learning rate of each way is chosen once, beforehand, on a held-out fifth of the training images: fine-tuning with
SGD as in Table 4, training from scratch with SGD and with Adam, whichever is better.  Then every seed trains on all
training images and is judged on the 360 test images, always the same: another 360 would move a number by
sqrt(p (1 - p) / 360) more.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import io
import json
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

import vitedu
from vitedu.data.loader import end_with_parent
from vitedu.data.open import open_source
from vitedu.data.transforms import evaluation_transform
from vitedu.engine.distributed import processes
from vitedu.engine.evaluate import extract_features
from vitedu.engine.finetune import choose_rate, dev_images, final_evaluation, recipe_for
from vitedu.engine.precision import choose_precision
from vitedu.engine.run_folder import write_json
from vitedu.engine.train import train
from vitedu.evaluation.cell import model_digest
from vitedu.evaluation.table import markdown_lines
from vitedu.recipes import flatten, get_finetuning
from vitedu.transfer.fewshot import few_shot_accuracy
from vitedu.transfer.knn import knn_accuracy
from vitedu.transfer.probe import linear_probe
from vitedu_numpy.blas import cpu_count
from vitedu_numpy.transfer.shots import hold_out
from vitedu_numpy.weights.files import replacing

MODELS, DATA = ("vit_cifar10", "bit_cifar10"), "digits"
SHOTS, NEIGHBORS, LEFT_OUT = (1, 5, 10, 25), 20, 0.2
ADAM_RATES = (0.0005, 0.001, 0.002, 0.005, 0.01)
FROZEN = (*(f"{k} shot{'s' * (k > 1)}" for k in SHOTS), f"{NEIGHBORS}-NN", "linear probe")
TUNED = ("fine-tuned", "from scratch")
KIND = "vitedu transfer cell 1"


# ---- one number, one file ------------------------------------------------------------------------------------------


class Cells:
    """Numbers that are there already, if they were got with the same settings."""

    def __init__(self, out, model, settings):
        self.folder, self.model = Path(out) / "cells", Path(model).stem
        self.settings = json.loads(json.dumps({"kind": KIND, "model": self.model, **settings}))

    def _path(self, row, seed):
        return self.folder / f"{self.model}--{row}--{'all' if seed is None else seed}.json".replace(" ", "_")

    def read(self, row, seed=None):
        """The cell, or None."""
        try:
            cell = json.loads(self._path(row, seed).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        same = isinstance(cell, dict) and all(cell.get(name) == value for name, value in self.settings.items())
        return cell if same and "value" in cell else None

    def write(self, row, seed, value, **more):
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._path(row, seed), {**self.settings, "row": row, "seed": seed, "value": value, **more})


def settings_of(recipe, model) -> dict:
    """What decides a training's result."""
    kept = {
        name: value
        for name, value in flatten(recipe).items()
        if not name.startswith(("run.", "notes.", "start", "seed"))
    }
    return {"digest": model_digest(vitedu.from_pretrained(model)), "precision": recipe.run.precision, "recipe": kept}


def run_folder(out, model, way, recipe) -> Path:
    """A place of its own for each model and way of training, so that no run meets another's folder."""
    digest = hashlib.sha256(json.dumps(settings_of(recipe, model), sort_keys=True).encode()).hexdigest()
    return Path(out) / "runs" / f"{Path(model).stem}-{way}-{digest[:12]}".replace(" ", "-")


# ---- jobs: each computes the cells that are missing, and tells how many cells are then there ------------------------


def frozen(out, model, seeds) -> int:
    """All numbers on what the head of a model reads; the features are computed once."""
    cells = Cells(out, model, {"digest": model_digest(vitedu.from_pretrained(model)), "data": DATA})
    missing = [(row, seed) for row in FROZEN for seed in range(seeds) if cells.read(row, seed) is None]
    if missing:
        recipe, _ = recipe_for(get_finetuning(DATA), model)
        run = replace(recipe.run, precision="float32", micro_batch=128)
        net = vitedu.from_pretrained(model)
        transform = evaluation_transform(recipe.data, (net.config.channels, *net.config.image_hw))
        with processes(run) as world:
            x, x_test = (
                extract_features(net, net, source, np.arange(len(source)), transform, world, run,
                                 contextlib.nullcontext, torch.float32)
                for source in (open_source(DATA, "train"), open_source(DATA, "test"))
            )  # fmt: skip
        labels, truth = (np.asarray(open_source(DATA, split).labels) for split in ("train", "test"))
        for row, seed in missing:
            cells.write(row, seed, frozen_accuracy(row, seed, x, labels, x_test, truth))
    return len(FROZEN) * seeds


def frozen_accuracy(row, seed, x, labels, x_test, truth) -> float:
    if "shot" in row:
        shots = int(row.split()[0])
        return few_shot_accuracy(x, labels, x_test, truth, shots=(shots,), seeds=(seed,))[shots][0]
    kept, _ = hold_out(labels, LEFT_OUT, seed)
    data = x[kept], labels[kept], x_test, truth
    return (
        linear_probe(*data, seed=seed)["accuracy"]
        if row == "linear probe"
        else knn_accuracy(*data, (NEIGHBORS,))[NEIGHBORS]
    )


def ways_of(model, steps, precision):
    """{name: (recipe, learning rates to try)}, number of training images, of these held out for the search"""
    tuning = get_finetuning(DATA)
    tuning = replace(tuning, steps=steps, warmup_steps=min(tuning.warmup_steps, steps))
    recipe, num_images = recipe_for(tuning, str(model))
    recipe = replace(recipe, run=replace(recipe.run, precision=precision))
    scratch = replace(recipe, start=None)
    ways = {
        "fine-tuned": (recipe, tuning.rates),
        "from scratch, SGD": (scratch, tuning.rates),
        "from scratch, Adam": (replace(scratch, optimizer="adam", weight_decay=0.1), ADAM_RATES),
    }
    return ways, num_images, dev_images(tuning, num_images)


def search(out, model, way, steps, precision) -> int:
    """The learning rate of one way, and what it reached on the held-out images."""
    ways, _, held_out = ways_of(model, steps, precision)
    recipe, rates = ways[way]
    cells = Cells(out, model, {**settings_of(recipe, model), "rates": rates, "held_out": held_out})
    if cells.read(f"rate, {way}") is None:
        folder = run_folder(out, model, way, recipe)
        with processes(recipe.run) as world:
            rate = choose_rate(recipe, rates, held_out, folder, world)
        cells.write(f"rate, {way}", None, rate, held=final_evaluation(folder / "grid" / f"{rate:g}")["accuracy"])
    return 1


def best_way(out, model, row, steps, precision):
    """(way, its recipe with the chosen rate, accuracy on the held-out images, is it the first or last rate tried?)"""
    ways, _, held_out = ways_of(model, steps, precision)
    found = []
    for way, (recipe, rates) in ways.items():
        if way.startswith(row):
            settings = {**settings_of(recipe, model), "rates": rates, "held_out": held_out}
            cell = Cells(out, model, settings).read(f"rate, {way}")
            rate = cell["value"]
            found.append((way, replace(recipe, learning_rate=rate), cell["held"], rate in (rates[0], rates[-1])))
    return max(found, key=lambda entry: entry[2])


def tuned(out, model, row, seed, steps, precision) -> int:
    """One training on all images with the chosen rate."""
    way, recipe, *_ = best_way(out, model, row, steps, precision)
    cells = Cells(out, model, settings_of(recipe, model))
    if cells.read(row, seed) is None:
        folder = run_folder(out, model, way, recipe) / f"seed{seed}"
        start = time.process_time()
        train(replace(recipe, seed=seed), folder)
        seconds = round(time.process_time() - start, 1)
        cells.write(row, seed, final_evaluation(folder)["accuracy"], processor_seconds=seconds)
    return 1


# ---- all jobs, on all cores ----------------------------------------------------------------------------------------


def begin_worker() -> None:
    """One thread each, and no worker outlives the program: one that is killed cannot end them itself."""
    torch.set_num_threads(1)
    threading.Thread(target=end_with_parent, daemon=True).start()


def quietly(log, job, *arguments) -> int:
    """A job whose messages and bars go to a file: two of them on one terminal cannot be read."""
    with open(log, "a", encoding="utf-8") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        return job(*arguments)


def carry_out(jobs, out, workers, bar) -> None:
    """Jobs that need nothing of each other, the first ones first."""
    jobs = [(Path(out) / "log.txt", *job) for job in jobs]
    if workers == 1:
        for job in jobs:
            bar.update(quietly(*job))
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), begin_worker) as pool:
        futures = [pool.submit(quietly, *job) for job in jobs]
        try:
            for future in as_completed(futures):
                bar.update(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def settled_precision(out, asked="auto") -> str:
    """bfloat16 or float32, chosen once for the folder: all runs have the same, whatever else the machine does."""
    path = Path(out) / "precision.json"
    if asked != "auto":
        return asked
    if not path.exists():
        recipe, _ = recipe_for(get_finetuning(DATA), MODELS[0])
        with processes(recipe.run) as world:
            write_json(path, choose_precision(Path(out) / "none", recipe, world))
    return json.loads(path.read_text(encoding="utf-8"))[0]


def measure(out, models=MODELS, seeds=3, steps=150, workers=1, precision="auto") -> tuple:
    """{row: {model: [accuracy of each seed, in %]}}; how each way of training was chosen, in words; the precision."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    precision = settled_precision(out, precision)
    searches = [(search, out, m, way, steps, precision) for m in models for way in ways_of(m, steps, precision)[0]]
    runs = [(tuned, out, m, row, seed, steps, precision) for m in models for row in TUNED for seed in range(seeds)]
    total = len(models) * len(FROZEN) * seeds + len(searches) + len(runs)
    with tqdm(total=total, unit="number", desc="transfer", dynamic_ncols=True) as bar:
        carry_out([(frozen, out, m, seeds) for m in models] + searches, out, workers, bar)
        carry_out(runs, out, workers, bar)
    found, how = {row: {} for row in (*FROZEN, *TUNED)}, []
    for model in models:
        cells = Cells(out, model, {"digest": model_digest(vitedu.from_pretrained(model)), "data": DATA})
        for row in FROZEN:
            found[row][cells.model] = [100 * cells.read(row, seed)["value"] for seed in range(seeds)]
        for row in TUNED:
            _, recipe, held, at_end = best_way(out, model, row, steps, precision)
            own = Cells(out, model, settings_of(recipe, model))
            found[row][own.model] = [100 * own.read(row, seed)["value"] for seed in range(seeds)]
            end = ", the end of those tried" if at_end else ""
            name = {"sgd": "SGD", "adam": "Adam"}[recipe.optimizer]
            how.append(
                f"{own.model}, {row}: {name}, learning rate {recipe.learning_rate:g}{end}; {100 * held:.1f} % held out"
            )
    return found, how, precision


# ---- the table -----------------------------------------------------------------------------------------------------


def mean_and_error(values) -> tuple[float, float | None]:
    """Mean, and standard error of the mean: the seeds' standard deviation / sqrt(number of seeds)."""
    values = np.asarray(values)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def written(values) -> str:
    mean, error = mean_and_error(values)
    return f"{mean:.1f}" + ("" if error is None else f" ± {error:.1f}")


def with_differences(found) -> dict:
    """The same with what is compared seed by seed: fine-tuning minus scratch, and the first model minus the second."""
    first, second = (np.asarray, found["from scratch"])
    rows = found | {
        "fine-tuned − from scratch": {
            model: (first(values) - first(second[model])).tolist() for model, values in found["fine-tuned"].items()
        }
    }
    models = list(found["fine-tuned"])
    if len(models) == 2:
        name, (a, b) = " − ".join(models), models
        rows = {row: by | {name: (np.array(by[a]) - np.array(by[b])).tolist()} for row, by in rows.items()}
    return rows


def markdown(found, how, steps, precision) -> str:
    rows = with_differences(found)
    columns = list(rows["fine-tuned"])
    lines = [[row, *(written(by[column]) for column in columns)] for row, by in rows.items()]
    table = markdown_lines([["accuracy, %", *columns], *lines]).rstrip("\n")
    seeds = len(found["fine-tuned"][columns[0]])
    data = f"{len(open_source(DATA, 'train'))} training and {len(open_source(DATA, 'test'))} test images of {DATA}"
    batch = get_finetuning(DATA).batch_size
    note = f"Mean ± standard error over {seeds} seeds; differences seed by seed. {data}; trained for {steps} steps of"
    return f"{table}\n\n{note} {batch} images, {precision}.\n\n" + "".join(f"- {line}\n" for line in how)


def as_csv(found) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = with_differences(found)
    seeds = range(len(next(iter(found["fine-tuned"].values()))))
    writer.writerow(["row", "model", "mean", "standard_error", *(f"seed{seed}" for seed in seeds)])
    for row, by in rows.items():
        for model, values in by.items():
            mean, error = mean_and_error(values)
            numbers = (mean, "" if error is None else error, *values)
            writer.writerow([row, model, *(n if n == "" else f"{n:.4f}" for n in numbers)])
    return text.getvalue()


def draw(found, out) -> None:
    """A picture where matplotlib is installed."""
    from vitedu.show import save_accuracies

    points = [(row, model, *mean_and_error(values)) for row, by in found.items() for model, values in by.items()]
    save_accuracies(points, out / "transfer.png", out / "transfer.svg", title=f"Carried over to {DATA}",
                    xlabel="accuracy (%), mean and standard error over seeds")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=150, help="of every training, the search included")
    parser.add_argument(
        "--models", nargs="+", default=MODELS, help="names, or files of weights with names of their own"
    )
    parser.add_argument("--workers", type=int, default=cpu_count(), help="trainings side by side, one thread each")
    parser.add_argument("--precision", choices=("auto", "bf16", "float32"), default="auto", help="of the trainings")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    out, steps = arguments.out, arguments.steps
    found, how, precision = measure(
        out, arguments.models, arguments.seeds, steps, arguments.workers, arguments.precision
    )
    for name, content in (("transfer.md", markdown(found, how, steps, precision)), ("transfer.csv", as_csv(found))):
        with replacing(out / name) as temporary:
            Path(temporary).write_text(content, encoding="utf-8")
    try:
        draw(found, out)
    except ImportError as error:
        print(f"no picture: {error}")
    print((out / "transfer.md").read_text(encoding="utf-8"))
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes with {arguments.workers} workers; {out}/transfer.*")


if __name__ == "__main__":
    main()
