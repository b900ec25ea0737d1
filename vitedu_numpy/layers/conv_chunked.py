"""`conv2d` a few images at a time, on all cores: the same numbers, sooner.  Taught in notebooks/09_bit.ipynb.

All columns of a batch at once would fill the memory; those of a few images fit the cache.

Shapes: as in conv.py, and `b` images in a chunk.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..blas import cpu_count, single_threaded_blas
from ..module import shaped
from .padding import explicit_padding

__all__ = ["conv2d_chunked", "conv2d_chunked_backward"]

_COLUMNS = 1024  # per chunk of images, about: enough for a quick product, few enough for the cache


class _Windows(NamedTuple):
    """Where the windows of `_im2col` stood."""

    image: tuple  # shape (C, B, H, W)
    padded: tuple  # the same with padding
    before: tuple  # pixels of padding above and to the left
    stride: int
    shape: tuple | None  # (C, kh, kw, B, Ho, Wo); None: every pixel is a window


def _im2col(x, kernel, stride, padding):
    """`im2col` with an axis order and rows that the product is quick with; one pixel large, windows need no copy."""
    B, C, H, W = x.shape
    (top, bottom), (left, right) = explicit_padding(padding, (H, W), kernel, stride)
    x = x.swapaxes(0, 1)  # (C, B, H, W)
    if kernel == (1, 1) and stride == 1 and top + bottom + left + right == 0:
        return x.reshape(C, -1), _Windows(x.shape, x.shape, (0, 0), stride, None)  # [0]
    padded = np.zeros((C, B, top + H + bottom, left + W + right), x.dtype)
    padded[:, :, top : top + H, left : left + W] = x  # [1]
    windows = sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::stride, ::stride]  # (C, B, Ho, Wo, kh, kw)
    windows = windows.transpose(0, 4, 5, 1, 2, 3)  # (C, kh, kw, B, Ho, Wo)
    R, P = math.prod(windows.shape[:3]), math.prod(windows.shape[3:])
    columns = _empty_matrix(R, P, x.dtype)  # (R, B Ho Wo)
    columns.reshape(windows.shape)[...] = windows  # [2]
    return columns, _Windows(x.shape, padded.shape, (top, left), stride, windows.shape)


def _im2col_backward(dcolumns, cache):
    """dcolumns (R, B Ho Wo)  ->  dx (B, C, H, W)"""
    if cache.shape is None:
        return dcolumns.reshape(cache.image).swapaxes(0, 1)  # (B, C, H, W)  from [0]
    (_, _, H, W), (top, left), s = cache.image, cache.before, cache.stride
    _, kh, kw, _, Ho, Wo = cache.shape
    dwindows = dcolumns.reshape(cache.shape)  # (C, kh, kw, B, Ho, Wo)
    dpadded = np.zeros(cache.padded, dcolumns.dtype)
    for i, j in np.ndindex(kh, kw):
        dpadded[:, :, i : i + s * Ho : s, j : j + s * Wo : s] += dwindows[:, i, j]  # from [2]
    return dpadded[:, :, top : top + H, left : left + W].swapaxes(0, 1)  # (B, C, H, W)  from [1]


class _Convolution(NamedTuple):
    """What `conv2d_chunked_backward` needs."""

    x: np.ndarray  # (B, C, H, W)
    weight: np.ndarray  # (O, C, kh, kw)
    stride: int
    padding: tuple  # ((top, bottom), (left, right))
    places: int  # Ho Wo


@shaped
def conv2d_chunked(x, weight, stride=1, padding=0):
    """`conv2d`, in chunks of images.     x (B, C, H, W)   weight (O, C, kh, kw)   ->   y (B, O, Ho, Wo)"""
    B, O, kernel = len(x), len(weight), weight.shape[2:]
    padding = explicit_padding(padding, x.shape[2:], kernel, stride)
    Ho, Wo = ((n + sum(pair) - k) // stride + 1 for n, pair, k in zip(x.shape[2:], padding, kernel, strict=True))
    filters = weight.reshape(O, -1)  # (O, R)
    y = np.empty((B, O, Ho, Wo), x.dtype)

    def work(part):
        columns, _ = _im2col(x[part], kernel, stride, padding)  # (R, b Ho Wo)  [1]
        product = filters @ columns  # (O, b Ho Wo)  [2]
        y[part] = product.reshape(O, -1, Ho, Wo).swapaxes(0, 1)  # (b, O, Ho, Wo)  [3]

    list(_in_chunks(work, B, Ho * Wo))
    return y, _Convolution(x, weight, stride, padding, Ho * Wo)


@shaped
def conv2d_chunked_backward(dy, cache):
    """dy (B, O, Ho, Wo)  ->  dx (B, C, H, W), dweight (O, C, kh, kw)

    The columns are built again instead of kept: each pixel stands in kh kw of them, so they would fill the memory.
    """
    x, weight, stride, padding, places = cache
    O, kernel = len(weight), weight.shape[2:]
    filters = weight.reshape(O, -1)  # (O, R)
    dx = np.empty_like(x)

    def work(part):
        columns, im2col_cache = _im2col(x[part], kernel, stride, padding)  # (R, b Ho Wo)
        dproduct = dy[part].swapaxes(0, 1).reshape(O, -1)  # (O, b Ho Wo)  from [3]
        dfilters = columns @ dproduct.T  # (R, O)  from [2]; transposed, as this is quicker
        dcolumns = _empty_matrix(*columns.shape, x.dtype)
        np.matmul(filters.T, dproduct, out=dcolumns)  # (R, b Ho Wo)  from [2]
        dx[part] = _im2col_backward(dcolumns, im2col_cache)  # (b, C, H, W)  from [1]
        return dfilters

    nothing = np.zeros((filters.shape[1], O), x.dtype)
    dfilters = sum(_in_chunks(work, len(x), places), nothing)  # (R, O): every image used the same filters
    return dx, np.ascontiguousarray(dfilters.T).reshape(weight.shape)


def _empty_matrix(rows: int, columns: int, dtype) -> np.ndarray:
    """16 unused numbers after each row: rows a power of two apart would fight for the same lines of the cache."""
    return np.empty((rows, columns + 16), dtype)[:, :columns]


def _in_chunks(work, batch_size: int, columns: int):
    """Yield work(part) for parts of a few images each, `columns` columns per image, on one thread per core.

    One after the other where there is a single part, or where the caller is itself one thread of several, as in
    `parallel.py`.  The results come in the order of the images, so sums do not depend on which thread is quicker.
    """
    threads = cpu_count() if threading.current_thread() is threading.main_thread() else 1
    if batch_size * columns <= _COLUMNS:
        size = max(batch_size, 1)
    else:
        rounds = math.ceil(batch_size * columns / (threads * _COLUMNS))
        size = math.ceil(batch_size / (threads * rounds))
    parts = [slice(start, start + size) for start in range(0, batch_size, size)]
    if threads == 1 or len(parts) == 1:
        yield from map(work, parts)
    else:
        with single_threaded_blas(), ThreadPoolExecutor(threads) as pool:
            yield from pool.map(work, parts)
