"""Figures as a notebook keeps them: sharp on today's screens, and small."""

from __future__ import annotations

import functools
import io

from .missing import this_shell

__all__ = ["LIMIT", "draw_sharply", "sharp"]

LIMIT = 45_000  # bytes; beyond it, the resolution that takes fewest: of a large photograph the single one
TIMES = (2, 1.5, 1.25, 1)  # pixels for each that the page has, along one side
COLOURS = (24, 48, 96, 256)  # how many are tried: a line plot needs few, a heat map all
LAST = 64  # where a page asks for fewer bytes than its own pixels take
OFF = 8  # of 255: how far 99 of 100 pixels may be from the colour that was drawn


def draw_sharply(limit: int = LIMIT) -> None:
    """From now on this notebook shows its figures so; outside of IPython nothing changes."""
    shell = this_shell()
    if shell is None:
        return
    import matplotlib_inline.backend_inline  # noqa: F401  sets its own format when it is imported
    from matplotlib.figure import Figure

    formatters = shell.display_formatter.formatters
    for formatter in formatters.values():
        formatter.pop(Figure, None)
    formatters["image/png"].for_type(Figure, functools.partial(sharp, limit=limit))


def sharp(figure, limit: int = LIMIT) -> tuple[bytes, dict]:
    """A figure as PNG in few colours; and its size on the page, of which it has twice the pixels along each side.

    Fewer, down to the page's own, where the file would have more than `limit` bytes.
    """
    found = []
    for times in TIMES:
        found.append(_png(figure, times))
        if len(found[-1][0]) <= limit:
            return found[-1]
    if limit < LIMIT:
        found.append(_png(figure, 1, LAST))
    # The last is not always the smallest: the pixels of a small photograph are squares of one colour.
    return min(found, key=lambda one: len(one[0]))


def _png(figure, times, colours=None) -> tuple[bytes, dict]:
    from IPython.core.pylabtools import print_figure
    from PIL import Image

    picture = Image.open(io.BytesIO(print_figure(figure, "png", dpi=times * figure.dpi))).convert("RGB")
    file = io.BytesIO()
    drawn = picture.quantize(colours) if colours else in_few_colours(picture)
    drawn.save(file, "png", optimize=True)
    return file.getvalue(), {"width": int(picture.width / times), "height": int(picture.height / times)}


def in_few_colours(picture):
    """A picture in as few of `COLOURS` as do: the ground stays exactly, the rest but for `OFF`."""
    from PIL import ImageChops

    for count in COLOURS:
        drawn = picture.quantize(count)
        apart = ImageChops.difference(picture, drawn.convert("RGB"))
        if apart.getpixel((0, 0)) == (0, 0, 0) and _percentile_99(apart) <= OFF:
            break
    return drawn


def _percentile_99(apart) -> int:
    """Of each pixel's largest channel."""
    from PIL import ImageChops

    red, green, blue = apart.split()
    counts = ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()
    below = 0
    for value, count in enumerate(counts):
        below += count
        if below >= 0.99 * sum(counts):
            return value
    return len(counts)
