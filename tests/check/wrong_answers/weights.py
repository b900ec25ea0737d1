"""Checks for the exercises of notebooks/13_weights.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.weights.resize import interpolation_matrix as _interpolation_matrix
from vitedu_numpy.weights.resize import resize_positions as _np_resize_positions

__all__ = ["official_key_kernel", "official_patches", "official_qkv", "resized_positions"]

# (h, Dh): D = h Dh; heads and their numbers differ, so that exchanging them cannot hide.
_HEADS = [(2, 3), (5, 2), (3, 4)]


# ---- official_qkv(query, key, value) -> qkv ------------------------------------------------------------------------


def _qkv_cases(rng):
    return [tuple(rng.standard_normal((3, h * Dh, h, Dh))) for h, Dh in _HEADS]


def _flat(kernel):
    """(D, h, Dh) -> (D, D): heads side by side, still (in, out)"""
    return kernel.reshape(len(kernel), -1)


def _np_qkv(query, key, value):
    return np.concatenate([_flat(kernel).T for kernel in (query, key, value)])


def _head_by_head(query, key, value):
    kernels = np.stack([query, key, value])  # (3, D, h, Dh)
    return kernels.transpose(2, 0, 3, 1).reshape(-1, len(query))


def _numbers_before_heads(query, key, value):
    return np.concatenate([kernel.transpose(2, 1, 0).reshape(-1, len(kernel)) for kernel in (query, key, value)])


def _heads_in_front(query, key, value):
    return np.concatenate([kernel.transpose(1, 0, 2).reshape(-1, len(kernel)) for kernel in (query, key, value)])


official_qkv = Check(
    "official_qkv",
    reference=_np_qkv,
    cases=_qkv_cases,
    outputs={"qkv": "(3D, D)"},
    mistakes=[
        Mistake(
            "the matrices are not transposed: their kernels are (in, out)",
            "Which axis of a kernel is multiplied with the token, and which axis of `qkv.weight`?",
            lambda query, key, value: np.concatenate([_flat(kernel) for kernel in (query, key, value)]),
        ),
        Mistake(
            "heads and the numbers of a head are exchanged",
            "The first Dh rows must belong to head 0 alone.",
            _numbers_before_heads,
        ),
        Mistake(
            "the heads are in front of the inputs, and a reshape has mixed them",
            "Say what each axis is before and after: a row must hold one output and all D inputs.",
            _heads_in_front,
        ),
        Mistake(
            "q, k and v are in another order: k comes first",
            "`qkv.weight` has the rows of q, then of k, then of v.",
            lambda query, key, value: _np_qkv(key, query, value),
        ),
        Mistake(
            "q, k and v are in another order: v comes second",
            "`qkv.weight` has the rows of q, then of k, then of v.",
            lambda query, key, value: _np_qkv(query, value, key),
        ),
        Mistake(
            "q, k and v are in another order: v comes first",
            "`qkv.weight` has the rows of q, then of k, then of v.",
            lambda query, key, value: _np_qkv(value, key, query),
        ),
        Mistake(
            "the rows go head by head: q, k and v of head 0, then of head 1, ...",
            "All of q comes first.  Some libraries do it your way, which is why it has a name here.",
            _head_by_head,
        ),
        Mistake(
            "the three stand side by side, (D, 3D)",
            "A row is an output: three times as many outputs are three times as many rows.",
            lambda query, key, value: np.concatenate([_flat(kernel).T for kernel in (query, key, value)], axis=1),
        ),
        Mistake(
            "joined as (in, out) and not transposed, (D, 3D)",
            "Ours are (out, in).",
            lambda query, key, value: np.concatenate([_flat(kernel) for kernel in (query, key, value)], axis=1),
        ),
    ],
)


# ---- official_patches(kernel) -> weight ----------------------------------------------------------------------------


def _patch_cases(rng):
    return [(rng.standard_normal(shape),) for shape in ((2, 2, 3, 5), (3, 3, 2, 4), (4, 4, 1, 7))]


def _np_patches(kernel):
    return kernel.transpose(3, 2, 0, 1).reshape(kernel.shape[3], -1)


official_patches = Check(
    "official_patches",
    reference=_np_patches,
    cases=_patch_cases,
    outputs={"weight": "(D, C P P)"},
    mistakes=[
        Mistake(
            "inside a patch the channels come last, (P, P, C)",
            "What are the first P P numbers of a patch in `patchify`?",
            lambda kernel: kernel.transpose(3, 0, 1, 2).reshape(kernel.shape[3], -1),
        ),
        Mistake(
            "rows and columns of a patch are exchanged",
            "Which of the two P comes first in a kernel, rows or columns?",
            lambda kernel: kernel.transpose(3, 2, 1, 0).reshape(kernel.shape[3], -1),
        ),
        Mistake(
            "nothing is moved: a reshape alone",
            "The shape fits, but which number was the first in memory?",
            lambda kernel: kernel.reshape(kernel.shape[3], -1),
        ),
        Mistake(
            "not transposed, (C P P, D)",
            "A row of `weight` makes one number of a token.",
            lambda kernel: _np_patches(kernel).T,
        ),
        Mistake(
            "not transposed and the channels last, (P P C, D)",
            "A reshape alone keeps their order.  Ours differs in two ways.",
            lambda kernel: kernel.reshape(-1, kernel.shape[3]),
        ),
        Mistake(
            "the channels are in reverse order",
            "Red, green, blue: both sides agree on that.",
            lambda kernel: _np_patches(kernel[:, :, ::-1]),
        ),
        Mistake(
            "still four axes, (D, C, P, P)",
            "Right so far.  Ours is a matrix.",
            lambda kernel: kernel.transpose(3, 2, 0, 1),
        ),
    ],
)


# ---- official_key_kernel(qkv, heads) -> kernel ---------------------------------------------------------------------


def _key_cases(rng):
    return [(rng.standard_normal((3 * h * Dh, h * Dh)), h) for h, Dh in _HEADS]


def _kernel(qkv, heads, part=1):
    D = qkv.shape[1]
    return qkv[part * D : (part + 1) * D].T.reshape(D, heads, -1)


def _not_transposed(qkv, heads):
    D = qkv.shape[1]
    return qkv[D : 2 * D].reshape(D, heads, -1)


def _every_third_row(qkv, heads):
    return qkv[1::3].T.reshape(qkv.shape[1], heads, -1)


def _from_head_by_head(qkv, heads):
    D = qkv.shape[1]
    return qkv.reshape(heads, 3, D // heads, D)[:, 1].transpose(2, 0, 1)


def _strided_heads(qkv, heads):
    D = qkv.shape[1]
    return qkv[D : 2 * D].T.reshape(D, D // heads, heads).transpose(0, 2, 1)


official_key_kernel = Check(
    "official_key_kernel",
    reference=_kernel,
    cases=_key_cases,
    outputs={"kernel": "(D, h, Dh)"},
    mistakes=[
        Mistake(
            "these are the queries",
            "In `qkv.weight` the rows of k stand between those of q and of v.",
            lambda qkv, heads: _kernel(qkv, heads, 0),
        ),
        Mistake(
            "these are the values",
            "In `qkv.weight` the rows of k stand between those of q and of v.",
            lambda qkv, heads: _kernel(qkv, heads, 2),
        ),
        Mistake(
            "not transposed: the first axis is still the output",
            "Their kernels are (in, out); the output is then cut into heads.",
            _not_transposed,
        ),
        Mistake(
            "every third row was taken",
            "The D rows of k stand together.",
            _every_third_row,
        ),
        Mistake(
            "the rows were taken to go head by head",
            "All of q comes first, then all of k.",
            _from_head_by_head,
        ),
        Mistake(
            "a head takes every h-th output, not Dh outputs that stand together",
            "Which outputs does `split_heads` give to head 0?",
            _strided_heads,
        ),
        Mistake(
            "heads and the numbers of a head are exchanged, (D, Dh, h)",
            "When one axis is cut in two, the slower one comes first.",
            lambda qkv, heads: _kernel(qkv, heads).swapaxes(1, 2),
        ),
        Mistake(
            "the heads are in front, (h, D, Dh)",
            "That is how one would loop over heads.  Their files have the input first.",
            lambda qkv, heads: _kernel(qkv, heads).swapaxes(0, 1),
        ),
    ],
)


# ---- resized_positions(E_pos, old_grid, new_grid) -> E_new ---------------------------------------------------------


def _resize_cases(rng):
    grids = [((2, 3), (5, 7)), ((3, 4), (2, 6)), ((4, 3), (6, 5))]
    return [(rng.standard_normal((1 + gh * gw, 5)), (gh, gw), new) for (gh, gw), new in grids]


def _resize(E_pos, old_grid, new_grid, method="linear"):
    return _np_resize_positions(E_pos, old_grid, new_grid, True, method)


def _over_the_sequence(E_pos, old, new, first):
    """Along the sequence, as if the grid were one line; `first`: how many rows in front are kept."""
    M = _interpolation_matrix(len(E_pos) - first, new[0] * new[1] + 1 - first)
    return np.concatenate([E_pos[:first], M @ E_pos[first:]])


def _grid(E_pos, M_y, M_x, old):
    grid = E_pos[1:].reshape(*old, -1)
    grid = np.einsum("Yy,Xx,yxd->YXd", M_y, M_x, grid)
    return np.concatenate([E_pos[:1], grid.reshape(-1, grid.shape[-1])])


def _sides_exchanged(E_pos, old, new):
    swapped = _resize(E_pos, old[::-1], new[::-1])
    return swapped


def _without_last_pixel(E_pos, old, new):
    """Source place i old / new: the corners at the end do not meet."""
    matrices = []
    for n, m in zip(old, new, strict=True):
        x = np.clip(np.arange(m) * n / m, 0, n - 1)
        matrices.append(np.maximum(1 - np.abs(x[:, None] - np.arange(n)), 0))
    return _grid(E_pos, *matrices, old)


def _token_row_last(E_pos, old, new):
    right = _resize(E_pos, old, new)
    return np.concatenate([right[1:], right[:1]])


def _token_row_scaled(E_pos, old, new):
    """The class token's row taken as the first patch, and the last patch lost."""
    return _resize(np.concatenate([E_pos[:1], E_pos[:-1]]), old, new)


resized_positions = Check(
    "resized_positions",
    reference=_resize,
    cases=_resize_cases,
    outputs={"E_new": "(1 + new gh new gw, D)"},
    mistakes=[
        Mistake(
            "the class token's row is lost",
            "The head reads the class token: it needs its position, and it is no patch.",
            lambda E_pos, old, new: _resize(E_pos, old, new)[1:],
        ),
        Mistake(
            "the class token's row is interpolated with the patches",
            "Row 0 stands nowhere in the image.  Take it out first, put it back last.",
            lambda E_pos, old, new: _over_the_sequence(E_pos, old, new, 0),
        ),
        Mistake(
            "the class token's row is taken for the first patch",
            "Of 1 + N rows, which N belong to patches?",
            _token_row_scaled,
        ),
        Mistake(
            "the class token's row is at the end",
            "Where does the model put the class token?",
            _token_row_last,
        ),
        Mistake(
            "interpolated along the sequence, not on the grid",
            "The last patch of a row and the first of the next are neighbours in the sequence, but not in the image.",
            lambda E_pos, old, new: _over_the_sequence(E_pos, old, new, 1),
        ),
        Mistake(
            "half-pixel places, as image libraries take them",
            "That rule keeps areas.  The authors' puts first on first, last on last, and the rest evenly in between.",
            lambda E_pos, old, new: _resize(E_pos, old, new, "half-pixel"),
        ),
        Mistake(
            "cubic interpolation",
            "That is what transformers and timm do.  The authors' is linear.",
            lambda E_pos, old, new: _resize(E_pos, old, new, "cubic"),
        ),
        Mistake(
            "the nearest vector is copied",
            "Between two old places there should be something in between.",
            lambda E_pos, old, new: _resize(E_pos, old, new, "nearest"),
        ),
        Mistake(
            "places are scaled by old / new: only the first corner keeps its vector",
            "Patch 0 stays at 0; where must the last patch, new - 1, come from?",
            _without_last_pixel,
        ),
        Mistake(
            "the two sides of the grid are exchanged",
            "A grid is (gh, gw), and the sequence runs row by row.",
            _sides_exchanged,
        ),
    ],
)
