"""The checks of notebooks/03_attention.ipynb: attention, masked and not, and its backward."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitedu_numpy.layers.attention import attention
from vitedu_numpy.layers.softmax import softmax

# ---- right answers in other styles -----------------------------------------------------------------------------------


def softmax_rows(x):
    out = np.empty_like(x)
    for i in np.ndindex(x.shape[:-1]):
        positive = np.exp(x[i] - max(x[i]))
        out[i] = positive / sum(positive)
    return out


def softmax_by_logarithm(x):
    shifted = x - np.max(x, -1)[..., None]
    return np.exp(shifted - np.log(np.sum(np.exp(shifted), -1))[..., None])


def attention_loops(q, k, v):
    y = np.zeros_like(q)
    for b, i, t in np.ndindex(q.shape[:3]):
        A = softmax_rows(np.array([sum(q[b, i, t] * key) / q.shape[-1] ** 0.5 for key in k[b, i]]))
        y[b, i, t] = sum(a * value for a, value in zip(A, v[b, i], strict=True))
    return y


def attention_einsum(q, k, v):
    A = softmax_by_logarithm(np.einsum("bhtd,bhsd->bhts", q * q.shape[-1] ** -0.25, k * k.shape[-1] ** -0.25))
    return np.einsum("bhts,bhsd->bhtd", A, v)


def attention_float32(q, k, v):
    return attention(*(x.astype(np.float32) for x in (q, k, v)))[0]


def attention_torch(q, k, v, mask=None):
    mask = None if mask is None else torch.from_numpy(mask)
    return F.scaled_dot_product_attention(*map(torch.from_numpy, (q, k, v)), attn_mask=mask)


def masked_by_large_number(q, k, v, mask):
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    return softmax_rows(scores + np.where(mask, 0.0, -1e9)) @ v


def masked_and_renormalised(q, k, v, mask):
    A = softmax_rows(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])) * mask
    return (A / A.sum(-1, keepdims=True)) @ v


def softmax_backward_jacobian(dA, A):
    dx = np.empty_like(A)
    for i in np.ndindex(A.shape[:-1]):
        dx[i] = (np.diag(A[i]) - np.outer(A[i], A[i])) @ dA[i]
    return dx


def backward_autograd(dy, q, k, v):
    q, k, v = (torch.tensor(x, requires_grad=True) for x in (q, k, v))
    F.scaled_dot_product_attention(q, k, v).backward(torch.tensor(dy))
    return q.grad, k.grad, v.grad


def backward_in_order(dy, q, k, v):
    """Written from dy down to q, k, v; a list instead of a tuple."""
    root = q.shape[-1] ** 0.5
    A = softmax_rows(q @ np.moveaxis(k, -1, -2) / root)
    dA = np.einsum("bhtd,bhsd->bhts", dy, v)
    dscores = softmax_backward_jacobian(dA, A) / root
    return [dscores @ k, np.einsum("bhts,bhtd->bhsd", dscores, q), np.einsum("bhts,bhtd->bhsd", A, dy)]


RIGHT = [
    ("softmax", softmax_rows),
    ("softmax", softmax_by_logarithm),
    ("softmax", lambda x: softmax_rows(x.astype(np.float32))),
    ("softmax", lambda x: torch.softmax(torch.from_numpy(x), -1)),
    ("softmax_backward", softmax_backward_jacobian),
    ("softmax_backward", lambda dA, A: A * dA - A * np.einsum("...i,...i->...", A, dA)[..., None]),
    ("attention", attention_loops),
    ("attention", attention_einsum),
    ("attention", attention_float32),
    ("attention", attention_torch),
    ("masked_attention", masked_by_large_number),
    ("masked_attention", masked_and_renormalised),
    ("masked_attention", attention_torch),
    ("attention_backward", backward_autograd),
    ("attention_backward", backward_in_order),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def exponentials(x, axis=-1):
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


def torch_softmax(x, dim):
    return torch.softmax(torch.from_numpy(x), dim).numpy()


def wrong_attention(equation="bhts,bhsd->bhtd", dim=-1, power=-0.5, size=lambda q: q.shape[-1], use="v"):
    """Attention in PyTorch and einsum, with something changed."""

    def answer(q, k, v):
        q, k, v = map(torch.from_numpy, (q, k, v))
        scores = torch.einsum("bhtd,bhsd->bhts", q, k) * float(size(q)) ** power
        A = scores if dim is None else torch.softmax(scores, dim)
        return torch.einsum(equation, A, {"v": v, "k": k}[use])

    return answer


def scores_of(q, k):
    return np.einsum("bhtd,bhsd->bhts", q, k) * q.shape[-1] ** -0.5


def wrong_backward(dscores_of=softmax_backward_jacobian, factor=lambda root: (1 / root, 1 / root, 1)):
    def answer(dy, q, k, v):
        A = softmax_rows(scores_of(q, k))
        dscores = dscores_of(np.einsum("bhtd,bhsd->bhts", dy, v), A)
        fq, fk, fv = factor(q.shape[-1] ** 0.5)
        dk, dv = (np.einsum("bhts,bhtd->bhsd", m, x) for m, x in ((dscores, q), (A, dy)))
        return fq * np.einsum("bhts,bhsd->bhtd", dscores, k), fk * dk, fv * dv

    return answer


def reordered(*order):
    return lambda *args: [backward_in_order(*args)[i] for i in order]


AGAIN = [
    ("softmax", exponentials, "exp overflows"),
    ("softmax", lambda x: np.exp(x) / np.einsum("...i->...", np.exp(x))[..., None], "exp overflows"),
    ("softmax", lambda x: exponentials(x, 0), "first axis"),
    ("softmax", lambda x: torch_softmax(x, 0), "first axis"),
    ("softmax", lambda x: exponentials(x, None), "one total"),
    (
        "softmax",
        lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(-1, keepdims=True),
        "maximum of the whole array",
    ),
    (
        "softmax",
        lambda x: (lambda e: e / e.max(-1, keepdims=True))(np.exp(x - x.max(-1, keepdims=True))),
        "largest number",
    ),
    ("softmax", lambda x: torch.log_softmax(torch.from_numpy(x), -1), "logarithm"),
    ("softmax", lambda x: torch_softmax(-x, -1), "sign"),
    ("softmax", lambda x: x / np.einsum("...i->...", x)[..., None], "exp is missing"),
    ("softmax", lambda x: np.exp(x - x.max(1, keepdims=True)), "axis 1"),
    ("softmax_backward", lambda dA, A: dA * (A - A**2), "diagonal"),
    ("softmax_backward", lambda dA, A: A - np.square(A), "without dA"),
    ("softmax_backward", lambda dA, A: np.multiply(dA, A), "nothing subtracted"),
    ("softmax_backward", lambda dA, A: A * (np.einsum("...i,...i->...", A, dA)[..., None] - dA), "sign"),
    ("softmax_backward", lambda dA, A: A * dA - A * np.expand_dims((A * dA).sum(0), 0), "runs over axis 0"),
    ("softmax_backward", lambda dA, A: A * dA - A * np.vdot(A, dA), "runs over everything"),
    (
        "softmax_backward",
        lambda dA, A: A * dA - A * dA.sum(-1)[..., None],
        "in the sum over each row, the factor `A` is missing",
    ),
    ("softmax_backward", lambda dA, A: A * dA - np.vecdot(A, dA)[..., None], "not multiplied by A"),
    ("softmax_backward", lambda dA, A: dA - np.vecdot(A, dA)[..., None], "in the gradient, the factor `A` is missing"),
    ("attention", wrong_attention(power=0), "the division by the root of `Dh` is missing"),
    ("attention", wrong_attention(power=-1), "divided by `Dh`, not by its square root"),
    ("attention", wrong_attention(power=0.5), "multiplied by the root of `Dh`"),
    ("attention", wrong_attention(size=lambda q: q.shape[1] * q.shape[3]), "width D"),
    ("attention", wrong_attention(dim=2), "tokens that ask"),
    ("attention", wrong_attention(dim=1), "over the heads"),
    ("attention", wrong_attention(dim=0), "over the images"),
    ("attention", wrong_attention(dim=None), "softmax is missing"),
    ("attention", wrong_attention(use="k"), "keys are averaged"),
    ("attention", lambda q, k, v: attention_loops(q, v, v), "compared with the values"),
    ("attention", lambda q, k, v: attention(q, k, v)[1][3], "`A`, the weights, is returned"),
    ("attention", lambda q, k, v: softmax(q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])) @ v, "pair"),
    ("attention", lambda q, k, v: softmax_rows(k @ q.swapaxes(2, 3)) @ v, "changed places"),
    ("attention", lambda q, k, v: softmax_rows(q @ k) @ v, "not transposed"),
    ("attention", lambda q, k, v: softmax_rows(q @ np.transpose(k)) @ v, "turns around all axes of `k`"),
    ("masked_attention", lambda q, k, v, mask: attention_torch(q, k, v, ~mask), "inverted"),
    ("masked_attention", lambda q, k, v, mask: softmax_rows(np.where(mask, -1e9, scores_of(q, k))) @ v, "inverted"),
    (
        "masked_attention",
        lambda q, k, v, mask: np.where(mask, softmax_rows(scores_of(q, k)), 0) @ v,
        "no longer sum to 1",
    ),
    ("masked_attention", lambda q, k, v, mask: softmax_rows(np.where(mask, scores_of(q, k), 0)) @ v, "become 0"),
    ("masked_attention", lambda q, k, v, mask: softmax_rows(scores_of(q, k) + mask.astype(float)) @ v, "added"),
    ("masked_attention", lambda q, k, v, mask: attention_loops(q, k, v), "not used"),
    (
        "masked_attention",
        lambda q, k, v, mask: softmax_by_logarithm(np.where(mask, scores_of(q, k), np.inf)) @ v,
        "infinity",
    ),
    ("attention_backward", wrong_backward(factor=lambda root: (1, 1, 1)), "forgotten in dq and dk"),
    ("attention_backward", wrong_backward(factor=lambda root: (1, 1 / root, 1)), "forgotten in dq"),
    ("attention_backward", wrong_backward(factor=lambda root: (1 / root, 1, 1)), "forgotten in dk"),
    ("attention_backward", wrong_backward(factor=lambda root: (1 / root**2, 1 / root**2, 1)), "twice"),
    ("attention_backward", wrong_backward(factor=lambda root: (1 / root, 1 / root, 1 / root)), "dv carries"),
    ("attention_backward", wrong_backward(lambda dA, A: dA), "left out"),
    ("attention_backward", wrong_backward(lambda dA, A: dA * (A - A * A)), "diagonal"),
    ("attention_backward", wrong_backward(lambda dA, A: A * dA), "nothing subtracted"),
    ("attention_backward", wrong_backward(lambda dA, A: -softmax_backward_jacobian(dA, A)), "sign"),
    ("attention_backward", reordered(1, 0, 2), "dq and dk are in each other's place"),
    ("attention_backward", reordered(0, 2, 1), "dk and dv are in each other's place"),
    ("attention_backward", reordered(2, 1, 0), "dq and dv are in each other's place"),
    (
        "attention_backward",
        lambda dy, q, k, v: (*backward_in_order(dy, q, k, v)[:2], softmax_rows(scores_of(q, k)) @ dy),
        "transposed",
    ),
    ("attention_backward", lambda dy, q, k, v: (None, scores_of(q, k) @ q, None), "transposed"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    with np.errstate(all="ignore"):  # overflow is part of some mistakes
        assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_unknown_wrong_numbers_name_the_first_that_differs(unknown):
    message = unknown("attention", lambda q, k, v: attention(q, k, v)[0] + 1)
    assert "not a mistake I know" in message
    assert "y[0, 0, 0, 0] of y (B, h, T, Dh) = (2, 3, 5, 4)" in message


def test_an_unknown_wrong_answer_does_not_warn_of_the_catalogues_overflow(said):
    """Warnings are errors here: looking through the catalogue must be silent."""
    said("softmax", lambda x: 0 * x)
    said("masked_attention", lambda q, k, v, mask: 0 * q)


def test_a_pair_is_no_array(assert_named):
    assert_named("attention", attention, "2 results are returned, where y alone is asked for")
    # Two results of one shape become one array; it is the same mistake all the same.
    assert_named("softmax", softmax, "2 results are returned, where A alone is asked for")


def test_one_wrong_gradient_of_three_is_named(unknown):
    message = unknown("attention_backward", lambda *args: (*backward_in_order(*args)[:2], np.zeros(3)))
    assert "dv has shape (3,); expected (2, 3, 7, 4), which reads (B, h, S, Dh)." in message


def test_a_crash_says_where(unknown):
    def my_attention(q, k, v):
        return q + k

    message = unknown("attention", my_attention)
    assert "it stopped at `return q + k` with ValueError: operands" in message
    assert "(2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4)" in message
