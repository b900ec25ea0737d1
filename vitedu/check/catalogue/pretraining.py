"""Exercises of notebooks/14_pretraining.ipynb: positions, accumulation over processes, decoupled decay."""

from __future__ import annotations

import numpy as np

from ..slips.exercise import exercise

__all__ = ["carried_decay", "decoupled_decay", "micro_batch_positions", "update_gradient"]


# ---- which images a process takes ------------------------------------------------------------------------------------


def _position_cases(rng):
    """(step, rank, i, world, batch_size, micro_batch): full micro-batches, and last ones that are not."""
    cases = [(3, 1, 0, 2, 14, 3), (2, 2, 1, 3, 15, 3), (5, 1, 2, 4, 32, 3), (4, 3, 1, 4, 24, 2), (6, 0, 1, 2, 10, 4)]
    return [(step + int(rng.integers(3)), *rest) for step, *rest in cases]


@exercise(cases=_position_cases, outputs={"positions": "(b,)"}, level=2, minutes=20)
def micro_batch_positions(step, rank, i, world, batch_size, micro_batch):
    share = batch_size // world
    size = min(micro_batch, share - i * micro_batch)  # the number of images
    first = step * batch_size + rank * share + i * micro_batch  # the first position
    return np.arange(first, first + size)


for _name, _why, _lines in (
    ("every process has a whole batch of its own", "Is `batch_size` that of one process or of all?",
     {"share": "batch_size", "first": "(step * world + rank) * batch_size + i * micro_batch"}),
    ("the micro-batches are dealt out to the processes in turn", "What does a process's share look like: one stretch?",
     {"first": "step * batch_size + i * micro_batch * world + rank * micro_batch",
      "size": "max(min(micro_batch, (step + 1) * batch_size - first), 0)"}),
    ("first and end are returned, not the positions between them", "How many numbers does a micro-batch have?",
     {"result": "(first, first + size)"}),
    ("the micro-batches are counted from 1", "Where does micro-batch 0 begin?",
     {"size": "micro_batch if i else 0", "first": "step * batch_size + rank * share + (i - 1) * micro_batch"}),
    ("the last micro-batch runs on into the next process's share",
     "A share need not be a multiple of the micro-batch. Where does this process's share end?",
     {"size": "micro_batch"}),
    ("the last micro-batch is dropped because it is not full",
     "Its images would never be seen. It is only shorter.",
     {"size": "micro_batch if share - i * micro_batch >= micro_batch else 0"}),
    ("the share is cut into equal parts", "All micro-batches are full but the last one.",
     {"result": "np.array_split(np.arange(step * batch_size + rank * share, step * batch_size + (rank + 1) * share), "
                "-(-share // micro_batch))[i]"}),
    ("the processes take turns, image by image",
     "Each image is still seen once. But a process should read a part of the batch that lies together.",
     {"result": "step * batch_size + rank + world * np.arange(i * micro_batch, min((i + 1) * micro_batch, share))"}),
    ("the processes take turns, micro-batch by micro-batch",
     "Which of the two is the outer part of a batch: the process's share, or the micro-batch?",
     {"first": "step * batch_size + i * micro_batch * world + rank * micro_batch"}),
    ("the rank is left out: every process sees the same images",
     "What do two processes at the same step differ in?", {"first": "step * batch_size + i * micro_batch"}),
    ("a rank moves on by one micro-batch, not by its share",
     "Rank 1 begins where rank 0 has ended with all of its micro-batches.",
     {"first": "step * batch_size + rank * micro_batch + i * micro_batch"}),
    ("a step moves on by one process's share, not by the batch",
     "How many images has the whole run used up after one step?",
     {"first": "step * share + rank * share + i * micro_batch"}),
    ("a step moves on by one micro-batch, not by the batch",
     "How many images has the whole run used up after one step?",
     {"first": "step * micro_batch + rank * share + i * micro_batch"}),
    ("the step is left out: every step sees the same images", "What is the first position of step 1?",
     {"first": "rank * share + i * micro_batch"}),
    ("each rank has a data set of its own: the rank moves on by the batch",
     "The batch is shared out: a rank holds a part of it, not one of its own.",
     {"first": "(step + rank) * batch_size + i * micro_batch"}),
    ("steps are counted from 1", "Step 0 begins at position 0.",
     {"first": "(step - 1) * batch_size + rank * share + i * micro_batch"}),
    ("i is taken for a number of images", "Micro-batch 1 begins after a whole micro-batch.",
     {"first": "step * batch_size + rank * share + i"}),
    ("the last position is counted twice, here and in the next micro-batch",
     "How many images does a full micro-batch hold, and how many do you return?",
     {"result": "np.arange(first, first + size + 1)"}),
):  # fmt: skip
    micro_batch_positions.slip(_name, _why, **_lines)


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


@exercise(cases=_gradient_cases, outputs={"gradient": "(I,)"}, level=2, minutes=20)
def update_gradient(gradients, counts):
    world, n = counts.shape
    own = counts.sum(axis=1, keepdims=True)  # each process's images
    weights = counts / counts.sum()  # the shares
    return np.einsum("wn,wn...->...", weights, gradients)  # the mean


for _name, _why, _line in (
    ("the mean over the micro-batches that have images", "Each gradient is a mean over its own count.",
     "(counts > 0) / (counts > 0).sum()"),
    ("the mean of the means: an image in a small micro-batch counts for more",
     "Each gradient is a mean over its own count. Which share of all images is that?",
     "np.ones((world, n)) / (world * n)"),
    ("right within each process, but then the processes are averaged as equals",
     "A process that could read fewer images should count for less. Over whom is the count?", "counts / own / world"),
    ("the processes count for their shares, but their micro-batches as equals",
     "Two levels, one rule: what is the share of a single micro-batch in the whole batch?",
     "own / counts.sum() / n * np.ones((world, n))"),
    ("each process divides by its own count, and the results are summed",
     "With more processes the gradient would grow. The mean is over the whole batch.", "counts / own"),
    ("the means are summed, and nothing is divided",
     "`backward` adds up; with more micro-batches your gradient grows.", "np.ones((world, n))"),
    ("the means of a process are summed, then the processes are averaged",
     "The processes are seen to, but what of the micro-batches within one?", "np.ones((world, n)) / world"),
    ("the means of a process are averaged, then the processes are summed",
     "With more processes the gradient would grow.", "np.ones((world, n)) / n"),
    ("the gradient of the sum: it is not divided by the number of images",
     "The loss is a mean over all images of the batch.", "counts"),
    ("the sum over images is divided by the number of micro-batches",
     "The mean runs over images. How many are there?", "counts / (world * n)"),
    ("the sum over images is divided by the number of processes",
     "The mean runs over images. How many are there?", "counts / world"),
    ("one division too many: the shares add up to 1 already, and the processes are averaged as well",
     "That is what is left when processes are averaged and nobody multiplies by their number.",
     "counts / counts.sum() / world"),
    ("one division too many: the shares add up to 1 already, and the micro-batches are averaged as well",
     "Shares that add up to 1 make a mean already.", "counts / counts.sum() / n"),
    ("the gradients are taken for sums: they are means already", "What was the loss of each micro-batch divided by?",
     "np.ones((world, n)) / counts.sum()"),
    ("every micro-batch is taken to be as large as the largest",
     "Some are shorter, and some hold images that could not be read.", "counts / (counts.max() * world * n)"),
    ("the first process's gradient alone", "The other processes have seen other images.",
     "(np.arange(world) == 0)[:, None] * counts / own"),
    ("the last micro-batch of each process alone", "Did each one overwrite the one before?",
     "(np.arange(n) == n - 1) * counts / counts[:, -1].sum()"),
):  # fmt: skip
    update_gradient.slip(_name, _why, weights=_line)


# ---- decoupled weight decay ------------------------------------------------------------------------------------------


def _decay_cases(rng):
    cases = []
    for O, I, lr, decay in [(3, 5, 0.1, 0.3), (2, 7, 0.05, 0.5), (4, 3, 0.2, 0.2)]:
        weight, dweight = rng.standard_normal((2, O, I))
        bias, dbias = rng.standard_normal((2, O))
        cases.append((weight, bias, dweight, dbias, rng.uniform(0.3, 3, (O, I)), rng.uniform(0.3, 3, O), lr, decay))
    return cases


@exercise(
    cases=_decay_cases, outputs={"weight": "(O, I)", "bias": "(O,)"}, level=1, minutes=10,
    may_change=("weight", "bias"),
)  # fmt: skip
def decoupled_decay(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    step = lr * dweight / root_weight  # the step of the weight
    decay = lr * weight_decay * weight  # the decay
    new_weight = weight - step - decay  # the new weight
    new_bias = bias - lr * dbias / root_bias  # the new bias
    return new_weight, new_bias


_COUPLED = "lr * (dweight + weight_decay * weight) / root_weight"
for _name, _why, _lines in (
    ("the decay is coupled: it is added to the gradient, and divided by the root like the rest",
     "A weight whose gradients are large would hardly decay. Decoupled decay stands beside the fraction.",
     {"step": _COUPLED, "decay": "0"}),
    ("the decay is coupled, and the bias decays too",
     "Two things: what is divided by the root, and which parameters decay at all?",
     {"step": _COUPLED, "decay": "0", "new_bias": "bias - lr * (dbias + weight_decay * bias) / root_bias"}),
    ("the bias decays too",
     "Only weight matrices decay. A bias says where a feature lies, and 0 is no better place than another.",
     {"new_bias": "bias - lr * dbias / root_bias - lr * weight_decay * bias"}),
    ("the bias decays instead of the weight", "Which of the two is a matrix?",
     {"decay": "0", "new_bias": "bias - lr * dbias / root_bias - lr * weight_decay * bias"}),
    ("the decay is not multiplied by the learning rate",
     "Then it would not follow the schedule: during warm-up weights would shrink while nothing is learned.",
     {"decay": "weight_decay * weight"}),
    ("the weight that was already moved decays, so the step shrinks too", "Both terms start from the old weight.",
     {"decay": "lr * weight_decay * (weight - step)"}),
    ("there is no decay", "What shrinks the weight?", {"decay": "0"}),
    ("the decay has the wrong sign: the weight grows", "Decay pulls a weight towards 0.",
     {"new_weight": "weight - step + decay"}),
    ("the decay is twice as strong",
     "The 2 of the derivative of w^2 is not there: the formula has lr times weight_decay times w.",
     {"decay": "2 * lr * weight_decay * weight"}),
    ("every weight loses the same amount, whatever its size", "Decay is in proportion: a large weight loses more.",
     {"decay": "lr * weight_decay * np.sign(weight)"}),
    ("only the decay is left: the gradient does nothing", "Two terms: one for the loss, one for the decay.",
     {"step": "0"}),
    ("the gradient is not divided by the root", "That is SGD. In Adam every number has a step of its own length.",
     {"step": "lr * dweight", "new_bias": "bias - lr * dbias"}),
    ("the weight climbs: the sign of the step is wrong", "The gradient points uphill.",
     {"new_weight": "weight + step - decay", "new_bias": "bias + lr * dbias / root_bias"}),
):  # fmt: skip
    decoupled_decay.slip(_name, _why, **_lines)


# ---- a decay for another schedule ------------------------------------------------------------------------------------


@exercise(
    cases=lambda rng: [
        (rng.uniform(1e-4, 2e-3, n), decay, rng.uniform(1e-4, 4e-3, m))
        for n, decay, m in ((40, 0.3, 25), (12, 0.03, 50), (60, 0.1, 60))
    ],
    outputs={"new_decay": "(a number)"}, level=2, minutes=15,
)  # fmt: skip
def carried_decay(rates, weight_decay, new_rates):
    shrunk = weight_decay * rates.sum()  # the exponent of the old run
    return shrunk / new_rates.sum()  # the new decay


for _name, _why, _lines in (
    ("the highest rates times the numbers of steps are compared", "Is the rate at its highest in every step?",
     {"result": "weight_decay * rates.max() * len(rates) / (new_rates.max() * len(new_rates))"}),
    ("the squares of the rates are compared", "By which factor does one step shrink a weight?",
     {"result": "weight_decay * (rates**2).sum() / (new_rates**2).sum()"}),
    ("the decay is kept as it is", "By what factor does a weight shrink in each of the two runs?",
     {"result": "weight_decay"}),
    ("only the numbers of steps are compared", "A step of a small rate shrinks less than one of a large rate.",
     {"result": "weight_decay * len(rates) / len(new_rates)"}),
    ("only the highest rates are compared: the memory in steps is kept, not what is left at the end",
     "What is left at the end is a product over all steps.",
     {"result": "weight_decay * rates.max() / new_rates.max()"}),
    ("the mean rates are compared, not the sums: the number of steps is left out",
     "What is left at the end is a product over all steps. How many are there?",
     {"result": "weight_decay * rates.mean() / new_rates.mean()"}),
    ("the ratio is upside down", "Twice the steps at the same rate: is the decay to grow or to fall?",
     {"result": "weight_decay * new_rates.sum() / rates.sum()"}),
    ("the exponents are made equal for the last step only", "Every step shrinks the weight.",
     {"result": "weight_decay * rates[-1] / new_rates[-1]"}),
):  # fmt: skip
    carried_decay.slip(_name, _why, **_lines)
