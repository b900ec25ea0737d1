"""Wrong answers to the exercises on 2-D and relative positions in notebooks/06_encoder.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.layers.positions import grid_positions as _grid_positions
from vitedu_numpy.layers.positions import relative_scores as _relative_scores

from . import FirstGeneration

__all__ = ["grid_positions", "relative_scores"]


# ---- [E_x, E_y] ----------------------------------------------------------------------------------------------------


def _np_grid_positions(E_x, E_y):
    return _grid_positions(E_x, E_y)[0]


def _joined(columns, rows):
    return np.concatenate([columns, rows], axis=1)


def _column_by_column(E_x, E_y):
    gw, gh = len(E_x), len(E_y)
    return _joined(np.repeat(E_x, gh, axis=0), np.tile(E_y, (gw, 1)))


def _rows_first(E_x, E_y):
    gw, gh = len(E_x), len(E_y)
    return _joined(np.repeat(E_y, gw, axis=0), np.tile(E_x, (gh, 1)))


def _summed(E_x, E_y):
    gw, gh = len(E_x), len(E_y)
    return np.tile(E_x, (gh, 1)) + np.repeat(E_y, gw, axis=0)


def _both_tiled(E_x, E_y):
    N = len(E_x) * len(E_y)
    return _joined(np.resize(E_x, (N, E_x.shape[1])), np.resize(E_y, (N, E_y.shape[1])))


def _as_a_grid(E_x, E_y):
    return _np_grid_positions(E_x, E_y).reshape(len(E_y), len(E_x), -1)


grid_positions = FirstGeneration(
    _np_grid_positions,
    [
        ("the patches are counted column by column", _column_by_column),
        ("the half for the row comes first", _rows_first),
        ("the two halves are added instead of joined", _summed),
        (
            "both halves start again with every patch: the row's half must stay the same along a row of patches",
            _both_tiled,
        ),
        ("the table still has the shape of the grid", _as_a_grid),
    ],
)


# ---- q_t . R_{t - s} -----------------------------------------------------------------------------------------------


def _np_relative_scores(q, R):
    return _relative_scores(q, R)[0]


def _gathered(q, R, row):
    return np.einsum("bhtd,tsd->bhts", q, R[row])


def _places(q):
    T = q.shape[2]
    return np.arange(T)[:, None], np.arange(T), T


def _turned_round(q, R):
    t, s, T = _places(q)
    return _gathered(q, R, s - t + T - 1)


def _no_shift(q, R):
    t, s, _ = _places(q)
    return _gathered(q, R, t - s)


def _distance_only(q, R):
    t, s, T = _places(q)
    return _gathered(q, R, abs(t - s) + T - 1)


def _off_by_one(q, R):
    t, s, T = _places(q)
    return _gathered(q, R, t - s + T - 2)


def _by_the_asked(q, R):
    t, s, T = _places(q)
    return np.einsum("bhsd,tsd->bhts", q, R[t - s + T - 1])


def _absolute(q, R):
    return q @ R[: q.shape[2]].T


relative_scores = FirstGeneration(
    _np_relative_scores,
    [
        ("the distance is turned round: s - t instead of t - s", _turned_round),
        ("negative distances read R from its end: the row number is t - s without the shift", _no_shift),
        ("only the size of the distance counts: before and after get the same vector", _distance_only),
        ("every distance reads the row of its neighbour: off by one", _off_by_one),
        ("the vector of the distance meets the asked token's query, not the asking one's", _by_the_asked),
        ("the vector depends on s alone: that is an absolute position", _absolute),
    ],
)
