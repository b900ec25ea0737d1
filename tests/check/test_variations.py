"""Checks of notebooks 02 to 06 whose answers no page prints: second differences, copies, gates, registers, biases."""

from __future__ import annotations

import numpy as np
import pytest
import torch


def temperature_by_autograd(dA, x, tau):
    x, tau = torch.tensor(x, requires_grad=True), torch.tensor(tau, requires_grad=True, dtype=torch.float64)
    torch.softmax(x / tau, dim=-1).backward(torch.from_numpy(dA))
    return x.grad, tau.grad


def grouped_by_index(q, k, v):
    out = np.zeros_like(q)
    each = q.shape[1] // k.shape[1]
    for i in range(q.shape[1]):
        scores = np.einsum("btd,bsd->bts", q[:, i], k[:, i // each]) * q.shape[-1] ** -0.5
        e = np.exp(scores)
        out[:, i] = e @ v[:, i // each] / e.sum(axis=-1, keepdims=True)
    return out


def bend_of_slopes(f, x, h):
    """The difference of two slopes; x is moved and put back."""
    bends = np.empty_like(x)
    for i in np.ndindex(x.shape):
        kept, values = x[i], []
        for step in (-h, 0, h):
            x[i] = kept + step
            values.append(f(x))
        x[i] = kept
        bends[i] = ((values[2] - values[1]) / h - (values[1] - values[0]) / h) / h
    return bends


def with_real_copies(q, k, v, copies):
    return grouped_by_index(q, np.repeat(k, copies, axis=2), np.repeat(v, copies, axis=2))


def folded_by_loops(weight, bias, next_weight, next_bias):
    new_weight, new_bias = np.empty_like(next_weight), next_bias.copy()
    for o, i in np.ndindex(next_weight.shape):
        new_weight[o, i] = weight[i] * next_weight[o, i]
        new_bias[o] += bias[i] * next_weight[o, i]
    return new_weight, new_bias


def gated_autograd(dy, a, c):
    a, c = (torch.tensor(x, requires_grad=True) for x in (a, c))
    (torch.nn.functional.silu(a) * c).backward(torch.from_numpy(dy))
    return a.grad, c.grad


def parallel_in_two_steps(z, norm, attention, mlp):
    out = z + mlp(norm(z))
    return out + attention(norm(z))


def parallel_backward_each_alone(dz_out, norm, attention, mlp):
    return norm(mlp(dz_out)) + norm(attention(dz_out)) + dz_out


def registers_by_image(x, x_class, registers, E_pos):
    return [np.vstack([[x_class + E_pos[0]], registers, image + E_pos[1:]]) for image in x]


def registers_autograd(dz, n):
    B, T, D = dz.shape
    x, x_class, registers, E_pos = (torch.zeros(s, dtype=torch.float64, requires_grad=True)
                                    for s in ((B, T - 1 - n, D), (D,), (n, D), (T - n, D)))  # fmt: skip
    placed = torch.cat([x_class.expand(B, 1, D), x], dim=1) + E_pos
    z0 = torch.cat([placed[:, :1], registers.expand(B, n, D), placed[:, 1:]], dim=1)
    return torch.autograd.grad(z0, (x, x_class, registers, E_pos), torch.from_numpy(dz))


def grid_backward_by_loops(dtable, gw):
    d, gh = dtable.shape[1] // 2, len(dtable) // gw
    dE_x, dE_y = np.zeros((gw, d)), np.zeros((gh, d))
    for n, row in enumerate(dtable):
        dE_x[n % gw] += row[:d]
        dE_y[n // gw] += row[d:]
    return dE_x, dE_y


def bias_by_loops(table, gh, gw):
    bias = np.empty((len(table), gh * gw, gh * gw))
    for t, s in np.ndindex(bias.shape[1:]):
        down, across = np.subtract(divmod(t, gw), divmod(s, gw))
        bias[:, t, s] = table[:, down + gh - 1, across + gw - 1]
    return bias


RIGHT = [
    ("second_difference", bend_of_slopes),
    ("attention_with_copies", with_real_copies),
    ("temperature_backward", temperature_by_autograd),
    ("grouped_attention", grouped_by_index),
    ("fold_norm", folded_by_loops),
    ("gated_backward", gated_autograd),
    ("parallel_block", parallel_in_two_steps),
    ("parallel_block_backward", parallel_backward_each_alone),
    ("embed_registers", registers_by_image),
    ("embed_registers_backward", registers_autograd),
    ("grid_positions_backward", grid_backward_by_loops),
    ("relative_bias", bias_by_loops),
]


def without_the_temperature_in_dx(dA, x, tau):
    dx, dtau = temperature_by_autograd(dA, x, tau)
    return dx * tau, dtau


def by_turns(q, k, v):
    order = np.arange(q.shape[1]) % k.shape[1]
    return grouped_by_index(q, k[:, order], v[:, order])


def unscaled(q, k, v):
    return grouped_by_index(q * q.shape[-1] ** 0.5, k, v)


def bend_by_hand(divided_by, twice=2):
    def answer(f, x, h):
        bends = np.zeros(x.shape)
        for i in np.ndindex(x.shape):
            step = np.zeros(x.shape)
            step[i] = h
            bends[i] = (f(x + step) + f(x - step) - twice * f(x)) / divided_by(h)
        return bends

    return answer


def copies_on_the_weights(q, k, v, copies):
    e = np.exp(q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5)
    return copies * (e / e.sum(axis=-1, keepdims=True)) @ v


def copies_on_the_values(q, k, v, copies):
    return grouped_by_index(q, k, v * copies[:, None])


def sigmoid_alone(dy, a, c):
    s = 1 / (1 + np.exp(-a))
    return dy * c * s, dy * a * s


def gate_forgotten(dy, a, c):
    return gated_autograd(dy, a, c)[0], dy


def one_after_the_other(z, norm, attention, mlp):
    z = z + attention(norm(z))
    return z + mlp(norm(z))


def register_with_a_place(x, x_class, registers, E_pos):
    return np.array(registers_by_image(x, x_class, registers + E_pos[0], E_pos))


def shifted_places(dz, n):
    dx, dx_class, dregisters, _ = registers_autograd(dz, n)
    return dx, dx_class, dregisters, dz[:, n:].sum(axis=0)


def bias_reversed(table, gh, gw):
    return bias_by_loops(table, gh, gw).swapaxes(1, 2)


AGAIN = [
    ("second_difference", bend_by_hand(lambda h: h), "divided by h"),
    ("second_difference", bend_by_hand(lambda h: h * h, 1), "taken away once"),
    ("second_difference", bend_by_hand(lambda h: 4 * h * h), "(2 h)^2"),
    ("attention_with_copies", lambda q, k, v, copies: grouped_by_index(q, k, v), "not used"),
    ("attention_with_copies", copies_on_the_weights, "after softmax"),
    ("attention_with_copies", copies_on_the_values, "after softmax"),
    ("fold_norm", lambda w, b, W, c: (w * W, (w * W) @ b + c), "goes through the new weight"),
    ("fold_norm", lambda w, b, W, c: (w * W, c), "the norm's offset is lost"),
    ("gated_backward", sigmoid_alone, "takes the sigmoid for a constant"),
    ("gated_backward", gate_forgotten, "without the gate"),
    ("parallel_block", one_after_the_other, "as in Eq. 3"),
    ("parallel_block", lambda z, norm, attention, mlp: attention(norm(z)) + mlp(norm(z)), "residual connection"),
    ("parallel_block_backward", lambda d, norm, attention, mlp: d + norm(mlp(d)), "attention sends nothing back"),
    ("parallel_block_backward", lambda d, norm, attention, mlp: d + attention(d) + mlp(d), "the norm is left out"),
    ("embed_registers", register_with_a_place, "class token's position"),
    ("embed_registers_backward", shifted_places, "row 0 is a register's"),
    ("grid_positions_backward", lambda d, gw: grid_backward_by_loops(d, len(d) // gw)[::-1], "column by column"),
    (
        "grid_positions_backward",
        lambda d, gw: grid_backward_by_loops(np.roll(d, d.shape[1] // 2, axis=1), gw),
        "halves",
    ),
    ("relative_bias", bias_reversed, "turned round"),
    ("temperature_backward", without_the_temperature_in_dx, "the division by `tau` is missing"),
    ("grouped_attention", by_turns, "the heads take turns"),
    ("grouped_attention", unscaled, "the division by the root of `Dh` is missing"),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers(name, answer, assert_right):
    assert_right(name, answer)


@pytest.mark.parametrize(("name", "answer", "words"), AGAIN)
def test_mistakes_in_other_words(name, answer, words, assert_named):
    assert_named(name, answer, words)
