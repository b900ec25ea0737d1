"""vitedu_numpy/layers/crossattention.py: T tokens ask S others, which come from another sequence."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import MultiHeadAttention
from vitedu_numpy.layers.crossattention import CrossAttention, DroppedCrossAttention, make_cross_attention
from vitedu_numpy.module import Module

B, h, T, S, D = 2, 3, 5, 7, 12
MASKS = {
    "no mask": None,
    "padding": np.array([7, 4])[:, None, None, None] > np.arange(S),  # (B, 1, 1, S)
    "any": np.random.default_rng(5).random((B, h, T, S)) < 0.6,
}
MASKS["any"][..., 0] = True


class OneInput(Module):
    """A layer of z and memory, seen as a layer of one of them: the other stays as it is."""

    def __init__(self, layer, other, number):
        self.layer, self.other, self.number = layer, other, number

    def forward(self, x, **options):
        inputs = (x, self.other) if self.number == 0 else (self.other, x)
        return self.layer(*inputs, **options)

    def backward(self, dout):
        return self.layer.backward(dout)[self.number]


def layer_and_inputs(rng, dropout=0.0):
    layer = make_cross_attention(D, h, rng, dropout, np.float64)
    assert type(layer) is (DroppedCrossAttention if dropout else CrossAttention)
    return layer, rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("number", [0, 1], ids=["z", "memory"])
def test_layer(number, mask, rng, check_layer):
    layer, *inputs = layer_and_inputs(rng)
    check_layer(OneInput(layer, inputs[1 - number], number), inputs[number], samples=20, mask=mask)


@pytest.mark.parametrize("number", [0, 1], ids=["z", "memory"])
def test_layer_with_dropout(number, rng, check_layer, fix_dropout):
    layer, *inputs = layer_and_inputs(rng, dropout=0.4)
    fix_dropout(layer, {"drop": (B, h, T, S)})
    check_layer(OneInput(layer, inputs[1 - number], number), inputs[number], samples=20)


def test_without_a_mask_dropped_attention_is_the_plain_one(rng, scramble):
    plain, dropped = (kind(D, h, rng, dtype=np.float64) for kind in (CrossAttention, DroppedCrossAttention))
    scramble(plain)
    scramble(dropped)
    z, memory, dout = (rng.standard_normal((B, n, D)) for n in (T, S, T))
    mask = MASKS["padding"]
    assert np.array_equal(plain(z, memory, mask), dropped(z, memory, mask))
    for one, other in zip(plain.backward(dout), dropped.backward(dout), strict=True):
        assert np.array_equal(one, other)


def test_to_ask_oneself_is_self_attention(rng, scramble):
    """With the same weights and memory = z, this is `MultiHeadAttention`, and the two gradients add up to its one."""
    cross, z, _ = layer_and_inputs(rng)
    scramble(cross)
    own = MultiHeadAttention(D, h, rng, dtype=np.float64)
    state = cross.state_dict()
    joined = {f"qkv.{kind}": np.concatenate([state[f"q.{kind}"], state[f"kv.{kind}"]]) for kind in ("weight", "bias")}
    own.load_state_dict({**joined, "out.weight": state["out.weight"], "out.bias": state["out.bias"]})
    dout = rng.standard_normal((B, T, D))
    # Products of 12 numbers, summed in another order.
    np.testing.assert_allclose(cross(z, z), own(z), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sum(cross.backward(dout)), own.backward(dout), rtol=1e-11, atol=1e-11)


def test_what_nobody_may_ask_changes_nothing(rng):
    layer, z, memory = layer_and_inputs(rng)
    out = layer(z, memory, MASKS["padding"])
    memory[1, 4:] = 1e6
    assert np.array_equal(layer(z, memory, MASKS["padding"]), out)  # exactly: its weight is exp(-inf) = 0
    layer(z, memory, MASKS["padding"])
    _, dmemory = layer.backward(np.ones_like(z))
    assert (dmemory[1, 4:] == 0).all()


def test_record(rng):
    layer, z, memory = layer_and_inputs(rng)
    record = {}
    out = layer(z, memory, MASKS["padding"], record)
    assert list(record) == ["q", "k", "v", "A", "heads", "out"]
    assert record["A"].shape == (B, h, T, S)
    np.testing.assert_allclose(record["A"].sum(axis=-1), 1, rtol=1e-14)  # every row of weights sums to 1
    assert record["out"] is out
