"""Checks for the exercises of notebooks/14_pretraining.ipynb: what masked patch prediction has to guess."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.models.masked import mean_color_target as _np_mean_color_target

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


def _means(images, P):
    """Mean colours (B, N, C), exact."""
    B, C, H, W = images.shape
    return images.reshape(B, C, H // P, P, W // P, P).mean(axis=(3, 5)).reshape(B, C, -1).swapaxes(1, 2)


def _joined(levels, places=(64, 8, 1)):
    return (np.asarray(levels, np.int64) * places).sum(axis=-1)


def _from_means(level, places=(64, 8, 1)):
    """An answer that goes wrong after the mean."""
    return lambda images, P: _joined(level(_means(images, P)), places)


def _columns_first(images, P):
    return _np_mean_color_target(images.swapaxes(2, 3), P)


def _reshape_alone(images, P):
    B, C, H, W = images.shape
    patches = images.reshape(B, (H // P) * (W // P), C, P * P)
    return _joined(patches.mean(axis=-1) // 32)


mean_color = Check(
    "mean_color",
    reference=_np_mean_color_target,
    cases=_cases,
    outputs={"colors": "(B, N)"},
    mistakes=[
        Mistake(
            "the pixels are rounded to 3 bits first, and the mean is taken after",
            "Which comes first in `mean, 3-bit colour`: averaging, or rounding?",
            lambda images, P: _joined(np.floor(_means(images // 32, P))),
        ),
        Mistake(
            "the levels are rounded to the nearest instead of down",
            "Eight levels cover the grey values 0 to 255 evenly. To which level does 31 belong?",
            _from_means(lambda mean: np.minimum(np.round(mean / 32), 7)),
        ),
        Mistake(
            "0 to 255 is mapped on 0 to 7, so that the first and the last level are half as wide",
            "How many of the 256 grey values does each of your levels cover?",
            _from_means(lambda mean: np.round(mean * 7 / 255)),
        ),
        Mistake(
            "0 to 255 is mapped on 0 to 7 and rounded down, so that only pure white reaches level 7",
            "How many of the 256 grey values does each of your levels cover?",
            _from_means(lambda mean: np.floor(mean * 7 / 255)),
        ),
        Mistake(
            "the range is divided by 255 where there are 256 grey values: a white patch falls out of the 8 levels",
            "A byte has 256 values. How many belong to each of 8 levels, and to which does 255 go?",
            _from_means(lambda mean: np.floor(mean * 8 / 255)),
        ),
        Mistake(
            "the range is divided by 255 where there are 256 grey values",
            "A byte has 256 values. How many belong to each of 8 levels?",
            _from_means(lambda mean: np.minimum(np.floor(mean * 8 / 255), 7)),
        ),
        Mistake(
            "three levels per channel instead of 3 bits",
            "How many levels can be told apart with 3 bits? And how many colours are that in all?",
            _from_means(lambda mean: mean * 3 // 256, (9, 3, 1)),
        ),
        Mistake(
            "blue counts 64 and red 1: the channels are put together in the wrong order",
            "All colours are there, under other numbers. Which channel is the leading digit?",
            _from_means(lambda mean: mean // 32, (1, 8, 64)),
        ),
        Mistake(
            "the levels are added up, so that many colours share one number",
            "Red alone and blue alone should be different classes. How does a number with three digits to base 8 read?",
            _from_means(lambda mean: mean // 32, (1, 1, 1)),
        ),
        Mistake(
            "the mean is taken over the channels too: a grey value, 8 classes",
            "Over which axes is the mean? A colour has three numbers.",
            lambda images, P: _means(images, P).mean(axis=-1) // 32,
        ),
        Mistake(
            "the colour number is kept in eight bits and wraps around at 256",
            "How large is the largest colour number, and how large the largest number of its data type?",
            lambda images, P: _joined(_means(images, P) // 32) % 256,
        ),
        Mistake(
            "the patches run down the columns of the grid",
            "After patch 0 comes its neighbour: to the right, or below?",
            _columns_first,
        ),
        Mistake(
            "a reshape alone: the patches are stripes of rows",
            "Neighbours in memory are neighbours in a row. Which pixels does your first patch hold?",
            _reshape_alone,
        ),
    ],
)
