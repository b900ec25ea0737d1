"""The data that come with the package are scikit-learn's, and need neither scikit-learn nor, for the digits, Pillow."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets

from vitedu.data import load_digits, load_photo


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


@pytest.mark.parametrize(("call", "without"), [("load_digits", "sklearn PIL"), ("load_photo", "sklearn")])
def test_they_need_little(call, without):
    blocked = "".join(f"sys.modules[{name!r}] = None; " for name in without.split())
    code = f"import sys; {blocked}from vitedu import data; print(type(data.{call}()).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout.strip() in ("Digits", "ndarray"), done.stderr
