"""Does a noisy student know more than its teacher, and is it the noise?  Few labels of CIFAR-10, one core.

    python benchmarks/noisy_student.py --data FOLDER --out FOLDER [--backbone efficientnet] [--seeds 3] [--fast]

A teacher learns from 1,000 images with labels; students learn from these and 5,000 without.  All models of a backbone
have the same shape, the same number of steps and the same number of images in a step (a teacher's are all labelled), so
neither size nor compute explains a difference.  They are tiny, and the images are shrunk to 16 x 16 pixels (the mean of
2 x 2): accuracies are to be compared with each other alone.

Conditions
    teacher               labels alone, under noise; the teacher of all students of its seed
    teacher, clean        labels alone, without noise
    student               Noisy Student: input noise (crop, flip, TrivialAugment), dropout, stochastic depth; two rounds
    ... no input noise, no dropout, no stochastic depth
                          that noise off for the images without labels (on for the others)
    ... no noise          all three off for the images without labels
    ... clean             all three off for all images: the un-noised control

A seed chooses the labelled images, first weights, order and noise.  Learning rates are chosen beforehand, of two for
each of teacher and student, under noise and clean, on held-out training images; the student without one noise takes the
student's, "no noise" the clean one's.  Test images are looked at once per model.

Some fifteen minutes of computing.  Stopped, the same command goes on.  FOLDER gets tuning.csv, results.csv (a row for
each model) and the models.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import torch
from tqdm import tqdm

from vitedu import BiTConfig, EfficientNetConfig, TrainConfig, ViTConfig, build, evaluate
from vitedu.data.open import open_source
from vitedu.data.resident import Augmentation
from vitedu.training.noisy import CLEAN, Noise, NoisyStudent, class_probabilities, noisy_student
from vitedu_numpy.transfer.shots import choose_shots
from vitedu_numpy.weights.files import replacing

RATES = {"efficientnet": (2e-3, 6e-3), "vit": (1e-3, 2e-3), "bit": (5e-3, 1.5e-2)}
CLASSES, TUNING_SEED = 10, 1000
RESULT = (
    "condition", "seed", "round", "accuracy", "pseudo_images", "pseudo_different", "pseudo_accuracy", "learning_rate",
    "loss", "parameters",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    backbone: str
    pixels: int = 16
    shots: int = 100  # labelled images of each class
    unlabelled: int = 5_000
    held_out: int = 2_000
    test: int = 5_000  # at most
    steps: int = 1000
    batch_size: int = 16  # labelled images of a student's step
    ratio: int = 3
    dropout: float = 0.2
    stochastic_depth: float = 0.2
    threshold: float = 0.3

    def training(self, learning_rate: float, seed: int) -> TrainConfig:
        return TrainConfig(
            steps=self.steps, batch_size=self.batch_size, learning_rate=learning_rate, warmup_steps=self.steps // 20,
            weight_decay=0.05, label_smoothing=0.1, seed=seed,
        )  # fmt: skip


def config_of(settings: Settings, channels: int):
    """The model's settings; BiT has neither dropout nor stochastic depth."""
    noise = dict(dropout=settings.dropout, stochastic_depth=settings.stochastic_depth)
    shape = dict(image_size=settings.pixels, channels=channels, num_classes=CLASSES)
    if settings.backbone == "efficientnet":
        stages = ((1, 3, 1, 1, 16), (2, 3, 2, 4, 24), (2, 3, 2, 4, 40))
        # Statistics that settle within a short run.
        return EfficientNetConfig(
            stem_width=16, stages=stages, top_width=128, batchnorm_momentum=0.95, **shape, **noise
        )
    if settings.backbone == "vit":
        return ViTConfig(patch_size=settings.pixels // 4, width=64, depth=4, heads=4, mlp_dim=128, **shape, **noise)
    return BiTConfig((1, 1, 1), base_width=8, groups=4, stem="small", **shape)


# ---- data ------------------------------------------------------------------------------------------------------------


def read(data: str, split: str, pixels: int, count: int):
    """(bytes (n, C, pixels, pixels), labels (n,)) of `count` images of a split, chosen once for all."""
    source = open_source(data, split, train_images=count, in_memory=True)
    images = source.images.transpose(0, 3, 1, 2)
    factor = images.shape[2] // pixels
    if factor * pixels != images.shape[2] or images.shape[2] != images.shape[3]:
        raise SystemExit(f"--pixels {pixels} is not allowed; it must divide the side of {images.shape[2:]} pixels")
    n, C = images.shape[:2]
    means = images.reshape(n, C, pixels, factor, pixels, factor).mean((3, 5))
    return np.round(means).astype(np.uint8), source.labels


@dataclass(frozen=True)
class Data:
    """Training images that are not held out, the held-out ones, and test images as floats."""

    pool: tuple
    held_out: tuple
    test: tuple

    def split(self, settings: Settings, seed: int):
        """(labelled images, their labels, the others, what those show: for the report alone)"""
        images, labels = self.pool
        few = choose_shots(labels, settings.shots, seed)
        others = np.setdiff1d(np.arange(len(labels)), few)[: settings.unlabelled]
        return images[few], labels[few], images[others], labels[others]


def open_data(data: str, settings: Settings) -> Data:
    wanted = settings.held_out + settings.shots * CLASSES + settings.unlabelled
    images, labels = read(data, "train", settings.pixels, wanted)
    held, pool = slice(settings.held_out), slice(settings.held_out, None)
    test = read(data, "test", settings.pixels, settings.test)
    return Data((images[pool], labels[pool]), (floats(images[held]), labels[held]), (floats(test[0]), test[1]))


def floats(images):
    return (images / 127.5 - 1).astype(np.float32)


# ---- one model after the other ---------------------------------------------------------------------------------------


class Experiment:
    def __init__(self, settings: Settings, data: Data, out: Path):
        self.settings, self.data, self.out = settings, data, out
        self.config = config_of(settings, channels=data.pool[0].shape[1])
        per_class = settings.unlabelled // CLASSES
        self.method = NoisyStudent(threshold=settings.threshold, per_class=per_class, ratio=settings.ratio)
        self.augment = Augmentation(pad=settings.pixels // 8, erase=0, mixup=0, cutmix=0)

    def make(self, round, seed):
        return build(self.config, seed).to(memory_format=torch.channels_last)

    def rounds(self, name, seed, rate, method, *, teacher=None, rounds=0):
        """Finished rounds of a condition; round 0 alone is a teacher, whose batch is as large as a student's two."""
        s = self.settings
        images, labels, others, _ = self.data.split(s, seed)
        training = s.training(rate, seed)
        if teacher is None:
            training = replace(training, batch_size=s.batch_size * (1 + s.ratio))
        return noisy_student(
            self.make, images, labels, others, training, method, rounds=rounds, teacher=teacher, augment=self.augment,
            folder=self.out / "models" / name.replace(", ", "-").replace(" ", "-") / f"seed{seed}",
            progress=partial(tqdm, desc=f"{name}, seed {seed}", unit="step", mininterval=5, leave=False),
        )  # fmt: skip

    def row(self, name, seed, rate, method, before, round) -> dict:
        """What results.csv says of one model.  before: its teacher, or None"""
        found = dict(
            condition=name, seed=seed, round=round.number, accuracy=evaluate(round.model, *self.data.test),
            learning_rate=rate, loss=np.mean(round.history["loss"][-50:]).round(4),
            parameters=sum(p.numel() for p in round.model.parameters()),
        )  # fmt: skip
        if before is not None:
            *_, others, truth = self.data.split(self.settings, seed)
            pseudo = method.pseudo_labels(class_probabilities(before, others))
            correct = (pseudo.classes == truth[pseudo.positions]).mean()
            counts = dict(pseudo_images=round.pseudo["images"], pseudo_different=round.pseudo["different"])
            found |= {**counts, "pseudo_accuracy": correct.round(4)}
        return {column: found.get(column, "") for column in RESULT}

    # ---- learning rates

    def tune(self) -> dict[str, float]:
        """The best rate of each role, by accuracy on held-out training images: tuning.csv."""
        best, rows, teacher = {}, [], None
        for role in ("teacher", "teacher, clean", "student", "student, clean"):
            method = self.method_of(role)
            tried = []
            for rate in RATES[self.settings.backbone]:
                name, student = f"tuning, {role}, {rate:g}", role.startswith("student")
                given = dict(teacher=teacher, rounds=1) if student else {}
                model = self.rounds(name, TUNING_SEED, rate, method, **given)[-1].model
                tried.append((evaluate(model, *self.data.held_out), rate, model))
                rows.append(dict(role=role, learning_rate=rate, held_out_accuracy=tried[-1][0]))
                write_csv(self.out / "tuning.csv", rows)
            _, best[role], model = max(tried, key=lambda one: one[0])
            teacher = model if role == "teacher" else teacher
        return best

    def method_of(self, condition: str) -> NoisyStudent:
        off = {
            "student, no input noise": Noise(input=False), "student, no dropout": Noise(dropout=False),
            "student, no stochastic depth": Noise(stochastic_depth=False), "student, no noise": CLEAN,
        }  # fmt: skip
        if condition in off:
            return replace(self.method, noise=off[condition])
        if condition.endswith("clean"):
            return replace(self.method, noise=CLEAN, labelled_noise=CLEAN)
        return self.method

    # ---- conditions

    @property
    def conditions(self):
        """(condition, role whose rate it takes, rounds), what the question needs first."""
        off = ("student, no input noise", "student, no dropout", "student, no stochastic depth")
        return [
            [("student", "student", 2), ("student, clean", "student, clean", 1)],
            [("teacher, clean", "teacher, clean", 0), ("student, no noise", "student, clean", 1)],
            [(name, "student", 1) for name in off[: 3 if hasattr(self.config, "dropout") else 1]],
        ]

    def run(self, seeds: int) -> list[dict]:
        """All rows of results.csv: the first conditions for all seeds, then the others."""
        rates, file = self.tune(), self.out / "results.csv"
        rows = read_csv(file) if file.exists() else []
        for group, seed in product(self.conditions, range(seeds)):
            method = self.method_of("teacher")
            teacher = self.rounds("teacher", seed, rates["teacher"], method)[0]
            self.add(rows, file, "teacher", seed, rates["teacher"], method, None, [teacher])
            for name, role, count in group:
                if any((row["condition"], int(row["seed"])) == (name, seed) for row in rows):
                    continue
                method = self.method_of(name)
                given = dict(teacher=teacher.model, rounds=count) if count else {}
                found = self.rounds(name, seed, rates[role], method, **given)
                before, new = (found[0].model, found[1:]) if count else (None, found)
                self.add(rows, file, name, seed, rates[role], method, before, new)
        return rows

    def add(self, rows, file, name, seed, rate, method, before, new) -> None:
        """Put the models of a condition into the table, all together."""
        if any((row["condition"], int(row["seed"])) == (name, seed) for row in rows):
            return
        for round in new:
            rows.append(self.row(name, seed, rate, method, before, round))
            before = round.model
            print(f"{name}, seed {seed}, round {round.number}: {100 * rows[-1]['accuracy']:.2f} %", flush=True)
        write_csv(file, rows)


def read_csv(file: Path) -> list[dict]:
    with open(file, encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def write_csv(file: Path, rows: list[dict]) -> None:
    with replacing(file) as temporary, open(temporary, "w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def table(rows) -> str:
    """Mean and standard error over seeds, in %; and of the difference from the teacher of the same seed."""
    accuracy = {(row["condition"], int(row["round"]), int(row["seed"])): 100 * float(row["accuracy"]) for row in rows}
    lines = ["| condition | round | accuracy, % | minus its seed's teacher | seeds |", "|---|---|---|---|---|"]
    for name, number in dict.fromkeys((name, number) for name, number, _ in accuracy):
        seeds = sorted(seed for c, r, seed in accuracy if (c, r) == (name, number))
        each = np.array([accuracy[name, number, seed] for seed in seeds])
        gain = each - [accuracy["teacher", 0, seed] for seed in seeds]
        lines.append(f"| {name} | {number} | {with_error(each)} | {with_error(gain, '+')} | {len(seeds)} |")
    return "\n".join(lines)


def with_error(values, sign="") -> str:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():{sign}.2f} ± {error:.2f}"


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder or name of 10 classes with splits train and test")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backbone", choices=tuple(RATES), default="efficientnet")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pixels", type=int, default=Settings.pixels, help="side to which images are shrunk")
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--fast", action="store_true", help="four steps, whatever --steps says: does it run?")
    args = parser.parse_args(arguments)
    if args.seeds < 1:
        parser.error(f"--seeds {args.seeds} is not allowed; it must be a positive integer")
    torch.set_num_threads(1)
    settings = Settings(args.backbone, args.pixels, steps=args.steps)
    if args.fast:
        settings = replace(settings, shots=4, unlabelled=100, held_out=50, test=100, steps=4, batch_size=8, threshold=0)
    args.out.mkdir(parents=True, exist_ok=True)
    about, file = asdict(settings) | {"data": args.data}, args.out / "settings.json"
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != about:
        parser.error(f"--out {args.out} holds a run with other settings, see {file}; choose another folder")
    file.write_text(json.dumps(about, indent=1), encoding="utf-8")
    start, cpu = time.perf_counter(), time.process_time()
    rows = Experiment(settings, open_data(args.data, settings), args.out).run(args.seeds)
    print(table(rows))
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes, {(time.process_time() - cpu) / 60:.1f} of them computing")


if __name__ == "__main__":
    main()
