"""Moving digits, three seeds: does a video model use the order of the frames?  Notebook 22, recorded.

    python benchmarks/moving_digits.py --out moving_digits.csv                minutes on one core
    python benchmarks/moving_digits.py --runs ordered single --seeds 0        some of it, shown only

What it wrote is shipped: `vitedu.experiments.recorded_table("moving_digits")`.

Each row: a model trained and tested on videos of `vitedu.data.moving`, the test videos made of digits that were held
out.  `ceiling` is the best accuracy that the frames allow (proven in tests/data/test_moving.py) or, with one frame a
tubelet and no positions in time, that the model allows (proven in tests/gradients/models/test_video.py).
"""

from __future__ import annotations

import argparse
import csv
import sys

import torch

import vitedu
from vitedu.data.moving import moving_digits, shuffle_frames
from vitedu_numpy.weights.files import replacing

TRAIN, TEST, STEPS = 4096, 1000, 300
MODEL = dict(image_size=12, patch_size=4, width=32, depth=2, heads=4, mlp_dim=64, num_classes=4, channels=1)
FACTORISED = dict(attention="factorised", tubelet_length=2)

# name: (settings of the model, what is done to the frames, the ceiling)
RUNS = {
    "joint": (dict(tubelet_length=2), "in order", 1.0),
    "factorised": (FACTORISED, "in order", 1.0),
    "shuffled": (FACTORISED, "shuffled", 0.5),
    "single": (FACTORISED | dict(tubelet_length=1), "first alone", 0.25),
    "no time": (FACTORISED | dict(tubelet_length=1, position_embedding="space"), "in order", 0.5),
    "tubelets alone": (FACTORISED | dict(position_embedding="space"), "in order", 1.0),
    "positions alone": (FACTORISED | dict(tubelet_length=1), "in order", 1.0),
}
FIELDS = ("run", "attention", "tubelet_length", "position_embedding", "frames", "seed", "steps", "ceiling", "accuracy")


def seen(videos, frames, rng):
    """What the model gets to see of the videos."""
    if frames == "first alone":
        return videos[:, :1]
    return shuffle_frames(videos, rng) if frames == "shuffled" else videos


def row_of(name, seed) -> dict:
    """Train and test one model."""
    settings, frames, ceiling = RUNS[name]
    digits = vitedu.data.load_digits()
    videos, labels = moving_digits(digits.train_images, TRAIN, [seed, 0])
    test_videos, test_labels = moving_digits(digits.test_images, TEST, [seed, 1])
    videos, test_videos = seen(videos, frames, [seed, 2]), seen(test_videos, frames, [seed, 3])
    config = vitedu.VideoViTConfig(frames=videos.shape[1], **MODEL | settings)
    training = vitedu.TrainConfig(
        steps=STEPS, batch_size=64, learning_rate=3e-3, warmup_steps=30, weight_decay=0.1, seed=seed
    )
    model = vitedu.VideoViT(config, seed)
    vitedu.fit(model, videos, labels, training)
    accuracy = vitedu.evaluate(model, test_videos, test_labels)
    values = (name, config.attention, config.tubelet_length, config.position_embedding, frames, seed, STEPS)
    return dict(zip(FIELDS, (*values, ceiling, round(accuracy, 4)), strict=True))


def write(rows, file) -> None:
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", help="write the rows to this CSV file, at the end")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in options.runs:
        for seed in options.seeds:
            rows.append(row_of(name, seed))
            print(rows[-1], file=sys.stderr, flush=True)
    if options.out:
        with replacing(options.out) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            write(rows, file)
    else:
        write(rows, sys.stdout)


if __name__ == "__main__":
    main()
