"""The authors' crops: whose random boxes, whose resizing."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from vitedu.data import crops
from vitedu.data.decode import open_image

PHOTO = load_sample_image("china.jpg").copy()  # (427, 640, 3)


@pytest.fixture(params=["OpenCV", "NumPy"])
def library(request, monkeypatch):
    if request.param == "NumPy":
        monkeypatch.setattr(crops, "opencv", lambda: None)
    else:
        pytest.importorskip("cv2")
    return request.param


# ---- boxes ----------------------------------------------------------------------------------------------------------


def boxes(height, width, rng, n=20_000, **limits):
    return np.array([crops.sample_box(height, width, rng, **limits) for _ in range(n)])


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 375), (32, 32), (100, 1000)])
def test_boxes_lie_inside_and_keep_the_limits(height, width, rng):
    top, left, h, w = boxes(height, width, rng, 5000).T
    assert min(top.min(), left.min()) >= 0
    assert ((top + h <= height) & (left + w <= width)).all()
    area = h * w / (height * width)
    assert 0.05 <= area.min()
    assert area.max() <= 1
    # width = round(aspect height): half a pixel more or less
    assert ((w + 0.5) / h >= 0.75).all()
    assert ((w - 0.5) / h <= 1.33).all()


def test_the_mean_area_is_tensorflows_and_not_torchvisions(rng):
    """At 375 x 500: 0.343 in TensorFlow (20 000 draws of its own operation), 0.417 in torchvision."""
    _, _, h, w = boxes(375, 500, rng).T
    area = h * w / (375 * 500)
    error = area.std() / np.sqrt(len(area))  # about 0.0016
    assert abs(area.mean() - 0.343) < 3 * error + 0.0005  # three standard errors, and 0.343 is rounded
    assert abs(area.mean() - 0.417) > 30 * error


def test_aspect_is_uniform_and_height_uniform_for_each_aspect(rng):
    """In an image so large that rounding is nothing, and so wide that every aspect fits: the rule itself."""
    height, width = 4000, 8000
    _, _, h, w = boxes(height, width, rng, min_area=0.05, max_area=0.2).T
    aspect = w / h
    uniform = (aspect - 0.75) / (1.33 - 0.75)
    low, high = (np.sqrt(area * height * width / aspect) for area in (0.05, 0.2))
    share = (h - low) / (np.minimum(high, height) - low)
    for values in (uniform, share):
        # Kolmogorov-Smirnov: 1.95 / sqrt(n) is the level that chance exceeds once in a thousand
        values = np.sort(values)
        distance = abs(values - (np.arange(len(values)) + 0.5) / len(values)).max()
        assert distance < 1.95 / np.sqrt(len(values))
    # torchvision's aspect is uniform in its logarithm: that would be seen
    log_uniform = np.log(np.sort(aspect) / 0.75) / np.log(1.33 / 0.75)
    assert abs(log_uniform - np.linspace(0, 1, len(aspect))).max() > 3 * 1.95 / np.sqrt(len(aspect))


def test_places_are_uniform_but_for_the_last_one(rng):
    """TensorFlow draws the offset from 0 ... H - h - 1: a box that is not full height never touches the last row."""
    top, _, h, _ = boxes(11, 11, rng, 5000).T
    assert (top[h < 11] + h[h < 11]).max() == 10
    counts = np.bincount(top[h == 6], minlength=5)
    assert len(counts) == 5
    assert counts.min() > 0.75 * counts.max()


def test_no_box_that_fits_gives_the_whole_image(rng):
    assert crops.sample_box(10, 1000, rng, min_area=0.5) == (0, 0, 10, 1000)
    assert crops.sample_box(1, 1, rng) == (0, 0, 1, 1)


# ---- resizing -------------------------------------------------------------------------------------------------------


def test_bilinear_by_hand(library):
    """Four pixels in a row to two: output centres at 0.5 and 2.5, so the means of neighbours, cut to whole numbers."""
    row = np.array([10, 21, 30, 41], np.uint8).reshape(1, 4, 1)
    assert crops.resize(row, (1, 2)).ravel().tolist() == [15, 35]
    # To six: centres at -1/6 (taken as 0), 1/2, 7/6, 11/6, 5/2, 19/6 (taken as 3).
    assert crops.resize(row, (1, 6)).ravel().tolist() == [10, 15, 22, 28, 35, 41]


@pytest.mark.parametrize("size", [(224, 224), (100, 300), (500, 700), (427, 640), (1, 1)])
def test_bilinear_is_that_of_pytorch_cut_to_bytes(library, size):
    """TensorFlow's resize with antialias=False has the same definition as PyTorch's interpolate."""
    tensor = torch.from_numpy(PHOTO).double().permute(2, 0, 1)[None]
    exact = torch.nn.functional.interpolate(tensor, size=size, mode="bilinear", antialias=False, align_corners=False)
    exact = exact[0].permute(1, 2, 0).numpy()
    ours = crops.resize(PHOTO, size)
    # Cut after adding 0.001 (`ROUNDING`); float32 carries 255 to 0.00002.
    assert (ours <= exact + 0.0011).all()
    assert (ours > exact - 1).all()


def test_flat_areas_stay_as_they_are(library):
    """100 (1 - t) + 100 t is not always 100 in float32, and cutting would then give 99."""
    for level in (1, 100, 255):
        flat = np.full((37, 53, 3), level, np.uint8)
        assert (crops.resize(flat, (224, 224)) == level).all()
        assert (crops.resize_small_and_crop(open_image(flat), 32, (29, 31)) == level).all()


def test_both_libraries_agree(monkeypatch):
    pytest.importorskip("cv2")
    for size in ((224, 224), (600, 500)):
        quick = crops.resize(PHOTO, size)
        slow = crops.bilinear(PHOTO, size)
        assert abs(quick.astype(int) - slow).max() <= 1
        assert (quick != slow).mean() < 1e-3  # values on the edge between two grey levels
    for small in (64, 256):
        quick = crops.resize_small_and_crop(open_image(PHOTO), small, (48, 64))
        with monkeypatch.context() as m:
            m.setattr(crops, "opencv", lambda: None)
            slow = crops.resize_small_and_crop(open_image(PHOTO), small, (48, 64))
        assert abs(quick.astype(int) - slow).max() <= 1
        assert (quick != slow).mean() < 1e-3


def test_area_by_hand():
    """Three rows to two: the second row counts half for each.  Enlarged, every pixel is what covers it."""
    column = np.array([10, 40, 100], np.uint8).reshape(3, 1, 1)
    assert crops.area(column, (2, 1)).ravel().tolist() == [20, 80]
    assert crops.area(column, (6, 1)).ravel().tolist() == [10, 10, 40, 40, 100, 100]
    assert crops.area(column, (6, 1), (1, 0, 3, 1)).ravel().tolist() == [10, 40, 40]


def test_area_of_whole_blocks_is_their_mean(library):
    image = open_image(np.ascontiguousarray(PHOTO[:400, :600]))
    means = PHOTO[:400, :600].reshape(100, 4, 150, 4, 3).mean((1, 3))
    ours = crops.resize_small_and_crop(image, 100, (100, 150))
    assert (ours <= means + 0.0011).all()
    assert (ours > means - 1).all()


def test_evaluation_takes_the_middle(library):
    """427 x 640 with a shorter side of 256: 256 x 384 (383.7), of which rows 16 ... 239 and columns 80 ... 303."""
    whole = crops.resize_small_and_crop(open_image(PHOTO), 256, (256, 384))
    middle = crops.resize_small_and_crop(open_image(PHOTO), 256, (224, 224))
    assert whole.shape == (256, 384, 3)
    assert np.array_equal(middle, whole[16:240, 80:304])


def test_a_reduced_decode_is_close_but_not_the_same(rng):
    """What exact=False costs: on this photograph, stored large, a few grey levels in the mean."""
    buffer = io.BytesIO()
    Image.fromarray(np.kron(PHOTO, np.ones((3, 3, 1), np.uint8))).save(buffer, "JPEG", quality=90)  # 1281 x 1920
    image = open_image(buffer.getvalue())
    exact, quick = (
        crops.inception_crop(image, (224, 224), np.random.default_rng(5), min_area=0.6, exact=exact)
        for exact in (True, False)
    )
    difference = abs(exact.astype(int) - quick).mean()
    assert 0.5 < difference < 8


def test_a_crop_is_the_box_resized(library):
    box = crops.sample_box(427, 640, np.random.default_rng(3))
    top, left, h, w = box
    expected = crops.resize(PHOTO[top : top + h, left : left + w], (96, 80))
    assert np.array_equal(crops.inception_crop(open_image(PHOTO), (96, 80), np.random.default_rng(3)), expected)
