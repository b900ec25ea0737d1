"""Batched augmentation against the same operation done image by image on the host."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

from vitedu.data import batched
from vitedu.data import randaugment as ra
from vitedu.data.transforms import PadCrop

FLOWER = load_sample_image("flower.jpg")
PATCHES = np.stack([FLOWER[40 * i : 40 * i + 24, 60 * i : 60 * i + 32] for i in range(8)])  # (8, 24, 32, 3)
FLAT = np.full((1, 24, 32, 3), 77, np.uint8)  # one value only: nothing to stretch, nothing to equalise
IMAGES = np.concatenate([PATCHES, FLAT])
X = torch.from_numpy(IMAGES.transpose(0, 3, 1, 2).copy())  # (9, 3, 24, 32)
U = torch.linspace(0, 0.999, len(X))


def one_by_one(operation, *numbers):
    """operation(image, number) on each image, as a batch."""
    rows = zip(IMAGES, *(n.tolist() for n in numbers), strict=True)
    return torch.from_numpy(np.stack([operation(*row) for row in rows]).transpose(0, 3, 1, 2).copy())


FACTORS = 0.1 + 1.8 * U
COLOURS = {
    "autocontrast": (batched.autocontrast, ra.autocontrast, ()),
    "equalize": (batched.equalize, ra.equalize, ()),
    "posterize": (batched.posterize, lambda x, lost: ra.posterize(x, 8 - lost), ((5 * U).long(),)),
    "solarize": (batched.solarize, ra.solarize, ((256 * U).floor(),)),
    "color": (batched.color, ra.color, (FACTORS,)),
    "contrast": (batched.contrast, ra.contrast, (FACTORS,)),
    "brightness": (batched.brightness, ra.brightness, (FACTORS,)),
    "sharpness": (batched.sharpness, ra.sharpness, (FACTORS,)),
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours(name):
    many, one, numbers = COLOURS[name]
    got, wanted = many(X.float(), *numbers), one_by_one(one, *numbers).float()
    assert torch.equal(got, got.floor())
    assert got.min() >= 0
    assert got.max() <= 255
    # The same float32 sums in another order, then cut to whole numbers: now and then the next one.
    assert (got - wanted).abs().max() <= 1
    assert (got != wanted).float().mean() < 0.002


def matrices(operation, strength, sign):
    chosen = torch.full((len(X),), batched.OPERATIONS.index(operation))
    return batched.trivial_matrix(chosen, strength, sign, *X.shape[2:])


MOVES = {
    "Rotate": lambda x, m: ra.rotate(x, 30 * m),
    "ShearX": lambda x, m: ra.shear_x(x, 0.3 * m),
    "ShearY": lambda x, m: ra.shear_y(x, 0.3 * m),
    "TranslateX": lambda x, m: ra.translate(x, 0, round(10 * m)),
    "TranslateY": lambda x, m: ra.translate(x, round(7.5 * m), 0),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name):
    sign = torch.tensor([1.0, -1.0]).repeat(5)[: len(X)]
    middle = torch.full((len(X),), 4)
    got = batched.move(X, matrices(name, U, sign), middle, middle, torch.zeros(len(X), dtype=torch.bool), pad=4)
    # Pillow reckons in float64: where a point falls on the border of two pixels, the other may be taken.
    assert (got != one_by_one(MOVES[name], U * sign)).float().mean() < 0.002


def test_crop_and_flip_are_those_of_the_host():
    """The host's transform is given its draws in the order in which it asks for them."""
    down, across = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8]), torch.tensor([8, 0, 7, 1, 6, 2, 5, 3, 4])
    flipped = torch.tensor([True, False, True] * 3)

    class Drawn:
        def __init__(self, i):
            self.i = i

        def integers(self, low, high, size):
            return np.array([down[self.i], across[self.i]])

        def random(self):
            return 0.0 if flipped[self.i] else 0.9

    crop = PadCrop((3, 24, 32), 4)
    wanted = np.stack([crop(image, Drawn(i)) for i, image in enumerate(IMAGES)])
    got = batched.move(X, batched.identity_matrix(U), down, across, flipped, pad=4)
    assert torch.equal(got, torch.from_numpy(wanted))


def test_each_image_gets_its_own_operation():
    operation = torch.arange(len(X))  # Identity, AutoContrast, ..., Sharpness: one of each
    sign = torch.ones(len(X))
    out = batched.trivial_colours(X.float(), operation, U, sign)
    assert batched.OPERATIONS[: len(X)] == batched.COLOURS
    factor = 1 + 0.9 * U
    alone = [
        lambda x, i: x, lambda x, i: batched.autocontrast(x), lambda x, i: batched.equalize(x),
        lambda x, i: batched.posterize(x, (5 * U[i]).long()),
        lambda x, i: batched.solarize(x, (256 * (1 - U[i])).floor()),
        lambda x, i: batched.color(x, factor[i]), lambda x, i: batched.contrast(x, factor[i]),
        lambda x, i: batched.brightness(x, factor[i]), lambda x, i: batched.sharpness(x, factor[i]),
    ]  # fmt: skip
    for i, function in enumerate(alone):
        i = slice(i, i + 1)
        # One level: the mean of `contrast` may be summed in another order for one image than for nine.
        assert (out[i] - function(X[i].float(), i)).abs().max() <= 1
    matrix = batched.trivial_matrix(operation, U, sign, 24, 32)
    assert torch.equal(matrix, batched.identity_matrix(U))  # colours stay where they are


def test_boxes():
    row, column = torch.tensor([4.0, 0.0]), torch.tensor([6.0, 32.0])
    box = batched.in_box(row, column, torch.tensor([4.0, 8.0]), torch.tensor([6.0, 8.0]), 24, 32)
    wanted = torch.zeros(2, 1, 24, 32, dtype=torch.bool)
    wanted[0, 0, 2:6, 3:9] = True
    wanted[1, 0, :4, 28:] = True  # what lies outside of the image is cut off
    assert torch.equal(box, wanted)
    assert torch.equal(batched.erase(X[:2].float(), box)[0, 0, 2:6, 3:9], torch.full((4, 6), 128.0))


def test_mixed_pairs_are_mixed_by_hand(rng):
    images = torch.from_numpy(rng.standard_normal((4, 2, 4, 4)))
    targets = torch.eye(4, dtype=torch.float64)
    keep = torch.ones(4, 1, 4, 4, dtype=torch.float64)
    keep[:2] = 0.25  # the first pair: mixup
    keep[2:, :, :2] = 0  # the second: cutmix, the upper half
    mixed, shares = batched.mix_pairs(images, targets, keep)
    assert torch.allclose(mixed[0], 0.25 * images[0] + 0.75 * images[1], rtol=1e-15)
    assert torch.equal(mixed[3, :, :2], images[2, :, :2])
    assert torch.equal(mixed[3, :, 2:], images[3, :, 2:])
    assert shares.tolist() == [[0.25, 0.75, 0, 0], [0.75, 0.25, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5]]
    with pytest.raises(ValueError, match="images has 3 rows"):
        batched.mix_pairs(images[:3], targets[:3], keep[:3])


def test_cutmix_box_has_the_area_it_is_asked_for():
    share = torch.tensor([0.0, 0.75, 1.0])
    keep = batched.cutmix_keep(share, torch.full((3,), 0.5), torch.full((3,), 0.5), 32, 32)
    assert keep.mean((1, 2, 3)).tolist() == share.tolist()
