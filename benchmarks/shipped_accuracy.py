"""The accuracy on the card of the ViT that comes with the package, measured again, in PyTorch and in NumPy.

python benchmarks/shipped_accuracy.py --data FOLDER_OR_HUB_NAME_OF_CIFAR10
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from tqdm import tqdm

import vitedu
import vitedu_numpy as vn
from vitedu.data.open import open_source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="cifar10", help="CIFAR-10: a folder or a hub name")
    source = open_source(parser.parse_args().data, "test")
    model = vitedu.from_pretrained("vit_cifar10").eval()
    twin = vn.ViT(vn.ViTConfig(**vars(model.config)), rng=0)
    twin.load_state_dict({name: value.numpy() for name, value in model.state_dict().items()})
    twin.eval()
    right, by_class = np.zeros(2, int), np.zeros(10, int)
    for start in tqdm(range(0, len(source), 250)):
        images = source.images[start : start + 250].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        labels = source.labels[start : start + 250]
        with torch.no_grad():
            correct = model(torch.from_numpy(images)).argmax(-1).numpy() == labels
        right[0] += correct.sum()
        by_class += np.bincount(labels[correct], minlength=10)
        right[1] += (twin(images).argmax(-1) == labels).sum()
    for name, count in zip(("PyTorch", "NumPy"), right, strict=True):
        print(f"{name}: {count} of {len(source)} right, {100 * count / len(source):.2f} %")
    parts = by_class / np.bincount(source.labels)
    print(", ".join(f"{source.class_names[k]} {100 * parts[k]:.0f}" for k in np.argsort(-parts)), "%")


if __name__ == "__main__":
    main()
