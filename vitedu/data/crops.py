"""Random crops for training, resizing for evaluation, as the authors do.  Taught in notebooks/14_pretraining.ipynb.

Source: big_vision's pre-training input (inception crop, resize_small, central_crop) and TensorFlow's
sample_distorted_bounding_box and image resize, from which the rules below are written down.  They are not those of
torchvision's RandomResizedCrop: DEVIATIONS.md has the differences.

`image` is what `decode.open_image` returns, pixels are (H, W, C) uint8, `size` is (rows, columns) of the result.
OpenCV does the resizing where it is installed, NumPy (`bilinear`, `area`: the reference) where it is not; results are
the same but for rounding: at most one grey level, where a value is within 0.001 of a whole number.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from vitedu_numpy.validate import is_integer, is_real, is_size, require

from .decode import scratch

__all__ = [
    "area", "bilinear", "check_draws", "check_pixels", "inception_crop", "resize",
    "resize_small_and_crop", "sample_box",
]  # fmt: skip

ASPECT = (0.75, 1.33)  # width / height of an inception crop
ATTEMPTS = 100

# Before values are cut to whole grey levels: 100 may have come out as 99.99999.
ROUNDING = 1e-3


@functools.cache
def opencv():
    """The module cv2, or None where it is not installed: it is an extra, and NumPy takes its place."""
    try:
        import cv2
    except ImportError:
        return None
    cv2.setNumThreads(1)  # images are small, and every core has its own process
    return cv2


def check_draws(rng) -> None:
    """Raise TypeError unless random numbers can be drawn from rng."""
    if type(rng) is not np.random.Generator and not (hasattr(rng, "random") and hasattr(rng, "integers")):
        raise TypeError(f"rng is a {type(rng).__name__}; expected a numpy.random.Generator")


def _check_size(size, name: str = "size") -> None:
    is_pair = isinstance(size, tuple | list) and len(size) == 2 and all(map(is_size, size))
    require(is_pair, name, size, "(rows, columns), two positive integers")


def check_pixels(pixels) -> None:
    """Raise TypeError for anything but uint8 (H, W, C): floats would be cut, one row of a grey image taken for many."""
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.size == 0:
        what = getattr(pixels, "dtype", type(pixels).__name__)
        raise TypeError(f"pixels is {what} {getattr(pixels, 'shape', '')}; expected uint8 (H, W, C), not empty")


def _check_image(image) -> None:
    if not hasattr(image, "box"):
        raise TypeError(f"image is a {type(image).__name__}; expected what `decode.open_image` returns")


def sample_box(height: int, width: int, rng, min_area: float = 0.05, max_area: float = 1.0):
    """A random box (top, left, height, width) inside an image of this height and width.

    Each attempt draws width / height uniformly from 0.75 ... 1.33, then the height, a whole number, uniformly between
    the heights at which the box would have min_area and max_area of the image (cut to what fits), then the place.  It
    counts if the rounded box still has an allowed area.  After 100 attempts: the whole image.
    """
    _check_size((height, width), "(height, width)")
    check_draws(rng)
    in_order = is_real(min_area) and is_real(max_area) and 0 < min_area <= max_area <= 1
    require(in_order, "(min_area, max_area)", (min_area, max_area), "two numbers in (0, 1], the smaller first")
    smallest, largest = min_area * height * width, max_area * height * width
    for _ in range(ATTEMPTS):
        for_aspect, for_height, for_top, for_left = rng.random(4).tolist()
        aspect = ASPECT[0] + for_aspect * (ASPECT[1] - ASPECT[0])
        low, high = round(math.sqrt(smallest / aspect)), round(math.sqrt(largest / aspect))
        if round(high * aspect) > width:
            high = int((width + 0.5 - 1e-7) / aspect)
        high = min(high, height)
        low = min(low, high)
        h = low + int(for_height * (high - low + 1))
        w = round(h * aspect)
        if h * w < smallest:  # rounding alone should not spoil an attempt
            h, w = h + 1, round((h + 1) * aspect)
        if h * w > largest:
            h, w = h - 1, round((h - 1) * aspect)
        if smallest <= h * w <= largest and 0 < h <= height and 0 < w <= width:
            # The last possible offset is never drawn: so it is in TensorFlow.
            return int(for_top * (height - h)), int(for_left * (width - w)), h, w
    return 0, 0, height, width


def inception_crop(image, size, rng, min_area: float = 0.05, exact: bool = True) -> np.ndarray:
    """A random box of the image, resized to `size`.

    exact=False: a box at least twice as large as `size` both ways is decoded at 1/2, 1/4 or 1/8.  That is quicker for
    large JPEGs, and smoother: `bilinear` leaves out pixels there, decoding at a lower scale averages them.
    """
    _check_image(image)
    _check_size(size)
    top, left, height, width = sample_box(image.height, image.width, rng, min_area)
    factor = 1
    while not exact and factor < 8 and height >= 2 * factor * size[0] and width >= 2 * factor * size[1]:
        factor *= 2
    return resize(image.box(top, left, height, width, factor), size)


def resize_small_and_crop(image, small: int, size) -> np.ndarray:
    """The shorter side to `small` pixels by area means, the aspect kept, then `size` pixels out of the middle."""
    _check_image(image)
    _check_size(size)
    require(is_size(small), "small", small, "a positive integer")
    pixels = image.box(0, 0, image.height, image.width)
    # float32 and halves to even, as the authors': another size would shift every pixel
    factor = np.float32(small) / np.float32(min(image.height, image.width))
    rows, columns = (int(np.round(np.float32(n) * factor)) for n in (image.height, image.width))
    fits = rows >= size[0] and columns >= size[1]
    require(fits, "size", tuple(size), f"inside of the {rows} x {columns} pixels that small={small} makes")
    top, left = (rows - size[0]) // 2, (columns - size[1]) // 2
    if opencv() is not None and rows <= image.height and columns <= image.width:
        # OpenCV's "area" is the mean only where it shrinks
        return _by_opencv(pixels, (rows, columns), "INTER_AREA")[top : top + size[0], left : left + size[1]]
    return area(pixels, (rows, columns), (top, left, *size))


def resize(pixels: np.ndarray, size) -> np.ndarray:
    """`bilinear`, by OpenCV where it is installed."""
    check_pixels(pixels)
    _check_size(size)
    if pixels.shape[:2] == tuple(size):
        return pixels
    return bilinear(pixels, size) if opencv() is None else _by_opencv(pixels, size, "INTER_LINEAR")


def _by_opencv(pixels, size, method) -> np.ndarray:
    """In float32: OpenCV's resize of bytes rounds, and to 11 bits in between."""
    cv2, C = opencv(), pixels.shape[2]
    floats, resized = scratch("floats", pixels.shape, np.float32), scratch("resized", (*size, C), np.float32)
    np.copyto(floats, pixels)
    cv2.resize(floats, (size[1], size[0]), dst=resized, interpolation=getattr(cv2, method))
    return _whole(resized)


def bilinear(pixels: np.ndarray, size) -> np.ndarray:
    """(H, W, C) uint8  ->  (*size, C) uint8: between the nearest pixels, with no smoothing, then cut to whole numbers.

    Output pixel i has its centre at (i + 1/2) H / rows - 1/2 of the input, and lies between the pixels before and
    after.  When an image is shrunk, pixels further away have no say (antialias=False): so the weights were trained.
    """
    check_pixels(pixels)
    _check_size(size)
    (above, below, down), (before, after, across) = map(_neighbours, pixels.shape[:2], size)
    planes = scratch("planes", (pixels.shape[2], *pixels.shape[:2]), np.uint8)  # (C, H, W): quicker to pick from
    np.copyto(planes, pixels.transpose(2, 0, 1))
    x = _between(planes, 2, before, after, across)  # (C, H, columns)
    x = _between(x, 1, above, below, down[:, None])  # (C, rows, columns)
    return _whole(x).transpose(1, 2, 0)


def _between(x, axis, before, after, share):
    """before + share (after - before) along one axis: in float32, in memory that is used again."""
    shape = [*x.shape]
    shape[axis] = len(before)
    a, b = (scratch(f"{name}{axis}", shape, x.dtype) for name in ("before", "after"))
    np.take(x, before, axis, out=a, mode="clip")  # "clip" writes into `out` directly
    np.take(x, after, axis, out=b, mode="clip")
    y = np.subtract(b, a, out=scratch(f"between{axis}", shape, np.float32), dtype=np.float32)
    y *= share
    y += a
    return y


def _neighbours(old: int, new: int):
    """Of each of `new` output pixels: the input pixels before and after, and how far it is from the one before."""
    at = (np.arange(new) + 0.5) * (old / new) - 0.5
    before = np.floor(at)
    share = (at - before).astype(np.float32)
    return np.maximum(before, 0).astype(np.intp), np.minimum(before + 1, old - 1).astype(np.intp), share


def area(pixels: np.ndarray, size, box=None) -> np.ndarray:
    """(H, W, C) uint8  ->  (*size, C) uint8: the mean over the part of the input that an output pixel covers.

    Output row i covers the input rows from i H / rows to (i + 1) H / rows, the first and last of them in part.
    box = (top, left, height, width): only this part of the result, at its own cost: of an image of 60000 x 1 pixels
    the whole result has 4 billion.  Rows and columns each are one matrix product.
    """
    check_pixels(pixels)
    _check_size(size)
    box = (0, 0, *size) if box is None else box
    four = isinstance(box, tuple | list) and len(box) == 4 and all(is_integer(n, 0) for n in box)
    inside = four and 0 < box[2] <= size[0] - box[0] and 0 < box[3] <= size[1] - box[1]
    require(inside, "box", box, f"(top, left, height, width) inside of size={tuple(size)}")
    top, left, height, width = box
    above, down = _covered(pixels.shape[0], size[0], top, height)  # (height, H'), H' rows from `above` on
    before, across = _covered(pixels.shape[1], size[1], left, width)  # (width, W')
    pixels = pixels[above : above + down.shape[1], before : before + across.shape[1]]
    H, W, C = pixels.shape
    rows = (down @ pixels.reshape(H, W * C).astype(np.float32)).reshape(height, W, C)
    return _whole(across @ rows)  # (height, width, C)


def _covered(old: int, new: int, first: int, count: int):
    """Of `count` output pixels from `first` on: the first input pixel that they cover, and their shares (count, n) in
    the n input pixels from there on.
    """
    edges = np.arange(first, first + count + 1) * (old / new)
    start, stop = int(edges[0]), min(old, math.ceil(edges[-1]))
    inside = np.arange(start, stop)
    left, right = np.maximum.outer(edges[:-1], inside), np.minimum.outer(edges[1:], inside + 1)
    return start, (np.maximum(right - left, 0) * (new / old)).astype(np.float32)


def _whole(values: np.ndarray) -> np.ndarray:
    """Floats 0 ... 255 cut to uint8, as the authors'."""
    values += np.float32(ROUNDING)
    return values.astype(np.uint8)
