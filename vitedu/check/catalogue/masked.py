"""Exercises of notebooks/14_pretraining.ipynb: what masked patch prediction has to guess."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise

__all__ = ["mean_color"]

# (B, H, W, P): the grid is not square, so that a wrong axis cannot hide.
_SIZES = [(1, 4, 6, 2), (2, 6, 15, 3), (3, 20, 8, 4)]


def _cases(rng):
    """Bytes; every patch has colours of its own, some of them just below a border, and one patch is white."""
    cases = []
    for B, H, W, P in _SIZES:
        base = rng.integers(0, 8, (B, 3, H // P, W // P)) * 32 + rng.choice([0, 16, 31, 32], (B, 3, H // P, W // P))
        images = np.kron(base, np.ones((P, P), int)) + rng.integers(-40, 41, (B, 3, H, W))
        images[0, :, :P, :P] = 255
        images[0, :, :P, P : 2 * P] = [[[33]], [[64]], [[159]]]
        images[0, :2, 0, P] -= [2, 1]  # the mean of the second channel: a little less than 64
        cases.append((np.clip(images, 0, 255).astype(np.uint8), P))
    return cases


@exercise(cases=_cases, outputs={"colors": "(B, N)"}, level=2, minutes=20)
def mean_color(images, patch_size):
    B, C, H, W = images.shape
    P = patch_size
    grid = images.reshape(B, C, H // P, P, W // P, P)  # the cut
    mean = grid.mean(axis=(3, 5)).reshape(B, C, -1).swapaxes(1, 2)  # the mean colours (B, N, C)
    level = np.floor(mean / 32)  # the levels
    return (level * np.array([64, 8, 1])).sum(axis=-1)  # the numbers of the colours


_EACH = "How many of the 256 grey values does each of your levels cover?"
mean_color.slip(
    "every P-th pixel is taken into a mean, not P x P pixels that stand together",
    "Cut a row of 6 pixels into patches of 2: which pixels belong to patch 0?",
    grid="images.reshape(B, C, P, H // P, P, W // P).transpose(0, 1, 3, 2, 5, 4)",
)
mean_color.slip(
    "the pixels are rounded to 3 bits first, and the mean is taken after",
    "Which comes first in `mean, 3-bit colour`: averaging, or rounding?",
    grid="(images // 32).reshape(B, C, H // P, P, W // P, P)",
    level="np.floor(mean)",
)
mean_color.slip(
    "the levels are rounded to the nearest instead of down",
    "Eight levels cover the grey values 0 to 255 evenly. To which level does 31 belong?",
    level="np.minimum(np.round(mean / 32), 7)",
)
mean_color.slip(
    "0 to 255 is mapped on 0 to 7, so that the first and the last level are half as wide",
    _EACH,
    level="np.round(mean * 7 / 255)",
)
mean_color.slip(
    "0 to 255 is mapped on 0 to 7 and rounded down, so that only pure white reaches level 7",
    _EACH,
    level="np.floor(mean * 7 / 255)",
)
mean_color.slip(
    "the range is divided by 255 where there are 256 grey values: a white patch falls out of the 8 levels",
    "A byte has 256 values. How many belong to each of 8 levels, and to which does 255 go?",
    level="np.floor(mean * 8 / 255)",
)
mean_color.slip(
    "the range is divided by 255 where there are 256 grey values",
    "A byte has 256 values. How many belong to each of 8 levels?",
    level="np.minimum(np.floor(mean * 8 / 255), 7)",
)
mean_color.slip(
    "three levels per channel instead of 3 bits",
    "How many levels can be told apart with 3 bits? And how many colours are that in all?",
    level="np.floor(mean * 3 / 256)",
    result="(level * np.array([9, 3, 1])).sum(axis=-1)",
)
mean_color.slip(
    "blue counts 64 and red 1: the channels are put together in the wrong order",
    "All colours are there, under other numbers. Which channel is the leading digit?",
    result="(level * np.array([1, 8, 64])).sum(axis=-1)",
)
mean_color.slip(
    "the levels are added up, so that many colours share one number",
    "Red alone and blue alone should be different classes. How does a number with three digits to base 8 read?",
    result="level.sum(axis=-1)",
)
mean_color.slip(
    "the mean is taken over the channels too: a grey value, 8 classes",
    "Over which axes is the mean? A colour has three numbers.",
    result="np.floor(mean.mean(axis=-1) / 32)",
)
mean_color.slip(
    "the colour number is kept in eight bits and wraps around at 256",
    "How large is the largest colour number, and how large the largest number of its data type?",
    result="(level * np.array([64, 8, 1])).sum(axis=-1) % 256",
)
mean_color.slip(
    "the patches run down the columns of the grid",
    "After patch 0 comes its neighbour: to the right, or below?",
    mean="grid.mean(axis=(3, 5)).swapaxes(2, 3).reshape(B, C, -1).swapaxes(1, 2)",
)
mean_color.slip(
    "a reshape alone: the patches are stripes of rows",
    "Neighbours in memory are neighbours in a row. Which pixels does your first patch hold?",
    mean="images.reshape(B, -1, C, P * P).mean(axis=-1)",
)
