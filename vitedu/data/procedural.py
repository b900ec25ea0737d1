"""Images that never end: small scenes whose every factor is known.

Taught in notebooks/18_locality.ipynb and 19_how_much_data.ipynb.

Image i of a stream is a function of (seed, part, i) and of nothing else: not of the batch it is drawn in, not of the
images before it.  So there are as many as one wants, none has to be stored, and the first n of them are a data set.

Shapes: `n` images, `C` channels, `H = W` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vitedu_numpy.validate import is_count, is_number, is_size, require

from .glyphs import DIGITS, LETTERS, PARTS, SIDE, glyph_bank, words

__all__ = ["COLOURS", "RELATIONS", "TEXTURES", "Stream"]

COLOURS = np.array(  # Okabe and Ito's, on which colour-blind readers agree
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]],
    np.float32,
) / 255  # fmt: skip
TEXTURES = ("plain", "rows", "columns", "checks")
RELATIONS = ("right of", "above", "left of", "below")  # where the first object is, seen from the second
NOISE = 2**16  # numbers in the table of noise
# What each number of an image stands for; new ones are put at the end, so that old images stay what they are.
_SCENE = ("row", "column", "background", "texture", "phase", "contrast", "relation", "gap", "aside", "noise")
_OBJECT = ("class", "glyph", "side", "angle", "colour")
_PIECE = ("row", "column", "length", "angle", "colour")


@dataclass(frozen=True)
class Stream:
    """Scenes of one or two glyphs before a texture, among short strokes, with noise.

    `images, factors = stream.draw(ids)`; the class of `factors["label"]` is `classes[label]`.  Raises ValueError for a
    field out of its range.
    """

    part: str = "train"  # whose glyphs: "train", "tune" or "test"
    classes: tuple[int, ...] = DIGITS  # of the (first) object: digits 0 ... 9, letters 10 ... 33
    seed: int = 0
    size: int = 16  # H = W, pixels
    channels: int = 3  # 3: colours; 1: the same in grey
    objects: int = 1  # or 2
    rows: tuple[float, float] = (0.38, 0.62)  # between which the scene's centre lies, in parts of the canvas
    columns: tuple[float, float] = (0.38, 0.62)
    side: tuple[float, float] = (8.0, 11.0)  # of a glyph, pixels
    angle: float = 0.35  # largest rotation to either side, radians
    clutter: int = 3  # short strokes behind the objects
    texture: bool = True
    noise: float = 0.05  # standard deviation, in parts of full brightness

    def __post_init__(self):
        require(isinstance(self.classes, tuple | list | range), "classes", self.classes, "a list of integers")
        object.__setattr__(self, "classes", tuple(self.classes))
        known = len(DIGITS) + len(LETTERS)
        for name, allowed, fine in (
            ("part", f"one of {PARTS}", self.part in PARTS),
            ("classes", f"two or more different integers 0 ... {known - 1}",
             len(set(self.classes)) == len(self.classes) >= 2 and all(c in range(known) for c in self.classes)),
            ("seed", "an integer 0 ... 2^63 - 1", isinstance(self.seed, int) and 0 <= self.seed < 2**63),
            ("size", "an integer >= 8", is_count(self.size, 8) and is_size(self.size)),
            ("channels", "1 or 3", self.channels in (1, 3)),
            ("objects", "1 or 2", is_count(self.objects) and self.objects <= 2),
            ("clutter", "an integer 0 ... 60", isinstance(self.clutter, int) and 0 <= self.clutter <= 60),
            ("noise", "a number >= 0", is_number(self.noise) and self.noise >= 0),
            ("angle", "a number >= 0", is_number(self.angle) and self.angle >= 0),
        ):  # fmt: skip
            if not fine:
                raise ValueError(f"{name}={getattr(self, name)!r} is not allowed; {name} must be {allowed}")
        for name in ("rows", "columns", "side"):
            value = getattr(self, name)
            is_pair = isinstance(value, tuple | list) and len(value) == 2 and all(map(is_number, value))
            if not is_pair or not 0 <= value[0] <= value[1]:
                raise ValueError(f"{name}={value!r} is not allowed; {name} must be (least, most), 0 <= least <= most")
            object.__setattr__(self, name, tuple(value))

    def draw(self, ids, shift=(0, 0)) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Images (n, C, H, W) float32 in [-1, 1], of 256 levels as a camera's; and their factors, (n,) each.

        ids (n,): numbers >= 0 of images.  shift: (down, across), pixels: the same scene, seen by a camera that moved;
        the noise, which is the camera's, stays.

        Factors: "label" (place in `classes`), "class", "glyph" (an id; no two parts share one), "row" and "column" of
        the centre (pixels), "side" (pixels), "angle" (radians, clockwise), "colour" (row of `COLOURS`), "background"
        (brightness), "texture" (of `TEXTURES`); with two objects "second_..." of these, "relation" (of `RELATIONS`) and
        "same" (are both of one class?).
        """
        ids = np.asarray(ids)
        if ids.ndim != 1 or ids.dtype.kind not in "iu" or (len(ids) and ids.min() < 0):
            raise ValueError(f"ids is {ids.dtype} {ids.shape}; expected (n,) integers >= 0")
        n, H = len(ids), self.size
        numbers = [self._numbers(ids, k, _OBJECT) for k in range(1, 1 + self.objects)]
        scene = self._numbers(ids, 0, _SCENE)
        factors = self._scene_factors(scene)
        for prefix, u in zip(("", "second_"), numbers, strict=False):
            factors |= {prefix + name: value for name, value in self._object_factors(u).items()}
        if self.objects == 2:
            self._place_both(scene, factors)
        factors = {"label": np.searchsorted(self._sorted[0], factors["class"]), **factors}
        factors["label"] = self._sorted[1][factors["label"]]

        down, across = shift
        light = factors["background"][:, None, None] + self._texture(scene, factors["texture"], down, across)
        canvas = np.repeat(light[:, None], 3, axis=1)  # (n, 3, H, W)
        for k in range(self.clutter):
            u = self._numbers(ids, 3 + k, _PIECE)
            cy, cx = H * u["row"] + down, H * u["column"] + across
            x, y = _seen_from(H, cy, cx, np.pi * u["angle"])
            long, wide = (0.12 + 0.12 * u["length"][:, None, None]) * H, 0.6
            ink = np.clip(long - np.abs(x) + 0.5, 0, 1) * np.clip(wide - np.abs(y) + 0.5, 0, 1)
            _paint(canvas, ink, COLOURS[(len(COLOURS) * u["colour"]).astype(int)])
        for prefix in ("second_", "")[2 - self.objects :]:
            f = {name: factors[prefix + name] for name in ("bank", "row", "column", "side", "angle", "colour")}
            bitmaps = glyph_bank(self.part).pixels[f["bank"]]
            x, y = _seen_from(H, f["row"] + down, f["column"] + across, f["angle"])
            scale = (SIDE / f["side"])[:, None, None]
            _paint(canvas, _sample(bitmaps, x * scale, y * scale), COLOURS[f["colour"]])
            del factors[prefix + "bank"]
        if self.channels == 1:
            canvas = canvas.mean(axis=1, keepdims=True)
        if self.noise:
            start = (NOISE * scene["noise"]).astype(int)[:, None] + np.arange(canvas[:1].size)
            canvas += self.noise * _noise()[start % NOISE].reshape(canvas.shape)
        levels = np.rint(np.clip(canvas, 0, 1) * 255)
        return (levels / 127.5 - 1).astype(np.float32).reshape(n, self.channels, H, H), factors

    # ---- factors -----------------------------------------------------------------------------------------------------

    def _numbers(self, ids, layer, names) -> dict[str, np.ndarray]:
        """Numbers in [0, 1) by name: of the scene (layer 0), an object (1, 2) or a stroke (3, ...)."""
        stream = layer * len(PARTS) + PARTS.index(self.part)
        return dict(zip(names, words(self.seed, ids, len(names), stream).T, strict=True))

    @property
    def _sorted(self):
        order = np.argsort(self.classes)
        return np.array(self.classes)[order], order

    def _scene_factors(self, u) -> dict[str, np.ndarray]:
        return {
            "row": self.size * _between(self.rows, u["row"]),
            "column": self.size * _between(self.columns, u["column"]),
            "background": _between((0.02, 0.3), u["background"]),
            "texture": (len(TEXTURES) * u["texture"]).astype(int) * self.texture,
        }

    def _object_factors(self, u) -> dict[str, np.ndarray]:
        bank = glyph_bank(self.part)
        classes = np.array(self.classes)[(len(self.classes) * u["class"]).astype(int)]
        place = bank.starts[classes] + (bank.counts[classes] * u["glyph"]).astype(int)
        return {
            "class": classes,
            "glyph": bank.ids[place],
            "bank": place,
            "side": _between(self.side, u["side"]),
            "angle": self.angle * (2 * u["angle"] - 1),
            "colour": (len(COLOURS) * u["colour"]).astype(int),
        }

    def _place_both(self, u, factors) -> None:
        """The objects stand around the scene's centre, on either side of it, a little aside."""
        relation = (len(RELATIONS) * u["relation"]).astype(int)
        along, aside = self.size * (0.2 + 0.06 * u["gap"]), self.size * 0.12 * (u["aside"] - 0.5)
        right, down = np.array([1, 0, -1, 0])[relation], np.array([0, -1, 0, 1])[relation]
        row, column = factors["row"], factors["column"]
        for prefix, sign in (("", 1), ("second_", -1)):
            factors[prefix + "row"] = row + sign * (down * along + right * aside)
            factors[prefix + "column"] = column + sign * (right * along + down * aside)
        factors["relation"], factors["same"] = relation, (factors["class"] == factors["second_class"]).astype(int)

    def _texture(self, u, kind, down, across) -> np.ndarray:
        """Brightness to be added, (n, H, W): stripes of four pixels, or checks."""
        phase = 4 * u["phase"][:, None]
        y, x = (np.sin(np.pi / 2 * (np.arange(self.size) - moved + phase)) for moved in (down, across))  # (n, H)
        one = np.ones_like(x)
        left = np.where(np.isin(kind, (1, 3))[:, None], y, one) * (kind > 0)[:, None]
        waves = left[:, :, None] * np.where(np.isin(kind, (2, 3))[:, None], x, one)[:, None, :]
        return (0.08 + 0.08 * u["contrast"])[:, None, None] * waves


def _between(bounds, u):
    least, most = bounds
    return least + (most - least) * u


def _seen_from(H, row, column, angle):
    """Pixels' coordinates (n, H, H) seen from an object: x along its own rows, y along its own columns."""
    pixels = np.arange(H, dtype=np.float32) + 0.5
    y = (pixels - row[:, None].astype(np.float32))[:, :, None]
    x = (pixels - column[:, None].astype(np.float32))[:, None, :]
    cos, sin = (f(angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    return cos * x + sin * y, cos * y - sin * x


def _sample(bitmaps, x, y) -> np.ndarray:
    """Bitmaps (n, S, S) at coordinates from their centre, bilinear; nothing outside.     x, y (n, H, W)"""
    n, S, _ = bitmaps.shape
    padded = np.pad(bitmaps, ((0, 0), (1, 1), (1, 1))).reshape(-1)
    x, y = (np.clip(v + (S + 1) / 2, 0, S + 0.999) for v in (x, y))  # in padded pixels
    x0, y0 = x.astype(np.int32), y.astype(np.int32)
    fx, fy = x - x0, y - y0
    at = (np.arange(n, dtype=np.int32) * (S + 2) ** 2)[:, None, None] + y0 * (S + 2) + x0
    top = padded[at] * (1 - fx) + padded[at + 1] * fx
    bottom = padded[at + S + 2] * (1 - fx) + padded[at + S + 3] * fx
    return top * (1 - fy) + bottom * fy


def _paint(canvas, ink, colours) -> None:
    """canvas <- canvas (1 - ink) + colour ink, in place.     canvas (n, 3, H, W), ink (n, H, W), colours (n, 3)"""
    canvas += ink[:, None] * (colours[:, :, None, None] - canvas)


@lru_cache
def _noise() -> np.ndarray:
    """A table of numbers of mean 0 and variance 1: sums of four uniform ones."""
    return ((words(0x4015E, np.arange(NOISE), 4).sum(axis=1) - 2) * np.sqrt(3)).astype(np.float32)
