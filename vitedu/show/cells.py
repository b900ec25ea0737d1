"""Diagrams of arrays as cells: patches in a row, which number goes where, products to scale, features in heads.

Each draws on `ax` or `axes`, or on those of a new figure, and returns them.  Borders and numbers say what the colours
say, so that nothing is told by colour alone.
"""

from __future__ import annotations

import numpy as np

from .axes import COLOURS, new_axes
from .boxes import PALE

__all__ = [
    "draw_cells",
    "draw_embedding",
    "draw_normalised",
    "draw_product",
    "draw_sequence",
    "draw_softmax",
    "draw_split",
]


def draw_sequence(image, patch_size, axes=None):
    """An image (C, H, W) in [-1, 1] with the borders of its patches, and the patches in a row, numbered.  Two axes."""
    from .figures import grid_lines
    from .figures import image as draw_image

    image = np.asarray(image)
    C, H, W = image.shape
    if H % patch_size or W % patch_size:
        raise ValueError(f"image has shape {image.shape}; its sides must be multiples of patch_size={patch_size}")
    P, gw = patch_size, W // patch_size
    N, gap = (H // P) * gw, max(1, P // 8)
    columns = min(N, 8)
    rows = -(-N // columns)
    step, height = P + gap, P + P // 2
    strip = np.ones((C, rows * height, columns * step - gap))
    axes = _pair(axes, (9.5, 2.6), (1, 3.4))
    for n in range(N):
        top, left = height * (n // columns), step * (n % columns)
        row, column = divmod(n, gw)
        strip[:, top : top + P, left : left + P] = image[:, row * P : row * P + P, column * P : column * P + P]
        axes[1].text(left + P / 2, top + P + P / 24, str(n), ha="center", va="top", size=9)
    draw_image(axes[0], image, "an image")
    grid_lines(axes[0], H, W, P)
    draw_image(axes[1], strip, "the same pixels as a sequence")
    axes[1].axis("off")
    return axes


def draw_cells(values, groups, ax=None, title="", xlabel="", ylabel=""):
    """A table of numbers (rows, columns); `groups`, of the same shape, says which belong together."""
    values, groups = np.asarray(values), np.asarray(groups)
    if values.ndim != 2 or values.shape != groups.shape:
        raise ValueError(
            f"values has shape {values.shape}, groups {groups.shape}; expected two equal shapes (rows, columns)"
        )
    rows, columns = values.shape
    ax = new_axes(ax, (0.55 * columns + 0.8, 0.45 * rows + 0.8))
    for (row, column), value in np.ndenumerate(values):
        colour = PALE[int(groups[row, column]) % len(PALE)]
        _cell(ax, column - 0.5, row - 0.5, 1, 1, colour)
        ax.text(column, row, str(value), ha="center", va="center", size=9)
    for (row, column), group in np.ndenumerate(groups):  # a thick line where two groups meet
        if column + 1 < columns and groups[row, column + 1] != group:
            ax.plot([column + 0.5] * 2, [row - 0.5, row + 0.5], color="0.2", lw=2)
        if row + 1 < rows and groups[row + 1, column] != group:
            ax.plot([column - 0.5, column + 0.5], [row + 0.5] * 2, color="0.2", lw=2)
    ax.set(
        xlim=(-0.55, columns - 0.45),
        ylim=(rows - 0.45, -0.55),
        aspect="equal",
        title=title,
        xlabel=xlabel,
        ylabel=ylabel,
    )
    if xlabel or ylabel:
        ax.set(xticks=range(columns), yticks=range(rows))
        ax.tick_params(length=0)
        ax.set_frame_on(False)
    else:
        ax.axis("off")
    return ax


def draw_product(lines, ax=None):
    """Products of matrices, to scale.  lines: lists of "=", "@", "+" and (label, rows, columns, colour number)."""
    tall = max(item[1] for line in lines for item in line if not isinstance(item, str))
    length = max(sum(1.2 if isinstance(item, str) else item[2] for item in line) for line in lines)
    height = len(lines) * (tall + 2)
    ax = new_axes(ax, (0.3 * length + 0.4, 0.3 * height))
    for n, line in enumerate(lines):
        x, middle = 0.0, height - (tall + 2) * n - tall / 2 - 1.4
        for item in line:
            if isinstance(item, str):
                ax.text(x + 0.6, middle, item, ha="center", va="center", size=13)
                x += 1.2
                continue
            label, rows, columns, colour = item
            _cell(ax, x, middle - rows / 2, columns, rows, PALE[colour], edge="0.3")
            ax.text(x + columns / 2, middle + rows / 2 + 0.25, label, ha="center", size=10)
            x += columns
    ax.set(xlim=(-0.5, length + 0.5), ylim=(-0.5, height), aspect="equal")
    ax.axis("off")
    return ax


def draw_softmax(scores, axes=None):
    """Scores (S,), their exponentials, and these divided by their sum: three panels of bars."""
    scores = np.asarray(scores, dtype=float)
    positive = np.exp(scores - scores.max()) * np.exp(scores.max())
    panels = (
        ("scores x", scores),
        ("exp(x): all positive", positive),
        ("A = exp(x) / sum: one in all", positive / positive.sum()),
    )
    if axes is None:
        import matplotlib.pyplot as plt

        axes = plt.subplots(1, 3, figsize=(8.5, 2.1), layout="constrained")[1]
    for n, (ax, (title, heights)) in enumerate(zip(axes, panels, strict=True)):
        bars = ax.bar(range(len(scores)), heights, color=PALE[n], edgecolor=COLOURS[n])
        ax.bar_label(bars, fmt="%.3g", size=9)
        ax.axhline(0, color="0.5", lw=0.8)
        ax.margins(y=0.2)
        ax.set(title=title, xticks=range(len(scores)), yticks=[], xlabel="token asked")
    return axes


def draw_split(T, D, heads, ax=None):
    """T tokens of D features cut into heads, each with all tokens; and side by side again."""
    if D % heads:
        raise ValueError(f"D={D} is not allowed; D must be a multiple of heads={heads}")
    Dh, size = D // heads, 0.5
    ax = new_axes(ax, (9, 0.95 + 0.65 * heads))
    low = -1.25 * (heads - 1)
    middle = 1.6 + low / 2
    for left, title in ((0, "q (and k, v): T tokens, D features"), (10, "side by side again: (T, D)")):
        for t in range(T):
            for d in range(D):
                top = middle + size * (T / 2 - t - 1)
                _cell(ax, left + size * d, top, size, size, PALE[d // Dh])
                ax.text(left + size * (d + 0.5), top + size / 2, str(d // Dh), ha="center", va="center", size=8)
        ax.text(left + size * D / 2, middle + size * T / 2 + 0.2, title, ha="center")
    arrow = {"arrowstyle": "-|>", "color": "0.4"}
    for i in range(heads):
        y = 1.6 - 1.25 * i
        near = middle + 0.35 * (y - middle)
        box = {"boxstyle": "round,pad=0.5", "fc": PALE[i], "ec": "0.5"}
        text = f"head {i}:  softmax($q_{i}k_{i}^T/\\sqrt{{D_h}}$) $v_{i}$"
        ax.text(6.5, y, text, ha="center", va="center", bbox=box, size=9.5)
        ax.annotate("", (4.45, y), (size * D + 0.1, near), arrowprops=arrow)
        ax.annotate("", (9.9, near), (8.55, y), arrowprops=arrow)
    end = 10 + size * D
    ax.annotate("", (end + 1.1, middle), (end + 0.1, middle), arrowprops=arrow)
    ax.text(end + 1.2, middle, "$U_{msa}$", va="center")
    ax.set(xlim=(-0.2, end + 2), ylim=(low + 0.9, max(2.3, middle + size * T / 2 + 0.7)))
    ax.axis("off")
    return ax


def draw_normalised(token, ax=None):
    """A token's numbers on a line; then with their mean taken away; then divided by their standard deviation."""
    token = np.asarray(token, dtype=float)
    centred = token - token.mean()
    steps = (
        ("the token", token),
        ("minus its mean", centred),
        ("divided by its standard deviation", centred / token.std()),
    )
    ax = new_axes(ax, (8.5, 2.2))
    for row, (_, numbers) in enumerate(steps):
        y = 2 - row
        ax.axhline(y, color="0.8", lw=1, zorder=0)
        for n, x in enumerate(numbers):
            ax.plot(x, y, "o^sDvPX*"[n % 8], color=COLOURS[n % 7], ms=9)
            ax.text(x, y + (0.22 if n % 2 else -0.42), f"{x:.4g}", ha="center", size=9)
        if row:
            before = steps[row - 1][1]
            for n, x in enumerate(numbers):
                ax.plot([before[n], x], [y + 0.9, y + 0.1], color="0.7", lw=0.8, ls=":")
    low, high = min(s[1].min() for s in steps), max(s[1].max() for s in steps)
    for row, (name, _) in enumerate(steps):
        ax.text(low - 0.12 * (high - low), 2 - row, name, ha="right", va="center")
    ax.axvline(0, color="0.6", lw=1, ls="--", zorder=0)
    ax.set(xlim=(low - 0.75 * (high - low), high + 0.1 * (high - low)), ylim=(-0.6, 2.6))
    ax.axis("off")
    return ax


def draw_embedding(image, patch_size, tokens, E_pos, axes=None):
    """Eq. 1 for one image (C, H, W): its numbered patches; tokens (T, D), E_pos (T, D), and their sum.  Four axes."""
    from .figures import image as draw_image

    image, tokens, E_pos = np.asarray(image), np.asarray(tokens), np.asarray(E_pos)
    if tokens.ndim != 2 or tokens.shape != E_pos.shape:
        raise ValueError(f"tokens has shape {tokens.shape}, E_pos {E_pos.shape}; expected two equal shapes (T, D)")
    if axes is None:
        import matplotlib.pyplot as plt

        axes = plt.subplots(1, 4, figsize=(9.5, 3.4), width_ratios=[1.7, 1, 1, 1], layout="constrained")[1]
    T, D = tokens.shape
    draw_image(axes[0], image, f"image, N = {T - 1} patches")
    across, P = image.shape[2] // patch_size, patch_size
    box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.85}
    for n in range(T - 1):
        place = (n % across * P + P / 2 - 0.5, n // across * P + P / 2 - 0.5)
        axes[0].text(*place, str(n + 1), ha="center", va="center", size=9, bbox=box)
    for x in range(P, image.shape[2], P):
        axes[0].axvline(x - 0.5, color=COLOURS[5], lw=1.5)
    for y in range(P, image.shape[1], P):
        axes[0].axhline(y - 0.5, color=COLOURS[5], lw=1.5)
    largest = max(np.abs(x).max() for x in (tokens, E_pos, tokens + E_pos))
    titles = ("[x_class; x E]", "+   E_pos", "=   z0")
    for ax, values, title in zip(axes[1:], (tokens, E_pos, tokens + E_pos), titles, strict=True):
        ax.imshow(values, cmap="RdBu", vmin=-largest, vmax=largest, aspect="auto")
        ax.axhline(0.5, color="black", lw=2)
        ax.set(title=title, xlabel=f"feature (D = {D})", xticks=[], yticks=[0, 1, *range(4, T, 4)])
    axes[1].set_ylabel(f"token (T = {T})")
    return axes


def _cell(ax, x, y, width, height, colour, edge="white") -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((x, y), width, height, fc=colour, ec=edge))


def _pair(axes, size, ratios):
    if axes is not None:
        return axes
    import matplotlib.pyplot as plt

    return plt.subplots(1, 2, figsize=size, width_ratios=ratios, layout="constrained")[1]
