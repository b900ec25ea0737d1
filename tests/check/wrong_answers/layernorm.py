"""Wrong answers to the exercises of notebooks/05_block.ipynb: layer norm."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.layers.layernorm import layernorm as _np_layernorm
from vitedu_numpy.layers.layernorm import layernorm_backward as _np_layernorm_backward

from . import FirstGeneration

__all__ = ["layernorm", "layernorm_backward"]


# ---- layer norm --------------------------------------------------------------------------------------------------


def _standardise(x, eps, axis=-1, ddof=0):
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, ddof=ddof, keepdims=True) + eps)


def _layernorm_eps_on_std(x, weight, bias, eps):
    return (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + eps) * weight + bias


def _layernorm_divided_by_variance(x, weight, bias, eps):
    return (x - x.mean(-1, keepdims=True)) / (x.var(-1, keepdims=True) + eps) * weight + bias


def _layernorm_mean_kept(x, weight, bias, eps):
    return x / np.sqrt(x.var(-1, keepdims=True) + eps) * weight + bias


def _layernorm_rms(x, weight, bias, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight + bias


def _layernorm_square_of_x(x, weight, bias, eps):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight + bias


def _layernorm_sum_of_squares(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).sum(-1, keepdims=True) + eps) * weight + bias


layernorm = FirstGeneration(
    lambda x, weight, bias, eps: _np_layernorm(x, weight, bias, eps)[0],
    [
        ("eps is not used", lambda x, weight, bias, eps: _standardise(x, 0) * weight + bias),
        ("eps is added to the standard deviation, not to the variance", _layernorm_eps_on_std),
        (
            "the variance is the unbiased one, divided by D - 1",
            lambda x, weight, bias, eps: _standardise(x, eps, ddof=1) * weight + bias,
        ),
        ("the squared differences are added up but not divided by D", _layernorm_sum_of_squares),
        (
            "mean and variance run over the tokens (axis -2), not over the features",
            lambda x, weight, bias, eps: _standardise(x, eps, axis=-2) * weight + bias,
        ),
        (
            "mean and variance run over the batch (axis 0), as in batch norm",
            lambda x, weight, bias, eps: _standardise(x, eps, axis=0) * weight + bias,
        ),
        (
            "one mean and one variance serve all tokens of an image",
            lambda x, weight, bias, eps: _standardise(x, eps, axis=(-2, -1)) * weight + bias,
        ),
        ("weight and bias are not used", lambda x, weight, bias, eps: _standardise(x, eps)),
        ("weight is not used", lambda x, weight, bias, eps: _standardise(x, eps) + bias),
        ("bias is not used", lambda x, weight, bias, eps: _standardise(x, eps) * weight),
        (
            "scale and offset come before the normalisation, which undoes part of them",
            lambda x, weight, bias, eps: _standardise(x * weight + bias, eps),
        ),
        (
            "the bias is scaled too: (xhat + bias) weight",
            lambda x, weight, bias, eps: (_standardise(x, eps) + bias) * weight,
        ),
        ("the mean is not subtracted, only the spread is divided out", _layernorm_mean_kept),
        ("this is RMS norm: no mean is subtracted, not even inside the variance", _layernorm_rms),
        ("the variance is taken around 0, not around the mean", _layernorm_square_of_x),
        ("divided by the variance, without the root", _layernorm_divided_by_variance),
    ],
)


# ---- layer norm, backward ------------------------------------------------------------------------------------------


def _layernorm_gradients(dy, x, weight, eps):
    _, cache = _np_layernorm(x, weight, np.zeros_like(weight), eps)
    return _np_layernorm_backward(dy, cache)


def _layernorm_dx(dxhat, x, eps, mean=1.0, projection=1.0, scaled=True):
    """dx with its terms weighted: 1 as it should be, 0 left out."""
    xhat = _standardise(x, eps)
    dx = dxhat - mean * dxhat.mean(-1, keepdims=True) - projection * xhat * (dxhat * xhat).mean(-1, keepdims=True)
    return dx / np.sqrt(x.var(-1, keepdims=True) + eps) if scaled else dx


def _other_dx(**change):
    """A wrong answer that differs from the right one in dx alone."""

    def wrong(dy, x, weight, eps):
        return (_layernorm_dx(dy * weight, x, eps, **change), *_layernorm_gradients(dy, x, weight, eps)[1:])

    return wrong


def _weight_forgotten(dy, x, weight, eps):
    return (_layernorm_dx(dy, x, eps), *_layernorm_gradients(dy, x, weight, eps)[1:])


def _weight_at_the_end(dy, x, weight, eps):
    return (_layernorm_dx(dy, x, eps) * weight, *_layernorm_gradients(dy, x, weight, eps)[1:])


def _reduced(reduce):
    """A wrong answer that reduces dy xhat and dy to the parameters' gradients with `reduce`."""

    def wrong(dy, x, weight, eps):
        dx, _, _ = _layernorm_gradients(dy, x, weight, eps)
        return dx, reduce(dy * _standardise(x, eps)), reduce(dy)

    return wrong


def _other_dweight(function):
    """A wrong answer that differs from the right one in dweight alone."""

    def wrong(dy, x, weight, eps):
        dx, _, dbias = _layernorm_gradients(dy, x, weight, eps)
        return dx, function(dy, x, weight, eps), dbias

    return wrong


def _dparameters_swapped(dy, x, weight, eps):
    dx, dweight, dbias = _layernorm_gradients(dy, x, weight, eps)
    return dx, dbias, dweight


def _sums_for_means(dy, x, weight, eps):
    D = x.shape[-1]
    return (_layernorm_dx(dy * weight, x, eps, mean=D, projection=D), *_layernorm_gradients(dy, x, weight, eps)[1:])


layernorm_backward = FirstGeneration(
    _layernorm_gradients,
    [
        ("dx has neither mean term: mean and variance were treated as constants", _other_dx(mean=0, projection=0)),
        ("the term that comes from the mean is left out of dx", _other_dx(mean=0)),
        ("the term along xhat, which comes from the variance, is left out of dx", _other_dx(projection=0)),
        ("the term along xhat has the wrong sign", _other_dx(projection=-1)),
        ("the two terms of dx are sums over the features instead of means", _sums_for_means),
        ("1 / sqrt(var + eps) is missing from dx", _other_dx(scaled=False)),
        ("weight is missing from dx", _weight_forgotten),
        ("weight is multiplied in at the end instead of the beginning", _weight_at_the_end),
        ("dweight and dbias are not summed: one gradient per token is left", _reduced(lambda g: g)),
        ("dweight and dbias are summed over the tokens but not over the batch", _reduced(lambda g: g.sum(axis=-2))),
        ("dweight and dbias are summed over the batch but not over the tokens", _reduced(lambda g: g.sum(axis=0))),
        ("dweight and dbias are means over the tokens instead of sums", _reduced(lambda g: g.mean(axis=(0, 1)))),
        (
            "dweight is built from x instead of xhat",
            _other_dweight(lambda dy, x, weight, eps: (dy * x).sum(axis=(0, 1))),
        ),
        (
            "dweight still contains weight",
            _other_dweight(lambda dy, x, weight, eps: (dy * weight * _standardise(x, eps)).sum(axis=(0, 1))),
        ),
        ("dweight and dbias are in each other's place", _dparameters_swapped),
        ("eps is not used", lambda dy, x, weight, eps: _layernorm_gradients(dy, x, weight, 0)),
    ],
)
