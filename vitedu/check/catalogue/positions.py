"""Exercises on 2-D and relative positions in notebooks/06_encoder.ipynb."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise

__all__ = ["grid_positions", "grid_positions_backward", "relative_bias", "relative_scores"]


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


# ---- [E_x, E_y], backward --------------------------------------------------------------------------------------------


def _grid_backward_cases(rng):
    return [(rng.normal(0.3, 1, (gh * gw, 2 * d)), gw) for gh, gw, d in ((2, 3, 4), (5, 2, 3), (3, 4, 2))]


@exercise(
    cases=_grid_backward_cases, outputs={"dE_x": "(gw, D / 2)", "dE_y": "(gh, D / 2)"}, level=2, minutes=15
)  # fmt: skip
def grid_positions_backward(dtable, gw):
    N, D = dtable.shape
    gh = N // gw
    d = D // 2
    grid = dtable.reshape(gh, gw, D)  # the grid
    dE_x = grid[:, :, :d].sum(axis=0)  # dE_x
    dE_y = grid[:, :, d:].sum(axis=1)  # dE_y
    return dE_x, dE_y


grid_positions_backward.slip(
    "the two halves are in each other's place", "Which half of a row belongs to the column?",
    dE_x="grid[:, :, d:].sum(axis=0)", dE_y="grid[:, :, :d].sum(axis=1)",
)  # fmt: skip
grid_positions_backward.slip(
    "the patches are counted column by column", "Patches follow row by row: which axis varies fastest?",
    grid="dtable.reshape(gw, gh, D).transpose(1, 0, 2)",
)  # fmt: skip
grid_positions_backward.slip(
    "means over the grid instead of sums", "Each use of a vector adds its gradient. Does anything divide?",
    dE_x="grid[:, :, :d].mean(axis=0)", dE_y="grid[:, :, d:].mean(axis=1)",
)  # fmt: skip
grid_positions_backward.slip(
    "the gradients come from the first row and the first column alone", "How many patches used each vector?",
    dE_x="grid[0, :, :d]", dE_y="grid[:, 0, d:]",
)  # fmt: skip
grid_positions_backward.slip(
    "dE_x is summed over the columns, dE_y over the rows", "E_x has one vector per column: which patches share it?",
    dE_x="np.resize(grid[:, :, :d].sum(axis=1), (gw, d))", dE_y="np.resize(grid[:, :, d:].sum(axis=0), (gh, d))",
)  # fmt: skip


# ---- relative_bias(table, gh, gw) -> bias ----------------------------------------------------------------------------


def _bias_cases(rng):
    sizes = ((2, 2, 3), (3, 4, 2), (1, 3, 5))  # h, gh, gw
    return [(rng.normal(0, 1, (h, 2 * gh - 1, 2 * gw - 1)), gh, gw) for h, gh, gw in sizes]


@exercise(cases=_bias_cases, outputs={"bias": "(h, N, N)"}, level=3, minutes=30)
def relative_bias(table, gh, gw):
    n = np.arange(gh * gw)
    row = n // gw  # the row of every patch
    column = n % gw  # the column of every patch
    down = row[:, None] - row + gh - 1  # the row of the table
    across = column[:, None] - column + gw - 1  # the column of the table
    return table[:, down, across]  # the biases


relative_bias.slip(
    "the distances are turned round: s - t instead of t - s",
    "Is the distance that of the asking patch minus the asked?",
    down="row - row[:, None] + gh - 1", across="column - column[:, None] + gw - 1",
)  # fmt: skip
relative_bias.slip(
    "the patches are counted column by column", "Patch 1 is the right neighbour of patch 0.",
    row="n % gh", column="n // gh",
)  # fmt: skip
relative_bias.slip(
    "negative distances read the table from its end: the shift is missing",
    "The smallest distance down is 1 - gh and belongs to row 0 of the table.",
    down="row[:, None] - row", across="column[:, None] - column",
)  # fmt: skip
relative_bias.slip(
    "only the size of the distances counts", "Above and below are not the same.",
    down="abs(row[:, None] - row) + gh - 1", across="abs(column[:, None] - column) + gw - 1",
)  # fmt: skip
relative_bias.slip(
    "the distance down is not used", "Two patches in different rows: how far apart?", down="gh - 1 + 0 * row"
)
relative_bias.slip(
    "the distance across is not used", "Two patches in one row: how far apart?", across="gw - 1 + 0 * column"
)
relative_bias.slip(
    "down and across have changed places in the table", "Which axis of the table has 2 gw - 1 entries?",
    result="np.take(table.reshape(len(table), -1), across * (2 * gh - 1) + down, axis=1)",
)  # fmt: skip
