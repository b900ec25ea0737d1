"""Wrong answers to the exercises of notebooks/13_weights.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.weights.resize import interpolation_matrix as _interpolation_matrix
from vitedu_numpy.weights.resize import resize_positions as _np_resize_positions

from . import FirstGeneration

__all__ = ["official_key_kernel", "official_patches", "official_qkv", "resized_positions"]


# ---- official_qkv(query, key, value) -> qkv ------------------------------------------------------------------------


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


official_qkv = FirstGeneration(
    _np_qkv,
    [
        (
            "the matrices are not transposed: their kernels are (in, out)",
            lambda query, key, value: np.concatenate([_flat(kernel) for kernel in (query, key, value)]),
        ),
        ("heads and the numbers of a head are exchanged", _numbers_before_heads),
        ("the heads are in front of the inputs, and a reshape has mixed them", _heads_in_front),
        ("q, k and v are in another order: k comes first", lambda query, key, value: _np_qkv(key, query, value)),
        ("q, k and v are in another order: v comes second", lambda query, key, value: _np_qkv(query, value, key)),
        ("q, k and v are in another order: v comes first", lambda query, key, value: _np_qkv(value, key, query)),
        ("the rows go head by head: q, k and v of head 0, then of head 1, ...", _head_by_head),
        (
            "the three stand side by side, (D, 3D)",
            lambda query, key, value: np.concatenate([_flat(kernel).T for kernel in (query, key, value)], axis=1),
        ),
        (
            "joined as (in, out) and not transposed, (D, 3D)",
            lambda query, key, value: np.concatenate([_flat(kernel) for kernel in (query, key, value)], axis=1),
        ),
    ],
)


# ---- official_patches(kernel) -> weight ----------------------------------------------------------------------------


def _np_patches(kernel):
    return kernel.transpose(3, 2, 0, 1).reshape(kernel.shape[3], -1)


official_patches = FirstGeneration(
    _np_patches,
    [
        (
            "inside a patch the channels come last, (P, P, C)",
            lambda kernel: kernel.transpose(3, 0, 1, 2).reshape(kernel.shape[3], -1),
        ),
        (
            "rows and columns of a patch are exchanged",
            lambda kernel: kernel.transpose(3, 2, 1, 0).reshape(kernel.shape[3], -1),
        ),
        ("nothing is moved: a reshape alone", lambda kernel: kernel.reshape(kernel.shape[3], -1)),
        ("not transposed, (C P P, D)", lambda kernel: _np_patches(kernel).T),
        ("not transposed and the channels last, (P P C, D)", lambda kernel: kernel.reshape(-1, kernel.shape[3])),
        ("the channels are in reverse order", lambda kernel: _np_patches(kernel[:, :, ::-1])),
        ("still four axes, (D, C, P, P)", lambda kernel: kernel.transpose(3, 2, 0, 1)),
    ],
)


# ---- official_key_kernel(qkv, heads) -> kernel ---------------------------------------------------------------------


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


official_key_kernel = FirstGeneration(
    _kernel,
    [
        ("these are the queries", lambda qkv, heads: _kernel(qkv, heads, 0)),
        ("these are the values", lambda qkv, heads: _kernel(qkv, heads, 2)),
        ("not transposed: the first axis is still the output", _not_transposed),
        ("every third row was taken", _every_third_row),
        ("the rows were taken to go head by head", _from_head_by_head),
        ("a head takes every h-th output, not Dh outputs that stand together", _strided_heads),
        (
            "heads and the numbers of a head are exchanged, (D, Dh, h)",
            lambda qkv, heads: _kernel(qkv, heads).swapaxes(1, 2),
        ),
        ("the heads are in front, (h, D, Dh)", lambda qkv, heads: _kernel(qkv, heads).swapaxes(0, 1)),
    ],
)


# ---- resized_positions(E_pos, old_grid, new_grid) -> E_new ---------------------------------------------------------


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


resized_positions = FirstGeneration(
    _resize,
    [
        ("the class token's row is lost", lambda E_pos, old, new: _resize(E_pos, old, new)[1:]),
        (
            "the class token's row is interpolated with the patches",
            lambda E_pos, old, new: _over_the_sequence(E_pos, old, new, 0),
        ),
        ("the class token's row is taken for the first patch", _token_row_scaled),
        ("the class token's row is at the end", _token_row_last),
        (
            "interpolated along the sequence, not on the grid",
            lambda E_pos, old, new: _over_the_sequence(E_pos, old, new, 1),
        ),
        (
            "half-pixel places, as image libraries take them",
            lambda E_pos, old, new: _resize(E_pos, old, new, "half-pixel"),
        ),
        ("cubic interpolation", lambda E_pos, old, new: _resize(E_pos, old, new, "cubic")),
        ("the nearest vector is copied", lambda E_pos, old, new: _resize(E_pos, old, new, "nearest")),
        ("places are scaled by old / new: only the first corner keeps its vector", _without_last_pixel),
        ("the two sides of the grid are exchanged", _sides_exchanged),
    ],
)
