"""Diagrams of boxes and arrows: the model and its parts, a chain and its way back, a block, a loop.

They know names and numbers alone.  Each draws on `ax`, or on axes of a new figure, and returns the axes.  Blue is the
way forward, vermilion the way back.
"""

from __future__ import annotations

import numpy as np

from .axes import COLOURS, new_axes

__all__ = [
    "draw_attention_graph", "draw_block", "draw_flow", "draw_loop", "draw_model", "draw_paths", "draw_question",
    "draw_ring", "draw_square",
]  # fmt: skip

FORWARD, BACK = COLOURS[0], COLOURS[1]
# Pale, so that black text on them is easy to read; in the order of Okabe and Ito.
PALE = ("#cfe3f1", "#f6dccb", "#cfe9df", "#f3e0ea", "#faebcd", "#dff0fa", "#e4e4e4", "#fbf7c8")

# The model from left to right: place, name, the notebooks that build it.
_PARTS = (
    (0, "image", ""), (1.1, "patches", "01"), (2.2, "linear\nlayer E", "02"), (3.45, "class token,\npositions", "06"),
    (4.7, "norm", "05"), (5.75, "attention,\nheads", "03, 04"), (6.6, "+", "05"), (7.3, "norm", "05"),
    (8.05, "MLP", "05"), (8.65, "+", "05"), (9.5, "norm", "06"), (10.4, "linear\nhead", "07"),
    (11.4, "class\nscores", ""),
)  # fmt: skip


def draw_model(here=None, ax=None):
    """The Vision Transformer from image to class scores, each part with the notebook that builds it.

    here: a notebook's number, 1 to 7; the parts that it builds are blue, in 7 the whole model.
    """
    if here is not None and here not in range(1, 8):
        raise ValueError(f"here={here!r} is not allowed; here must be None or a number from 1 to 7")
    ax = _bare(ax, (9.5, 1.6 if here else 1.8), (-0.5, 11.9), (-1.1, 1.45))
    _arrow(ax, (-0.1, 0), (11.1, 0), color="0.45", zorder=0)
    for x, name, built in _PARTS:
        ours = here is not None and built and (here == 7 or f"{here:02d}" in built)
        _box(
            ax, x, 0, name, PALE[0] if ours else "white", edge=FORWARD if ours else "0.55", round_=name == "+", size=8.5
        )
        if built and name != "+":
            ax.text(x, -0.72, built, ha="center", va="center", size=9, color=FORWARD if ours else "0.4")
    _frame(ax, 4.22, -0.95, 4.78, 1.85, "block, repeated L times")
    for start, end in ((4.2, 6.55), (6.75, 8.6)):
        bow = {"arrowstyle": "->", "connectionstyle": "arc3,rad=-0.26", "color": "0.45"}
        ax.annotate("", (end, 0.2), (start, 0.05), arrowprops=bow)
    return ax


def draw_flow(steps, ax=None, title=""):
    """A chain: `steps` are (name of a box, value that leaves it, gradient that comes back into it).

    The first step is where the chain begins: its box may be "", and then its value stands alone.
    """
    ax = _bare(ax, (1.7 * len(steps), 1.5), (-0.6, 1.7 * len(steps) - 0.2), (-0.8, 0.8))
    for n, (name, value, gradient) in enumerate(steps):
        x = 1.7 * n
        if name:
            _box(ax, x, 0, name, PALE[6] if n else "white")
        start, end = x + (0.45 if name else -0.4), x + 1.25
        for y, text, ends, colour in ((0.15, value, (start, end), FORWARD), (-0.15, gradient, (end, start), BACK)):
            if text:
                _arrow(ax, (ends[0], y), (ends[1], y), color=colour)
                place = {"va": "bottom"} if y > 0 else {"va": "top"}
                ax.text((start + end) / 2, 1.5 * y, text, ha="center", color=colour, **place)
    ax.set_title(title)
    return ax


def draw_attention_graph(ax=None):
    """Attention, Eqs. 6-7: what is made of q, k, v (blue), and the gradients on their way back (vermilion)."""
    ax = _bare(ax, (9.5, 2.6), (-0.6, 9.8), (-1.35, 1.6))
    boxes = {
        "q": (0, 1),
        "k": (0, 0),
        "v": (0, -1),
        "scores\n(T, S)": (3, 0.6),
        "A\n(T, S)": (6, 0.6),
        "y\n(T, Dh)": (9, 0),
    }
    for n, (name, (x, y)) in enumerate(boxes.items()):
        _box(ax, x, y, name, PALE[(0, 1, 2, 6, 6, 3)[n]])
    ways = [
        ((0.3, 1), (2.55, 0.75), "dq = dscores k", (1.45, 1.15)),
        ((0.3, 0), (2.55, 0.45), "dk = dscoresᵀ q", (1.5, -0.12)),
        ((3.5, 0.6), (5.65, 0.6), "softmax_backward", (4.55, 0.3)),
        ((6.4, 0.6), (8.55, 0.15), "dA = dy vᵀ", (7.6, 0.75)),
        ((0.3, -1), (8.55, -0.15), "dv = Aᵀ dy", (5.2, -0.9)),
    ]
    for start, end, gradient, place in ways:
        _arrow(ax, start, end, color=FORWARD)
        ax.text(*place, gradient, ha="center", va="center", color=BACK, size=9)
    ax.text(4.55, 0.8, "softmax", ha="center", color=FORWARD, size=9)
    ax.text(9, -0.75, "dy arrives", ha="center", color=BACK, size=9)
    ax.text(1.6, 0.42, "q kᵀ / √Dh", ha="center", va="center", color=FORWARD, size=9)
    return ax


def draw_question(weights, ax=None):
    """One token asks: a line to each token asked, as wide as its weight.     weights (S,)"""
    weights = np.asarray(weights, dtype=float)
    S = len(weights)
    if weights.ndim != 1 or S < 2 or (weights < 0).any() or abs(weights.sum() - 1) > 0.02:
        raise ValueError(
            f"weights={weights.tolist()} is not allowed; weights must be two or more numbers that sum to 1"
        )
    ax = _bare(ax, (9, 3.1), (-1.3, 9.9), (-1.7, S - 0.5))
    middle = (S - 1) / 2
    for s, weight in enumerate(weights):
        y = S - 1 - s
        ax.plot([0, 2.7, 5.3, 8], [middle, y, y, middle], color=FORWARD, alpha=0.35, lw=1 + 20 * weight)
        _box(ax, 4, y, f"token {s}:   key $k_{s}$,  value $v_{s}$", "white")
        ax.text(1.55, middle + 0.58 * (y - middle), f"A = {weight:.2f}", ha="center", va="center", weight="bold")
    _box(ax, 0, middle, "the token that asks:\nquery $q$", "white")
    answer = " + ".join(f"{weight:.2f}\\,v_{s}" for s, weight in enumerate(weights))
    _box(ax, 8, middle, f"its answer:\n$y = {answer}$", "white")
    ax.text(1, -1.5, "1. compare $q$ with every key,\nsoftmax over the scores", ha="center", color="0.3")
    ax.text(7, -1.5, "2. average the values\nwith these weights", ha="center", color="0.3")
    return ax


def draw_block(norm="pre", ax=None, title=""):
    """A block on the residual stream: `norm` "pre" (Eqs. 2-3), "post" (the first Transformer) or "no sums"."""
    if norm not in ("pre", "post", "no sums"):
        raise ValueError(f"norm={norm!r} is not allowed; norm must be 'pre', 'post' or 'no sums'")
    ax = _bare(ax, (8.5, 1.9), (-1.3, 11.2), (-0.5, 1.5))
    _arrow(ax, (0, 0), (11, 0), color=FORWARD, lw=3)
    names = {"norm": 4, "attention": 0, "MLP": 2}
    first, second = [(1.9, "norm"), (3.6, "attention")], [(6.8, "norm"), (8.2, "MLP")]
    branches = {"pre": [(0.8, first, 4.8), (5.7, second, 9.4)], "post": [(0.8, first[1:], 4.8), (6.7, second[1:], 9.2)]}
    for start, boxes, end in branches.get(norm, ()):
        ax.plot([start, start, end, end], [0, 1, 1, 0], color="0.4", zorder=0)
        for x, name in boxes:
            _box(ax, x, 1, name, PALE[names[name]])
        _box(ax, end, 0, "+", "white", edge=FORWARD, round_=True)
    on_stream = {"pre": [], "post": [(5.75, "norm"), (10.2, "norm")], "no sums": first + second}[norm]
    for x, name in on_stream:
        _box(ax, x, 0, name, PALE[names[name]])
    ax.text(-0.15, 0, "z\n(B, T, D)", ha="right", va="center")
    ax.set_title(title)
    return ax


def draw_paths(ax=None):
    """Two layers with residual connections, unfolded: the four ways from x to y, and the slope of each."""
    ax = _bare(ax, (8.5, 2.4), (-0.9, 9.6), (-0.3, 3.5))
    ways = [((0, 0), "1"), ((1, 0), "a"), ((0, 1), "b"), ((1, 1), "a b")]
    for row, (through, slope) in enumerate(ways):
        y = 3 - row
        ax.plot([0.2, 8], [y, y], color=FORWARD if not any(through) else "0.5", lw=3 if not any(through) else 1.4)
        for place, (used, name) in enumerate(zip(through, ("layer 1, slope a", "layer 2, slope b"), strict=True)):
            if used:
                _box(ax, 2.4 + 3.2 * place, y, name, PALE[place])
        ax.text(8.3, y, f"slope  {slope}", va="center")
        ax.text(0, y, "x", ha="right", va="center")
    return ax


def draw_loop(steps, ax=None):
    """The steps of a loop, side by side, with a way back from the last to the first."""
    n = len(steps)
    ax = _bare(ax, (1.75 * n, 1.5), (-0.9, 1.7 * (n - 1) + 0.9), (-1.15, 0.6))
    for i, name in enumerate(steps):
        _box(ax, 1.7 * i, 0, name, PALE[i % 6])
        if i:
            _arrow(ax, (1.7 * i - 1.12, 0), (1.7 * i - 0.58, 0), color="0.3")
    end = 1.7 * (n - 1)
    ax.plot([end, end, 0, 0], [-0.45, -0.85, -0.85, -0.6], color="0.3")
    _arrow(ax, (0, -0.62), (0, -0.38), color="0.3")
    ax.text(end / 2, -0.93, "the next step", ha="center", va="top", color="0.3", size=9)
    return ax


def draw_ring(n, wants, ax=None):
    """n tokens in a ring, counted clockwise from the top; token `wants` asks both of its neighbours."""
    if not 0 <= wants < n:
        raise ValueError(f"wants={wants} is not allowed; wants must be a token from 0 to {n - 1}")
    ax = _bare(ax, (3.4, 2.9), (-1.9, 1.9), (-1.35, 1.45))
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    x, y = 1.35 * np.cos(angle), np.sin(angle)
    for neighbour, name in ((wants - 1) % n, "left"), ((wants + 1) % n, "right"):
        arrow = {"arrowstyle": "-|>", "color": FORWARD if name == "left" else BACK, "shrinkA": 15, "shrinkB": 15}
        ax.annotate("", (x[neighbour], y[neighbour]), (x[wants], y[wants]), arrowprops=arrow)
        ax.text(0.62 * x[neighbour], 0.62 * y[neighbour], name, ha="center", va="center", color=arrow["color"], size=9)
    for t in range(n):
        _box(ax, x[t], y[t], f"{t}", PALE[4] if t == wants else "white", round_=True)
    return ax


def draw_square(top, right, left, bottom, corners, ax=None):
    """Two ways round a square that end in one place: over the top and down, or down and along the bottom.

    top, right, left, bottom: what happens on each side; corners: top left, top right, bottom left, bottom right.
    """
    ax = _bare(ax, (6.2, 2.5), (-1.4, 6.4), (-0.45, 2.5))
    places = [(0, 2), (5, 2), (0, 0), (5, 0)]
    for (x, y), name, colour in zip(places, corners, (PALE[6], PALE[0], PALE[6], PALE[0]), strict=True):
        _box(ax, x, y, name, colour)
    for start, end in (((0.95, 2), (4.0, 2)), ((5, 1.6), (5, 0.45)), ((0, 1.6), (0, 0.45)), ((0.95, 0), (4.0, 0))):
        _arrow(ax, start, end, color="0.3")
    for x, y, name, side in ((2.5, 2.12, top, "center"), (2.5, 0.12, bottom, "center")):
        ax.text(x, y, name, ha=side, va="bottom")
    ax.text(5.15, 1, right, va="center")
    ax.text(0.15, 1, left, va="center")
    return ax


# ---- pieces --------------------------------------------------------------------------------------------------------


def _bare(ax, size, xlim, ylim):
    ax = new_axes(ax, size)
    ax.set(xlim=xlim, ylim=ylim)
    ax.axis("off")
    return ax


def _box(ax, x, y, text, colour, edge="0.35", round_=False, size=9.5) -> None:
    style = {"boxstyle": "circle,pad=0.2" if round_ else "round,pad=0.4", "fc": colour, "ec": edge}
    ax.text(x, y, text, ha="center", va="center", size=size, bbox=style)


def _arrow(ax, start, end, **options) -> None:
    zorder = options.pop("zorder", 1)
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, **options}, zorder=zorder)


def _frame(ax, x, y, width, height, text) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((x, y), width, height, fill=False, ls="--", ec="0.5"))
    ax.text(x + width / 2, y + height + 0.1, text, ha="center", va="bottom", size=9, color="0.3")
