"""Checks for notebooks/14_pretraining.ipynb: positions, accumulation over processes, decoupled decay."""

from __future__ import annotations

import numpy as np

from vitedu.check.engine import Check, Mistake

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


def _position_cases(rng):
    """(step, rank, i, world, batch_size, micro_batch): full micro-batches, and last ones that are not."""
    cases = [(3, 1, 0, 2, 14, 3), (2, 2, 1, 3, 15, 3), (5, 1, 2, 4, 32, 3), (4, 3, 1, 4, 24, 2), (6, 0, 1, 2, 10, 4)]
    return [(step + int(rng.integers(3)), *rest) for step, *rest in cases]


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


micro_batch_positions = Check(
    "micro_batch_positions",
    reference=_positions(),
    cases=_position_cases,
    outputs={"positions": "(b,)"},
    mistakes=[
        Mistake(
            "the last micro-batch runs on into the next process's share",
            "A share need not be a multiple of the micro-batch. Where does this process's share end?",
            _positions(cut=False),
        ),
        Mistake(
            "the last micro-batch is dropped because it is not full",
            "Its images would never be seen. It is only shorter.",
            _drop_the_rest,
        ),
        Mistake(
            "the share is cut into equal parts",
            "All micro-batches are full but the last one.",
            _equal_parts,
        ),
        Mistake(
            "the processes take turns, image by image",
            "Each image is still seen once. But a process should read a part of the batch that lies together.",
            _take_turns,
        ),
        Mistake(
            "the processes take turns, micro-batch by micro-batch",
            "Which of the two is the outer part of a batch: the process's share, or the micro-batch?",
            _positions(lambda B, share, m, s, r, i: s * B + i * m * (B // share) + r * m),
        ),
        Mistake(
            "the rank is left out: every process sees the same images",
            "What do two processes at the same step differ in?",
            _positions(lambda B, share, m, s, r, i: s * B + i * m),
        ),
        Mistake(
            "a rank moves on by one micro-batch, not by its share",
            "Rank 1 begins where rank 0 has ended with all of its micro-batches.",
            _positions(lambda B, share, m, s, r, i: s * B + r * m + i * m),
        ),
        Mistake(
            "a step moves on by one process's share, not by the batch",
            "How many images has the whole run used up after one step?",
            _positions(lambda B, share, m, s, r, i: s * share + r * share + i * m),
        ),
        Mistake(
            "a step moves on by one micro-batch, not by the batch",
            "How many images has the whole run used up after one step?",
            _positions(lambda B, share, m, s, r, i: s * m + r * share + i * m),
        ),
        Mistake(
            "the step is left out: every step sees the same images",
            "What is the first position of step 1?",
            _positions(lambda B, share, m, s, r, i: r * share + i * m),
        ),
        Mistake(
            "each rank has a data set of its own: the rank moves on by the batch",
            "The batch is shared out: a rank holds a part of it, not one of its own.",
            _positions(lambda B, share, m, s, r, i: (s + r) * B + i * m),
        ),
        Mistake(
            "steps are counted from 1",
            "Step 0 begins at position 0.",
            _positions(lambda B, share, m, s, r, i: (s - 1) * B + r * share + i * m),
        ),
        Mistake(
            "i is taken for a number of images",
            "Micro-batch 1 begins after a whole micro-batch.",
            _positions(lambda B, share, m, s, r, i: s * B + r * share + i),
        ),
        Mistake(
            "the last position is counted twice, here and in the next micro-batch",
            "How many images does a full micro-batch hold, and how many do you return?",
            _positions(more=1),
        ),
    ],
)


# ---- the gradient of one update --------------------------------------------------------------------------------------


def _gradient_cases(rng):
    """gradients (world, n, I), counts (world, n): unequal, and one micro-batch without an image that can be read."""
    cases = []
    for world, n, size in [(2, 3, 4), (3, 2, 5), (4, 4, 2)]:
        counts = rng.integers(1, 8, (world, n))
        counts[:, -1] = rng.permutation(3 * world)[:world] + 1
        gradients = rng.standard_normal((world, n, size))
        counts[-1, 0], gradients[-1, 0] = 0, 0
        cases.append((gradients, counts))
    return cases


def _weighted(weights):
    """sum of weights(counts) gradients over processes and micro-batches."""
    return lambda gradients, counts: np.einsum("wn,wn...->...", weights(np.asarray(counts, float)), gradients)


def _ones(counts):
    return np.ones(counts.shape)


def _of_rank(counts):
    return counts.sum(axis=1, keepdims=True)


update_gradient = Check(
    "update_gradient",
    reference=_weighted(lambda c: c / c.sum()),
    cases=_gradient_cases,
    outputs={"gradient": "(I,)"},
    mistakes=[
        Mistake(
            "the mean of the means: an image in a small micro-batch counts for more",
            "Each gradient is a mean over its own count. Which share of all images is that?",
            _weighted(lambda c: _ones(c) / c.size),
        ),
        Mistake(
            "right within each process, but then the processes are averaged as equals",
            "A process that could read fewer images should count for less. Over whom is the count?",
            _weighted(lambda c: c / _of_rank(c) / len(c)),
        ),
        Mistake(
            "the processes count for their shares, but their micro-batches as equals",
            "Two levels, one rule: what is the share of a single micro-batch in the whole batch?",
            _weighted(lambda c: _of_rank(c) / c.sum() / c.shape[1] * _ones(c)),
        ),
        Mistake(
            "each process divides by its own count, and the results are summed",
            "With more processes the gradient would grow. The mean is over the whole batch.",
            _weighted(lambda c: c / _of_rank(c)),
        ),
        Mistake(
            "the means are summed, and nothing is divided",
            "`backward` adds up; with more micro-batches your gradient grows.",
            _weighted(_ones),
        ),
        Mistake(
            "the means of a process are summed, then the processes are averaged",
            "The processes are seen to, but what of the micro-batches within one?",
            _weighted(lambda c: _ones(c) / len(c)),
        ),
        Mistake(
            "the means of a process are averaged, then the processes are summed",
            "With more processes the gradient would grow.",
            _weighted(lambda c: _ones(c) / c.shape[1]),
        ),
        Mistake(
            "the gradient of the sum: it is not divided by the number of images",
            "The loss is a mean over all images of the batch.",
            _weighted(lambda c: c),
        ),
        Mistake(
            "the sum over images is divided by the number of micro-batches",
            "The mean runs over images. How many are there?",
            _weighted(lambda c: c / c.size),
        ),
        Mistake(
            "the sum over images is divided by the number of processes",
            "The mean runs over images. How many are there?",
            _weighted(lambda c: c / len(c)),
        ),
        Mistake(
            "one division too many: the shares add up to 1 already, and the processes are averaged as well",
            "That is what is left when processes are averaged and nobody multiplies by their number.",
            _weighted(lambda c: c / c.sum() / len(c)),
        ),
        Mistake(
            "one division too many: the shares add up to 1 already, and the micro-batches are averaged as well",
            "Shares that add up to 1 make a mean already.",
            _weighted(lambda c: c / c.sum() / c.shape[1]),
        ),
        Mistake(
            "the gradients are taken for sums: they are means already",
            "What was the loss of each micro-batch divided by?",
            _weighted(lambda c: _ones(c) / c.sum()),
        ),
        Mistake(
            "every micro-batch is taken to be as large as the largest",
            "Some are shorter, and some hold images that could not be read.",
            _weighted(lambda c: c / (c.max() * c.size)),
        ),
        Mistake(
            "the first process's gradient alone",
            "The other processes have seen other images.",
            _weighted(lambda c: (np.arange(len(c)) == 0)[:, None] * c / _of_rank(c)),
        ),
        Mistake(
            "the last micro-batch of each process alone",
            "Did each one overwrite the one before?",
            _weighted(lambda c: (np.arange(c.shape[1]) == c.shape[1] - 1) * c / c[:, -1].sum()),
        ),
    ],
)


# ---- decoupled weight decay ------------------------------------------------------------------------------------------


def _decay_cases(rng):
    cases = []
    for O, I, lr, decay in [(3, 5, 0.1, 0.3), (2, 7, 0.05, 0.5), (4, 3, 0.2, 0.2)]:
        weight, dweight = rng.standard_normal((2, O, I))
        bias, dbias = rng.standard_normal((2, O))
        cases.append((weight, bias, dweight, dbias, rng.uniform(0.3, 3, (O, I)), rng.uniform(0.3, 3, O), lr, decay))
    return cases


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


decoupled_decay = Check(
    "decoupled_decay",
    reference=_decayed(_right),
    cases=_decay_cases,
    outputs={"weight": "(O, I)", "bias": "(O,)"},
    mistakes=[
        Mistake(
            "the decay is coupled: it is added to the gradient, and divided by the root like the rest",
            "A weight whose gradients are large would hardly decay. Decoupled decay stands beside the fraction.",
            _decayed(_coupled),
        ),
        Mistake(
            "the decay is coupled, and the bias decays too",
            "Two things: what is divided by the root, and which parameters decay at all?",
            _decayed(_coupled, _coupled),
        ),
        Mistake(
            "the bias decays too",
            "Only weight matrices decay. A bias says where a feature lies, and 0 is no better place than another.",
            _decayed(_right, _right),
        ),
        Mistake(
            "the bias decays instead of the weight",
            "Which of the two is a matrix?",
            _decayed(_none, _right),
        ),
        Mistake(
            "the decay is not multiplied by the learning rate",
            "Then it would not follow the schedule: during warm-up weights would shrink while nothing is learned.",
            _decayed(lambda w, dw, root, lr, decay: _step(w, dw, root, lr) - decay * w),
        ),
        Mistake(
            "the weight that was already moved decays, so the step shrinks too",
            "Both terms start from the old weight.",
            _decayed(lambda w, dw, root, lr, decay: _step(w, dw, root, lr) * (1 - lr * decay)),
        ),
        Mistake(
            "there is no decay",
            "What shrinks the weight?",
            _decayed(_none),
        ),
        Mistake(
            "the decay has the wrong sign: the weight grows",
            "Decay pulls a weight towards 0.",
            _decayed(lambda w, dw, root, lr, decay: _step(w, dw, root, lr) + lr * decay * w),
        ),
        Mistake(
            "the decay is twice as strong",
            "The 2 of the derivative of w^2 is not there: the formula has lr times weight_decay times w.",
            _decayed(lambda w, dw, root, lr, decay: _step(w, dw, root, lr) - 2 * lr * decay * w),
        ),
        Mistake(
            "every weight loses the same amount, whatever its size",
            "Decay is in proportion: a large weight loses more.",
            _decayed(lambda w, dw, root, lr, decay: _step(w, dw, root, lr) - lr * decay * np.sign(w)),
        ),
        Mistake(
            "only the decay is left: the gradient does nothing",
            "Two terms: one for the loss, one for the decay.",
            _decayed(lambda w, dw, root, lr, decay: w - lr * decay * w),
        ),
        Mistake(
            "the gradient is not divided by the root",
            "That is SGD. In Adam every number has a step of its own length.",
            _decayed(
                lambda w, dw, root, lr, decay: w - lr * dw - lr * decay * w,
                lambda b, db, root, lr, decay: b - lr * db,
            ),
        ),
        Mistake(
            "the weight climbs: the sign of the step is wrong",
            "The gradient points uphill.",
            _decayed(
                lambda w, dw, root, lr, decay: w + lr * dw / root - lr * decay * w,
                lambda b, db, root, lr, decay: b + lr * db / root,
            ),
        ),
    ],
)
