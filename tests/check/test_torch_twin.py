"""The checks of notebook 08 name every mistake that they know, and take every right answer, in NumPy or PyTorch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from vitedu import check
from vitedu.check.catalogue import torch_twin
from vitedu.optim import is_kernel

ALL = [(name, mistake) for name in torch_twin.__all__ for mistake in check.CHECKS[name].mistakes]


@pytest.mark.parametrize(("name", "mistake"), ALL, ids=[f"{n}: {m.name}" for n, m in ALL])
def test_every_mistake_of_the_catalogue_is_named(name, mistake):
    found = check.CHECKS[name].verdict(mistake.answer)
    assert not found.ok
    assert found.mistake == mistake.name
    assert mistake.hint in found.message


@pytest.mark.parametrize("name", torch_twin.__all__)
def test_stub_is_still_to_do(name):
    def my_answer(*args):
        raise NotImplementedError

    assert check.CHECKS[name].verdict(my_answer).message == f"{name}: still to do."


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
    ("decay_groups", lambda names, shapes: [names[i][-6:] == "weight" and len(s) == 2 for i, s in enumerate(shapes)]),
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
def test_right_answers_pass(name, answer):
    found = check.CHECKS[name].verdict(answer)
    assert found.ok, found.message


# ---- the mistakes again, written another way -------------------------------------------------------------------------


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


AGAIN = [
    ("decay_groups", "layer norms", lambda names, shapes: [n.split(".")[-1] == "weight" for n in names]),
    ("decay_groups", "E_pos is decayed", lambda names, shapes: [np.empty(s).ndim > 1 for s in shapes]),
    ("decay_groups", "everything but biases", lambda names, shapes: ["bias" not in n for n in names]),
    ("chain_backward", "slope of tanh is missing", autograd_chain_with(lambda a: a)),
    ("chain_backward", "slope of a sigmoid", lambda x, W1, W2, dy: sigmoid_slope(x, W1, W2, dy)),
    ("chain_backward", "gate is missing", autograd_chain_with(torch.tanh, PassThrough.apply)),
    ("chain_backward", "applied to the gradient", autograd_chain_with(torch.tanh, GradientRelu.apply)),
    ("chain_backward", "transposed", lambda *a: [g.T if i else g for i, g in enumerate(autograd_chain(*a))]),
    ("chain_backward", "wrong order", lambda *a: [autograd_chain(*a)[i] for i in (0, 2, 1)]),
    ("reused_weight_backward", "second use only", detached_reuse(torch.Tensor.detach, keep)),
    ("reused_weight_backward", "first use only", detached_reuse(keep, torch.Tensor.detach)),
    ("data_parallel_gradient", "same size", lambda g, n: g.mean(axis=0)),
    ("data_parallel_gradient", "without their shares", lambda g, n: g.sum(axis=0)),
    ("data_parallel_gradient", "not divided by their number", lambda g, n: np.tensordot(n, g, axes=1)),
    ("all_reduce", "only worker 0", lambda p: np.where(np.arange(len(p))[:, None] == 0, p.sum(0), 0)),
    ("all_reduce", "the mean", lambda p: np.tile(p.mean(0), (len(p), 1))),
    ("all_reduce", "one row", lambda p: torch.tensor(p).sum(0)),
    ("accumulate", "means of the micro-batches are summed", accumulate_with(lambda n, size, B: 1)),
    ("accumulate", "though the last one is smaller", accumulate_with(lambda n, size, B: 1 / np.ceil(B / size))),
    ("accumulate", "overwrites", accumulate_with(lambda n, size, B: n / B, zero=True)),
    ("accumulate", "dropped", accumulate_with(lambda n, size, B: n / B, drop=True)),
    ("accumulate", "divided by `size`", accumulate_with(lambda n, size, B: n / size)),
]


def sigmoid_slope(x, W1, W2, dy):
    h = np.maximum(x @ W1.T, 0)
    y = np.tanh(h @ W2.T)
    d = dy * y * (1 - y)
    back = np.where(h > 0, d @ W2, 0)
    return back @ W1, back.T @ x, d.T @ h


@pytest.mark.parametrize(("name", "words", "answer"), AGAIN)
def test_mistakes_written_another_way_are_named(name, words, answer):
    found = check.CHECKS[name].verdict(answer)
    assert found.mistake is not None, found.message
    assert words in found.mistake


# ---- anything else ---------------------------------------------------------------------------------------------------


def test_unknown_mistake_shows_the_first_wrong_number():
    def answer(parts):
        wrong = np.tile(parts.sum(axis=0), (len(parts), 1))
        wrong[1, 2] = 0
        return wrong

    found = check.all_reduce.verdict(answer)
    assert found.mistake is None
    assert "reduced[1, 2] of reduced (workers, numbers) = (2, 5) is 0" in found.message


def test_crash_is_readable():
    def my_chain(x, W1, W2, dy):
        return x @ W1

    message = check.chain_backward.verdict(my_chain).message
    assert "it stopped at `return x @ W1` with ValueError" in message
    assert "(2, 3), (5, 3), (4, 5), (2, 4)" in message
