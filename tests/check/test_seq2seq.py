"""The checks of notebooks/11_seq2seq.ipynb: positions, masks, cross-attention, scatter-add, loss, path lengths."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

# ---- right answers in other styles -----------------------------------------------------------------------------------


def sinusoid_loops(length, width):
    PE = np.zeros((length, width))
    for t in range(length):
        for d in range(width):
            angle = t / 10000 ** (2 * (d // 2) / width)
            PE[t, d] = math.cos(angle) if d % 2 else math.sin(angle)
    return PE


def sinusoid_slices(length, width, swap=False, first=0):
    PE = torch.zeros(length, width)
    w = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angle = torch.arange(first, first + length).unsqueeze(1) * w
    PE[:, swap::2], PE[:, 1 - swap :: 2] = torch.sin(angle), torch.cos(angle)
    return PE


def mask_loops(target, pad, may=lambda t, s: s <= t, asked=lambda target, b, t, s: target[b, s]):
    B, T = target.shape
    mask = np.zeros((B, 1, T, T), bool)
    for b, _, t, s in np.ndindex(mask.shape):
        mask[b, 0, t, s] = may(t, s) and asked(target, b, t, s) != pad
    return mask


def mask_torch(target, pad, diagonal=1):
    future = torch.triu(torch.ones(target.shape[1], target.shape[1], dtype=torch.bool), diagonal)
    return ~(future | torch.from_numpy(target == pad)[:, None, None])


def cross_einsum(z, memory, q_weight, kv_weight, heads, axis=-1, order=(0, 1), power=-0.5):
    D = z.shape[-1]
    q = np.einsum("btd,ed->bte", z, q_weight).reshape(*z.shape[:2], heads, -1)
    kv = [np.einsum("bsd,ed->bse", memory, kv_weight[i * D : (i + 1) * D]) for i in order]
    k, v = (x.reshape(*memory.shape[:2], heads, -1) for x in kv)
    scores = np.exp(np.einsum("bthd,bshd->bhts", q, k) * (D // heads) ** power)
    A = scores / scores.sum(axis=axis, keepdims=True)
    return np.einsum("bhts,bshd->bthd", A, v).reshape(z.shape)


def cross_torch(z, memory, q_weight, kv_weight, heads):
    D = z.shape[-1]
    layer = nn.MultiheadAttention(D, heads, bias=False, batch_first=True, dtype=torch.float64)
    layer.load_state_dict({
        "in_proj_weight": torch.from_numpy(np.concatenate([q_weight, kv_weight])),
        "out_proj.weight": torch.eye(D, dtype=torch.float64),
    })  # fmt: skip
    z, memory = torch.from_numpy(z), torch.from_numpy(memory)
    return layer(z, memory, memory)[0]


def embed_backward_onehot(dy, ids, vocabulary):
    onehot = np.eye(vocabulary)[ids.ravel()]  # (B T, V)
    return onehot.T @ dy.reshape(-1, dy.shape[-1]) * np.sqrt(dy.shape[-1])


def embed_backward_autograd(dy, ids, vocabulary):
    weight = torch.zeros(vocabulary, dy.shape[-1], dtype=torch.float64, requires_grad=True)
    (F.embedding(torch.from_numpy(ids), weight) * dy.shape[-1] ** 0.5).backward(torch.from_numpy(dy))
    return weight.grad


def embed_backward_loops(dy, ids, vocabulary, factor=lambda D: math.sqrt(D), add=True, sequences=None):
    dweight = np.zeros((vocabulary, dy.shape[-1]))
    for b in range(sequences or len(ids)):
        for t, symbol in enumerate(ids[b]):
            use = factor(dy.shape[-1]) * dy[b, t]
            dweight[symbol] = dweight[symbol] + use if add else use
    return dweight


def loss_torch(logits, targets, pad, **options):
    return F.cross_entropy(torch.from_numpy(logits).flatten(0, 1), torch.from_numpy(targets).flatten(), **options)


def loss_loops(logits, targets, pad, divide=lambda terms, logits: terms / len(terms), counts=lambda t, pad: t != pad):
    terms = []
    for b, t in np.ndindex(targets.shape):
        if counts(targets[b, t], pad):
            p = np.exp(logits[b, t]) / np.exp(logits[b, t]).sum()
            terms.append(-math.log(p[targets[b, t]]))
    return divide(np.array(terms), logits).sum()


def path_search(reads, first=0):
    """Breadth first, from every position."""
    n = len(reads)
    steps = np.full((n, n), -1)
    for i in range(n):
        wave, step = {i}, 0
        while wave:
            for j in wave:
                steps[i, j] = step + first
            wave = {int(k) for j in wave for k in np.flatnonzero(reads[j]) if steps[i, k] < 0}
            step += 1
    return steps


def path_powers(reads):
    """The first power of (1 + reads) with something in the place."""
    n = len(reads)
    powers = [np.linalg.matrix_power(np.eye(n) + reads, s) > 0 for s in range(n)]
    reached = np.array(powers)
    return np.where(reached.any(axis=0), reached.argmax(axis=0), -1)


RIGHT = [
    ("sinusoid", sinusoid_loops),
    ("sinusoid", sinusoid_slices),
    ("decoder_mask", mask_loops),
    ("decoder_mask", mask_torch),
    ("decoder_mask", lambda target, pad: np.tril(np.ones((target.shape[1],) * 2)) * (target != pad)[:, None, None]),
    ("cross_attention", cross_einsum),
    ("cross_attention", cross_torch),
    ("embed_backward", embed_backward_onehot),
    ("embed_backward", embed_backward_autograd),
    ("embed_backward", embed_backward_loops),
    ("token_cross_entropy", lambda logits, targets, pad: loss_torch(logits, targets, pad, ignore_index=pad)),
    ("token_cross_entropy", loss_loops),
    ("path_lengths", path_search),
    ("path_lengths", path_powers),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


def test_single_precision_will_do(in_float32, assert_right):
    assert_right("cross_attention", in_float32(cross_einsum))


# ---- the mistakes again, in other words ------------------------------------------------------------------------------


def wave_table(exponent, length, width):
    """An angle for each feature, sine on the even ones."""
    PE = np.zeros((length, width))
    for t, d in np.ndindex(PE.shape):
        angle = t * 10000 ** exponent(d, width)
        PE[t, d] = math.sin(angle) if d % 2 == 0 else math.cos(angle)
    return PE


def wave_blocks(length, width):
    even = sinusoid_loops(length, width)
    return np.hstack([even[:, ::2], even[:, 1::2]])


def scaled_attention(scale, swap=(0, 1)):
    def answer(z, memory, q_weight, kv_weight, heads):
        D = z.shape[-1]
        power = math.log(scale(D, heads, memory.shape[1])) / math.log(D // heads) if D > heads else 0
        return cross_einsum(z, memory, q_weight, kv_weight, heads, power=power, order=swap)

    return answer


def sums(kind):
    def divide(terms, logits):
        return terms / {"all": logits[..., 0].size, "sequences": len(logits), "nothing": 1, "sign": -len(terms)}[kind]

    return lambda logits, targets, pad: loss_loops(logits, targets, pad, divide)


def mean_of_rows(logits, targets, pad):
    rows = [loss_torch(logits[b : b + 1], targets[b : b + 1], pad, ignore_index=pad) for b in range(len(targets))]
    return sum(rows) / len(rows)


def distances(reads):
    return np.array([[abs(i - j) for j in range(len(reads))] for i in range(len(reads))])


AGAIN = [
    ("sinusoid", lambda T, D: sinusoid_slices(T, D, swap=True), "changed places"),
    ("sinusoid", wave_blocks, "all sines stand first"),
    ("sinusoid", lambda T, D: np.roll(wave_blocks(T, D), D // 2, axis=1), "all cosines stand first"),
    ("sinusoid", lambda T, D: wave_table(lambda d, D: -(d // 2) / D, T, D), "i / D, not 2i / D"),
    ("sinusoid", lambda T, D: wave_table(lambda d, D: -d / D, T, D), "a frequency of its own"),
    ("sinusoid", lambda T, D: wave_table(lambda d, D: 2 * (d // 2) / D, T, D), "rise instead of falling"),
    ("sinusoid", lambda T, D: sinusoid_slices(T, D, first=1), "counted from 1"),
    ("sinusoid", lambda T, D: wave_table(lambda d, D: -(d // 2) / (D // 2 - 1), T, D), "exactly 1 / 10000"),
    ("sinusoid", lambda T, D: sinusoid_slices(T, D).T, "transposed"),
    ("sinusoid", lambda T, D: wave_table(lambda d, D: math.log(1000, 10000) * -2 * (d // 2) / D, T, D), "1000, not"),
    ("decoder_mask", lambda y, pad: mask_loops(y, pad, lambda t, s: s < t), "may not ask itself"),
    ("decoder_mask", lambda y, pad: mask_torch(y, pad, diagonal=2), "may ask the next one"),
    ("decoder_mask", lambda y, pad: mask_loops(y, pad, lambda t, s: s >= t), "transposed"),
    ("decoder_mask", lambda y, pad: mask_loops(y, pad, lambda t, s: True), "causal part is missing"),
    ("decoder_mask", lambda y, pad: mask_torch(y, -1), "padding part is missing"),
    ("decoder_mask", lambda y, pad: mask_loops(y, pad, asked=lambda y, b, t, s: y[b, t]), "kept from asking"),
    ("decoder_mask", lambda y, pad: mask_torch(y, 0), "taken to be 0"),
    ("decoder_mask", lambda y, pad: ~mask_torch(y, pad), "True and False have changed places"),
    (
        "decoder_mask",
        lambda y, pad: torch.zeros(mask_torch(y, pad).shape).masked_fill(~mask_torch(y, pad), float("-inf")),
        "0 and -inf",
    ),
    ("decoder_mask", lambda y, pad: mask_torch(y, pad).squeeze(1), "axis of the heads"),
    ("cross_attention", lambda z, m, *w: cross_einsum(m, z, *w), "the encoder asks the decoder"),
    ("cross_attention", lambda z, m, *w: cross_torch(z, z, *w), "memory is not used"),
    ("cross_attention", lambda z, m, *w: cross_torch(m, m, *w), "z is not used"),
    ("cross_attention", lambda *a: cross_einsum(*a, order=(1, 0)), "k and v have changed places"),
    ("cross_attention", lambda *a: cross_einsum(*a, axis=-2), "over the tokens that ask"),
    ("cross_attention", lambda *a: cross_einsum(*a, power=0), "the division by the root of `Dh` is missing"),
    ("cross_attention", scaled_attention(lambda D, h, S: D**-0.5), "from the width D"),
    ("cross_attention", scaled_attention(lambda D, h, S: S**-0.5), "number of source tokens"),
    ("cross_attention", lambda *a: cross_einsum(*a[:-1], 1), "one head of width D"),
    ("cross_attention", lambda z, m, q, kv, h: cross_torch(z, m, q.T, kv, h), "not transposed"),
    ("embed_backward", lambda *a: embed_backward_loops(*a, add=False), "only the last one counts"),
    ("embed_backward", lambda *a: embed_backward_loops(*a, factor=lambda D: 1), "sqrt(D) is forgotten"),
    ("embed_backward", lambda *a: embed_backward_autograd(*a) / a[0].shape[-1], "divided by sqrt(D)"),
    ("embed_backward", lambda *a: embed_backward_loops(*a, factor=lambda D: D), "D, not its square root"),
    ("embed_backward", lambda *a: embed_backward_loops(*a, sequences=1), "only the first sequence"),
    ("embed_backward", lambda dy, ids, V: embed_backward_loops(dy, ids, ids.max() + 1), "highest symbol"),
    ("token_cross_entropy", sums("all"), "divided by all B T places"),
    ("token_cross_entropy", loss_torch, "padding counts like any other"),
    ("token_cross_entropy", mean_of_rows, "every sequence has the same weight"),
    ("token_cross_entropy", sums("sequences"), "number of sequences"),
    ("token_cross_entropy", lambda *a: loss_torch(*a, ignore_index=a[2], reduction="sum"), "nothing is divided"),
    ("token_cross_entropy", sums("sign"), "sign is wrong"),
    ("token_cross_entropy", lambda *a: loss_torch(*a, ignore_index=0), "taken to be 0"),
    ("path_lengths", lambda reads: path_search(reads).T, "who is read have changed places"),
    ("path_lengths", lambda reads: path_search(reads, first=1), "one too high"),
    ("path_lengths", distances, "the distance |i - j|"),
    ("path_lengths", lambda reads: path_powers(reads).clip(0), "0 steps, not -1"),
    ("path_lengths", lambda reads: np.where(path_powers(reads) > 1, -1, path_powers(reads)), "only direct reading"),
]


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)


# ---- what the check says of other answers ----------------------------------------------------------------------------


def test_a_score_that_is_lowered_instead_of_forbidden_is_not_known(unknown):
    message = unknown("cross_attention", lambda *a: np.sin(cross_einsum(*a)))
    assert "y[0, 0, 0] of y (B, T, D) = (2, 5, 12)" in message


def test_a_crash_says_where(said):
    def my_cross_attention(z, memory, q_weight, kv_weight, heads):
        return z @ kv_weight

    message = said("cross_attention", my_cross_attention)
    assert "it stopped at `return z @ kv_weight` with ValueError: matmul" in message
