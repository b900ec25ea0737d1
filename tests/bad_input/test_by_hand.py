"""Parts that a model or a loader calls rightly, called by hand: a layer with other tokens, a crop with no image."""

from __future__ import annotations

import io

import numpy as np
import pytest
import rooms
import torch
from PIL import Image

import vitedu_numpy
from vitedu.data import crops, mixup, randaugment, transforms
from vitedu.data.decode import open_image

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 9, 3), np.uint8)


@pytest.fixture
def layers(package):
    """layers(file, name, *arguments): a layer of either package."""
    rng = [np.random.default_rng(0)] if package is vitedu_numpy else []
    return lambda file, name, *given, random=True: getattr(rooms.load(package.__name__, file), name)(
        *given, *(rng if random else [])
    )


def test_tokens_that_a_position_embedding_does_not_have(layers, array, refused):
    """One token, or a width of 1, would have been repeated: a right shape, and other numbers than anybody meant."""
    for layer, texts in (
        (layers("patches", "PositionEmbedding", 5, 8), ("PositionEmbedding", "E_pos (5, 8)")),
        (layers("positions", "PositionEmbedding2D", (2, 2), 8, True), ("E_x (2, 4), E_y (2, 4), E_class (1, 8)",)),
        (layers("positions", "SinCosPosition2D", (2, 2), 8, True, random=False), ("SinCosPosition2D", "table (5, 8)")),
    ):
        assert layer(array(np.ones((2, 5, 8)))).shape == (2, 5, 8)
        for shape in ((2, 4, 8), (2, 1, 8), (2, 5, 1), (2, 5, 9)):
            with refused(ValueError, f"x has shape {shape}", "expected one that fits", *texts):
                layer(array(np.ones(shape)))


def test_a_width_that_the_class_token_does_not_have(layers, array, refused):
    layer = layers("patches", "ClassToken", 8, random=False)
    assert layer(array(np.ones((2, 4, 8), np.float32))).shape == (2, 5, 8)
    with refused(ValueError, "x has shape (2, 4, 9)", "x_class (8,)"):
        layer(array(np.ones((2, 4, 9), np.float32)))


def test_distances_that_nothing_was_learned_for(layers, array, refused):
    scores = rooms.load(layers("patches", "ClassToken", 8, random=False).__module__.partition(".")[0], "positions")
    for tokens, rows in ((6, 9), (3, 8)):  # S = 5; an even number is of no S
        with refused(ValueError, f"R=({rows}, 4)", f"S of {tokens} tokens or more"):
            scores.relative_scores(array(np.ones((1, 2, tokens, 4))), array(np.ones((rows, 4))))


# ---- helpers of the loader -------------------------------------------------------------------------------------------

FILE = io.BytesIO()
Image.fromarray(PIXELS).save(FILE, "PNG")
IMAGE = open_image(FILE.getvalue())
SHAPE = (3, 8, 8)
BYTES = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
CALLS = {
    "a text": (lambda: open_image("photo.jpg"), TypeError, "data is the text 'photo.jpg'"),
    "a number": (lambda: open_image(5), TypeError, "data is of type int"),
    "floats": (lambda: transforms.Square(SHAPE)(PIXELS / 255), ValueError, "data is float64 (12, 9, 3)"),
    "floats of the right size": (lambda: transforms.PadCrop((3, 12, 9), 1)(PIXELS / 255, RNG), ValueError, "data is f"),
    "no axis of colours": (lambda: transforms.CentralCrop(SHAPE, 8)(PIXELS[..., 0]), ValueError, "data is uint8"),
    "four colours": (lambda: transforms.Square(SHAPE)(np.zeros((9, 9, 4), np.uint8)), ValueError, "4 channels"),
    "no generator": (lambda: transforms.InceptionCrop(SHAPE)(PIXELS, None), TypeError, "rng is a NoneType"),
    "a seed": (lambda: transforms.PadCrop(SHAPE, 1)(PIXELS, 7), TypeError, "rng is a int"),
    "a flip without one": (lambda: transforms.Square(SHAPE, flip=True)(PIXELS), TypeError, "rng is a NoneType"),
    "a crop without one": (lambda: transforms.ResizeCrop(SHAPE, 9)(PIXELS, "x"), TypeError, "rng is a str"),
    "RandAugment, floats": (lambda: randaugment.RandAugment(2, 9)(PIXELS / 255, RNG), TypeError, "pixels is float64"),
    "RandAugment, no rng": (lambda: randaugment.RandAugment(2, 9)(PIXELS, None), TypeError, "rng is a NoneType"),
    "colours, floats": (lambda: randaugment.OPERATIONS["Invert"](PIXELS / 255, 1, RNG), TypeError, "pixels is float64"),
    "colours, strength": (lambda: randaugment.OPERATIONS["Color"](PIXELS, -1, RNG), ValueError, "m=-1"),
    "box, sides": (lambda: crops.sample_box(0, 9, RNG), ValueError, "(height, width)=(0, 9)"),
    "box, area": (lambda: crops.sample_box(9, 9, RNG, 0.9, 0.1), ValueError, "(min_area, max_area)=(0.9, 0.1)"),
    "crop, size": (lambda: crops.inception_crop(IMAGE, 8, RNG), ValueError, "size=8"),
    "crop, pixels": (lambda: crops.inception_crop(PIXELS, (8, 8), RNG), TypeError, "image is a ndarray"),
    "middle, size": (lambda: crops.resize_small_and_crop(IMAGE, 4, (8, 8)), ValueError, "size=(8, 8)"),
    "resize, floats": (lambda: crops.resize(PIXELS / 255, (4, 4)), TypeError, "pixels is float64"),
    "resize, size": (lambda: crops.resize(PIXELS, (4, 0)), ValueError, "size=(4, 0)"),
    "bilinear, one row": (lambda: crops.bilinear(PIXELS[0], (4, 4)), TypeError, "pixels is uint8 (9, 3)"),
    "area, box": (lambda: crops.area(PIXELS, (4, 4), (2, 2, 4, 4)), ValueError, "box=(2, 2, 4, 4)"),
    "area, nothing": (lambda: crops.area(PIXELS[:0], (4, 4)), TypeError, "pixels is uint8 (0, 9, 3)"),
    "mixup, bytes": (lambda: mixup.mix(BYTES, torch.ones(2, 3), 0.5), ValueError, "images torch.uint8"),
    "mixup, labels": (lambda: mixup.mix(BYTES.float(), torch.tensor([1, 2]), 0.5), ValueError, "targets torch.int64"),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_helpers_of_the_loader(call, refused):
    do, error, text = call
    with refused(error, text):
        do()


def test_helpers_that_are_called_rightly():
    """The same calls as they are meant."""
    assert transforms.PadCrop((3, 12, 9), 1)(PIXELS, RNG).shape == (3, 12, 9)
    assert randaugment.RandAugment(3, 9)(PIXELS, RNG).shape == PIXELS.shape
    assert all(operation(PIXELS, 1.0, RNG).shape == PIXELS.shape for operation in randaugment.OPERATIONS.values())
    assert crops.area(PIXELS, (4, 4), (2, 2, 2, 2)).shape == (2, 2, 3)
    np.testing.assert_array_equal(crops.area(PIXELS, (4, 4), (2, 2, 2, 2)), crops.area(PIXELS, (4, 4))[2:, 2:])
