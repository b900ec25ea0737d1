"""The checks of notebooks/05_block.ipynb: layer norm, GELU, MLP, dropout, residual connections."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vitedu_numpy.layers.gelu import gelu as np_gelu
from vitedu_numpy.layers.gelu import gelu_tanh as np_gelu_tanh

erf = np.vectorize(math.erf)


def test_layers_are_shown_by_name(unknown):
    message = unknown("block", lambda z, norm1, attention, norm2, mlp: np.sin(z))
    assert "<layer norm1>, <layer attention>, <layer norm2>, <layer mlp>" in message


# ---- right answers in other styles -----------------------------------------------------------------------------------


def layernorm_by_loops(x, weight, bias, eps):
    y = np.empty_like(x)
    for index in np.ndindex(x.shape[:-1]):
        row = x[index]
        mean = sum(row) / len(row)
        var = sum((t - mean) ** 2 for t in row) / len(row)
        y[index] = [(t - mean) / math.sqrt(var + eps) * w + b for t, w, b in zip(row, weight, bias, strict=True)]
    return y


def layernorm_fast_variance(x, weight, bias, eps):
    mean = np.einsum("btd->bt", x)[..., None] / x.shape[-1]
    var = np.einsum("btd,btd->bt", x, x)[..., None] / x.shape[-1] - mean**2
    return weight * (x - mean) * (var + eps) ** -0.5 + bias


def layernorm_float32(x, weight, bias, eps):
    x, weight, bias = (a.astype(np.float32) for a in (x, weight, bias))
    x -= x.mean(-1, keepdims=True)
    x /= np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(eps))
    return x * weight + bias


def layernorm_torch(x, weight, bias, eps):
    torch = pytest.importorskip("torch")
    x, weight, bias = map(torch.from_numpy, (x, weight, bias))
    return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, eps)


def layernorm_backward_by_matrix(dy, x, weight, eps):
    D = x.shape[-1]
    dx, dweight, dbias = np.zeros_like(x), np.zeros(D), np.zeros(D)
    for index in np.ndindex(x.shape[:-1]):
        r = 1 / math.sqrt(x[index].var() + eps)
        xhat = (x[index] - x[index].mean()) * r
        dx[index] = r * (np.eye(D) - 1 / D - np.outer(xhat, xhat) / D) @ (weight * dy[index])
        dweight += dy[index] * xhat
        dbias += dy[index]
    return dx, dweight, dbias


def layernorm_backward_autograd(dy, x, weight, eps):
    torch = pytest.importorskip("torch")
    inputs = [torch.tensor(a, requires_grad=True) for a in (x, weight, np.zeros_like(weight))]
    y = torch.nn.functional.layer_norm(inputs[0], weight.shape, *inputs[1:], eps)
    return torch.autograd.grad(y, inputs, torch.from_numpy(dy))


def gelu_autograd(dy, x):
    torch = pytest.importorskip("torch")
    x = torch.tensor(x, requires_grad=True)
    torch.nn.functional.gelu(x).backward(torch.from_numpy(dy))
    return x.grad


def mlp_einsum(x, weight1, bias1, weight2, bias2):
    hidden = np.einsum("btd,md->btm", x, weight1) + bias1
    return np.einsum("btm,dm->btd", hidden * (1 + erf(hidden / 2**0.5)) / 2, weight2) + bias2


def mlp_float32(x, weight1, bias1, weight2, bias2):
    x, weight1, bias1, weight2, bias2 = (a.astype(np.float32) for a in (x, weight1, bias1, weight2, bias2))
    return np_gelu(x @ weight1.T + bias1)[0] @ weight2.T + bias2


def dropout_in_place(x, keep, rate):
    x[~keep] = 0
    x /= 1 - rate
    return x


def block_in_place(z, norm1, attention, norm2, mlp):
    z += attention(norm1(z))
    z += mlp(norm2(z))
    return z


def block_on_a_copy(z, *parts):
    return block_in_place(z.copy(), *parts)


def block_backward_spelled_out(dz_out, norm1, attention, norm2, mlp):
    around, through = dz_out, norm2(mlp(dz_out))
    return around + through + norm1(attention(around)) + norm1(attention(through))


def post_norm_backward_spelled_out(dz_out, norm1, attention, norm2, mlp):
    d = norm2(dz_out)
    d = norm1(d + mlp(d))
    return attention(d) + d


RIGHT = [
    ("block", block_on_a_copy),
    ("layernorm", layernorm_by_loops),
    ("layernorm", layernorm_fast_variance),
    ("layernorm", layernorm_float32),
    ("layernorm", layernorm_torch),
    ("layernorm_backward", layernorm_backward_by_matrix),
    ("layernorm_backward", layernorm_backward_autograd),
    ("gelu", lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    ("gelu", lambda x: np_gelu(x.astype(np.float32))[0]),
    ("gelu", lambda x: 0.5 * x * np.vectorize(math.erfc)(-x / math.sqrt(2))),
    ("gelu_backward", gelu_autograd),
    ("mlp", mlp_einsum),
    ("mlp", mlp_float32),
    ("dropout", lambda x, keep, rate: np.where(keep, x / (1 - rate), 0)),
    ("block_backward", block_backward_spelled_out),
    ("post_norm_block_backward", post_norm_backward_spelled_out),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def rows(function):
    """Apply a function of one token, as a list, to every token."""

    def answer(x, weight, bias, eps):
        return np.apply_along_axis(lambda row: function(row, weight, bias, eps), -1, x)

    return answer


def std_plus_eps(row, weight, bias, eps):
    return weight * (row - np.mean(row)) / (np.std(row) + eps) + bias


def unbiased(row, weight, bias, eps):
    var = ((row - row.mean()) ** 2).sum() / (len(row) - 1)
    return weight * (row - row.mean()) / math.sqrt(var + eps) + bias


def without_eps(row, weight, bias, eps):
    return weight * (row - row.mean()) / math.sqrt(np.mean(row**2) - row.mean() ** 2) + bias


def root_mean_square(row, weight, bias, eps):
    return weight * row / math.sqrt(np.dot(row, row) / len(row) + eps) + bias


def batch_norm(x, weight, bias, eps):
    y = np.empty_like(x)
    for t in range(x.shape[1]):
        for d in range(x.shape[2]):
            column = x[:, t, d]
            y[:, t, d] = (column - np.mean(column)) / np.sqrt(np.var(column) + eps)
    return y * weight + bias


def over_tokens(x, weight, bias, eps):
    x = x.transpose(0, 2, 1)
    y = (x - x.mean(2)[..., None]) / np.sqrt(x.var(2)[..., None] + eps)
    return y.transpose(0, 2, 1) * weight + bias


def parts(x, eps):
    rstd = 1 / np.sqrt(x.var(axis=2, keepdims=True) + eps)
    return (x - x.mean(axis=2, keepdims=True)) * rstd, rstd


def no_mean_term(dy, x, weight, eps):
    xhat, rstd = parts(x, eps)
    g = weight * dy
    dx = rstd * (g - xhat * np.einsum("btd,btd->bt", g, xhat)[..., None] / x.shape[-1])
    return dx, np.einsum("btd,btd->d", dy, xhat), np.einsum("btd->d", dy)


def no_xhat_term(dy, x, weight, eps):
    xhat, rstd = parts(x, eps)
    g = weight * dy
    return rstd * (g - g.mean(2, keepdims=True)), (dy * xhat).sum((0, 1)), dy.sum((0, 1))


def constants(dy, x, weight, eps):
    xhat, rstd = parts(x, eps)
    return dy * weight * rstd, (dy * xhat).sum((0, 1)), dy.sum((0, 1))


def no_rstd(dy, x, weight, eps):
    xhat, _ = parts(x, eps)
    g = weight * dy
    dx = g - g.mean(2, keepdims=True) - xhat * (g * xhat).mean(2, keepdims=True)
    return dx, (dy * xhat).sum((0, 1)), dy.sum((0, 1))


def no_weight(dy, x, weight, eps):
    xhat, rstd = parts(x, eps)
    dx = dy - dy.mean(2, keepdims=True) - xhat * (dy * xhat).mean(2, keepdims=True)
    return dx * rstd, (dy * xhat).sum((0, 1)), dy.sum((0, 1))


def not_summed_over_batch(dy, x, weight, eps):
    dx, _, _ = layernorm_backward_by_matrix(dy, x, weight, eps)
    xhat, _ = parts(x, eps)
    return dx, np.einsum("btd,btd->bd", dy, xhat), np.einsum("btd->bd", dy)


def not_summed_at_all(dy, x, weight, eps):
    dx, _, _ = layernorm_backward_by_matrix(dy, x, weight, eps)
    return dx, dy * parts(x, eps)[0], dy


def tanh_form(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def dropout_loop(scale):
    def answer(x, keep, rate):
        y = np.zeros_like(x)
        for index in np.ndindex(x.shape):
            if keep[index]:
                y[index] = x[index] * scale(rate)
        return y

    return answer


def mlp_without_transpose(x, weight1, bias1, weight2, bias2):
    hidden = x @ weight1
    return np_gelu(hidden + bias1)[0] @ weight2 + bias2


def mlp_relu(x, weight1, bias1, weight2, bias2):
    hidden = x @ weight1.T + bias1
    hidden[hidden < 0] = 0
    return hidden @ weight2.T + bias2


def post_norm(z, norm1, attention, norm2, mlp):
    z = norm1(attention(z) + z)
    return norm2(mlp(z) + z)


def second_residual_from_z(z, norm1, attention, norm2, mlp):
    shortcut = z
    z = attention(norm1(z)) + shortcut
    return mlp(norm2(z)) + shortcut


def norm_overwrites_z(z, norm1, attention, norm2, mlp):
    z = norm1(z)
    z = z + attention(z)
    z = norm2(z)
    return z + mlp(z)


def one_norm_twice(z, norm1, attention, norm2, mlp):
    z = z + attention(norm1(z))
    return z + mlp(norm1(z))


def no_residuals(z, norm1, attention, norm2, mlp):
    for layer in (norm1, attention, norm2, mlp):
        z = layer(z)
    return z


def gradient_branches_only(dz_out, norm1, attention, norm2, mlp):
    for layer in (mlp, norm2, attention, norm1):
        dz_out = layer(dz_out)
    return dz_out


def gradient_overwritten(dz_out, norm1, attention, norm2, mlp):
    d = norm2(mlp(dz_out))
    return norm1(attention(d)) + d


def gradient_last_residual_from_dz_out(dz_out, norm1, attention, norm2, mlp):
    d = norm2(mlp(dz_out)) + dz_out
    return norm1(attention(d)) + dz_out


AGAIN = [
    ("layernorm", rows(std_plus_eps), "added to the standard deviation"),
    ("layernorm", rows(unbiased), "unbiased"),
    ("layernorm", rows(without_eps), "eps is not used"),
    ("layernorm", rows(root_mean_square), "RMS norm"),
    ("layernorm", batch_norm, "batch"),
    ("layernorm", over_tokens, "over the tokens"),
    ("layernorm", lambda x, weight, bias, eps: parts(x, eps)[0], "weight and bias are not used"),
    ("layernorm", lambda x, weight, bias, eps: parts(x, eps)[0] * weight, "bias is not used"),
    ("layernorm", lambda x, weight, bias, eps: x * parts(x, eps)[1] * weight + bias, "the mean is not subtracted"),
    ("layernorm_backward", no_mean_term, "the term that comes from the mean"),
    ("layernorm_backward", no_xhat_term, "the term along xhat, which comes from the variance"),
    ("layernorm_backward", constants, "neither mean term"),
    ("layernorm_backward", no_rstd, "is missing from dx"),
    ("layernorm_backward", no_weight, "weight is missing from dx"),
    ("layernorm_backward", not_summed_over_batch, "but not over the batch"),
    ("layernorm_backward", not_summed_at_all, "one gradient per token"),
    ("gelu", tanh_form, "tanh form"),
    ("gelu", lambda x: tanh_form(x.astype(np.float32)), "tanh form"),
    ("gelu", lambda x: x / (1 + np.exp(-1.702 * x)), "sigmoid form"),
    ("gelu", lambda x: x / (1 + np.exp(-x)), "SiLU"),
    ("gelu", lambda x: (1 + erf(x / math.sqrt(2))) / 2, "Phi(x) alone"),
    ("gelu", lambda x: x * (1 + erf(x)) / 2, "not divided by sqrt(2)"),
    ("gelu", lambda x: np.where(x > 0, x, 0), "ReLU"),
    ("gelu", lambda x: x * (1 + erf(x / math.sqrt(2))), "factor 1/2"),
    ("gelu_backward", lambda dy, x: dy * (1 + erf(x / math.sqrt(2))) / 2, "Phi was treated as a constant"),
    ("gelu_backward", lambda dy, x: dy * ((1 + erf(x / 2**0.5)) / 2 + x * np.exp(-(x**2) / 2)), "lacks 1 / sqrt(2 pi)"),
    ("gelu_backward", lambda dy, x: np.where(x > 0, dy, 0), "slope of ReLU"),
    ("gelu_backward", lambda dy, x: dy * np_gelu(x)[0], "GELU itself"),
    ("gelu_backward", lambda dy, x: np_gelu(x)[1], "dy is not used"),
    ("mlp", mlp_without_transpose, "not transposed"),
    ("mlp", mlp_relu, "ReLU"),
    ("mlp", lambda x, w1, b1, w2, b2: (x @ w1.T + b1) @ w2.T + b2, "no GELU between"),
    ("mlp", lambda x, w1, b1, w2, b2: np_gelu_tanh(x @ w1.T + b1)[0] @ w2.T + b2, "tanh form"),
    ("mlp", lambda x, w1, b1, w2, b2: x + mlp_einsum(x, w1, b1, w2, b2), "residual connection"),
    ("dropout", dropout_loop(lambda rate: 1), "not scaled up"),
    ("dropout", dropout_loop(lambda rate: 1 / rate), "divided by rate"),
    ("dropout", dropout_loop(lambda rate: rate), "multiplied by rate"),
    ("dropout", dropout_loop(lambda rate: 1 - rate), "scaled down"),
    ("dropout", lambda x, keep, rate: np.where(keep, 0, x / (1 - rate)), "the wrong values are dropped"),
    ("dropout", lambda x, keep, rate: x * keep * keep.size / keep.sum(), "this mask happens to keep"),
    ("block", post_norm, "post-norm"),
    ("block", second_residual_from_z, "second residual connection starts at z"),
    ("block", norm_overwrites_z, "the normalised z is carried on"),
    ("block", one_norm_twice, "norm1 is used twice"),
    ("block", no_residuals, "both residual connections are missing"),
    ("block_backward", gradient_branches_only, "neither residual connection"),
    ("block_backward", gradient_overwritten, "around the MLP passes no gradient"),
    ("block_backward", gradient_last_residual_from_dz_out, "carries dz_out instead of dz_mid"),
    ("post_norm_block_backward", block_backward_spelled_out, "pre-norm block"),
    ("post_norm_block_backward", lambda d, n1, a, n2, m: a(n1(m(n2(d)))), "neither residual connection"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- right numbers, but something was written into -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "answer", "argument"), [("dropout", dropout_in_place, "x"), ("block", block_in_place, "z")]
)
def test_a_changed_argument_is_named(name, answer, argument, assert_named):
    assert_named(name, answer, f"`{argument}` was changed")
