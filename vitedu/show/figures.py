"""Arrays to axes.  Knows nothing of models: everything it draws comes from a `record` or a history."""

from __future__ import annotations

import os

import numpy as np

from vitedu_numpy.extras import naming_extras
from vitedu_numpy.validate import check_parts, check_range, require

from .axes import checked, numbers

__all__ = ["bars", "curve", "grid_lines", "image", "matrix", "save_figure", "save_predictions"]


@checked
def image(ax, x, title: str = "") -> None:
    """Draw one image (C, H, W) in [-1, 1], C = 1 or 3, without ticks."""
    x = numbers(x, "x")
    if x.ndim != 3 or len(x) not in (1, 3):
        raise ValueError(f"x has shape {x.shape}; expected (C, H, W) with C = 1 or 3")
    check_range(x, "x")
    x = np.clip((np.moveaxis(x, 0, -1) + 1) / 2, 0, 1)  # (H, W, C) in [0, 1]
    ax.imshow(x[..., 0] if x.shape[-1] == 1 else x, cmap="gray", vmin=0, vmax=1)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(title)


@checked
def grid_lines(ax, height: int, width: int, patch_size: int, color: str = "white") -> None:
    """Draw the borders of the patches over an image of that size (pixels)."""
    for y in range(patch_size, height, patch_size):
        ax.axhline(y - 0.5, color=color, lw=1)
    for x in range(patch_size, width, patch_size):
        ax.axvline(x - 0.5, color=color, lw=1)


@checked
def matrix(ax, A, xlabel: str, ylabel: str, title: str = "", **options) -> None:
    """Draw a matrix with a colour bar, e.g. attention weights: rows ask, columns are asked."""
    A = numbers(A, "A")
    if A.ndim != 2:
        raise ValueError(f"A has shape {A.shape}; expected a matrix")
    shown = ax.imshow(A, **options)
    ax.figure.colorbar(shown, ax=ax, shrink=0.8)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)


@checked
def curve(ax, y, label: str = "", smooth: int = 1, xlabel: str = "step", ylabel: str = "loss", **options) -> None:
    """Draw a series, averaged over windows of `smooth` steps."""
    y = numbers(y, "y")
    if y.ndim != 1 or smooth > len(y):
        raise ValueError(f"y has shape {y.shape}; expected (n,), and smooth={smooth!r} an integer in 1..n")
    y = y[: len(y) // smooth * smooth].reshape(-1, smooth).mean(axis=1)
    ax.plot(np.arange(len(y)) * smooth, y, label=label, **options)
    ax.set(xlabel=xlabel, ylabel=ylabel)


@checked
def bars(ax, names, probabilities) -> None:
    """Draw probabilities as bars, the first on top, each with its name."""
    probabilities = numbers(probabilities, "probabilities")
    if probabilities.shape != (len(names),) or not (probabilities >= 0).all():
        raise ValueError(f"probabilities has shape {probabilities.shape}; expected ({len(names)},), numbers >= 0")
    check_parts("probabilities", probabilities)  # per cent would run out of the picture
    places = np.arange(len(names))
    ax.barh(places, probabilities, color="0.6")
    ax.set(yticks=places, xlim=(0, 1), xlabel="probability")
    ax.set_yticklabels(names)
    ax.invert_yaxis()
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


@naming_extras()
def save_predictions(pixels, predictions, path) -> None:
    """Draw each photograph beside the bars of its classes and write the picture to `path`, whole or not at all.

    pixels: (H, W, 3) uint8 each; predictions: (title, names, probabilities) each.
    """
    from matplotlib.figure import Figure  # without pyplot: nothing is shown, no window system is looked for

    n = len(pixels)
    figure = Figure(figsize=(7, 2.4 * n), layout="constrained")
    axes = figure.subplots(n, 2, squeeze=False, width_ratios=(1, 1.4))
    for (left, right), x, (title, names, probabilities) in zip(axes, pixels, predictions, strict=True):
        image(left, np.moveaxis(x, -1, 0) / 127.5 - 1, os.path.basename(title))
        bars(right, names, probabilities)
    save_figure(figure, path)


@naming_extras()
@checked
def save_figure(figure, path, dpi: int = 100) -> None:
    """Write a figure to `path`, whole or not at all; the ending says the format."""
    root, ending = os.path.splitext(path)
    require(ending != "", "path", path, "a name with an ending that says the format, such as .png")
    if not os.path.isdir(os.path.dirname(root) or "."):  # the error would name the temporary file
        raise FileNotFoundError(f"path={path!r} is in no folder; expected one in a folder that is there")
    temporary = f"{root}.{os.getpid()}.tmp{ending}"
    try:
        figure.savefig(temporary, dpi=dpi)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
