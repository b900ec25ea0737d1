"""Sketches that the lessons on scale begin with: boxes and arrows, no data."""

from __future__ import annotations

from vitedu_numpy.extras import naming_extras

from .axes import COLOURS

__all__ = ["draw_autograd", "draw_data_parallelism"]

_BOX = {"boxstyle": "round,pad=0.45", "fc": "white", "ec": "0.3"}
_ARROW = {"arrowstyle": "->", "lw": 1.5, "shrinkA": 2, "shrinkB": 2}


def draw_autograd(steps=("x", "linear", "gelu", "linear", "loss"), ax=None):
    """A chain of steps, an arrow forward and a dashed one back between any two."""
    ax = _empty(ax, (6, 2.2))
    for x, name in enumerate(steps):
        ax.text(x, 2, name, ha="center", va="center", bbox=_BOX)
        if x:
            ax.annotate("", (x - 0.3, 2.12), (x - 0.7, 2.12), arrowprops=_ARROW)
            ax.annotate("", (x - 0.7, 1.88), (x - 0.3, 1.88), arrowprops=_ARROW | {"color": COLOURS[1], "ls": "--"})
    middle = (len(steps) - 1) / 2
    ax.text(middle, 2.6, "forward: you write it in both packages", ha="center")
    back = "backward (dashed): in NumPy you write it,\nin PyTorch it was recorded"
    ax.text(middle, 1.2, back, ha="center", color=COLOURS[1])
    ax.set(xlim=(-0.5, len(steps) - 0.4), ylim=(0.9, 3.0), title="autograd")
    return ax


def draw_data_parallelism(chunks=4, workers=2, ax=None):
    """Chunks of a batch, each to a worker in turn, and the sum of the workers' gradients."""
    ax = _empty(ax, (5, 3.3))
    places = [(chunks - 1) * (1 - (2 * i + 1) / (2 * workers)) for i in range(workers)]
    for i in range(chunks):
        y, worker = chunks - 1 - i, i % workers
        line = {"color": COLOURS[worker], "ls": ("-", "--", ":", "-.")[worker % 4]}
        ax.text(0, y, f"chunk {i}", ha="center", va="center", bbox=_BOX | {"ec": line["color"]})
        ax.annotate("", (1.55, places[worker]), (0.45, y), arrowprops=_ARROW | line)
    for i, y in enumerate(places):
        line = {"color": COLOURS[i], "ls": ("-", "--", ":", "-.")[i % 4]}
        ax.text(2, y, f"worker {i}\nsame weights", ha="center", va="center", bbox=_BOX | {"ec": line["color"]})
        ax.annotate("", (3.55, (chunks - 1) / 2), (2.6, y), arrowprops=_ARROW | line)
    ax.text(4, (chunks - 1) / 2, "sum of\ngradients", ha="center", va="center", bbox=_BOX)
    ax.set(xlim=(-0.6, 4.6), ylim=(-0.5, chunks - 0.5), title="data parallelism")
    return ax


@naming_extras()
def _empty(ax, size):
    """Axes without frame and ticks."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=size)
    ax.axis("off")
    return ax
