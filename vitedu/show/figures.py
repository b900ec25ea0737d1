"""Arrays to axes.  Knows nothing of models: everything it draws comes from a `record` or a history."""

from __future__ import annotations

import numpy as np

__all__ = ["curve", "grid_lines", "image", "matrix"]


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
