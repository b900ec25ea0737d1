"""dlogit/dA: central differences on every weight, and the two packages against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy as vn


def shifted_logits(model, images, block, step):
    """The logits when A of one block is A + step, (B, h, T, T); nothing else is touched."""
    twin = model.replica()
    attention = getattr(twin, "vit", twin).encoder.blocks[block].attention
    attend = attention.attend
    attention.attend = lambda q, k, v, mask=None, record=None: attend(q, k, v, mask, record) + step @ v
    return twin(images, {})


@pytest.mark.parametrize("changes", [{}, {"classifier": "gap"}, {"position_embedding": "relative"}], ids=str)
@pytest.mark.parametrize("block", [0, 1, 2])
def test_central_differences(twins, small, changes, block, rng):
    """float64, steps of 1e-5 along three random directions; terms of either sign cancel in the sum, so the error is
    measured against the sum of their sizes: they were 6e-10 of it at most when this was written."""
    it, _ = twins(small(**changes))
    dA = vn.inspect.attention_gradients(it.model, it.images, 3)[block]
    assert dA.shape == it.record[f"block{block:02d}/attention/A"].shape
    for _ in range(3):
        step = rng.standard_normal(dA.shape)
        up, down = (shifted_logits(it.model, it.images, block, sign * 1e-5 * step) for sign in (1, -1))
        expected = (up - down)[:, 3] / 2e-5  # (B,): an image's logit feels its own weights alone
        found, size = ((f(dA * step)).sum(axis=(1, 2, 3)) for f in (np.positive, np.abs))
        assert (np.abs(found - expected) < 1e-8 * size).all()


@pytest.mark.parametrize("changes", [{}, {"classifier": "gap"}, {"position_embedding": "relative"}], ids=str)
@pytest.mark.parametrize("frozen", [False, True])
def test_autograd_gives_the_same(twins, small, changes, frozen):
    ours, theirs = twins(small(**changes))
    theirs.model.requires_grad_(not frozen)
    expected = vn.inspect.attention_gradients(ours.model, ours.images, 1)
    for a, b in zip(expected, vitedu.inspect.attention_gradients(theirs.model, theirs.images, 1), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-12)  # float64


def test_a_hybrid(twins, hybrid_config):
    ours, theirs = twins(hybrid_config)
    expected = vn.inspect.attention_gradients(ours.model, ours.images, 1)
    found = vitedu.inspect.attention_gradients(theirs.model, theirs.images, 1)
    assert [a.shape for a in found] == [(2, 3, 7, 7)] * 2
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-11)  # group norms: sums over more numbers


def test_the_callers_model_is_not_touched(twins, small):
    ours, theirs = twins(small())
    ours.model.zero_grad()
    vn.inspect.attention_gradients(ours.model, ours.images, 0)
    vitedu.inspect.attention_gradients(theirs.model, theirs.images, 0)
    assert not any(p.grad is not None for _, p in ours.model.named_parameters())
    assert not any(p.grad is not None for p in theirs.model.parameters())
    ours.model.backward(ours.logits)  # the cache of the forward before is still there
    assert not theirs.images.requires_grad


@pytest.mark.parametrize("target", [-1, 5, 1.5, "cat"])
def test_an_unknown_class_is_refused(twins, small, target):
    ours, theirs = twins(small())
    for room, it in ((vn.inspect, ours), (vitedu.inspect, theirs)):
        with pytest.raises(ValueError, match=r"target=.* is not allowed; target must be a class, 0 \.\.\. 4"):
            room.attention_gradients(it.model, it.images, target)


def test_a_model_without_attention_is_refused():
    config = vn.BiTConfig(blocks=(1,), num_classes=3, base_width=8, groups=4, image_size=16)
    for room, model in ((vn.inspect, vn.build(config, rng=0)), (vitedu.inspect, vitedu.build(config))):
        with pytest.raises(TypeError, match="expected a ViT or a Hybrid"):
            room.attention_gradients(model, torch.zeros(1, 3, 16, 16), 0)
