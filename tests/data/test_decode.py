"""Reading image files: exact pixels, only as far as needed, and no surprise from broken files."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from vitedu.data import decode
from vitedu.data.decode import open_image
from vitedu.data.memory import UnreadableImage

PHOTO = np.ascontiguousarray(load_sample_image("flower.jpg")[120:301, 150:361])  # (181, 211, 3): sizes no block divides


def stored(pixels=PHOTO, format="JPEG", **settings) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **settings)
    return buffer.getvalue()


@pytest.fixture(params=["simplejpeg", "Pillow"])
def library(request, monkeypatch):
    """With the quick JPEG library, and as where it is not installed."""
    if request.param == "Pillow":
        monkeypatch.setattr(decode, "simplejpeg", lambda: None)
    else:
        pytest.importorskip("simplejpeg")
    return request.param


JPEGS = {
    "4:4:4": {"subsampling": "4:4:4"},
    "4:2:2": {"subsampling": "4:2:2"},
    "4:2:0": {"subsampling": "4:2:0"},
    "restart markers": {"subsampling": "4:2:0", "restart_marker_blocks": 3},
    "progressive": {"progressive": True},
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_has_the_pixels_that_pillow_sees(library, kind):
    data = stored(**JPEGS[kind])
    expected = np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal(decode.decode(data), expected)  # both are libjpeg-turbo with the exact transform


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_box_is_that_part_of_the_image_to_the_bit(library, kind, factor, rng):
    """Though the rows below it are never read: for whole scale every bottom row is tried."""
    image = open_image(stored(**JPEGS[kind]))
    H, W = image.height, image.width
    whole = image.box(0, 0, H, W, factor).copy()
    assert whole.shape == (round(H / factor), round(W / factor), 3)
    for bottom in range(1, H + 1, 1 if factor == 1 and kind != "progressive" else 7):
        top, left = rng.integers(0, bottom), rng.integers(0, W - 1)
        width = rng.integers(1, W - left + 1)
        box = image.box(top, left, bottom - top, width, factor)
        top, left = min(round(top / factor), (H - 1) // factor), min(round(left / factor), (W - 1) // factor)
        expected = whole[top : top + len(box), left : left + box.shape[1]]
        assert box.size > 0
        assert np.array_equal(box[: len(expected), : expected.shape[1]], expected)


def test_a_reduced_image_is_the_mean_over_blocks_about(library):
    data = stored(quality=95, subsampling="4:4:4")
    half = open_image(data).box(0, 0, 180, 210, 2).astype(int)
    means = decode.decode(data)[:180, :210].reshape(90, 2, 105, 2, 3).mean((1, 3))
    # The low frequencies of a block of 8 x 8 are not quite the means: one or two grey levels in a photograph.
    assert abs(half - means).mean() < 2


def test_only_the_rows_that_are_needed_are_decoded(library, monkeypatch):
    """A JPEG that ends after the first rows is what the library gets to see."""
    image = open_image(stored())
    data, rows = image._upper_rows(40, 1)
    assert rows == 42
    assert Image.open(io.BytesIO(data)).size == (211, 42)
    assert len(data) == len(image.data)
    # A progressive JPEG is stored in several passes, each over all rows: there is nothing to leave out.
    assert open_image(stored(progressive=True))._upper_rows(40, 1)[1] == 181


# ---- colours --------------------------------------------------------------------------------------------------------


def test_png_is_read_exactly():
    assert np.array_equal(decode.decode(stored(format="PNG")), PHOTO)


def test_grey_files_give_three_equal_channels(library):
    grey = PHOTO[:, :, 1]
    for format in ("PNG", "JPEG"):
        pixels = decode.decode(stored(grey, format))
        assert pixels.shape == (181, 211, 3)
        assert np.ptp(pixels.astype(int), axis=2).max() == 0
    assert np.array_equal(decode.decode(stored(grey, "PNG"))[:, :, 0], grey)


def test_one_channel_is_the_luma(library):
    """Of a JPEG it is what the file holds; of an array the same weights, 0.299, 0.587, 0.114."""
    luma = PHOTO @ np.array([0.299, 0.587, 0.114])
    assert abs(decode.decode(PHOTO, channels=1)[:, :, 0] - luma).max() <= 0.51  # rounded
    assert abs(decode.decode(stored(format="PNG"), channels=1)[:, :, 0] - luma).max() <= 1
    # JPEG at quality 95 changes a photograph by a grey level or two
    assert abs(decode.decode(stored(quality=95), channels=1)[:, :, 0] - luma).mean() < 2


def test_palette_transparency_and_cmyk(library):
    red = np.zeros((5, 7, 4), np.uint8)
    red[..., 0], red[..., 3] = 255, 10  # nearly transparent red is red
    assert (decode.decode(stored(red, "PNG")) == [255, 0, 0]).all()
    palette = io.BytesIO()
    Image.fromarray(red).convert("RGB").quantize(4).save(palette, "GIF")
    assert (decode.decode(palette.getvalue()) == [255, 0, 0]).all()
    ink = io.BytesIO()
    Image.fromarray(PHOTO).convert("CMYK").save(ink, "JPEG", quality=95)
    assert abs(decode.decode(ink.getvalue()).astype(int) - PHOTO).mean() < 4


def test_of_sixteen_bits_the_higher_eight_count():
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    assert decode.decode(stored(values, "PNG"))[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_the_orientation_in_exif_is_not_applied(library):
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees"
    assert decode.decode(stored(exif=exif)).shape == (181, 211, 3)


def test_an_array_is_passed_through():
    assert np.array_equal(decode.decode(PHOTO), PHOTO)
    assert np.array_equal(open_image(PHOTO).box(3, 4, 5, 6), PHOTO[3:8, 4:10])
    assert decode.decode(PHOTO[:, :, :1]).shape == (181, 211, 3)


def test_bytes_of_any_kind_are_taken():
    data = stored()
    for other in (bytearray(data), memoryview(data)):
        assert np.array_equal(decode.decode(other), decode.decode(data))


def test_decoded_pixels_are_not_overwritten_by_the_next_image(library):
    first = decode.decode(stored())
    kept = first.copy()
    decode.decode(stored(255 - PHOTO))
    assert np.array_equal(first, kept)


# ---- files that are no good -----------------------------------------------------------------------------------------


def damaged():
    good, png = stored(), stored(format="PNG")
    return {
        "empty": b"",
        "missing": None,
        "text": b"<html>404 not found</html>",
        "cut in half": good[: len(good) // 2],
        "cut in the header": good[:100],
        "two bytes short": good[:-2],
        "first bytes only": b"\xff\xd8\xff",
        "PNG cut in half": png[: len(png) // 2],
        "PNG with a broken chunk": png[:60] + b"\0" * 40 + png[100:],
        "an empty frame": good.replace(b"\x00\xb5\x00\xd3", b"\x00\x00\x00\xd3", 1),  # 0 x 211 pixels
    }


@pytest.mark.parametrize("kind", damaged())
def test_a_damaged_file_is_unreadable_for_every_crop(library, kind):
    """Also for a crop that lies above the damage: which images count must not hang on the draws."""
    data = damaged()[kind]
    for box in ((0, 0, 181, 211), (0, 0, 20, 30)):
        with pytest.raises(UnreadableImage) as error:
            open_image(data).box(*box)
        assert str(error.value)


def test_random_bytes_within_a_file_never_do_worse(library, rng):
    """A hundred broken files: each is an image or an UnreadableImage, nothing else, no warning."""
    outcomes = {"image": 0, "unreadable": 0}
    good = [stored(), stored(progressive=True), stored(format="PNG"), stored(format="GIF"), stored(format="WEBP")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(100):
            data = bytearray(good[n % len(good)])
            for _ in range(4):
                data[rng.integers(0, len(data) if n % 2 else 700)] = rng.integers(0, 256)
            try:
                pixels = decode.decode(bytes(data))
                assert pixels.dtype == np.uint8
                assert pixels.shape[2] == 3
                outcomes["image"] += 1
            except UnreadableImage:
                outcomes["unreadable"] += 1
    assert min(outcomes.values()) > 10


def test_absurd_sizes_are_refused_before_anything_is_read(library):
    good = stored()
    bomb = good.replace(b"\x00\xb5\x00\xd3", b"\xff\xf0\xff\xf0", 1)
    assert bomb != good
    with pytest.raises(UnreadableImage, match="65520 x 65520 pixels"):
        open_image(bomb)
    png = bytearray(stored(format="PNG"))
    for side, message in (
        (8_000, None),
        (12_000, "12000 x 12000 pixels; more than VITEDU_MAX_PIXELS=67,108,864"),
        (2**16, "MAX_PIXELS"),
    ):
        png[16:24] = struct.pack(">II", side, side)
        png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
        if message is None:  # large, and Pillow would warn
            assert open_image(bytes(png)).height == side
        else:
            with pytest.raises(UnreadableImage, match=message):
                open_image(bytes(png))


def test_what_is_no_image_data_is_a_mistake_of_the_caller():
    with pytest.raises(TypeError, match="data is of type list"):
        open_image([1, 2])
    with pytest.raises(ValueError, match="data is float64"):
        open_image(PHOTO / 255)
    with pytest.raises(ValueError, match="data has 2 channels"):
        open_image(PHOTO[:, :, :2])
    with pytest.raises(ValueError, match="channels=4"):
        open_image(stored(), channels=4)


def test_grey_of_16_bits_in_every_format(rng):
    """PNG, TIFF and PGM: the higher byte counts."""
    values = rng.integers(0, 2**16, (9, 7), dtype=np.uint16)
    files = [b"P5\n7 9\n65535\n" + values.astype(">u2").tobytes()]
    files += [stored(values, kind) for kind in ("PNG", "TIFF")]
    for data in files:
        np.testing.assert_array_equal(decode.decode(data, 1)[:, :, 0], values >> 8)


def test_a_pointer_in_place_of_an_image():
    """What Git LFS leaves where nobody fetched the files."""
    with pytest.raises(UnreadableImage, match="it is a pointer of Git LFS, not the file: `git lfs pull` fetches it"):
        decode.decode(b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n")
