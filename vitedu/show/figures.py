"""Arrays to axes.  Knows nothing of models: everything it draws comes from a `record` or a history."""

from __future__ import annotations

import os

import numpy as np

from vitedu_numpy.extras import naming_extras

__all__ = ["bars", "curve", "grid_lines", "image", "matrix", "save_figure", "save_predictions"]


def image(ax, x, title: str = "") -> None:
    """Draw one image (C, H, W) in [-1, 1], C = 1 or 3, without ticks."""
    x = np.clip((np.moveaxis(np.asarray(x), 0, -1) + 1) / 2, 0, 1)  # (H, W, C) in [0, 1]
    ax.imshow(x[..., 0] if x.shape[-1] == 1 else x, cmap="gray", vmin=0, vmax=1)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(title)


def grid_lines(ax, height: int, width: int, patch_size: int, color: str = "white") -> None:
    """Draw the borders of the patches over an image of that size (pixels)."""
    for y in range(patch_size, height, patch_size):
        ax.axhline(y - 0.5, color=color, lw=1)
    for x in range(patch_size, width, patch_size):
        ax.axvline(x - 0.5, color=color, lw=1)


def matrix(ax, A, xlabel: str, ylabel: str, title: str = "", **options) -> None:
    """Draw a matrix with a colour bar, e.g. attention weights: rows ask, columns are asked."""
    shown = ax.imshow(np.asarray(A), **options)
    ax.figure.colorbar(shown, ax=ax, shrink=0.8)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)


def curve(ax, y, label: str = "", smooth: int = 1, xlabel: str = "step", ylabel: str = "loss", **options) -> None:
    """Draw a series, averaged over windows of `smooth` steps."""
    y = np.asarray(y, dtype=float)
    y = y[: len(y) // smooth * smooth].reshape(-1, smooth).mean(axis=1)
    ax.plot(np.arange(len(y)) * smooth, y, label=label, **options)
    ax.set(xlabel=xlabel, ylabel=ylabel)


def bars(ax, names, probabilities) -> None:
    """Draw probabilities as bars, the first on top, each with its name."""
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
def save_figure(figure, path, dpi: int = 100) -> None:
    """Write a figure to `path`, whole or not at all; the ending says the format."""
    root, ending = os.path.splitext(path)
    temporary = f"{root}.{os.getpid()}.tmp{ending}"
    try:
        figure.savefig(temporary, dpi=dpi)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
