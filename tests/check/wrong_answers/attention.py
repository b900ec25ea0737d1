"""Wrong answers to the exercises of notebooks/03_attention.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import quiet
from vitedu_numpy.layers.attention import attention as np_attention
from vitedu_numpy.layers.attention import attention_backward as np_attention_backward
from vitedu_numpy.layers.softmax import softmax as np_softmax
from vitedu_numpy.layers.softmax import softmax_backward as np_softmax_backward

from . import FirstGeneration

__all__ = ["attention", "attention_backward", "masked_attention", "softmax", "softmax_backward"]


def _swap(x):
    return x.swapaxes(-1, -2)


def _A(scores, axis=-1):
    """Softmax over any axis, or over everything (None)."""
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# ---- softmax ------------------------------------------------------------------------------------------------------


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


softmax = FirstGeneration(
    lambda x: np_softmax(x)[0],
    [
        ("the row's maximum is not subtracted, so exp overflows", lambda x: _softmax_axis_unshifted(x, -1)),
        ("the maximum of the whole array is subtracted, not each row's", _softmax_whole_maximum),
        ("the mean is subtracted, not the maximum", _softmax_mean_subtracted),
        ("the sum runs over the first axis, not the last", lambda x: _A(x, 0)),
        (
            "the sum runs over the first axis, not the last, and no maximum is subtracted",
            lambda x: _softmax_axis_unshifted(x, 0),
        ),
        ("the sum runs over the second-last axis, not the last", lambda x: _A(x, -2)),
        ("the sum runs over axis 1, however many axes there are", lambda x: _A(x, 1)),
        ("everything is divided by one total, instead of each row by its own", lambda x: _A(x, None)),
        (
            "everything is divided by one total, instead of each row by its own, and no maximum is subtracted",
            lambda x: _softmax_axis_unshifted(x, None),
        ),
        ("each row's maximum is subtracted, but all rows are divided by one total", _softmax_total),
        ("the sum has lost its axis (keepdims)", _softmax_no_keepdims),
        ("divided by the largest number, not by the sum", _softmax_largest_one),
        ("exp is missing", _softmax_no_exp),
        ("exp is missing: the maximum is subtracted, nothing more", _softmax_no_exp_shifted),
        ("the sign is turned: exp(-x)", lambda x: _A(-x)),
        (
            "this is the logarithm of softmax",
            lambda x: x - x.max(-1, keepdims=True) - np.log(_softmax_largest_one(x).sum(-1, keepdims=True)),
        ),
    ],
)


# ---- softmax_backward ---------------------------------------------------------------------------------------------


def _project(dA, A, axis=-1):
    """A (dA - sum dA A), with the sum over any axis or over everything."""
    return A * (dA - (dA * A).sum(axis=axis, keepdims=True))


_DIAGONAL = "only the diagonal of the Jacobian is used: A (1 - A)"

softmax_backward = FirstGeneration(
    lambda dA, A: np_softmax_backward(dA, A),
    [
        (_DIAGONAL, lambda dA, A: A * (1 - A) * dA),
        ("A (1 - A) without dA", lambda dA, A: A * (1 - A)),
        ("A dA, with nothing subtracted", lambda dA, A: A * dA),
        ("the sum runs over the first axis, not the last", lambda dA, A: _project(dA, A, 0)),
        ("the sum runs over the second-last axis", lambda dA, A: _project(dA, A, -2)),
        ("the sum runs over axis 1, not the last", lambda dA, A: _project(dA, A, 1)),
        ("one sum over everything, instead of one for each row", lambda dA, A: _project(dA, A, None)),
        ("the sign is turned", lambda dA, A: -_project(dA, A)),
        ("the sum is over dA alone, without A", lambda dA, A: A * (dA - dA.sum(axis=-1, keepdims=True))),
        (
            "the mean is subtracted, not the sum over dA A",
            lambda dA, A: A * (dA - (dA * A).mean(axis=-1, keepdims=True)),
        ),
        ("the mean of dA is subtracted, without A", lambda dA, A: A * (dA - dA.mean(axis=-1, keepdims=True))),
        ("the factor A in front is missing", lambda dA, A: dA - (dA * A).sum(axis=-1, keepdims=True)),
        ("the sum is not multiplied by A", lambda dA, A: A * dA - (dA * A).sum(axis=-1, keepdims=True)),
        ("the sum has lost its axis (keepdims)", lambda dA, A: A * (dA - (dA * A).sum(axis=-1))),
    ],
)


# ---- attention ----------------------------------------------------------------------------------------------------


def _scores(q, k):
    """q k^T / sqrt(Dh)"""
    return q @ _swap(k) / np.sqrt(q.shape[-1])


def _turned_keys(q, k, v):
    return _A(q @ k.T / np.sqrt(q.shape[-1])) @ v


def _dot(q, k, v):
    return np.dot(_A(np.dot(q, _swap(k)) / np.sqrt(q.shape[-1])), v)


_ONE_OVER_DH = "the scores are divided by Dh, not by its square root"

attention = FirstGeneration(
    lambda q, k, v: np_attention(q, k, v)[0],
    [
        ("the scale is missing", lambda q, k, v: _A(q @ _swap(k)) @ v),
        (_ONE_OVER_DH, lambda q, k, v: _A(q @ _swap(k) / q.shape[-1]) @ v),
        (
            "the scale comes from the width D = h Dh, not from the head size",
            lambda q, k, v: _A(q @ _swap(k) / np.sqrt(q.shape[1] * q.shape[-1])) @ v,
        ),
        (
            "the scores are multiplied by sqrt(Dh), not divided",
            lambda q, k, v: _A(q @ _swap(k) * np.sqrt(q.shape[-1])) @ v,
        ),
        (
            "the scale comes from the number of tokens, not from the head size",
            lambda q, k, v: _A(q @ _swap(k) / np.sqrt(k.shape[-2])) @ v,
        ),
        ("the scale acts on the weights, after softmax", lambda q, k, v: _A(q @ _swap(k)) / np.sqrt(q.shape[-1]) @ v),
        (
            "the softmax runs over the tokens that ask (axis -2), not over those asked",
            lambda q, k, v: _A(_scores(q, k), -2) @ v,
        ),
        ("the softmax runs over the heads (axis 1)", lambda q, k, v: _A(_scores(q, k), 1) @ v),
        ("the softmax runs over the batch (axis 0)", lambda q, k, v: _A(_scores(q, k), 0) @ v),
        (
            "one softmax over all scores of a head, instead of one per asking token",
            lambda q, k, v: _A(_scores(q, k), (-2, -1)) @ v,
        ),
        ("one softmax over everything, instead of one per asking token", lambda q, k, v: _A(_scores(q, k), None) @ v),
        ("the softmax is missing", lambda q, k, v: _scores(q, k) @ v),
        ("the keys are averaged, not the values", lambda q, k, v: _A(_scores(q, k)) @ k),
        ("the queries are compared with the values, not with the keys", lambda q, k, v: _A(_scores(q, v)) @ v),
        ("the weights A are returned, not the answer", lambda q, k, v: _A(_scores(q, k))),
        ("softmax's pair (A, cache) is used as if it were A", lambda q, k, v: np.stack([_A(_scores(q, k))] * 2) @ v),
        (
            "q and k have changed places: rows of the scores should belong to the tokens that ask",
            lambda q, k, v: _A(k @ _swap(q) / np.sqrt(q.shape[-1])) @ v,
        ),
        ("the keys are not transposed", lambda q, k, v: _A(q @ k / np.sqrt(q.shape[-1])) @ v),
        ("`k.T` turns around all four axes, not the last two", _turned_keys),
        ("`np.dot` multiplies every head with every other head", _dot),
    ],
)


# ---- masked_attention ---------------------------------------------------------------------------------------------


@quiet
def _plus_infinity(q, k, v, mask):
    return np_softmax(np.where(mask, _scores(q, k), np.inf))[0] @ v


_INVERTED = "the mask is inverted"

masked_attention = FirstGeneration(
    lambda q, k, v, mask: np_attention(q, k, v, mask)[0],
    [
        (_INVERTED, lambda q, k, v, mask: np_attention(q, k, v, ~mask)[0]),
        (
            "the mask acts after softmax, and the rows no longer sum to 1",
            lambda q, k, v, mask: (_A(_scores(q, k)) * mask) @ v,
        ),
        ("the forbidden scores become 0", lambda q, k, v, mask: _A(_scores(q, k) * mask) @ v),
        ("the forbidden scores become +infinity", _plus_infinity),
        ("the mask is added to the scores as numbers (True = 1)", lambda q, k, v, mask: _A(_scores(q, k) + mask) @ v),
        ("the mask is not used", lambda q, k, v, mask: _A(_scores(q, k)) @ v),
        (
            "the mask multiplies exp(scores), and softmax takes the exponential once more",
            quiet(lambda q, k, v, mask: _A(np.exp(_scores(q, k)) * mask) @ v),
        ),
        ("the scale is missing", lambda q, k, v, mask: np_softmax(np.where(mask, q @ _swap(k), -np.inf))[0] @ v),
        (
            "the scale is missing, and the mask is inverted",
            lambda q, k, v, mask: np_softmax(np.where(mask, -np.inf, q @ _swap(k)))[0] @ v,
        ),
        (
            "the mask acts after softmax with the allowed and the forbidden exchanged",
            lambda q, k, v, mask: (_A(_scores(q, k)) * ~mask) @ v,
        ),
    ],
)


# ---- attention_backward -------------------------------------------------------------------------------------------


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


attention_backward = FirstGeneration(
    lambda dy, q, k, v: np_attention_backward(dy, np_attention(q, k, v)[1]),
    [
        ("the scale is forgotten in dq and dk", lambda *a: _backward(*a, scale_q=0, scale_k=0)),
        ("the scale is forgotten in dq", lambda *a: _backward(*a, scale_q=0)),
        ("the scale is forgotten in dk", lambda *a: _backward(*a, scale_k=0)),
        ("the scale acts twice on dq and dk", lambda *a: _backward(*a, scale_q=2, scale_k=2)),
        ("dv carries the scale", lambda *a: _backward(*a, scale_v=1)),
        (
            "the scale is missing altogether, forward and backward",
            lambda *a: _backward(*a, scale_q=0, scale_k=0, forward_scale=0.0),
        ),
        ("the softmax backward is left out", lambda *a: _backward(*a, dscores=lambda dA, A: dA)),
        (
            "only the diagonal of the softmax Jacobian is used: A (1 - A)",
            lambda *a: _backward(*a, dscores=lambda dA, A: A * (1 - A) * dA),
        ),
        ("dscores is A dA, with nothing subtracted", lambda *a: _backward(*a, dscores=lambda dA, A: A * dA)),
        ("dscores is A (1 - A) without dA", lambda *a: _backward(*a, dscores=lambda dA, A: A * (1 - A))),
        (
            "the sum of the softmax backward runs over the tokens that ask (axis -2)",
            lambda *a: _backward(*a, dscores=lambda dA, A: _project(dA, A, -2)),
        ),
        (
            "the factor A of the softmax backward is missing",
            lambda *a: _backward(*a, dscores=lambda dA, A: dA - (dA * A).sum(-1, keepdims=True)),
        ),
        ("dA is made from the keys, not from the values", lambda dy, q, k, v: _backward(dy, q, k, v, other_v=k)),
        ("the sign of dq and dk is turned", lambda *a: _backward(*a, dscores=lambda dA, A: -_project(dA, A))),
        ("dq and dk have changed places", _order(1, 0, 2)),
        ("dk and dv have changed places", _order(0, 2, 1)),
        ("the order is dv, dk, dq instead of dq, dk, dv", _order(2, 1, 0)),
        ("the order is dv, dq, dk instead of dq, dk, dv", _order(2, 0, 1)),
        (  # the same crash in all three
            "a (T, S) matrix is not transposed in dv or dk, or it stands beside the wrong factor",
            _no_transpose_dv,
        ),
    ],
)
