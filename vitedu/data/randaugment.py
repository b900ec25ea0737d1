"""RandAugment: a few random changes of colour or place, all of one strength.  Taught in notebooks/14_pretraining.ipynb.

Source: Cubuk et al. 2020 (arXiv:1909.13719), with the list of operations and the strengths of the authors' code for the
AugReg recipes (big_vision), which is that of EfficientNet.  The definitions of AutoContrast, Equalize, Color, Contrast,
Brightness and Sharpness are Pillow's, cut to whole numbers as there.

Every operation takes and returns (H, W, C) uint8.  Shares (`translate`, `cutout`) are of the image's side: the authors'
100 and 40 pixels at 224.
"""

from __future__ import annotations

import math

import numpy as np

from vitedu_numpy.extras import naming_extras
from vitedu_numpy.validate import is_count, is_number, require

from .crops import check_draws, check_pixels

__all__ = ["OPERATIONS", "RandAugment"]

GREY = 128  # what empty places are filled with


class RandAugment:
    """`layers` operations, one after the other, each drawn from the sixteen.     magnitude: strength, usually 0 ... 30

    At 10 most operations are at the end of their usual range: 30 degrees, shear 0.3, factors 1.9, 4 bits.  0 is not
    "nothing": factors are 0.1, no bit is left, everything is solarised.  The strength itself is not random; the sign of
    a rotation, shear or shift is.
    """

    def __init__(self, layers: int, magnitude: float):
        require(is_count(layers, 0), "layers", layers, "an integer >= 0")
        require(is_number(magnitude) and 0 <= magnitude <= 30, "magnitude", magnitude, "from 0 to 30")
        self.layers, self.magnitude = layers, magnitude

    def __call__(self, pixels: np.ndarray, rng) -> np.ndarray:
        check_pixels(pixels)
        check_draws(rng)
        for _ in range(self.layers):
            operation = OPERATIONS[NAMES[rng.integers(len(NAMES))]]
            pixels = operation(pixels, self.magnitude / 10, rng)
        return pixels


def _checked(operation):
    """The operation, which refuses what is no image, no strength or no generator: all of them would cut or wrap it."""

    def checked(x, m, rng):
        check_pixels(x)
        require(is_number(m) and 0 <= m <= 3, "m", m, "a number from 0 to 3")
        check_draws(rng)
        return operation(x, m, rng)

    return checked


# Each line: what strength m (magnitude / 10) means.  Draws come from rng, in the order of the text.
_OPERATIONS = {
    "AutoContrast": lambda x, m, rng: autocontrast(x),
    "Equalize": lambda x, m, rng: equalize(x),
    "Invert": lambda x, m, rng: 255 - x,
    "Rotate": lambda x, m, rng: rotate(x, _sign(rng) * 30 * m),
    "Posterize": lambda x, m, rng: posterize(x, int(4 * m)),
    "Solarize": lambda x, m, rng: solarize(x, int(256 * m)),
    "Color": lambda x, m, rng: color(x, 1.8 * m + 0.1),
    "Contrast": lambda x, m, rng: contrast(x, 1.8 * m + 0.1),
    "Brightness": lambda x, m, rng: brightness(x, 1.8 * m + 0.1),
    "Sharpness": lambda x, m, rng: sharpness(x, 1.8 * m + 0.1),
    "ShearX": lambda x, m, rng: shear_x(x, _sign(rng) * 0.3 * m),
    "ShearY": lambda x, m, rng: shear_y(x, _sign(rng) * 0.3 * m),
    "TranslateX": lambda x, m, rng: translate(x, 0, _sign(rng) * m * 100 / 224 * x.shape[1]),
    "TranslateY": lambda x, m, rng: translate(x, _sign(rng) * m * 100 / 224 * x.shape[0], 0),
    "Cutout": lambda x, m, rng: cutout(x, *_anywhere(x, rng), int(40 * m / 224 * min(x.shape[:2]))),
    "SolarizeAdd": lambda x, m, rng: solarize_add(x, int(110 * m)),
}
OPERATIONS = {name: _checked(operation) for name, operation in _OPERATIONS.items()}
NAMES = tuple(OPERATIONS)


def _sign(rng) -> int:
    return 1 if rng.random() < 0.5 else -1


def _anywhere(x, rng) -> tuple[int, int]:
    return int(rng.integers(x.shape[0])), int(rng.integers(x.shape[1]))


def blend(other, x, factor: float):
    """other + factor (x - other): 0 gives other, 1 gives x, more leads away from other.  Cut to 0 ... 255."""
    if factor == 1:
        return x
    other = np.asarray(other, np.float32)
    return np.clip(other + np.float32(factor) * (x - other), 0, 255).astype(np.uint8)


def grey(x):
    """(H, W, C)  ->  (H, W, 1): the luma 0.299 R + 0.587 G + 0.114 B; a grey image as it is."""
    if x.shape[2] == 1:
        return x
    return np.round(x @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.uint8)[:, :, None]


def color(x, factor: float):
    """Away from (factor > 1) or towards (< 1) the grey image."""
    return blend(grey(x), x, factor)


def contrast(x, factor: float):
    """Away from or towards the image's mean grey."""
    return blend(int(grey(x).mean() + 0.5), x, factor)


def brightness(x, factor: float):
    """Away from or towards black."""
    return blend(0, x, factor)


def sharpness(x, factor: float):
    """Away from or towards a smoothed image: weights 1 around 5, over 13.  The border stays as it is."""
    H, W, _ = x.shape
    if min(H, W) < 3:
        return x
    whole = x.astype(np.float32)
    three = whole[:-2] + whole[1:-1] + whole[2:]  # sums over three rows
    nine = three[:, :-2] + three[:, 1:-1] + three[:, 2:]  # (H - 2, W - 2, C)
    smooth = x.copy()
    smooth[1:-1, 1:-1] = ((nine + 4 * whole[1:-1, 1:-1]) / 13).astype(np.uint8)
    return blend(smooth, x, factor)


def posterize(x, bits: int):
    """Only the highest `bits` bits of each value stay."""
    lost = 8 - min(bits, 8)
    return x >> lost << lost if lost < 8 else np.zeros_like(x)


def solarize(x, threshold: int):
    """Values of at least the threshold are inverted; 256 and more: none."""
    return np.where(x.astype(np.int16) < threshold, x, 255 - x)


def solarize_add(x, addition: int):
    """Values below 128 are made brighter."""
    return np.where(x < 128, np.minimum(x.astype(np.int16) + addition, 255), x).astype(np.uint8)


def autocontrast(x):
    """Each channel stretched so that its darkest value is 0 and its brightest 255."""
    low, high = (f(x, axis=(0, 1), keepdims=True).astype(np.float32) for f in (np.min, np.max))  # (1, 1, C)
    span = np.where(high > low, high - low, 255)
    # A hair more before cutting: 255 may have come out as 254.99998.
    stretched = ((x - low) * (255 / span) + np.float32(1e-3)).astype(np.uint8)
    return np.where(high > low, stretched, x)


def equalize(x):
    """Each channel's values respread so that all grey levels are about equally frequent.

    With `step` = (pixels not of the brightest value) / 255, the value v becomes (pixels darker than v + step / 2) /
    step, all in whole numbers.  A channel with step 0 stays as it is.
    """
    out = np.empty_like(x)
    for c in range(x.shape[2]):
        counts = np.bincount(x[:, :, c].ravel(), minlength=256)
        step = (counts.sum() - counts[np.flatnonzero(counts)[-1]]) // 255
        if step == 0:
            out[:, :, c] = x[:, :, c]
            continue
        darker = np.cumsum(counts) - counts
        out[:, :, c] = np.minimum((darker + step // 2) // step, 255).astype(np.uint8)[x[:, :, c]]
    return out


def cutout(x, row: int, column: int, half: int):
    """A grey square of 2 `half` pixels around (row, column), as far as it lies in the image."""
    out = x.copy()
    out[max(row - half, 0) : row + half, max(column - half, 0) : column + half] = GREY
    return out


def rotate(pixels, degrees: float):
    """About the middle; counter-clockwise for positive degrees."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    y, x = pixels.shape[0] / 2, pixels.shape[1] / 2  # stays where it is
    return _affine(pixels, cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y)


def shear_x(x, share: float):
    """Row y moves by share * y pixels to the left."""
    return _affine(x, 1, share, 0, 0, 1, 0)


def shear_y(x, share: float):
    """Column x moves by share * x pixels up."""
    return _affine(x, 1, 0, 0, share, 1, 0)


def translate(x, rows: float, columns: float):
    """Up and to the left, by whole pixels."""
    return _affine(x, 1, 0, round(columns), 0, 1, round(rows))


@naming_extras()
def _affine(x, *matrix):
    """The pixel at (a x + b y + c, d x + e y + f), the nearest one, comes to (x, y); grey where there is none."""
    from PIL import Image

    image = Image.fromarray(x if x.shape[2] == 3 else np.ascontiguousarray(x[:, :, 0]))
    fill = (GREY,) * 3 if x.shape[2] == 3 else GREY
    moved = image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=fill)
    return np.asarray(moved).reshape(x.shape)
