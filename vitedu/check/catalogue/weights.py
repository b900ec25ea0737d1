"""Exercises of notebooks/13_weights.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.weights.resize import interpolation_matrix
from vitedu_numpy.weights.resize import resize_positions as _resized

from ..slips.exercise import exercise

__all__ = ["official_key_kernel", "official_patches", "official_qkv", "resized_positions", "silenced_out"]

# (h, Dh): D = h Dh; heads and their numbers differ, so that exchanging them cannot hide.
_HEADS = [(2, 3), (5, 2), (3, 4)]


# ---- official_qkv(query, key, value) -> qkv ------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [tuple(rng.standard_normal((3, h * Dh, h, Dh))) for h, Dh in _HEADS],
    outputs={"qkv": "(3D, D)"}, level=2, minutes=15,
)  # fmt: skip
def official_qkv(query, key, value):
    D, h, Dh = query.shape
    q = query.reshape(D, h * Dh).T  # the rows of q
    k = key.reshape(D, h * Dh).T  # the rows of k
    v = value.reshape(D, h * Dh).T  # the rows of v
    return np.concatenate([q, k, v], axis=0)  # qkv


def _of_all(line):
    """The same line for q, k and v."""
    return {name: line.format(kernel) for name, kernel in (("q", "query"), ("k", "key"), ("v", "value"))}


official_qkv.slip(
    "the matrices are not transposed: their kernels are (in, out)",
    "Which axis of a kernel is multiplied with the token, and which axis of `qkv.weight`?",
    **_of_all("{}.reshape(D, h * Dh)"),
)
official_qkv.slip(
    "heads and the numbers of a head are exchanged",
    "The first Dh rows must belong to head 0 alone.",
    **_of_all("{}.transpose(2, 1, 0).reshape(-1, D)"),
)
official_qkv.slip(
    "the heads are in front of the inputs, and a reshape has mixed them",
    "Say what each axis is before and after: a row must hold one output and all D inputs.",
    **_of_all("{}.transpose(1, 0, 2).reshape(-1, D)"),
)
for _order, _words in (("k, q, v", "k comes first"), ("q, v, k", "v comes second"), ("v, k, q", "v comes first")):
    official_qkv.slip(
        f"q, k and v are in another order: {_words}",
        "`qkv.weight` has the rows of q, then of k, then of v.",
        result=f"np.concatenate([{_order}], axis=0)",
    )
official_qkv.slip(
    "the rows go head by head: q, k and v of head 0, then of head 1, ...",
    "All of q comes first.  Some libraries do it your way, which is why it has a name here.",
    result="np.stack([query, key, value]).transpose(2, 0, 3, 1).reshape(-1, D)",
)
official_qkv.slip(
    "the three stand side by side, (D, 3D)",
    "A row is an output: three times as many outputs are three times as many rows.",
    result="np.concatenate([q, k, v], axis=1)",
)
official_qkv.slip(
    "joined as (in, out) and not transposed, (D, 3D)",
    "Ours are (out, in).",
    result="np.concatenate([q.T, k.T, v.T], axis=1)",
)


# ---- official_patches(kernel) -> weight ----------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(rng.standard_normal(shape),) for shape in ((2, 2, 3, 5), (3, 3, 2, 4), (4, 4, 1, 7))],
    outputs={"weight": "(D, C P P)"}, level=1, minutes=10,
)  # fmt: skip
def official_patches(kernel):
    P, P, C, D = kernel.shape
    moved = kernel.transpose(3, 2, 0, 1)  # the moved axes
    return moved.reshape(D, C * P * P)  # the weight


for _name, _why, _lines in (
    ("inside a patch the channels come last, (P, P, C)", "What are the first P P numbers of a patch in `patchify`?",
     {"moved": "kernel.transpose(3, 0, 1, 2)"}),
    ("rows and columns of a patch are exchanged", "Which of the two P comes first in a kernel, rows or columns?",
     {"moved": "kernel.transpose(3, 2, 1, 0)"}),
    ("nothing is moved: a reshape alone", "The shape fits, but which number was the first in memory?",
     {"moved": "kernel"}),
    ("not transposed, (C P P, D)", "A row of `weight` makes one number of a token.",
     {"result": "moved.reshape(D, C * P * P).T"}),
    ("not transposed and the channels last, (P P C, D)",
     "A reshape alone keeps their order.  Ours differs in two ways.", {"result": "kernel.reshape(-1, D)"}),
    ("the channels are in reverse order", "Red, green, blue: both sides agree on that.",
     {"moved": "kernel[:, :, ::-1].transpose(3, 2, 0, 1)"}),
    ("still four axes, (D, C, P, P)", "Right so far.  Ours is a matrix.", {"result": "moved"}),
):  # fmt: skip
    official_patches.slip(_name, _why, **_lines)


# ---- official_key_kernel(qkv, heads) -> kernel ---------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(rng.standard_normal((3 * h * Dh, h * Dh)), h) for h, Dh in _HEADS],
    outputs={"kernel": "(D, h, Dh)"}, level=2, minutes=15,
)  # fmt: skip
def official_key_kernel(qkv, heads):
    D = qkv.shape[1]
    Dh = D // heads
    rows = qkv[D : 2 * D]  # the rows of k
    turned = rows.T  # the transpose
    return turned.reshape(D, heads, Dh)  # the kernel


_BETWEEN = "In `qkv.weight` the rows of k stand between those of q and of v."
for _name, _why, _lines in (
    ("these are the queries", _BETWEEN, {"rows": "qkv[:D]"}),
    ("these are the values", _BETWEEN, {"rows": "qkv[2 * D:]"}),
    ("not transposed: the first axis is still the output",
     "Their kernels are (in, out); the output is then cut into heads.", {"turned": "rows"}),
    ("every third row was taken", "The D rows of k stand together.", {"rows": "qkv[1::3]"}),
    ("the rows were taken to go head by head", "All of q comes first, then all of k.",
     {"result": "qkv.reshape(heads, 3, Dh, D)[:, 1].transpose(2, 0, 1)"}),
    ("a head takes every h-th output, not Dh outputs that stand together",
     "Which outputs does `split_heads` give to head 0?",
     {"result": "turned.reshape(D, Dh, heads).transpose(0, 2, 1)"}),
    ("heads and the numbers of a head are exchanged, (D, Dh, h)",
     "When one axis is cut in two, the slower one comes first.",
     {"result": "turned.reshape(D, heads, Dh).swapaxes(1, 2)"}),
    ("the heads are in front, (h, D, Dh)",
     "That is how one would loop over heads.  Their files have the input first.",
     {"result": "turned.reshape(D, heads, Dh).swapaxes(0, 1)"}),
):  # fmt: skip
    official_key_kernel.slip(_name, _why, **_lines)


# ---- resized_positions(E_pos, old_grid, new_grid) -> E_new ---------------------------------------------------------


def _resize_cases(rng):
    grids = [((2, 3), (5, 7)), ((3, 4), (2, 6)), ((4, 3), (6, 5))]
    return [(rng.standard_normal((1 + gh * gw, 5)), (gh, gw), new) for (gh, gw), new in grids]


def _by_matrices(patches, old_grid, new_grid, matrix):
    """matrix(old, new) along both sides of the grid"""
    y, x = (matrix(n, m) for n, m in zip(old_grid, new_grid, strict=True))
    grid = np.einsum("Yy,Xx,yxd->YXd", y, x, patches.reshape(*old_grid, -1))
    return grid.reshape(-1, grid.shape[-1])


def _scaled_places(n, m):
    """Source place i old / new: the corners at the end do not meet."""
    x = np.clip(np.arange(m) * n / m, 0, n - 1)
    return np.maximum(1 - np.abs(x[:, None] - np.arange(n)), 0)


def _nearest_places(n, m):
    """The old place nearest to each new one; of two as near, the even one."""
    return np.eye(n)[np.rint(np.linspace(0, n - 1, m)).astype(int)]


@exercise(cases=_resize_cases, outputs={"E_new": "(1 + new gh new gw, D)"}, level=3, minutes=30)
def resized_positions(E_pos, old_grid, new_grid):
    kept = E_pos[:1]  # the class token's row
    patches = E_pos[1:]  # the patches' rows
    resized = _by_matrices(patches, old_grid, new_grid, interpolation_matrix)  # the resized rows
    return np.concatenate([kept, resized], axis=0)  # the new table


for _name, _why, _lines in (
    ("each new place takes its nearest old one", "Between two old places lies a mean of both.",
     {"resized": "_by_matrices(patches, old_grid, new_grid, lambda n, m: np.round(interpolation_matrix(n, m)))"}),
    ("each new place takes its nearest old one", "Between two old places lies a mean of both.",
     {"resized": "_by_matrices(patches, old_grid, new_grid, _nearest_places)"}),
    ("the class token's row is lost",
     "The head reads the class token: it needs its position, and it is no patch.", {"result": "resized"}),
    ("the class token's row is interpolated with the patches",
     "Row 0 stands nowhere in the image.  Take it out first, put it back last.",
     {"result": "interpolation_matrix(len(E_pos), new_grid[0] * new_grid[1] + 1) @ E_pos"}),
    ("the class token's row is taken for the first patch", "Of 1 + N rows, which N belong to patches?",
     {"patches": "E_pos[:-1]"}),
    ("the class token's row is at the end", "Where does the model put the class token?",
     {"result": "np.concatenate([resized, kept], axis=0)"}),
    ("interpolated along the sequence, not on the grid",
     "The last patch of a row and the first of the next are neighbours in the sequence, but not in the image.",
     {"resized": "interpolation_matrix(len(patches), new_grid[0] * new_grid[1]) @ patches"}),
    ("half-pixel places, as image libraries take them",
     "That rule keeps areas.  The authors' puts first on first, last on last, and the rest evenly in between.",
     {"result": "_resized(E_pos, old_grid, new_grid, True, 'half-pixel')"}),
    ("cubic interpolation", "That is what transformers and timm do.  The authors' is linear.",
     {"result": "_resized(E_pos, old_grid, new_grid, True, 'cubic')"}),
    ("the nearest vector is copied", "Between two old places there should be something in between.",
     {"result": "_resized(E_pos, old_grid, new_grid, True, 'nearest')"}),
    ("places are scaled by old / new: only the first corner keeps its vector",
     "Patch 0 stays at 0; where must the last patch, new - 1, come from?",
     {"resized": "_by_matrices(patches, old_grid, new_grid, _scaled_places)"}),
    ("the two sides of the grid are exchanged", "A grid is (gh, gw), and the sequence runs row by row.",
     {"resized": "_by_matrices(patches, old_grid[::-1], new_grid[::-1], interpolation_matrix)"}),
):  # fmt: skip
    resized_positions.slip(_name, _why, **_lines)


# ---- silenced_out(kernel, head) -> weight ----------------------------------------------------------------------------


def _out_cases(rng):
    return [(rng.standard_normal((h, Dh, h * Dh)), head) for (h, Dh), head in zip(_HEADS, (1, 3, 0), strict=True)]


@exercise(
    cases=_out_cases,
    outputs={"weight": "(D, D)"}, level=2, minutes=15,
)  # fmt: skip
def silenced_out(kernel, head):
    h, Dh, D = kernel.shape
    heard = np.arange(h) != head  # the heads that are heard
    left = kernel * heard[:, None, None]  # the kernel without the head
    return left.reshape(h * Dh, D).T  # the weight


for _name, _why, _lines in (
    ("the heads are counted from 1", "Which columns belong to head 0?", {"heard": "np.arange(h) != (head - 1) % h"}),
    ("the matrix is not transposed: kernels are (in, out)",
     "Which axis of the kernel is an output, and which axis of `out.weight`?", {"result": "left.reshape(h * Dh, D)"}),
    ("rows of the weight are silenced, not columns", "A row is an output. Which numbers does a head hand in?",
     {"left": "kernel * (np.arange(D) // Dh != head)"}),
    ("the heads are taken to alternate: every h-th column is silenced", "The first Dh inputs belong to head 0.",
     {"result": "kernel.reshape(h * Dh, D).T * (np.arange(D) % h != head)"}),
    ("heads and the numbers of a head are exchanged", "The first Dh inputs belong to head 0.",
     {"result": "left.swapaxes(0, 1).reshape(h * Dh, D).T"}),
    ("no head is silenced", "What does head number `head` still add to every token?", {"left": "kernel"}),
    ("only that head is heard", "The others go on.", {"heard": "np.arange(h) == head"}),
    ("another head is silenced: they are counted from 1", "Heads are counted from 0.",
     {"heard": "np.arange(1, h + 1) != head"}),
    ("one number of the head is silenced, not all of them", "A head hands in Dh numbers.",
     {"left": "kernel * ((np.arange(h * Dh) != head * Dh).reshape(h, Dh, 1))"}),
):  # fmt: skip
    silenced_out.slip(_name, _why, **_lines)
