"""Convolution, and weight standardisation.  Taught in notebooks/09_bit.ipynb.

A convolution is a linear layer that reads a small window of the image, the same one at every place.  `im2col` lays the
windows side by side as the columns of a matrix; the rest is a matrix product.  The layer takes the same steps a few
images at a time (conv_chunked.py).

Shapes: `B` batch, `C` channels in, `O` channels out, `H W` image size, `kh kw` kernel size, `Ho Wo` output size,
`R = C kh kw` numbers in a window, and in a filter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..init import lecun_normal, normal
from ..module import Module, Parameter, shaped
from ..validate import require
from .conv_chunked import conv2d_chunked, conv2d_chunked_backward
from .padding import explicit_padding

__all__ = [
    "Conv", "StdConv", "conv2d", "conv2d_backward", "im2col", "im2col_backward",
    "standardize", "standardize_backward",
]  # fmt: skip


class Windows(NamedTuple):
    """Where the windows of `im2col` stood."""

    image: tuple  # shape (B, C, H, W)
    padded: tuple  # the same with padding
    before: tuple  # pixels of padding above and to the left
    stride: int
    shape: tuple  # (C, kh, kw, B, Ho, Wo)


@shaped
def im2col(x, kernel, stride=1, padding=0):
    """Every window of x, flat in the order (C, kh, kw), as a column.     x (B, C, H, W)  ->  (R, B Ho Wo)"""
    rows, cols = explicit_padding(padding, x.shape[2:], kernel, stride)
    padded = np.pad(x, ((0, 0), (0, 0), rows, cols))  # [1]
    windows = sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::stride, ::stride]  # (B, C, Ho, Wo, kh, kw)
    windows = windows.transpose(1, 4, 5, 0, 2, 3)  # (C, kh, kw, B, Ho, Wo)
    columns = windows.reshape(x.shape[1] * kernel[0] * kernel[1], -1)  # (R, B Ho Wo)  [2]
    return columns, Windows(x.shape, padded.shape, (rows[0], cols[0]), stride, windows.shape)


@shaped
def im2col_backward(dcolumns, cache):
    """dcolumns (R, B Ho Wo)  ->  dx (B, C, H, W): every pixel collects from all windows that it was in."""
    (_, _, H, W), (top, left), s = cache.image, cache.before, cache.stride
    _, kh, kw, _, Ho, Wo = cache.shape
    dwindows = dcolumns.reshape(cache.shape)  # (C, kh, kw, B, Ho, Wo)  from [2]
    dpadded = np.zeros(cache.padded, dcolumns.dtype)
    for i, j in np.ndindex(kh, kw):  # place (i, j) of all windows: every pixel is there once at most
        dpadded[:, :, i : i + s * Ho : s, j : j + s * Wo : s] += dwindows[:, i, j].swapaxes(0, 1)  # from [2]
    return dpadded[:, :, top : top + H, left : left + W]  # (B, C, H, W)  from [1]


class Product(NamedTuple):
    """What `conv2d_backward` needs: both factors, and how they came about."""

    filters: np.ndarray  # (O, R)
    columns: np.ndarray  # (R, B Ho Wo)
    windows: Windows
    weight_shape: tuple


@shaped
def conv2d(x, weight, stride=1, padding=0):
    """y[b, o, p, q] = sum over c, i, j of weight[o, c, i, j] x[b, c, p stride + i - top, q stride + j - left].

    x (B, C, H, W)   weight (O, C, kh, kw)   ->   y (B, O, Ho, Wo).  Outside the image x is 0; padding as in
    `explicit_padding`.  Raises ValueError where shapes or settings do not fit.
    """
    columns, windows = im2col(x, weight.shape[2:], stride, padding)  # (R, B Ho Wo)  [1]
    filters = weight.reshape(len(weight), -1)  # (O, R)
    y = filters @ columns  # (O, B Ho Wo)  [2]
    y = y.reshape(len(weight), *windows.shape[3:]).swapaxes(0, 1)  # (B, O, Ho, Wo)  [3]
    return y, Product(filters, columns, windows, weight.shape)


@shaped
def conv2d_backward(dy, cache):
    """dy (B, O, Ho, Wo)  ->  dx (B, C, H, W), dweight (O, C, kh, kw)"""
    dproduct = dy.swapaxes(0, 1).reshape(len(cache.filters), -1)  # (O, B Ho Wo)  from [3]
    dfilters = dproduct @ cache.columns.T  # (O, R)  from [2]
    dcolumns = cache.filters.T @ dproduct  # (R, B Ho Wo)  from [2]
    dx = im2col_backward(dcolumns, cache.windows)  # (B, C, H, W)  from [1]
    return dx, dfilters.reshape(cache.weight_shape)


@shaped
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


@shaped
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
        y, conv2d_cache = conv2d_chunked(x, weight, self.stride, self.padding)
        self.keep((standardize_cache, conv2d_cache))
        return y

    def backward(self, dy):
        standardize_cache, conv2d_cache = self.take()
        dx, dweight = conv2d_chunked_backward(dy, conv2d_cache)
        self.weight.add_grad(standardize_backward(dweight, standardize_cache))
        return dx


class Conv(Module):
    """A convolution with `weight` (O, C, kernel, kernel) as it is, and on request a `bias` (O,).

    The weight starts as N(0, 2 / (O kernel^2)), the bias at 0, as in EfficientNet; padding: as in `explicit_padding`.
    """

    def __init__(self, in_channels, out_channels, kernel, rng, stride=1, padding="same", bias=False, dtype=np.float32):
        require(isinstance(bias, bool), "bias", bias, "True or False")
        self.stride, self.padding = stride, padding
        std = (2 / (out_channels * kernel**2)) ** 0.5
        self.weight = Parameter(normal(rng, (out_channels, in_channels, kernel, kernel), std, dtype))
        self.bias = Parameter(np.zeros(out_channels, dtype)) if bias else None

    def forward(self, x):
        """x (B, C, H, W)  ->  (B, O, Ho, Wo)"""
        y, cache = conv2d_chunked(x, self.weight.value, self.stride, self.padding)  # [1]
        self.keep(cache)
        if self.bias is not None:
            y += self.bias.value[:, None, None]  # [2]
        return y

    def backward(self, dy):
        if self.bias is not None:
            self.bias.add_grad(dy.sum(axis=(0, 2, 3)))  # from [2]
        dx, dweight = conv2d_chunked_backward(dy, self.take())  # from [1]
        self.weight.add_grad(dweight)
        return dx
