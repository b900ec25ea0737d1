"""Exercises of notebooks/04_heads.ipynb."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise
from ..slips.steps import bias_gradient, swap, weight_gradient
from ..slips.steps import linear as linear_of
from ..slips.steps import merge_heads as merge_of
from ..slips.steps import softmax as softmax_of
from ..slips.steps import softmax_backward as softmax_backward_of
from ..slips.steps import split_heads as split_of

__all__ = [
    "grouped_attention", "merge_heads", "multi_head_attention", "multi_head_attention_backward", "shared_key_backward",
    "split_heads",
]  # fmt: skip

ASKING = {"T": "the tokens", "D": "the width"}


# ---- split_heads ---------------------------------------------------------------------------------------------------


def _split_cases(rng):
    sizes = [(2, 5, 12, 3), (3, 4, 10, 5), (1, 7, 6, 2)]  # B, T, D, h
    return [(rng.standard_normal((B, T, D)), h) for B, T, D, h in sizes]


@exercise(cases=_split_cases, outputs={"x": "(B, h, T, Dh)"}, level=1, minutes=10)
def split_heads(x, heads):
    B, T, D = x.shape
    Dh = D // heads
    cut = x.reshape(B, T, heads, Dh)  # the cut
    return cut.transpose(0, 2, 1, 3)  # the heads


_EVERY_TOKEN = "Every head sees every token; what it sees of a token is a part of the D features."
split_heads.slip(
    "one reshape straight to (B, h, T, Dh), which mixes tokens and features",
    "reshape never moves a number, it only cuts the same row of numbers elsewhere. First cut D alone, then move "
    "an axis.",
    result="x.reshape(B, heads, T, Dh)",
)
split_heads.slip(
    "the features are dealt out one by one: head i gets i, i + h, i + 2h, ...",
    "Head 0 should read the first Dh features, side by side. Which of (h, Dh) comes first when D is cut?",
    result="x.reshape(B, T, Dh, heads).transpose(0, 3, 1, 2)",
)
split_heads.slip(
    "the axes were left as (B, T, h, Dh)",
    "The cut is right. Which axis must move so that every head has its own (T, Dh) matrix?",
    result="cut",
)
split_heads.slip(
    "the last two axes have changed places: (B, h, Dh, T)",
    "Rows are tokens, columns are features, as everywhere.",
    result="cut.transpose(0, 2, 3, 1)",
)
split_heads.slip(
    "the heads stand before the batch: (h, B, T, Dh)",
    "The parts are right; the batch axis should stay first.",
    result="cut.transpose(2, 0, 1, 3)",
)
split_heads.slip(
    "batch and heads are one axis: (B h, T, Dh)",
    "The parts are right; keep an axis for the batch and one for the heads.",
    result="cut.transpose(0, 2, 1, 3).reshape(-1, T, Dh)",
)
split_heads.slip(
    "the parts have the right shape, but the order of the heads is turned around",
    "Head 0 should read the first features.",
    result="cut.transpose(0, 2, 1, 3)[:, ::-1]",
)
split_heads.slip("the token axis is cut, not the features", _EVERY_TOKEN, result="x.reshape(B, heads, T // heads, D)")
split_heads.slip(
    "the token axis is cut by np.split, not the features",
    _EVERY_TOKEN,
    result="np.stack(np.split(x, heads, axis=1), axis=1)",
)


# ---- merge_heads ---------------------------------------------------------------------------------------------------


def _merge_cases(rng):
    return [(rng.standard_normal(shape),) for shape in [(2, 3, 5, 4), (3, 5, 4, 2), (1, 2, 7, 3)]]


@exercise(cases=_merge_cases, outputs={"y": "(B, T, D)"}, level=1, minutes=5)
def merge_heads(x):
    B, h, T, Dh = x.shape
    moved = x.transpose(0, 2, 1, 3)  # the moved axes
    return moved.reshape(B, T, h * Dh)  # the merged heads


_SIDE_BY_SIDE = "forgets which head said what. Eq. 8 writes them side by side: [SA_1(z); SA_2(z); ...]."
merge_heads.slip(
    "one reshape straight to (B, T, D), which mixes tokens and heads",
    "The numbers of one token stand in h different places of memory. An axis has to move before the reshape.",
    result="x.reshape(B, T, h * Dh)",
)
merge_heads.slip(
    "the heads' features are dealt in one by one, instead of head by head",
    "Feature Dh of the result should be the first feature of head 1. Which axis must vary fastest?",
    result="x.transpose(0, 2, 3, 1).reshape(B, T, h * Dh)",
)
merge_heads.slip(
    "the axis was moved but the two last axes were not joined",
    "The result should have three axes, with D = h Dh numbers for each token.",
    result="moved",
)
merge_heads.slip("the heads are averaged", f"Averaging {_SIDE_BY_SIDE}", result="x.mean(axis=1)")
merge_heads.slip("the heads are added up", f"Adding {_SIDE_BY_SIDE}", result="x.sum(axis=1)")
merge_heads.slip(
    "the heads stand below each other as more tokens: (B, h T, Dh)",
    "The number of tokens stays T; it is the rows that become longer.",
    result="x.reshape(B, -1, Dh)",
)
merge_heads.slip(
    "the order of the heads is turned around",
    "The first Dh features should come from head 0.",
    result="x[:, ::-1].transpose(0, 2, 1, 3).reshape(B, T, h * Dh)",
)


# ---- multi_head_attention ------------------------------------------------------------------------------------------


def _weights(rng, D):
    """qkv_weight (3D, D), qkv_bias (3D,), out_weight (D, D), out_bias (D,): large enough for uneven attention."""
    scale = 1.5 / np.sqrt(D)
    return (
        scale * rng.standard_normal((3 * D, D)), rng.standard_normal(3 * D),
        scale * rng.standard_normal((D, D)), rng.standard_normal(D),
    )  # fmt: skip


_SIZES = [(2, 5, 12, 3), (3, 4, 10, 5), (1, 7, 6, 2)]  # B, T, D, h


def _heads_cases(rng):
    return [(rng.standard_normal((B, T, D)), *_weights(rng, D), h) for B, T, D, h in _SIZES]


@exercise(cases=_heads_cases, outputs={"out": "(B, T, D)"}, axes=ASKING, level=2, minutes=25)
def multi_head_attention(z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    B, T, D = z.shape
    Dh = D // heads
    qkv = linear_of(z, qkv_weight, qkv_bias)  # qkv
    parts = np.split(qkv, 3, axis=-1)  # the three parts
    q = split_of(parts[0], heads)  # q
    k = split_of(parts[1], heads)  # k
    v = split_of(parts[2], heads)  # v
    scores = q @ swap(k) / np.sqrt(Dh)  # the scores
    A = softmax_of(scores)  # the weights
    y = A @ v  # the heads' answers
    merged = merge_of(y)  # the merged heads
    return linear_of(merged, out_weight, out_bias)  # the output layer


for _i, _part in enumerate("qkv"):
    _one = f"(np.arange(3 * D) // D == {_i})"
    if _part != "k":  # a bias of the keys adds the same number to all scores of a row
        multi_head_attention.slip(
            f"{_part} has no bias", "How many numbers has qkv_bias, and whose are they?",
            qkv=f"z @ qkv_weight.T + qkv_bias * ~{_one}",
        )  # fmt: skip
    for _j, _other in enumerate("qkv"):
        if _i != _j:
            multi_head_attention.slip(
                f"{_part} is made as {_other}", "Each of the three has weights of its own: which rows?",
                parts=f"[x[{_j}] if i == {_i} else x[i] for x in [np.split(qkv, 3, axis=-1)] for i in range(3)]",
            )  # fmt: skip
multi_head_attention.slip(
    "the input is added to the heads' answers", "Where is the residual added, and by whom?", merged="merge_of(y) + z"
)
multi_head_attention.slip(
    "the input is added to the answer", "Where is the residual added, and by whom?",
    result="linear_of(merged, out_weight, out_bias) + z",
)  # fmt: skip

multi_head_attention.slip(
    "the scale comes from the width D, not from the head size Dh",
    "How many terms does one dot product of a head add up?",
    scores="q @ swap(k) / np.sqrt(D)",
)
multi_head_attention.slip(
    "there is one head of width D: `heads` is not used",
    "Everything around it is right. Each head should have a softmax of its own.",
    q="split_heads(parts[0], 1)", k="split_heads(parts[1], 1)", v="split_heads(parts[2], 1)",
    scores="q @ swap(k) / np.sqrt(D)",
)  # fmt: skip
multi_head_attention.slip(
    "attention runs between the heads of a token, instead of between the tokens of a head",
    "With axes (B, T, h, Dh) the product compares heads. Which axis belongs in front of the matrices?",
    q="parts[0].reshape(B, T, heads, Dh)", k="parts[1].reshape(B, T, heads, Dh)", v="parts[2].reshape(B, T, heads, Dh)",
    merged="y.reshape(B, T, D)",
)  # fmt: skip
multi_head_attention.slip(
    "the heads are split and merged by one reshape, which mixes tokens and features",
    "Try your splitting on x = np.arange(12).reshape(1, 2, 6) with two heads: does head 0 see both tokens?",
    q="parts[0].reshape(B, heads, T, Dh)", k="parts[1].reshape(B, heads, T, Dh)", v="parts[2].reshape(B, heads, T, Dh)",
    merged="y.reshape(B, T, D)",
)  # fmt: skip
multi_head_attention.slip(
    "the features are dealt out to the heads one by one, and collected again in the same way",
    "Head 0 should read the first Dh features, side by side.",
    q="parts[0].reshape(B, T, Dh, heads).transpose(0, 3, 1, 2)",
    k="parts[1].reshape(B, T, Dh, heads).transpose(0, 3, 1, 2)",
    v="parts[2].reshape(B, T, Dh, heads).transpose(0, 3, 1, 2)", merged="y.transpose(0, 2, 3, 1).reshape(B, T, D)",
)  # fmt: skip
multi_head_attention.slip(
    "both biases are forgotten",
    "Both layers are linear layers like any other: y = x @ W.T + b.",
    qkv="z @ qkv_weight.T",
    result="merged @ out_weight.T",
)
for _order in ("1, 0, 2", "0, 2, 1", "2, 1, 0", "2, 0, 1", "1, 2, 0"):
    _named = ", ".join("qkv"[int(i)] for i in _order.split(", "))
    multi_head_attention.slip(
        f"q, k, v are taken in the wrong order: {_named}",
        "The first D rows of qkv_weight make q, the next k, the last v.",
        parts=f"[np.split(qkv, 3, axis=-1)[i] for i in ({_order})]",
    )
for _cut, _axis in (("(heads, 3, Dh)", 3), ("(heads, Dh, 3)", 4)):
    multi_head_attention.slip(
        f"the 3D features are cut head by head, {_cut.replace('heads', 'h')}, instead of first into q, k, v",
        "The first D rows of qkv_weight all make q, for every head. Cut into three before you cut into heads.",
        parts=f"[p.reshape(B, T, D) for p in np.moveaxis(qkv.reshape((B, T) + {_cut}), {_axis}, 0)]",
    )


# ---- multi_head_attention_backward ---------------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [(rng.standard_normal(case[0].shape), *case) for case in _heads_cases(rng)],
    outputs={
        "dz": "(B, T, D)", "dqkv_weight": "(3D, D)", "dqkv_bias": "(3D,)", "dout_weight": "(D, D)", "dout_bias": "(D,)",
    },
    axes=ASKING, level=3, minutes=45,
)  # fmt: skip
def multi_head_attention_backward(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
    B, T, D = z.shape
    Dh = D // heads
    q, k, v = (split_of(part, heads) for part in np.split(linear_of(z, qkv_weight, qkv_bias), 3, axis=-1))  # q, k, v
    A = softmax_of(q @ swap(k) / np.sqrt(Dh))  # the weights
    merged = merge_of(A @ v)  # the merged heads
    dmerged = dout @ out_weight  # the gradient of the merged heads
    dy = split_of(dmerged, heads)  # the gradient of the heads
    dA = dy @ swap(v)  # dA
    dscores = softmax_backward_of(dA, A) / np.sqrt(Dh)  # dscores
    dq = dscores @ k  # dq
    dk = swap(dscores) @ q  # dk
    dv = swap(A) @ dy  # dv
    dqkv = np.concatenate([merge_of(dq), merge_of(dk), merge_of(dv)], axis=-1)  # the gradients put together
    dz = dqkv @ qkv_weight  # dz
    dqkv_weight = weight_gradient(dqkv, z)  # dqkv_weight
    dqkv_bias = bias_gradient(dqkv)  # dqkv_bias
    dout_weight = weight_gradient(dout, merged)  # dout_weight
    dout_bias = bias_gradient(dout)  # dout_bias
    return dz, dqkv_weight, dqkv_bias, dout_weight, dout_bias


_ROWS = "The rows of qkv_weight make q, then k, then v; their gradients stand in the same order."
_PARTS = ("merge_heads(dq)", "merge_heads(dk)", "merge_heads(dv)")
for _i, _j, _named in ((0, 1, "dq and dk"), (1, 2, "dk and dv"), (0, 2, "dq and dv")):
    _parts = list(_PARTS)
    _parts[_i], _parts[_j] = _parts[_j], _parts[_i]
    multi_head_attention_backward.slip(
        f"{_named} have changed places when put together", _ROWS, dqkv=f"np.concatenate([{', '.join(_parts)}], axis=-1)"
    )
multi_head_attention_backward.slip(
    "dq, dk, dv are put together head by head, (h, 3, Dh)",
    "First merge the heads of each of the three, then put the three side by side.",
    dqkv="np.stack([d.swapaxes(1, 2) for d in (dq, dk, dv)], axis=3).reshape(B, T, 3 * D)",
)
multi_head_attention_backward.slip(
    "the output layer is left out: dout goes straight into the heads",
    "Between the heads and the output lies a linear layer, and it has a backward.",
    dmerged="dout",
)
multi_head_attention_backward.slip(
    "out_weight is transposed on the way back",
    "D times D fits both ways, so nothing crashes. Forward multiplies with W.T; what does that make of dout?",
    dmerged="dout @ out_weight.T",
)
for _kept, _why in (("queries", "z is used three times, as q, as k and as v: gradients add up over uses."),
                    ("values", "A is computed from z too, through q and k.")):  # fmt: skip
    _parts = [p if p[-2] == ("q" if _kept == "queries" else "v") else f"0 * {p}" for p in _PARTS]
    multi_head_attention_backward.slip(
        f"only the {_kept} send a gradient back", _why, dqkv=f"np.concatenate([{', '.join(_parts)}], axis=-1)"
    )
multi_head_attention_backward.slip(
    "the scale is forgotten in dq and dk",
    "The scores were divided by sqrt(Dh) on the way forward; the same factor acts on the way back.",
    dscores="softmax_backward(dA, A)",
)
multi_head_attention_backward.slip(
    "the biases' gradients are averaged over the tokens, not summed",
    "The same bias served every token: its gradients add up.",
    dqkv_bias="dqkv.mean(axis=(0, 1))",
    dout_bias="dout.mean(axis=(0, 1))",
)
multi_head_attention_backward.slip(
    "the biases' gradients are summed over the batch only",
    "The same bias served every token of every image.",
    dqkv_bias="dqkv.sum(axis=0)",
    dout_bias="dout.sum(axis=0)",
)
multi_head_attention_backward.slip(
    "dout_weight is made from z, not from the merged heads",
    "A weight's gradient is made from that layer's own input. What went into the output layer?",
    dout_weight="weight_gradient(dout, z)",
)


# ---- shared_key_backward(dy, q, k, v) -> dq, dk, dv ------------------------------------------------------------------


def _shared_cases(rng):
    cases = []
    for B, h, T, S, Dh in ((2, 3, 5, 4, 2), (1, 4, 3, 6, 5), (3, 2, 4, 7, 3)):
        asking, asked = (B, h, T, Dh), (B, S, Dh)
        cases.append(tuple(rng.standard_normal(shape) for shape in (asking, asking, asked, asked)))
    return cases


@exercise(
    cases=_shared_cases,
    outputs={"dq": "(B, h, T, Dh)", "dk": "(B, S, Dh)", "dv": "(B, S, Dh)"},
    axes={"T": "the tokens that ask", "S": "the tokens asked", "h": "the heads"}, level=3, minutes=25,
)  # fmt: skip
def shared_key_backward(dy, q, k, v):
    B, h, T, Dh = q.shape
    keys = k[:, None]  # the keys, with an axis for the heads
    values = v[:, None]  # the values, with an axis for the heads
    A = softmax_of(q @ swap(keys) / np.sqrt(Dh))  # the weights
    dA = dy @ swap(values)  # dA
    dscores = softmax_backward_of(dA, A) / np.sqrt(Dh)  # dscores
    dq = dscores @ keys  # dq
    dkeys = swap(dscores) @ q  # dk, head by head
    dvalues = swap(A) @ dy  # dv, head by head
    dk = dkeys.sum(axis=1)  # dk
    dv = dvalues.sum(axis=1)  # dv
    return dq, dk, dv


shared_key_backward.slip(
    "dk and dv are averaged over the heads, not summed",
    "Every head used the same keys and values. Where does the forward divide by the number of heads?",
    dk="dkeys.mean(axis=1)",
    dv="dvalues.mean(axis=1)",
)
shared_key_backward.slip(
    "dk and dv come from the first head alone",
    "How many heads asked these keys?",
    dk="dkeys[:, 0]",
    dv="dvalues[:, 0]",
)
shared_key_backward.slip(
    "dk and dv still have one part for every head",
    "A gradient has the shape of what it belongs to.",
    dk="dkeys",
    dv="dvalues",
)
shared_key_backward.slip(
    "the scale is forgotten in dq and dk",
    "The scores were divided by sqrt(Dh) on the way forward; the same factor acts on the way back.",
    dscores="softmax_backward(dA, A)",
)


# ---- grouped_attention(q, k, v) -> y ---------------------------------------------------------------------------------


def _grouped_cases(rng):
    """q (B, h, T, Dh); k, v (B, g, S, Dh): h a multiple of g"""
    sizes = [(2, 6, 2, 3, 5, 4), (1, 4, 4, 5, 2, 3), (3, 6, 3, 4, 7, 2), (2, 4, 1, 3, 6, 5)]
    return [
        tuple(rng.standard_normal(s) for s in ((B, h, T, Dh), (B, g, S, Dh), (B, g, S, Dh)))
        for B, h, g, T, S, Dh in sizes
    ]


@exercise(cases=_grouped_cases, outputs={"y": "(B, h, T, Dh)"}, axes={"g": "the groups"}, level=2, minutes=20)
def grouped_attention(q, k, v):
    B, h, T, Dh = q.shape
    g = k.shape[1]
    S = k.shape[2]
    keys = np.repeat(k, h // g, axis=1)  # the keys of each head
    values = np.repeat(v, h // g, axis=1)  # the values of each head
    scores = q @ swap(keys) / np.sqrt(Dh)  # the scores
    A = softmax_of(scores)  # the weights
    return A @ values  # the answer


grouped_attention.slip(
    "the heads take turns: head i asks group i modulo g",
    "Neighbouring heads share a group: with 6 heads and 2 groups, which heads does group 0 serve?",
    keys="np.tile(k, (1, h // g, 1, 1))", values="np.tile(v, (1, h // g, 1, 1))",
)  # fmt: skip
grouped_attention.slip(
    "the queries of a group are averaged, so that one head of each is left",
    "The heads of a group share keys and values. What has each of them of its own?",
    result="softmax(q.reshape(B, g, h // g, T, Dh).mean(axis=2) @ swap(k) / np.sqrt(Dh)) @ v",
)
grouped_attention.slip(
    "all heads ask the first group", "How many groups are there?", keys="k[:, :1] + 0 * q[:, :, :1, :1]",
    values="v[:, :1] + 0 * q[:, :, :1, :1]",
)  # fmt: skip
