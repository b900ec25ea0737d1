"""The checks of notebooks/07_vit_numpy.ipynb: losses, optimisers, learning rate, clipping."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitedu import check

# ---- right answers in other styles -----------------------------------------------------------------------------------


def loop_smoothing(labels, num_classes, s):
    return [[s / num_classes + (1 - s) * (k == label) for k in range(num_classes)] for label in labels]


def loop_cross_entropy(logits, labels):
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        top = max(row)
        total += top + math.log(sum(math.exp(x - top) for x in row)) - row[label]
    return total / len(logits)


def loop_cross_entropy_backward(logits, labels):
    rows = []
    for row, label in zip(logits, labels, strict=True):
        e = [math.exp(x - max(row)) for x in row]
        rows.append([(x / sum(e) - (k == label)) / len(logits) for k, x in enumerate(e)])
    return rows


def torch_cross_entropy_backward(logits, labels):
    x = torch.tensor(logits, requires_grad=True)
    F.cross_entropy(x, torch.tensor(labels)).backward()
    return x.grad


def torch_sgd(w, g, v, lr, momentum):
    p = torch.nn.Parameter(torch.tensor(w))
    optimizer = torch.optim.SGD([p], lr=lr, momentum=momentum)
    optimizer.state[p]["momentum_buffer"] = torch.tensor(v)
    p.grad = torch.tensor(g)
    optimizer.step()
    return p, optimizer.state[p]["momentum_buffer"]


def torch_adamw(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    p = torch.nn.Parameter(torch.tensor(w))
    optimizer = torch.optim.AdamW([p], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
    p.grad = torch.tensor(g)
    optimizer.state[p] = {"step": torch.tensor(t - 1.0), "exp_avg": torch.tensor(m), "exp_avg_sq": torch.tensor(v)}
    optimizer.step()
    return p, optimizer.state[p]["exp_avg"], optimizer.state[p]["exp_avg_sq"]


def one_line_adam(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    m += (1 - beta1) * (g - m)  # also changes its arguments, which must do no harm
    v += (1 - beta2) * (g**2 - v)
    ratio = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return w - lr * (ratio + weight_decay * w), m, v


def branching_rate(step, base, total_steps, warmup_steps):
    if step < warmup_steps:
        return base * step / warmup_steps
    if step >= total_steps:
        return 0.0
    return base * math.cos(math.pi / 2 * (step - warmup_steps) / (total_steps - warmup_steps)) ** 2


def torch_clip(gradients, max_norm):
    parameters = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    return [p.grad for p in parameters]


def exact_clip(gradients, max_norm):
    norm = math.sqrt(sum(float(x) ** 2 for g in gradients for x in g.flat))
    return tuple(g * max_norm / norm if norm > max_norm else g for g in gradients)  # without the 1e-6


def einsum_gap(dlogits, encoded, weight):
    T = encoded.shape[1]
    dencoded = np.broadcast_to(np.einsum("bk,kd->bd", dlogits, weight)[:, None] / T, encoded.shape)
    return dencoded, np.einsum("bk,btd->kd", dlogits, encoded) / T, np.einsum("bk->k", dlogits)


def autograd_gap(dlogits, encoded, weight):
    encoded, weight = torch.tensor(encoded, requires_grad=True), torch.tensor(weight, requires_grad=True)
    bias = torch.zeros(len(weight), dtype=torch.float64, requires_grad=True)
    F.linear(encoded.mean(dim=1), weight, bias).backward(torch.tensor(dlogits))
    return encoded.grad, weight.grad, bias.grad


RIGHT = [
    ("label_smoothing", loop_smoothing),
    ("label_smoothing", lambda labels, K, s: (1 - s) * np.eye(K, dtype=np.float32)[labels] + np.float32(s / K)),
    ("cross_entropy", loop_cross_entropy),
    ("cross_entropy", lambda x, y: F.cross_entropy(torch.tensor(x), torch.tensor(y))),
    ("cross_entropy", lambda x, y: F.cross_entropy(torch.tensor(x, dtype=torch.float32), torch.tensor(y))),
    ("cross_entropy_backward", loop_cross_entropy_backward),
    ("cross_entropy_backward", torch_cross_entropy_backward),
    (
        "sigmoid_cross_entropy",
        lambda x, t: F.binary_cross_entropy_with_logits(torch.tensor(x), torch.tensor(t), reduction="sum") / len(x),
    ),
    ("sigmoid_cross_entropy", lambda x, t: np.logaddexp(0, np.where(t == 1, -x, x)).sum(axis=1).mean()),
    ("sgd_step", torch_sgd),
    ("sgd_step", lambda w, g, v, lr, mu: [w - lr * g - lr * mu * v, g + v * mu]),
    ("adam_step", torch_adamw),
    ("adam_step", one_line_adam),
    ("learning_rate", branching_rate),
    ("clip", torch_clip),
    ("clip", exact_clip),
    ("gap_head_backward", einsum_gap),
    ("gap_head_backward", autograd_gap),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def naive_softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=1)[:, None]


def safe_softmax(x):
    return torch.softmax(torch.tensor(x), dim=-1).numpy()


def by_torch(**options):
    return lambda x, y: F.cross_entropy(torch.tensor(x), torch.tensor(y), **options)


def in_place(rows, labels):
    rows = rows.copy()
    for b, label in enumerate(labels):
        rows[b, label] -= 1
    return rows


def torch_adam_coupled(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    p = torch.nn.Parameter(torch.tensor(w))
    optimizer = torch.optim.Adam([p], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
    p.grad = torch.tensor(g)
    optimizer.state[p] = {"step": torch.tensor(t - 1.0), "exp_avg": torch.tensor(m), "exp_avg_sq": torch.tensor(v)}
    optimizer.step()
    return p, optimizer.state[p]["exp_avg"], optimizer.state[p]["exp_avg_sq"]


def adam(line):
    """Adam as a student writes it, with one line taken from `line`, a dict of expressions."""
    lines = {
        "g": "g",
        "m": "beta1 * m + (1 - beta1) * g",
        "v": "beta2 * v + (1 - beta2) * g**2",
        "mhat": "m / (1 - beta1**t)",
        "vhat": "v / (1 - beta2**t)",
        "w": "w - lr * mhat / (np.sqrt(vhat) + eps) - lr * weight_decay * w",
    } | line

    def answer(w, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
        names = dict(locals(), np=np)
        for name, expression in lines.items():
            names[name] = eval(expression, {}, names)
        return names["w"], names["m"], names["v"]

    return answer


def rate(step, base, total_steps, warmup_steps, *, start=0, clip=True, length=None):
    length = length or total_steps - warmup_steps
    p = (step - warmup_steps) / length
    p = np.clip(p, 0, 1) if clip else p
    r = base / 2 * (1 + np.cos(np.pi * p))
    if warmup_steps and step + start < warmup_steps:
        r *= (step + start) / warmup_steps
    return r


def clip_each(gradients, max_norm):
    return [g if (n := np.sqrt(np.sum(g**2))) < max_norm else g / n * max_norm for g in gradients]


def autograd_class_token(dlogits, encoded, weight):
    encoded, weight = torch.tensor(encoded, requires_grad=True), torch.tensor(weight, requires_grad=True)
    (encoded[:, 0] @ weight.T).backward(torch.tensor(dlogits))
    return encoded.grad, dlogits.T @ encoded.detach().numpy().mean(1), dlogits.sum(0)


AGAIN = [
    ("label_smoothing", lambda y, K, s: np.where(np.eye(K)[y] == 1, 1 - s, s / (K - 1)), "K - 1"),
    ("label_smoothing", lambda y, K, s: np.where(np.eye(K)[y] == 1, 1 - s, s / K), "its share of the uniform"),
    ("cross_entropy", by_torch(reduction="sum"), "summed, not averaged"),
    ("cross_entropy", lambda x, y: -np.mean(np.eye(x.shape[1])[y] * np.log(safe_softmax(x))), "over all B K"),
    (
        "cross_entropy",
        lambda x, y: np.mean([-np.log(p[k]) for p, k in zip(naive_softmax(x), y, strict=True)]),
        "exp overflows",
    ),
    ("cross_entropy", lambda x, y: F.nll_loss(torch.tensor(safe_softmax(x)).log(), torch.tensor(y)), "rounded to 0"),
    ("cross_entropy", lambda x, y: F.nll_loss(torch.tensor(x), torch.tensor(y)), "not turned into prob"),
    ("cross_entropy", lambda x, y: F.nll_loss(torch.tensor(safe_softmax(x)), torch.tensor(y)), "log is missing"),
    ("cross_entropy", lambda x, y: by_torch()(safe_softmax(x), y), "applied twice"),
    ("cross_entropy", lambda x, y: -loop_cross_entropy(x, y), "sign is wrong"),
    ("cross_entropy", lambda x, y: loop_cross_entropy(x, y) / math.log(2), "base 2"),
    ("cross_entropy", lambda x, y: F.nll_loss(torch.log_softmax(torch.tensor(x), 0), torch.tensor(y)), "axis 0"),
    ("cross_entropy_backward", lambda x, y: in_place(safe_softmax(x), y), "divided by the number"),
    ("cross_entropy_backward", lambda x, y: in_place(safe_softmax(x), y) / np.size(x), "divided by B K"),
    ("cross_entropy_backward", lambda x, y: in_place(x, y) / len(y), "softmax is missing"),
    ("cross_entropy_backward", lambda x, y: in_place(naive_softmax(x), y) / len(y), "exp overflows"),
    ("cross_entropy_backward", lambda x, y: -in_place(safe_softmax(x), y) / len(y), "sign is wrong"),
    (
        "sigmoid_cross_entropy",
        lambda x, t: F.binary_cross_entropy_with_logits(torch.tensor(x), torch.tensor(t)),
        "the classes are to be summed",
    ),
    (
        "sigmoid_cross_entropy",
        lambda x, t: np.log(np.where(t, 1 + np.exp(-x), 1 + np.exp(x))).sum() / len(x),
        "rounded to 0, or exp overflows",
    ),
    ("sigmoid_cross_entropy", lambda x, t: by_torch()(x, t), "softmax over the classes"),
    ("sgd_step", lambda w, g, v, lr, mu: (w - lr * v, v * mu + g), "old v"),
    ("sgd_step", lambda w, g, v, lr, mu: (w - lr * g - v * mu, lr * g + v * mu), "learning rate is inside"),
    ("sgd_step", lambda w, g, v, lr, mu: (w - lr * (g + mu * (v - g)), g + mu * (v - g)), "running mean"),
    ("adam_step", torch_adam_coupled, "coupled"),
    ("adam_step", adam({"g": "g + weight_decay * w"} | {"w": "w - lr * mhat / (np.sqrt(vhat) + eps)"}), "coupled"),
    ("adam_step", adam({"mhat": "m", "vhat": "v"}), "no bias correction"),
    ("adam_step", adam({"mhat": "m / (1 - beta1**(t-1))", "vhat": "v / (1 - beta2**(t-1))"}), "t - 1"),
    ("adam_step", adam({"mhat": "m / (1 - beta1**(t+1))", "vhat": "v / (1 - beta2**(t+1))"}), "t + 1"),
    ("adam_step", adam({"w": "w - lr * mhat * (vhat + eps)**-0.5 - lr * weight_decay * w"}), "inside the root"),
    ("adam_step", adam({"v": "beta2 * v + (1 - beta2) * g"}), "not g^2"),
    ("adam_step", adam({"w": "w - lr * mhat / (vhat**0.5 + eps) - weight_decay * w"}), "not multiplied by the lear"),
    ("adam_step", adam({"w": "w * (1 - lr * weight_decay) - lr * mhat / (vhat + eps)"}), "root is missing"),
    ("adam_step", adam({"w": "w - lr * mhat / (np.sqrt(vhat) + eps)"}), "decay is missing"),
    ("learning_rate", lambda *a: rate(*a, start=1), "(step + 1)"),
    ("learning_rate", lambda *a: rate(*a, clip=False), "not held between"),
    ("learning_rate", lambda s, b, t, w: rate(s, b, t, w, length=t), "length is the total"),
    ("learning_rate", lambda s, b, t, w: b * s / w if s < w else (rate(s, b, t, w), s / w)[0], "divides by zero"),
    ("clip", clip_each, "its own norm"),
    ("clip", lambda gs, c: [np.minimum(np.maximum(g, -c), c) for g in gs], "each number"),
    ("clip", lambda gs, c: [g / np.sqrt(sum(np.vdot(h, h) for h in gs)) * c for g in gs], "stretched"),
    ("clip", lambda gs, c: [g * min(1, c / sum(np.vdot(h, h) for h in gs)) for g in gs], "norm is squared"),
    ("gap_head_backward", autograd_class_token, "token 0 gets"),
    (
        "gap_head_backward",
        lambda d, z, W: (np.einsum("bk,kd,t->btd", d, W, np.ones(z.shape[1])), d.T @ z.mean(1), d.sum(0)),
        "not divided by the number of tokens",
    ),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    with np.errstate(all="ignore"):  # overflow is part of some mistakes
        assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_unknown_mistake_shows_the_first_wrong_number(unknown):
    right = check.cross_entropy_backward.reference

    def answer(logits, labels):
        wrong = right(logits, labels).copy()
        wrong[1, 2] += 0.5
        return wrong

    message = unknown("cross_entropy_backward", answer)
    assert "dlogits[1, 2] of dlogits (B, K) = (3, 5)" in message
    assert "1 of 15 numbers differ" in message


def test_unknown_mistake_in_a_list_of_arrays(unknown):
    message = unknown("clip", lambda gradients, max_norm: [np.sin(5 * g) for g in gradients])
    assert "[(3, 5), (3,), (4, 2)], 1.0" in message


def test_crash_is_readable(said):
    def my_gap(dlogits, encoded, weight):
        return dlogits @ weight.T, None, None

    message = said("gap_head_backward", my_gap)
    assert "it stopped at `return dlogits @ weight.T, None, None` with ValueError" in message
    assert "(2, 7), (2, 5, 3), (7, 3)" in message
