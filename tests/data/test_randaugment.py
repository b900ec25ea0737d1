"""Each operation of RandAugment as a worked example."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_image

from vitedu.data import randaugment as ra

PHOTO = np.ascontiguousarray(load_sample_image("flower.jpg")[100:201, 200:333])  # (101, 133, 3)


def grey(*rows):
    return np.array(rows, np.uint8)[:, :, None]


def values(x):
    return x[:, :, 0].tolist()


# ---- colours --------------------------------------------------------------------------------------------------------


def test_invert_twice_is_nothing(rng):
    once = ra.OPERATIONS["Invert"](PHOTO, 1, rng)
    assert np.array_equal(once, 255 - PHOTO)
    assert np.array_equal(ra.OPERATIONS["Invert"](once, 1, rng), PHOTO)


def test_posterize_keeps_the_high_bits():
    x = grey([0b10110111, 0b01001111, 255])
    assert values(ra.posterize(x, 4)) == [[0b10110000, 0b01000000, 0b11110000]]
    assert values(ra.posterize(x, 1)) == [[128, 0, 128]]
    assert values(ra.posterize(x, 0)) == [[0, 0, 0]]
    for bits in (8, 12):  # 12: magnitude 30
        assert np.array_equal(ra.posterize(x, bits), x)


def test_solarize_inverts_the_bright():
    x = grey([0, 127, 128, 255])
    assert values(ra.solarize(x, 128)) == [[0, 127, 127, 0]]
    assert values(ra.solarize(x, 0)) == [[255, 128, 127, 0]]
    assert np.array_equal(ra.solarize(x, 256), x)
    assert ra.solarize(x, 128).dtype == np.uint8


def test_solarize_add_brightens_the_dark():
    x = grey([0, 100, 127, 128, 255])
    assert values(ra.solarize_add(x, 110)) == [[110, 210, 237, 128, 255]]
    assert values(ra.solarize_add(x, 200))[0][1] == 255  # never around the corner
    assert np.array_equal(ra.solarize_add(x, 0), x)


def test_autocontrast_stretches_each_channel():
    x = np.stack([grey([50, 100, 150]), grey([7, 7, 7]), grey([0, 9, 255])], axis=2)[..., 0]
    out = ra.autocontrast(x)
    assert out[0, :, 0].tolist() == [0, 127, 255]  # 127.5 is cut
    assert out[0, :, 1].tolist() == [7, 7, 7]  # nothing to stretch
    assert out[0, :, 2].tolist() == [0, 9, 255]


def test_equalize_by_hand():
    """600 pixels: 300 of value 10, 200 of 20, 100 of 250.  step = (600 - 100) // 255 = 1: 10 -> 0; 20 -> 300, at most
    255; 250 -> 500, at most 255."""
    x = np.repeat(np.array([10, 20, 250], np.uint8), [300, 200, 100]).reshape(20, 30, 1)
    assert np.unique(ra.equalize(x)).tolist() == [0, 255]
    assert (ra.equalize(x) == np.where(x == 10, 0, 255)).all()
    few = grey([1, 2, 3])  # step 0
    assert np.array_equal(ra.equalize(few), few)


def test_equalize_makes_grey_levels_equally_frequent():
    out = ra.equalize(PHOTO)
    for c in range(3):  # a quarter of the pixels in each quarter of the range, as far as whole grey levels allow
        assert np.allclose(np.histogram(out[:, :, c], 4, (0, 256))[0] / out[:, :, c].size, 0.25, atol=0.04)
        assert np.histogram(PHOTO[:, :, c], 4, (0, 256))[0].max() > 0.4 * out[:, :, c].size


@pytest.mark.parametrize("factor", [0.1, 0.7, 1.0, 1.9])
def test_enhancements_are_pillows(factor):
    """Same definition; Pillow blends in float32 too and cuts; its luma and means are rounded another way: one level,
    times the factor."""
    image = Image.fromarray(PHOTO)
    for ours, theirs in (
        (ra.color, ImageEnhance.Color),
        (ra.contrast, ImageEnhance.Contrast),
        (ra.brightness, ImageEnhance.Brightness),
        (ra.sharpness, ImageEnhance.Sharpness),
    ):
        expected = np.asarray(theirs(image).enhance(factor)).astype(int)
        assert abs(ours(PHOTO, factor).astype(int) - expected).max() <= 2, ours.__name__


def test_equalize_and_autocontrast_are_pillows():
    image = Image.fromarray(PHOTO)
    assert np.array_equal(ra.equalize(PHOTO), np.asarray(ImageOps.equalize(image)))
    # Pillow rounds its table another way where a value is a whole number but for rounding
    assert abs(ra.autocontrast(PHOTO).astype(int) - np.asarray(ImageOps.autocontrast(image))).max() <= 1


def test_blend_is_the_image_at_factor_1_and_the_other_at_0():
    other = np.full_like(PHOTO, 7)
    assert np.array_equal(ra.blend(other, PHOTO, 1), PHOTO)
    assert np.array_equal(ra.blend(other, PHOTO, 0), other)
    assert values(ra.blend(100, grey([110, 90, 250, 5]), 2.0)) == [[120, 80, 255, 0]]


def test_sharpness_leaves_the_border():
    out = ra.sharpness(PHOTO, 0.1)
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        assert np.array_equal(out[edge], PHOTO[edge])
    assert not np.array_equal(out, PHOTO)
    tiny = PHOTO[:2, :5]
    assert np.array_equal(ra.sharpness(tiny, 1.9), tiny)  # nothing but border


# ---- places ---------------------------------------------------------------------------------------------------------


def test_rotate_by_nothing_and_by_a_quarter():
    assert np.array_equal(ra.rotate(PHOTO, 0), PHOTO)
    square = PHOTO[:99, :99]
    assert np.array_equal(ra.rotate(square, 90), np.rot90(square))  # counter-clockwise
    assert np.array_equal(ra.rotate(square, -90), np.rot90(square, -1))


def test_rotate_is_pillows_and_fills_with_grey():
    expected = Image.fromarray(PHOTO).rotate(17, Image.Resampling.NEAREST, fillcolor=(128,) * 3)
    assert (ra.rotate(PHOTO, 17) != np.asarray(expected)).mean() < 1e-3  # coordinates on the edge between two pixels
    assert ra.rotate(PHOTO, 17)[0, 0].tolist() == [128, 128, 128]


def test_translate_moves_up_and_to_the_left():
    x = grey([1, 2, 3], [4, 5, 6])
    assert values(ra.translate(x, 0, 1)) == [[2, 3, 128], [5, 6, 128]]
    assert values(ra.translate(x, -1, 0)) == [[128, 128, 128], [1, 2, 3]]
    assert np.array_equal(ra.translate(x, 0, 0), x)


def test_shear_moves_row_by_row():
    """Row y moves by 0.5 (y + 1/2) pixels; the nearest pixel is taken."""
    x = np.tile(np.arange(1, 9, dtype=np.uint8), (8, 1))[:, :, None]
    out = ra.shear_x(x, 0.5)
    assert out[:, 0, 0].tolist() == [1, 2, 2, 3, 3, 4, 4, 5]
    assert (out[7, 5:] == 128).all()
    assert np.array_equal(ra.shear_y(x.transpose(1, 0, 2), 0.5), out.transpose(1, 0, 2))


def test_cutout_is_a_grey_square_cut_at_the_border():
    out = ra.cutout(PHOTO, 2, 60, 10)
    changed = (out != PHOTO).any(2)
    assert (out[:12, 50:70] == 128).all()
    assert not changed[12:].any()
    assert not changed[:, :50].any()
    assert not changed[:, 70:].any()
    assert np.array_equal(ra.cutout(PHOTO, 5, 5, 0), PHOTO)


# ---- together -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ra.OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("magnitude", [0, 10, 30])
def test_every_operation_keeps_shape_type_and_its_input(name, channels, magnitude, rng):
    x = PHOTO[:, :, :channels].copy()
    before = x.copy()
    out = ra.OPERATIONS[name](x, magnitude / 10, rng)
    assert out.shape == x.shape
    assert out.dtype == np.uint8
    assert np.array_equal(x, before)


def test_strengths_are_those_of_the_authors(monkeypatch, rng):
    """At magnitude 10 and 224 pixels, and which operations at 0 do nothing."""
    x = np.zeros((224, 224, 3), np.uint8)
    seen = {}
    for name in ("rotate", "shear_x", "posterize", "solarize", "solarize_add", "color", "translate", "cutout"):
        monkeypatch.setattr(ra, name, lambda x, *strength, name=name: seen.setdefault(name, strength) and x)
    for name in ("Rotate", "ShearX", "Posterize", "Solarize", "SolarizeAdd", "Color", "TranslateX", "Cutout"):
        ra.OPERATIONS[name](x, 1, rng)
    assert abs(seen["rotate"][0]) == 30
    assert abs(seen["shear_x"][0]) == 0.3
    assert seen["posterize"] == (4,)
    assert seen["solarize"] == (256,)
    assert seen["solarize_add"] == (110,)
    assert seen["color"] == (pytest.approx(1.9),)
    assert abs(seen["translate"][1]) == pytest.approx(100)
    assert seen["cutout"][2] == 40
    monkeypatch.undo()
    for name in ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY", "Cutout", "SolarizeAdd"):
        assert np.array_equal(ra.OPERATIONS[name](PHOTO, 0, rng), PHOTO), name


def test_all_sixteen_are_drawn_equally_often_and_the_draws_decide(monkeypatch, rng):
    counts = dict.fromkeys(ra.OPERATIONS, 0)
    for name in counts:
        monkeypatch.setitem(ra.OPERATIONS, name, lambda x, m, rng, n=name: counts.update({n: counts[n] + 1}) or x)
    ra.RandAugment(3200, 10)(PHOTO, rng)
    assert len(counts) == 16
    assert 140 < min(counts.values())  # 200 each, standard deviation 14
    assert max(counts.values()) < 260
    monkeypatch.undo()
    once, again, other = (ra.RandAugment(2, 15)(PHOTO, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_no_layers_do_nothing_and_bad_settings_are_refused(rng):
    assert ra.RandAugment(0, 10)(PHOTO, rng) is PHOTO
    with pytest.raises(ValueError, match="layers=-1"):
        ra.RandAugment(-1, 10)
    with pytest.raises(ValueError, match="magnitude=31"):
        ra.RandAugment(2, 31)
