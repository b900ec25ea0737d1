"""Other position embeddings: 2-D, sines and cosines, relative (Table 8).  Taught in notebooks/06_encoder.ipynb.

The usual one, one learned vector per token, is `PositionEmbedding` in `patches.py`.

Shapes: `gh gw` grid of patches, `N = gh gw`, `T` tokens (`N + 1` with the class token), `D` width, `Dh = D / h`,
`S` tokens asked.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from vitedu_numpy.config import ViTConfig
from vitedu_numpy.validate import require

from ..init import normal
from ..module import Identity, Module, checked, shaped
from .patches import PositionEmbedding

__all__ = [
    "PositionEmbedding2D", "RelativePosition", "SinCosPosition2D", "grid_positions", "make_positions",
    "relative_scores", "sincos_2d",
]  # fmt: skip


@shaped
def grid_positions(E_x, E_y):
    """Row (y, x) of the result is [E_x[x], E_y[y]].     E_x (gw, D/2)   E_y (gh, D/2)   ->   (gh gw, D)"""
    gw, gh = len(E_x), len(E_y)
    columns = E_x.repeat(gh, 1)  # (N, D/2)
    rows = E_y.repeat_interleave(gw, dim=0)  # (N, D/2)
    return torch.cat([columns, rows], dim=1)


class PositionEmbedding2D(Module):
    """x + [E_x, E_y]: half of the numbers tell the patch's column, half its row; the class token has `E_class`."""

    def __init__(self, grid, width, class_token, rng=None):
        super().__init__()
        gh, gw = grid
        self.E_x = nn.Parameter(normal(torch.empty(gw, width // 2), 0.02, rng))
        self.E_y = nn.Parameter(normal(torch.empty(gh, width // 2), 0.02, rng))
        self.E_class = nn.Parameter(normal(torch.empty(1, width), 0.02, rng)) if class_token else None

    @shaped
    def forward(self, x):
        """x (B, T, D)  ->  (B, T, D)"""
        table = grid_positions(self.E_x, self.E_y)  # (N, D)
        if self.E_class is not None:
            table = torch.cat([self.E_class, table])  # (T, D)
        return x + table


@checked
def sincos_2d(grid, width):
    """Fixed positions: [sin(x w), cos(x w), sin(y w), cos(y w)], D/4 frequencies w from 1 down to 1/10000.

    grid (gh, gw)  ->  (gh gw, D), float64.  As in big_vision (Beyer et al. 2022, arXiv:2205.01580).
    """
    require(width % 4 == 0, "width", width, "a multiple of 4: sines and cosines, down and across")
    gh, gw = grid
    w = 10000.0 ** -torch.linspace(0, 1, width // 4, dtype=torch.float64)  # (D/4,)
    y, x = (torch.arange(n, dtype=torch.float64) for n in (gh, gw))
    y, x = y.repeat_interleave(gw)[:, None], x.repeat(gh)[:, None]  # each (N, 1)
    return torch.cat([torch.sin(x * w), torch.cos(x * w), torch.sin(y * w), torch.cos(y * w)], dim=1)


class SinCosPosition2D(Module):
    """x + sines and cosines of the patch's place: nothing is learned; the class token gets zeros."""

    def __init__(self, grid, width, class_token):
        super().__init__()
        self.grid, self.width, self.class_token, self.table = grid, width, class_token, None

    @shaped
    def forward(self, x):
        """x (B, T, D)  ->  (B, T, D)"""
        # Made when it is needed, and again when the model moved: a buffer would be rounded on the way to float64.
        if self.table is None or (self.table.dtype, self.table.device) != (x.dtype, x.device):
            table = F.pad(sincos_2d(self.grid, self.width), (0, 0, int(self.class_token), 0))  # (T, D)
            self.table = table.to(x.dtype).to(x.device)
        return x + self.table


@shaped
def relative_scores(q, R):
    """scores[t, s] = q_t . R_{t - s}: how much token t asks tokens at that distance, whatever they contain.

    q (B, h, T, Dh)   R (2S - 1, Dh), row t - s + S - 1 for distance t - s   ->   (B, h, T, S)
    """
    T, S = q.shape[2], (len(R) + 1) // 2
    require(T <= S and len(R) % 2 == 1, "R", tuple(R.shape), f"(2S - 1, Dh) with S of {T} tokens or more")
    t, s = torch.arange(T, device=q.device)[:, None], torch.arange(S, device=q.device)
    row = t - s + S - 1  # (T, S)
    to_all = q @ R.to(q.dtype).T  # (B, h, T, 2S - 1)
    return to_all[..., t, row]  # (B, h, T, S)


class RelativePosition(Module):
    """One learned vector `R` per distance between two tokens in the sequence; attention adds `relative_scores`."""

    def __init__(self, num_tokens, head_width, rng=None):
        super().__init__()
        self.R = nn.Parameter(normal(torch.empty(2 * num_tokens - 1, head_width), 0.02, rng))

    def forward(self, q):
        """q (B, h, T, Dh)  ->  scores (B, h, T, S)"""
        return relative_scores(q, self.R)


@checked
def make_positions(config: ViTConfig, rng, where):
    """The position embedding that `config` wants at `where` ("stem", "every" or "shared").

    Where it wants none: `Identity` at the stem, so that there is something to call, None in the blocks.
    """
    c, kind = config, config.position_embedding
    if kind == "none" or c.positions_in != where:
        return Identity() if where == "stem" else None
    if kind == "1d":
        return PositionEmbedding(c.num_tokens, c.width, rng)
    if kind == "2d":
        return PositionEmbedding2D(c.grid, c.width, c.classifier == "token", rng)
    if kind == "sincos2d":
        return SinCosPosition2D(c.grid, c.width, c.classifier == "token")
    return RelativePosition(c.num_tokens, c.width // c.heads, rng)
