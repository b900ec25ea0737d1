"""Attention maps: distance, rollout, one patch's view (Sec. 4.5, Figs. 6, 7, 11 and 14; App. D.7, D.8).

Taught in notebooks/21_inside.ipynb.

Shapes: `B` batch, `L` blocks, `h` heads, `T` tokens, `gh gw` grid of patches, `N = gh gw`, `H W` pixels.
"""

from __future__ import annotations

import numpy as np

from ..contract import checked
from ..validate import is_integer, is_size, require
from ..weights.resize import interpolation_matrix
from .recorded import as_array, blocks, check_tokens, layout, on_grid

__all__ = [
    "attention_distance", "attention_maps", "patch_distances", "query_maps", "rollout", "rollout_mask", "to_pixels",
]  # fmt: skip


@checked
def attention_maps(record) -> list[np.ndarray]:
    """A of every block, first block first: L arrays (B, h, T, T).  Row: the token that asks."""
    return blocks(record, "attention/A")


# ---- how far heads look ---------------------------------------------------------------------------------------------


@checked
def patch_distances(grid, pitch=1) -> np.ndarray:
    """Pixels between the centres of patches, each to each.     grid (gh, gw), pitch in pixels  ->  (N, N)"""
    gh, gw = grid
    y, x = (axis.ravel() for axis in np.mgrid[:gh, :gw])  # each (N,)
    return pitch * np.hypot(y[:, None] - y, x[:, None] - x)


@checked
def attention_distance(record, config, renormalise=False) -> np.ndarray:
    """Mean distance, in pixels, between a patch and those that it asks, by weight (App. D.7).     ->  (B, L, h)

    d = 1/N sum_t sum_s A[t, s] |place(t) - place(s)|, over patches alone.  As in the authors' code, the class token's
    row and column are left out and nothing replaces them: what a patch asks of the class token counts as distance 0.
    renormalise: divide by the patch's weight on patches, which makes it a true mean (of those patches that ask any).
    Images are kept apart, so batches can be joined: the paper's Fig. 11 is the mean over 128.
    """
    (grid, first, pitch), found = layout(config), []
    distances = patch_distances(grid, pitch)  # (N, N)
    for A in attention_maps(record):
        check_tokens(A.shape[-1], config, "record")
        A = A[..., first:, first:]  # (B, h, N, N)
        rows = np.einsum("bhts,ts->bht", A, distances.astype(A.dtype))
        if not renormalise:
            found.append(rows.mean(axis=-1))  # (B, h)
            continue
        weight = A.sum(axis=-1)  # (B, h, N)
        asks = weight > 0  # one that asks the class token alone has no distance
        means = np.divide(rows, weight, where=asks, out=np.zeros_like(rows))
        found.append(means.sum(axis=-1) / np.maximum(asks.sum(axis=-1), 1))
    return np.stack(found, axis=1)


# ---- what arrives where ---------------------------------------------------------------------------------------------


@checked
def rollout(record, depth=None) -> np.ndarray:
    """Attention rollout (Abnar & Zuidema 2020, arXiv:2005.00928).     ->  (B, T, T), rows sum to 1

    (A_L + I)/2 ... (A_1 + I)/2, A_l the mean over the heads of block l: row t says how much of each token of the
    input is in token t, if attention alone moved it and the residual way counts as much.  (The paper's App. D.8 does
    not mention the identity; without it the residual way would not be there.)  depth: of the first blocks only.
    """
    maps = attention_maps(record)
    fits = depth is None or (isinstance(depth, int | np.integer) and 1 <= depth <= len(maps))
    require(fits, "depth", depth, f"1 ... {len(maps)}, or None for all blocks")
    total = None
    for A in maps[:depth]:
        A = A.mean(axis=1, dtype=np.float64)  # (B, T, T)
        step = (A + np.eye(A.shape[-1])) / 2
        step /= step.sum(axis=-1, keepdims=True)  # 1 but for rounding
        total = step if total is None else step @ total
    return total


@checked
def rollout_mask(record, config, depth=None) -> np.ndarray:
    """How much of each patch is in what the head reads, by rollout (Figs. 6, 14).     ->  (B, gh, gw)

    The class token's row without its own column; with mean pooling the mean of all rows.
    """
    arrived = rollout(record, depth)  # (B, T, T)
    check_tokens(arrived.shape[-1], config, "record")
    return on_grid(arrived[:, 0] if layout(config).first else arrived.mean(axis=1), config)


@checked
def query_maps(record, config, query="class", block=-1) -> np.ndarray:
    """Whom one token asks, head by head.     ->  (B, h, gh, gw), a row of A without the class token's column

    query: (row, column) of a patch, or "class"; block: its number, from the end if negative.
    """
    (gh, gw), first, _ = layout(config)
    maps = attention_maps(record)
    fits = is_integer(block, -len(maps)) and block < len(maps)
    require(fits, "block", block, f"in {-len(maps)} ... {len(maps) - 1}")
    check_tokens(maps[block].shape[-1], config, "record")
    if isinstance(query, str):
        allowed = "'class' or " * first + f"(row, column) in a grid of {gh} x {gw}"
        require(query == "class" and first == 1, "query", query, allowed)
        token = 0
    else:
        is_pair = isinstance(query, (tuple, list)) and len(query) == 2 and all(is_integer(n, 0) for n in query)
        require(is_pair, "query", query, f"'class' or (row, column) in a grid of {gh} x {gw}")
        row, column = query
        require(0 <= row < gh and 0 <= column < gw, "query", query, f"(row, column) in a grid of {gh} x {gw}")
        token = first + row * gw + column
    return on_grid(maps[block][:, :, token], config)


@checked
def to_pixels(maps, image_hw, smooth=True) -> np.ndarray:
    """Maps over patches as maps over pixels.     (..., gh, gw)  ->  (..., H, W)

    smooth: linear between the patches' centres; else every pixel has its patch's number.
    """
    maps = as_array(maps, "maps")
    is_pair = isinstance(image_hw, (tuple, list)) and len(image_hw) == 2 and all(map(is_size, image_hw))
    require(is_pair, "image_hw", image_hw, "a pair of positive integers (H, W)")
    H, W = image_hw
    if 0 in maps.shape:
        raise ValueError(f"maps has shape {maps.shape}; expected (..., gh, gw), none of them 0")
    if maps.ndim < 2 or H < maps.shape[-2] or W < maps.shape[-1]:
        raise ValueError(f"image_hw={image_hw!r} has fewer pixels than the patches of maps, of shape {maps.shape}")
    method = "half-pixel" if smooth else "nearest"
    rows, columns = (interpolation_matrix(n, pixels, method) for n, pixels in zip(maps.shape[-2:], (H, W), strict=True))
    return rows @ maps @ columns.T
