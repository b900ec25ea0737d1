"""Checks for the exercises of notebooks/05_block.ipynb: layer norm."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.layers.layernorm import layernorm as _np_layernorm
from vitedu_numpy.layers.layernorm import layernorm_backward as _np_layernorm_backward

__all__ = ["layernorm", "layernorm_backward"]


# ---- layer norm --------------------------------------------------------------------------------------------------


def _tokens(rng, *shape):
    """Tokens with a mean of their own each; the first of every image has a variance as small as eps = 1e-6."""
    x = rng.normal(0, 2, shape) + rng.normal(0, 2, (*shape[:-1], 1)) + 1
    x[..., 0, :] *= 5e-4
    return x


def _layernorm_cases(rng):
    shapes = [((2, 5, 7), 1e-6), ((3, 2, 4), 1e-6), ((2, 3, 6), 0.1)]
    return [
        (_tokens(rng, *shape), rng.normal(1, 0.5, shape[-1]), rng.normal(0, 1, shape[-1]), eps) for shape, eps in shapes
    ]


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


layernorm = Check(
    "layernorm",
    reference=lambda x, weight, bias, eps: _np_layernorm(x, weight, bias, eps)[0],
    cases=_layernorm_cases,
    outputs={"y": "(B, T, D)"},
    mistakes=[
        Mistake(
            "eps is not used",
            "One token of every image hardly varies. What keeps its division in bounds?",
            lambda x, weight, bias, eps: _standardise(x, 0) * weight + bias,
        ),
        Mistake(
            "eps is added to the standard deviation, not to the variance",
            "In the definition, does eps stand inside the root or behind it?",
            _layernorm_eps_on_std,
        ),
        Mistake(
            "the variance is the unbiased one, divided by D - 1",
            "Nothing is estimated here: the D numbers are all there are. Divide by how many?",
            lambda x, weight, bias, eps: _standardise(x, eps, ddof=1) * weight + bias,
        ),
        Mistake(
            "the squared differences are added up but not divided by D",
            "A variance is a mean of squares.",
            _layernorm_sum_of_squares,
        ),
        Mistake(
            "mean and variance run over the tokens (axis -2), not over the features",
            "Each token is normalised by itself. Which axis holds the D numbers of one token?",
            lambda x, weight, bias, eps: _standardise(x, eps, axis=-2) * weight + bias,
        ),
        Mistake(
            "mean and variance run over the batch (axis 0), as in batch norm",
            "May the result for one image depend on which other images are in the batch?",
            lambda x, weight, bias, eps: _standardise(x, eps, axis=0) * weight + bias,
        ),
        Mistake(
            "one mean and one variance serve all tokens of an image",
            "Each token is normalised by itself. How many means should there be for (B, T, D)?",
            lambda x, weight, bias, eps: _standardise(x, eps, axis=(-2, -1)) * weight + bias,
        ),
        Mistake(
            "weight and bias are not used",
            "The normalised token still gets its learned scale and offset.",
            lambda x, weight, bias, eps: _standardise(x, eps),
        ),
        Mistake(
            "weight is not used",
            "Which parameter have you not touched?",
            lambda x, weight, bias, eps: _standardise(x, eps) + bias,
        ),
        Mistake(
            "bias is not used",
            "Which parameter have you not touched?",
            lambda x, weight, bias, eps: _standardise(x, eps) * weight,
        ),
        Mistake(
            "scale and offset come before the normalisation, which undoes part of them",
            "Of two steps, normalise and scale, the second has the last word. Which one is it?",
            lambda x, weight, bias, eps: _standardise(x * weight + bias, eps),
        ),
        Mistake(
            "the bias is scaled too: (xhat + bias) weight",
            "Is the offset added before or after the scale?",
            lambda x, weight, bias, eps: (_standardise(x, eps) + bias) * weight,
        ),
        Mistake(
            "the mean is not subtracted, only the spread is divided out",
            "What should the mean of the normalised token be?",
            _layernorm_mean_kept,
        ),
        Mistake(
            "this is RMS norm: no mean is subtracted, not even inside the variance",
            "What should the mean of the normalised token be?",
            _layernorm_rms,
        ),
        Mistake(
            "the variance is taken around 0, not around the mean",
            "Square which numbers: x, or x with its mean removed?",
            _layernorm_square_of_x,
        ),
        Mistake(
            "divided by the variance, without the root",
            "What unit has the variance, if x has a unit? The result should have none.",
            _layernorm_divided_by_variance,
        ),
    ],
)


# ---- layer norm, backward ------------------------------------------------------------------------------------------


def _layernorm_backward_cases(rng):
    return [
        (rng.normal(0.5, 1, x.shape), x, weight, eps) for x, weight, _, eps in _layernorm_cases(rng)
    ]  # dy has a mean, so that leaving it in shows


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


layernorm_backward = Check(
    "layernorm_backward",
    reference=_layernorm_gradients,
    cases=_layernorm_backward_cases,
    outputs={"dx": "(B, T, D)", "dweight": "(D,)", "dbias": "(D,)"},
    mistakes=[
        Mistake(
            "dx has neither mean term: mean and variance were treated as constants",
            "The mean and the root depend on x too. What does each of them add to dx?",
            _other_dx(mean=0, projection=0),
        ),
        Mistake(
            "the term that comes from the mean is left out of dx",
            "Add the same number to all of x: y does not move. So what must the sum of dx over the features be?",
            _other_dx(mean=0),
        ),
        Mistake(
            "the term along xhat, which comes from the variance, is left out of dx",
            "Make x longer without turning it: y hardly moves. So along which direction must dx vanish?",
            _other_dx(projection=0),
        ),
        Mistake(
            "the term along xhat has the wrong sign",
            "Is the part of the gradient along xhat taken away or added again?",
            _other_dx(projection=-1),
        ),
        Mistake(
            "the two terms of dx are sums over the features instead of means",
            "A mean over D numbers passes on 1/D to each.",
            _sums_for_means,
        ),
        Mistake(
            "1 / sqrt(var + eps) is missing from dx",
            "Forward divides by the root. What does that do to a small step in x?",
            _other_dx(scaled=False),
        ),
        Mistake(
            "weight is missing from dx",
            "The last forward step multiplies by weight: start there.",
            _weight_forgotten,
        ),
        Mistake(
            "weight is multiplied in at the end instead of the beginning",
            "Backward runs in reverse. Which forward step came last, and so which comes first here?",
            _weight_at_the_end,
        ),
        Mistake(
            "dweight and dbias are not summed: one gradient per token is left",
            "weight has shape (D,), and every token of every image used it.",
            _reduced(lambda g: g),
        ),
        Mistake(
            "dweight and dbias are summed over the tokens but not over the batch",
            "weight has shape (D,), and every image used it.",
            _reduced(lambda g: g.sum(axis=-2)),
        ),
        Mistake(
            "dweight and dbias are summed over the batch but not over the tokens",
            "weight has shape (D,), and every token used it.",
            _reduced(lambda g: g.sum(axis=0)),
        ),
        Mistake(
            "dweight and dbias are means over the tokens instead of sums",
            "Each use of a parameter adds its gradient. Does anything divide?",
            _reduced(lambda g: g.mean(axis=(0, 1))),
        ),
        Mistake(
            "dweight is built from x instead of xhat",
            "What exactly does forward multiply weight with?",
            _other_dweight(lambda dy, x, weight, eps: (dy * x).sum(axis=(0, 1))),
        ),
        Mistake(
            "dweight still contains weight",
            "The derivative of weight xhat with respect to weight: does weight itself appear?",
            _other_dweight(lambda dy, x, weight, eps: (dy * weight * _standardise(x, eps)).sum(axis=(0, 1))),
        ),
        Mistake(
            "dweight and dbias are in each other's place", "In which order were they asked for?", _dparameters_swapped
        ),
        Mistake(
            "eps is not used",
            "One token of every image hardly varies, and there eps counts.",
            lambda dy, x, weight, eps: _layernorm_gradients(dy, x, weight, 0),
        ),
    ],
)
