"""Table 8 in small: kinds and places of position embeddings on digits, four seeds each (about two minutes).

    python benchmarks/positions.py

The model and recipe of notebook 06, which trains one seed of each and quotes what is printed here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

import vitedu
from vitedu.data import load_digits

KINDS = {
    "none": dict(position_embedding="none"),
    "1d": {},
    "2d": dict(position_embedding="2d"),
    "sincos2d": dict(position_embedding="sincos2d"),
    "relative": dict(position_embedding="relative"),
    "1d, every block": dict(position_at="every"),
    "1d, shared": dict(position_at="shared"),
}


def main() -> None:
    torch.set_num_threads(1)  # quicker for matrices this small
    digits = load_digits()
    base = replace(vitedu.DIGITS_VIT, width=32, depth=2, mlp_dim=64)
    recipe = vitedu.TrainConfig(steps=500, batch_size=64, learning_rate=3e-3, warmup_steps=30, shift=1)
    print(f"{'held-out accuracy, %':22s} {'mean':>5s} {'least':>6s} {'most':>5s}")
    for name, options in KINDS.items():
        accuracy = []
        for seed in range(4):
            model = vitedu.ViT(replace(base, **options), rng=seed)
            vitedu.fit(model, digits.train_images, digits.train_labels, replace(recipe, seed=seed))
            accuracy.append(100 * vitedu.evaluate(model, digits.test_images, digits.test_labels))
        print(f"{name:22s} {np.mean(accuracy):5.0f} {min(accuracy):6.0f} {max(accuracy):5.0f}", flush=True)


if __name__ == "__main__":
    main()
