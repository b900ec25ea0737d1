"""Checks for the exercises on 2-D and relative positions in notebooks/06_encoder.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.layers.positions import grid_positions as _grid_positions
from vitedu_numpy.layers.positions import relative_scores as _relative_scores

__all__ = ["grid_positions", "relative_scores"]


# ---- [E_x, E_y] ----------------------------------------------------------------------------------------------------


def _np_grid_positions(E_x, E_y):
    return _grid_positions(E_x, E_y)[0]


def _grid_cases(rng):
    return [(rng.normal(0, 1, (gw, d)), rng.normal(0, 1, (gh, d))) for gh, gw, d in ((2, 3, 4), (5, 2, 3), (3, 4, 2))]


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


grid_positions = Check(
    "grid_positions",
    reference=_np_grid_positions,
    cases=_grid_cases,
    outputs={"table": "(gh gw, D)"},
    mistakes=[
        Mistake(
            "the patches are counted column by column",
            "Patches follow row by row: which of x and y changes from one patch to the next?",
            _column_by_column,
        ),
        Mistake(
            "the half for the row comes first",
            "[E_x, E_y]: the column's half stands in front.",
            _rows_first,
        ),
        Mistake(
            "the two halves are added instead of joined",
            "Each half has D / 2 numbers. How wide is a row of the table?",
            _summed,
        ),
        Mistake(
            "both halves start again with every patch: the row's half must stay the same along a row of patches",
            "np.tile repeats the whole, np.repeat each entry. Which half needs which?",
            _both_tiled,
        ),
        Mistake(
            "the table still has the shape of the grid",
            "Tokens stand in one row: (gh gw, D).",
            _as_a_grid,
        ),
    ],
)


# ---- q_t . R_{t - s} -----------------------------------------------------------------------------------------------


def _np_relative_scores(q, R):
    return _relative_scores(q, R)[0]


def _relative_cases(rng):
    shapes = ((2, 3, 4, 5), (1, 2, 3, 2), (3, 1, 5, 4))
    return [(rng.normal(0, 1, s), rng.normal(0, 1, (2 * s[2] - 1, s[3]))) for s in shapes]


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


relative_scores = Check(
    "relative_scores",
    reference=_np_relative_scores,
    cases=_relative_cases,
    outputs={"scores": "(B, h, T, T)"},
    mistakes=[
        Mistake(
            "the distance is turned round: s - t instead of t - s",
            "Is the distance that of the asking token minus the asked one?",
            _turned_round,
        ),
        Mistake(
            "negative distances read R from its end: the row number is t - s without the shift",
            "The smallest distance is 1 - T and belongs to row 0. Which row belongs to distance 0?",
            _no_shift,
        ),
        Mistake(
            "only the size of the distance counts: before and after get the same vector",
            "R has 2T - 1 rows. How many does your answer use?",
            _distance_only,
        ),
        Mistake(
            "every distance reads the row of its neighbour: off by one",
            "Distance 1 - T must read row 0.",
            _off_by_one,
        ),
        Mistake(
            "the vector of the distance meets the asked token's query, not the asking one's",
            "In scores[t, s], whose query is asked about the distance?",
            _by_the_asked,
        ),
        Mistake(
            "the vector depends on s alone: that is an absolute position",
            "Move both tokens one place on: should their score change?",
            _absolute,
        ),
    ],
)
