"""Sketches that the lessons on scale begin with: boxes and arrows, no data."""

from __future__ import annotations

from vitedu_numpy.extras import naming_extras

from .axes import COLOURS

__all__ = ["draw_autograd", "draw_data_parallelism", "draw_update"]

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


def draw_update(step=2, batch_size=24, processes=2, micro_batches=3, ax=None):
    """One update: positions of the row of images, who takes them in which pieces, and what becomes of the gradients.

    Every process has a colour, every other micro-batch a pattern.
    """
    ax = _empty(ax, (9, 3))
    share = batch_size // processes
    piece = share // micro_batches
    for place in range(batch_size):
        rank, micro = place // share, place % share // piece
        style = {"fc": COLOURS[rank] + "55", "ec": "white", "hatch": "//" if micro % 2 else None}
        ax.add_patch(_rectangle((place, 4), style))
        box = {"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none"}
        text = f"{batch_size * step + place}"
        ax.text(place + 0.5, 4.5, text, ha="center", va="center", fontsize=8, bbox=box if micro % 2 else None)
    for rank in range(processes):
        middle = share * (rank + 0.5)
        for micro in range(micro_batches):
            centre = share * rank + piece * (micro + 0.5)
            ax.text(centre, 5.3, f"micro-batch {micro}", ha="center", va="center", fontsize=8)
            ax.annotate("", (middle, 3.05), (centre, 3.95), arrowprops=_ARROW)
        text = f"process {rank}: micro-batch after\nmicro-batch; gradients add up"
        ax.text(middle, 2.55, text, ha="center", va="center", bbox=_BOX | {"ec": COLOURS[rank]})
        ax.annotate("", (3.8 + rank, 1.35), (middle, 2.0), arrowprops=_ARROW)
    steps = ("sum over\nprocesses", "clip the\nlength", "Adam at the\nrate of this step", "decay of\nmatrices")
    for i, text in enumerate(steps):
        ax.text(4 + 5.3 * i, 0.75, text, ha="center", va="center", bbox=_BOX)
        if i:
            ax.annotate("", (2 + 5.3 * i, 0.75), (0.75 + 5.3 * i, 0.75), arrowprops=_ARROW)
    first = batch_size * step
    ax.text(batch_size / 2, 5.8, f"step {step}: positions {first} to {first + batch_size - 1} of the row", ha="center")
    ax.set(xlim=(-0.5, batch_size + 0.5), ylim=(0, 6.2))
    return ax


@naming_extras()
def _rectangle(corner, style):
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, **style)


@naming_extras()
def _empty(ax, size):
    """Axes without frame and ticks."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=size)
    ax.axis("off")
    return ax
