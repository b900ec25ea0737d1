"""Checks for the exercises of notebooks/08_vit_torch.ipynb.  Answers may be NumPy functions or return tensors."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.config import HybridConfig, ViTConfig
from vitedu_numpy.layers.linear import linear as np_linear
from vitedu_numpy.layers.linear import linear_backward as np_linear_backward
from vitedu_numpy.models.hybrid import Hybrid as NpHybrid
from vitedu_numpy.models.vit import ViT as NpViT
from vitedu_numpy.training.optim import is_kernel as np_is_kernel

from ..engine import Check, Mistake

__all__ = [
    "accumulate", "all_reduce", "chain_backward", "data_parallel_gradient", "decay_groups", "reused_weight_backward",
]  # fmt: skip


# ---- which parameters are decayed ----------------------------------------------------------------------------------


def _decay_cases(rng):
    """Names and shapes of models: with class token, without, with pre-logits, with other positions, with filters."""
    small = dict(image_size=4, patch_size=2, width=6, depth=1, heads=2, mlp_dim=5, num_classes=3, channels=1)
    options = [{}, {"classifier": "gap"}, {"representation_size": 4, "depth": 2}]
    options += [{"position_embedding": "2d", "width": 8}, {"position_embedding": "relative"}]
    models = [NpViT(ViTConfig(**{**small, **more}), rng) for more in options]
    models.append(NpHybrid(HybridConfig(16, 1, 4, 1, 1, 4, 2, blocks=(1,), backbone_width=2, groups=1), rng))
    cases = []
    for model in models:
        named = [(name, p.value.shape) for name, p in model.named_parameters()]
        cases.append(([name for name, _ in named], [shape for _, shape in named]))
    return cases


def _each(rule):
    return lambda names, shapes: [float(rule(name, shape)) for name, shape in zip(names, shapes, strict=True)]


def _is_bias_or_norm(name):
    return name.endswith("bias") or "norm" in name


decay_groups = Check(
    "decay_groups",
    reference=_each(lambda name, shape: np_is_kernel(name, np.empty(shape))),
    cases=_decay_cases,
    outputs={"decayed": "(number of names,)"},
    mistakes=[
        Mistake(
            "every parameter is decayed",
            "Biases, layer norms, the class token and E_pos are left alone.",
            _each(lambda name, shape: True),
        ),
        Mistake(
            "filters with four axes are left out",
            "A filter is a matrix with its rows cut in three. How many axes has the weight of a convolution?",
            _each(lambda name, shape: name.endswith("weight") and len(shape) == 2),
        ),
        Mistake(
            "E_x, E_y and R are decayed: positions of other kinds than E_pos",
            "Table 8's other positions have two axes too. What are the weight matrices called?",
            _each(lambda name, shape: len(shape) >= 2 and not name.endswith("E_pos") and not name.endswith("class")),
        ),
        Mistake("nothing is decayed", "Weight matrices shrink.", _each(lambda name, shape: False)),
        Mistake(
            "the weights of layer norms are decayed too",
            "A layer norm's `weight` is called so, but is it a matrix?",
            _each(lambda name, shape: name.endswith("weight")),
        ),
        Mistake(
            "E_pos is decayed too: it has two axes, but it is no weight matrix",
            "The shape alone does not tell. What are the weight matrices called?",
            _each(lambda name, shape: len(shape) >= 2),
        ),
        Mistake(
            "everything but biases is decayed",
            "Biases are not the only parameters that are left alone. Look at the shapes.",
            _each(lambda name, shape: not name.endswith("bias")),
        ),
        Mistake(
            "the class token and E_pos are decayed too",
            "Leaving out biases and layer norms is not enough: what else is no weight matrix?",
            _each(lambda name, shape: not _is_bias_or_norm(name)),
        ),
        Mistake(
            "only the encoder's matrices are decayed; the patch embedding and the head are matrices too",
            "Which weight matrices stand outside the blocks?",
            _each(lambda name, shape: name.startswith("encoder") and name.endswith("weight") and len(shape) >= 2),
        ),
        Mistake(
            "the head's matrix is left out",
            "Every weight matrix is decayed, the last one too.",
            _each(lambda name, shape: name.endswith("weight") and len(shape) >= 2 and not name.startswith("head")),
        ),
        Mistake(
            "the patch embedding's matrix is left out",
            "Every weight matrix is decayed, the first one too: E is one.",
            _each(lambda name, shape: name.endswith("weight") and len(shape) >= 2 and "patch" not in name),
        ),
        Mistake(
            "the two groups are exchanged",
            "1 is for the parameters that shrink.",
            _each(lambda name, shape: not (name.endswith("weight") and len(shape) >= 2)),
        ),
    ],
)


# ---- reverse mode by hand --------------------------------------------------------------------------------------------


def _chain(x, W1, W2, dy):
    s, cache1 = np_linear(x, W1, np.zeros(len(W1)))
    a, cache2 = np_linear(np.maximum(s, 0), W2, np.zeros(len(W2)))
    da = dy * (1 - np.tanh(a) ** 2)
    dr, dW2, _ = np_linear_backward(da, cache2)
    dx, dW1, _ = np_linear_backward(dr * (s > 0), cache1)
    return dx, dW1, dW2


def _chain_cases(rng):
    sizes = [(2, 3, 5, 4), (4, 6, 3, 2), (3, 2, 4, 7)]
    return [
        tuple(0.7 * rng.standard_normal(shape) for shape in [(B, I), (J, I), (O, J), (B, O)]) for B, I, J, O in sizes
    ]


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


chain_backward = Check(
    "chain_backward",
    reference=_chain,
    cases=_chain_cases,
    outputs={"dx": "(B, I)", "dW1": "(J, I)", "dW2": "(O, J)"},
    mistakes=[
        Mistake(
            "the slope of tanh is missing",
            "dy belongs to the output of tanh. What is dLoss with respect to its input?",
            _chain_variant(tanh_slope=lambda a: 1.0),
        ),
        Mistake(
            "the slope of tanh is taken as 1 - a^2 with a, what tanh was given",
            "1 - y^2 needs what tanh *gave*.",
            _chain_variant(tanh_slope=lambda a: 1 - a**2),
        ),
        Mistake(
            "tanh is applied once too often in its slope",
            "1 - y^2 needs y itself, which is a tanh already.",
            _chain_variant(tanh_slope=lambda a: 1 - np.tanh(np.tanh(a)) ** 2),
        ),
        Mistake(
            "the slope of tanh is taken as 1 - y, without the square",
            "What is the derivative of tanh, in terms of its own value?",
            _chain_variant(tanh_slope=lambda a: 1 - np.tanh(a)),
        ),
        Mistake(
            "the slope of a sigmoid, y (1 - y), is used for tanh",
            "What is the derivative of tanh, in terms of its own value?",
            _chain_variant(tanh_slope=lambda a: np.tanh(a) * (1 - np.tanh(a))),
        ),
        Mistake(
            "relu's gate is missing on the way back",
            "Where relu gave 0, a small change of its input changes nothing.",
            _chain_variant(gate=lambda s, dr, x: 1.0),
        ),
        Mistake(
            "relu is applied to the gradient instead of its gate",
            "A gradient may be negative. What decides whether it passes is the *forward* value.",
            _chain_variant(gate=lambda s, dr, x: dr > 0),
        ),
        Mistake(
            "relu's gate is upside down",
            "The gradient passes where the forward value was positive.",
            _chain_variant(gate=lambda s, dr, x: s <= 0),
        ),
        Mistake(
            "relu's output multiplies the gradient instead of its gate",
            "The slope of relu is 0 or 1.",
            _chain_variant(gate=lambda s, dr, x: np.maximum(s, 0)),
        ),
        Mistake(
            "dW2 uses what went into relu, not what came out",
            "Which array did W2 multiply?",
            _chain_variant(seen_by_W2=lambda s: s),
        ),
        Mistake(
            "dx passes relu's gate, dW1 does not",
            "Both come from the same gradient, the one at relu's input.",
            _chain_variant(gated_dW1=False),
        ),
        Mistake(
            "the weight gradients are means over the batch, not sums",
            "Each row used the same W; uses add up. A mean, if there is one, is in dy already.",
            _chain_variant(share=lambda x: 1 / len(x)),
        ),
        Mistake(
            "dW1 and dW2 are transposed",
            "A gradient has the shape of its parameter.",
            _chain_transposed,
        ),
        Mistake(
            "dW1 and dW2 are returned in the wrong order",
            "dx first, then one gradient per matrix, in the order of the arguments.",
            lambda *args: tuple(_chain(*args)[i] for i in (0, 2, 1)),
        ),
    ],
)


def _reused(x, W, dy):
    h, cache1 = np_linear(x, W, np.zeros(len(W)))
    _, cache2 = np_linear(h, W, np.zeros(len(W)))
    dh, dW_second, _ = np_linear_backward(dy, cache2)
    dx, dW_first, _ = np_linear_backward(dh, cache1)
    return dx, dW_first + dW_second


def _reused_cases(rng):
    return [tuple(rng.standard_normal(s) for s in [(B, D), (D, D), (B, D)]) for B, D in [(2, 3), (4, 5), (3, 2)]]


def _reused_parts(x, W, dy):
    return (dy @ W).T @ x, dy.T @ (x @ W.T)  # from the first use, from the second


reused_weight_backward = Check(
    "reused_weight_backward",
    reference=_reused,
    cases=_reused_cases,
    outputs={"dx": "(B, D)", "dW": "(D, D)"},
    mistakes=[
        Mistake(
            "dW holds the second use only",
            "W was used twice. What does the chain rule do with two ways to the same place?",
            lambda x, W, dy: (dy @ W @ W, _reused_parts(x, W, dy)[1]),
        ),
        Mistake(
            "dW holds the first use only",
            "W was used twice. What does the chain rule do with two ways to the same place?",
            lambda x, W, dy: (dy @ W @ W, _reused_parts(x, W, dy)[0]),
        ),
        Mistake(
            "the gradients of the two uses are averaged",
            "Both uses change the output: changes add up.",
            lambda x, W, dy: (dy @ W @ W, sum(_reused_parts(x, W, dy)) / 2),
        ),
        Mistake(
            "the gradient of the second use is counted twice",
            "The two uses saw different inputs: W first met x, then x W^T.",
            lambda x, W, dy: (dy @ W @ W, 2 * _reused_parts(x, W, dy)[1]),
        ),
        Mistake(
            "the same dy is used for both uses of W",
            "The first use's output is not y: its gradient has to pass through the second use.",
            lambda x, W, dy: (dy @ W @ W, dy.T @ x + dy.T @ (x @ W.T)),
        ),
        Mistake(
            "both uses are given x as their input",
            "What did W multiply the second time?",
            lambda x, W, dy: (dy @ W @ W, (dy @ W).T @ x + dy.T @ x),
        ),
        Mistake(
            "dx went back through W once only",
            "x passed W twice on its way to y.",
            lambda x, W, dy: (dy @ W, sum(_reused_parts(x, W, dy))),
        ),
        Mistake(
            "dx went back through W^T instead of W",
            "Forward is x W^T; what turns the product round?",
            lambda x, W, dy: (dy @ W.T @ W.T, sum(_reused_parts(x, W, dy))),
        ),
        Mistake(
            "dW is transposed",
            "Forward is x W^T, so dW is dy^T x, not x^T dy.",
            lambda x, W, dy: (dy @ W @ W, sum(_reused_parts(x, W, dy)).T),
        ),
    ],
)


# ---- data parallelism ------------------------------------------------------------------------------------------------


def _parallel_cases(rng):
    """Chunks of unequal sizes: the last one is smaller, as in life."""
    sizes = [(4, 4, 3), (5, 2), (3, 3, 3, 1)]
    return [(rng.standard_normal((len(s), 2, 3 + i)), np.array(s)) for i, s in enumerate(sizes)]


def _weighted(weights):
    """sum_i weights_i g_i, with weights a function of (sizes)."""
    return lambda gradients, sizes: np.einsum("n,n...->...", weights(np.asarray(sizes, float)), gradients)


data_parallel_gradient = Check(
    "data_parallel_gradient",
    reference=lambda gradients, sizes: np.average(gradients, axis=0, weights=sizes),
    cases=_parallel_cases,
    outputs={"gradient": "(O, I)"},
    mistakes=[
        Mistake(
            "the chunks' means are averaged as if all chunks had the same size",
            "An image in a small chunk would count for more than one in a large chunk.",
            _weighted(lambda n: np.ones(len(n)) / len(n)),
        ),
        Mistake(
            "the chunks' means are summed without their shares",
            "Each gradient is a mean over its chunk. With more chunks the sum would grow.",
            _weighted(lambda n: np.ones(len(n))),
        ),
        Mistake(
            "the sum over all images is not divided by their number",
            "The loss is a mean over the whole batch.",
            _weighted(lambda n: n),
        ),
        Mistake(
            "the sum over images is divided by the number of chunks",
            "The mean runs over images. How many are there in the batch?",
            _weighted(lambda n: n / len(n)),
        ),
        Mistake(
            "the shares are right, but there is one more division by the number of chunks",
            "Shares that sum to 1 make a mean already.",
            _weighted(lambda n: n / n.sum() / len(n)),
        ),
        Mistake(
            "the gradients are taken for sums: they are means over their chunks already",
            "What was each chunk's loss divided by?",
            _weighted(lambda n: np.ones(len(n)) / n.sum()),
        ),
        Mistake(
            "small chunks count for more than large ones",
            "A chunk should count for as many images as it holds.",
            _weighted(lambda n: (1 / n) / (1 / n).sum()),
        ),
        Mistake(
            "every chunk is taken to be as large as the first",
            "The last chunk is smaller.",
            _weighted(lambda n: n[0] / n.sum() * np.ones(len(n))),
        ),
        Mistake(
            "only the first chunk's gradient came back",
            "Every chunk has seen other images.",
            lambda gradients, sizes: gradients[0],
        ),
        Mistake(
            "only the last chunk's gradient came back",
            "Did each chunk overwrite the one before?",
            lambda gradients, sizes: gradients[-1],
        ),
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


all_reduce = Check(
    "all_reduce",
    reference=_all_reduce,
    cases=lambda rng: [(rng.standard_normal(shape),) for shape in [(2, 5), (3, 4), (5, 3)]],
    outputs={"reduced": "(workers, numbers)"},
    mistakes=[
        Mistake(
            "only worker 0 has the sum (that is a reduce, not an all-reduce)",
            "Every worker goes on with its own copy of the model. What do the others have now?",
            _reduce_to_first,
        ),
        Mistake(
            "only worker 0 has the sum (that is a reduce, not an all-reduce)",
            "Every worker goes on with its own copy of the model. What do the others have now?",
            _reduce_to_first_keeping,
        ),
        Mistake(
            "one row came back, not one per worker",
            "Every worker needs the result: it has the shape of the argument.",
            lambda parts: parts.sum(axis=0),
        ),
        Mistake(
            "the workers have the mean, not the sum",
            "Here each worker's part has its share of 1 / B already. What is left to do?",
            lambda parts: np.broadcast_to(parts.mean(axis=0), parts.shape),
        ),
        Mistake(
            "every worker leaves out its own part",
            "Its own images count as well.",
            lambda parts: parts.sum(axis=0) - parts,
        ),
        Mistake(
            "worker i has the sum of workers 0 to i only",
            "That is a running sum; the first worker has heard of nobody else.",
            lambda parts: parts.cumsum(axis=0),
        ),
        Mistake(
            "the numbers of one worker are added up, instead of one number over all workers",
            "Each column is one entry of the gradient: which axis counts the workers?",
            lambda parts: np.broadcast_to(parts.sum(axis=1, keepdims=True), parts.shape),
        ),
        Mistake(
            "each worker has its right neighbour's part only",
            "One step round the ring is a start. How many steps does a ring of this size need?",
            lambda parts: parts + np.roll(parts, -1, axis=0),
        ),
        Mistake(
            "each worker has its left neighbour's part only",
            "One step round the ring is a start. How many steps does a ring of this size need?",
            lambda parts: parts + np.roll(parts, 1, axis=0),
        ),
        Mistake(
            "a part that was already replaced by the sum is added again",
            "Add everything up first, then hand it out.",
            _reduce_while_overwriting,
        ),
    ],
)


# ---- gradient accumulation -------------------------------------------------------------------------------------------


def _accumulate(x, t, w, size):
    return 2 * np_linear(x, w[None], np.zeros(1))[0][:, 0] @ x / len(x) - 2 * t @ x / len(x)


def _accumulate_cases(rng):
    return [
        (rng.standard_normal((B, I)), rng.standard_normal(B), rng.standard_normal(I), size)
        for B, I, size in [(7, 2, 3), (10, 3, 4), (5, 4, 2)]
    ]


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


accumulate = Check(
    "accumulate",
    reference=_accumulate,
    cases=_accumulate_cases,
    outputs={"dw": "(I,)"},
    mistakes=[
        Mistake(
            "the means of the micro-batches are summed",
            "With more micro-batches the gradient would grow. What share of the batch is a micro-batch?",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / len(x)),
        ),
        Mistake(
            "the means of the micro-batches are averaged, though the last one is smaller",
            "An image in the last micro-batch would count for more. What share of the batch does each one hold?",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / len(x) / -(-B // size)),
        ),
        Mistake(
            "the means of the micro-batches are divided by B // size, one too few",
            "The last micro-batch is not full, but it is there. Shares are safer than counts.",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / len(x) / (B // size)),
        ),
        Mistake(
            "every micro-batch is divided by `size`, the last one too",
            "The last one is smaller. And the loss is a mean over the whole batch.",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / size),
        ),
        Mistake(
            "nothing is divided: this is the gradient of the sum",
            "The loss is a mean over the batch.",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w)),
        ),
        Mistake(
            "the last micro-batch is dropped because it is not full",
            "Its images belong to the batch as well.",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / B, keep_rest=False),
        ),
        Mistake(
            "the last micro-batch is dropped because it is not full",
            "Its images belong to the batch as well.",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / (B // size * size), keep_rest=False),
        ),
        Mistake(
            "each micro-batch overwrites the one before (zero_grad inside the loop)",
            "Accumulate means: add to what is there. When are gradients to be forgotten?",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / B, lambda old, new: new),
        ),
        Mistake(
            "each micro-batch overwrites the one before (zero_grad inside the loop)",
            "Accumulate means: add to what is there. When are gradients to be forgotten?",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / len(x), lambda old, new: new),
        ),
        Mistake(
            "the factor 2 of the square is missing",
            "d (a^2) = 2 a da.",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / 2 / B),
        ),
        Mistake(
            "the sign is wrong",
            "d (x w - t) / dw is + x.",
            _chunked(lambda x, t, w, size, B: -_sum_gradient(x, t, w) / B),
        ),
        Mistake(
            "every gradient is divided by the number of numbers in a row, not of images",
            "Which axis of x counts the images?",
            _chunked(lambda x, t, w, size, B: _sum_gradient(x, t, w) / x.shape[1]),
        ),
    ],
)
