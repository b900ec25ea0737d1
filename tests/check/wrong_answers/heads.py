"""Wrong answers to the exercises of notebooks/04_heads.ipynb."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.layers.attention import MultiHeadAttention
from vitedu_numpy.layers.attention import attention as np_attention
from vitedu_numpy.layers.attention import attention_backward as np_attention_backward
from vitedu_numpy.layers.attention import merge_heads as np_merge
from vitedu_numpy.layers.attention import split_heads as np_split

from . import FirstGeneration

__all__ = ["merge_heads", "multi_head_attention", "multi_head_attention_backward", "split_heads"]


# ---- split_heads ---------------------------------------------------------------------------------------------------


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


split_heads = FirstGeneration(
    np_split,
    [
        ("one reshape straight to (B, h, T, Dh), which mixes tokens and features", _straight),
        ("the features are dealt out one by one: head i gets i, i + h, i + 2h, ...", _interleaved),
        ("the axes were left as (B, T, h, Dh)", lambda x, heads: np_split(x, heads).swapaxes(1, 2)),
        ("the last two axes have changed places: (B, h, Dh, T)", lambda x, heads: np_split(x, heads).swapaxes(2, 3)),
        ("the heads stand before the batch: (h, B, T, Dh)", lambda x, heads: np_split(x, heads).swapaxes(0, 1)),
        (
            "batch and heads are one axis: (B h, T, Dh)",
            lambda x, heads: np_split(x, heads).reshape(-1, x.shape[1], x.shape[2] // heads),
        ),
        (
            "the parts have the right shape, but the order of the heads is turned around",
            lambda x, heads: np_split(x, heads)[:, ::-1],
        ),
        ("the token axis is cut, not the features", _split_tokens),
        (
            "the token axis is cut by np.split, not the features",
            lambda x, heads: np.stack(np.split(x, heads, axis=1), axis=1),
        ),
    ],
)


# ---- merge_heads ---------------------------------------------------------------------------------------------------


def _merge_straight(x):
    B, h, T, Dh = x.shape
    return x.reshape(B, T, h * Dh)


def _merge_interleaved(x):
    B, h, T, Dh = x.shape
    return x.transpose(0, 2, 3, 1).reshape(B, T, h * Dh)


merge_heads = FirstGeneration(
    np_merge,
    [
        ("one reshape straight to (B, T, D), which mixes tokens and heads", _merge_straight),
        ("the heads' features are dealt in one by one, instead of head by head", _merge_interleaved),
        ("the axis was moved but the two last axes were not joined", lambda x: x.swapaxes(1, 2)),
        ("the heads are averaged", lambda x: x.mean(axis=1)),
        ("the heads are added up", lambda x: x.sum(axis=1)),
        (
            "the heads stand below each other as more tokens: (B, h T, Dh)",
            lambda x: x.reshape(x.shape[0], -1, x.shape[3]),
        ),
        ("the order of the heads is turned around", lambda x: np_merge(x[:, ::-1])),
    ],
)


# ---- multi_head_attention ------------------------------------------------------------------------------------------


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


multi_head_attention = FirstGeneration(
    lambda z, *weights_and_heads: _module(*weights_and_heads)(z),
    [
        ("the scale comes from the width D, not from the head size Dh", _msa(attend=_scale_by_width)),
        ("the scale is missing", _msa(attend=lambda q, k, v: _attend(q, k, v, 1.0))),
        (
            "the scores are divided by Dh, not by its square root",
            _msa(attend=lambda q, k, v: _attend(q, k, v, 1 / q.shape[-1])),
        ),
        (
            "the softmax runs over the tokens that ask (axis -2), not over those asked",
            _msa(attend=lambda q, k, v: _attend(q, k, v, axis=-2)),
        ),
        (
            "the heads are split by one reshape straight to (B, h, T, Dh), which mixes tokens and features",
            _msa(split=_straight),
        ),
        (
            "the heads are split and merged by one reshape, which mixes tokens and features",
            _msa(split=_straight, merge=_merge_straight),
        ),
        (
            "the features are dealt out to the heads one by one: head i gets i, i + h, i + 2h, ...",
            _msa(split=_interleaved),
        ),
        (
            "the features are dealt out to the heads one by one, and collected again in the same way",
            _msa(split=_interleaved, merge=_merge_interleaved),
        ),
        ("the heads are merged by one reshape, which mixes tokens and heads", _msa(merge=_merge_straight)),
        (
            "the heads are merged with their features dealt in one by one, instead of head by head",
            _msa(merge=_merge_interleaved),
        ),
        ("attention runs between the heads of a token, instead of between the tokens of a head", _between_heads),
        (
            "there is one head of width D: `heads` is not used",
            lambda z, *weights_and_heads: _module(*weights_and_heads[:-1], 1)(z),
        ),
        ("the output layer U_msa is forgotten", _msa(out=lambda y, W, b: y)),
        ("the output layer's bias is forgotten", _msa(out=lambda y, W, b: y @ W.T)),
        ("the output layer's weight is not transposed", _msa(out=lambda y, W, b: y @ W + b)),
        ("the bias of q, k, v is forgotten", _msa(qkv_bias=False)),
        ("both biases are forgotten", _msa(qkv_bias=False, out=lambda y, W, b: y @ W.T)),
        ("q and k have changed places", _msa(_ordered(1, 0, 2))),
        ("k and v have changed places", _msa(_ordered(0, 2, 1))),
        ("q and v have changed places", _msa(_ordered(2, 1, 0))),
        ("q, k, v are one step off: v, q, k instead of q, k, v", _msa(_ordered(2, 0, 1))),
        ("q, k, v are one step off: k, v, q instead of q, k, v", _msa(_ordered(1, 2, 0))),
        ("the 3D features are cut head by head, (h, 3, Dh), instead of first into q, k, v", _per_head("3 Dh")),
        ("the 3D features are cut as (h, Dh, 3): q, k, v of one feature side by side", _per_head("Dh 3")),
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


multi_head_attention_backward = FirstGeneration(
    _msa_reference,
    [
        ("dq and dk have changed places when put together", _msa_backward(order=(1, 0, 2))),
        ("dk and dv have changed places when put together", _msa_backward(order=(0, 2, 1))),
        ("dq and dv have changed places when put together", _msa_backward(order=(2, 1, 0))),
        ("dq, dk, dv are put together head by head, (h, 3, Dh)", _msa_backward(join=_join_per_head)),
        (
            "the heads' gradients are merged by one reshape, which mixes tokens and heads",
            _msa_backward(merge=_merge_straight),
        ),
        (
            "the heads' gradients are merged with their features dealt in one by one",
            _msa_backward(merge=_merge_interleaved),
        ),
        (
            "the gradient of the merged heads is split by one reshape, which mixes tokens and features",
            _msa_backward(split=_straight),
        ),
        (
            "the gradient of the merged heads is split with the features dealt out one by one",
            _msa_backward(split=_interleaved),
        ),
        ("the output layer is left out: dout goes straight into the heads", _msa_backward(dy_of=lambda dout, W: dout)),
        ("out_weight is transposed on the way back", _msa_backward(dy_of=lambda dout, W: dout @ W.T)),
        ("only the queries send a gradient back", _msa_backward(keep=(1, 0, 0))),
        ("only the values send a gradient back", _msa_backward(keep=(0, 0, 1))),
        ("the scale is forgotten in dq and dk", _msa_backward(scaled=False)),
        (
            "the biases' gradients are averaged over the tokens, not summed",
            _msa_backward(bias=lambda d: d.mean(axis=(0, 1))),
        ),
        ("dout_weight is transposed", _change(3, lambda dw, args: dw.T)),
        ("dout_weight is made from z, not from the merged heads", _change(3, _from_dy)),
        ("dqkv_weight is transposed", _change(1, lambda dw, args: dw.T)),
        ("the biases' gradients are summed over the batch only", _msa_backward(bias=lambda d: d.sum(axis=0))),
    ],
)
