"""Exercises of notebooks/05_block.ipynb: GELU, MLP, dropout, a gate."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.layers.gelu import gelu_tanh as tanh_forward
from vitedu_numpy.layers.gelu import gelu_tanh_backward as tanh_backward

from ..slips.exercise import exercise
from ..slips.steps import bell, normal_cdf, sigmoid
from ..slips.steps import gelu as gelu_of
from ..slips.steps import linear as linear_of

__all__ = ["dropout", "gated_backward", "gelu", "gelu_backward", "mlp"]


# ---- GELU ----------------------------------------------------------------------------------------------------------


def _gelu_cases(rng):
    """From the middle, where all forms agree, to the tails; |x| near 2, where they do not, is always there."""
    return [(rng.normal(0, 1, (3, 4)),), (rng.uniform(-4, 4, (2, 3, 5)),), (np.linspace(-3, 3, 11),)]


# The tanh form is wrong by 5e-4 at most: that must show.
@exercise(cases=_gelu_cases, outputs={"y": "(...)"}, tolerance=1e-5, level=1, minutes=10)
def gelu(x):
    gate = normal_cdf(x)  # the gate
    return x * gate  # the answer


gelu.slip(
    "this is the tanh form, an approximation: it is off by up to 5e-4",
    "Close, and good enough for the official code. The definition has no tanh in it: what does it use?",
    result="gelu_tanh(x)",
)
gelu.slip(
    "this is the sigmoid form x sigmoid(1.702 x), an approximation: it is off by up to 2e-2",
    "The sigmoid only resembles Phi. What is Phi in terms of erf?",
    gate="sigmoid(1.702 * x)",
)
gelu.slip(
    "this is SiLU, x sigmoid(x)",
    "The gate of GELU is the distribution function of the standard normal.",
    gate="sigmoid(x)",
)
gelu.slip("this is ReLU", "GELU has no kink, and is a little below 0 for x below 0.", result="rectify(x)")
gelu.slip("this is Phi(x) alone, not multiplied by x", "Phi is the gate. What goes through it?", result="gate")


def _gelu_backward_cases(rng):
    return [(rng.normal(0, 1, x.shape), x) for (x,) in _gelu_cases(rng)]


@exercise(cases=_gelu_backward_cases, outputs={"dx": "(...)"}, tolerance=1e-5, level=2, minutes=20)
def gelu_backward(dy, x):
    gate = normal_cdf(x)  # the gate
    density = bell(x)  # the density
    slope = gate + x * density  # the slope
    return dy * slope  # the gradient


_TWO_TERMS = "x stands twice in x Phi(x). The product rule has two terms."
gelu_backward.slip("dx = dy Phi(x): Phi was treated as a constant", _TWO_TERMS, slope="gate")
gelu_backward.slip("dx = dy x phi(x): the factor x was treated as a constant", _TWO_TERMS, slope="x * density")
gelu_backward.slip(
    "the second term is phi(x) without x",
    "In the product rule the factor that is not differentiated stays.",
    slope="gate + density",
)
gelu_backward.slip(
    "the two terms are subtracted", "The slope of Phi is phi, with which sign?", slope="gate - x * density"
)
gelu_backward.slip(
    "dy is not used", "The chain rule: what comes from above is multiplied by the slope.", result="slope"
)
gelu_backward.slip(
    "dy is multiplied by GELU itself, not by its slope", "This is x Phi(x). What is its derivative?", slope="x * gate"
)
gelu_backward.slip("this is the slope of ReLU", "GELU's slope has no jump at 0.", slope="1.0 * (x > 0)")
gelu_backward.slip(
    "this is the slope of the tanh form, not of the definition",
    "The definition has no tanh in it. What is the derivative of Phi?",
    result="tanh_backward(dy, tanh_forward(x)[1])",
)


# ---- MLP -----------------------------------------------------------------------------------------------------------


def _mlp_cases(rng):
    cases = []
    for B, T, D, M in ((2, 5, 3, 7), (1, 4, 6, 5), (3, 2, 4, 9)):
        weight1, weight2 = rng.normal(0, 1, (M, D)), rng.normal(0, 1, (D, M))
        cases.append((rng.normal(0, 1, (B, T, D)), weight1, rng.normal(0, 1, M), weight2, rng.normal(0, 1, D)))
    return cases


@exercise(cases=_mlp_cases, outputs={"y": "(B, T, D)"}, tolerance=1e-5, level=1, minutes=10)
def mlp(x, weight1, bias1, weight2, bias2):
    hidden = linear_of(x, weight1, bias1)  # the first layer
    gated = gelu_of(hidden)  # the gate
    return linear_of(gated, weight2, bias2)  # the second layer


mlp.slip(
    "there is no GELU between the two layers",
    "Two linear layers in a row are one linear layer. What makes the MLP more than that?",
    gated="hidden",
)
mlp.slip(
    "GELU stands after the second layer instead of between the two",
    "The output is added to the stream and must be able to take any sign. Where does GELU belong?",
    gated="hidden",
    result="gelu(linear(gated, weight2, bias2))",
)
mlp.slip(
    "GELU stands after both layers",
    "How many GELUs does the MLP have?",
    result="gelu(linear(gated, weight2, bias2))",
)
mlp.slip(
    "neither bias is used",
    "Each linear layer has a bias.",
    hidden="x @ weight1.T",
    result="gated @ weight2.T",
)
mlp.slip(
    "bias1 is added after GELU",
    "The bias belongs to the linear layer: what does GELU read?",
    hidden="x @ weight1.T",
    gated="gelu(hidden) + bias1",
)
mlp.slip(
    "the residual connection is added here already",
    "Eq. 3 is MLP(LN(z')) + z'. Which part of it is the MLP?",
    result="x + linear(gated, weight2, bias2)",
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


@exercise(cases=_dropout_cases, outputs={"y": "(...)"}, level=1, minutes=10)
def dropout(x, keep, rate):
    kept = x * keep  # what is kept
    return kept / (1 - rate)  # the scale


_RATE = "`rate` is the probability to be dropped. With which probability is a value kept?"
dropout.slip(
    "the kept values are not scaled up",
    "Take the mean over all masks of a value that is kept with probability 1 - rate. Is it x?",
    result="kept",
)
dropout.slip(
    "the kept values are scaled down by 1 - rate, not up",
    "Some values are lost. Must the others grow or shrink for the mean to stay the same?",
    result="kept * (1 - rate)",
)
dropout.slip("the kept values are divided by rate", _RATE, result="kept / rate")
dropout.slip("the kept values are multiplied by rate", _RATE, result="kept * rate")
dropout.slip(
    "the wrong values are dropped: those that `keep` marks", "What does True in `keep` mean?", kept="x * ~keep"
)
dropout.slip(
    "the dropped values are still there, only the kept ones are scaled",
    "What becomes of a value that is dropped?",
    result="np.where(keep, x / (1 - rate), x)",
)
dropout.slip(
    "scaled by the fraction that this mask happens to keep, not by 1 - rate",
    "The scale should not depend on the draw: which number is known before?",
    result="kept / keep.mean()",
)
dropout.slip("nothing is dropped, everything is scaled", "Where have you used `keep`?", kept="x")


# ---- gated_backward(dy, a, c) -> da, dc ------------------------------------------------------------------------------


def _gated_cases(rng):
    return [tuple(rng.normal(0, 1.5, shape) for _ in range(3)) for shape in ((7,), (3, 4), (2, 3, 5))]


@exercise(cases=_gated_cases, outputs={"da": "(..., M)", "dc": "(..., M)"}, level=2, minutes=25)
def gated_backward(dy, a, c):
    s = sigmoid(a)  # the sigmoid
    gate = a * s  # the gate
    slope = s + gate * (1 - s)  # the slope of the gate
    dgate = dy * c  # the gradient of the gate
    da = dgate * slope  # da
    dc = dy * gate  # dc
    return da, dc


_TWO = "a stands twice in a sigmoid(a). The product rule has two terms."
gated_backward.slip("da takes the sigmoid for a constant", _TWO, slope="s")
gated_backward.slip("da takes the factor a for a constant", _TWO, slope="gate * (1 - s)")
gated_backward.slip(
    "the second term of the slope lacks its factor a",
    "In the product rule the factor that is not differentiated stays.",
    slope="s + s * (1 - s)",
)
gated_backward.slip(
    "the two terms of the slope are subtracted", "Does the sigmoid rise or fall?", slope="s - gate * (1 - s)"
)
gated_backward.slip("da lacks the factor c", "y = gate times c: by how much does y move with the gate?", dgate="dy")
gated_backward.slip("dc is dy alone, without the gate", "y = gate times c: by how much does y move with c?", dc="dy")
gated_backward.slip("dc is made from a, not from the gate", "What stood beside c in the forward?", dc="dy * a")
gated_backward.slip(
    "dc is made from the slope of the gate", "Is the gate differentiated when c moves?", dc="dy * slope"
)
gated_backward.slip("da and dc have changed places", "Which of the two went through the sigmoid?", result="(dc, da)")
