"""Pictures of what `vitedu.inspect` finds (Figs. 6, 7, 10, 11, 14; lens, heads, likeness of layers).

They take arrays alone.  Each draws on `ax`, or on axes of a new figure, and returns the axes.  Blocks, heads, rows and
columns are counted from 0, as in the arrays.
"""

from __future__ import annotations

import numpy as np

from vitedu_numpy.extras import naming_extras
from vitedu_numpy.validate import check_range, is_integer, require

from .axes import COLOURS, MARKERS, checked, legend_beside, new_axes, numbers

__all__ = [
    "draw_attention_distance", "draw_cka", "draw_filters", "draw_heads", "draw_lens", "draw_lens_maps",
    "draw_position_similarity", "draw_query_maps", "draw_rollout",
]  # fmt: skip


@checked
def draw_filters(components, ax=None, columns=7, title="Principal components of the patch filters"):
    """Components (n, C, P, P), C = 1 or 3, side by side (Fig. 7 left), the first top left.  Grey is 0.

    Each is scaled to its own largest number: its size says nothing.
    """
    x = numbers(components, "components")
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"components has shape {x.shape}; expected (n, C, P, P), C = 1 or 3")
    n, _, P, _ = x.shape
    largest = np.abs(x).max(axis=(1, 2, 3), keepdims=True)
    if not (largest > 0).all():  # False for NaN, too
        raise ValueError(f"components[{int(np.argmin(largest > 0))}] is all zeros, or NaN; expected numbers to draw")
    x = 0.5 + 0.5 * x / largest
    columns = min(columns, n)
    rows = -(-n // columns)
    tiles = np.ones((rows * columns, 3, P, P))
    tiles[:n] = x  # grey in all three colours where C = 1
    tiles = tiles.reshape(rows, columns, 3, P, P).transpose(0, 3, 1, 4, 2)  # (rows, P, columns, P, 3)
    ax = new_axes(ax, (max(0.75 * columns, 3.8) + 0.4, 0.75 * rows + 0.6))
    ax.imshow(_with_gaps(tiles, 1.0), interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=title)
    ax.set_frame_on(False)
    return ax


@checked
def draw_position_similarity(similarity, ax=None, title="Similarity of position embeddings"):
    """Tiles (gh, gw, gh, gw): the one in row r, column c is the position of patch (r, c) against all (Figs. 7, 10)."""
    x = numbers(similarity, "similarity")
    if x.ndim != 4 or x.shape[:2] != x.shape[2:]:
        raise ValueError(f"similarity has shape {x.shape}; expected (gh, gw, gh, gw)")
    gh, gw = x.shape[:2]
    ax = new_axes(ax, (1.2 + 4 * gw / max(gh, gw), 0.8 + 4 * gh / max(gh, gw)))
    mosaic = _with_gaps(x.transpose(0, 2, 1, 3)[..., None], np.nan)[..., 0]
    shown = ax.imshow(mosaic, vmin=-1, vmax=1, cmap="viridis", interpolation="nearest")
    for axis, n in ((ax.xaxis, gw), (ax.yaxis, gh)):
        steps = np.arange(0, n, -(-n // 14))
        axis.set_ticks(steps * (n + 1) + (n - 1) / 2, steps)
    ax.set(xlabel="column of the patch", ylabel="row of the patch", title=title)
    ax.figure.colorbar(shown, ax=ax, label="cosine similarity", shrink=0.8)
    return ax


@checked
def draw_attention_distance(distance, ax=None, uniform=None, title="How far heads look"):
    """Distances (L, h) in pixels, or (B, L, h), whose mean over images is drawn: a point per head (Figs. 7, 11).

    uniform: the distance of a head that asks all patches alike, drawn as a line.
    """
    x = numbers(distance, "distance")
    if x.ndim not in (2, 3):
        raise ValueError(f"distance has shape {x.shape}; expected (L, h) or (B, L, h)")
    x = x.mean(axis=0) if x.ndim == 3 else x
    L, h = x.shape
    ax = new_axes(ax, (6.4, 3.8))
    for head in range(h):
        style = _style(head)
        ax.plot(np.arange(L), x[:, head], ls="", alpha=0.85, label=f"head {head}", **style)
    if uniform is not None:
        ax.axhline(uniform, color="0.4", ls="--", lw=1, label="asking all alike")
    ax.set(xlabel="block", ylabel="mean attention distance (pixels)", title=title)
    ax.set_ylim(0, 1.08 * max(x.max(), uniform or 0) or 1)
    _whole_numbers(ax, 0, L - 1)
    return _finished(ax)


@checked
def draw_rollout(image, mask, axes=None, titles=("image", "attention")):
    """An image (C, H, W) in [-1, 1], and the same darkened where mask (H, W) is small (Figs. 6, 14).  Two axes.

    The mask is divided by its largest number.
    """
    image, mask = numbers(image, "image"), numbers(mask, "mask")
    if image.ndim != 3 or image.shape[0] not in (1, 3) or image.shape[1:] != mask.shape:
        wanted = "expected (C, H, W) and (H, W), C = 1 or 3; inspect.to_pixels makes maps as large as the image"
        raise ValueError(f"image has shape {image.shape}, mask {mask.shape}; {wanted}")
    check_range(image, "image")
    if not ((mask >= 0).all() and mask.max() > 0):  # False for NaN, too
        raise ValueError(f"mask holds values from {mask.min():.4g} to {mask.max():.4g}; expected >= 0, one above 0")
    pixels = np.clip((np.moveaxis(image, 0, -1) + 1) / 2, 0, 1)
    pixels = np.broadcast_to(pixels, (*mask.shape, 3))
    axes = _row(axes, 2, 2.6)
    for ax, x, title in zip(axes, (pixels, pixels * (mask / mask.max())[..., None]), titles, strict=True):
        ax.imshow(x)
        ax.set(xticks=[], yticks=[], title=title)
    return axes


@checked
def draw_query_maps(maps, query=None, axes=None, titles=None):
    """Maps (h, gh, gw) of whom one token asks, a panel per head, in one scale.  query: (row, column), outlined."""
    maps = numbers(maps, "maps")
    titles = [f"head {head}" for head in range(len(maps))] if titles is None else titles
    axes = _panels(maps, axes, titles, "attention weight", vmin=0, vmax=maps.max(), cmap="viridis")
    is_pair = isinstance(query, (tuple, list)) and len(query) == 2 and all(is_integer(n, 0) for n in query)
    inside = query is None or (is_pair and query[0] < maps.shape[1] and query[1] < maps.shape[2])
    require(inside, "query", query, f"(row, column) in a grid of {maps.shape[1]} x {maps.shape[2]}, or None")
    for ax in axes if query is not None else ():
        row, column = query
        ax.plot(column, row, "s", ms=9, mfc="none", mec="#D55E00", mew=2)
    return axes


@checked
def draw_lens(logits, names=None, ax=None, show=5, ylabel="logit", title="The answer after every block"):
    """Answers (L + 1, K) after 0 ... L blocks, a line per class: the `show` that are highest at the end.

    names: of the K classes, else their numbers.  For probabilities, give those and ylabel="probability".
    """
    x = numbers(logits, "logits")
    if x.ndim != 2:
        raise ValueError(f"logits has shape {x.shape}; expected (L + 1, K), those of one image")
    names = [f"class {k}" for k in range(x.shape[1])] if names is None else names
    if len(names) != x.shape[1]:
        raise ValueError(f"names has {len(names)} entries; expected {x.shape[1]}, one per class")
    ax = new_axes(ax, (6.4, 3.8))
    for i, k in enumerate(np.argsort(-x[-1], kind="stable")[:show]):
        ax.plot(np.arange(len(x)), x[:, k], label=str(names[k]), **_style(i))
    ax.set(xlabel="blocks passed", ylabel=ylabel, title=title)
    _whole_numbers(ax, 0, len(x) - 1)
    return _finished(ax)


@checked
def draw_lens_maps(maps, axes=None, titles=None, label="logit"):
    """Maps (n, gh, gw) of one class's answer read from every patch, a panel per layer, in one scale around 0."""
    maps = numbers(maps, "maps")
    titles = [f"after {l} block{'s' * (l != 1)}" for l in range(len(maps))] if titles is None else titles
    most = np.abs(maps).max() or 1.0
    return _panels(maps, axes, titles, label, vmin=-most, vmax=most, cmap="RdBu_r")


@checked
def draw_heads(values, ax=None, label="change of the accuracy (points)", title="One head switched off"):
    """A number for each head (L, h), e.g. what switching it off changes: red above 0, blue below."""
    x = numbers(values, "values")
    if x.ndim != 2:
        raise ValueError(f"values has shape {x.shape}; expected (L, h)")
    L, h = x.shape
    most = np.abs(x).max() or 1.0
    ax = new_axes(ax, (2.2 + 0.45 * h, max(1.4 + 0.4 * L, 3)))
    shown = ax.imshow(x, vmin=-most, vmax=most, cmap="RdBu_r", aspect="auto", interpolation="nearest")
    ax.set(xlabel="head", ylabel="block", title=title)
    ax.set_xticks(range(h))
    ax.set_yticks(range(L))
    ax.figure.colorbar(shown, ax=ax, label=label)
    return ax


@checked
def draw_cka(matrix, ax=None, xlabel="layer", ylabel="layer", title="Likeness of layers", label="linear CKA"):
    """Likeness (n, m) of one model's layers with another's; the first layers bottom left, as in Raghu et al."""
    x = numbers(matrix, "matrix")
    if x.ndim != 2:
        raise ValueError(f"matrix has shape {x.shape}; expected (n, m)")
    ax = new_axes(ax, (4.6, 3.8))
    shown = ax.imshow(x, vmin=min(0.0, x.min()), vmax=1, cmap="magma", origin="lower", interpolation="nearest")
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    for axis, n in ((ax.xaxis, x.shape[1]), (ax.yaxis, x.shape[0])):
        axis.set_ticks(np.arange(0, n, -(-n // 14)))
    ax.figure.colorbar(shown, ax=ax, label=label)
    return ax


# ---- parts of pictures ----------------------------------------------------------------------------------------------


def _with_gaps(tiles, value):
    """(rows, p, columns, q, C) -> one picture (.., .., C), with a line of `value` between tiles."""
    rows, p, columns, q, C = tiles.shape
    picture = np.full((rows, p + 1, columns, q + 1, C), value)
    picture[:, :p, :, :q] = tiles
    return picture.reshape(rows * (p + 1), columns * (q + 1), C)[:-1, :-1]


def _style(i) -> dict:
    """Colours and markers by number: 64 pairs, so that no two of as many heads look alike."""
    n = len(COLOURS)
    return {"color": COLOURS[i % n], "marker": MARKERS[(i + i // n) % n], "mec": "0.3", "mew": 0.4}


@naming_extras()
def _row(axes, n, side):
    """`axes`, as many as are needed, or a row of new ones."""
    if axes is None:
        import matplotlib.pyplot as plt

        axes = plt.subplots(1, n, figsize=(side * n, side + 0.3), layout="constrained")[1]
    axes = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(axes) != n:
        raise ValueError(f"axes has {len(axes)} entries; expected {n}")
    return axes


@naming_extras()
def _panels(maps, axes, titles, label, columns=4, **options):
    """A panel per map with its title, one colour bar for all."""
    if maps.ndim != 3 or len(titles) != len(maps):
        raise ValueError(f"maps has shape {maps.shape}, with {len(titles)} titles; expected (n, gh, gw), a title each")
    n, gh, gw = maps.shape
    if axes is None:
        import matplotlib.pyplot as plt

        columns = min(columns, n)
        rows = -(-n // columns)
        side = 1.7 / max(gh, gw)
        size = (columns * (side * gw + 0.2) + 1.1, rows * (side * gh + 0.4))
        _, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
        for ax in axes.flat[n:]:
            ax.remove()
        axes = axes.flat[:n]
    axes = _row(axes, n, 0)
    for ax, x, title in zip(axes, maps, titles, strict=True):
        shown = ax.imshow(x, interpolation="nearest", **options)
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=9)
    axes[0].figure.colorbar(shown, ax=axes, label=label, shrink=0.8)
    return axes


def _whole_numbers(ax, first, last) -> None:
    """Ticks at whole numbers of blocks, at most 13 of them."""
    ax.set_xticks(np.arange(first, last + 1, max(1, -(-(last - first) // 12))))
    ax.set_xlim(first - 0.5, last + 0.5)


def _finished(ax):
    ax.grid(axis="y", alpha=0.3)
    legend_beside(ax, *ax.get_legend_handles_labels())
    return ax
