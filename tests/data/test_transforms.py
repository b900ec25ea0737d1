"""Whole transforms: from bytes or arrays to (C, H, W) uint8."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from vitedu.data import crops, decode
from vitedu.data.memory import UnreadableImage
from vitedu.data.order import sample_rng
from vitedu.data.transforms import PadCrop, evaluation_transform, training_transform
from vitedu.recipes.recipe import DataRecipe

PHOTO = np.ascontiguousarray(load_sample_image("china.jpg")[100:300, 200:500])  # (200, 300, 3)
SMALL = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
RECIPE = DataRecipe()
AUGREG = replace(RECIPE, randaugment_layers=2, randaugment_magnitude=10)
PAD = DataRecipe(crop="pad", pad=4, eval_resize=None)
BIT = DataRecipe(crop="resize", train_resize=60, eval_resize=None)


def jpeg(pixels=PHOTO) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def every_transform():
    for recipe in (RECIPE, AUGREG, PAD, replace(PAD, randaugment_layers=1), replace(RECIPE, crop="none"), BIT):
        for shape in ((3, 48, 40), (1, 24, 24)):
            yield training_transform(recipe, shape)
            yield evaluation_transform(replace(recipe, eval_resize=recipe.eval_resize and 64), shape)


@pytest.mark.parametrize("transform", list(every_transform()), ids=lambda t: f"{type(t).__name__}{t.shape}")
def test_what_every_transform_promises(transform):
    """Contiguous uint8 of `shape`, from bytes and arrays; the same after pickling; the draws decide; data stay."""
    for data in (jpeg(), PHOTO):
        before = bytes(memoryview(data))
        first = transform(data, sample_rng(1, 5))
        assert first.shape == transform.shape
        assert first.dtype == np.uint8
        assert first.flags.c_contiguous
        assert first.flags.owndata
        kept = first.copy()
        again = pickle.loads(pickle.dumps(transform))(data, sample_rng(1, 5))
        transform(jpeg(255 - PHOTO), sample_rng(1, 6))
        assert np.array_equal(first, again)
        assert np.array_equal(first, kept)  # and another image does not touch it
        assert bytes(memoryview(data)) == before
    with pytest.raises(UnreadableImage):
        transform(jpeg()[:500], sample_rng(1, 5))


# ---- inception crop -------------------------------------------------------------------------------------------------


def test_an_inception_crop_is_box_resize_flip():
    transform = training_transform(RECIPE, (3, 48, 40))
    flips = 0
    for position in range(20):
        rng = sample_rng(0, position)
        expected = crops.inception_crop(decode.open_image(PHOTO), (48, 40), rng)
        if rng.random() < 0.5:
            expected, flips = expected[:, ::-1], flips + 1
        assert np.array_equal(transform(PHOTO, sample_rng(0, position)), expected.transpose(2, 0, 1))
    assert 4 < flips < 16
    never = training_transform(replace(RECIPE, flip=False), (3, 48, 40))
    expected = crops.inception_crop(decode.open_image(PHOTO), (48, 40), sample_rng(0, 1))
    assert np.array_equal(never(PHOTO, sample_rng(0, 1)), expected.transpose(2, 0, 1))


def test_min_area_is_kept():
    whole = training_transform(replace(RECIPE, min_area=1.0, flip=False), (3, 48, 40))
    square = PHOTO[:, :200]
    assert np.array_equal(whole(square, sample_rng(0, 1)), crops.resize(square, (48, 40)).transpose(2, 0, 1))


def test_bytes_and_their_pixels_give_the_same_image(monkeypatch):
    """With the quick libraries and without: at most a grey level here and there where OpenCV rounds another way."""
    transform, data = training_transform(RECIPE, (3, 64, 64)), jpeg()
    pixels = decode.decode(data)
    results = []
    for quick in (True, False):
        if not quick:
            monkeypatch.setattr(decode, "simplejpeg", lambda: None)
            monkeypatch.setattr(crops, "opencv", lambda: None)
        for k in range(8):
            from_bytes = transform(data, sample_rng(3, k))
            assert np.array_equal(from_bytes, transform(pixels, sample_rng(3, k)))
            results.append(from_bytes.astype(int))
    assert abs(np.array(results[:8]) - results[8:]).max() <= 1


def test_randaugment_comes_after_the_flip_and_uses_the_same_generator():
    plain, augmented = training_transform(RECIPE, (3, 48, 40)), training_transform(AUGREG, (3, 48, 40))
    rng, other = sample_rng(2, 9), sample_rng(2, 9)
    expected = augmented.augment(plain(PHOTO, rng).transpose(1, 2, 0), rng)
    assert np.array_equal(augmented(PHOTO, other), expected.transpose(2, 0, 1))


# ---- BiT's ----------------------------------------------------------------------------------------------------------


def test_resize_crop_by_definition():
    """The whole image to 60 x 60, a window drawn row first, then a flip; in evaluation straight to 48 x 40."""
    transform = training_transform(BIT, (3, 48, 40))
    square = crops.resize(PHOTO, (60, 60)).copy()
    for position in range(20):
        rng = sample_rng(4, position)
        top, left = rng.integers(0, 13), rng.integers(0, 21)
        expected = square[top : top + 48, left : left + 40]
        expected = expected[:, ::-1] if rng.random() < 0.5 else expected
        assert np.array_equal(transform(PHOTO, sample_rng(4, position)), expected.transpose(2, 0, 1))
    assert np.array_equal(
        evaluation_transform(BIT, (3, 48, 40))(PHOTO), crops.resize(PHOTO, (48, 40)).transpose(2, 0, 1)
    )


def test_resize_crop_needs_room():
    with pytest.raises(ValueError, match=r"train_resize=60 is not allowed for images of \(64, 64\)"):
        training_transform(BIT, (3, 64, 64))
    with pytest.raises(ValueError, match="train_resize=None is not allowed; train_resize must be given with crop="):
        DataRecipe(crop="resize")
    with pytest.raises(ValueError, match="train_resize=60 is not allowed"):
        DataRecipe(train_resize=60)


# ---- small images ---------------------------------------------------------------------------------------------------


def test_pad_crop_by_definition():
    """Flip, then a black border of 4, then a window: 40 positions of it, drawn in this order: window, flip."""
    transform = training_transform(PAD, (3, 32, 32))
    for position in range(200):
        rng = sample_rng(5, position)
        down, across = rng.integers(0, 9, 2)
        image = SMALL[:, ::-1] if rng.random() < 0.5 else SMALL
        padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
        expected = padded[down : down + 32, across : across + 32].transpose(2, 0, 1)
        assert np.array_equal(transform(SMALL, sample_rng(5, position)), expected)


def test_pad_crop_draws_have_not_changed():
    """These numbers are what runs were trained with: whoever changes them changes every run."""
    image = np.arange(1, 65, dtype=np.uint8).reshape(8, 8, 1)
    transform = PadCrop((1, 8, 8), 2, True)
    rows = [transform(image, sample_rng(0, position))[0, 5].tolist() for position in range(3)]
    assert rows == [
        [0, 0, 32, 31, 30, 29, 28, 27],  # two down, two to the right, flipped
        [59, 60, 61, 62, 63, 64, 0, 0],  # two up, two to the left
        [54, 53, 52, 51, 50, 49, 0, 0],  # one up, two to the left, flipped
    ]


def test_pad_crop_without_a_border_or_flip_is_the_image():
    assert np.array_equal(PadCrop((3, 32, 32), 0, False)(SMALL, sample_rng(0, 0)), SMALL.transpose(2, 0, 1))


def test_pad_crop_resizes_what_has_another_size_first():
    transform = training_transform(PAD, (3, 32, 32))
    resized = crops.resize(PHOTO, (32, 32))
    assert np.array_equal(transform(PHOTO, sample_rng(0, 3)), transform(resized, sample_rng(0, 3)))


def test_a_border_wider_than_the_image_is_refused():
    with pytest.raises(ValueError, match="pad=9 is not allowed"):
        training_transform(replace(PAD, pad=9), (1, 8, 8))


# ---- evaluation -----------------------------------------------------------------------------------------------------


def test_evaluation_draws_nothing():
    transform = evaluation_transform(replace(RECIPE, eval_resize=64), (3, 48, 40))
    assert np.array_equal(transform(PHOTO, None), transform(PHOTO, sample_rng(0, 0)))
    expected = crops.resize_small_and_crop(decode.open_image(PHOTO), 64, (48, 40))
    assert np.array_equal(transform(PHOTO, None), expected.transpose(2, 0, 1))


def test_evaluation_without_a_resize_takes_the_whole_image_as_a_square():
    transform = evaluation_transform(replace(RECIPE, eval_resize=None), (3, 48, 40))
    assert np.array_equal(transform(PHOTO, None), crops.resize(PHOTO, (48, 40)).transpose(2, 0, 1))


def test_small_images_are_evaluated_as_they_are():
    for recipe in (PAD, replace(PAD, eval_resize=256)):
        assert np.array_equal(evaluation_transform(recipe, (3, 32, 32))(SMALL, None), SMALL.transpose(2, 0, 1))


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="eval_resize=200 is not allowed"):
        evaluation_transform(replace(RECIPE, eval_resize=200), (3, 224, 224))
    for shape in ((224, 224), (2, 8, 8), (3, 0, 8)):
        with pytest.raises(ValueError, match="shape="):
            training_transform(RECIPE, shape)
