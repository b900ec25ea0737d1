"""Convolution, and weight standardisation.  Taught in notebooks/09_bit.ipynb.

A convolution is a linear layer that reads a small window of the image, the same one at every place.  `im2col` lays the
windows side by side as the columns of a matrix; the rest is a matrix product.

Shapes: `B` batch, `C` channels in, `O` channels out, `H W` image size, `kh kw` kernel size, `Ho Wo` output size,
`R = C kh kw` numbers in a window, and in a filter.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..blas import cpu_count, single_threaded_blas
from ..init import lecun_normal
from ..module import Module, Parameter
from .padding import explicit_padding

__all__ = [
    "StdConv", "conv2d", "conv2d_backward", "im2col", "im2col_backward",
    "standardize", "standardize_backward",
]  # fmt: skip

_COLUMNS = 1024  # per chunk of images, about: enough for a quick product, few enough for the cache


def im2col(x, kernel, stride=1, padding=0):
    """Every window of x, flat in the order (C, kh, kw), as a column.     x (B, C, H, W)  ->  (R, B Ho Wo)"""
    B, C, H, W = x.shape
    (top, bottom), (left, right) = explicit_padding(padding, (H, W), kernel, stride)
    x = x.swapaxes(0, 1)  # (C, B, H, W)
    if kernel == (1, 1) and stride == 1 and top + bottom + left + right == 0:
        return x.reshape(C, -1), (x.shape, None)  # every pixel is a window  [0]
    padded = np.zeros((C, B, top + H + bottom, left + W + right), x.dtype)
    padded[:, :, top : top + H, left : left + W] = x  # [1]
    windows = sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::stride, ::stride]  # (C, B, Ho, Wo, kh, kw)
    windows = windows.transpose(0, 4, 5, 1, 2, 3)  # (C, kh, kw, B, Ho, Wo)
    R, P = math.prod(windows.shape[:3]), math.prod(windows.shape[3:])
    columns = _empty_matrix(R, P, x.dtype)  # (R, B Ho Wo)
    columns.reshape(windows.shape)[...] = windows  # [2]
    return columns, (x.shape, (windows.shape, padded.shape, stride, top, left))


def im2col_backward(dcolumns, cache):
    """dcolumns (R, B Ho Wo)  ->  dx (B, C, H, W): every pixel collects from all windows that it was in."""
    shape, windows = cache
    if windows is None:
        return dcolumns.reshape(shape).swapaxes(0, 1)  # (B, C, H, W)  from [0]
    windows_shape, padded_shape, stride, top, left = windows
    _, kh, kw, _, Ho, Wo = windows_shape
    _, _, H, W = shape
    dwindows = dcolumns.reshape(windows_shape)  # (C, kh, kw, B, Ho, Wo)
    dpadded = np.zeros(padded_shape, dcolumns.dtype)
    for i in range(kh):
        for j in range(kw):  # the numbers at place (i, j) of all windows: every pixel is in it once at most
            dpadded[:, :, i : i + stride * Ho : stride, j : j + stride * Wo : stride] += dwindows[:, i, j]  # from [2]
    return dpadded[:, :, top : top + H, left : left + W].swapaxes(0, 1)  # (B, C, H, W)  from [1]


def conv2d(x, weight, stride=1, padding=0):
    """y[b, o, p, q] = sum over c, i, j of weight[o, c, i, j] x[b, c, p stride + i - top, q stride + j - left].

    x (B, C, H, W)   weight (O, C, kh, kw)   ->   y (B, O, Ho, Wo).  Outside the image x is 0; padding as in
    `explicit_padding`.  Raises ValueError where shapes or settings do not fit.
    """
    _check_shapes(x, weight)
    B, O, kernel = len(x), len(weight), weight.shape[2:]
    padding = explicit_padding(padding, x.shape[2:], kernel, stride)
    Ho, Wo = ((n + sum(pair) - k) // stride + 1 for n, pair, k in zip(x.shape[2:], padding, kernel, strict=True))
    filters = weight.reshape(O, -1)  # (O, R)
    y = np.empty((B, O, Ho, Wo), x.dtype)

    def work(part):
        columns, _ = im2col(x[part], kernel, stride, padding)  # (R, b Ho Wo)  [1]
        product = filters @ columns  # (O, b Ho Wo)  [2]
        y[part] = product.reshape(O, -1, Ho, Wo).swapaxes(0, 1)  # (b, O, Ho, Wo)  [3]

    list(_in_chunks(work, B, Ho * Wo))
    return y, (x, weight, stride, padding, Ho * Wo)


def conv2d_backward(dy, cache):
    """dy (B, O, Ho, Wo)  ->  dx (B, C, H, W), dweight (O, C, kh, kw)

    The columns are built again instead of kept: each pixel stands in kh kw of them, so they would fill the memory.
    """
    x, weight, stride, padding, places = cache
    O, kernel = len(weight), weight.shape[2:]
    filters = weight.reshape(O, -1)  # (O, R)
    dx = np.empty_like(x)

    def work(part):
        columns, im2col_cache = im2col(x[part], kernel, stride, padding)  # (R, b Ho Wo)
        dproduct = dy[part].swapaxes(0, 1).reshape(O, -1)  # (O, b Ho Wo)  from [3]
        dfilters = columns @ dproduct.T  # (R, O)  from [2]; transposed, as this is quicker
        dcolumns = _empty_matrix(*columns.shape, x.dtype)
        np.matmul(filters.T, dproduct, out=dcolumns)  # (R, b Ho Wo)  from [2]
        dx[part] = im2col_backward(dcolumns, im2col_cache)  # (b, C, H, W)  from [1]
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


def _check_shapes(x, weight) -> None:
    """Refuse what would be multiplied wrongly, or fail far inside."""
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        shapes = f"x has shape {tuple(x.shape)}, weight {tuple(weight.shape)}"
        raise ValueError(f"{shapes}; expected (B, C, H, W) and (O, C, kh, kw) with the same C")


def standardize(weight, eps, form="var"):
    """Give each filter mean 0 and variance 1 (Qiao et al. 2019).     weight (O, C, kh, kw)

    form "var": (w - mean) / sqrt(var + eps), as in BiT;  "std": (w - mean) / (sqrt(var) + eps), as in the hybrids.
    Mean and population variance are those of the R = C kh kw numbers of a filter.
    """
    _check_form(form)
    w = weight.reshape(len(weight), -1)  # (O, R)
    what = w - w.mean(axis=-1, keepdims=True)  # [1]
    var = np.vecdot(what, what)[:, None] / what.shape[-1]  # (O, 1)  [2]
    if form == "var":
        scale = root = np.sqrt(var + eps)  # [3]
    else:
        root = np.sqrt(np.maximum(var, np.finfo(var.dtype).tiny))  # not 0, so that equal weights do not give 0 / 0
        scale = root + eps  # [3]
    what /= scale  # (O, R)  [4]
    return what.reshape(weight.shape), (what, scale, root)


def standardize_backward(dout, cache):
    """dout (O, C, kh, kw)  ->  dweight (O, C, kh, kw)

    dw = (dwhat - mean(dwhat)) / scale - what mean(dwhat what) / root: as in layer normalisation, and the second factor
    is the root alone, since eps outside of it does not move with w.
    """
    what, scale, root = cache
    dwhat = dout.reshape(what.shape)  # (O, R)
    mean_dwhat_what = np.vecdot(dwhat, what)[:, None] / what.shape[-1]  # (O, 1)
    dweight = dwhat - dwhat.mean(axis=-1, keepdims=True)  # (O, R)  from [1]: w also moves the mean
    dweight /= scale  # from [4]
    dweight -= what * (mean_dwhat_what / root)  # from [3], [2]: and the variance
    return dweight.reshape(dout.shape)


def _check_form(form) -> None:
    if form not in ("var", "std"):
        raise ValueError(f"form={form!r} is not allowed; form must be 'var' or 'std'")


class StdConv(Module):
    """A convolution whose `weight` (O, C, kernel, kernel) is standardised at every forward; no bias.

    padding: as in `explicit_padding`, eps and form: as in `standardize`.
    """

    def __init__(
        self, in_channels, out_channels, kernel, rng, stride=1, padding=0, eps=1e-10, form="var", dtype=np.float32
    ):
        _check_form(form)
        self.stride, self.padding, self.eps, self.form = stride, padding, eps, form
        weight = lecun_normal(rng, (out_channels, in_channels * kernel**2), dtype)
        self.weight = Parameter(weight.reshape(out_channels, in_channels, kernel, kernel))

    def forward(self, x):
        """x (B, C, H, W)  ->  (B, O, Ho, Wo)"""
        weight, standardize_cache = standardize(self.weight.value, self.eps, self.form)
        y, conv2d_cache = conv2d(x, weight, self.stride, self.padding)
        self.keep((standardize_cache, conv2d_cache))
        return y

    def backward(self, dy):
        standardize_cache, conv2d_cache = self.take()
        dx, dweight = conv2d_backward(dy, conv2d_cache)
        self.weight.add_grad(standardize_backward(dweight, standardize_cache))
        return dx
