"""Exercises of notebooks/05_block.ipynb: layer norm."""

from __future__ import annotations

from ..slips.exercise import exercise
from ..slips.steps import bias_gradient, scale_gradient
from ..slips.steps import standardise as standardised

__all__ = ["fold_norm", "layernorm", "layernorm_backward", "rmsnorm_backward"]


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


@exercise(cases=_layernorm_cases, outputs={"y": "(B, T, D)"}, level=1, minutes=10)
def layernorm(x, weight, bias, eps):
    B, T, D = x.shape
    xhat = standardised(x, -1, eps)  # the normalised token
    return xhat * weight + bias  # the scale and offset


layernorm.slip(
    "mean and variance run over the batch (axis 0), as in batch norm",
    "May the result for one image depend on which other images are in the batch?",
    xhat="standardise(x, 0, eps)",
)
layernorm.slip(
    "weight and bias are not used", "The normalised token still gets its learned scale and offset.", result="xhat"
)
layernorm.slip("weight is not used", "Which parameter have you not touched?", result="xhat + bias")
layernorm.slip("bias is not used", "Which parameter have you not touched?", result="xhat * weight")
layernorm.slip(
    "the bias is scaled too: (xhat + bias) weight",
    "Is the offset added before or after the scale?",
    result="(xhat + bias) * weight",
)
layernorm.slip(
    "scale and offset come before the normalisation, which undoes part of them",
    "Of two steps, normalise and scale, the second has the last word. Which one is it?",
    xhat="standardise(x * weight + bias, -1, eps)",
    result="xhat",
)


# ---- layer norm, backward ------------------------------------------------------------------------------------------


def _layernorm_backward_cases(rng):
    return [
        (rng.normal(0.5, 1, x.shape), x, weight, eps) for x, weight, _, eps in _layernorm_cases(rng)
    ]  # dy has a mean, so that leaving it in shows


@exercise(
    cases=_layernorm_backward_cases,
    outputs={"dx": "(B, T, D)", "dweight": "(D,)", "dbias": "(D,)"}, level=3, minutes=45,
)  # fmt: skip
def layernorm_backward(dy, x, weight, eps):
    B, T, D = x.shape
    xhat = standardised(x, -1, eps)  # the normalised token
    root = (x.var(axis=-1, keepdims=True) + eps) ** 0.5  # the root
    dxhat = dy * weight  # dxhat
    from_mean = dxhat.mean(axis=-1, keepdims=True)  # the term from the mean
    from_variance = xhat * (dxhat * xhat).mean(axis=-1, keepdims=True)  # the term along xhat
    dx = (dxhat - from_mean - from_variance) / root  # dx
    dweight = scale_gradient(dy * xhat)  # dweight
    dbias = bias_gradient(dy)  # dbias
    return dx, dweight, dbias


layernorm_backward.slip(
    "dx has neither mean term: mean and variance were treated as constants",
    "The mean and the root depend on x too. What does each of them add to dx?",
    dx="dxhat / root",
)
layernorm_backward.slip(
    "the term that comes from the mean is left out of dx",
    "Add the same number to all of x: y does not move. So what must the sum of dx over the features be?",
    dx="(dxhat - from_variance) / root",
)
layernorm_backward.slip(
    "the term along xhat, which comes from the variance, is left out of dx",
    "Make x longer without turning it: y hardly moves. So along which direction must dx vanish?",
    dx="(dxhat - from_mean) / root",
)
layernorm_backward.slip(
    "the term along xhat has the wrong sign",
    "Is the part of the gradient along xhat taken away or added again?",
    dx="(dxhat - from_mean + from_variance) / root",
)
layernorm_backward.slip(
    "the two terms of dx are sums over the features instead of means",
    "A mean over D numbers passes on 1/D to each.",
    dx="(dxhat - D * from_mean - D * from_variance) / root",
)
layernorm_backward.slip(
    "1 / sqrt(var + eps) is missing from dx",
    "Forward divides by the root. What does that do to a small step in x?",
    dx="dxhat - from_mean - from_variance",
)
layernorm_backward.slip(
    "weight is missing from dx", "The last forward step multiplies by weight: start there.", dxhat="dy"
)
layernorm_backward.slip(
    "weight is multiplied in at the end instead of the beginning",
    "Backward runs in reverse. Which forward step came last, and so which comes first here?",
    dxhat="dy",
    dx="(dxhat - from_mean - from_variance) / root * weight",
)
for _words, _how, _why in (
    ("not summed: one gradient per token is left", "{}",
     "weight has shape (D,), and every token of every image used it."),
    ("summed over the tokens but not over the batch", "{}.sum(axis=1)",
     "weight has shape (D,), and every image used it."),
    ("summed over the batch but not over the tokens", "{}.sum(axis=0)",
     "weight has shape (D,), and every token used it."),
    ("means over the tokens instead of sums", "{}.mean(axis=(0, 1))", "Each use of a parameter adds its gradient. Does "
     "anything divide?"),
):  # fmt: skip
    layernorm_backward.slip(
        f"dweight and dbias are {_words}", _why, dweight=_how.format("(dy * xhat)"), dbias=_how.format("dy")
    )
layernorm_backward.slip(
    "dweight is built from x instead of xhat",
    "What exactly does forward multiply weight with?",
    dweight="scale_gradient(dy * x)",
)
layernorm_backward.slip(
    "dweight is built from dy alone, without xhat",
    "What exactly does forward multiply weight with?",
    dweight="scale_gradient(dy)",
)
layernorm_backward.slip(
    "dweight still contains weight",
    "The derivative of weight xhat with respect to weight: does weight itself appear?",
    dweight="scale_gradient(dy * weight * xhat)",
)
layernorm_backward.slip(
    "dbias still contains weight",
    "The derivative of weight xhat + bias with respect to bias: does weight appear?",
    dbias="bias_gradient(dy * weight)",
)
layernorm_backward.slip(
    "eps is not used",
    "One token of every image hardly varies, and there eps counts.",
    xhat="standardise(x, -1, 0)",
    root="x.var(axis=-1, keepdims=True) ** 0.5",
)


# ---- rmsnorm_backward(dy, x, weight, eps) -> dx, dweight -------------------------------------------------------------


@exercise(
    cases=lambda rng: [case[:4] for case in _layernorm_backward_cases(rng)],
    outputs={"dx": "(B, T, D)", "dweight": "(D,)"}, level=3, minutes=35,
)  # fmt: skip
def rmsnorm_backward(dy, x, weight, eps):
    squares = x * x  # the squares
    root = (squares.mean(axis=-1, keepdims=True) + eps) ** 0.5  # the root
    xhat = x / root  # the normalised token
    dxhat = dy * weight  # dxhat
    along = xhat * (dxhat * xhat).mean(axis=-1, keepdims=True)  # the term along xhat
    dx = (dxhat - along) / root  # dx
    dweight = scale_gradient(dy * xhat)  # dweight
    return dx, dweight


rmsnorm_backward.slip(
    "the term along xhat is left out of dx: the root was treated as a constant",
    "The root depends on x too. What does that add to dx?",
    dx="dxhat / root",
)
rmsnorm_backward.slip(
    "dx is that of layer norm: a mean is taken away that the forward never took away",
    "Add the same number to all of x: does y stay the same here?",
    dx="(dxhat - dxhat.mean(axis=-1, keepdims=True) - along) / root",
)
rmsnorm_backward.slip(
    "the variance is used where the mean square belongs",
    "Nothing is shifted here: what is the mean of x^2?",
    root="(x.var(axis=-1, keepdims=True) + eps) ** 0.5",
)
rmsnorm_backward.slip(
    "1 / root is missing from dx", "Forward divides by the root. What does that do to a small step?", dx="dxhat - along"
)
rmsnorm_backward.slip(
    "the term along xhat is a sum over the features, not a mean",
    "A mean over D numbers passes on 1/D to each.",
    along="xhat * (dxhat * xhat).sum(axis=-1, keepdims=True)",
)


# ---- fold_norm(weight, bias, next_weight, next_bias) -> new_weight, new_bias -----------------------------------------


def _fold_cases(rng):
    return [
        (rng.normal(1, 0.5, D), rng.normal(0, 1, D), rng.normal(0, 1, (O, D)), rng.normal(0, 1, O))
        for D, O in ((3, 5), (6, 4), (4, 4))
    ]


@exercise(cases=_fold_cases, outputs={"new_weight": "(O, D)", "new_bias": "(O,)"}, level=2, minutes=15)
def fold_norm(weight, bias, next_weight, next_bias):
    O, D = next_weight.shape
    new_weight = next_weight * weight  # new_weight
    carried = next_weight @ bias  # what the layer makes of the norm's offset
    new_bias = carried + next_bias  # new_bias
    return new_weight, new_bias


fold_norm.slip("the norm's offset is lost", "What does the layer make of the offset?", new_bias="next_bias")
fold_norm.slip("the layer's own bias is lost", "Which of the four arguments is not used?", new_bias="carried")
fold_norm.slip(
    "the offset goes through the new weight, and so is scaled",
    "In the norm, is the offset added before or after the scale?",
    carried="new_weight @ bias",
)
fold_norm.slip(
    "the offset is added to the layer's bias as it is", "The offset has D numbers and stands before the layer.",
    carried="np.resize(bias, O)",
)  # fmt: skip
fold_norm.slip(
    "the offset meets the layer transposed", "Which axis of next_weight counts the features?",
    carried="np.resize(next_weight.T, (O, D)) @ bias",
)  # fmt: skip
fold_norm.slip(
    "the scale acts on the outputs of the layer, not on its inputs",
    "The scale has a number for every feature that the layer reads: rows or columns of next_weight?",
    new_weight="next_weight * np.resize(weight, O)[:, None]",
)
fold_norm.slip("the scale is lost", "Which of the four arguments is not used?", new_weight="next_weight")
fold_norm.slip("divided by the scale, not multiplied", "The norm multiplies. What must the layer do?",
               new_weight="next_weight / weight")  # fmt: skip
