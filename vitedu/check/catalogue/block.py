"""Checks for the exercises of notebooks/05_block.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.dropout import dropout as _np_dropout
from vitedu_numpy.gelu import gelu as _np_gelu
from vitedu_numpy.gelu import gelu_backward as _np_gelu_backward
from vitedu_numpy.gelu import gelu_tanh as _np_gelu_tanh
from vitedu_numpy.gelu import gelu_tanh_backward as _np_gelu_tanh_backward
from vitedu_numpy.gelu import normal_cdf as _cdf
from vitedu_numpy.layernorm import layernorm as _np_layernorm
from vitedu_numpy.layernorm import layernorm_backward as _np_layernorm_backward
from vitedu_numpy.linear import linear as _np_linear

from ..engine import Check, Mistake

__all__ = [
    "block", "block_backward", "dropout", "gelu", "gelu_backward", "layernorm", "layernorm_backward", "mlp",
    "post_norm_block_backward",
]  # fmt: skip


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


# ---- the block -----------------------------------------------------------------------------------------------------


class _Part:
    """A function with a readable name: stands for a layer of the block."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def __call__(self, x):
        return self.function(x)

    def __repr__(self):
        return f"<layer {self.name}>"


def _block_cases(rng):
    """Stand-ins for the layers, each different; attention mixes the tokens, the MLP does not."""
    cases = []
    for B, T, D in ((2, 5, 3), (1, 4, 6), (3, 2, 4)):
        weight1, weight2 = rng.normal(1, 0.5, D), rng.normal(1, 0.5, D)
        mix, W, V = rng.normal(0, 1, (T, T)), rng.normal(0, 1, (D, D)), rng.normal(0, 1, (D, D))
        cases.append((
            rng.normal(0.5, 1.5, (B, T, D)),
            _Part("norm1", lambda x, weight1=weight1: _np_layernorm(x, weight1, 0.1)[0]),
            _Part("attention", lambda x, mix=mix, W=W: mix @ x @ W),
            _Part("norm2", lambda x, weight2=weight2: _np_layernorm(x, weight2, -0.2)[0]),
            _Part("mlp", lambda x, V=V: np.tanh(x @ V)),
        ))  # fmt: skip
    return cases


def _block(z, norm1, attention, norm2, mlp):
    z_mid = z + attention(norm1(z))
    return z_mid + mlp(norm2(z_mid))


def _block_post_norm(z, norm1, attention, norm2, mlp):
    z_mid = norm1(z + attention(z))
    return norm2(z_mid + mlp(z_mid))


def _block_norm_after_layers(z, norm1, attention, norm2, mlp):
    z_mid = z + norm1(attention(z))
    return z_mid + norm2(mlp(z_mid))


def _block_without_norms(z, norm1, attention, norm2, mlp):
    z_mid = z + attention(z)
    return z_mid + mlp(z_mid)


def _block_without_norm1(z, norm1, attention, norm2, mlp):
    z_mid = z + attention(z)
    return z_mid + mlp(norm2(z_mid))


def _block_without_norm2(z, norm1, attention, norm2, mlp):
    z_mid = z + attention(norm1(z))
    return z_mid + mlp(z_mid)


def _block_without_residuals(z, norm1, attention, norm2, mlp):
    return mlp(norm2(attention(norm1(z))))


def _block_without_first_residual(z, norm1, attention, norm2, mlp):
    z_mid = attention(norm1(z))
    return z_mid + mlp(norm2(z_mid))


def _block_without_second_residual(z, norm1, attention, norm2, mlp):
    return mlp(norm2(z + attention(norm1(z))))


def _block_second_residual_from_z(z, norm1, attention, norm2, mlp):
    return z + mlp(norm2(z + attention(norm1(z))))


def _block_in_parallel(z, norm1, attention, norm2, mlp):
    return z + attention(norm1(z)) + mlp(norm2(z))


def _block_residual_from_norm(z, norm1, attention, norm2, mlp):
    normed = norm1(z)
    z_mid = normed + attention(normed)
    normed = norm2(z_mid)
    return normed + mlp(normed)


def _block_mlp_first(z, norm1, attention, norm2, mlp):
    z_mid = z + mlp(norm2(z))
    return z_mid + attention(norm1(z_mid))


block = Check(
    "block",
    reference=_block,
    cases=_block_cases,
    outputs={"z_out": "(B, T, D)"},
    mistakes=[
        Mistake(
            "this is the post-norm block: the norms stand behind the sums",
            "In Eq. 2, what does LN read, and is z itself ever normalised on its way through?",
            _block_post_norm,
        ),
        Mistake(
            "the norms stand behind attention and MLP, not before them",
            "Eq. 2 says MSA(LN(z)): which of the two is computed first?",
            _block_norm_after_layers,
        ),
        Mistake("neither norm is used", "What does attention read in Eq. 2?", _block_without_norms),
        Mistake("attention reads z without its norm", "What does attention read in Eq. 2?", _block_without_norm1),
        Mistake("the MLP reads z' without its norm", "What does the MLP read in Eq. 3?", _block_without_norm2),
        Mistake(
            "norm1 is used twice, norm2 never",
            "The two norms have parameters of their own.",
            lambda z, norm1, attention, norm2, mlp: _block(z, norm1, attention, norm1, mlp),
        ),
        Mistake(
            "norm1 and norm2 are in each other's place",
            "Which norm belongs to attention?",
            lambda z, norm1, attention, norm2, mlp: _block(z, norm2, attention, norm1, mlp),
        ),
        Mistake(
            "both residual connections are missing",
            "Each equation ends with a sum. What is added?",
            _block_without_residuals,
        ),
        Mistake(
            "the residual connection around attention is missing",
            "Eq. 2 ends with a sum. What is added?",
            _block_without_first_residual,
        ),
        Mistake(
            "the residual connection around the MLP is missing",
            "Eq. 3 ends with a sum. What is added?",
            _block_without_second_residual,
        ),
        Mistake(
            "the second residual connection starts at z, so what attention found is lost",
            "What does Eq. 3 add: z or z'?",
            _block_second_residual_from_z,
        ),
        Mistake(
            "attention and MLP run side by side: the MLP reads z instead of z'",
            "Should the MLP see what attention has just written?",
            _block_in_parallel,
        ),
        Mistake(
            "the normalised z is carried on instead of z",
            "The norm is for the layer inside the branch. What goes around the branch?",
            _block_residual_from_norm,
        ),
        Mistake("the MLP comes before attention", "Which of the two is Eq. 2?", _block_mlp_first),
    ],
)


# ---- the block, backward -------------------------------------------------------------------------------------------


def _block_backward_cases(rng):
    """The gradient of each layer is a linear map that does not commute with the others."""
    cases = []
    for B, T, D in ((2, 5, 3), (1, 4, 6), (3, 2, 4)):
        parts = []
        for name in ("norm1_backward", "attention_backward", "norm2_backward", "mlp_backward"):
            mix = rng.normal(0, 1, (T, T)) if name == "attention_backward" else np.eye(T)
            W = rng.normal(0, 1, (D, D))
            parts.append(_Part(name, lambda dy, mix=mix, W=W: mix @ dy @ W))
        cases.append((rng.normal(0, 1, (B, T, D)), *parts))
    return cases


def _block_gradient(dz_out, norm1, attention, norm2, mlp):
    dz_mid = dz_out + norm2(mlp(dz_out))
    return dz_mid + norm1(attention(dz_mid))


def _gradient_without_second_residual(dz_out, norm1, attention, norm2, mlp):
    dz_mid = norm2(mlp(dz_out))
    return dz_mid + norm1(attention(dz_mid))


def _gradient_without_first_residual(dz_out, norm1, attention, norm2, mlp):
    return norm1(attention(dz_out + norm2(mlp(dz_out))))


def _gradient_without_residuals(dz_out, norm1, attention, norm2, mlp):
    return norm1(attention(norm2(mlp(dz_out))))


def _gradient_forward_order(dz_out, norm1, attention, norm2, mlp):
    dz_mid = dz_out + norm1(attention(dz_out))
    return dz_mid + norm2(mlp(dz_mid))


def _gradient_forward_order_inside(dz_out, norm1, attention, norm2, mlp):
    dz_mid = dz_out + mlp(norm2(dz_out))
    return dz_mid + attention(norm1(dz_mid))


def _gradient_from_dz_out(dz_out, norm1, attention, norm2, mlp):
    return dz_out + norm1(attention(dz_out + norm2(mlp(dz_out))))


def _gradient_in_parallel(dz_out, norm1, attention, norm2, mlp):
    return dz_out + norm2(mlp(dz_out)) + norm1(attention(dz_out))


def _gradient_without_norms(dz_out, norm1, attention, norm2, mlp):
    dz_mid = dz_out + mlp(dz_out)
    return dz_mid + attention(dz_mid)


block_backward = Check(
    "block_backward",
    reference=_block_gradient,
    cases=_block_backward_cases,
    outputs={"dz": "(B, T, D)"},
    mistakes=[
        Mistake(
            "neither residual connection passes a gradient",
            "A sum hands its gradient to both of its terms.",
            _gradient_without_residuals,
        ),
        Mistake(
            "the residual connection around the MLP passes no gradient",
            "z' is used twice in Eq. 3: inside the branch and beside it.",
            _gradient_without_second_residual,
        ),
        Mistake(
            "the residual connection around attention passes no gradient",
            "z is used twice in Eq. 2: inside the branch and beside it.",
            _gradient_without_first_residual,
        ),
        Mistake(
            "attention comes before the MLP, as in forward",
            "Backward undoes the last step first. Which equation comes last in forward?",
            _gradient_forward_order,
        ),
        Mistake(
            "inside the branches the norm comes before its layer, as in forward",
            "The branch is MLP(LN(z')). Which of the two does the gradient meet first on its way back?",
            _gradient_forward_order_inside,
        ),
        Mistake(
            "the way around attention carries dz_out instead of dz_mid",
            "Which variable does Eq. 2 produce, and what is its whole gradient?",
            _gradient_from_dz_out,
        ),
        Mistake(
            "attention's branch gets dz_out instead of dz_mid",
            "Attention's output also reaches the loss through the MLP.",
            _gradient_in_parallel,
        ),
        Mistake(
            "the norms are left out",
            "On the way back the branch passes its layer, and then?",
            _gradient_without_norms,
        ),
    ],
)


# ---- the block of the first Transformer, backward --------------------------------------------------------------------


def _post_norm_gradient(dz_out, norm1, attention, norm2, mlp):
    dsum2 = norm2(dz_out)
    dz_mid = dsum2 + mlp(dsum2)
    dsum1 = norm1(dz_mid)
    return dsum1 + attention(dsum1)


def _post_norm_branches_only(dz_out, norm1, attention, norm2, mlp):
    return attention(norm1(mlp(norm2(dz_out))))


def _post_norm_norms_in_branches(dz_out, norm1, attention, norm2, mlp):
    dz_mid = dz_out + mlp(norm2(dz_out))
    return dz_mid + attention(norm1(dz_mid))


def _post_norm_forward_order(dz_out, norm1, attention, norm2, mlp):
    dsum1 = norm1(dz_out)
    dz_mid = dsum1 + attention(dsum1)
    dsum2 = norm2(dz_mid)
    return dsum2 + mlp(dsum2)


def _post_norm_norms_last(dz_out, norm1, attention, norm2, mlp):
    dz_mid = norm2(dz_out + mlp(dz_out))
    return norm1(dz_mid + attention(dz_mid))


def _post_norm_without_second_residual(dz_out, norm1, attention, norm2, mlp):
    dsum1 = norm1(mlp(norm2(dz_out)))
    return dsum1 + attention(dsum1)


def _post_norm_without_first_residual(dz_out, norm1, attention, norm2, mlp):
    dsum2 = norm2(dz_out)
    return attention(norm1(dsum2 + mlp(dsum2)))


post_norm_block_backward = Check(
    "post_norm_block_backward",
    reference=_post_norm_gradient,
    cases=_block_backward_cases,
    outputs={"dz": "(B, T, D)"},
    mistakes=[
        Mistake(
            "this is the gradient of the pre-norm block",
            "Write the two forward lines with a name for each sum. What stands between z_out and the second sum?",
            _block_gradient,
        ),
        Mistake(
            "the gradient passes each norm only inside the branch, not on the way around it",
            "The norm stands behind the sum. Is there any way past it?",
            _post_norm_norms_in_branches,
        ),
        Mistake(
            "neither residual connection passes a gradient",
            "A sum hands its gradient to both of its terms.",
            _post_norm_branches_only,
        ),
        Mistake(
            "the residual connection around the MLP passes no gradient",
            "z' is used twice: inside the branch and beside it.",
            _post_norm_without_second_residual,
        ),
        Mistake(
            "the residual connection around attention passes no gradient",
            "z is used twice: inside the branch and beside it.",
            _post_norm_without_first_residual,
        ),
        Mistake(
            "attention comes before the MLP, as in forward",
            "Backward undoes the last step first. Which line comes last in forward?",
            _post_norm_forward_order,
        ),
        Mistake(
            "each norm comes after its sum on the way back, as in forward",
            "Forward: first the sum, then the norm. And backward?",
            _post_norm_norms_last,
        ),
    ],
)
