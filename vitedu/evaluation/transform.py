"""From anything that is an image to what a model sees."""

from __future__ import annotations

import io
import os

import numpy as np
import torch

from vitedu_numpy.validate import is_size, require

from ..data.sample import UnreadableImage
from ..data.transforms import evaluation_transform
from ..recipes import DataRecipe

__all__ = ["Transform"]


class Transform:
    """An image file (its path or bytes), a PIL image or an array of bytes  ->  (C, H, W) float32, in [-1, 1].

    shape: (C, H, W) that the model takes; eval_resize N: the shorter side becomes N pixels and the middle is cut out,
    None: the whole image is resized to the shape.  `pixels` is the same up to bytes, for a `Loader`.
    """

    def __init__(self, shape, eval_resize: int | None = None):
        is_shape = isinstance(shape, tuple | list) and len(shape) == 3 and all(map(is_size, shape))
        require(is_shape, "shape", shape, "three positive integers (C, H, W)")
        self.shape, self.eval_resize = tuple(shape), eval_resize
        self.pixels = evaluation_transform(DataRecipe(crop="none", eval_resize=eval_resize), shape)

    def __call__(self, image) -> torch.Tensor:
        """Raises OSError where a file cannot be opened, UnreadableImage (a ValueError) where it holds no image,
        TypeError or ValueError for anything else that is none.
        """
        data, name = _bytes_or_array(image)
        try:
            pixels = self.pixels(data, None)
        except UnreadableImage as error:
            raise UnreadableImage(f"{name} is no image that can be read: {error}") from error
        return torch.from_numpy(pixels) / 127.5 - 1

    def __repr__(self):
        C, H, W = self.shape
        way = f"{H} x {W}" if self.eval_resize is None else f"shorter side {self.eval_resize}, middle {H} x {W}"
        return f"Transform({'RGB' if C == 3 else 'grey'}, {way}, [-1, 1])"


def _bytes_or_array(image):
    """(bytes of an image file or (H, W, C) uint8, what to call it in a message)"""
    if isinstance(image, str | os.PathLike):
        path = os.fspath(image)
        with open(path, "rb") as file:
            return file.read(), path
    if isinstance(image, bytes | bytearray):
        return bytes(image), "image"
    if hasattr(image, "convert") and hasattr(image, "mode"):  # a PIL image
        return _from_pillow(image), "image"
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu().numpy()
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image is a {type(image).__name__}; expected a path, bytes, a PIL image or an array")
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(
            f"image is {image.dtype} {image.shape}; expected uint8 (H, W) or (H, W, 3).  Floats that are prepared "
            f"already go to the model itself: model(images)"
        )
    image = image[:, :, None] if image.ndim == 2 else image
    if image.shape[2] not in (1, 3):
        raise ValueError(f"image has shape {image.shape}; expected (H, W), (H, W, 1) or (H, W, 3)")
    return np.ascontiguousarray(image), "image"


def _from_pillow(image):
    if image.mode in ("L", "RGB"):
        pixels = np.asarray(image)
        return pixels if pixels.ndim == 3 else pixels[:, :, None]
    if image.mode.startswith("I"):  # 16 bits: as such a file would be read
        encoded = io.BytesIO()
        image.save(encoded, "PNG")
        return encoded.getvalue()
    return np.asarray(image.convert("RGB"))
