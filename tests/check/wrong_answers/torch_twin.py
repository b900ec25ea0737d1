"""Wrong answers to notebooks/08_vit_torch.ipynb: decay, chains, parallel data, micro-batches."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.layers.linear import linear as np_linear
from vitedu_numpy.layers.linear import linear_backward as np_linear_backward
from vitedu_numpy.training.optim import is_kernel as np_is_kernel

from . import FirstGeneration

__all__ = [
    "accumulate",
    "all_reduce",
    "chain_backward",
    "data_parallel_gradient",
    "decay_groups",
    "reused_weight_backward",
]


def _each(rule):
    return lambda names, shapes: [float(rule(name, shape)) for name, shape in zip(names, shapes, strict=True)]


def _is_bias_or_norm(name):
    return name.endswith("bias") or "norm" in name


decay_groups = FirstGeneration(
    _each(lambda name, shape: np_is_kernel(name, np.empty(shape))),
    [
        ("every parameter is decayed", _each(lambda name, shape: True)),
        ("filters with four axes are left out", _each(lambda name, shape: name.endswith("weight") and len(shape) == 2)),
        (
            "E_x, E_y and R are decayed: positions of other kinds than E_pos",
            _each(lambda name, shape: len(shape) >= 2 and not name.endswith("E_pos") and not name.endswith("class")),
        ),
        ("nothing is decayed", _each(lambda name, shape: False)),
        ("the weights of layer norms are decayed too", _each(lambda name, shape: name.endswith("weight"))),
        (
            "E_pos is decayed too: it has two axes, but it is no weight matrix",
            _each(lambda name, shape: len(shape) >= 2),
        ),
        ("everything but biases is decayed", _each(lambda name, shape: not name.endswith("bias"))),
        ("the class token and E_pos are decayed too", _each(lambda name, shape: not _is_bias_or_norm(name))),
        (
            "only the encoder's matrices are decayed; the patch embedding and the head are matrices too",
            _each(lambda name, shape: name.startswith("encoder") and name.endswith("weight") and len(shape) >= 2),
        ),
        (
            "the head's matrix is left out",
            _each(lambda name, shape: name.endswith("weight") and len(shape) >= 2 and not name.startswith("head")),
        ),
        (
            "the patch embedding's matrix is left out",
            _each(lambda name, shape: name.endswith("weight") and len(shape) >= 2 and "patch" not in name),
        ),
        ("the two groups are exchanged", _each(lambda name, shape: not (name.endswith("weight") and len(shape) >= 2))),
    ],
)


def _chain(x, W1, W2, dy):
    s, cache1 = np_linear(x, W1, np.zeros(len(W1)))
    a, cache2 = np_linear(np.maximum(s, 0), W2, np.zeros(len(W2)))
    da = dy * (1 - np.tanh(a) ** 2)
    dr, dW2, _ = np_linear_backward(da, cache2)
    dx, dW1, _ = np_linear_backward(dr * (s > 0), cache1)
    return dx, dW1, dW2


def _chain_variant(
    tanh_slope=lambda a: 1 - np.tanh(a) ** 2,
    gate=lambda s, dr, x: s > 0,
    seen_by_W2=lambda s: np.maximum(s, 0),
    gated_dW1=True,
    share=lambda x: 1.0,
):
    """The backward with one line replaced.  a: what tanh was given; s: what relu was given."""

    def answer(x, W1, W2, dy):
        s = x @ W1.T
        a = np.maximum(s, 0) @ W2.T
        da = dy * tanh_slope(a)
        dr = da @ W2
        ds = dr * gate(s, dr, x)
        dW1 = (ds if gated_dW1 else dr).T @ x
        return ds @ W1, dW1 * share(x), da.T @ seen_by_W2(s) * share(x)

    return answer


def _chain_transposed(x, W1, W2, dy):
    dx, dW1, dW2 = _chain(x, W1, W2, dy)
    return dx, dW1.T, dW2.T


chain_backward = FirstGeneration(
    _chain,
    [
        ("the slope of tanh is missing", _chain_variant(tanh_slope=lambda a: 1.0)),
        (
            "the slope of tanh is taken as 1 - a^2 with a, what tanh was given",
            _chain_variant(tanh_slope=lambda a: 1 - a**2),
        ),
        (
            "tanh is applied once too often in its slope",
            _chain_variant(tanh_slope=lambda a: 1 - np.tanh(np.tanh(a)) ** 2),
        ),
        (
            "the slope of tanh is taken as 1 - y, without the square",
            _chain_variant(tanh_slope=lambda a: 1 - np.tanh(a)),
        ),
        (
            "the slope of a sigmoid, y (1 - y), is used for tanh",
            _chain_variant(tanh_slope=lambda a: np.tanh(a) * (1 - np.tanh(a))),
        ),
        ("relu's gate is missing on the way back", _chain_variant(gate=lambda s, dr, x: 1.0)),
        ("relu is applied to the gradient instead of its gate", _chain_variant(gate=lambda s, dr, x: dr > 0)),
        ("relu's gate is upside down", _chain_variant(gate=lambda s, dr, x: s <= 0)),
        (
            "relu's output multiplies the gradient instead of its gate",
            _chain_variant(gate=lambda s, dr, x: np.maximum(s, 0)),
        ),
        ("dW2 uses what went into relu, not what came out", _chain_variant(seen_by_W2=lambda s: s)),
        ("dx passes relu's gate, dW1 does not", _chain_variant(gated_dW1=False)),
        ("the weight gradients are means over the batch, not sums", _chain_variant(share=lambda x: 1 / len(x))),
        ("dW1 and dW2 are transposed", _chain_transposed),
        ("dW1 and dW2 are returned in the wrong order", lambda *args: tuple(_chain(*args)[i] for i in (0, 2, 1))),
    ],
)


def _reused(x, W, dy):
    h, cache1 = np_linear(x, W, np.zeros(len(W)))
    _, cache2 = np_linear(h, W, np.zeros(len(W)))
    dh, dW_second, _ = np_linear_backward(dy, cache2)
    dx, dW_first, _ = np_linear_backward(dh, cache1)
    return dx, dW_first + dW_second


def _reused_parts(x, W, dy):
    return (dy @ W).T @ x, dy.T @ (x @ W.T)


reused_weight_backward = FirstGeneration(
    _reused,
    [
        ("dW holds the second use only", lambda x, W, dy: (dy @ W @ W, _reused_parts(x, W, dy)[1])),
        ("dW holds the first use only", lambda x, W, dy: (dy @ W @ W, _reused_parts(x, W, dy)[0])),
        ("the gradients of the two uses are averaged", lambda x, W, dy: (dy @ W @ W, sum(_reused_parts(x, W, dy)) / 2)),
        (
            "the gradient of the second use is counted twice",
            lambda x, W, dy: (dy @ W @ W, 2 * _reused_parts(x, W, dy)[1]),
        ),
        ("the same dy is used for both uses of W", lambda x, W, dy: (dy @ W @ W, dy.T @ x + dy.T @ (x @ W.T))),
        ("both uses are given x as their input", lambda x, W, dy: (dy @ W @ W, (dy @ W).T @ x + dy.T @ x)),
        ("dx went back through W once only", lambda x, W, dy: (dy @ W, sum(_reused_parts(x, W, dy)))),
        ("dx went back through W^T instead of W", lambda x, W, dy: (dy @ W.T @ W.T, sum(_reused_parts(x, W, dy)))),
        ("dW is transposed", lambda x, W, dy: (dy @ W @ W, sum(_reused_parts(x, W, dy)).T)),
    ],
)


def _weighted(weights):
    """sum_i weights_i g_i, with weights a function of (sizes)."""
    return lambda gradients, sizes: np.einsum("n,n...->...", weights(np.asarray(sizes, float)), gradients)


data_parallel_gradient = FirstGeneration(
    lambda gradients, sizes: np.average(gradients, axis=0, weights=sizes),
    [
        (
            "the chunks' means are averaged as if all chunks had the same size",
            _weighted(lambda n: np.ones(len(n)) / len(n)),
        ),
        ("the chunks' means are summed without their shares", _weighted(lambda n: np.ones(len(n)))),
        ("the sum over all images is not divided by their number", _weighted(lambda n: n)),
        ("the sum over images is divided by the number of chunks", _weighted(lambda n: n / len(n))),
        (
            "the shares are right, but there is one more division by the number of chunks",
            _weighted(lambda n: n / n.sum() / len(n)),
        ),
        (
            "the gradients are taken for sums: they are means over their chunks already",
            _weighted(lambda n: np.ones(len(n)) / n.sum()),
        ),
        ("small chunks count for more than large ones", _weighted(lambda n: (1 / n) / (1 / n).sum())),
        ("every chunk is taken to be as large as the first", _weighted(lambda n: n[0] / n.sum() * np.ones(len(n)))),
        ("only the first chunk's gradient came back", lambda gradients, sizes: gradients[0]),
        ("only the last chunk's gradient came back", lambda gradients, sizes: gradients[-1]),
    ],
)


def _all_reduce(parts):
    return np.broadcast_to(parts.sum(axis=0), parts.shape)


def _reduce_to_first(parts):
    result = np.zeros_like(parts)
    result[0] = parts.sum(axis=0)
    return result


def _reduce_to_first_keeping(parts):
    result = parts.copy()
    result[0] = parts.sum(axis=0)
    return result


def _reduce_while_overwriting(parts):
    """Each worker adds up what it finds, also what earlier workers have already replaced."""
    result = parts.copy()
    for i in range(len(parts)):
        result[i] = result.sum(axis=0)
    return result


all_reduce = FirstGeneration(
    _all_reduce,
    [
        ("only worker 0 has the sum (that is a reduce, not an all-reduce)", _reduce_to_first),
        ("only worker 0 has the sum (that is a reduce, not an all-reduce)", _reduce_to_first_keeping),
        ("one row came back, not one per worker", lambda parts: parts.sum(axis=0)),
        ("the workers have the mean, not the sum", lambda parts: np.broadcast_to(parts.mean(axis=0), parts.shape)),
        ("every worker leaves out its own part", lambda parts: parts.sum(axis=0) - parts),
        ("worker i has the sum of workers 0 to i only", lambda parts: parts.cumsum(axis=0)),
        (
            "the numbers of one worker are added up, instead of one number over all workers",
            lambda parts: np.broadcast_to(parts.sum(axis=1, keepdims=True), parts.shape),
        ),
        ("each worker has its right neighbour's part only", lambda parts: parts + np.roll(parts, -1, axis=0)),
        ("each worker has its left neighbour's part only", lambda parts: parts + np.roll(parts, 1, axis=0)),
        ("a part that was already replaced by the sum is added again", _reduce_while_overwriting),
    ],
)


def _accumulate(x, t, w, size):
    return 2 * np_linear(x, w[None], np.zeros(1))[0][:, 0] @ x / len(x) - 2 * t @ x / len(x)


def _chunked(chunk_gradient, combine=np.add, keep_rest=True):
    """chunk_gradient(x, t, w, size, B) for every micro-batch, folded together with `combine`."""

    def answer(x, t, w, size):
        end = len(x) if keep_rest else len(x) // size * size
        total = np.zeros_like(w)
        for i in range(0, end, size):
            total = combine(total, chunk_gradient(x[i : i + size], t[i : i + size], w, size, len(x)))
        return total

    return answer


def _sum_gradient(x, t, w):
    return 2 * (x @ w - t) @ x


accumulate = FirstGeneration(
    _accumulate,
    [
        (
            "the means of the micro-batches are summed",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / len(x)),
        ),
        (
            "the means of the micro-batches are averaged, though the last one is smaller",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / len(x) / -(-B // size)),
        ),
        (
            "the means of the micro-batches are divided by B // size, one too few",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / len(x) / (B // size)),
        ),
        (
            "every micro-batch is divided by `size`, the last one too",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / size),
        ),
        (
            "nothing is divided: this is the gradient of the sum",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w)),
        ),
        (
            "the last micro-batch is dropped because it is not full",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / B, keep_rest=False),
        ),
        (
            "the last micro-batch is dropped because it is not full",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / (B // size * size), keep_rest=False),
        ),
        (
            "each micro-batch overwrites the one before (zero_grad inside the loop)",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / B, lambda old, new: new),
        ),
        (
            "each micro-batch overwrites the one before (zero_grad inside the loop)",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / len(x), lambda old, new: new),
        ),
        ("the factor 2 of the square is missing", _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / 2 / B)),
        ("the sign is wrong", _chunked(lambda x, t, w, size, B: -_sum_gradient(x, t, w) / B)),
        (
            "every gradient is divided by the number of numbers in a row, not of images",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / x.shape[1]),
        ),
    ],
)
