"""The data that come with the package: scikit-learn's, and twelve photographs.  Little is needed to read them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets

from vitedu.data import load_digits, load_photo, load_small_photos, open_source


def test_the_digits_are_scikit_learns():
    """Exactly: grey levels are whole numbers up to 16, and eighths of them are exact in float32."""
    raw, digits = datasets.load_digits(), load_digits()
    held_out = np.arange(1797) % 5 == 0
    for images, labels, chosen in (
        (digits.train_images, digits.train_labels, ~held_out),
        (digits.test_images, digits.test_labels, held_out),
    ):
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        np.testing.assert_array_equal((images[:, 0] + 1) * 8, raw.images[chosen])
        np.testing.assert_array_equal(labels, raw.target[chosen])


@pytest.mark.parametrize("name", ["china", "flower"])
def test_the_photographs_are_scikit_learns(name):
    """Exactly: the same JPEG, decoded by the same Pillow; 427 rows, so that the crop of that size takes all of them."""
    pixels = datasets.load_sample_image(f"{name}.jpg")[:, 106:533]
    ours = load_photo(name, 427)
    np.testing.assert_array_equal(ours, pixels.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)


def test_the_small_photographs_are_twelve_with_a_name_for_each():
    """The images are whole bytes, which 127.5 (x + 1) gives back to 1e-4."""
    photos = load_small_photos()
    assert (photos.images.shape, photos.images.dtype, photos.labels.dtype) == ((12, 3, 32, 32), np.float32, np.int64)
    pixels = 127.5 * (photos.images.astype(np.float64) + 1)
    np.testing.assert_allclose(pixels, pixels.round(), rtol=0, atol=1e-4)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert [photos.names[k] for k in photos.labels[:4]] == ["truck", "cat", "horse", "airplane"]


@pytest.mark.skipif("VITEDU_CIFAR10" not in os.environ, reason="VITEDU_CIFAR10 does not name a folder of CIFAR-10")
def test_the_small_photographs_are_the_first_of_the_test_images():
    """They are held out: the shipped models were trained on the other split."""
    source, photos = open_source(os.environ["VITEDU_CIFAR10"], "test"), load_small_photos()
    assert tuple(source.class_names) == photos.names
    np.testing.assert_array_equal(source.labels[:12], photos.labels)
    for ours, theirs in zip(photos.images, source.images[:12], strict=True):
        np.testing.assert_array_equal(ours, theirs.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1)


@pytest.mark.parametrize(
    ("call", "without"),
    [("load_digits", "sklearn PIL"), ("load_photo", "sklearn"), ("load_small_photos", "sklearn PIL torch")],
)
def test_they_need_little(call, without):
    blocked = "".join(f"sys.modules[{name!r}] = None; " for name in without.split())
    code = f"import sys; {blocked}from vitedu import data; print(type(data.{call}()).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout.strip() in ("Digits", "SmallPhotos", "ndarray"), done.stderr
