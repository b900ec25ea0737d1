"""Augmentation of a whole batch at once, on the device where the images are.

Every function takes images and numbers drawn before, and draws nothing itself: the same numbers give the same image,
whatever else is in the batch.  What an operation does to *one* image is said in `transforms.py` (`PadCrop`) and
`randaugment.py`, image by image and with loops; tests compare the two.

Shapes: `b` images, `C` channels, `H W` size.  Bytes are (b, C, H, W) uint8; the colour operations work on their values
as float32 whole numbers, and a strength is one number for each image, (b,).
"""

from __future__ import annotations

import math

import torch

from .randaugment import GREY

__all__ = [
    "COLOURS", "MOVES", "OPERATIONS", "cutmix_keep", "erase", "identity_matrix", "in_box", "mix_pairs", "move",
    "trivial_colours", "trivial_matrix",
]  # fmt: skip


# ---- where a pixel comes from ----------------------------------------------------------------------------------------


def move(images, matrix, down, across, flipped, pad: int):
    """Flip, crop of the padded image, then an affine map to the nearest pixel, all in one reading.     bytes -> bytes

    down, across (b,) int64: where the crop starts in the image with its black border of `pad` pixels; flipped (b,)
    bool; matrix (b, 6): the pixel at (m0 x + m1 y + m2, m3 x + m4 y + m5) comes to (x, y), grey where there is none.
    """
    b, C, H, W = images.shape
    y = torch.arange(H, device=images.device, dtype=torch.float32)[:, None] + 0.5  # (H, 1) middles of pixels
    x = torch.arange(W, device=images.device, dtype=torch.float32)[None, :] + 0.5  # (1, W)
    m = matrix[:, :, None, None]  # (b, 6, 1, 1)
    column = torch.floor(m[:, 0] * x + m[:, 1] * y + m[:, 2]).long()  # (b, H, W) of the crop
    row = torch.floor(m[:, 3] * x + m[:, 4] * y + m[:, 5]).long()
    in_crop = (column >= 0) & (column < W) & (row >= 0) & (row < H)
    row, column = row + (down - pad)[:, None, None], column + (across - pad)[:, None, None]  # of the image, flipped
    in_image = (column >= 0) & (column < W) & (row >= 0) & (row < H)
    column = torch.where(flipped[:, None, None], W - 1 - column, column)
    index = row.clamp(0, H - 1) * W + column.clamp(0, W - 1)  # (b, H, W)
    index = index.flatten(1)[:, None].expand(b, C, H * W)
    moved = images.flatten(2).gather(2, index).unflatten(2, (H, W))  # (b, C, H, W)
    moved = torch.where(in_image[:, None], moved, 0)
    return torch.where(in_crop[:, None], moved, GREY)


def identity_matrix(like):
    """The matrix that moves nothing, one for each number of `like` (b,).     -> (b, 6)"""
    one, zero = torch.ones_like(like), torch.zeros_like(like)
    return torch.stack([one, zero, zero, zero, one, zero], 1)


def rotation(degrees, H: int, W: int):
    """About the middle; counter-clockwise for positive degrees.     (b,) -> (b, 6)"""
    angle = degrees * (math.pi / 180)
    cos, sin = torch.cos(angle), torch.sin(angle)
    y, x = H / 2, W / 2
    return torch.stack([cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y], 1)


# ---- colours: float32 whole numbers in, and out ----------------------------------------------------------------------


def blend(other, x, factor):
    """other + factor (x - other), cut to 0 ... 255 and to whole numbers.  factor (b,)"""
    return (other + factor[:, None, None, None] * (x - other)).clamp(0, 255).floor()


def grey(x):
    """(b, 3, H, W)  ->  (b, 1, H, W): the luma; a grey image as it is."""
    if x.shape[1] == 1:
        return x
    return (0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]).round()


def color(x, factor):
    return blend(grey(x), x, factor)


def contrast(x, factor):
    return blend((grey(x).mean((1, 2, 3), keepdim=True) + 0.5).floor(), x, factor)


def brightness(x, factor):
    return blend(torch.zeros_like(x), x, factor)


def sharpness(x, factor):
    three = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    nine = three[..., :-2] + three[..., 1:-1] + three[..., 2:]  # (b, C, H - 2, W - 2)
    smooth = ((nine + 4 * x[:, :, 1:-1, 1:-1]) / 13).floor()
    H, W = x.shape[2:]
    row = torch.arange(H, device=x.device)[:, None]
    column = torch.arange(W, device=x.device)[None, :]
    inside = (row > 0) & (row < H - 1) & (column > 0) & (column < W - 1)
    return blend(torch.where(inside, torch.nn.functional.pad(smooth, (1, 1, 1, 1)), x), x, factor)


def posterize(x, lost):
    """The lowest `lost` bits of each value become 0.  lost (b,) int64"""
    lost = lost.int()[:, None, None, None]
    return (x.int() >> lost << lost).float()


def solarize(x, threshold):
    return torch.where(x < threshold[:, None, None, None], x, 255 - x)


def autocontrast(x):
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)  # (b, C, 1, 1)
    span = torch.where(high > low, high - low, 255)
    stretched = ((x - low) * (255 / span) + 1e-3).floor()
    return torch.where(high > low, stretched, x)


def equalize(x):
    b, C, H, W = x.shape
    values = x.long().flatten(2)  # (b, C, H W)
    counts = torch.zeros(b, C, 256, dtype=torch.int64, device=x.device)
    counts = counts.scatter_add(2, values, torch.ones_like(values))
    up_to = counts.cumsum(2)
    brightest = counts.gather(2, values.amax(2, keepdim=True))  # how many have the brightest value
    step = (H * W - brightest) // 255  # (b, C, 1)
    table = ((up_to - counts + step // 2) // step.clamp(min=1)).clamp(max=255)  # value -> value
    table = torch.where(step > 0, table, torch.arange(256, device=x.device))
    return table.gather(2, values).unflatten(2, (H, W)).float()


# ---- one random operation for each image -----------------------------------------------------------------------------

# TrivialAugment (Mueller & Hutter 2021, arXiv:2103.10158): one operation, all equally likely, at a strength drawn
# anew for each image from nothing to the most that RandAugment has; the first list leaves pixels where they are.
COLOURS = (
    "Identity", "AutoContrast", "Equalize", "Posterize", "Solarize", "Color", "Contrast", "Brightness", "Sharpness",
)  # fmt: skip
MOVES = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")
OPERATIONS = COLOURS + MOVES


def trivial_matrix(operation, strength, sign, H: int, W: int):
    """The affine map of the images whose operation moves pixels: rotation up to 30 degrees, shear up to 0.3, shift up
    to 10 of 32 pixels.     operation (b,) int64, strength in [0, 1), sign 1 or -1  ->  (b, 6)
    """
    m = sign * strength
    matrix = identity_matrix(m)

    def changed(place, value):
        return torch.where(torch.arange(6, device=m.device) == place, value[:, None], matrix)

    choices = {
        "Rotate": rotation(30 * m, H, W),
        "ShearX": changed(1, 0.3 * m),
        "ShearY": changed(3, 0.3 * m),
        "TranslateX": changed(2, torch.round(10 / 32 * W * m)),
        "TranslateY": changed(5, torch.round(10 / 32 * H * m)),
    }
    for name, choice in choices.items():
        matrix = torch.where((operation == OPERATIONS.index(name))[:, None], choice, matrix)
    return matrix


def trivial_colours(x, operation, strength, sign):
    """The images whose operation changes colours, changed; the others as they are.  x: float32 whole numbers.

    Up to four bits lost, solarised from 256 down to 0, factors 1 + 0.9 sign strength.
    """
    factor = 1 + 0.9 * sign * strength
    choices = {
        "AutoContrast": autocontrast(x),
        "Equalize": equalize(x),
        "Posterize": posterize(x, (5 * strength).long()),
        "Solarize": solarize(x, (256 * (1 - strength)).floor()),
        "Color": color(x, factor),
        "Contrast": contrast(x, factor),
        "Brightness": brightness(x, factor),
        "Sharpness": sharpness(x, factor),
    }
    out = x
    for name, choice in choices.items():
        out = torch.where((operation == OPERATIONS.index(name))[:, None, None, None], choice, out)
    return out


# ---- boxes and pairs -------------------------------------------------------------------------------------------------


def in_box(row, column, height, width, H: int, W: int):
    """True in the box around (row, column), as far as it lies in the image; all (b,).     -> (b, 1, H, W)"""
    y = torch.arange(H, device=row.device) + 0.5
    x = torch.arange(W, device=row.device) + 0.5
    rows = (y - row[:, None]).abs() < height[:, None] / 2  # (b, H)
    columns = (x - column[:, None]).abs() < width[:, None] / 2  # (b, W)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def erase(x, box):
    """Grey where `box` (b, 1, H, W) is True."""
    return torch.where(box, torch.full_like(x, GREY), x)


def cutmix_keep(share, row, column, H: int, W: int):
    """What cutmix (Yun et al. 2019, arXiv:1905.04899) keeps of an image: 1, but 0 in a box of 1 - share of its area.

    share, row, column (b,): row and column as parts of the side, the middle of the box.     -> (b, 1, H, W)
    """
    side = (1 - share).sqrt()
    return 1 - in_box(row * H, column * W, side * H, side * W, H, W).float()


def mix_pairs(images, targets, keep):
    """Images 2k and 2k + 1 give each other what they do not keep.     keep (b, 1, H, W) in [0, 1], alike in a pair

    image  <-  keep image + (1 - keep) partner,  and targets alike, by the mean of keep: mixup where keep is a constant,
    cutmix where it is 0 in a box.  Raises ValueError for an odd number of images.
    """
    if len(images) % 2:
        raise ValueError(f"images has {len(images)} rows; expected an even number, they are mixed in pairs")
    share = keep.mean((1, 2, 3))[:, None]  # (b, 1)
    return (
        keep * images + (1 - keep) * _partners(images),
        share * targets + (1 - share) * _partners(targets),
    )


def _partners(x):
    """Rows 0, 1, 2, 3, ...  ->  1, 0, 3, 2, ..."""
    return x.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)
