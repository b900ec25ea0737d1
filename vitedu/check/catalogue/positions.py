"""Exercises on 2-D and relative positions in notebooks/06_encoder.ipynb."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise

__all__ = ["grid_positions", "relative_scores"]


# ---- [E_x, E_y] ----------------------------------------------------------------------------------------------------


def _grid_cases(rng):
    return [(rng.normal(0, 1, (gw, d)), rng.normal(0, 1, (gh, d))) for gh, gw, d in ((2, 3, 4), (5, 2, 3), (3, 4, 2))]


@exercise(cases=_grid_cases, outputs={"table": "(gh gw, D)"}, level=2, minutes=15)
def grid_positions(E_x, E_y):
    gw, d = E_x.shape
    gh = E_y.shape[0]
    columns = np.tile(E_x, (gh, 1))  # the half for the column
    rows = np.repeat(E_y, gw, axis=0)  # the half for the row
    return np.concatenate([columns, rows], axis=1)  # the table


grid_positions.slip(
    "the patches are counted column by column",
    "Patches follow row by row: which of x and y changes from one patch to the next?",
    columns="np.repeat(E_x, gh, axis=0)",
    rows="np.tile(E_y, (gw, 1))",
)
grid_positions.slip(
    "the half for the row comes first",
    "[E_x, E_y]: the column's half stands in front.",
    result="np.concatenate([rows, columns], axis=1)",
)
grid_positions.slip(
    "the two halves are added instead of joined",
    "Each half has D / 2 numbers. How wide is a row of the table?",
    result="columns + rows",
)
grid_positions.slip(
    "both halves start again with every patch: the row's half must stay the same along a row of patches",
    "np.tile repeats the whole, np.repeat each entry. Which half needs which?",
    rows="np.resize(E_y, (gh * gw, d))",
)
grid_positions.slip(
    "both halves stay the same along a row of patches: the column's half must change from patch to patch",
    "np.tile repeats the whole, np.repeat each entry. Which half needs which?",
    columns="np.repeat(E_x, gh, axis=0)",
)
grid_positions.slip(
    "the table still has the shape of the grid",
    "Tokens stand in one row: (gh gw, D).",
    result="np.concatenate([columns, rows], axis=1).reshape(gh, gw, 2 * d)",
)


# ---- q_t . R_{t - s} -----------------------------------------------------------------------------------------------


def _relative_cases(rng):
    shapes = ((2, 3, 4, 5), (1, 2, 3, 2), (3, 1, 5, 4))
    return [(rng.normal(0, 1, s), rng.normal(0, 1, (2 * s[2] - 1, s[3]))) for s in shapes]


@exercise(cases=_relative_cases, outputs={"scores": "(B, h, T, T)"}, level=3, minutes=25)
def relative_scores(q, R):
    B, h, T, Dh = q.shape
    t = np.arange(T)[:, None]
    s = np.arange(T)
    row = t - s + T - 1  # the row of R
    vectors = R[row]  # the vectors of the distances
    return (q[:, :, :, None, :] * vectors).sum(axis=-1)  # the scores


relative_scores.slip(
    "the distance is turned round: s - t instead of t - s",
    "Is the distance that of the asking token minus the asked one?",
    row="s - t + T - 1",
)
relative_scores.slip(
    "negative distances read R from its end: the row number is t - s without the shift",
    "The smallest distance is 1 - T and belongs to row 0. Which row belongs to distance 0?",
    row="t - s",
)
relative_scores.slip(
    "only the size of the distance counts: before and after get the same vector",
    "R has 2T - 1 rows. How many does your answer use?",
    row="abs(t - s) + T - 1",
)
relative_scores.slip(
    "every distance reads the row of its neighbour: off by one", "Distance 1 - T must read row 0.", row="t - s + T - 2"
)
relative_scores.slip(
    "every distance reads the row of its neighbour, and the largest reads past the end of R",
    "Distance 1 - T must read row 0.",
    row="t - s + T",
)
relative_scores.slip(
    "every distance reads the row of its neighbour, and the largest the first row of R",
    "Distance 1 - T must read row 0.",
    row="(t - s + T) % (2 * T - 1)",
)
relative_scores.slip(
    "the vector of the distance meets the asked token's query, not the asking one's",
    "In scores[t, s], whose query is asked about the distance?",
    result="(q[:, :, None, :, :] * vectors).sum(axis=-1)",
)
relative_scores.slip(
    "the vector depends on s alone: that is an absolute position",
    "Move both tokens one place on: should their score change?",
    vectors="R[s + 0 * t]",
)
relative_scores.slip(
    "the vector depends on t alone: that is an absolute position",
    "Move both tokens one place on: should their score change?",
    vectors="R[t + 0 * s]",
)
