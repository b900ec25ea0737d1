"""Images that fit into memory, decoded once: CIFAR, digits.  Taught in notebooks/14_pretraining.ipynb."""

from __future__ import annotations

import numpy as np

from .decode import open_image
from .sample import Sample, UnreadableImage, check_ids

__all__ = ["Arrays", "decode_all", "first_size"]

LARGEST_SIDE = 64  # pixels: what counts as small when `in_memory` is left open,
LARGEST_TOTAL = 10**9  # and bytes that all images together may take then


class Arrays:
    """A source of images that are decoded already.     images (n, H, W, C) uint8, labels (n,) integers

    broken: {image number: its bytes} of the few that could not be decoded; they are handed out as they are, so that
    the transform finds the mistake and names it.
    """

    def __init__(self, images, labels, name: str = "array", class_names=None, broken=None):
        images, labels = np.asarray(images), np.asarray(labels)
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(f"images is {images.dtype} {images.shape}; expected uint8 (n, H, W, C), from 0 to 255")
        if labels.shape != (len(images),):
            raise ValueError(f"labels has shape {labels.shape}; expected ({len(images)},)")
        if images.shape[3] not in (1, 3):
            first = "; (n, C, H, W) becomes that by .transpose(0, 2, 3, 1)" if images.shape[1] in (1, 3) else ""
            raise ValueError(f"images has shape {images.shape}; expected (n, H, W, C) with 1 or 3 channels C{first}")
        if labels.dtype.kind not in "biu" and not (labels.dtype.kind == "f" and (labels == np.round(labels)).all()):
            raise ValueError(
                f"labels is of {labels.dtype}, such as {labels[:1]}; expected whole numbers, classes from 0 on"
            )
        if class_names is not None and len(labels) and not labels.max() < len(class_names):
            raise ValueError(
                f"labels go up to {labels.max()}, and there are {len(class_names)} class names, for 0 ... "
                f"{len(class_names) - 1}; where labels count from 1, take 1 off"
            )
        self.images, self.labels, self.name, self.class_names = images, labels.astype(np.int64), name, class_names
        self.broken = broken or {}

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_classes(self) -> int | None:
        return None if self.class_names is None else len(self.class_names)

    @property
    def chunks(self) -> np.ndarray:
        """In memory any image is at hand at any time: each is a chunk of its own."""
        return np.ones(len(self), np.int64)

    def read(self, ids) -> list[Sample]:
        """The images of these numbers, in this order."""
        name, broken = self.name, self.broken
        ids = check_ids(ids, len(self))
        pairs = zip(ids.tolist(), self.labels[ids].tolist(), strict=True)
        if not broken:
            return [Sample(self.images[i], label, f"{name}, image {i}") for i, label in pairs]
        return [Sample(broken.get(i, self.images[i]), label, f"{name}, image {i}") for i, label in pairs]


def decode_all(source, name: str, required: bool):
    """`source` as `Arrays` if its images are small, else `source` itself.

    Small: at most 64 x 64 pixels, less than a gigabyte together.  required=True takes any size, and raises ValueError
    when the images differ in size: they make no array then.
    """
    from tqdm import tqdm

    H, W = first_size(source, name)
    if not required and (max(H, W) > LARGEST_SIDE or len(source) * H * W * 3 > LARGEST_TOTAL):
        return source

    images = np.zeros((len(source), H, W, 3), np.uint8)
    labels = np.empty(len(source), np.int64)
    broken = {}
    with tqdm(total=len(source), desc=f"decoding {name}", unit="image", disable=len(source) < 10_000 or None) as bar:
        for start in range(0, len(source), 1000):
            samples = source.read(np.arange(start, min(start + 1000, len(source))))
            for i, sample in enumerate(samples, start):
                labels[i] = sample.label
                try:
                    image = open_image(sample.data)
                    if (image.height, image.width) == (H, W):
                        images[i] = image.box(0, 0, H, W)
                    elif required:
                        sizes = f"{H} x {W} and {image.height} x {image.width}"
                        raise ValueError(f"data={name!r} holds images of {sizes} pixels; in memory all must be alike")
                    else:
                        return source
                except UnreadableImage:
                    broken[i] = sample.data
            bar.update(len(samples))
    return Arrays(images, labels, name, source.class_names, broken)


def first_size(source, name) -> tuple[int, int]:
    """Height and width of the first image that can be read.  Raises ValueError where none of the first 64 can."""
    problems = []
    for sample in source.read(np.arange(min(len(source), 64))):
        try:
            image = open_image(sample.data)
            return image.height, image.width
        except UnreadableImage as error:
            problems.append(f"{sample.name}: {error}")
    raise ValueError(
        f"data={name!r}: none of the first {len(problems)} images could be decoded; {'; '.join(problems[:1])}"
    )
