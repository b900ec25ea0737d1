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

from vitedu_numpy.layers.padding import explicit_padding

from ..init import lecun_normal
from ..module import Module

__all__ = ["StdConv", "conv2d", "standardize"]


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
