"""Other position embeddings: 2-D, sines and cosines, relative (Table 8).  Taught in notebooks/06_encoder.ipynb.

The usual one, one learned vector per token, is `PositionEmbedding` in `patches.py`.

Shapes: `gh gw` grid of patches, `N = gh gw`, `T` tokens (`N + 1` with the class token), `D` width, `Dh = D / h`,
`S` tokens asked.
"""

from __future__ import annotations

import numpy as np

from ..config import ViTConfig
from ..init import normal
from ..module import Identity, Module, Parameter, checked, shaped
from ..validate import require
from .patches import PositionEmbedding

__all__ = [
    "PositionEmbedding2D", "RelativePosition", "SinCosPosition2D", "grid_positions", "grid_positions_backward",
    "make_positions", "relative_scores", "relative_scores_backward", "sincos_2d",
]  # fmt: skip


@shaped
def grid_positions(E_x, E_y):
    """Row (y, x) of the result is [E_x[x], E_y[y]].     E_x (gw, D/2)   E_y (gh, D/2)   ->   (gh gw, D)"""
    gw, gh = len(E_x), len(E_y)
    columns = np.tile(E_x, (gh, 1))  # (N, D/2)  [1]
    rows = np.repeat(E_y, gw, axis=0)  # (N, D/2)  [2]
    return np.concatenate([columns, rows], axis=1), (gh, gw)


@shaped
def grid_positions_backward(dtable, cache):
    """dtable (gh gw, D)  ->  dE_x (gw, D/2), dE_y (gh, D/2): a vector serves a whole column or row of patches."""
    gh, gw = cache
    dcolumns, drows = np.split(dtable.reshape(gh, gw, -1), 2, axis=-1)  # (gh, gw, D/2)
    return dcolumns.sum(axis=0), drows.sum(axis=1)  # from [1], [2]


class PositionEmbedding2D(Module):
    """x + [E_x, E_y]: half of the numbers tell the patch's column, half its row; the class token has `E_class`."""

    def __init__(self, grid, width, class_token, rng, dtype=np.float32):
        gh, gw = grid
        self.E_x = Parameter(normal(rng, (gw, width // 2), 0.02, dtype))
        self.E_y = Parameter(normal(rng, (gh, width // 2), 0.02, dtype))
        self.E_class = Parameter(normal(rng, (1, width), 0.02, dtype)) if class_token else None

    @shaped
    def forward(self, x):
        """x (B, T, D)  ->  (B, T, D)"""
        table, _ = grid_positions(self.E_x.value, self.E_y.value)  # (N, D)
        if self.E_class is not None:
            table = np.concatenate([self.E_class.value, table])  # (T, D)
        return x + table

    def backward(self, dx):
        dtable = dx.sum(axis=0)  # (T, D)  every image used the same positions
        if self.E_class is not None:
            self.E_class.add_grad(dtable[:1])
            dtable = dtable[1:]
        shape = len(self.E_y.value), len(self.E_x.value)
        dE_x, dE_y = grid_positions_backward(dtable, shape)
        self.E_x.add_grad(dE_x)
        self.E_y.add_grad(dE_y)
        return dx


@checked
def sincos_2d(grid, width, dtype=np.float32):
    """Fixed positions: [sin(x w), cos(x w), sin(y w), cos(y w)], D/4 frequencies w from 1 down to 1/10000.

    grid (gh, gw)  ->  (gh gw, D).  As in big_vision (Beyer et al. 2022, arXiv:2205.01580).
    """
    require(width % 4 == 0, "width", width, "a multiple of 4: sines and cosines, down and across")
    gh, gw = grid
    w = 10000.0 ** -np.linspace(0, 1, width // 4)  # (D/4,)
    y, x = (axis.reshape(-1, 1) for axis in np.mgrid[:gh, :gw])  # each (N, 1)
    return np.concatenate([np.sin(x * w), np.cos(x * w), np.sin(y * w), np.cos(y * w)], axis=1).astype(dtype)


class SinCosPosition2D(Module):
    """x + sines and cosines of the patch's place: nothing is learned; the class token gets zeros."""

    def __init__(self, grid, width, class_token):
        self.grid, self.width, self.class_token, self.table = grid, width, class_token, None

    @shaped
    def forward(self, x):
        """x (B, T, D)  ->  (B, T, D)"""
        if self.table is None or self.table.dtype != x.dtype:  # made when it is needed, and again after `astype`
            table = sincos_2d(self.grid, self.width, x.dtype)
            self.table = np.pad(table, ((int(self.class_token), 0), (0, 0)))  # (T, D)
        return x + self.table

    def backward(self, dx):
        return dx


@shaped
def relative_scores(q, R):
    """scores[t, s] = q_t . R_{t - s}: how much token t asks tokens at that distance, whatever they contain.

    q (B, h, T, Dh)   R (2S - 1, Dh), row t - s + S - 1 for distance t - s   ->   (B, h, T, S)
    """
    T, S = q.shape[2], (len(R) + 1) // 2
    require(T <= S and len(R) % 2 == 1, "R", tuple(R.shape), f"(2S - 1, Dh) with S of {T} tokens or more")
    t, s = np.arange(T)[:, None], np.arange(S)
    row = t - s + S - 1  # (T, S)
    to_all = q @ R.T  # (B, h, T, 2S - 1)  [1]
    return to_all[..., t, row], (q, R, t, row)  # (B, h, T, S)  [2]


@shaped
def relative_scores_backward(dscores, cache):
    """dscores (B, h, T, S)  ->  dq (B, h, T, Dh), dR (2S - 1, Dh)"""
    q, R, t, row = cache
    dto_all = np.zeros((*q.shape[:3], len(R)), dscores.dtype)
    dto_all[..., t, row] = dscores  # from [2]: a token meets every distance at most once
    dq = dto_all @ R  # from [1]
    dR = np.einsum("bhtr,bhtd->rd", dto_all, q, optimize=True)  # from [1]: all images, heads and tokens share R
    return dq, dR


class RelativePosition(Module):
    """One learned vector `R` per distance between two tokens in the sequence; attention adds `relative_scores`."""

    def __init__(self, num_tokens, head_width, rng, dtype=np.float32):
        self.R = Parameter(normal(rng, (2 * num_tokens - 1, head_width), 0.02, dtype))

    def forward(self, q):
        """q (B, h, T, Dh)  ->  scores (B, h, T, S), and what `backward` needs: shared by all blocks, nothing is kept"""
        return relative_scores(q, self.R.value)

    def backward(self, dscores, cache):
        dq, dR = relative_scores_backward(dscores, cache)
        self.R.add_grad(dR)
        return dq


@checked
def make_positions(config: ViTConfig, rng, where, dtype=np.float32):
    """The position embedding that `config` wants at `where` ("stem", "every" or "shared").

    Where it wants none: `Identity` at the stem, so that there is something to call, None in the blocks.
    """
    c, kind = config, config.position_embedding
    if kind == "none" or c.positions_in != where:
        return Identity() if where == "stem" else None
    if kind == "1d":
        return PositionEmbedding(c.num_tokens, c.width, rng, dtype)
    if kind == "2d":
        return PositionEmbedding2D(c.grid, c.width, c.classifier == "token", rng, dtype)
    if kind == "sincos2d":
        return SinCosPosition2D(c.grid, c.width, c.classifier == "token")
    return RelativePosition(c.num_tokens, c.width // c.heads, rng, dtype)
