"""Heads switched off: equal to zeroing columns of W_O by hand, and the caller's model is not touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy as vn
from vitedu_numpy.inspect import as_array


def without(it, heads):
    room = vitedu.inspect if isinstance(it.model, torch.nn.Module) else vn.inspect
    return room.without_heads(it.model, heads)


@pytest.mark.parametrize("heads", [(1, 2), [(1, 2)], [(0, 0), (2, 1), (2, 2)], []], ids=str)
def test_equals_zeroed_columns(seen, small, heads):
    """Bit for bit: the same arithmetic on the same numbers."""
    it = seen(small())
    found = as_array(without(it, heads)(it.images))
    in_numpy = isinstance(it.images, np.ndarray)
    by_hand = vn.ViT(it.config, 0, dtype="float64") if in_numpy else vitedu.ViT(it.config).double()
    state = {name: as_array(value).copy() for name, value in it.model.state_dict().items()}
    for block, head in [heads] if isinstance(heads, tuple) else heads:
        state[f"encoder.blocks.{block}.attention.out.weight"][:, 4 * head : 4 * head + 4] = 0  # Dh = 4
    by_hand.load_state_dict(state)
    np.testing.assert_array_equal(found, as_array(by_hand(it.images)))
    assert (np.abs(found - as_array(it.model(it.images))).max() > 1e-3) == bool(heads)


def test_equals_a_head_that_gives_nothing(seen, small):
    """The record of the switched model: the block's `out` is the other heads' part and the bias."""
    it = seen(small())
    record = {}
    without(it, (1, 0))(it.images, record)
    given = as_array(it.record["block01/attention/heads"]).copy()
    given[..., :4] = 0
    state = {name: as_array(value) for name, value in it.model.state_dict().items()}
    path = "encoder.blocks.1.attention.out"
    expected = given @ state[f"{path}.weight"].T + state[f"{path}.bias"]
    np.testing.assert_allclose(as_array(record["block01/attention/out"]), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["1d", "relative", "sincos2d"])
@pytest.mark.parametrize("place", [None, "shared"])
def test_the_callers_model_is_not_touched(seen, small, kind, place):
    config = small(position_embedding=kind, position_at=place, dropout=0.2, attention_dropout=0.1)
    it = seen(config)
    logits = as_array(it.model(it.images))
    before = {name: as_array(value).copy() for name, value in it.model.state_dict().items()}
    it.model.train()
    other = without(it, [(0, 1), (2, 0)])
    other(it.images)
    assert it.model.training
    assert not other.training  # dropout is off there
    np.testing.assert_array_equal(as_array(it.model.eval()(it.images)), logits)
    for name, value in it.model.state_dict().items():
        np.testing.assert_array_equal(as_array(value), before[name])


def test_values_are_shared_and_gradients_are_not(twins, small):
    """No second copy of the weights; nothing of a backward through the new model arrives in the old one."""
    ours, theirs = twins(small())
    new = vn.inspect.without_heads(ours.model, (0, 0))
    assert np.shares_memory(new.head.weight.value, ours.model.head.weight.value)
    new.backward(np.ones_like(new(ours.images)))
    assert ours.model.head.weight.grad is None

    new = vitedu.inspect.without_heads(theirs.model, (0, 0))
    assert new.head.weight.data_ptr() == theirs.model.head.weight.data_ptr()
    images = theirs.images.clone().requires_grad_()
    new(images).sum().backward()
    assert images.grad is not None
    assert theirs.model.head.weight.grad is None


def test_hybrids(twins, hybrid_config):
    ours, theirs = twins(hybrid_config)
    a = vn.inspect.without_heads(ours.model, (1, 2))(ours.images)
    b = vitedu.inspect.without_heads(theirs.model, (1, 2))(theirs.images)
    np.testing.assert_allclose(a, as_array(b), rtol=0, atol=1e-12)  # two libraries, float64
    assert np.abs(a - ours.logits).max() > 1e-3
