"""Wrong answers to the exercises of notebooks/05_block.ipynb: GELU, MLP, dropout."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.layers.dropout import dropout as _np_dropout
from vitedu_numpy.layers.gelu import gelu as _np_gelu
from vitedu_numpy.layers.gelu import gelu_backward as _np_gelu_backward
from vitedu_numpy.layers.gelu import gelu_tanh as _np_gelu_tanh
from vitedu_numpy.layers.gelu import gelu_tanh_backward as _np_gelu_tanh_backward
from vitedu_numpy.layers.gelu import normal_cdf as _cdf
from vitedu_numpy.layers.linear import linear as _np_linear

from . import FirstGeneration

__all__ = ["dropout", "gelu", "gelu_backward", "mlp"]


# ---- GELU ----------------------------------------------------------------------------------------------------------


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _bell(x):
    """phi, the density of the standard normal."""
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def _erf(x):
    return 2 * _cdf(np.sqrt(2) * x) - 1


gelu = FirstGeneration(
    lambda x: _np_gelu(x)[0],
    [
        ("this is the tanh form, an approximation: it is off by up to 5e-4", lambda x: _np_gelu_tanh(x)[0]),
        (
            "this is the sigmoid form x sigmoid(1.702 x), an approximation: it is off by up to 2e-2",
            lambda x: x * _sigmoid(1.702 * x),
        ),
        ("this is SiLU, x sigmoid(x)", lambda x: x * _sigmoid(x)),
        ("this is ReLU", lambda x: np.maximum(x, 0)),
        ("this is Phi(x) alone, not multiplied by x", _cdf),
        ("x is not divided by sqrt(2) inside erf", lambda x: x * (1 + _erf(x)) / 2),
        ("x is multiplied by sqrt(2) inside erf instead of divided", lambda x: x * (1 + _erf(np.sqrt(2) * x)) / 2),
        ("the factor 1/2 is missing: the gate runs from 0 to 2", lambda x: 2 * x * _cdf(x)),
        ("the 1 in 1 + erf is missing: the gate runs from -1/2 to 1/2", lambda x: x * _erf(x / np.sqrt(2)) / 2),
        ("the density phi is used in place of the distribution function Phi", lambda x: x * _bell(x)),
    ],
)


gelu_backward = FirstGeneration(
    lambda dy, x: _np_gelu_backward(dy, _np_gelu(x)[1]),
    [
        ("dx = dy Phi(x): Phi was treated as a constant", lambda dy, x: dy * _cdf(x)),
        ("dx = dy x phi(x): the factor x was treated as a constant", lambda dy, x: dy * x * _bell(x)),
        ("the second term is phi(x) without x", lambda dy, x: dy * (_cdf(x) + _bell(x))),
        ("the two terms are subtracted", lambda dy, x: dy * (_cdf(x) - x * _bell(x))),
        ("the density lacks 1 / sqrt(2 pi)", lambda dy, x: dy * (_cdf(x) + x * np.exp(-x * x / 2))),
        (
            "the density has exp(-x^2) instead of exp(-x^2 / 2)",
            lambda dy, x: dy * (_cdf(x) + x * np.exp(-x * x) / np.sqrt(2 * np.pi)),
        ),
        ("dy is not used", lambda dy, x: _cdf(x) + x * _bell(x)),
        ("dy is multiplied by GELU itself, not by its slope", lambda dy, x: dy * x * _cdf(x)),
        ("this is the slope of ReLU", lambda dy, x: dy * (x > 0)),
        (
            "this is the slope of the tanh form, not of the definition",
            lambda dy, x: _np_gelu_tanh_backward(dy, _np_gelu_tanh(x)[1]),
        ),
    ],
)


# ---- MLP -----------------------------------------------------------------------------------------------------------


def _mlp_with(between, after=lambda y: y):
    """The MLP with another function between its two linear layers, or one after them."""

    def mlp(x, weight1, bias1, weight2, bias2):
        hidden = between(_np_linear(x, weight1, bias1)[0])  # (B, T, M)
        return after(_np_linear(hidden, weight2, bias2)[0])

    return mlp


def _gelu_of(x):
    return _np_gelu(x)[0]


_right_mlp = _mlp_with(_gelu_of)


def _mlp_with_residual(x, weight1, bias1, weight2, bias2):
    return x + _right_mlp(x, weight1, bias1, weight2, bias2)


def _mlp_without_bias1(x, weight1, bias1, weight2, bias2):
    return _right_mlp(x, weight1, 0 * bias1, weight2, bias2)


def _mlp_without_bias2(x, weight1, bias1, weight2, bias2):
    return _right_mlp(x, weight1, bias1, weight2, 0 * bias2)


def _mlp_without_biases(x, weight1, bias1, weight2, bias2):
    return _right_mlp(x, weight1, 0 * bias1, weight2, 0 * bias2)


def _mlp_bias1_after_gelu(x, weight1, bias1, weight2, bias2):
    return (_gelu_of(x @ weight1.T) + bias1) @ weight2.T + bias2


def _mlp_weights_not_transposed(x, weight1, bias1, weight2, bias2):
    return _gelu_of(x @ weight1 + bias1) @ weight2 + bias2


mlp = FirstGeneration(
    _right_mlp,
    [
        ("weight1 is not transposed", _mlp_weights_not_transposed),
        ("there is no GELU between the two layers", _mlp_with(lambda hidden: hidden)),
        ("GELU stands after the second layer instead of between the two", _mlp_with(lambda hidden: hidden, _gelu_of)),
        ("GELU stands after both layers", _mlp_with(_gelu_of, _gelu_of)),
        ("ReLU is used instead of GELU", _mlp_with(lambda hidden: np.maximum(hidden, 0))),
        ("GELU is used in its tanh form", _mlp_with(lambda hidden: _np_gelu_tanh(hidden)[0])),
        ("neither bias is used", _mlp_without_biases),
        ("bias1 is not used", _mlp_without_bias1),
        ("bias2 is not used", _mlp_without_bias2),
        ("bias1 is added after GELU", _mlp_bias1_after_gelu),
        ("the residual connection is added here already", _mlp_with_residual),
    ],
)


# ---- dropout -------------------------------------------------------------------------------------------------------


dropout = FirstGeneration(
    lambda x, keep, rate: _np_dropout(x, keep / (1 - rate))[0],
    [
        ("the kept values are not scaled up", lambda x, keep, rate: x * keep),
        ("the kept values are scaled down by 1 - rate, not up", lambda x, keep, rate: x * keep * (1 - rate)),
        ("the kept values are divided by rate", lambda x, keep, rate: x * keep / rate),
        ("the kept values are multiplied by rate", lambda x, keep, rate: x * keep * rate),
        ("the wrong values are dropped: those that `keep` marks", lambda x, keep, rate: x * ~keep / (1 - rate)),
        (
            "the dropped values are still there, only the kept ones are scaled",
            lambda x, keep, rate: np.where(keep, x / (1 - rate), x),
        ),
        (
            "scaled by the fraction that this mask happens to keep, not by 1 - rate",
            lambda x, keep, rate: x * keep / keep.mean(),
        ),
        ("nothing is dropped, everything is scaled", lambda x, keep, rate: x / (1 - rate)),
    ],
)
