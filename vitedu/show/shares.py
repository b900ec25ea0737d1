"""How a whole falls into parts: a bar for each whole, its parts told apart by colour, pattern and number."""

from __future__ import annotations

from .axes import COLOURS, new_axes

__all__ = ["draw_shares"]

_PATTERNS = ("", "//", "", "\\\\", "", "..", "", "xx")


def draw_shares(wholes, ax=None, xlabel: str = "share (%)"):
    """One bar of 100 % for each whole, the first at the bottom; a share above 4 % is written into its part.

    wholes: {name of the whole: {name of the part: a number >= 0}}, all with the same parts in the same order.
    """
    parts = [list(whole) for whole in wholes.values()]
    if not parts or any(names != parts[0] for names in parts) or not parts[0]:
        raise ValueError(f"wholes={wholes!r} is not allowed; each must have the same parts, in the same order")
    ax = new_axes(ax, (9.5, 3))
    for row, whole in enumerate(wholes.values()):
        total, left = sum(whole.values()), 0.0
        if min(whole.values()) < 0 or total <= 0:
            raise ValueError(f"{whole!r} is not allowed; parts must not be negative, and their sum must be above 0")
        for i, (name, number) in enumerate(whole.items()):
            share = 100 * number / total
            colour, pattern = COLOURS[i % len(COLOURS)], _PATTERNS[i % len(_PATTERNS)]
            style = {"color": colour, "alpha": 0.55, "hatch": pattern, "edgecolor": "white"}
            ax.barh(row, share, left=left, label=name if row == 0 else None, **style)
            if share > 4:
                box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"}
                ax.text(left + share / 2, row, f"{share:.0f}", ha="center", va="center", color="black", bbox=box)
            left += share
    ax.set_yticks(range(len(wholes)), list(wholes))
    ax.set(xlabel=xlabel, xlim=(0, 100))
    ax.figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return ax
