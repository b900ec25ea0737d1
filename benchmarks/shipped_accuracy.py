"""The accuracies on the cards of the two models that come with the package, measured again, in PyTorch and in NumPy.

python benchmarks/shipped_accuracy.py --data FOLDER_OR_HUB_NAME_OF_CIFAR10 [--models vit_cifar10 bit_cifar10]
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from tqdm import tqdm

import vitedu
from vitedu.data.open import open_source
from vitedu.evaluation import standard_error
from vitedu.models.pretrained import SHIPPED
from vitedu_numpy.models.create import build


def measure(name: str, source) -> None:
    """Print what stands on the card of one model."""
    model = vitedu.from_pretrained(name).eval()
    twin = build(model.config, 0)
    twin.load_state_dict({key: value.numpy() for key, value in model.state_dict().items()})
    twin.eval()
    right, by_class, n = np.zeros(2, int), np.zeros(10, int), len(source)
    for start in tqdm(range(0, n, 250), desc=name):
        images = source.images[start : start + 250].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        labels = source.labels[start : start + 250]
        with torch.no_grad():
            correct = model(torch.from_numpy(images)).argmax(-1).numpy() == labels
        right[0] += correct.sum()
        by_class += np.bincount(labels[correct], minlength=10)
        right[1] += (twin(images).argmax(-1) == labels).sum()
    for package, count in zip(("PyTorch", "NumPy"), right, strict=True):
        error = standard_error(count / n, n)
        print(f"{name}, {package}: {count} of {n} right, {100 * count / n:.2f} ± {100 * error:.2f} %")
    parts = by_class / np.bincount(source.labels)
    print(", ".join(f"{source.class_names[k]} {100 * parts[k]:.0f}" for k in np.argsort(-parts)), "%", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="CIFAR-10: a folder or a hub name")
    parser.add_argument("--models", nargs="+", choices=SHIPPED, default=SHIPPED)
    arguments = parser.parse_args()
    source = open_source(arguments.data, "test")
    for name in arguments.models:
        measure(name, source)


if __name__ == "__main__":
    main()
