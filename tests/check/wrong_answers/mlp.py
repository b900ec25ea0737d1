"""Checks for the exercises of notebooks/05_block.ipynb: GELU, MLP, dropout."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.layers.dropout import dropout as _np_dropout
from vitedu_numpy.layers.gelu import gelu as _np_gelu
from vitedu_numpy.layers.gelu import gelu_backward as _np_gelu_backward
from vitedu_numpy.layers.gelu import gelu_tanh as _np_gelu_tanh
from vitedu_numpy.layers.gelu import gelu_tanh_backward as _np_gelu_tanh_backward
from vitedu_numpy.layers.gelu import normal_cdf as _cdf
from vitedu_numpy.layers.linear import linear as _np_linear

__all__ = ["dropout", "gelu", "gelu_backward", "mlp"]


# ---- GELU ----------------------------------------------------------------------------------------------------------


def _gelu_cases(rng):
    """From the middle, where all forms agree, to the tails; |x| near 2, where they do not, is always there."""
    return [(rng.normal(0, 1, (3, 4)),), (rng.uniform(-4, 4, (2, 3, 5)),), (np.linspace(-3, 3, 11),)]


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _bell(x):
    """phi, the density of the standard normal."""
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def _erf(x):
    return 2 * _cdf(np.sqrt(2) * x) - 1


gelu = Check(
    "gelu",
    reference=lambda x: _np_gelu(x)[0],
    cases=_gelu_cases,
    outputs={"y": "(...)"},
    tolerance=1e-5,  # the tanh form is wrong by 5e-4 at most: that must show
    mistakes=[
        Mistake(
            "this is the tanh form, an approximation: it is off by up to 5e-4",
            "Close, and good enough for the official code. The definition has no tanh in it: what does it use?",
            lambda x: _np_gelu_tanh(x)[0],
        ),
        Mistake(
            "this is the sigmoid form x sigmoid(1.702 x), an approximation: it is off by up to 2e-2",
            "The sigmoid only resembles Phi. What is Phi in terms of erf?",
            lambda x: x * _sigmoid(1.702 * x),
        ),
        Mistake(
            "this is SiLU, x sigmoid(x)",
            "The gate of GELU is the distribution function of the standard normal.",
            lambda x: x * _sigmoid(x),
        ),
        Mistake("this is ReLU", "GELU has no kink, and is a little below 0 for x below 0.", lambda x: np.maximum(x, 0)),
        Mistake(
            "this is Phi(x) alone, not multiplied by x",
            "Phi is the gate. What goes through it?",
            _cdf,
        ),
        Mistake(
            "x is not divided by sqrt(2) inside erf",
            "erf belongs to a bell of variance 1/2, the standard normal has variance 1. How do you convert?",
            lambda x: x * (1 + _erf(x)) / 2,
        ),
        Mistake(
            "x is multiplied by sqrt(2) inside erf instead of divided",
            "Which bell is narrower, that of erf or the standard normal?",
            lambda x: x * (1 + _erf(np.sqrt(2) * x)) / 2,
        ),
        Mistake(
            "the factor 1/2 is missing: the gate runs from 0 to 2",
            "What should GELU do to a large positive x?",
            lambda x: 2 * x * _cdf(x),
        ),
        Mistake(
            "the 1 in 1 + erf is missing: the gate runs from -1/2 to 1/2",
            "erf runs from -1 to 1, Phi from 0 to 1.",
            lambda x: x * _erf(x / np.sqrt(2)) / 2,
        ),
        Mistake(
            "the density phi is used in place of the distribution function Phi",
            "For large x the gate should be open. Is the bell curve large there?",
            lambda x: x * _bell(x),
        ),
    ],
)


def _gelu_backward_cases(rng):
    return [(rng.normal(0, 1, x.shape), x) for (x,) in _gelu_cases(rng)]


gelu_backward = Check(
    "gelu_backward",
    reference=lambda dy, x: _np_gelu_backward(dy, _np_gelu(x)[1]),
    cases=_gelu_backward_cases,
    outputs={"dx": "(...)"},
    tolerance=1e-5,
    mistakes=[
        Mistake(
            "dx = dy Phi(x): Phi was treated as a constant",
            "x stands twice in x Phi(x). The product rule has two terms.",
            lambda dy, x: dy * _cdf(x),
        ),
        Mistake(
            "dx = dy x phi(x): the factor x was treated as a constant",
            "x stands twice in x Phi(x). The product rule has two terms.",
            lambda dy, x: dy * x * _bell(x),
        ),
        Mistake(
            "the second term is phi(x) without x",
            "In the product rule the factor that is not differentiated stays.",
            lambda dy, x: dy * (_cdf(x) + _bell(x)),
        ),
        Mistake(
            "the two terms are subtracted",
            "The slope of Phi is phi, with which sign?",
            lambda dy, x: dy * (_cdf(x) - x * _bell(x)),
        ),
        Mistake(
            "the density lacks 1 / sqrt(2 pi)",
            "Does the area under your bell equal 1?",
            lambda dy, x: dy * (_cdf(x) + x * np.exp(-x * x / 2)),
        ),
        Mistake(
            "the density has exp(-x^2) instead of exp(-x^2 / 2)",
            "The standard normal has variance 1. Which exponent belongs to it?",
            lambda dy, x: dy * (_cdf(x) + x * np.exp(-x * x) / np.sqrt(2 * np.pi)),
        ),
        Mistake(
            "dy is not used",
            "The chain rule: what comes from above is multiplied by the slope.",
            lambda dy, x: _cdf(x) + x * _bell(x),
        ),
        Mistake(
            "dy is multiplied by GELU itself, not by its slope",
            "This is x Phi(x). What is its derivative?",
            lambda dy, x: dy * x * _cdf(x),
        ),
        Mistake("this is the slope of ReLU", "GELU's slope has no jump at 0.", lambda dy, x: dy * (x > 0)),
        Mistake(
            "this is the slope of the tanh form, not of the definition",
            "The definition has no tanh in it. What is the derivative of Phi?",
            lambda dy, x: _np_gelu_tanh_backward(dy, _np_gelu_tanh(x)[1]),
        ),
    ],
)


# ---- MLP -----------------------------------------------------------------------------------------------------------


def _mlp_cases(rng):
    cases = []
    for B, T, D, M in ((2, 5, 3, 7), (1, 4, 6, 5), (3, 2, 4, 9)):
        weight1, weight2 = rng.normal(0, 1, (M, D)), rng.normal(0, 1, (D, M))
        cases.append((rng.normal(0, 1, (B, T, D)), weight1, rng.normal(0, 1, M), weight2, rng.normal(0, 1, D)))
    return cases


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


mlp = Check(
    "mlp",
    reference=_right_mlp,
    cases=_mlp_cases,
    outputs={"y": "(B, T, D)"},
    tolerance=1e-5,  # as for gelu
    mistakes=[
        Mistake(
            "weight1 is not transposed",
            "weight1 has shape (M, D): outputs first. Which product of x (..., D) with it has M numbers?",
            _mlp_weights_not_transposed,
        ),
        Mistake(
            "there is no GELU between the two layers",
            "Two linear layers in a row are one linear layer. What makes the MLP more than that?",
            _mlp_with(lambda hidden: hidden),
        ),
        Mistake(
            "GELU stands after the second layer instead of between the two",
            "The output is added to the stream and must be able to take any sign. Where does GELU belong?",
            _mlp_with(lambda hidden: hidden, _gelu_of),
        ),
        Mistake("GELU stands after both layers", "How many GELUs does the MLP have?", _mlp_with(_gelu_of, _gelu_of)),
        Mistake(
            "ReLU is used instead of GELU",
            "The paper says: two layers with a GELU non-linearity.",
            _mlp_with(lambda hidden: np.maximum(hidden, 0)),
        ),
        Mistake(
            "GELU is used in its tanh form",
            "The exercise asks for the exact GELU.",
            _mlp_with(lambda hidden: _np_gelu_tanh(hidden)[0]),
        ),
        Mistake("neither bias is used", "Each linear layer has a bias.", _mlp_without_biases),
        Mistake("bias1 is not used", "Which parameter have you not touched?", _mlp_without_bias1),
        Mistake("bias2 is not used", "Which parameter have you not touched?", _mlp_without_bias2),
        Mistake(
            "bias1 is added after GELU",
            "The bias belongs to the linear layer: what does GELU read?",
            _mlp_bias1_after_gelu,
        ),
        Mistake(
            "the residual connection is added here already",
            "Eq. 3 is MLP(LN(z')) + z'. Which part of it is the MLP?",
            _mlp_with_residual,
        ),
    ],
)


# ---- dropout -------------------------------------------------------------------------------------------------------


def _dropout_cases(rng):
    """Masks in which the kept fraction is not 1 - rate exactly."""
    cases = []
    for shape, rate in (((3, 5), 0.1), ((2, 4, 3), 0.25), ((2, 3, 7), 0.6)):
        keep = rng.random(shape) >= rate
        keep.flat[:2] = False, True
        cases.append((rng.normal(0, 1, shape) + 0.5, keep, rate))
    return cases


dropout = Check(
    "dropout",
    reference=lambda x, keep, rate: _np_dropout(x, keep / (1 - rate))[0],
    cases=_dropout_cases,
    outputs={"y": "(...)"},
    mistakes=[
        Mistake(
            "the kept values are not scaled up",
            "Take the mean over all masks of a value that is kept with probability 1 - rate. Is it x?",
            lambda x, keep, rate: x * keep,
        ),
        Mistake(
            "the kept values are scaled down by 1 - rate, not up",
            "Some values are lost. Must the others grow or shrink for the mean to stay the same?",
            lambda x, keep, rate: x * keep * (1 - rate),
        ),
        Mistake(
            "the kept values are divided by rate",
            "`rate` is the probability to be dropped. With which probability is a value kept?",
            lambda x, keep, rate: x * keep / rate,
        ),
        Mistake(
            "the kept values are multiplied by rate",
            "`rate` is the probability to be dropped. With which probability is a value kept?",
            lambda x, keep, rate: x * keep * rate,
        ),
        Mistake(
            "the wrong values are dropped: those that `keep` marks",
            "What does True in `keep` mean?",
            lambda x, keep, rate: x * ~keep / (1 - rate),
        ),
        Mistake(
            "the dropped values are still there, only the kept ones are scaled",
            "What becomes of a value that is dropped?",
            lambda x, keep, rate: np.where(keep, x / (1 - rate), x),
        ),
        Mistake(
            "scaled by the fraction that this mask happens to keep, not by 1 - rate",
            "The scale should not depend on the draw: which number is known before?",
            lambda x, keep, rate: x * keep / keep.mean(),
        ),
        Mistake(
            "nothing is dropped, everything is scaled",
            "Where have you used `keep`?",
            lambda x, keep, rate: x / (1 - rate),
        ),
    ],
)
