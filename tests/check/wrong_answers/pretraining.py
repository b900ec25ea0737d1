"""Wrong answers to notebooks/14_pretraining.ipynb: positions, accumulation over processes, decoupled decay."""

from __future__ import annotations

import numpy as np

from . import FirstGeneration

__all__ = ["decoupled_decay", "micro_batch_positions", "update_gradient"]


# ---- which images a process takes ------------------------------------------------------------------------------------


def _positions(begin=lambda B, share, m, s, r, i: s * B + r * share + i * m, cut=True, more=0):
    """begin(batch size, share, micro-batch, step, rank, i) is the first position; the last one ends with the share."""

    def answer(step, rank, i, world, batch_size, micro_batch):
        share = batch_size // world
        size = min(micro_batch, share - i * micro_batch) if cut else micro_batch
        first = begin(batch_size, share, micro_batch, step, rank, i)
        return np.arange(first, first + size + more)

    return answer


def _take_turns(step, rank, i, world, batch_size, micro_batch):
    share = batch_size // world
    places = np.arange(i * micro_batch, min((i + 1) * micro_batch, share))
    return step * batch_size + rank + world * places


def _drop_the_rest(step, rank, i, world, batch_size, micro_batch):
    positions = _positions()(step, rank, i, world, batch_size, micro_batch)
    return positions if len(positions) == micro_batch else positions[:0]


def _equal_parts(step, rank, i, world, batch_size, micro_batch):
    """The share in parts as equal as possible, in place of full micro-batches and a rest."""
    share = batch_size // world
    first = step * batch_size + rank * share
    return np.array_split(np.arange(first, first + share), -(-share // micro_batch))[i]


micro_batch_positions = FirstGeneration(
    _positions(),
    [
        ("the last micro-batch runs on into the next process's share", _positions(cut=False)),
        ("the last micro-batch is dropped because it is not full", _drop_the_rest),
        ("the share is cut into equal parts", _equal_parts),
        ("the processes take turns, image by image", _take_turns),
        (
            "the processes take turns, micro-batch by micro-batch",
            _positions(lambda B, share, m, s, r, i: s * B + i * m * (B // share) + r * m),
        ),
        (
            "the rank is left out: every process sees the same images",
            _positions(lambda B, share, m, s, r, i: s * B + i * m),
        ),
        (
            "a rank moves on by one micro-batch, not by its share",
            _positions(lambda B, share, m, s, r, i: s * B + r * m + i * m),
        ),
        (
            "a step moves on by one process's share, not by the batch",
            _positions(lambda B, share, m, s, r, i: s * share + r * share + i * m),
        ),
        (
            "a step moves on by one micro-batch, not by the batch",
            _positions(lambda B, share, m, s, r, i: s * m + r * share + i * m),
        ),
        (
            "the step is left out: every step sees the same images",
            _positions(lambda B, share, m, s, r, i: r * share + i * m),
        ),
        (
            "each rank has a data set of its own: the rank moves on by the batch",
            _positions(lambda B, share, m, s, r, i: (s + r) * B + i * m),
        ),
        ("steps are counted from 1", _positions(lambda B, share, m, s, r, i: (s - 1) * B + r * share + i * m)),
        ("i is taken for a number of images", _positions(lambda B, share, m, s, r, i: s * B + r * share + i)),
        ("the last position is counted twice, here and in the next micro-batch", _positions(more=1)),
    ],
)


# ---- the gradient of one update --------------------------------------------------------------------------------------


def _weighted(weights):
    """sum of weights(counts) gradients over processes and micro-batches."""
    return lambda gradients, counts: np.einsum("wn,wn...->...", weights(np.asarray(counts, float)), gradients)


def _ones(counts):
    return np.ones(counts.shape)


def _of_rank(counts):
    return counts.sum(axis=1, keepdims=True)


update_gradient = FirstGeneration(
    _weighted(lambda c: c / c.sum()),
    [
        (
            "the mean of the means: an image in a small micro-batch counts for more",
            _weighted(lambda c: _ones(c) / c.size),
        ),
        (
            "right within each process, but then the processes are averaged as equals",
            _weighted(lambda c: c / _of_rank(c) / len(c)),
        ),
        (
            "the processes count for their shares, but their micro-batches as equals",
            _weighted(lambda c: _of_rank(c) / c.sum() / c.shape[1] * _ones(c)),
        ),
        ("each process divides by its own count, and the results are summed", _weighted(lambda c: c / _of_rank(c))),
        ("the means are summed, and nothing is divided", _weighted(_ones)),
        ("the means of a process are summed, then the processes are averaged", _weighted(lambda c: _ones(c) / len(c))),
        (
            "the means of a process are averaged, then the processes are summed",
            _weighted(lambda c: _ones(c) / c.shape[1]),
        ),
        ("the gradient of the sum: it is not divided by the number of images", _weighted(lambda c: c)),
        ("the sum over images is divided by the number of micro-batches", _weighted(lambda c: c / c.size)),
        ("the sum over images is divided by the number of processes", _weighted(lambda c: c / len(c))),
        (
            "one division too many: the shares add up to 1 already, and the processes are averaged as well",
            _weighted(lambda c: c / c.sum() / len(c)),
        ),
        (
            "one division too many: the shares add up to 1 already, and the micro-batches are averaged as well",
            _weighted(lambda c: c / c.sum() / c.shape[1]),
        ),
        ("the gradients are taken for sums: they are means already", _weighted(lambda c: _ones(c) / c.sum())),
        ("every micro-batch is taken to be as large as the largest", _weighted(lambda c: c / (c.max() * c.size))),
        (
            "the first process's gradient alone",
            _weighted(lambda c: (np.arange(len(c)) == 0)[:, None] * c / _of_rank(c)),
        ),
        (
            "the last micro-batch of each process alone",
            _weighted(lambda c: (np.arange(c.shape[1]) == c.shape[1] - 1) * c / c[:, -1].sum()),
        ),
    ],
)


# ---- decoupled weight decay ------------------------------------------------------------------------------------------


def _step(w, dw, root, lr):
    """Adam without its memory of directions."""
    return w - lr * dw / root


def _decayed(weight_step, bias_step=lambda b, db, root, lr, decay: _step(b, db, root, lr)):
    """weight_step and bias_step: (w, dw, root, lr, weight_decay) -> the new w."""

    def answer(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
        new_weight = weight_step(weight, dweight, root_weight, lr, weight_decay)
        return new_weight, bias_step(bias, dbias, root_bias, lr, weight_decay)

    return answer


def _right(w, dw, root, lr, decay):
    return _step(w, dw, root, lr) - lr * decay * w


def _coupled(w, dw, root, lr, decay):
    return _step(w, dw + decay * w, root, lr)


def _none(w, dw, root, lr, decay):
    return _step(w, dw, root, lr)


decoupled_decay = FirstGeneration(
    _decayed(_right),
    [
        (
            "the decay is coupled: it is added to the gradient, and divided by the root like the rest",
            _decayed(_coupled),
        ),
        ("the decay is coupled, and the bias decays too", _decayed(_coupled, _coupled)),
        ("the bias decays too", _decayed(_right, _right)),
        ("the bias decays instead of the weight", _decayed(_none, _right)),
        (
            "the decay is not multiplied by the learning rate",
            _decayed(lambda w, dw, root, lr, decay: _step(w, dw, root, lr) - decay * w),
        ),
        (
            "the weight that was already moved decays, so the step shrinks too",
            _decayed(lambda w, dw, root, lr, decay: _step(w, dw, root, lr) * (1 - lr * decay)),
        ),
        ("there is no decay", _decayed(_none)),
        (
            "the decay has the wrong sign: the weight grows",
            _decayed(lambda w, dw, root, lr, decay: _step(w, dw, root, lr) + lr * decay * w),
        ),
        (
            "the decay is twice as strong",
            _decayed(lambda w, dw, root, lr, decay: _step(w, dw, root, lr) - 2 * lr * decay * w),
        ),
        (
            "every weight loses the same amount, whatever its size",
            _decayed(lambda w, dw, root, lr, decay: _step(w, dw, root, lr) - lr * decay * np.sign(w)),
        ),
        (
            "only the decay is left: the gradient does nothing",
            _decayed(lambda w, dw, root, lr, decay: w - lr * decay * w),
        ),
        (
            "the gradient is not divided by the root",
            _decayed(
                lambda w, dw, root, lr, decay: w - lr * dw - lr * decay * w, lambda b, db, root, lr, decay: b - lr * db
            ),
        ),
        (
            "the weight climbs: the sign of the step is wrong",
            _decayed(
                lambda w, dw, root, lr, decay: w + lr * dw / root - lr * decay * w,
                lambda b, db, root, lr, decay: b + lr * db / root,
            ),
        ),
    ],
)
