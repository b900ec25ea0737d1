"""The checks of notebooks/06_encoder.ipynb on 2-D and relative positions."""

from __future__ import annotations

import numpy as np
import pytest

# ---- right answers in other styles -----------------------------------------------------------------------------------


def grid_by_loops(E_x, E_y):
    return [[*E_x[x], *E_y[y]] for y in range(len(E_y)) for x in range(len(E_x))]


def grid_by_indices(E_x, E_y):
    y, x = np.divmod(np.arange(len(E_x) * len(E_y)), len(E_x))
    return np.hstack([E_x[x], E_y[y]])


def relative_by_loops(q, R):
    B, h, T, _ = q.shape
    out = np.zeros((B, h, T, T))
    for b, i, t, s in np.ndindex(out.shape):
        out[b, i, t, s] = sum(q[b, i, t] * R[t - s + T - 1])
    return out


def relative_torch(q, R):
    torch = pytest.importorskip("torch")
    q, R, T = torch.from_numpy(q), torch.from_numpy(R), q.shape[2]
    rows = [R[t : t + T].flip(0) for t in range(T)]  # distances t, t - 1, ..., t - T + 1
    return torch.einsum("bhtd,tsd->bhts", q, torch.stack(rows))


RIGHT = [
    ("grid_positions", grid_by_loops),
    ("grid_positions", grid_by_indices),
    ("relative_scores", relative_by_loops),
    ("relative_scores", relative_torch),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_in_other_styles(name, answer, assert_right):
    assert_right(name, answer)


# ---- the same mistakes in other words --------------------------------------------------------------------------------


def grid_transposed(E_x, E_y):
    return np.array([[*E_x[x], *E_y[y]] for x in range(len(E_x)) for y in range(len(E_y))])


def grid_halves_swapped(E_x, E_y):
    return np.array([[*E_y[y], *E_x[x]] for y in range(len(E_y)) for x in range(len(E_x))])


def relative_backwards(q, R):
    return relative_by_loops(q, R[::-1])


def relative_raw_index(q, R):
    B, h, T, _ = q.shape
    return np.stack(
        [[[[q[b, i, t] @ R[t - s] for s in range(T)] for t in range(T)] for i in range(h)] for b in range(B)]
    )


AGAIN = [
    ("grid_positions", grid_transposed, "column by column"),
    ("grid_positions", grid_halves_swapped, "row comes first"),
    ("relative_scores", relative_backwards, "turned round"),
    ("relative_scores", relative_raw_index, "without the shift"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
