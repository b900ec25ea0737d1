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
from vitedu_numpy.validate import require

from ..init import lecun_normal, normal
from ..module import Module, shaped

__all__ = ["Conv", "FrugalStdConv", "StdConv", "conv2d", "standardize", "standardize_as_stored"]


@shaped
def conv2d(x, weight, stride=1, padding=0):
    """y[b, o, p, q] = sum over c, i, j of weight[o, c, i, j] x[b, c, p stride + i - top, q stride + j - left].

    x (B, C, H, W)   weight (O, C, kh, kw)   ->   y (B, O, Ho, Wo).  Outside the image x is 0; padding as in
    `explicit_padding`.  Raises ValueError where shapes or settings do not fit.
    """
    (top, bottom), (left, right) = explicit_padding(padding, x.shape[2:], weight.shape[2:], stride)
    if top == bottom and left == right:
        return F.conv2d(x, weight, stride=stride, padding=(top, left))
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, stride=stride)


@shaped
def standardize(weight, eps, form="var"):
    """Give each filter mean 0 and variance 1 (Qiao et al. 2019).     weight (O, C, kh, kw)

    form "var": (w - mean) / sqrt(var + eps), as in BiT;  "std": (w - mean) / (sqrt(var) + eps), as in the hybrids.
    Mean and population variance are those of the R = C kh kw numbers of a filter.
    """
    _check_form(form)
    if form == "var":
        return F.layer_norm(weight, weight.shape[1:], eps=eps)  # the same equation: each filter is one row
    centred = weight - weight.mean(dim=(1, 2, 3), keepdim=True)
    root = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True) * weight[0].numel() ** -0.5
    return centred * (1 / (root + eps))  # torch.var_mean would be four times slower on a CPU


def standardize_as_stored(weight, eps, form="var"):
    """`standardize` in the memory order of `weight`: where channels stand last, they stay so, and nothing is copied."""
    if weight.is_contiguous() or not weight.is_contiguous(memory_format=torch.channels_last):
        return standardize(weight, eps, form)
    return standardize(weight.permute(0, 2, 3, 1), eps, form).permute(0, 3, 1, 2)


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
        weight = lecun_normal(torch.empty(out_channels, in_channels * kernel**2), rng)
        self.weight = nn.Parameter(weight.reshape(out_channels, in_channels, kernel, kernel))

    def forward(self, x):
        """x (B, C, H, W)  ->  (B, O, Ho, Wo)"""
        weight = standardize_as_stored(self.weight, self.eps, self.form)
        return conv2d(x, weight, self.stride, self.padding)


class FrugalStdConv(StdConv):
    """`StdConv` that on a CPU does not keep its standardised weights: backward computes them again.

    All of them together are as large as the model.  `recompute = False` on the module switches that off.  A GPU has the
    room, but waits for the host to start so many small steps: with them an H100 took 1.5 times timm's time for an R50.
    """

    recompute = True

    def forward(self, x):
        """x (B, C, H, W)  ->  (B, O, Ho, Wo)"""
        # In a compiled graph, what stands in `checkpoint` is computed again as a whole, the convolution too; there the
        # compiler itself decides what to keep.
        on_gpu = x.device.type == "cuda"
        if not self.recompute or on_gpu or not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return super().forward(x)
        return checkpoint(super().forward, x, use_reentrant=False, preserve_rng_state=False)


class Conv(Module):
    """A convolution with `weight` (O, C, kernel, kernel) as it is, and on request a `bias` (O,).

    The weight starts as N(0, 2 / (O kernel^2)), the bias at 0, as in EfficientNet; padding: as in `explicit_padding`.
    """

    def __init__(self, in_channels, out_channels, kernel, rng=None, stride=1, padding="same", bias=False):
        super().__init__()
        require(isinstance(bias, bool), "bias", bias, "True or False")
        self.stride, self.padding = stride, padding
        std = (2 / (out_channels * kernel**2)) ** 0.5
        self.weight = nn.Parameter(normal(torch.empty(out_channels, in_channels, kernel, kernel), std, rng))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x):
        """x (B, C, H, W)  ->  (B, O, Ho, Wo)"""
        y = conv2d(x, self.weight, self.stride, self.padding)
        return y if self.bias is None else y + self.bias[:, None, None]
