"""Glyphs of 8 x 8 grey levels: ten digits that people wrote, and letters that a rule writes.

Taught in notebooks/19_how_much_data.ipynb.

The digits are scikit-learn's (`digits.py`).  A letter is a walk along three lines between the points of a 3 x 3 grid;
every time it is written the points move a little and the pen is thicker or thinner.  Classes 0 ... 9 are the digits,
10 ... 33 the letters.

Each glyph belongs to one part for ever: "train", "tune" (to choose learning rates on), or "test".
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .digits import load_digits
from .philox import philox

__all__ = ["DIGITS", "LETTERS", "PARTS", "SIDE", "Bank", "glyph_bank", "letter_walks", "words"]

DIGITS, LETTERS = tuple(range(10)), tuple(range(10, 34))
PARTS = ("train", "tune", "test")
SIDE = 8  # pixels
WRITTEN = 400  # times that each letter is written; every fifth for "test", every fifth for "tune"


class Bank(NamedTuple):
    """The glyphs of a part, class by class."""

    pixels: np.ndarray  # (G, 8, 8) float32, 0 paper ... 1 ink
    classes: np.ndarray  # (G,) rising
    ids: np.ndarray  # (G,) which glyph of all parts together it is
    starts: np.ndarray  # (34,) where a class begins,
    counts: np.ndarray  # (34,) and how many glyphs it has


def words(seed: int, positions, count: int, stream: int = 0) -> np.ndarray:
    """`count` numbers in [0, 1) for each position, a function of these four and of nothing else.

    positions (n,) integers >= 0  ->  (n, count), made of the bits that `draws.random_bits` draws.
    """
    blocks = np.arange((count + 3) // 4, dtype=np.int64)  # four words at a time
    positions = np.asarray(positions, np.int64)[:, None]
    counter = positions & 0xFFFFFFFF, positions >> 32, blocks, np.full_like(blocks, stream)
    bits = np.stack(np.broadcast_arrays(*philox(counter, (seed & 0xFFFFFFFF, seed >> 32))), axis=-1)
    return (bits.reshape(len(positions), -1)[:, :count] >> 8) * 2.0**-24  # float64: k times one of them stays below k


def letter_walks() -> np.ndarray:
    """(24, 4): the points, 0 ... 8 row by row, that the pen of each letter visits.

    Walks come in a fixed random order; one that shares two lines with an earlier letter is passed over.
    """
    chosen, lines_of = [], []
    for numbers in words(0x1E77E25, np.arange(4000), 4):
        walk = [int(9 * u) for u in numbers]
        lines = {frozenset(pair) for pair in pairwise(walk)}
        distinct = len(set(walk)) == 4 and len(lines) == 3
        if distinct and all(len(lines & earlier) < 2 for earlier in lines_of) and len(chosen) < len(LETTERS):
            chosen.append(walk)
            lines_of.append(lines)
    return np.array(chosen)


def _letters() -> tuple[np.ndarray, np.ndarray]:
    """(24 x 400, 8, 8) ink, and (24 x 400,) classes."""
    walks = np.repeat(letter_walks(), WRITTEN, axis=0)  # (G, 4)
    u = words(0x1E77E26, np.arange(len(walks)), 9)
    x, y = 0.7 * (walks % 3 - 1) + 0.36 * (u[:, :4] - 0.5), 0.7 * (walks // 3 - 1) + 0.36 * (u[:, 4:8] - 0.5)
    half = 0.12 + 0.1 * u[:, 8, None]  # of the pen's width
    grid = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1
    px, py = np.tile(grid, SIDE), np.repeat(grid, SIDE)  # (64,)
    ink = np.zeros((len(walks), SIDE * SIDE))
    for a in range(3):  # the distance of each pixel to the line from point a to point a + 1
        ax, ay, bx, by = (v[:, i, None] for i in (a, a + 1) for v in (x, y))
        dx, dy = bx - ax, by - ay
        along = np.clip(((px - ax) * dx + (py - ay) * dy) / (dx**2 + dy**2), 0, 1)
        distance = np.hypot(px - ax - along * dx, py - ay - along * dy)
        ink = np.maximum(ink, np.clip((half - distance) * SIDE / 2 + 0.5, 0, 1))
    return ink.reshape(-1, SIDE, SIDE).astype(np.float32), np.repeat(LETTERS, WRITTEN)


@lru_cache
def glyph_bank(part: str) -> Bank:
    """All glyphs of "train", "tune" or "test".  Raises ValueError for another part."""
    if part not in PARTS:
        raise ValueError(f"part={part!r} is not allowed; part must be one of {PARTS}")
    digits = load_digits()
    kept = np.arange(len(digits.train_labels)) % 5 != 0
    images = np.concatenate([digits.train_images[kept], digits.train_images[~kept], digits.test_images])[:, 0]
    labels = np.concatenate([digits.train_labels[kept], digits.train_labels[~kept], digits.test_labels])
    parts = np.repeat([0, 1, 2], [kept.sum(), (~kept).sum(), len(digits.test_labels)])
    letters, letter_classes = _letters()
    written = np.arange(len(letters)) % 5
    pixels = np.concatenate([(images + 1) / 2, letters])
    classes = np.concatenate([labels, letter_classes])
    parts = np.concatenate([parts, np.select([written == 0, written == 1], [2, 1], 0)])
    ids = np.nonzero(parts == PARTS.index(part))[0]
    ids = ids[np.argsort(classes[ids], kind="stable")]
    counts = np.bincount(classes[ids], minlength=len(DIGITS) + len(LETTERS))
    bank = Bank(pixels[ids], classes[ids], ids, np.cumsum(counts) - counts, counts)
    for array in bank:
        array.setflags(write=False)  # all streams share it
    return bank
