"""Figures as a notebook keeps them: sharp on today's screens, and small."""

from __future__ import annotations

import io

from .missing import this_shell

__all__ = ["LIMIT", "draw_sharply", "sharp"]

LIMIT = 45_000  # bytes; beyond it, the resolution that takes fewer: of a large photograph the single one


def draw_sharply() -> None:
    """From now on this notebook shows its figures so; outside of IPython nothing changes."""
    shell = this_shell()
    if shell is None:
        return
    import matplotlib_inline.backend_inline  # noqa: F401  sets its own format when it is imported
    from matplotlib.figure import Figure

    formatters = shell.display_formatter.formatters
    for formatter in formatters.values():
        formatter.pop(Figure, None)
    formatters["image/png"].for_type(Figure, sharp)


def sharp(figure) -> tuple[bytes, dict]:
    """A figure as PNG in 256 colours, of twice the pixels of its size on the page; and that size, for the page."""
    twice = _png(figure, 2)
    if len(twice[0]) <= LIMIT:
        return twice
    once = _png(figure, 1)  # not always smaller: the pixels of a small photograph are squares of one colour
    return min(twice, once, key=lambda found: len(found[0]))


def _png(figure, times) -> tuple[bytes, dict]:
    from IPython.core.pylabtools import print_figure
    from PIL import Image

    picture = Image.open(io.BytesIO(print_figure(figure, "png", dpi=times * figure.dpi))).convert("RGB")
    file = io.BytesIO()
    picture.quantize(256).save(file, "png", optimize=True)
    return file.getvalue(), {"width": picture.width // times, "height": picture.height // times}
