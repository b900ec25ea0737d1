"""The checks of notebooks/14_pretraining.ipynb: positions, accumulation over processes, decoupled decay."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitedu.data import Loader, Shuffled

# ---- right answers in other styles -----------------------------------------------------------------------------------


def by_cutting(step, rank, i, world, batch_size, micro_batch):
    batch = list(range(step * batch_size, (step + 1) * batch_size))
    share = batch[rank * len(batch) // world : (rank + 1) * len(batch) // world]
    return share[i * micro_batch : (i + 1) * micro_batch]


def by_the_loader(step, rank, i, world, batch_size, micro_batch):
    loader = Loader(
        None, Shuffled(batch_size, seed=0), None, seed=0, batch_size=batch_size, steps=step + 1, start=step,
        micro_batch=micro_batch, rank=rank, world=world,
    )  # fmt: skip
    return list(loader.pieces())[i]


def by_numpy(gradients, counts):
    return np.average(gradients.reshape(counts.size, -1), axis=0, weights=counts.ravel())


def as_the_engine(gradients, counts):
    """Each process multiplies by world / count, adds up, and the processes are averaged."""
    world, n, _ = gradients.shape
    ranks = [sum(gradients[r, i] * counts[r, i] * (world / counts.sum()) for i in range(n)) for r in range(world)]
    return torch.tensor(np.array(ranks)).mean(0)


def shrink_first(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    weight *= 1 - lr * weight_decay  # also changes its argument, which must do no harm
    weight -= lr * dweight / root_weight
    return weight, bias - lr * dbias / root_bias


def torch_adamw(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    """With beta1 = 0 Adam has no memory of directions; its memory of lengths is set to give `root`."""
    t, beta2 = 50, 0.99
    parameters = [torch.nn.Parameter(torch.tensor(w)) for w in (weight, bias)]
    groups = [{"params": [p], "weight_decay": d} for p, d in zip(parameters, (weight_decay, 0.0), strict=True)]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.0, beta2), eps=0.0)
    for p, g, root in zip(parameters, (dweight, dbias), (root_weight, root_bias), strict=True):
        p.grad = torch.tensor(g)
        v = (root**2 * (1 - beta2**t) - (1 - beta2) * g**2) / beta2
        assert (v > 0).all()
        optimizer.state[p] = {
            "step": torch.tensor(t - 1.0), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.tensor(v),
        }  # fmt: skip
    optimizer.step()
    return parameters


RIGHT = [
    ("micro_batch_positions", by_cutting),
    ("micro_batch_positions", by_the_loader),
    ("update_gradient", by_numpy),
    ("update_gradient", as_the_engine),
    ("decoupled_decay", shrink_first),
    ("decoupled_decay", torch_adamw),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=lambda x: getattr(x, "__name__", x))
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


# ---- mistakes in other words -----------------------------------------------------------------------------------------


def strided(step, rank, i, world, batch_size, micro_batch):
    share = list(range(step * batch_size, (step + 1) * batch_size))[rank::world]
    return share[i * micro_batch : (i + 1) * micro_batch]


def full_micro_batches(step, rank, i, world, batch_size, micro_batch):
    first = batch_size * step + batch_size // world * rank + micro_batch * i
    return [first + k for k in range(micro_batch)]


def same_everywhere(step, rank, i, world, batch_size, micro_batch):
    return by_cutting(step, 0, i, world, batch_size, micro_batch)


def steps_of_a_share(step, rank, i, world, batch_size, micro_batch):
    share = batch_size // world
    first = (step + rank) * share + i * micro_batch
    return np.arange(first, min(first + micro_batch, (step + rank + 1) * share))


def drop_last(step, rank, i, world, batch_size, micro_batch):
    found = by_cutting(step, rank, i, world, batch_size, micro_batch)
    return found if len(found) == micro_batch else []


def forget_the_world(gradients, counts):
    """DistributedDataParallel averages, and the loss was divided by the whole batch."""
    return np.mean([(g * c[:, None]).sum(0) / counts.sum() for g, c in zip(gradients, counts, strict=True)], axis=0)


def local_counts(gradients, counts):
    ranks = [np.average(g, axis=0, weights=c) for g, c in zip(gradients, counts, strict=True)]
    return np.mean(ranks, axis=0)


def loss_over_accumulation_steps(gradients, counts):
    return (gradients / counts.shape[1]).sum(1).mean(0)


def sum_of_sums(gradients, counts):
    total = 0
    for g, c in zip(gradients, counts, strict=True):
        for one, count in zip(g, c, strict=True):
            total = total + count * one
    return total


def torch_adam(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    g = torch.tensor(dweight).add(torch.tensor(weight), alpha=weight_decay)
    return torch.tensor(weight) - lr * g / torch.tensor(root_weight), bias - lr * dbias / root_bias


def decay_all(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    keep = 1 - lr * weight_decay
    return weight * keep - lr * dweight / root_weight, bias * keep - lr * dbias / root_bias


def decay_last(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    weight = weight - lr * dweight / root_weight
    return weight - lr * weight_decay * weight, bias - lr * dbias / root_bias


def decay_without_rate(weight, bias, dweight, dbias, root_weight, root_bias, lr, weight_decay):
    return weight * (1 - weight_decay) - lr * dweight / root_weight, bias - lr * dbias / root_bias


AGAIN = [
    ("micro_batch_positions", strided, "image by image"),
    ("micro_batch_positions", full_micro_batches, "next process's share"),
    ("micro_batch_positions", same_everywhere, "the rank is left out"),
    ("micro_batch_positions", steps_of_a_share, "one process's share"),
    ("micro_batch_positions", drop_last, "dropped"),
    ("update_gradient", forget_the_world, "the processes are averaged as well"),
    ("update_gradient", local_counts, "averaged as equals"),
    ("update_gradient", loss_over_accumulation_steps, "mean of the means"),
    ("update_gradient", sum_of_sums, "gradient of the sum"),
    ("decoupled_decay", torch_adam, "coupled"),
    ("decoupled_decay", decay_all, "the bias decays too"),
    ("decoupled_decay", decay_last, "already moved"),
    ("decoupled_decay", decay_without_rate, "not multiplied by the learning rate"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN, ids=lambda x: getattr(x, "__name__", x))
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
