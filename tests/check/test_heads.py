"""The checks of notebooks/04_heads.ipynb: several heads, forward and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

# ---- right answers in other styles -----------------------------------------------------------------------------------


def split_loop(x, heads):
    Dh = x.shape[2] // heads
    return np.stack([x[:, :, i * Dh : i * Dh + Dh] for i in range(heads)], axis=1)


def split_torch(x, heads):
    return torch.from_numpy(x).unflatten(-1, (heads, -1)).permute(0, 2, 1, 3)


def merge_loop(x):
    return np.concatenate([x[:, i] for i in range(x.shape[1])], axis=-1)


def merge_torch(x):
    return torch.from_numpy(x).transpose(1, 2).flatten(2)


def msa_torch_layer(z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    """torch.nn.MultiheadAttention with the same weights."""
    tensors = [torch.tensor(x) for x in (z, qkv_weight, qkv_bias, out_weight, out_bias)]
    z, qkv_weight, qkv_bias, out_weight, out_bias = tensors
    layer = torch.nn.MultiheadAttention(z.shape[-1], heads, batch_first=True, dtype=z.dtype)
    layer.load_state_dict({
        "in_proj_weight": qkv_weight, "in_proj_bias": qkv_bias,
        "out_proj.weight": out_weight, "out_proj.bias": out_bias,
    })  # fmt: skip
    return layer(z, z, z, need_weights=False)[0]


def msa_loop(z, qkv_weight, qkv_bias, out_weight, out_bias, heads, *, scale=None, rows=None):
    """Head by head, adding up what each writes through its own columns of out_weight."""
    D = z.shape[-1]
    Dh = D // heads
    out = np.zeros_like(z)
    for i in range(heads):
        features = np.arange(i * Dh, i * Dh + Dh) if rows is None else rows(i, heads, D)
        q, k, v = (z @ qkv_weight[n * D + features].T + qkv_bias[n * D + features] for n in range(3))
        scores = np.einsum("btd,bsd->bts", q, k) * ((1 / Dh) ** 0.5 if scale is None else scale(D, Dh))
        A = np.exp(scores - scores.max(-1, keepdims=True))
        A /= A.sum(-1, keepdims=True)
        out += A @ v @ out_weight[:, i * Dh : i * Dh + Dh].T
    return out + out_bias


def msa_torch(z, qkv_weight, qkv_bias, out_weight, out_bias, heads, order=(0, 1, 2)):
    """With PyTorch's fused kernel; tensors or arrays."""
    z, qkv_weight, qkv_bias, out_weight, out_bias = (
        torch.as_tensor(x) for x in (z, qkv_weight, qkv_bias, out_weight, out_bias)
    )
    parts = (z @ qkv_weight.T + qkv_bias).chunk(3, dim=-1)
    q, k, v = (parts[i].unflatten(-1, (heads, -1)).transpose(1, 2) for i in order)
    y = F.scaled_dot_product_attention(q, k, v)
    return y.transpose(1, 2).flatten(2) @ out_weight.T + out_bias


def backward_autograd(dout, *args):
    *arrays, heads = args
    tensors = [torch.tensor(x, requires_grad=True) for x in arrays]
    msa_torch(*tensors, heads).backward(torch.tensor(dout))
    return [t.grad for t in tensors]


RIGHT = [
    ("split_heads", split_loop),
    ("split_heads", split_torch),
    ("split_heads", lambda x, heads: np.moveaxis(x.reshape(*x.shape[:2], heads, -1), 2, 1)),
    ("merge_heads", merge_loop),
    ("merge_heads", merge_torch),
    ("merge_heads", lambda x: np.einsum("bhtd->bthd", x).reshape(len(x), x.shape[2], -1)),
    ("multi_head_attention", msa_loop),
    ("multi_head_attention", msa_torch),
    ("multi_head_attention", msa_torch_layer),
    ("multi_head_attention_backward", backward_autograd),
]

IN_FLOAT32 = [
    ("multi_head_attention", msa_loop),
    ("multi_head_attention_backward", backward_autograd),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(("name", "answer"), IN_FLOAT32)
def test_right_answers_in_float32(name, answer, assert_right, in_float32):
    assert_right(name, in_float32(answer))


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def per_head_rows(z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    """Rows of every head together: q_0 k_0 v_0 q_1 k_1 v_1 ..."""
    D = z.shape[-1]
    order = np.arange(3 * D).reshape(heads, 3, D // heads).swapaxes(0, 1).ravel()
    return msa_loop(z, qkv_weight[order], qkv_bias[order], out_weight, out_bias, heads)


def tokens_mixed(z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    """Heads cut by `view` alone."""
    B, T, _ = z.shape
    qkv = torch.from_numpy(z @ qkv_weight.T + qkv_bias)
    q, k, v = (part.contiguous().view(B, heads, T, -1) for part in qkv.chunk(3, dim=-1))
    return merge_torch(F.scaled_dot_product_attention(q, k, v).numpy()).numpy() @ out_weight.T + out_bias


def heads_attend(z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    """The kernel gets (B, T, h, Dh): attention inside a token, between its heads."""
    parts = torch.from_numpy(z @ qkv_weight.T + qkv_bias).chunk(3, dim=-1)
    y = F.scaled_dot_product_attention(*(p.unflatten(-1, (heads, -1)) for p in parts)).flatten(2)
    return y.numpy() @ out_weight.T + out_bias


def change(**changes):
    """Autograd's gradients, some of them changed: name -> function of that gradient and all arguments."""
    names = ["dz", "dqkv_weight", "dqkv_bias", "dout_weight", "dout_bias"]

    def answer(*args):
        got = [
            changes[n](g.numpy(), *args) if n in changes else g
            for n, g in zip(names, backward_autograd(*args), strict=True)
        ]
        return tuple(got)

    return answer


def without_output_layer(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    """dout taken for the gradient of the merged heads: as if out_weight were 1 on the way back."""
    right = backward_autograd(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads)
    wrong = backward_autograd(dout, z, qkv_weight, qkv_bias, np.eye(len(out_bias)), out_bias, heads)
    return *wrong[:3], *right[3:]


def only_queries(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    right = backward_autograd(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads)
    parts = torch.tensor(z) @ torch.tensor(qkv_weight).T + torch.tensor(qkv_bias)
    parts.requires_grad_()
    q, k, v = (p.unflatten(-1, (heads, -1)).transpose(1, 2) for p in parts.chunk(3, dim=-1))
    y = F.scaled_dot_product_attention(q, k.detach(), v.detach()).transpose(1, 2).flatten(2)
    (y @ torch.tensor(out_weight).T).backward(torch.tensor(dout))
    dqkv = parts.grad.numpy()
    return dqkv @ qkv_weight, np.einsum("bti,btj->ij", dqkv, z), dqkv.sum((0, 1)), *right[3:]


def exchanged(first, second):
    """Two of the blocks dq, dk, dv exchanged before the last linear layer."""

    def answer(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
        right = backward_autograd(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads)
        D = z.shape[-1]
        order = np.arange(3 * D).reshape(3, D)
        order[[first, second]] = order[[second, first]]
        order = order.ravel()
        dqkv = torch.zeros(*z.shape[:2], 3 * D, dtype=torch.float64, requires_grad=True)
        parts = (dqkv + torch.tensor(z @ qkv_weight.T + qkv_bias)).chunk(3, dim=-1)
        q, k, v = (p.unflatten(-1, (heads, -1)).transpose(1, 2) for p in parts)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        (y @ torch.tensor(out_weight).T).backward(torch.tensor(dout))
        d = dqkv.grad.numpy()[..., order]
        return d @ qkv_weight, np.einsum("bti,btj->ij", d, z), d.sum((0, 1)), *right[3:]

    return answer


AGAIN = [
    ("split_heads", lambda x, heads: torch.from_numpy(x).view(len(x), heads, x.shape[1], -1), "straight"),
    ("split_heads", lambda x, heads: np.stack([x[:, :, i::heads] for i in range(heads)], axis=1), "dealt out"),
    ("split_heads", lambda x, heads: torch.from_numpy(x).unflatten(-1, (heads, -1)), "(B, T, h, Dh)"),
    ("split_heads", lambda x, heads: np.array(np.split(x, heads, axis=2)), "before the batch"),
    ("split_heads", lambda x, heads: split_loop(x, heads).transpose(0, 1, 3, 2), "(B, h, Dh, T)"),
    ("split_heads", lambda x, heads: np.split(x, heads, axis=1), "token axis"),
    ("merge_heads", lambda x: torch.from_numpy(x).view(x.shape[0], x.shape[2], -1), "straight"),
    (
        "merge_heads",
        lambda x: np.stack([x[:, i] for i in range(x.shape[1])], axis=-1).reshape(len(x), x.shape[2], -1),
        "dealt in",
    ),
    ("merge_heads", lambda x: np.einsum("bhtd->bthd", x), "not joined"),
    ("merge_heads", lambda x: np.einsum("bhtd->btd", x), "added up"),
    ("merge_heads", lambda x: np.einsum("bhtd->btd", x) / x.shape[1], "averaged"),
    ("merge_heads", lambda x: torch.from_numpy(x).flatten(1, 2), "more tokens"),
    ("multi_head_attention", lambda *a: msa_loop(*a, scale=lambda D, Dh: D**-0.5), "width D"),
    (
        "multi_head_attention",
        lambda *a: msa_loop(*a, scale=lambda D, Dh: 1),
        "the division by the root of `Dh` is missing",
    ),
    (
        "multi_head_attention",
        lambda *a: msa_loop(*a, scale=lambda D, Dh: 1 / Dh),
        "divided by `Dh`, not by its square root",
    ),
    (
        "multi_head_attention",
        lambda *a: msa_loop(*a, rows=lambda i, h, D: np.arange(i, D, h)),
        "dealt out to the heads one by one: head i",
    ),
    ("multi_head_attention", tokens_mixed, "straight"),
    ("multi_head_attention", heads_attend, "between the heads"),
    ("multi_head_attention", lambda *a: msa_torch_layer(*a[:-1], 1), "one head of width D"),
    (
        "multi_head_attention",
        lambda z, W, b, Wo, bo, h: msa_loop(z, W, b, np.eye(len(bo)), 0 * bo, h),
        "the linear layer with `out_weight` is left out",
    ),
    (
        "multi_head_attention",
        lambda z, W, b, Wo, bo, h: msa_loop(z, W, b, Wo, 0 * bo, h),
        "the bias `out_bias` is not added",
    ),
    ("multi_head_attention", lambda z, W, b, Wo, bo, h: msa_loop(z, W, b, Wo.T, bo, h), "not transposed"),
    (
        "multi_head_attention",
        lambda z, W, b, Wo, bo, h: msa_loop(z, W, 0 * b, Wo, bo, h),
        "the bias `qkv_bias` is not added",
    ),
    ("multi_head_attention", lambda *a: msa_torch(*a, order=(1, 0, 2)), "wrong order: k, q, v"),
    ("multi_head_attention", lambda *a: msa_torch(*a, order=(0, 2, 1)), "wrong order: q, v, k"),
    ("multi_head_attention", per_head_rows, "head by head"),
    ("multi_head_attention_backward", exchanged(0, 1), "dq and dk have changed places"),
    ("multi_head_attention_backward", exchanged(1, 2), "dk and dv have changed places"),
    ("multi_head_attention_backward", exchanged(0, 2), "dq and dv have changed places"),
    ("multi_head_attention_backward", without_output_layer, "output layer is left out"),
    ("multi_head_attention_backward", only_queries, "only the queries"),
    (
        "multi_head_attention_backward",
        change(dout_weight=lambda g, *a: g.T),
        "in dout_weight, the gradient of the weight is transposed",
    ),
    (
        "multi_head_attention_backward",
        change(dqkv_weight=lambda g, *a: g.T),
        "in dqkv_weight, the gradient of the weight is transposed",
    ),
    (
        "multi_head_attention_backward",
        change(dout_weight=lambda g, dout, z, *a: np.einsum("bti,btj->ij", dout, z)),
        "made from z",
    ),
    (
        "multi_head_attention_backward",
        change(**{n: lambda g, dout, *a: g / (dout.shape[0] * dout.shape[1]) for n in ("dqkv_bias", "dout_bias")}),
        "averaged over the tokens",
    ),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_unknown_wrong_numbers_name_the_first_that_differs(unknown):
    message = unknown("merge_heads", lambda x: merge_loop(x) + 1)
    assert "not a mistake I know" in message
    assert "y[0, 0, 0] of y (B, T, D) = (2, 5, 12)" in message


def test_one_wrong_gradient_of_five_is_named(unknown):
    message = unknown("multi_head_attention_backward", change(dqkv_bias=lambda g, *a: np.sin(g) + 0.3))
    assert "dqkv_bias[0] of dqkv_bias (3D,) = (36,)" in message


def test_a_crash_says_where(said):
    def my_heads(z, qkv_weight, *rest):
        return z @ qkv_weight

    message = said("multi_head_attention", my_heads)
    assert "it stopped at `return z @ qkv_weight` with ValueError: matmul" in message
    assert "(2, 5, 12), (36, 12), (36,), (12, 12), (12,), 3" in message
