"""Streams of scenes: an image is a function of (seed, part, number), and its factors are what one sees."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from vitedu.data.draws import random_bits, uniform
from vitedu.data.glyphs import DIGITS, LETTERS, PARTS, glyph_bank, letter_walks, words
from vitedu.data.procedural import COLOURS, RELATIONS, TEXTURES, Stream

CLEAN = Stream(noise=0, clutter=0, texture=False, seed=5)  # nothing but the glyph
BUSY = Stream(objects=2, size=24, classes=(*DIGITS, *LETTERS), clutter=5, seed=2**40 + 7)


def ink(stream, ids, **options):
    """How much each pixel differs from the background, (n, H, W), and the factors."""
    images, factors = stream.draw(ids, **options)
    light = (images + 1) / 2
    d = np.abs(light - factors["background"][:, None, None, None]).sum(axis=1)
    return np.where(d > 0.02, d, 0), factors  # rounding to 256 levels is no ink


@pytest.mark.parametrize("stream", [Stream(), BUSY, replace(BUSY, channels=1, part="tune")])
def test_an_image_depends_on_its_number_alone(stream, rng):
    """Alone, in any order, in any batch: the same bytes and factors; also far out, where nobody has drawn before."""
    ids = np.concatenate([np.arange(40), 10**12 + np.arange(10)])
    images, factors = stream.draw(ids)
    order = rng.permutation(50)
    again, factors_again = stream.draw(ids[order])
    np.testing.assert_array_equal(again, images[order])
    for name, value in factors.items():
        np.testing.assert_array_equal(factors_again[name], value[order])
    for i in (0, 17, 49):
        np.testing.assert_array_equal(stream.draw(ids[i : i + 1])[0][0], images[i])
    assert len(np.unique(images.reshape(50, -1), axis=0)) == 50


def test_seed_and_part_are_other_images():
    first = Stream().draw(np.arange(30))[0]
    for other in (Stream(seed=1), Stream(seed=2**32), Stream(part="tune"), Stream(part="test")):
        assert (np.abs(other.draw(np.arange(30))[0] - first).max(axis=(1, 2, 3)) > 0.3).all()


def test_numbers_are_those_of_the_device():
    """`words` here and `random_bits` in PyTorch count with one generator; 24 bits are exact in float32 and float64."""
    ids = np.array([0, 1, 2**31, 2**40 + 3])
    for seed, stream in ((0, 0), (2**40 + 7, 5)):
        there = uniform(random_bits(seed, torch.from_numpy(ids), 7, stream))
        np.testing.assert_array_equal(words(seed, ids, 7, stream), there.double().numpy())


def test_values_are_those_of_a_camera():
    """256 levels in [-1, 1]: so a stream may be kept as bytes and lose nothing."""
    images, _ = BUSY.draw(np.arange(200))
    assert images.dtype == np.float32
    assert images.shape == (200, 3, 24, 24)
    levels = (images + 1) * 127.5
    assert -1 <= images.min() < -0.9 < 0.9 < images.max() <= 1
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)  # float32 of numbers up to 255


def test_parts_share_no_glyph():
    banks = [glyph_bank(part) for part in PARTS]
    ids = np.concatenate([bank.ids for bank in banks])
    assert len(np.unique(ids)) == len(ids) == 1797 + 24 * 400  # all digits and all letters, once
    pixels = [{glyph.tobytes() for glyph in bank.pixels} for bank in banks]
    assert not pixels[0] & pixels[1] | pixels[0] & pixels[2] | pixels[1] & pixels[2]  # nor two that look the same
    for part, bank in zip(PARTS, banks, strict=True):
        _, factors = Stream(part, classes=(*DIGITS, *LETTERS)).draw(np.arange(500))
        assert set(factors["glyph"]) <= set(bank.ids)
        assert (bank.counts >= 24).all()
        known = dict(zip(bank.ids, bank.classes, strict=True))
        assert [known[glyph] for glyph in factors["glyph"]] == factors["class"].tolist()


def test_letters_are_different_walks():
    lines = [{frozenset(pair) for pair in pairwise(walk)} for walk in letter_walks().tolist()]
    assert len(lines) == len(LETTERS)
    assert all(len(a & b) < 2 for i, a in enumerate(lines) for b in lines[:i])


def test_place_and_colour_match_the_pixels():
    """The digit's centre of mass lies near its centre (the ink of a 7 does not balance: up to a fifth of its side)."""
    d, f = ink(CLEAN, np.arange(300))
    pixels = np.arange(16) + 0.5
    total = d.sum(axis=(1, 2))
    row, column = (d.sum(axis=2) @ pixels) / total, (d.sum(axis=1) @ pixels) / total
    assert (np.hypot(row - f["row"], column - f["column"]) < 0.2 * f["side"]).all()
    assert np.corrcoef(row, f["row"])[0, 1] > 0.8  # and it moves with it
    images, _ = CLEAN.draw(np.arange(300))
    light = ((images + 1) / 2).transpose(0, 2, 3, 1).reshape(300, -1, 3)
    nearest = np.abs(light - COLOURS[f["colour"]][:, None]).max(axis=2).min(axis=1)
    assert np.median(nearest) < 0.06  # full ink lies between pixels, so the best pixel is a little off
    others = np.abs(light[:, None] - COLOURS[:, None]).max(axis=3).min(axis=2).argmin(axis=1)
    assert (others == f["colour"]).mean() > 0.9  # faint glyphs may come nearer to another colour


def test_scale_and_rotation_match_the_pixels():
    """A bar-shaped digit, the 1: its long axis turns with `angle`, its spread grows with `side`."""
    ones = replace(CLEAN, classes=(1, 7), angle=0.8, side=(6.0, 11.0), size=24)
    d, f = ink(ones, np.arange(1200))
    keep = f["class"] == 1
    d, angle, side = d[keep], f["angle"][keep], f["side"][keep]
    y, x = np.meshgrid(np.arange(24) + 0.5, np.arange(24) + 0.5, indexing="ij")
    w = d / d.sum(axis=(1, 2), keepdims=True)
    cy, cx = (w * y).sum(axis=(1, 2)), (w * x).sum(axis=(1, 2))
    dy, dx = y - cy[:, None, None], x - cx[:, None, None]
    yy, xx, xy = ((w * a).sum(axis=(1, 2)) for a in (dy * dy, dx * dx, dx * dy))
    tilt = 0.5 * np.arctan2(-2 * xy, yy - xx)  # of the long axis from upright, clockwise (y points down)
    assert np.corrcoef(tilt, angle)[0, 1] > 0.8
    assert np.corrcoef(np.sqrt(yy + xx), side)[0, 1] > 0.8


def test_two_objects_stand_as_the_relation_says():
    stream = replace(CLEAN, objects=2, size=24, side=(7.0, 8.0))
    _, f = stream.draw(np.arange(400))
    across, down = f["column"] - f["second_column"], f["row"] - f["second_row"]
    for k, name in enumerate(RELATIONS):
        along = {"right of": across, "left of": -across, "above": -down, "below": down}[name][f["relation"] == k]
        assert along.min() > 0.39 * 24
    assert set(f["same"]) == {0, 1}
    np.testing.assert_array_equal(f["same"], f["class"] == f["second_class"])
    # There is ink around both centres.
    images, _ = stream.draw(np.arange(400))
    light = (images + 1) / 2
    for prefix in ("", "second_"):
        r, c = (np.clip(f[prefix + n], 4, 20).astype(int) for n in ("row", "column"))
        near = np.stack([light[i, :, r[i] - 4 : r[i] + 4, c[i] - 4 : c[i] + 4] for i in range(400)])
        off = np.abs(near - f["background"][:, None, None, None]).sum(axis=1)
        assert (off.max(axis=(1, 2)) > 0.2).all()


def test_textures_and_clutter():
    """Stripes are constant along themselves; the plain background is constant; clutter is strokes on it."""
    bare = Stream(noise=0, clutter=0, rows=(4.0, 4.0), columns=(4.0, 4.0), side=(1.0, 1.0))  # its object is far away
    images, f = bare.draw(np.arange(200))
    for kind, name in enumerate(TEXTURES):
        x = images[f["texture"] == kind][:, 0]
        along_rows, along_columns = np.ptp(x, axis=2).max(), np.ptp(x, axis=1).max()
        assert (along_rows == 0) == (name in ("plain", "rows"))
        assert (along_columns == 0) == (name in ("plain", "columns"))
    messy, _ = replace(bare, clutter=3).draw(np.arange(200))
    assert 0.02 < (messy != images).mean() < 0.4


def test_shift_moves_the_scene():
    """What leaves on one side comes in from nowhere: inside, the moved scene is the same pixels; noise stays."""
    stream = replace(BUSY, noise=0)
    images, factors = stream.draw(np.arange(20))
    moved, factors_moved = stream.draw(np.arange(20), shift=(2, -3))
    np.testing.assert_allclose(moved[:, :, 2:, :-3], images[:, :, :-2, 3:], atol=1 / 127)  # one level, by rounding
    np.testing.assert_array_equal(factors["row"], factors_moved["row"])  # factors say where it was
    bare = Stream(texture=False, clutter=0, rows=(4.0, 4.0), columns=(4.0, 4.0), side=(1.0, 1.0))  # noise alone
    np.testing.assert_array_equal(bare.draw(np.arange(20), shift=(2, -3))[0], bare.draw(np.arange(20))[0])


def test_labels_are_places_in_classes():
    stream = Stream(classes=(7, 30, 2))
    _, f = stream.draw(np.arange(300))
    np.testing.assert_array_equal(np.array([7, 30, 2])[f["label"]], f["class"])
    assert np.bincount(f["label"]).min() > 70  # of 300 in three classes; 70 is four standard deviations below 100


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("part", "validation"), ("classes", (3,)), ("classes", (1, 1)), ("classes", (0, 34)), ("seed", -1), ("size", 4),
        ("channels", 2), ("objects", 3), ("clutter", -1), ("noise", -0.1), ("angle", -1), ("rows", (0.6, 0.4)),
        ("side", (8,)), ("columns", (-0.1, 0.5)),
    ],
)  # fmt: skip
def test_refused(field, value):
    with pytest.raises(ValueError, match=field):
        Stream(**{field: value})


def test_ids_refused():
    for ids in (np.array([-1]), np.zeros((2, 2), int), np.array([0.5])):
        with pytest.raises(ValueError, match="ids"):
            Stream().draw(ids)
    with pytest.raises(ValueError, match="part"):
        glyph_bank("validation")
