"""Convolution, and weight standardisation.  Taught in notebooks/09_bit.ipynb.

A convolution is a linear layer that reads a small window of the image, the same one at every place.

Shapes: `B` batch, `C` channels in, `O` channels out, `H W` image size, `kh kw` kernel size, `Ho Wo` output size,
`R = C kh kw` numbers in a window, and in a filter.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from .init import lecun_normal
from .module import Module

__all__ = ["StdConv", "conv2d", "explicit_padding", "same_padding", "standardize"]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """(before, after), pixels, such that a window of `kernel` at every `stride` gives ceil(size / stride) outputs.

    This is TensorFlow's and JAX's "SAME": where the total is odd, the extra pixel comes at the end.
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def explicit_padding(padding, size, kernel, stride) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)), pixels.     size (H, W)   kernel (kh, kw)

    padding: an integer for all four sides, "same", or the two pairs themselves.  Raises ValueError for anything else,
    for a stride that is not a positive integer, and for a window that is larger than the padded image.
    """
    if not isinstance(stride, int) or stride < 1:
        raise ValueError(f"stride={stride!r} is not allowed; stride must be a positive integer")
    given = padding
    if padding == "same":
        padding = [same_padding(n, k, stride) for n, k in zip(size, kernel, strict=True)]
    elif isinstance(padding, int):
        padding = [(padding, padding), (padding, padding)]
    try:
        (top, bottom), (left, right) = padding
    except (TypeError, ValueError):
        top = bottom = left = right = None
    if not all(isinstance(n, int) and n >= 0 for n in (top, bottom, left, right)):
        allowed = "an integer >= 0, 'same', or ((top, bottom), (left, right))"
        raise ValueError(f"padding={given!r} is not allowed; padding must be {allowed}")
    padded = (size[0] + top + bottom, size[1] + left + right)
    if padded[0] < kernel[0] or padded[1] < kernel[1]:
        raise ValueError(f"images of {padded} pixels, padding included, are smaller than the kernel {tuple(kernel)}")
    return (top, bottom), (left, right)


def conv2d(x, weight, stride=1, padding=0):
    """y[b, o, p, q] = sum over c, i, j of weight[o, c, i, j] x[b, c, p stride + i - top, q stride + j - left].

    x (B, C, H, W)   weight (O, C, kh, kw)   ->   y (B, O, Ho, Wo).  Outside the image x is 0; padding as in
    `explicit_padding`.  Raises ValueError where shapes or settings do not fit.
    """
    _check_shapes(x, weight)
    (top, bottom), (left, right) = explicit_padding(padding, x.shape[2:], weight.shape[2:], stride)
    if top == bottom and left == right:
        return F.conv2d(x, weight, stride=stride, padding=(top, left))
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, stride=stride)


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
    # Channels last, where they stand last in memory: then nothing is copied, and the result stands in the same order.
    is_last = weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    w = weight.permute(0, 2, 3, 1) if is_last else weight
    if form == "var":
        what = F.layer_norm(w, w.shape[1:], eps=eps)  # the same equation: each filter is one row
    else:
        centred = w - w.mean(dim=(1, 2, 3), keepdim=True)
        root = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True) * w[0].numel() ** -0.5
        what = centred * (1 / (root + eps))  # torch.var_mean would be four times slower on a CPU
    return what.permute(0, 3, 1, 2) if is_last else what


def _check_form(form) -> None:
    if form not in ("var", "std"):
        raise ValueError(f"form={form!r} is not allowed; form must be 'var' or 'std'")


class StdConv(Module):
    """A convolution whose `weight` (O, C, kernel, kernel) is standardised at every forward; no bias.

    padding: as in `explicit_padding`, eps and form: as in `standardize`.
    """

    def __init__(self, in_channels, out_channels, kernel, rng=None, stride=1, padding=0, eps=1e-10, form="var"):
        super().__init__()
        _check_form(form)
        self.stride, self.padding, self.eps, self.form = stride, padding, eps, form
        self.recompute = True  # standardised weights, as large as the model, are not kept but computed again
        weight = lecun_normal(torch.empty(out_channels, in_channels * kernel**2), rng)
        self.weight = nn.Parameter(weight.reshape(out_channels, in_channels, kernel, kernel))

    def forward(self, x):
        """x (B, C, H, W)  ->  (B, O, Ho, Wo)"""
        # In a compiled graph, what stands in `checkpoint` is computed again as a whole, the convolution too; there the
        # compiler itself decides what to keep.
        if self.recompute and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            return checkpoint(self._forward, x, use_reentrant=False, preserve_rng_state=False)
        return self._forward(x)

    def _forward(self, x):
        return conv2d(x, standardize(self.weight, self.eps, self.form), self.stride, self.padding)
