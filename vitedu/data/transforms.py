"""What is done to an image before the model sees it.  Taught in notebooks/14_pretraining.ipynb.

A transform is called with (bytes of an image file or an (H, W, C) uint8 array, a generator) and returns (C, H, W)
uint8 of its fixed `shape`.  [-1, 1] comes later, on the device: bytes are a quarter of the floats.  All random draws
come from the generator, so the same generator gives the same image.  Transforms can be pickled: workers get a copy.

An image that cannot be read raises `UnreadableImage`; that is for the loader to handle.
"""

from __future__ import annotations

import numpy as np

from vitedu_numpy.validate import is_count, is_number, require

from .crops import check_draws, inception_crop, resize, resize_small_and_crop
from .decode import open_image
from .randaugment import RandAugment

__all__ = [
    "CentralCrop", "InceptionCrop", "PadCrop", "ResizeCrop", "Square", "evaluation_transform", "training_transform",
]  # fmt: skip


def training_transform(recipe, shape, exact: bool = True):
    """The transform of a `DataRecipe` for training.     shape: (C, H, W) that the model takes

    exact=False lets large JPEGs be decoded at a lower scale (`crops.inception_crop`): quicker, but other pixels.
    """
    shape = _check_shape(shape)
    _check_recipe(recipe)
    augment = None
    if recipe.randaugment_layers:
        augment = RandAugment(recipe.randaugment_layers, recipe.randaugment_magnitude)
    if recipe.crop == "inception":
        return InceptionCrop(shape, recipe.min_area, recipe.flip, augment, exact)
    if recipe.crop == "resize":
        return ResizeCrop(shape, recipe.train_resize, recipe.flip, augment)
    if recipe.crop == "pad":
        return PadCrop(shape, recipe.pad, recipe.flip, augment)
    return Square(shape, recipe.flip, augment)


def evaluation_transform(recipe, shape):
    """The transform of a `DataRecipe` for evaluation: nothing random, the generator may be None.

    eval_resize N: the shorter side becomes N pixels, the middle is cut out; None: the image is resized to the shape,
    its aspect is lost.  crop="pad" is for images that have the model's size already: always as with None.
    """
    shape = _check_shape(shape)
    _check_recipe(recipe)
    if recipe.eval_resize is None or recipe.crop == "pad":
        return Square(shape)
    return CentralCrop(shape, recipe.eval_resize)


class InceptionCrop:
    """A random box of random area and aspect, resized to the shape; then a flip, then RandAugment."""

    def __init__(self, shape, min_area: float = 0.05, flip: bool = True, augment=None, exact: bool = True):
        _check(self, shape, flip, augment)
        require(is_number(min_area) and 0 < min_area <= 1, "min_area", min_area, "a number in (0, 1]")
        self.min_area, self.exact = min_area, exact

    def __call__(self, data, rng):
        image = open_image(data, self.shape[0])
        return _finish(inception_crop(image, self.shape[1:], rng, self.min_area, self.exact), self, rng)


class Square:
    """The whole image resized to the shape; in training then a flip and RandAugment."""

    def __init__(self, shape, flip: bool = False, augment=None):
        _check(self, shape, flip, augment)

    def __call__(self, data, rng=None):
        return _finish(_whole_image(data, self.shape), self, rng)


class ResizeCrop:
    """The whole image to a square of `large` pixels, its aspect lost, then a random crop (BiT); a flip, RandAugment."""

    def __init__(self, shape, large: int, flip: bool = True, augment=None):
        _check(self, shape, flip, augment)
        require(is_count(large), "train_resize", large, "a positive integer")
        if large < max(shape[1:]):
            raise ValueError(f"train_resize={large} is not allowed for images of {shape[1:]}; it must not be smaller")
        self.large = large

    def __call__(self, data, rng):
        check_draws(rng)
        (C, H, W), large = self.shape, self.large
        pixels = _whole_image(data, (C, large, large))
        top, left = rng.integers(0, large - H + 1), rng.integers(0, large - W + 1)
        return _finish(pixels[top : top + H, left : left + W], self, rng)


class CentralCrop:
    """The shorter side to `small` pixels by area means, then the middle."""

    def __init__(self, shape, small: int):
        require(is_count(small), "eval_resize", small, "a positive integer")
        shape = _check_shape(shape)
        if small < max(shape[1:]):
            raise ValueError(f"eval_resize={small} is not allowed for images of {shape[1:]}; it must not be smaller")
        self.shape, self.small = shape, small

    def __call__(self, data, rng=None):
        return _to_channels_first(resize_small_and_crop(open_image(data, self.shape[0]), self.small, self.shape[1:]))


class PadCrop:
    """For small images: a black border of `pad` pixels, a random crop of the old size, a random flip, RandAugment.

    An image of another size than the shape is resized to it first.
    """

    def __init__(self, shape, pad: int, flip: bool = True, augment=None):
        _check(self, shape, flip, augment)
        require(is_count(pad, 0), "pad", pad, "an integer >= 0")
        if pad > min(shape[1:]):
            raise ValueError(f"pad={pad} is not allowed for images of {shape[1:]}; it must not be larger")
        self.pad = pad

    def __call__(self, data, rng):
        check_draws(rng)
        (C, H, W), pad = self.shape, self.pad
        if type(data) is not np.ndarray or data.shape != (H, W, C) or data.dtype != np.uint8:
            data = _whole_image(data, self.shape)
        down, across = rng.integers(0, 2 * pad + 1, 2).tolist()
        if self.flip and rng.random() < 0.5:
            data = data[:, ::-1]
        out = np.zeros(self.shape, np.uint8)
        # The crop starts `down` rows into the padded image, that is down - pad rows into the image itself.
        top, left = down - pad, across - pad
        out[:, max(-top, 0) : H - max(top, 0), max(-left, 0) : W - max(left, 0)] = data[
            max(top, 0) : min(top + H, H), max(left, 0) : min(left + W, W)
        ].transpose(2, 0, 1)
        if self.augment is not None:
            return _to_channels_first(self.augment(out.transpose(1, 2, 0), rng))
        return out


def _whole_image(data, shape) -> np.ndarray:
    image = open_image(data, shape[0])
    return resize(image.box(0, 0, image.height, image.width), shape[1:])


def _finish(pixels, transform, rng) -> np.ndarray:
    """Flip with probability 1/2, RandAugment, and the channels first."""
    if transform.flip or transform.augment is not None:
        check_draws(rng)
    if transform.flip and rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    if transform.augment is not None:
        pixels = transform.augment(pixels, rng)
    return _to_channels_first(pixels)


def _to_channels_first(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C)  ->  (C, H, W), contiguous, never a view into the data set."""
    return pixels.transpose(2, 0, 1).copy()


def _check_shape(shape) -> tuple[int, int, int]:
    is_shape = isinstance(shape, tuple | list) and len(shape) == 3 and all(map(is_count, shape)) and shape[0] in (1, 3)
    require(is_shape, "shape", shape, "(1 or 3, rows, columns)")
    return tuple(shape)


def _check_recipe(recipe) -> None:
    if not hasattr(recipe, "eval_resize"):
        raise TypeError(f"recipe is a {type(recipe).__name__}; expected a DataRecipe")


def _check(transform, shape, flip, augment) -> None:
    """What all transforms for training have."""
    require(isinstance(flip, bool), "flip", flip, "True or False")
    require(augment is None or callable(augment), "augment", augment, "a RandAugment, or None")
    transform.shape, transform.flip, transform.augment = _check_shape(shape), flip, augment
