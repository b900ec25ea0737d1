"""Transforms and sources that a worker process can import, and that tell what it is like in there."""

from __future__ import annotations

import os
import sys

import numpy as np

from vitedu.data import Sample, UnreadableImage


class Numbers:
    """Image i is the number i: a chunked set without files.  `log` holds the chunks that were read."""

    remote = False

    def __init__(self, lengths):
        self.lengths, self.log = np.asarray(lengths), []

    def where(self, chunk):
        return f"chunk {chunk}"

    def load(self, chunk):
        self.log.append(chunk)
        first = int(self.lengths[:chunk].sum())
        return [Sample(first + row, first + row, f"image {first + row}") for row in range(self.lengths[chunk])]


class AsPixels:
    """The number of an image, and the first random number of its position, as an image of 1 x 2 pixels."""

    shape = (1, 1, 2)

    def __call__(self, data, rng):
        if data == 13:
            raise UnreadableImage("thirteen")
        return np.array([[[data % 256, rng.integers(256)]]], np.uint8)


class Dies(AsPixels):
    """Ends its process, as the kernel does when memory runs out."""

    def __call__(self, data, rng):
        os._exit(9)


class InsideWorker:
    """What a worker is like, as an image: (threads of torch, threads of OpenCV, number of heavy modules)."""

    shape = (1, 1, 3)

    def __call__(self, data, rng):
        import torch

        heavy = {"torchvision", "datasets", "matplotlib", "sklearn", "torch._dynamo"} & set(sys.modules)
        import cv2

        return np.array([[[torch.get_num_threads(), cv2.getNumThreads(), len(heavy)]]], np.uint8)
