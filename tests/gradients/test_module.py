"""vitedu_numpy/module.py: names, state, the cache, copies."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import Dropout, Linear, Module, Parameter, ViT, ViTConfig
from vitedu_numpy.module import Identity


@pytest.fixture
def model() -> ViT:
    """A small ViT with every part that a ViT can have."""
    config = ViTConfig(
        image_size=4,
        patch_size=2,
        width=6,
        depth=2,
        heads=2,
        mlp_dim=5,
        num_classes=3,
        representation_size=4,
        dropout=0.2,
    )
    return ViT(config, 0, np.float64)


def test_names_are_attribute_paths_in_order_of_definition(rng):
    class Two(Module):
        def __init__(self):
            self.scale = Parameter(np.ones(2))
            self.layers = [Linear(3, 2, rng), Linear(2, 2, rng)]
            self.last = Linear(2, 1, rng)

    names = [
        "scale",
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
        "last.weight",
        "last.bias",
    ]
    assert [name for name, _ in Two().named_parameters()] == names
    assert [name for name, _ in Two().named_modules()] == ["", "layers.0", "layers.1", "last"]


def test_gradients_add_up(rng):
    p = Parameter(np.zeros(3))
    p.add_grad(np.array([1.0, 2.0, 3.0]))
    p.add_grad(np.array([10.0, 20.0, 30.0]))
    assert p.grad.tolist() == [11, 22, 33]


def test_a_layer_used_twice_gets_both_gradients(rng, scramble):
    """y = f(f(x)): backward of the outer use, then of the inner one, as the chain rule says."""
    layer = scramble(Linear(3, 3, rng, np.float64))
    x, dy = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    once = layer(x)
    inner_cache = layer.take()
    layer(once)
    dx_outer = layer.backward(dy)
    layer.keep(inner_cache)
    layer.backward(dx_outer)
    expected = dy.T @ once + (dy @ layer.weight.value).T @ x
    np.testing.assert_allclose(layer.weight.grad, expected, rtol=1e-13)  # sums of five products


def test_backward_takes_the_cache_once(rng):
    layer = Linear(3, 2, rng, np.float64)
    with pytest.raises(RuntimeError, match=r"Linear\.backward was called without a forward before it"):
        layer.backward(np.ones((5, 2)))
    layer(rng.standard_normal((5, 3)))
    layer.backward(np.ones((5, 2)))
    with pytest.raises(RuntimeError, match="without a forward"):
        layer.backward(np.ones((5, 2)))


def test_no_cache_is_left_after_backward(model, rng):
    logits = model(rng.uniform(-1, 1, (2, 3, 4, 4)))
    model.backward(np.ones_like(logits))
    assert [name for name, module in model.named_modules() if module._cache is not None] == []


def test_state_is_a_copy(model):
    state = model.state_dict()
    before = model.head.weight.value.copy()
    state["head.weight"] += 1
    assert np.array_equal(model.head.weight.value, before)
    model.load_state_dict(state)
    assert np.array_equal(model.head.weight.value, before + 1)
    state["head.weight"] += 1
    assert np.array_equal(model.head.weight.value, before + 1)


def test_a_state_of_the_models_own_arrays(model):
    """Two parameters change places: neither is written before the other has been read."""
    one, other = "encoder.blocks.0.norm1.weight", "encoder.blocks.0.norm2.weight"
    values = {name: p.value for name, p in model.named_parameters()}
    values[one][...], values[other][...] = 1, 2
    model.load_state_dict(values | {one: values[other], other: values[one]})
    assert (model.state_dict()[one] == 2).all()
    assert (model.state_dict()[other] == 1).all()


def test_gradients_are_zero_where_nothing_arrived_and_after_zero_grad(model, rng):
    assert all((g == 0).all() for g in model.gradients().values())
    logits = model(rng.uniform(-1, 1, (2, 3, 4, 4)))
    model.backward(np.ones_like(logits))
    assert (model.gradients()["head.bias"] == 2).all()  # two images, dlogits = 1
    model.zero_grad()
    assert all((g == 0).all() for g in model.gradients().values())
    assert {n: g.shape for n, g in model.gradients().items()} == {n: v.shape for n, v in model.state_dict().items()}


def test_train_and_eval_reach_every_module(model):
    for mode in (False, True):
        assert model.train(mode) is model
        assert {module.training for _, module in model.named_modules()} == {mode}
    assert model.eval() is model
    assert {module.training for _, module in model.named_modules()} == {False}


def test_replica_shares_values_but_not_gradients_or_caches(model, rng):
    replica = model.replica()
    images, dlogits = rng.uniform(-1, 1, (2, 3, 4, 4)), rng.standard_normal((2, 3))
    ours, theirs = dict(model.named_parameters()), dict(replica.named_parameters())
    assert list(ours) == list(theirs)
    assert all(ours[name].value is theirs[name].value for name in ours)
    assert not {id(m) for _, m in model.named_modules()} & {id(m) for _, m in replica.named_modules()}

    replica(images)
    with pytest.raises(RuntimeError, match="without a forward"):
        model.backward(dlogits)
    replica.backward(dlogits)
    assert all(p.grad is None for p in ours.values())
    assert all(p.grad is not None for p in theirs.values())

    ours["head.bias"].value += 7  # learning changes values in place, so every replica follows
    assert np.array_equal(theirs["head.bias"].value, ours["head.bias"].value)
    replica.eval()
    assert model.training
    assert all(m.training for _, m in model.named_modules() if isinstance(m, Dropout))


def test_identity_hands_on_what_it_gets(rng):
    x, layer = rng.standard_normal((2, 3)), Identity()
    assert layer(x) is x
    assert layer.backward(x) is x
    assert layer.state_dict() == {}
