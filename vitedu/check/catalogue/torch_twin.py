"""Exercises of notebooks/08_vit_torch.ipynb.  Answers may be NumPy functions or return tensors."""

from __future__ import annotations

import numpy as np

from vitedu_numpy.config import HybridConfig, ViTConfig
from vitedu_numpy.models.hybrid import Hybrid as NpHybrid
from vitedu_numpy.models.vit import ViT as NpViT

from ..slips.exercise import exercise
from ..slips.steps import rectify, weight_gradient

__all__ = [
    "accumulate", "all_reduce", "chain_backward", "clipped_gradient", "data_parallel_gradient", "decay_groups",
    "reused_weight_backward",
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


@exercise(cases=_decay_cases, outputs={"decayed": "(number of names,)"}, level=1, minutes=10)
def decay_groups(names, shapes):
    axes = np.array([len(shape) for shape in shapes])  # the numbers of axes
    last = np.array([name.endswith("weight") for name in names])  # the names
    return 1.0 * (last & (axes >= 2))  # the group that is decayed


_MATRICES = "The shape alone does not tell. What are the weight matrices called?"
_OTHERS = "Leaving out biases and layer norms is not enough: what else is no weight matrix?"
_EVERY = "Every weight matrix is decayed, the {} one too{}."
decay_groups.slips_in(
    "result",
    ("every parameter is decayed", "Biases, layer norms, the class token and E_pos are left alone.", "1.0 + 0 * axes"),
    ("only the first name is answered", "Where in the loop does your `return` stand?",
     "1.0 * (last & (axes >= 2))[:1]"),
    ("nothing is decayed", "Weight matrices shrink.", "0.0 * axes"),
    ("filters with four axes are left out",
     "A filter is a matrix with its rows cut in three. How many axes has the weight of a convolution?",
     "1.0 * (last & (axes == 2))"),
    ("E_x, E_y and R are decayed: positions of other kinds than E_pos",
     "Table 8's other positions have two axes too. What are the weight matrices called?",
     "1.0 * ((axes >= 2) & [not n.endswith(('E_pos', 'class')) for n in names])"),
    ("the weights of layer norms are decayed too", "A layer norm's `weight` is called so, but is it a matrix?",
     "1.0 * last"),
    ("E_pos is decayed too: it has two axes, but it is no weight matrix", _MATRICES, "1.0 * (axes >= 2)"),
    ("everything but biases is decayed",
     "Biases are not the only parameters that are left alone. Look at the shapes.",
     "1.0 * np.array([not n.endswith('bias') for n in names])"),
    ("the class token and E_pos are decayed too", _OTHERS,
     "1.0 * np.array([not n.endswith('bias') and 'norm' not in n for n in names])"),
    ("only the encoder's matrices are decayed; the patch embedding and the head are matrices too",
     "Which weight matrices stand outside the blocks?",
     "1.0 * (last & (axes >= 2) & [n.startswith('encoder') for n in names])"),
    ("the head's matrix is left out", _EVERY.format("last", ""),
     "1.0 * (last & (axes >= 2) & [not n.startswith('head') for n in names])"),
    ("the patch embedding's matrix is left out", _EVERY.format("first", ": E is one"),
     "1.0 * (last & (axes >= 2) & ['patch' not in n for n in names])"),
    ("the two groups are exchanged", "1 is for the parameters that shrink.", "1.0 * ~(last & (axes >= 2))"),
    ("1 is for the layer norms' weights, 0 for the matrices", "Which of them is a matrix?",
     "1.0 * (last & (axes < 2))"),
)  # fmt: skip


# ---- reverse mode by hand --------------------------------------------------------------------------------------------


def _chain_cases(rng):
    sizes = [(2, 3, 5, 4), (4, 6, 3, 2), (3, 2, 4, 7)]
    return [
        tuple(0.7 * rng.standard_normal(shape) for shape in [(B, I), (J, I), (O, J), (B, O)]) for B, I, J, O in sizes
    ]


@exercise(cases=_chain_cases, outputs={"dx": "(B, I)", "dW1": "(J, I)", "dW2": "(O, J)"}, level=2, minutes=20)
def chain_backward(x, W1, W2, dy):
    s = x @ W1.T  # what relu is given
    r = rectify(s)  # what relu gives
    a = r @ W2.T  # what tanh is given
    y = np.tanh(a)  # what tanh gives
    da = dy * (1 - y**2)  # the gradient through tanh
    dr = da @ W2  # the gradient through W2
    ds = dr * (s > 0)  # the gradient through relu
    dx = ds @ W1  # dx
    dW1 = weight_gradient(ds, x)  # dW1
    dW2 = weight_gradient(da, r)  # dW2
    return dx, dW1, dW2


_TANH = "What is the derivative of tanh, in terms of its own value?"
chain_backward.slips_in(
    "da",
    ("the slope of tanh is missing", "dy belongs to the output of tanh. What is dLoss with respect to its input?",
     "dy"),
    ("the slope of tanh is taken as 1 - a^2 with a, what tanh was given", "1 - y^2 needs what tanh *gave*.",
     "dy * (1 - a**2)"),
    ("tanh is applied once too often in its slope", "1 - y^2 needs y itself, which is a tanh already.",
     "dy * (1 - np.tanh(y) ** 2)"),
    ("the slope of tanh is taken as 1 - y, without the square", _TANH, "dy * (1 - y)"),
    ("the slope of a sigmoid, y (1 - y), is used for tanh", _TANH, "dy * y * (1 - y)"),
)  # fmt: skip
_GATE = "The slope of relu is 0 or 1, and what decides is the *forward* value."
chain_backward.slips_in(
    "ds",
    ("relu's gate is missing on the way back", "Where relu gave 0, a small change of its input changes nothing.",
     "dr"),
    ("relu is applied to the gradient instead of its gate",
     "A gradient may be negative. What decides whether it passes is the *forward* value.", "rectify(dr)"),
    ("relu's gate is upside down", "The gradient passes where the forward value was positive.", "dr * (s <= 0)"),
    ("relu's output multiplies the gradient instead of its gate", _GATE, "dr * r"),
    ("relu's input multiplies the gradient instead of its gate", _GATE, "dr * s"),
)  # fmt: skip
chain_backward.slip(
    "dW2 uses what went into relu, not what came out", "Which array did W2 multiply?", dW2="weight_gradient(da, s)"
)
chain_backward.slip(
    "dx passes relu's gate, dW1 does not",
    "Both come from the same gradient, the one at relu's input.",
    dW1="weight_gradient(dr, x)",
)
_ROWS = "Each row used the same W; uses add up. A mean, if there is one, is in dy already."
chain_backward.slips_in(
    "result",
    ("the weight gradients are means over the batch, not sums", _ROWS, "(dx, dW1 / len(x), dW2 / len(x))"),
    ("dW1 and dW2 are transposed", "A gradient has the shape of its parameter.", "(dx, dW1.T, dW2.T)"),
)


def _reused_cases(rng):
    return [tuple(rng.standard_normal(s) for s in [(B, D), (D, D), (B, D)]) for B, D in [(2, 3), (4, 5), (3, 2)]]


@exercise(cases=_reused_cases, outputs={"dx": "(B, D)", "dW": "(D, D)"}, level=2, minutes=15)
def reused_weight_backward(x, W, dy):
    h = x @ W.T  # what the second use is given
    dh = dy @ W  # its gradient
    second = weight_gradient(dy, h)  # the second use
    first = weight_gradient(dh, x)  # the first use
    dW = first + second  # dW
    dx = dh @ W  # dx
    return dx, dW


_WAYS = "W was used twice. What does the chain rule do with two ways to the same place?"
reused_weight_backward.slips_in(
    "dW",
    ("dW holds the second use only", _WAYS, "second"),
    ("dW holds the first use only", _WAYS, "first"),
    ("the gradients of the two uses are averaged", "Both uses change the output: changes add up.",
     "(first + second) / 2"),
    ("the gradient of the second use is counted twice",
     "The two uses saw different inputs: W first met x, then x W^T.", "2 * second"),
    ("the gradient of the first use is counted twice",
     "The two uses saw different inputs: W first met x, then x W^T.", "2 * first"),
    ("dW is transposed", "Forward is x W^T, so dW is dy^T x, not x^T dy.", "(first + second).T"),
)  # fmt: skip
reused_weight_backward.slip(
    "the same dy is used for both uses of W",
    "The first use's output is not y: its gradient has to pass through the second use.",
    first="weight_gradient(dy, x)",
)
reused_weight_backward.slip(
    "both uses are given x as their input", "What did W multiply the second time?", second="weight_gradient(dy, x)"
)
_TURN = "Forward is x W^T; what turns the product round?"
reused_weight_backward.slips_in(
    "dx",
    ("dx went back through W once only", "x passed W twice on its way to y.", "dh"),
    ("dx went back through W^T instead of W", _TURN, "dy @ W.T @ W.T"),
    ("dx went back through W^T instead of W, the second time", _TURN, "dh @ W.T"),
)
reused_weight_backward.slip("h was made with W, not with W^T", "What is the forward?", h="x @ W")


# ---- data parallelism ------------------------------------------------------------------------------------------------


def _parallel_cases(rng):
    """Chunks of unequal sizes: the last one is smaller, as in life."""
    sizes = [(4, 4, 3), (5, 2), (3, 3, 3, 1)]
    return [(rng.standard_normal((len(s), 2, 3 + i)), np.array(s)) for i, s in enumerate(sizes)]


@exercise(cases=_parallel_cases, outputs={"gradient": "(O, I)"}, level=1, minutes=10)
def data_parallel_gradient(chunk_gradients, chunk_sizes):
    n = len(chunk_sizes)
    shares = chunk_sizes / chunk_sizes.sum()  # the shares
    return np.einsum("n,noi->oi", shares, chunk_gradients)  # the gradient


_SHARE = "A chunk should count for as many images as it holds."
data_parallel_gradient.slips_in(
    "shares",
    ("the chunks' means are averaged as if all chunks had the same size",
     "An image in a small chunk would count for more than one in a large chunk.", "np.ones(n) / n"),
    ("the chunks' means are summed without their shares",
     "Each gradient is a mean over its chunk. With more chunks the sum would grow.", "np.ones(n)"),
    ("the sum over all images is not divided by their number", "The loss is a mean over the whole batch.",
     "1.0 * chunk_sizes"),
    ("the sum over images is divided by the number of chunks",
     "The mean runs over images. How many are there in the batch?", "chunk_sizes / n"),
    ("the shares are right, but there is one more division by the number of chunks",
     "Shares that sum to 1 make a mean already.", "chunk_sizes / chunk_sizes.sum() / n"),
    ("the gradients are taken for sums: they are means over their chunks already",
     "What was each chunk's loss divided by?", "np.ones(n) / chunk_sizes.sum()"),
    ("small chunks count for more than large ones", _SHARE, "(1 / chunk_sizes) / (1 / chunk_sizes).sum()"),
    ("each mean is divided by its chunk's size once more", _SHARE, "1 / chunk_sizes / chunk_sizes.sum()"),
    ("each mean is divided by its chunk's size once more", _SHARE, "1 / chunk_sizes"),
    ("each mean is divided by its chunk's size once more", _SHARE, "1 / chunk_sizes / n"),
    ("every chunk is taken to be as large as the first", "The last chunk is smaller.",
     "chunk_sizes[0] / chunk_sizes.sum() * np.ones(n)"),
)  # fmt: skip
data_parallel_gradient.slips_in(
    "result",
    ("only the first chunk's gradient came back", "Every chunk has seen other images.", "chunk_gradients[0]"),
    ("only the last chunk's gradient came back", "Did each chunk overwrite the one before?", "chunk_gradients[-1]"),
)


def _overwritten(parts):
    """Each worker adds up what it finds, also what earlier workers have already replaced."""
    made = parts.copy()
    for i in range(len(parts)):
        made[i] = made.sum(axis=0)
    return made


def _ring(parts, rounds):
    """What each worker has after so many rounds."""
    return sum(np.roll(parts, r, axis=0) for r in range(rounds + 1))


def _snowball(parts):
    """Every worker passes on all that it holds, in every round."""
    for _ in range(len(parts) - 1):
        parts = parts + np.roll(parts, 1, axis=0)
    return parts


@exercise(
    cases=lambda rng: [(rng.standard_normal(shape),) for shape in [(2, 5), (3, 4), (5, 3), (4, 6)]],
    outputs={"reduced": "(workers, numbers)"}, axes={"workers": "the workers"},
    level=3, minutes=25,
)  # fmt: skip
def all_reduce(parts):
    workers = len(parts)
    total = parts.sum(axis=0)  # the sum
    return np.tile(total, (workers, 1))


_RING = "One step round the ring is a start. How many steps does a ring of this size need?"
_COPY = "Every worker goes on with its own copy of the model. What do the others have now?"
_KEEPS = "np.concatenate([total[None], {}parts[1:]])"
all_reduce.slips_in(
    "result",
    ("only worker 0 has the sum (that is a reduce, not an all-reduce)", _COPY, _KEEPS.format("0 * ")),
    ("only worker 0 has the sum (that is a reduce, not an all-reduce)", _COPY, _KEEPS.format("")),
    ("one row came back, not one per worker",
     "Every worker needs the result: it has the shape of the argument.", "total"),
    ("the workers have the mean, not the sum",
     "Here each worker's part has its share of 1 / B already. What is left to do?", "total / workers + 0 * parts"),
    ("every worker leaves out its own part", "Its own images count as well.", "total - parts"),
    ("every worker counts its own part twice", "What did it hold when the first round began?", "total + parts"),
    ("worker i has the sum of workers 0 to i only",
     "That is a running sum; the first worker has heard of nobody else.", "parts.cumsum(axis=0)"),
    ("the numbers of one worker are added up, instead of one number over all workers",
     "Each column is one entry of the gradient: which axis counts the workers?",
     "parts.sum(axis=1, keepdims=True) + 0 * parts"),
    ("each worker has its right neighbour's part only", _RING, "parts + np.roll(parts, -1, axis=0)"),
    ("each worker has its left neighbour's part only", _RING, "_ring(parts, 1)"),
    ("the ring stops one round too early", "How many others does a worker have to hear of?",
     "_ring(parts, workers - 2)"),
    ("a part that was already replaced by the sum is added again", "Add everything up first, then hand it out.",
     "_overwritten(parts)"),
    ("what travels is the sum so far, so that parts count several times",
     "What has a worker received in a round, and what did it hold already?", "_snowball(parts)"),
)  # fmt: skip


# ---- gradient accumulation -------------------------------------------------------------------------------------------


def _accumulate_cases(rng):
    return [
        (rng.standard_normal((B, I)), rng.standard_normal(B), rng.standard_normal(I), size)
        for B, I, size in [(7, 2, 3), (10, 3, 4), (5, 4, 2)]
    ]


def _micro(each, size, divide=lambda part: 1):
    """The sums of the micro-batches, divided."""
    parts = [each[i : i + size] for i in range(0, len(each), size)]
    return np.array([part.sum(axis=0) / divide(part) for part in parts])


@exercise(cases=_accumulate_cases, outputs={"dw": "(I,)"}, axes={"B": "the images"}, level=2, minutes=15)
def accumulate(x, t, w, size):
    B, I = x.shape
    error = x @ w - t  # the errors
    each = 2 * error[:, None] * x  # the gradient of each image
    return each.sum(axis=0) / B  # the gradient


_MICRO = "An image in the last micro-batch would count for more. What share of the batch does each one hold?"
_FULL = "Its images belong to the batch as well."
_FORGET = "Accumulate means: add to what is there. When are gradients to be forgotten?"
accumulate.slips_in(
    "result",
    ("the means of the micro-batches are summed",
     "With more micro-batches the gradient would grow. What share of the batch is a micro-batch?",
     "_micro(each, size, len).sum(axis=0)"),
    ("the means of the micro-batches are averaged, though the last one is smaller", _MICRO,
     "_micro(each, size, len).mean(axis=0)"),
    ("the means of the micro-batches are divided by B // size, one too few",
     "The last micro-batch is not full, but it is there. Shares are safer than counts.",
     "_micro(each, size, len).sum(axis=0) / (B // size)"),
    ("every micro-batch is divided by `size`, the last one too",
     "The last one is smaller. And the loss is a mean over the whole batch.", "each.sum(axis=0) / size"),
    ("the means are averaged, and the last micro-batch is divided by `size` too", _MICRO,
     "_micro(each, size, lambda part: size).mean(axis=0)"),
    ("nothing is divided: this is the gradient of the sum", "The loss is a mean over the batch.", "each.sum(axis=0)"),
    ("the last micro-batch is dropped because it is not full", _FULL, "each[:B // size * size].sum(axis=0) / B"),
    ("the last micro-batch is dropped because it is not full", _FULL, "each[:B // size * size].mean(axis=0)"),
    ("each micro-batch overwrites the one before (zero_grad inside the loop)", _FORGET, "_micro(each, size)[-1] / B"),
    ("each micro-batch overwrites the one before (zero_grad inside the loop)", _FORGET, "_micro(each, size, len)[-1]"),
    ("every gradient is divided by the number of numbers in a row, not of images",
     "Which axis of x counts the images?", "each.sum(axis=0) / I"),
)  # fmt: skip
accumulate.slip("the factor 2 of the square is missing", "d (a^2) = 2 a da.", each="error[:, None] * x")
accumulate.slip("the sign is wrong", "d (x w - t) / dw is + x.", error="t - x @ w")


# ---- chunks, then clipping -------------------------------------------------------------------------------------------


def _clip_cases(rng):
    """Gradients that are longer than `clip_norm`, in one case shorter; chunks of unequal sizes."""
    sizes, norms = [(4, 4, 3), (5, 2), (3, 3, 3, 1)], (0.7, 9.0, 1.3)
    return [
        (rng.standard_normal((len(s), 2, 3 + i)) + 1, np.array(s), norm)
        for i, (s, norm) in enumerate(zip(sizes, norms, strict=True))
    ]


def _length(g, axis=None):
    return np.sqrt((g**2).sum(axis=axis, keepdims=axis is not None))


@exercise(cases=_clip_cases, outputs={"gradient": "(O, I)"}, level=2, minutes=15)
def clipped_gradient(chunk_gradients, chunk_sizes, clip_norm):
    shares = chunk_sizes / chunk_sizes.sum()  # the shares
    mean = np.einsum("n,noi->oi", shares, chunk_gradients)  # the gradient of the batch
    length = np.sqrt((mean**2).sum())  # its length
    return mean * min(1, clip_norm / length)


clipped_gradient.slips_in(
    "mean",
    ("each chunk is clipped before the mean is taken",
     "A long gradient of one chunk may be cancelled by another's. What is to be no longer than clip_norm: the parts, "
     "or the update?",
     "np.einsum('n,noi->oi', shares, chunk_gradients * np.minimum(1, clip_norm / _length(chunk_gradients, (1, 2))))"),
    ("the gradients of the chunks are added up, not averaged", "Is the loss a sum over chunks, or a mean over images?",
     "chunk_gradients.sum(axis=0)"),
)  # fmt: skip
clipped_gradient.slips_in(
    "length",
    ("the largest singular value is taken for the length", "A length is the root of the sum of all squares.",
     "np.linalg.norm(mean, 2)"),
)  # fmt: skip
clipped_gradient.slip(
    "each row is clipped by its own length", "All rows belong to one gradient. How many lengths has it?",
    result="mean * np.minimum(1, clip_norm / _length(mean, 1))",
)  # fmt: skip
clipped_gradient.slip(
    "the chunks' means are averaged as if all chunks had the same size",
    "An image in a small chunk would count for more than one in a large chunk.",
    shares="np.ones(len(chunk_sizes)) / len(chunk_sizes)",
)
clipped_gradient.slips_in(
    "length",
    ("each row is clipped by its own length", "All rows belong to one gradient. How many lengths has it?",
     "_length(mean, 1)"),
    ("the largest entry is taken for the length", "The length is the root of a sum of squares.", "abs(mean).max()"),
    ("the root is missing in the length", "The sum of the squares is the square of the length.", "(mean**2).sum()"),
)  # fmt: skip
clipped_gradient.slips_in(
    "result",
    ("a short gradient is stretched to clip_norm", "Clipping never makes anything longer.",
     "mean * clip_norm / length"),
    ("entries are cut off at clip_norm, one by one", "Clipping keeps the direction.",
     "np.clip(mean, -clip_norm, clip_norm)"),
    ("nothing is clipped", "How long is your result, and how long may it be?", "mean"),
)  # fmt: skip
