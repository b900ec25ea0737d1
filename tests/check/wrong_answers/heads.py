"""Checks for the exercises of notebooks/04_heads.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake
from vitedu_numpy.layers.attention import MultiHeadAttention
from vitedu_numpy.layers.attention import attention as np_attention
from vitedu_numpy.layers.attention import attention_backward as np_attention_backward
from vitedu_numpy.layers.attention import merge_heads as np_merge
from vitedu_numpy.layers.attention import split_heads as np_split

__all__ = ["merge_heads", "multi_head_attention", "multi_head_attention_backward", "split_heads"]


# ---- split_heads ---------------------------------------------------------------------------------------------------


def _split_cases(rng):
    sizes = [(2, 5, 12, 3), (3, 4, 10, 5), (1, 7, 6, 2)]  # B, T, D, h
    return [(rng.standard_normal((B, T, D)), h) for B, T, D, h in sizes]


def _straight(x, heads):
    """One reshape straight to (B, h, T, Dh)."""
    B, T, D = x.shape
    return x.reshape(B, heads, T, D // heads)


def _interleaved(x, heads):
    """Head i reads the features i, i + h, i + 2h, ..."""
    B, T, D = x.shape
    return x.reshape(B, T, D // heads, heads).transpose(0, 3, 1, 2)


def _split_tokens(x, heads):
    B, T, D = x.shape
    return x.reshape(B, heads, T // heads, D)


_EVERY_TOKEN = "Every head sees every token; what it sees of a token is a part of the D features."

split_heads = Check(
    "split_heads",
    reference=np_split,
    cases=_split_cases,
    outputs={"x": "(B, h, T, Dh)"},
    mistakes=[
        Mistake(
            "one reshape straight to (B, h, T, Dh), which mixes tokens and features",
            "reshape never moves a number, it only cuts the same row of numbers elsewhere. First cut D alone, then "
            "move an axis.",
            _straight,
        ),
        Mistake(
            "the features are dealt out one by one: head i gets i, i + h, i + 2h, ...",
            "Head 0 should read the first Dh features, side by side. Which of (h, Dh) comes first when D is cut?",
            _interleaved,
        ),
        Mistake(
            "the axes were left as (B, T, h, Dh)",
            "The cut is right. Which axis must move so that every head has its own (T, Dh) matrix?",
            lambda x, heads: np_split(x, heads).swapaxes(1, 2),
        ),
        Mistake(
            "the last two axes have changed places: (B, h, Dh, T)",
            "Rows are tokens, columns are features, as everywhere.",
            lambda x, heads: np_split(x, heads).swapaxes(2, 3),
        ),
        Mistake(
            "the heads stand before the batch: (h, B, T, Dh)",
            "The parts are right; the batch axis should stay first.",
            lambda x, heads: np_split(x, heads).swapaxes(0, 1),
        ),
        Mistake(
            "batch and heads are one axis: (B h, T, Dh)",
            "The parts are right; keep an axis for the batch and one for the heads.",
            lambda x, heads: np_split(x, heads).reshape(-1, x.shape[1], x.shape[2] // heads),
        ),
        Mistake(
            "the parts have the right shape, but the order of the heads is turned around",
            "Head 0 should read the first features.",
            lambda x, heads: np_split(x, heads)[:, ::-1],
        ),
        Mistake("the token axis is cut, not the features", _EVERY_TOKEN, _split_tokens),
        Mistake(
            "the token axis is cut by np.split, not the features",
            _EVERY_TOKEN,
            lambda x, heads: np.stack(np.split(x, heads, axis=1), axis=1),
        ),
    ],
)


# ---- merge_heads ---------------------------------------------------------------------------------------------------


def _merge_cases(rng):
    return [(rng.standard_normal(shape),) for shape in [(2, 3, 5, 4), (3, 5, 4, 2), (1, 2, 7, 3)]]


def _merge_straight(x):
    B, h, T, Dh = x.shape
    return x.reshape(B, T, h * Dh)


def _merge_interleaved(x):
    B, h, T, Dh = x.shape
    return x.transpose(0, 2, 3, 1).reshape(B, T, h * Dh)


merge_heads = Check(
    "merge_heads",
    reference=np_merge,
    cases=_merge_cases,
    outputs={"y": "(B, T, D)"},
    mistakes=[
        Mistake(
            "one reshape straight to (B, T, D), which mixes tokens and heads",
            "The numbers of one token stand in h different places of memory. An axis has to move before the reshape.",
            _merge_straight,
        ),
        Mistake(
            "the heads' features are dealt in one by one, instead of head by head",
            "Feature Dh of the result should be the first feature of head 1. Which axis must vary fastest?",
            _merge_interleaved,
        ),
        Mistake(
            "the axis was moved but the two last axes were not joined",
            "The result should have three axes, with D = h Dh numbers for each token.",
            lambda x: x.swapaxes(1, 2),
        ),
        Mistake(
            "the heads are averaged",
            "Averaging forgets which head said what. Eq. 8 writes them side by side: [SA_1(z); SA_2(z); ...].",
            lambda x: x.mean(axis=1),
        ),
        Mistake(
            "the heads are added up",
            "Adding forgets which head said what. Eq. 8 writes them side by side: [SA_1(z); SA_2(z); ...].",
            lambda x: x.sum(axis=1),
        ),
        Mistake(
            "the heads stand below each other as more tokens: (B, h T, Dh)",
            "The number of tokens stays T; it is the rows that become longer.",
            lambda x: x.reshape(x.shape[0], -1, x.shape[3]),
        ),
        Mistake(
            "the order of the heads is turned around",
            "The first Dh features should come from head 0.",
            lambda x: np_merge(x[:, ::-1]),
        ),
    ],
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


def _module(qkv_weight, qkv_bias, out_weight, out_bias, heads):
    """The package's layer with these parameters."""
    module = MultiHeadAttention(len(out_bias), heads, np.random.default_rng(0), dtype=np.float64)
    module.load_state_dict(
        {"qkv.weight": qkv_weight, "qkv.bias": qkv_bias, "out.weight": out_weight, "out.bias": out_bias}
    )
    return module


def _in_order(qkv):
    return np.split(qkv, 3, axis=-1)


def _attend(q, k, v, scale=None, axis=-1):
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True) @ v


def _msa(parts=_in_order, split=np_split, attend=_attend, merge=np_merge, qkv_bias=True, out=None):
    """Eqs. 5-8 out of exchangeable pieces; every mistake exchanges one."""

    def answer(z, qkv_weight, bias, out_weight, out_bias, heads):
        qkv = z @ qkv_weight.T + (bias if qkv_bias else 0)
        q, k, v = (split(x, heads) for x in parts(qkv))
        y = merge(attend(q, k, v))
        return y @ out_weight.T + out_bias if out is None else out(y, out_weight, out_bias)

    return answer


def _per_head(order):
    """q, k, v cut out of every head's own stretch of the 3D features, (h, 3, Dh) or (h, Dh, 3)."""

    def answer(z, qkv_weight, bias, out_weight, out_bias, heads):
        B, T, D = z.shape
        qkv = (z @ qkv_weight.T + bias).reshape(B, T, heads, *((3, D // heads) if order == "3 Dh" else (D // heads, 3)))
        q, k, v = np.moveaxis(qkv, 3 if order == "3 Dh" else 4, 0).swapaxes(2, 3)  # each (B, h, T, Dh)
        return np_merge(_attend(q, k, v)) @ out_weight.T + out_bias

    return answer


def _scale_by_width(q, k, v):
    return _attend(q, k, v, (q.shape[1] * q.shape[-1]) ** -0.5)


def _between_heads(z, qkv_weight, bias, out_weight, out_bias, heads):
    B, T, D = z.shape
    q, k, v = (x.reshape(B, T, heads, D // heads) for x in _in_order(z @ qkv_weight.T + bias))
    return _attend(q, k, v).reshape(B, T, D) @ out_weight.T + out_bias


def _ordered(*order):
    """Take the three blocks of rows in another order."""
    return lambda qkv: [_in_order(qkv)[i] for i in order]


multi_head_attention = Check(
    "multi_head_attention",
    reference=lambda z, *weights_and_heads: _module(*weights_and_heads)(z),
    cases=_heads_cases,
    outputs={"out": "(B, T, D)"},
    mistakes=[
        Mistake(
            "the scale comes from the width D, not from the head size Dh",
            "How many terms does one dot product of a head add up?",
            _msa(attend=_scale_by_width),
        ),
        Mistake(
            "the scale is missing",
            "The scores grow with the number of terms in the dot product. Eq. 6 divides by something.",
            _msa(attend=lambda q, k, v: _attend(q, k, v, 1.0)),
        ),
        Mistake(
            "the scores are divided by Dh, not by its square root",
            "Their standard deviation, not their variance, should become 1.",
            _msa(attend=lambda q, k, v: _attend(q, k, v, 1 / q.shape[-1])),
        ),
        Mistake(
            "the softmax runs over the tokens that ask (axis -2), not over those asked",
            "Each row of A should sum to 1: which axis did you sum over?",
            _msa(attend=lambda q, k, v: _attend(q, k, v, axis=-2)),
        ),
        Mistake(
            "the heads are split by one reshape straight to (B, h, T, Dh), which mixes tokens and features",
            "Try your splitting on x = np.arange(12).reshape(1, 2, 6) with two heads: does head 0 see both tokens?",
            _msa(split=_straight),
        ),
        Mistake(
            "the heads are split and merged by one reshape, which mixes tokens and features",
            "Try your splitting on x = np.arange(12).reshape(1, 2, 6) with two heads: does head 0 see both tokens?",
            _msa(split=_straight, merge=_merge_straight),
        ),
        Mistake(
            "the features are dealt out to the heads one by one: head i gets i, i + h, i + 2h, ...",
            "Head 0 should read the first Dh features, side by side.",
            _msa(split=_interleaved),
        ),
        Mistake(
            "the features are dealt out to the heads one by one, and collected again in the same way",
            "Head 0 should read the first Dh features, side by side.",
            _msa(split=_interleaved, merge=_merge_interleaved),
        ),
        Mistake(
            "the heads are merged by one reshape, which mixes tokens and heads",
            "The splitting is right. Its inverse has to move the axis back before it joins two axes.",
            _msa(merge=_merge_straight),
        ),
        Mistake(
            "the heads are merged with their features dealt in one by one, instead of head by head",
            "The splitting is right. Feature Dh of the result should be the first feature of head 1.",
            _msa(merge=_merge_interleaved),
        ),
        Mistake(
            "attention runs between the heads of a token, instead of between the tokens of a head",
            "With axes (B, T, h, Dh) the product compares heads. Which axis belongs in front of the matrices?",
            _between_heads,
        ),
        Mistake(
            "there is one head of width D: `heads` is not used",
            "Everything around it is right. Each head should have a softmax of its own.",
            lambda z, *weights_and_heads: _module(*weights_and_heads[:-1], 1)(z),
        ),
        Mistake(
            "the output layer U_msa is forgotten",
            "Eq. 8 multiplies the heads' outputs, side by side, with one more matrix.",
            _msa(out=lambda y, W, b: y),
        ),
        Mistake(
            "the output layer's bias is forgotten",
            "The difference is the same vector for every token.",
            _msa(out=lambda y, W, b: y @ W.T),
        ),
        Mistake(
            "the output layer's weight is not transposed",
            "D times D fits both ways, so nothing crashes. Weights are (out, in): y = x @ W.T + b.",
            _msa(out=lambda y, W, b: y @ W + b),
        ),
        Mistake(
            "the bias of q, k, v is forgotten",
            "U_qkv is a linear layer like any other: y = x @ W.T + b.",
            _msa(qkv_bias=False),
        ),
        Mistake(
            "both biases are forgotten",
            "Both layers are linear layers like any other: y = x @ W.T + b.",
            _msa(qkv_bias=False, out=lambda y, W, b: y @ W.T),
        ),
        Mistake(
            "q and k have changed places",
            "The first D rows of qkv_weight make q, the next k.",
            _msa(_ordered(1, 0, 2)),
        ),
        Mistake(
            "k and v have changed places",
            "The rows of qkv_weight make q, then k, then v.",
            _msa(_ordered(0, 2, 1)),
        ),
        Mistake(
            "q and v have changed places",
            "The rows of qkv_weight make q, then k, then v.",
            _msa(_ordered(2, 1, 0)),
        ),
        Mistake(
            "q, k, v are one step off: v, q, k instead of q, k, v",
            "The first D rows of qkv_weight make q.",
            _msa(_ordered(2, 0, 1)),
        ),
        Mistake(
            "q, k, v are one step off: k, v, q instead of q, k, v",
            "The first D rows of qkv_weight make q.",
            _msa(_ordered(1, 2, 0)),
        ),
        Mistake(
            "the 3D features are cut head by head, (h, 3, Dh), instead of first into q, k, v",
            "The first D rows of qkv_weight all make q, for every head. Cut into three before you cut into heads.",
            _per_head("3 Dh"),
        ),
        Mistake(
            "the 3D features are cut as (h, Dh, 3): q, k, v of one feature side by side",
            "The first D rows of qkv_weight all make q, for every head. Cut into three before you cut into heads.",
            _per_head("Dh 3"),
        ),
    ],
)


# ---- multi_head_attention_backward ---------------------------------------------------------------------------------


def _msa_reference(dout, z, *weights_and_heads):
    module = _module(*weights_and_heads)
    module(z)
    dz = module.backward(dout)
    gradients = module.gradients()
    return dz, *(gradients[name] for name in ("qkv.weight", "qkv.bias", "out.weight", "out.bias"))


def _over_tokens(d):
    return d.sum(axis=(0, 1))


def _msa_backward(
    order=(0, 1, 2),
    split=np_split,
    merge=np_merge,
    dy_of=None,
    keep=(1, 1, 1),
    scaled=True,
    bias=_over_tokens,
    join=None,
):
    """The backward out of exchangeable pieces; every mistake exchanges one."""

    def answer(dout, z, qkv_weight, qkv_bias, out_weight, out_bias, heads):
        qkv = (np_split(x, heads) for x in _in_order(z @ qkv_weight.T + qkv_bias))
        y, cache = np_attention(*qkv)
        merged = np_merge(y)
        dy = split(dout @ out_weight if dy_of is None else dy_of(dout, out_weight), heads)
        gradients = list(np_attention_backward(dy, cache))
        if not scaled:
            root = np.sqrt(dy.shape[-1])
            gradients[:2] = gradients[0] * root, gradients[1] * root
        parts = [merge(gradients[i]) * keep[i] for i in order]
        dqkv = np.concatenate(parts, axis=-1) if join is None else join(parts, heads)
        rows, drows = (x.reshape(-1, x.shape[-1]) for x in (z, dqkv))
        yrows, dorows = (x.reshape(-1, x.shape[-1]) for x in (merged, dout))
        return dqkv @ qkv_weight, drows.T @ rows, bias(dqkv), dorows.T @ yrows, bias(dout)

    return answer


def _join_per_head(parts, heads):
    """(h, 3, Dh) in place of (3, h, Dh)"""
    B, T, D = parts[0].shape
    return np.stack([p.reshape(B, T, heads, D // heads) for p in parts], axis=3).reshape(B, T, 3 * D)


def _change(i, how):
    """The right gradients, with one of them changed."""

    def answer(*args):
        results = list(_msa_backward()(*args))
        results[i] = how(results[i], args)
        return tuple(results)

    return answer


def _from_dy(dw, args):
    dout, z = args[:2]
    return dout.reshape(-1, dout.shape[-1]).T @ z.reshape(-1, z.shape[-1])


_DEAL_BACK = (
    "The backward of `split_heads` is `merge_heads`: the gradient of a feature goes back to where it came from."
)

multi_head_attention_backward = Check(
    "multi_head_attention_backward",
    reference=_msa_reference,
    cases=lambda rng: [(rng.standard_normal(case[0].shape), *case) for case in _heads_cases(rng)],
    outputs={
        "dz": "(B, T, D)",
        "dqkv_weight": "(3D, D)",
        "dqkv_bias": "(3D,)",
        "dout_weight": "(D, D)",
        "dout_bias": "(D,)",
    },
    mistakes=[
        Mistake(
            "dq and dk have changed places when put together",
            "The rows of qkv_weight make q, then k, then v; their gradients stand in the same order.",
            _msa_backward(order=(1, 0, 2)),
        ),
        Mistake(
            "dk and dv have changed places when put together",
            "The rows of qkv_weight make q, then k, then v; their gradients stand in the same order.",
            _msa_backward(order=(0, 2, 1)),
        ),
        Mistake(
            "dq and dv have changed places when put together",
            "Backward may find dv first, but the rows of qkv_weight make q, then k, then v.",
            _msa_backward(order=(2, 1, 0)),
        ),
        Mistake(
            "dq, dk, dv are put together head by head, (h, 3, Dh)",
            "First merge the heads of each of the three, then put the three side by side.",
            _msa_backward(join=_join_per_head),
        ),
        Mistake(
            "the heads' gradients are merged by one reshape, which mixes tokens and heads",
            _DEAL_BACK,
            _msa_backward(merge=_merge_straight),
        ),
        Mistake(
            "the heads' gradients are merged with their features dealt in one by one",
            _DEAL_BACK,
            _msa_backward(merge=_merge_interleaved),
        ),
        Mistake(
            "the gradient of the merged heads is split by one reshape, which mixes tokens and features",
            "The backward of `merge_heads` is `split_heads`.",
            _msa_backward(split=_straight),
        ),
        Mistake(
            "the gradient of the merged heads is split with the features dealt out one by one",
            "The backward of `merge_heads` is `split_heads`.",
            _msa_backward(split=_interleaved),
        ),
        Mistake(
            "the output layer is left out: dout goes straight into the heads",
            "Between the heads and the output lies a linear layer, and it has a backward.",
            _msa_backward(dy_of=lambda dout, W: dout),
        ),
        Mistake(
            "out_weight is transposed on the way back",
            "D times D fits both ways, so nothing crashes. Forward multiplies with W.T; what does that make of dout?",
            _msa_backward(dy_of=lambda dout, W: dout @ W.T),
        ),
        Mistake(
            "only the queries send a gradient back",
            "z is used three times, as q, as k and as v: gradients add up over uses.",
            _msa_backward(keep=(1, 0, 0)),
        ),
        Mistake(
            "only the values send a gradient back",
            "A is computed from z too, through q and k.",
            _msa_backward(keep=(0, 0, 1)),
        ),
        Mistake(
            "the scale is forgotten in dq and dk",
            "The scores were divided by sqrt(Dh) on the way forward; the same factor acts on the way back.",
            _msa_backward(scaled=False),
        ),
        Mistake(
            "the biases' gradients are averaged over the tokens, not summed",
            "The same bias served every token: its gradients add up.",
            _msa_backward(bias=lambda d: d.mean(axis=(0, 1))),
        ),
        Mistake(
            "dout_weight is transposed",
            "A gradient has the shape of its parameter, (out, in). D times D fits both ways, so look at the formula.",
            _change(3, lambda dw, args: dw.T),
        ),
        Mistake(
            "dout_weight is made from z, not from the merged heads",
            "A weight's gradient is made from that layer's own input. What went into the output layer?",
            _change(3, _from_dy),
        ),
        Mistake(
            "dqkv_weight is transposed",
            "A gradient has the shape of its parameter, (out, in).",
            _change(1, lambda dw, args: dw.T),
        ),
        Mistake(
            "the biases' gradients are summed over the batch only",
            "The same bias served every token of every image.",
            _msa_backward(bias=lambda d: d.sum(axis=0)),
        ),
    ],
)
