"""The checks of notebooks/08_vit_torch.ipynb: autograd, weight decay, many workers; answers in NumPy or PyTorch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from vitedu.training.optim import is_kernel


def test_the_catalogue_needs_no_torch():
    code = "import sys; from vitedu import check; check.decay_groups(len); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# ---- right answers in other styles -----------------------------------------------------------------------------------


def autograd_chain(x, W1, W2, dy):
    x, W1, W2 = (torch.tensor(a, requires_grad=True) for a in (x, W1, W2))
    torch.tanh(torch.relu(x @ W1.T) @ W2.T).backward(torch.tensor(dy))
    return x.grad, W1.grad, W2.grad


def autograd_reused(x, W, dy):
    x, W = torch.tensor(x, requires_grad=True), torch.tensor(W, requires_grad=True)
    (x @ W.T @ W.T).backward(torch.tensor(dy))
    return x.grad, W.grad


def autograd_accumulate(x, t, w, size):
    w = torch.tensor(w, requires_grad=True)
    for rows, wanted in zip(torch.tensor(x).split(size), torch.tensor(t).split(size), strict=True):
        loss = ((rows @ w - wanted) ** 2).mean() * len(rows) / len(x)
        loss.backward()
    return w.grad


def by_group(names, shapes):
    """As `vitedu.Adam` groups the parameters."""
    model = torch.nn.Module()
    for i, shape in enumerate(shapes):
        setattr(model, f"p{i}", torch.nn.Parameter(torch.zeros(shape)))
    decayed = {n for n, p in zip(names, model.parameters(), strict=True) if is_kernel(n, p)}
    return np.array([n in decayed for n in names])


def ring(parts):
    """Every worker hands on what it last received, n - 1 times."""
    total, passing = parts.copy(), parts.copy()
    for _ in range(len(parts) - 1):
        passing = passing[[-1, *range(len(parts) - 1)]]
        total += passing
    return total


RIGHT = [
    ("decay_groups", by_group),
    ("decay_groups", lambda names, shapes: [names[i][-6:] == "weight" and len(s) >= 2 for i, s in enumerate(shapes)]),
    ("chain_backward", autograd_chain),
    ("chain_backward", lambda *args: tuple(g.float() for g in autograd_chain(*args))),
    ("reused_weight_backward", autograd_reused),
    ("data_parallel_gradient", lambda g, n: sum(gi * ni for gi, ni in zip(g, n, strict=True)) / sum(n)),
    ("data_parallel_gradient", lambda g, n: np.tensordot(n / n.sum(), g, 1).astype(np.float32)),
    ("all_reduce", ring),
    ("all_reduce", lambda parts: torch.tensor(parts).sum(0).expand(parts.shape)),
    ("all_reduce", lambda parts: np.ones((len(parts), len(parts))) @ parts),
    ("accumulate", autograd_accumulate),
    ("accumulate", lambda x, t, w, size: 2 * x.T @ (x @ w - t) / len(t)),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def autograd_chain_with(second, first=torch.relu):
    """The chain through other functions: what a wrong slope amounts to."""

    def answer(x, W1, W2, dy):
        x, W1, W2 = (torch.tensor(a, requires_grad=True) for a in (x, W1, W2))
        second(first(x @ W1.T) @ W2.T).backward(torch.tensor(dy))
        return x.grad, W1.grad, W2.grad

    return answer


class PassThrough(torch.autograd.Function):
    """relu forward, no gate on the way back."""

    @staticmethod
    def forward(ctx, s):
        return s.clamp(min=0)

    @staticmethod
    def backward(ctx, dr):
        return dr


class GradientRelu(PassThrough):
    @staticmethod
    def backward(ctx, dr):
        return dr.clamp(min=0)


def accumulate_with(share, zero=False, drop=False):
    """The loop of a training script: share(rows in this micro-batch, size, B) multiplies its mean loss."""

    def answer(x, t, w, size):
        w = torch.tensor(w, requires_grad=True)
        for rows, wanted in zip(torch.tensor(x).split(size), torch.tensor(t).split(size), strict=True):
            if drop and len(rows) < size:
                continue
            if zero:
                w.grad = None
            (((rows @ w - wanted) ** 2).mean() * share(len(rows), size, len(x))).backward()
        return w.grad

    return answer


def detached_reuse(first, second):
    """The two uses of W, one of them cut off from the graph."""

    def answer(x, W, dy):
        x, W = torch.tensor(x, requires_grad=True), torch.tensor(W, requires_grad=True)
        (x @ first(W).T @ second(W).T).backward(torch.tensor(dy))
        return x.grad, W.grad

    return answer


def keep(W):
    return W


def sigmoid_slope(x, W1, W2, dy):
    h = np.maximum(x @ W1.T, 0)
    y = np.tanh(h @ W2.T)
    d = dy * y * (1 - y)
    back = np.where(h > 0, d @ W2, 0)
    return back @ W1, back.T @ x, d.T @ h


AGAIN = [
    ("decay_groups", lambda names, shapes: [n.split(".")[-1] == "weight" for n in names], "layer norms"),
    ("decay_groups", lambda names, shapes: [np.empty(s).ndim > 1 for s in shapes], "E_pos is decayed"),
    ("decay_groups", lambda names, shapes: ["bias" not in n for n in names], "everything but biases"),
    ("chain_backward", autograd_chain_with(lambda a: a), "slope of tanh is missing"),
    ("chain_backward", lambda x, W1, W2, dy: sigmoid_slope(x, W1, W2, dy), "slope of a sigmoid"),
    ("chain_backward", autograd_chain_with(torch.tanh, PassThrough.apply), "gate is missing"),
    ("chain_backward", autograd_chain_with(torch.tanh, GradientRelu.apply), "applied to the gradient"),
    ("chain_backward", lambda *a: [g.T if i else g for i, g in enumerate(autograd_chain(*a))], "transposed"),
    ("chain_backward", lambda *a: [autograd_chain(*a)[i] for i in (0, 2, 1)], "in each other's place"),
    ("reused_weight_backward", detached_reuse(torch.Tensor.detach, keep), "second use only"),
    ("reused_weight_backward", detached_reuse(keep, torch.Tensor.detach), "first use only"),
    ("data_parallel_gradient", lambda g, n: g.mean(axis=0), "same size"),
    ("data_parallel_gradient", lambda g, n: g.sum(axis=0), "without their shares"),
    ("data_parallel_gradient", lambda g, n: np.tensordot(n, g, axes=1), "not divided by their number"),
    ("all_reduce", lambda p: np.where(np.arange(len(p))[:, None] == 0, p.sum(0), 0), "only worker 0"),
    ("all_reduce", lambda p: np.tile(p.mean(0), (len(p), 1)), "the mean"),
    ("all_reduce", lambda p: torch.tensor(p).sum(0), "one row"),
    ("accumulate", accumulate_with(lambda n, size, B: 1), "means of the micro-batches are summed"),
    ("accumulate", accumulate_with(lambda n, size, B: 1 / np.ceil(B / size)), "though the last one is smaller"),
    ("accumulate", accumulate_with(lambda n, size, B: n / B, zero=True), "overwrites"),
    ("accumulate", accumulate_with(lambda n, size, B: n / B, drop=True), "dropped"),
    ("accumulate", accumulate_with(lambda n, size, B: n / size), "divided by `size`"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_unknown_mistake_shows_the_first_wrong_number(unknown):
    def answer(parts):
        wrong = np.tile(parts.sum(axis=0), (len(parts), 1))
        wrong[1, 2] = 0
        return wrong

    message = unknown("all_reduce", answer)
    assert "reduced[1, 2] of reduced (workers, numbers) = (2, 5) is 0" in message


def test_crash_is_readable(said):
    def my_chain(x, W1, W2, dy):
        return x @ W1

    message = said("chain_backward", my_chain)
    assert "it stopped at `return x @ W1` with ValueError" in message
    assert "(2, 3), (5, 3), (4, 5), (2, 4)" in message
