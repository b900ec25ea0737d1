"""Wrong answers to the exercises of notebooks/09_bit.ipynb: group norm, and the residual unit of BiT."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import quiet
from vitedu_numpy.layers.groupnorm import groupnorm as _np_groupnorm

from . import FirstGeneration

__all__ = ["groupnorm", "preact_unit"]


# ---- groupnorm(x, weight, bias, groups, eps) -> y --------------------------------------------------------------------


def _normed(x, groups, eps, axis=(2, 3, 4), ddof=0):
    """x cut to (B, G, C / G, H, W) and standardised along `axis`."""
    B, C, H, W = x.shape
    x = x.reshape(B, groups, C // groups, H, W)
    xhat = (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, ddof=ddof, keepdims=True) + eps)
    return xhat.reshape(B, C, H, W)


def _per_channel(v):
    return v[:, None, None]


def _other_axes(axis):
    @quiet
    def wrong(x, weight, bias, groups, eps):
        return _normed(x, groups, eps, axis) * _per_channel(weight) + _per_channel(bias)

    return wrong


def _dealt_out(x, weight, bias, groups, eps):
    """Channel c belongs to group c modulo G."""
    order = np.arange(x.shape[1]).reshape(-1, groups).T.ravel()
    y = np.empty_like(x)
    y[:, order] = _normed(x[:, order], groups, eps)
    return y * _per_channel(weight) + _per_channel(bias)


def _groups_of_size_groups(x, weight, bias, groups, eps):
    return _normed(x, x.shape[1] // groups, eps) * _per_channel(weight) + _per_channel(bias)


def _eps_on_std(x, weight, bias, groups, eps):
    B, C, H, W = x.shape
    x = x.reshape(B, groups, -1)
    xhat = (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + eps)
    return xhat.reshape(B, C, H, W) * _per_channel(weight) + _per_channel(bias)


def _mean_kept(x, weight, bias, groups, eps):
    B, C, H, W = x.shape
    x = x.reshape(B, groups, -1)
    return (x / np.sqrt(x.var(-1, keepdims=True) + eps)).reshape(B, C, H, W) * _per_channel(weight) + _per_channel(bias)


groupnorm = FirstGeneration(
    lambda x, weight, bias, groups, eps: _np_groupnorm(x, weight, bias, groups, eps)[0],
    [
        ("mean and variance run over the batch too", _other_axes((0, 2, 3, 4))),
        ("this is batch norm: one mean per channel, over the batch", _other_axes((0, 3, 4))),
        ("this is instance norm: every channel has a mean and a variance of its own", _other_axes((3, 4))),
        ("this is layer norm: all channels of an image share one mean and one variance", _other_axes((1, 2, 3, 4))),
        ("every pixel has a mean of its own, over the channels of its group", _other_axes(2)),
        ("the channels are dealt out to the groups one by one: channel c to group c modulo G", _dealt_out),
        ("`groups` is taken for the number of channels in a group", _groups_of_size_groups),
        (
            "the variance is the unbiased one, divided by R - 1",
            lambda x, weight, bias, groups, eps: (
                _normed(x, groups, eps, ddof=1) * _per_channel(weight) + _per_channel(bias)
            ),
        ),
        (
            "scale and offset come before the normalisation, which undoes part of them",
            lambda x, weight, bias, groups, eps: _normed(x * _per_channel(weight) + _per_channel(bias), groups, eps),
        ),
        ("weight and bias are not used", lambda x, weight, bias, groups, eps: _normed(x, groups, eps)),
        ("weight is not used", lambda x, weight, bias, groups, eps: _normed(x, groups, eps) + _per_channel(bias)),
        ("bias is not used", lambda x, weight, bias, groups, eps: _normed(x, groups, eps) * _per_channel(weight)),
        ("eps is added to the standard deviation, not to the variance", _eps_on_std),
        (
            "eps is not used",
            lambda x, weight, bias, groups, eps: _normed(x, groups, 0) * _per_channel(weight) + _per_channel(bias),
        ),
        ("the mean is not subtracted, only the spread is divided out", _mean_kept),
    ],
)


# ---- preact_unit(x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj) -> out ------------------------------


def relu(x):
    return np.maximum(x, 0)


def same(x):
    return x


def _unit(
    x, stride, norm1, conv1, norm2, conv2, norm3, conv3, conv_proj,
    *, act=(relu, relu, relu), strides=(0, 1, 0), projected="h", kept="x", swap=False, last=same, add=True,
):  # fmt: skip
    """The right answer, with room for a slip; `strides` says which of the three convolutions gets the stride."""

    def acted(z, norm, act):
        return norm(act(z)) if swap else act(norm(z))

    s1, s2, s3 = (stride if on else 1 for on in strides)
    h = acted(x, norm1, act[0])
    reads = {"x": x, "h": h, "norm": norm1(x)}
    shortcut = conv_proj(reads[projected], stride) if conv_proj else reads[kept]
    out = conv2(acted(conv1(h, s1), norm2, act[1]), s2)
    out = conv3(acted(out, norm3, act[2]), s3)
    return last(out + shortcut if add else out)


def mistakes_of_a_unit(slip):
    """Mistakes that any residual unit invites.     slip(**changes) -> the unit computed with these changes"""
    return (
        ("the shortcut is not added", slip(add=False)),
        ("the stride is on the first convolution (1x1), as in the first ResNet", slip(strides=(1, 0, 0))),
        ("the stride is on the last convolution (1x1)", slip(strides=(0, 0, 1))),
    )


def _slip(**change):
    return lambda *args: _unit(*args, **change)


preact_unit = FirstGeneration(
    _unit,
    [
        ("the projection reads x, before norm and rectifier", _slip(projected="x")),
        ("the projection reads the normalised x, but before the rectifier", _slip(projected="norm")),
        ("the shortcut is relu(norm1(x)) also where there is no projection", _slip(kept="h")),
        *mistakes_of_a_unit(_slip),
        ("a rectifier stands after the sum, as in the first ResNet", _slip(last=relu)),
        ("the rectifiers stand before the norms", _slip(swap=True)),
        ("there are no rectifiers", _slip(act=(same, same, same))),
        ("the first rectifier is missing", _slip(act=(same, relu, relu))),
        ("the second rectifier is missing", _slip(act=(relu, same, relu))),
        ("the last rectifier is missing", _slip(act=(relu, relu, same))),
    ],
)
