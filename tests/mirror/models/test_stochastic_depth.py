"""Stochastic depth in both packages: with the same masks the same outputs and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy
from vitedu.layers import dropout as torch_dropout
from vitedu_numpy.layers import dropout as numpy_dropout

SIZES = dict(image_size=4, patch_size=2, width=6, depth=3, heads=3, mlp_dim=7, num_classes=4)


def share_masks(numpy_model, torch_model, mirror):
    """One mask (B, 1, 1) for each pair of layers: of three images one is dropped, the others scaled differently."""
    rng, parts, count = np.random.default_rng(2), dict(torch_model.named_modules()), 0
    for name, module in numpy_model.named_modules():
        if isinstance(module, numpy_dropout.StochasticDepth):
            assert module.rate == parts[name].rate
            module.mask = rng.permutation([0.0, 1.5, 2.5]).reshape(3, 1, 1)
            parts[name].mask = mirror.tensor(module.mask)
            count += 1
    return count


def test_layer(rng, mirror):
    ours, theirs = numpy_dropout.StochasticDepth(0.3, rng), torch_dropout.StochasticDepth(0.3)
    ours.mask = np.array([0.0, 1.5, 2.5]).reshape(3, 1, 1)
    theirs.mask = mirror.tensor(ours.mask)
    x, dy = rng.standard_normal((2, 3, 5, 4))
    torch_x = mirror.tensor(x, requires_grad=True)
    y = theirs(torch_x)
    y.backward(mirror.tensor(dy))
    mirror.assert_equal(ours(x), y, "y")
    mirror.assert_equal(ours.backward(dy), torch_x.grad, "dx")


@pytest.mark.parametrize("classifier", ["token", "gap"])
def test_whole_model(classifier, rng, twins, mirror):
    config = vitedu_numpy.ViTConfig(**SIZES, classifier=classifier, stochastic_depth=0.4)
    numpy_model, torch_model = twins(config)
    assert share_masks(numpy_model, torch_model, mirror) == 2 * (config.depth - 1)  # all blocks but the first

    images, dlogits = rng.uniform(-1, 1, (3, 3, 4, 4)), rng.standard_normal((3, 4))
    x = mirror.tensor(images, requires_grad=True)
    logits, torch_logits = numpy_model(images), torch_model(x)
    torch_logits.backward(mirror.tensor(dlogits))
    mirror.assert_equal(logits, torch_logits, "logits")
    mirror.assert_equal(numpy_model.backward(dlogits), x.grad, "dimages")
    mirror.assert_all_equal(numpy_model.gradients(), torch_model.gradients())

    numpy_record, torch_record = {}, {}
    numpy_model(images, numpy_record)
    torch_model(x, torch_record)
    mirror.assert_all_equal(numpy_record, torch_record)

    mirror.assert_equal(numpy_model.eval()(images), torch_model.eval()(x), "logits in eval mode")
    assert np.abs(numpy_model(images) - logits).max() > 1e-3


def test_the_same_rates_and_names():
    config = vitedu_numpy.ViTConfig(**SIZES, stochastic_depth=0.4)
    ours, theirs = vitedu_numpy.ViT(config, 0), vitedu.ViT(config, 0)
    rates = [
        {name: m.rate for name, m in model.named_modules() if type(m).__name__ == "StochasticDepth"}
        for model in (ours, theirs)
    ]
    assert rates[0] == rates[1]
    assert sorted(set(rates[0].values())) == [0.2, 0.4]  # the first block drops nothing, and has no such layer
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_a_hybrid_hands_it_on():
    config = vitedu.HybridConfig(32, 1, 12, 2, 2, 16, 3, blocks=(1,), backbone_width=8, groups=4, stochastic_depth=0.2)
    for package in (vitedu_numpy, vitedu):
        assert package.Hybrid(config, 0).vit.encoder.blocks[-1].mlp.drop_path.rate == 0.2


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 3, 2), (7, 3, 4, 2)])
def test_the_mask_has_one_number_per_image(shape):
    x = torch.zeros(shape, dtype=torch.bfloat16)
    torch.manual_seed(0)
    mask = torch_dropout.StochasticDepth(0.5).draw(shape, x)
    assert mask.shape == (7, *(1 for _ in shape[1:]))
    assert mask.dtype == torch.bfloat16
    assert set(mask.flatten().tolist()) == {0, 2}
    assert torch_dropout.Dropout(0.5).draw(shape, x).shape == shape


@pytest.mark.parametrize(("rate", "training"), [(0.0, True), (0.5, False)])
def test_layer_that_does_nothing(rate, training):
    layer, x = torch_dropout.StochasticDepth(rate).train(training), torch.ones(3, 2, 2)
    state = torch.get_rng_state()
    assert layer(x) is x  # not even a copy
    assert torch.equal(torch.get_rng_state(), state)  # and nothing was drawn
