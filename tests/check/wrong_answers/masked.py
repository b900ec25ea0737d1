"""Wrong answers to the exercises of notebooks/14_pretraining.ipynb: what masked patch prediction has to guess."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.models.masked import mean_color_target as _np_mean_color_target

from . import FirstGeneration

__all__ = ["mean_color"]


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


mean_color = FirstGeneration(
    _np_mean_color_target,
    [
        (
            "the pixels are rounded to 3 bits first, and the mean is taken after",
            lambda images, P: _joined(np.floor(_means(images // 32, P))),
        ),
        (
            "the levels are rounded to the nearest instead of down",
            _from_means(lambda mean: np.minimum(np.round(mean / 32), 7)),
        ),
        (
            "0 to 255 is mapped on 0 to 7, so that the first and the last level are half as wide",
            _from_means(lambda mean: np.round(mean * 7 / 255)),
        ),
        (
            "0 to 255 is mapped on 0 to 7 and rounded down, so that only pure white reaches level 7",
            _from_means(lambda mean: np.floor(mean * 7 / 255)),
        ),
        (
            "the range is divided by 255 where there are 256 grey values: a white patch falls out of the 8 levels",
            _from_means(lambda mean: np.floor(mean * 8 / 255)),
        ),
        (
            "the range is divided by 255 where there are 256 grey values",
            _from_means(lambda mean: np.minimum(np.floor(mean * 8 / 255), 7)),
        ),
        ("three levels per channel instead of 3 bits", _from_means(lambda mean: mean * 3 // 256, (9, 3, 1))),
        (
            "blue counts 64 and red 1: the channels are put together in the wrong order",
            _from_means(lambda mean: mean // 32, (1, 8, 64)),
        ),
        (
            "the levels are added up, so that many colours share one number",
            _from_means(lambda mean: mean // 32, (1, 1, 1)),
        ),
        (
            "the mean is taken over the channels too: a grey value, 8 classes",
            lambda images, P: _means(images, P).mean(axis=-1) // 32,
        ),
        (
            "the colour number is kept in eight bits and wraps around at 256",
            lambda images, P: _joined(_means(images, P) // 32) % 256,
        ),
        ("the patches run down the columns of the grid", _columns_first),
        ("a reshape alone: the patches are stripes of rows", _reshape_alone),
    ],
)
