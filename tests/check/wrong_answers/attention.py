"""Checks for the exercises of notebooks/03_attention.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake, quiet
from vitedu_numpy.layers.attention import attention as np_attention
from vitedu_numpy.layers.attention import attention_backward as np_attention_backward
from vitedu_numpy.layers.softmax import softmax as np_softmax
from vitedu_numpy.layers.softmax import softmax_backward as np_softmax_backward

__all__ = ["attention", "attention_backward", "masked_attention", "softmax", "softmax_backward"]


def _swap(x):
    return x.swapaxes(-1, -2)


def _A(scores, axis=-1):
    """Softmax over any axis, or over everything (None)."""
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# ---- softmax ------------------------------------------------------------------------------------------------------


def _softmax_cases(rng):
    wide = np.array([[900.0, 903.0, 901.5, 902.0, 900.5], [-900.0, -902.0, -901.0, -900.5, -903.0]])
    wide = np.concatenate([wide, [[-800.0, 0.0, 1.0, 2.0, 800.0]]])
    return [(3 * rng.standard_normal(shape),) for shape in [(6,), (3, 5), (2, 4, 7)]] + [(wide,)]


@quiet
def _softmax_axis_unshifted(x, axis):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


@quiet
def _softmax_whole_maximum(x):
    e = np.exp(x - x.max())
    return e / e.sum(axis=-1, keepdims=True)


@quiet
def _softmax_mean_subtracted(x):
    e = np.exp(x - x.mean(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _softmax_total(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum()


def _softmax_no_keepdims(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1)


def _softmax_largest_one(x):
    return np.exp(x - x.max(axis=-1, keepdims=True))


def _softmax_no_exp(x):
    return x / x.sum(axis=-1, keepdims=True)


@quiet
def _softmax_no_exp_shifted(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x / x.sum(axis=-1, keepdims=True)


_ROW_SUMS = "Each row (last axis) should sum to 1 by itself: check A.sum(-1)."
_POSITIVE = "Weights must be positive even where x is negative. What makes every number positive?"

softmax = Check(
    "softmax",
    reference=lambda x: np_softmax(x)[0],
    cases=_softmax_cases,
    outputs={"A": "(..., S)"},
    mistakes=[
        Mistake(
            "the row's maximum is not subtracted, so exp overflows",
            "Right for small numbers, NaN for large ones: exp(900) is more than a float can hold. What may you "
            "subtract from a row without changing its softmax?",
            lambda x: _softmax_axis_unshifted(x, -1),
        ),
        Mistake(
            "the maximum of the whole array is subtracted, not each row's",
            "A row far below that maximum becomes 0 / 0. Which maximum does each row need?",
            _softmax_whole_maximum,
        ),
        Mistake(
            "the mean is subtracted, not the maximum",
            "exp can still overflow when a row is spread out. After the shift, no number may be above 0.",
            _softmax_mean_subtracted,
        ),
        Mistake("the sum runs over the first axis, not the last", _ROW_SUMS, lambda x: _A(x, 0)),
        Mistake(
            "the sum runs over the first axis, not the last, and no maximum is subtracted",
            _ROW_SUMS,
            lambda x: _softmax_axis_unshifted(x, 0),
        ),
        Mistake("the sum runs over the second-last axis, not the last", _ROW_SUMS, lambda x: _A(x, -2)),
        Mistake(
            "the sum runs over axis 1, however many axes there are",
            "x may have any number of axes in front. Which axis is the one to sum over, counted from the end?",
            lambda x: _A(x, 1),
        ),
        Mistake("everything is divided by one total, instead of each row by its own", _ROW_SUMS, lambda x: _A(x, None)),
        Mistake(
            "everything is divided by one total, instead of each row by its own, and no maximum is subtracted",
            _ROW_SUMS,
            lambda x: _softmax_axis_unshifted(x, None),
        ),
        Mistake("each row's maximum is subtracted, but all rows are divided by one total", _ROW_SUMS, _softmax_total),
        Mistake(
            "the sum has lost its axis (keepdims)",
            "Sums of shape (3,) do not line up with rows of shape (3, 5). How can a sum keep its axis with size 1?",
            _softmax_no_keepdims,
        ),
        Mistake(
            "divided by the largest number, not by the sum",
            "The largest entry came out as 1. The weights of a row should sum to 1.",
            _softmax_largest_one,
        ),
        Mistake("exp is missing", _POSITIVE, _softmax_no_exp),
        Mistake("exp is missing: the maximum is subtracted, nothing more", _POSITIVE, _softmax_no_exp_shifted),
        Mistake(
            "the sign is turned: exp(-x)",
            "The largest x should get the largest weight.",
            lambda x: _A(-x),
        ),
        Mistake(
            "this is the logarithm of softmax",
            "The weights should be positive and sum to 1; exp of your result would be.",
            lambda x: x - x.max(-1, keepdims=True) - np.log(_softmax_largest_one(x).sum(-1, keepdims=True)),
        ),
    ],
)


# ---- softmax_backward ---------------------------------------------------------------------------------------------


def _softmax_backward_cases(rng):
    shapes = [(5,), (3, 4), (2, 3, 5, 7)]
    return [(rng.standard_normal(s), _A(2 * rng.standard_normal(s))) for s in shapes]


def _project(dA, A, axis=-1):
    """A (dA - sum dA A), with the sum over any axis or over everything."""
    return A * (dA - (dA * A).sum(axis=axis, keepdims=True))


_DIAGONAL = (
    "only the diagonal of the Jacobian is used: A (1 - A)",
    "Raising one score also lowers every *other* weight of the row. Where does that show in your formula?",
)
_INSIDE_A_ROW = "The sum collects what one row of A got; rows do not know of each other. Which axis is inside a row?"

softmax_backward = Check(
    "softmax_backward",
    reference=lambda dA, A: np_softmax_backward(dA, A),
    cases=_softmax_backward_cases,
    outputs={"dx": "(..., S)"},
    mistakes=[
        Mistake(*_DIAGONAL, lambda dA, A: A * (1 - A) * dA),
        Mistake(
            "A (1 - A) without dA",
            "The chain rule multiplies with the gradient that arrives; where is dA?",
            lambda dA, A: A * (1 - A),
        ),
        Mistake(
            "A dA, with nothing subtracted",
            "Adding the same number to all scores changes no weight, so every row of dx must sum to 0. Does yours?",
            lambda dA, A: A * dA,
        ),
        Mistake("the sum runs over the first axis, not the last", _INSIDE_A_ROW, lambda dA, A: _project(dA, A, 0)),
        Mistake("the sum runs over the second-last axis", _INSIDE_A_ROW, lambda dA, A: _project(dA, A, -2)),
        Mistake("the sum runs over axis 1, not the last", _INSIDE_A_ROW, lambda dA, A: _project(dA, A, 1)),
        Mistake(
            "one sum over everything, instead of one for each row",
            "Rows are independent: a gradient in one row must not reach another.",
            lambda dA, A: _project(dA, A, None),
        ),
        Mistake(
            "the sign is turned",
            "Raising a score raises its own weight: the diagonal of the Jacobian is positive.",
            lambda dA, A: -_project(dA, A),
        ),
        Mistake(
            "the sum is over dA alone, without A",
            "Write dx_j = sum_i dA_i dA_i/dx_j once more: what multiplies dA_i in the second term?",
            lambda dA, A: A * (dA - dA.sum(axis=-1, keepdims=True)),
        ),
        Mistake(
            "the mean is subtracted, not the sum over dA A",
            "The weights A already sum to 1: nothing is left to divide by.",
            lambda dA, A: A * (dA - (dA * A).mean(axis=-1, keepdims=True)),
        ),
        Mistake(
            "the mean of dA is subtracted, without A",
            "The average to subtract is a weighted one. Which weights?",
            lambda dA, A: A * (dA - dA.mean(axis=-1, keepdims=True)),
        ),
        Mistake(
            "the factor A in front is missing",
            "Where A is almost 0, the score hardly matters, so dx must be almost 0.",
            lambda dA, A: dA - (dA * A).sum(axis=-1, keepdims=True),
        ),
        Mistake(
            "the sum is not multiplied by A",
            "Both terms of the Jacobian, diag(A) and A A^T, carry the A of their own entry.",
            lambda dA, A: A * dA - (dA * A).sum(axis=-1, keepdims=True),
        ),
        Mistake(
            "the sum has lost its axis (keepdims)",
            "Sums of shape (3,) do not line up with rows of shape (3, 4). How can a sum keep its axis with size 1?",
            lambda dA, A: A * (dA - (dA * A).sum(axis=-1)),
        ),
    ],
)


# ---- attention ----------------------------------------------------------------------------------------------------

_SIZES = [(2, 3, 5, 7, 4), (1, 2, 4, 6, 3), (3, 2, 6, 5, 8)]  # B, h, T, S, Dh: all different, so that no axis can hide


def _qkv(rng, sizes):
    B, h, T, S, Dh = sizes
    return tuple(1.2 * rng.standard_normal((B, h, n, Dh)) for n in (T, S, S))


def _scores(q, k):
    """q k^T / sqrt(Dh)"""
    return q @ _swap(k) / np.sqrt(q.shape[-1])


def _turned_keys(q, k, v):
    return _A(q @ k.T / np.sqrt(q.shape[-1])) @ v


def _dot(q, k, v):
    return np.dot(_A(np.dot(q, _swap(k)) / np.sqrt(q.shape[-1])), v)


_ONE_OVER_DH = (
    "the scores are divided by Dh, not by its square root",
    "Their standard deviation, not their variance, should become 1.",
)

attention = Check(
    "attention",
    reference=lambda q, k, v: np_attention(q, k, v)[0],
    cases=lambda rng: [_qkv(rng, sizes) for sizes in _SIZES],
    outputs={"y": "(B, h, T, Dh)"},
    mistakes=[
        Mistake(
            "the scale is missing",
            "The scores grow with the number of terms in the dot product. Eq. 6 divides by something.",
            lambda q, k, v: _A(q @ _swap(k)) @ v,
        ),
        Mistake(*_ONE_OVER_DH, lambda q, k, v: _A(q @ _swap(k) / q.shape[-1]) @ v),
        Mistake(
            "the scale comes from the width D = h Dh, not from the head size",
            "How many terms does one dot product q . k add up?",
            lambda q, k, v: _A(q @ _swap(k) / np.sqrt(q.shape[1] * q.shape[-1])) @ v,
        ),
        Mistake(
            "the scores are multiplied by sqrt(Dh), not divided",
            "Are the scores to become larger or smaller?",
            lambda q, k, v: _A(q @ _swap(k) * np.sqrt(q.shape[-1])) @ v,
        ),
        Mistake(
            "the scale comes from the number of tokens, not from the head size",
            "Which axis does one dot product q . k add up, and how long is it?",
            lambda q, k, v: _A(q @ _swap(k) / np.sqrt(k.shape[-2])) @ v,
        ),
        Mistake(
            "the scale acts on the weights, after softmax",
            "Each row of A should sum to 1 when it meets v. Where does Eq. 6 put the scale?",
            lambda q, k, v: _A(q @ _swap(k)) / np.sqrt(q.shape[-1]) @ v,
        ),
        Mistake(
            "the softmax runs over the tokens that ask (axis -2), not over those asked",
            "Each row of A should sum to 1: which axis did you sum over?",
            lambda q, k, v: _A(_scores(q, k), -2) @ v,
        ),
        Mistake(
            "the softmax runs over the heads (axis 1)",
            "Heads do not share weights. Each row of A should sum to 1 over the tokens asked.",
            lambda q, k, v: _A(_scores(q, k), 1) @ v,
        ),
        Mistake(
            "the softmax runs over the batch (axis 0)",
            "Images do not know of each other. Each row of A should sum to 1 over the tokens asked.",
            lambda q, k, v: _A(_scores(q, k), 0) @ v,
        ),
        Mistake(
            "one softmax over all scores of a head, instead of one per asking token",
            "Every token that asks gets its own weighted average: each row of A should sum to 1.",
            lambda q, k, v: _A(_scores(q, k), (-2, -1)) @ v,
        ),
        Mistake(
            "one softmax over everything, instead of one per asking token",
            "Every token that asks gets its own weighted average: each row of A should sum to 1.",
            lambda q, k, v: _A(_scores(q, k), None) @ v,
        ),
        Mistake(
            "the softmax is missing",
            "Raw scores are no weights: they may be negative and need not sum to 1.",
            lambda q, k, v: _scores(q, k) @ v,
        ),
        Mistake(
            "the keys are averaged, not the values",
            "Keys say how well a token fits the question. What does the answer consist of?",
            lambda q, k, v: _A(_scores(q, k)) @ k,
        ),
        Mistake(
            "the queries are compared with the values, not with the keys",
            "Of the three letters in Eq. 6, one should not appear in the scores.",
            lambda q, k, v: _A(_scores(q, v)) @ v,
        ),
        Mistake(
            "the weights A are returned, not the answer",
            "Eq. 7 has one more step after Eq. 6.",
            lambda q, k, v: _A(_scores(q, k)),
        ),
        Mistake(
            "softmax's pair (A, cache) is used as if it were A",
            "`softmax` of vitedu_numpy returns two things. Take the first.",
            lambda q, k, v: np.stack([_A(_scores(q, k))] * 2) @ v,
        ),
        Mistake(
            "q and k have changed places: rows of the scores should belong to the tokens that ask",
            "The scores should have shape (B, h, T, S), and q is the one with T tokens.",
            lambda q, k, v: _A(k @ _swap(q) / np.sqrt(q.shape[-1])) @ v,
        ),
        Mistake(
            "the keys are not transposed",
            "(T, Dh) times (S, Dh) does not fit. Which two axes of k have to change places?",
            lambda q, k, v: _A(q @ k / np.sqrt(q.shape[-1])) @ v,
        ),
        Mistake(
            "`k.T` turns around all four axes, not the last two",
            "Batch and heads should stay where they are. Which method swaps two axes only?",
            _turned_keys,
        ),
        Mistake(
            "`np.dot` multiplies every head with every other head",
            "Matrices of the same image and the same head should meet. Which operator multiplies stacks pairwise?",
            _dot,
        ),
    ],
)


# ---- masked_attention ---------------------------------------------------------------------------------------------


def _masked_cases(rng):
    """A causal mask (T, S), a padding mask (B, 1, 1, S), a free one (B, h, T, S); every row allows some, not all."""
    cases = []
    for kind, sizes in zip(
        ("causal", "padding", "free"), [(2, 3, 5, 7, 4), (3, 2, 4, 6, 3), (2, 2, 6, 5, 8)], strict=True
    ):
        B, h, T, S, _ = sizes
        if kind == "causal":
            mask = np.tri(T, S, dtype=bool)
        elif kind == "padding":
            mask = (np.arange(S) < np.arange(2, 2 + B)[:, None])[:, None, None]
        else:
            mask = rng.random((B, h, T, S)) < 0.5
            mask[..., 1], mask[..., 3] = True, False
        cases.append((*_qkv(rng, sizes), mask))
    return cases


@quiet
def _plus_infinity(q, k, v, mask):
    return np_softmax(np.where(mask, _scores(q, k), np.inf))[0] @ v


_INVERTED = ("the mask is inverted", "True means: may be asked. Which scores should become minus infinity?")

masked_attention = Check(
    "masked_attention",
    reference=lambda q, k, v, mask: np_attention(q, k, v, mask)[0],
    cases=_masked_cases,
    outputs={"y": "(B, h, T, Dh)"},
    mistakes=[
        Mistake(*_INVERTED, lambda q, k, v, mask: np_attention(q, k, v, ~mask)[0]),
        Mistake(
            "the mask acts after softmax, and the rows no longer sum to 1",
            "A forbidden token must not take part in the sum under the fraction either.",
            lambda q, k, v, mask: (_A(_scores(q, k)) * mask) @ v,
        ),
        Mistake(
            "the forbidden scores become 0",
            "exp(0) = 1: a score of 0 is still asked. Which number has exp = 0?",
            lambda q, k, v, mask: _A(_scores(q, k) * mask) @ v,
        ),
        Mistake(
            "the forbidden scores become +infinity",
            "exp should give 0 there. Check the sign.",
            _plus_infinity,
        ),
        Mistake(
            "the mask is added to the scores as numbers (True = 1)",
            "Adding 1 to a score forbids nothing. What has to be added where the mask is False?",
            lambda q, k, v, mask: _A(_scores(q, k) + mask) @ v,
        ),
        Mistake(
            "the mask is not used",
            "Forbidden tokens still have weights above 0.",
            lambda q, k, v, mask: _A(_scores(q, k)) @ v,
        ),
        Mistake(
            "the mask multiplies exp(scores), and softmax takes the exponential once more",
            "One exponential is enough. Mask the scores before it, or mask the exponentials and divide by their sum.",
            quiet(lambda q, k, v, mask: _A(np.exp(_scores(q, k)) * mask) @ v),
        ),
        Mistake(
            "the scale is missing",
            "The mask is fine. Eq. 6 divides the scores by something.",
            lambda q, k, v, mask: np_softmax(np.where(mask, q @ _swap(k), -np.inf))[0] @ v,
        ),
        Mistake(
            "the scale is missing, and the mask is inverted",
            "True means: may be asked. And Eq. 6 divides the scores by something.",
            lambda q, k, v, mask: np_softmax(np.where(mask, -np.inf, q @ _swap(k)))[0] @ v,
        ),
        Mistake(
            "the mask acts after softmax with the allowed and the forbidden exchanged",
            "True means: may be asked. And a forbidden token must not take part in the sum under the fraction.",
            lambda q, k, v, mask: (_A(_scores(q, k)) * ~mask) @ v,
        ),
    ],
)


# ---- attention_backward -------------------------------------------------------------------------------------------


def _backward_cases(rng):
    cases = []
    for B, h, T, S, Dh in _SIZES:
        cases.append((rng.standard_normal((B, h, T, Dh)), *_qkv(rng, (B, h, T, S, Dh))))
    return cases


def _backward(dy, q, k, v, dscores=_project, scale_q=1.0, scale_k=1.0, scale_v=0.0, other_v=None, forward_scale=-0.5):
    """The right gradients, but for what the arguments change: `scale_*` are powers of 1 / sqrt(Dh)."""
    s = q.shape[-1] ** -0.5
    A = _A(q @ _swap(k) * q.shape[-1] ** forward_scale)
    dA = dy @ _swap(v if other_v is None else other_v)
    d = dscores(dA, A)
    return s**scale_q * d @ k, s**scale_k * _swap(d) @ q, s**scale_v * _swap(A) @ dy


def _no_transpose_dv(dy, q, k, v):
    A = _A(_scores(q, k))
    return *_backward(dy, q, k, v)[:2], A @ dy


def _order(*order):
    return lambda dy, q, k, v: tuple(_backward(dy, q, k, v)[i] for i in order)


attention_backward = Check(
    "attention_backward",
    reference=lambda dy, q, k, v: np_attention_backward(dy, np_attention(q, k, v)[1]),
    cases=_backward_cases,
    outputs={"dq": "(B, h, T, Dh)", "dk": "(B, h, S, Dh)", "dv": "(B, h, S, Dh)"},
    mistakes=[
        Mistake(
            "the scale is forgotten in dq and dk",
            "The scores were divided by sqrt(Dh) on the way forward; the same factor acts on the way back.",
            lambda *a: _backward(*a, scale_q=0, scale_k=0),
        ),
        Mistake(
            "the scale is forgotten in dq",
            "dk has it, dq not: put the scale into dscores once, before both.",
            lambda *a: _backward(*a, scale_q=0),
        ),
        Mistake(
            "the scale is forgotten in dk",
            "dq has it, dk not: put the scale into dscores once, before both.",
            lambda *a: _backward(*a, scale_k=0),
        ),
        Mistake(
            "the scale acts twice on dq and dk",
            "One division forward, one division back. Is it in dscores and again later, or is a square root missing?",
            lambda *a: _backward(*a, scale_q=2, scale_k=2),
        ),
        Mistake(
            "dv carries the scale",
            "v enters after softmax: how many of the forward lines lie between v and y?",
            lambda *a: _backward(*a, scale_v=1),
        ),
        Mistake(
            "the scale is missing altogether, forward and backward",
            "A was computed from scores that were not divided by sqrt(Dh).",
            lambda *a: _backward(*a, scale_q=0, scale_k=0, forward_scale=0.0),
        ),
        Mistake(
            "the softmax backward is left out",
            "dA is the gradient of the weights; dq and dk need the gradient of the scores. What lies between?",
            lambda *a: _backward(*a, dscores=lambda dA, A: dA),
        ),
        Mistake(
            "only the diagonal of the softmax Jacobian is used: A (1 - A)",
            "Raising one score also lowers every *other* weight of the row. Where does that show in your formula?",
            lambda *a: _backward(*a, dscores=lambda dA, A: A * (1 - A) * dA),
        ),
        Mistake(
            "dscores is A dA, with nothing subtracted",
            "Every row of dscores must sum to 0: adding one number to a whole row of scores changes nothing.",
            lambda *a: _backward(*a, dscores=lambda dA, A: A * dA),
        ),
        Mistake(
            "dscores is A (1 - A) without dA",
            "The chain rule multiplies with the gradient that arrives; where is dA?",
            lambda *a: _backward(*a, dscores=lambda dA, A: A * (1 - A)),
        ),
        Mistake(
            "the sum of the softmax backward runs over the tokens that ask (axis -2)",
            "Softmax went over the tokens asked. Its backward sums over the same axis.",
            lambda *a: _backward(*a, dscores=lambda dA, A: _project(dA, A, -2)),
        ),
        Mistake(
            "the factor A of the softmax backward is missing",
            "Where A is almost 0, the score hardly matters, so dscores must be almost 0.",
            lambda *a: _backward(*a, dscores=lambda dA, A: dA - (dA * A).sum(-1, keepdims=True)),
        ),
        Mistake(
            "dA is made from the keys, not from the values",
            "y = A v. Which letter stands beside A?",
            lambda dy, q, k, v: _backward(dy, q, k, v, other_v=k),
        ),
        Mistake(
            "the sign of dq and dk is turned",
            "Check the sign of the softmax backward: raising a score raises its own weight.",
            lambda *a: _backward(*a, dscores=lambda dA, A: -_project(dA, A)),
        ),
        Mistake(
            "dq and dk have changed places",
            "dq has the shape of q, with T tokens.",
            _order(1, 0, 2),
        ),
        Mistake(
            "dk and dv have changed places",
            "They have the same shape, so only the numbers tell. The order asked for is dq, dk, dv.",
            _order(0, 2, 1),
        ),
        Mistake(
            "the order is dv, dk, dq instead of dq, dk, dv",
            "Backward finds dv first, but the gradients are returned in the order of the inputs.",
            _order(2, 1, 0),
        ),
        Mistake(
            "the order is dv, dq, dk instead of dq, dk, dv",
            "Backward finds dv first, but the gradients are returned in the order of the inputs.",
            _order(2, 0, 1),
        ),
        Mistake(  # the same crash in all three
            "a (T, S) matrix is not transposed in dv or dk, or it stands beside the wrong factor",
            "dk and dv have one row per token *asked*, and in a product each factor's gradient is made from the other "
            "factor. Write the three shapes of every product below each other.",
            _no_transpose_dv,
        ),
    ],
)
