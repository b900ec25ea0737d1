"""From the bytes of an image file to pixels.  Taught in notebooks/14_pretraining.ipynb.

Most of the time goes into a JPEG's entropy code, which can only be read from the start, so two things are read no
further than needed:

- rows: a crop needs no row below it.  A JPEG is read from top to bottom, so its header is made to say that the image
  ends there; the rows above are the same to the bit (`_upper_rows`);
- detail: a crop that is shrunk at least twofold may be read at 1/2, 1/4 or 1/8 of its size (`factor`).

simplejpeg (libjpeg-turbo) reads JPEGs where it is installed; Pillow reads everything else, and everything where it is
not.  Both give the same pixels.  The slow, exact inverse cosine transform is used, as Pillow does.

Colours: always `channels` of them, 3 = red, green, blue or 1 = grey, whatever the file holds: grey is repeated, a
palette looked up, CMYK converted, transparency dropped, 16 bits cut to 8; of an animation the first picture is taken.
The orientation in EXIF is not applied, and colour profiles are not either: TensorFlow's decoders do neither.

Pillow knows some forty formats, and for one of them (PostScript) it starts another program on the file.  Only the
formats of pictures are asked for (`FORMATS`), whatever a file is called.
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import struct
import threading
import warnings

import numpy as np

from vitedu_numpy.extras import naming_extras
from vitedu_numpy.limits import check_limit, limit
from vitedu_numpy.weights.first_bytes import what_begins_so

from .sample import UnreadableImage

__all__ = ["FORMATS", "decode", "open_image", "scratch"]

# As Pillow calls them.  AVIF where it was built with it; PPM: also PGM, PBM, PFM.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM")


def decode(data, channels: int = 3) -> np.ndarray:
    """Bytes of an image file (or an (H, W, C) uint8 array)  ->  (H, W, channels) uint8.

    Raises UnreadableImage with the reason when it cannot be read.
    """
    image = open_image(data, channels)
    return image.box(0, 0, image.height, image.width).copy()


def open_image(data, channels: int = 3):
    """An image whose `height` and `width` are known and whose `box(top, left, height, width, factor=1)` reads pixels.

    box gives (height, width, channels) uint8; with factor 2, 4 or 8 it may give so many times fewer rows and columns,
    or all of them where reading less is no quicker.  It may be a view into memory that this thread's next box is read
    into: use it, or copy it, before.

    Raises UnreadableImage (here or in box) for bytes that are no image in one of `FORMATS`, broken, or of more pixels
    than VITEDU_MAX_PIXELS (see `limits.py`), and ValueError or TypeError for other arguments.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels={channels!r} is not allowed; channels must be 1 or 3")
    if isinstance(data, np.ndarray):
        return _ArrayImage(data, channels)
    if not (data is None or hasattr(data, "__len__")) or isinstance(data, str):
        kind = f"the text {data[:40]!r}" if isinstance(data, str) else f"of type {type(data).__name__}"
        raise TypeError(f"data is {kind}; expected the bytes of an image file, or uint8 (H, W, C)")
    if data is None or len(data) == 0:
        raise UnreadableImage("there are no bytes")
    if not isinstance(data, bytes):
        data = _as_bytes(data)
    header = _jpeg_header(data)
    if header is None:
        return _PillowImage(data, channels)
    return _JpegImage(data, channels, *header)


@functools.cache
def simplejpeg():
    """The library of this name, or None where it is not installed: it is an extra, and Pillow takes its place."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


class _ArrayImage:
    """Pixels that are decoded already."""

    def __init__(self, pixels, channels):
        if pixels.dtype != np.uint8 or pixels.ndim != 3:
            raise ValueError(f"data is {pixels.dtype} {pixels.shape}; expected bytes, or uint8 (H, W, C)")
        if pixels.shape[2] != channels:
            pixels = _recolour(pixels, channels)
        self.pixels, (self.height, self.width) = pixels, pixels.shape[:2]

    def box(self, top, left, height, width, factor=1):
        return self.pixels[top : top + height, left : left + width]


class _PillowImage:
    """Any format, read whole."""

    def __init__(self, data, channels):
        self.data, self.mode = data, "RGB" if channels == 3 else "L"
        with _Pillow(data) as image:
            self.width, self.height = image.size
        _check_size(self.height, self.width)

    def box(self, top, left, height, width, factor=1):
        with _Pillow(self.data) as image:
            return _pixels(image, self.mode, top, left, height, width)


class _JpegImage:
    """A JPEG, read down to the last row that is wanted, at a reduced scale where that is enough."""

    def __init__(self, data, channels, height, width, size_at, cuttable):
        _check_size(height, width)
        self.data, self.channels, self.height, self.width = data, channels, height, width
        self.size_at, self.cuttable = size_at, cuttable

    def box(self, top, left, height, width, factor=1):
        data, rows = self._upper_rows(top + height, factor)
        if factor > 1:  # to the nearest pixel of the reduced image
            bottom, right = round((top + height) / factor), round((left + width) / factor)
            top, left = (
                min(round(top / factor), (rows - 1) // factor),
                min(round(left / factor), (self.width - 1) // factor),
            )
            height, width = max(1, bottom - top), max(1, right - left)
        pixels = self._by_simplejpeg(data, rows, factor)
        if pixels is None:
            return self._by_pillow(data, rows, factor, top, left, height, width)
        return pixels[top : top + height, left : left + width]

    def _upper_rows(self, bottom, factor):
        """(a JPEG of at least `bottom` rows, how many).  Colours are stored for two rows at once and interpolated, so a
        row may need the one below: two more.  At a reduced scale one row stands for up to eight: sixteen more.
        """
        rows = bottom + (2 if factor == 1 else 16)
        if not self.cuttable or rows >= self.height:
            return self.data, self.height
        data = bytearray(self.data)
        struct.pack_into(">H", data, self.size_at, rows)
        return bytes(data), rows

    def _by_simplejpeg(self, data, rows, factor):
        """The pixels, or None where Pillow should try: CMYK, and whatever this library finds fault with."""
        library = simplejpeg()
        if library is None:
            return None
        try:
            if library.decode_jpeg_header(data)[2] not in ("YCbCr", "RGB", "Gray"):
                return None
            return library.decode_jpeg(
                data,
                "RGB" if self.channels == 3 else "GRAY",
                min_height=-(-rows // factor),
                min_width=-(-self.width // factor),
                min_factor=factor,
                strict=rows == self.height,  # else it would complain about the bytes of the rows that are left out
                buffer=scratch("pixels", (rows, self.width, self.channels), np.uint8),
            )
        except ValueError:
            return None

    def _by_pillow(self, data, rows, factor, *box):
        mode = "RGB" if self.channels == 3 else "L"
        with _Pillow(data) as image:
            image.draft(mode, (self.width // factor, rows // factor))
            return _pixels(image, mode, *box)


def _jpeg_header(data):
    """(height, width, place of the height, cuttable) of a JPEG, or None for anything else.

    cuttable: one pass over the image, top to bottom (no progressive JPEG), and not cut off at the end; then its upper
    rows can be read alone.
    """
    if data[:3] != b"\xff\xd8\xff":
        return None
    at, frame = 2, None
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == 0xDA:  # start of the first scan
            if frame is None:
                return None
            height, width, components, size_at, baseline = frame
            in_one_scan = data[at + 4] == components
            return height, width, size_at, baseline and in_one_scan and data.endswith(b"\xff\xd9")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of the frame; the others are tables
            height, width, components = struct.unpack_from(">HHB", data, at + 5)
            frame = height, width, components, at + 5, marker in (0xC0, 0xC1)
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


class _Pillow:
    """`with _Pillow(data) as image`: Pillow's warnings stay inside, and whatever goes wrong is an UnreadableImage."""

    def __init__(self, data):
        self.data, self.quiet = data, warnings.catch_warnings()

    def __enter__(self):
        with naming_extras():
            from PIL import Image

        formats, pixels = _formats(), limit("VITEDU_MAX_PIXELS")
        if pixels > 2 * (Image.MAX_IMAGE_PIXELS or pixels):  # Pillow's own limit, which this one was meant to raise
            Image.MAX_IMAGE_PIXELS = pixels
        self.quiet.__enter__()
        warnings.simplefilter("ignore")
        try:
            return Image.open(io.BytesIO(self.data), formats=formats)
        except Exception as error:
            self.__exit__(type(error), error, None)

    def __exit__(self, kind, error, traceback):
        self.quiet.__exit__(None, None, None)
        # Files come from outside and the parsers are many: any exception of theirs says that this image is no good.
        if isinstance(error, Exception) and not isinstance(error, UnreadableImage):
            reason = f"{error}" or kind.__name__
            if kind.__name__ == "UnidentifiedImageError":
                found = what_begins_so(bytes(self.data[:300]))
                reason = f"no image in a format that is read ({', '.join(_formats())})"
                reason += "" if found in (None, "a picture") else f"; it is {found}"
            elif kind.__name__ == "DecompressionBombError":  # its advice would lead nowhere
                reason = f"{reason}; more than VITEDU_MAX_PIXELS={limit('VITEDU_MAX_PIXELS'):,} is not read"
            raise UnreadableImage(reason) from error


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow has.  Their modules alone are loaded, none of the others."""
    from PIL import Image

    Image.preinit()  # JPEG, PNG, GIF, BMP, PPM
    with contextlib.suppress(ImportError):
        from PIL import TiffImagePlugin, WebPImagePlugin  # noqa: F401 - they register themselves
    with contextlib.suppress(ImportError):
        from PIL import AvifImagePlugin  # noqa: F401
    # Taken and given back once: from then on glibc keeps memory of an image's size, and does not fetch and clear its
    # pages anew for every image, which takes as long as decoding.
    del bytearray(2**24)[:]
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _pixels(image, mode, top, left, height, width) -> np.ndarray:
    """A part of a Pillow image as (height, width, 1 or 3) uint8."""
    from PIL import Image

    image.load()  # all of it: crop alone would not notice that the file ends too early
    sixteen_bits = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    image = image.crop((left, top, min(left + width, image.width), min(top + height, image.height)))
    if sixteen_bits:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # the higher byte
    if image.mode in ("I", "F"):
        raise UnreadableImage(f"pixels of 32 bits (mode {image.mode!r})")
    if image.mode != mode:
        image = image.convert(mode)
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _recolour(pixels, channels) -> np.ndarray:
    if channels == 3 and pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    if channels == 1 and pixels.shape[2] == 3:
        # Luma of ITU-R BT.601, as JPEG and Pillow: weights in 1/65536, rounded
        red, green, blue = pixels.astype(np.uint32).transpose(2, 0, 1)
        return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)[:, :, None]
    raise ValueError(f"data has {pixels.shape[2]} channels; expected 1 or 3")


def scratch(name: str, shape, dtype) -> np.ndarray:
    """An array with arbitrary contents, in memory that is used again: each thread has one such place for each name.

    Fresh memory has to be cleared and mapped page by page, which takes as long as resizing an image.
    """
    size = math.prod(shape)
    if size > SCRATCH:
        return np.empty(shape, dtype)
    places = _places.__dict__
    if name not in places:
        places[name] = np.empty(SCRATCH, dtype)  # pages that are never used cost nothing
    return places[name][:size].reshape(shape)


SCRATCH = 2**22  # numbers: an image of 1024 x 1365 pixels
_places = threading.local()


def _check_size(height, width) -> None:
    if height == 0 or width == 0:
        raise UnreadableImage(f"the file says {width} x {height} pixels")
    try:
        check_limit("VITEDU_MAX_PIXELS", height * width, f"the file says {width} x {height} pixels")
    except ValueError as error:
        raise UnreadableImage(f"{error}") from None


def _as_bytes(data) -> bytes:
    try:
        return bytes(memoryview(data))
    except TypeError:
        kind = type(data).__name__
        raise TypeError(f"data is of type {kind}; expected the bytes of an image file, or uint8 (H, W, C)") from None
