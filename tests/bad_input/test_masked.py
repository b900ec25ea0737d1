"""Masked patch prediction: what does not fit is refused before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest
import rooms

from vitedu_numpy import ViTConfig

CONFIG = ViTConfig(image_size=4, patch_size=2, width=6, depth=1, heads=3, mlp_dim=7, num_classes=4)
GOOD = np.array([[0, 2], [1, 3]])


@pytest.fixture
def masked(package):
    """The module of either package."""
    return rooms.load(package, "masked")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([np.random.default_rng(0)], 1), ValueError, ("num_patches=1", "at least 2")),
        (([np.random.default_rng(0)], 4, 0), ValueError, ("rate=0", "(0, 1]")),
        (([np.random.default_rng(0)], 4, 50), ValueError, ("rate=50", "(0, 1]")),
        (([np.random.default_rng(0)], 4, float("nan")), ValueError, ("rate=nan", "(0, 1]")),
        ((np.random.default_rng(0), 4), TypeError, ("rngs", "one per image")),
    ],
)
def test_draws(masked, arguments, error, words, refused):
    with refused(error, *words):
        masked.choose_corruption(*arguments)


@pytest.mark.parametrize(
    ("patches", "sources", "error", "words"),
    [
        (GOOD / 1, GOOD, TypeError, ("corruption.patches", "float64", "0..3")),
        (GOOD, GOOD > 0, TypeError, ("corruption.sources", "bool", "0..4")),
        (GOOD[:1], GOOD[:1], ValueError, ("corruption.patches", "(1, 2)", "B=2")),
        (GOOD[0], GOOD, ValueError, ("corruption.patches", "(2,)", "(B, m)")),
        (GOOD, GOOD[:, :1], ValueError, ("corruption.sources", "(2, 1)", "(B, m)")),
        (GOOD + 1, GOOD, ValueError, ("corruption.patches", "1 to 4", "0..3")),
        (GOOD, GOOD + 2, ValueError, ("corruption.sources", "2 to 5", "0..4")),
        (GOOD, GOOD - 1, ValueError, ("corruption.sources", "-1 to 2", "0..4")),
        (GOOD[:, ::-1], GOOD, ValueError, ("corruption.patches", "rise")),
        (GOOD * 0, GOOD, ValueError, ("corruption.patches", "every patch once")),
    ],
)
def test_a_corruption_that_does_not_fit(masked, array, patches, sources, error, words, refused):
    corruption = masked.Corruption(array(patches.copy()), array(sources.copy()))
    images = array(np.zeros((2, 3, 4, 4), np.float32))
    with refused(error, *words):
        masked.MaskedPatchViT(CONFIG, 0)(images, corruption)
    with refused(error, *words):
        masked.masked_target(images, corruption, 2)


@pytest.mark.parametrize("name", ["mean_color_target", "downsized_target", "patch_target"])
@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (np.zeros((1, 3, 8, 8), np.int64), TypeError, ("images", "int64", "uint8", "[-1, 1]")),
        (np.zeros((3, 8, 8), np.uint8), ValueError, ("images", "(3, 8, 8)", "(B, C, H, W)")),
        (np.zeros((1, 3, 8, 9), np.uint8), ValueError, ("8 x 9", "multiple")),
    ],
)
def test_images(masked, array, name, images, error, words, refused):
    with refused(error, *words):
        getattr(masked, name)(array(images), 4 if name != "mean_color_target" else 2)


@pytest.mark.parametrize("value", [-1.1, 2.5, np.nan, np.inf])
def test_colours_of_floats_outside_the_range(masked, array, value, refused):
    """Images standardised with ImageNet's mean and deviation, for example, have other colours."""
    images = np.zeros((1, 3, 4, 4))
    images[0, 1, 2, 3] = value
    with refused(ValueError, "images", "[-1, 1]"):
        masked.mean_color_target(array(images), 2)


def test_target(masked, array, refused):
    with refused(ValueError, "target='colour'", "mean_color", "downsized", "l2"):
        masked.MaskedPatchViT(CONFIG, 0, "colour")
    with refused(ValueError, "patch_size=2", "multiple of 4"):
        masked.MaskedPatchViT(CONFIG, 0, "downsized")
    with refused(ValueError, "patch_size=14", "multiple of 4"):
        masked.downsized_target(array(np.zeros((1, 3, 28, 28), np.uint8)), 14)
    with refused(ValueError, "target='colour'", "mean_color"):
        masked.masked_target(array(np.zeros((2, 3, 4, 4), np.uint8)), (array(GOOD), array(GOOD)), 2, "colour")


@pytest.mark.parametrize("function", ["masked_patch_loss", "masked_patch_accuracy"])
@pytest.mark.parametrize(
    ("predictions", "targets"),
    [
        (np.zeros((2, 3, 8)), np.zeros((2, 4), np.int64)),
        (np.zeros((6, 8)), np.zeros((2, 3), np.int64)),
        (np.zeros((2, 3, 8)), np.zeros((2, 3, 16), np.int64)),
        (np.zeros((2, 3, 8)), np.zeros((2, 3, 12))),
    ],
)
def test_predictions(masked, array, function, predictions, targets, refused):
    with refused(ValueError, "predictions", str(predictions.shape), str(targets.shape)):
        getattr(masked, function)(array(predictions), array(targets))


def test_reduction(masked, array, refused):
    with refused(ValueError, "reduction='sum'", "'mean'", "'none'"):
        masked.masked_patch_loss(array(np.zeros((2, 3, 8))), array(np.zeros((2, 3), np.int64)), "sum")
