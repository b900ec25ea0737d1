"""Exercises of notebooks/03_attention.ipynb."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import softmax as softmax_of
from ..slips.steps import softmax_backward as softmax_backward_of
from ..slips.steps import swap

__all__ = [
    "attention", "attention_backward", "attention_with_copies", "masked_attention", "scaled_scores_backward",
    "softmax", "softmax_backward", "temperature_backward",
]  # fmt: skip

ASKING = {"T": "the tokens that ask", "S": "the tokens asked"}


# ---- softmax ------------------------------------------------------------------------------------------------------


def _softmax_cases(rng):
    wide = np.array([[900.0, 903.0, 901.5, 902.0, 900.5], [-900.0, -902.0, -901.0, -900.5, -903.0]])
    wide = np.concatenate([wide, [[-800.0, 0.0, 1.0, 2.0, 800.0]]])
    return [(3 * rng.standard_normal(shape),) for shape in [(6,), (3, 5), (2, 4, 7)]] + [(wide,)]


@exercise(cases=_softmax_cases, outputs={"A": "(..., S)"}, level=1, minutes=10)
def softmax(x):
    shifted = x - x.max(axis=-1, keepdims=True)  # the shifted scores
    e = np.exp(shifted)  # the positive numbers
    return e / e.sum(axis=-1, keepdims=True)  # the weights


_ROW_SUMS = "Each row (last axis) should sum to 1 by itself: check A.sum(-1)."
softmax.slip(
    "the row's maximum is not subtracted, so exp overflows",
    "Right for small numbers, NaN for large ones: exp(900) is more than a float can hold. What may you subtract from a "
    "row without changing its softmax?",
    "What are exp(1) / (exp(1) + exp(2)) and exp(901) / (exp(901) + exp(902))?",
    e="np.exp(x)",
)
softmax.slip(
    "the maximum of the whole array is subtracted, not each row's",
    "A row far below that maximum becomes 0 / 0. Which maximum does each row need?",
    shifted="x - x.max()",
)
softmax.slip(
    "the mean is subtracted, not the maximum",
    "exp can still overflow when a row is spread out. After the shift, no number may be above 0.",
    shifted="x - x.mean(axis=-1, keepdims=True)",
)
softmax.slip("everything is divided by one total, instead of each row by its own", _ROW_SUMS, result="softmax(x, None)")
softmax.slip(
    "everything is divided by one total, instead of each row by its own, and no maximum is subtracted",
    _ROW_SUMS,
    result="np.exp(x) / np.exp(x).sum()",
)
softmax.slip("the sign is turned: exp(-x)", "The largest score should get the largest weight.", result="softmax(-x)")
softmax.slip("each row's maximum is subtracted, but all rows are divided by one total", _ROW_SUMS, result="e / e.sum()")
softmax.slip(
    "divided by the largest number, not by the sum",
    "The largest entry came out as 1. The weights of a row should sum to 1.",
    result="e",
)
softmax.slip(
    "exp is missing",
    "Weights must be positive even where x is negative. What makes every number positive?",
    result="x / x.sum(axis=-1, keepdims=True)",
)
softmax.slip(
    "this is the logarithm of softmax",
    "The weights should be positive and sum to 1; exp of your result would be.",
    result="shifted - np.log(e.sum(axis=-1, keepdims=True))",
)
for _axis, _words in ((0, "the first axis"), (-2, "the second-last axis"), (1, "axis 1, however many axes there are")):
    for _way, _x in (("", f"x - x.max(axis={_axis}, keepdims=True)"), (", and no maximum is subtracted", "x")):
        softmax.slip(
            f"the sum runs over {_words}, not the last{_way}",
            _ROW_SUMS,
            weight=0.8 + 0.1 * (_axis != 0) + 0.01 * bool(_way),
            result=f"np.exp({_x}) / np.exp({_x}).sum(axis={_axis}, keepdims=True)",
        )


def _softmax_backward_cases(rng):
    return [(rng.standard_normal(s), softmax_of(2 * rng.standard_normal(s))) for s in [(5,), (3, 4), (2, 3, 5, 7)]]


@exercise(cases=_softmax_backward_cases, outputs={"dx": "(..., S)"}, level=2, minutes=20)
def softmax_backward(dA, A):
    total = (dA * A).sum(axis=-1, keepdims=True)  # the sum over each row
    return A * (dA - total)  # the gradient


softmax_backward.slip(
    "only the diagonal of the Jacobian is used: A (1 - A)",
    "Raising one score also lowers every *other* weight of the row. Where does that show in your formula?",
    result="A * (1 - A) * dA",
)
softmax_backward.slip(
    "A (1 - A) without dA",
    "The chain rule multiplies with the gradient that arrives; where is dA?",
    result="A * (1 - A)",
)
softmax_backward.slip(
    "the sum is not multiplied by A",
    "Both terms of the Jacobian, diag(A) and A A^T, carry the A of their own entry.",
    result="A * dA - total",
)
softmax_backward.slip(
    "A stands in the second term alone", "Both terms carry the A of their own entry.", result="dA - A * total"
)
softmax_backward.slip("A is squared in the first term", "diag(A) holds A itself.", result="A * A * dA - A * total")
softmax_backward.slip(
    "A dA, with nothing subtracted",
    "Adding the same number to all scores changes no weight, so every row of dx must sum to 0. Does yours?",
    result="A * dA",
)


# ---- attention ----------------------------------------------------------------------------------------------------

_SIZES = [(2, 3, 5, 7, 4), (1, 2, 4, 6, 3), (3, 2, 6, 5, 8)]  # B, h, T, S, Dh: all different, so that no axis can hide


def _qkv(rng, sizes):
    B, h, T, S, Dh = sizes
    return tuple(1.2 * rng.standard_normal((B, h, n, Dh)) for n in (T, S, S))


@exercise(
    cases=lambda rng: [_qkv(rng, sizes) for sizes in _SIZES],
    outputs={"y": "(B, h, T, Dh)"}, axes=ASKING, level=1, minutes=15,
)  # fmt: skip
def attention(q, k, v):
    B, h, T, Dh = q.shape
    S = k.shape[2]
    scores = q @ swap(k) / np.sqrt(Dh)  # the scores
    A = softmax_of(scores)  # the weights
    return A @ v  # the answer


attention.slip(
    "the scale acts on the weights, after softmax",
    "Each row of A should sum to 1 when it meets v. Where does Eq. 6 put the scale?",
    A="softmax(q @ swap(k)) / np.sqrt(Dh)",
)
attention.slip(
    "the scale comes from the width D = h Dh, not from the head size",
    "How many terms does one dot product q . k add up?",
    scores="q @ swap(k) / np.sqrt(h * Dh)",
)
attention.slip(
    "the keys are averaged, not the values",
    "Keys say how well a token fits the question. What does the answer consist of?",
    result="A @ k",
)
attention.slip(
    "the queries are compared with the values, not with the keys",
    "Of the three letters in Eq. 6, one should not appear in the scores.",
    scores="q @ swap(v) / np.sqrt(Dh)",
)
attention.slip(
    "softmax's pair (A, cache) is used as if it were A",
    "`softmax` of vitedu_numpy returns two things. Take the first.",
    A="np.stack([softmax(scores)] * 2)",
)
attention.slip(
    "the weights are transposed when they meet v",
    "A row of A belongs to a token that asks: which of its axes is summed over with the rows of v?",
    result="swap(A) @ v",
)
attention.slip(
    "q and k have changed places: rows of the scores should belong to the tokens that ask",
    "The scores should have shape (B, h, T, S), and q is the one with T tokens.",
    scores="k @ swap(q) / np.sqrt(Dh)",
)


# ---- masked_attention ---------------------------------------------------------------------------------------------


def _masked_cases(rng):
    """A causal mask (T, S), a padding mask (B, 1, 1, S), a free one (B, h, T, S); every row allows some, not all."""
    cases = []
    sizes_of_kind = {"causal": (2, 3, 5, 7, 4), "padding": (3, 2, 4, 6, 3), "free": (2, 2, 6, 5, 8)}
    for kind, sizes in sizes_of_kind.items():
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


@exercise(cases=_masked_cases, outputs={"y": "(B, h, T, Dh)"}, axes=ASKING, level=2, minutes=15)
def masked_attention(q, k, v, mask):
    B, h, T, Dh = q.shape
    S = k.shape[2]
    scores = q @ swap(k) / np.sqrt(Dh)  # the scores
    masked = np.where(mask, scores, -np.inf)  # the masked scores
    A = softmax_of(masked)  # the weights
    return A @ v  # the answer


masked_attention.slip(
    "the mask is inverted", "True means: may be asked. Which scores should become minus infinity?",
    masked="np.where(mask, -np.inf, scores)",
)  # fmt: skip
masked_attention.slip(
    "the mask acts after softmax, and the rows no longer sum to 1",
    "A forbidden token must not take part in the sum under the fraction either.",
    A="softmax(scores) * mask",
)
masked_attention.slip(
    "the mask acts after softmax with the allowed and the forbidden exchanged",
    "True means: may be asked. And a forbidden token must not take part in the sum under the fraction.",
    A="softmax(scores) * ~mask",
)
for _low in ("np.where(mask, scores, -1.0)", "np.where(mask, scores, -10.0)", "scores - 10.0 * ~mask"):
    masked_attention.slip(
        "the forbidden scores are negative, but not low enough",
        "Other scores may be lower still. Which number has exp = 0?",
        masked=_low,
    )
for _zero in ("np.where(mask, scores, 0)", "np.where(mask, scores, np.finfo(float).tiny)"):
    masked_attention.slip(
        "the forbidden scores become 0",
        "exp(0) = 1: a score of 0 is still asked. Which number has exp = 0?",
        masked=_zero,
    )
masked_attention.slip(
    "the forbidden scores become +infinity", "exp should give 0 there. Check the sign.",
    masked="np.where(mask, scores, np.inf)",
)  # fmt: skip
masked_attention.slip(
    "0 is multiplied by infinity, which is NaN, not 0",
    "What is 0 * inf? Choose between two numbers instead of adding a product.",
    masked="scores + ~mask * -np.inf",
)
masked_attention.slip(
    "the mask is added to the scores as numbers (True = 1)",
    "Adding 1 to a score forbids nothing. What has to be added where the mask is False?",
    masked="scores + mask",
)
masked_attention.slip("the mask is not used", "Forbidden tokens still have weights above 0.", masked="scores")
masked_attention.slip(
    "the mask multiplies exp(scores), and softmax takes the exponential once more",
    "One exponential is enough. Mask the scores before it, or mask the exponentials and divide by their sum.",
    masked="np.exp(scores) * mask",
)

# ---- attention_backward -------------------------------------------------------------------------------------------


def _backward_cases(rng):
    return [(1.2 * rng.standard_normal((B, h, T, Dh)), *_qkv(rng, (B, h, T, S, Dh))) for B, h, T, S, Dh in _SIZES]


@exercise(
    cases=_backward_cases,
    outputs={"dq": "(B, h, T, Dh)", "dk": "(B, h, S, Dh)", "dv": "(B, h, S, Dh)"},
    axes=ASKING, level=3, minutes=40,
)  # fmt: skip
def attention_backward(dy, q, k, v):
    B, h, T, Dh = q.shape
    S = k.shape[2]
    scores = q @ swap(k) / np.sqrt(Dh)  # the scores
    A = softmax_of(scores)  # the weights
    dA = dy @ swap(v)  # dA
    dscores = softmax_backward_of(dA, A) / np.sqrt(Dh)  # dscores
    dq = dscores @ k  # dq
    dk = swap(dscores) @ q  # dk
    dv = swap(A) @ dy  # dv
    return dq, dk, dv


_BACK = "The scores were divided by sqrt(Dh) on the way forward; the same factor acts on the way back."
attention_backward.slip(
    "the scale is forgotten in dq and dk", _BACK, dscores="softmax_backward(dA, A)",
)  # fmt: skip
attention_backward.slip("the scale is forgotten in dq", _BACK, dq="dscores @ k * np.sqrt(Dh)")
attention_backward.slip("the scale is forgotten in dk", _BACK, dk="swap(dscores) @ q * np.sqrt(Dh)")
attention_backward.slip(
    "the scale acts twice on dq and dk",
    "One division forward, one division back. Is it in dscores and again later, or is a square root missing?",
    dscores="softmax_backward(dA, A) / Dh",
)
attention_backward.slip(
    "dv carries the scale",
    "v enters after softmax: how many of the forward lines lie between v and y?",
    dv="swap(A) @ dy / np.sqrt(Dh)",
)
attention_backward.slip(
    "the scale is missing altogether, forward and backward",
    "A was computed from scores that were not divided by sqrt(Dh).",
    scores="q @ swap(k)",
    dscores="softmax_backward(dA, A)",
)
attention_backward.slip(
    "dA is made from the keys, not from the values", "y = A v. Which letter stands beside A?", dA="dy @ swap(k)"
)
attention_backward.slip(
    "dscores comes from the scores, not from the weights",
    "Softmax's backward is written with the weights A. Which variable did you pass?",
    dscores="softmax_backward(dA, scores) / np.sqrt(Dh)",
)


# ---- scaled_scores_backward(dscores, q, k, scale) -> dq, dk, dscale --------------------------------------------------


def _scale_cases(rng):
    return [
        (rng.standard_normal((B, h, T, S)), *_qkv(rng, (B, h, T, S, Dh))[:2], scale)
        for (B, h, T, S, Dh), scale in zip(_SIZES, (0.7, 1.4, 0.3), strict=True)
    ]


@exercise(
    cases=_scale_cases,
    outputs={"dq": "(B, h, T, Dh)", "dk": "(B, h, S, Dh)", "dscale": "(one number)"},
    axes=ASKING, level=2, minutes=15,
)  # fmt: skip
def scaled_scores_backward(dscores, q, k, scale):
    products = q @ swap(k)  # the products, before the scale
    dq = dscores @ k * scale  # dq
    dk = swap(dscores) @ q * scale  # dk
    dscale = (dscores * products).sum()  # dscale
    return dq, dk, dscale


scaled_scores_backward.slip(
    "the scale is forgotten in dq and dk",
    "q and k reach the scores through the scale: what does it do to a small step in q?",
    dq="dscores @ k",
    dk="swap(dscores) @ q",
)
scaled_scores_backward.slip(
    "dscale is made from the scores, which are scaled already",
    "If scale grows by 1, by how much does a score grow? Not by the score itself.",
    dscale="(dscores * scale * products).sum()",
)
scaled_scores_backward.slip(
    "dscale is a mean over the scores, not a sum",
    "One number was used in every score. What becomes of the gradients of all its uses?",
    dscale="(dscores * products).mean()",
)
scaled_scores_backward.slip(
    "dscale is the sum of dscores: every product is taken to be 1",
    "What stands beside scale in the forward?",
    dscale="dscores.sum()",
)
scaled_scores_backward.slip(
    "the scale is taken to be 1 / sqrt(Dh), as in Eq. 6",
    "Here the scale is an argument, and learned.",
    dq="dscores @ k / np.sqrt(q.shape[-1])",
    dk="swap(dscores) @ q / np.sqrt(q.shape[-1])",
)


# ---- attention_with_copies(q, k, v, copies) -> y ---------------------------------------------------------------------


def _copies_cases(rng):
    return [(*_qkv(rng, sizes), rng.permutation(np.arange(sizes[3]) % 4 + 1)) for sizes in _SIZES]


@exercise(cases=_copies_cases, outputs={"y": "(B, h, T, Dh)"}, axes=ASKING, level=2, minutes=20)
def attention_with_copies(q, k, v, copies):
    B, h, T, Dh = q.shape
    S = k.shape[2]
    scores = q @ swap(k) / np.sqrt(Dh)  # the scores
    raised = scores + np.log(copies)  # the scores of all copies together
    A = softmax_of(raised)  # the weights
    return A @ v  # the answer


attention_with_copies.slip(
    "`copies` is not used", "How much weight do three equal tokens get together?", raised="scores"
)
attention_with_copies.slip(
    "the scores are multiplied by `copies`", "Three tokens of score 0 weigh more than one. Do they here?",
    raised="scores * copies",
)  # fmt: skip
attention_with_copies.slip(
    "`copies` is added to the scores, without a logarithm",
    "Two copies should get twice the weight. What does a score that is larger by 2 do to a weight?",
    raised="scores + copies",
)
attention_with_copies.slip(
    "the logarithm is added before the division by the root of Dh, and divided too",
    "Two copies should get twice the weight: by how much must the score be larger when it enters softmax?",
    raised="scores + np.log(copies) / np.sqrt(Dh)",
)
attention_with_copies.slip(
    "the logarithm is taken away, not added", "Do more copies get more weight, or less?",
    raised="scores - np.log(copies)",
)  # fmt: skip
attention_with_copies.slip(
    "the weights, or the values, are multiplied by `copies` after softmax: the rows no longer sum to 1",
    "The copies must stand in the sum under the fraction too.",
    A="softmax_of(scores) * copies",
)
attention_with_copies.slip(
    "the logarithm has base 2", "What undoes exp?", raised="scores + np.log2(copies)"
)  # fmt: skip


# ---- temperature_backward(dA, x, tau) -> dx, dtau --------------------------------------------------------------------


def _tau_cases(rng):
    cases = [(rng.standard_normal(s), rng.standard_normal(s), tau) for s, tau in (((3, 5), 2.0), ((2, 4, 3), 0.5))]
    return [*cases, (rng.standard_normal((6, 2)), rng.standard_normal((6, 2)), 1.3)]


@exercise(cases=_tau_cases, outputs={"dx": "(..., S)", "dtau": "(one number)"}, level=3, minutes=30)
def temperature_backward(dA, x, tau):
    s = x / tau  # the scores
    A = softmax_of(s)  # the weights
    ds = softmax_backward_of(dA, A)  # the gradient of the scores
    dx = ds / tau  # dx
    each = ds * s  # each entry's part of dtau
    return dx, -each.sum() / tau


temperature_backward.slips_in(
    "result",
    ("dtau has the wrong sign", "A larger tau makes the scores smaller.", "(dx, each.sum() / tau)"),
    ("dtau is not divided by tau", "s = x / tau: what is its derivative with respect to tau?", "(dx, -each.sum())"),
    ("dtau is the mean over the entries", "All entries have used the same tau.", "(dx, -each.mean() / tau)"),
    ("dtau is kept apart for each row", "All rows have used the same tau.", "(dx, -each.sum(axis=-1) / tau)"),
)  # fmt: skip
temperature_backward.slip("the scores are multiplied by tau", "What does a large tau do to the weights?", s="x * tau")
