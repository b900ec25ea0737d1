"""The whole model: the same names, state, records and gradients in both packages."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy
from vitedu import losses as torch_losses
from vitedu_numpy import losses as numpy_losses
from vitedu_numpy.training.losses import one_hot


def test_names_shapes_and_order(config):
    numpy_state = vitedu_numpy.ViT(config, 0).state_dict()
    torch_state = vitedu.ViT(config, 0).state_dict()
    assert [(name, value.shape) for name, value in numpy_state.items()] == [
        (name, tuple(value.shape)) for name, value in torch_state.items()
    ]
    assert {value.dtype for value in numpy_state.values()} == {np.dtype("float32")}
    assert {value.dtype for value in torch_state.values()} == {torch.float32}


def test_module_names(config):
    """Also the parts without parameters, such as `drop` and `gelu`, stand in both under the same name."""
    ours = [(name, type(m).__name__) for name, m in vitedu_numpy.ViT(config, 0).named_modules()]
    theirs = [(name, type(m).__name__) for name, m in vitedu.ViT(config, 0).named_modules()]
    theirs = [(name, kind.removeprefix("Frugal")) for name, kind in theirs]  # keeps less for autograd: PyTorch's alone
    assert ours == [(name, kind) for name, kind in theirs if kind != "ModuleList"]


def test_state_goes_both_ways_without_a_converter(config):
    numpy_model, torch_model = vitedu_numpy.ViT(config, 1), vitedu.ViT(config, 2)
    numpy_state, torch_state = numpy_model.state_dict(), {n: v.clone() for n, v in torch_model.state_dict().items()}
    numpy_model.load_state_dict(torch_state)
    torch_model.load_state_dict(numpy_state)
    for name in numpy_state:  # exact: copied, not computed
        assert np.array_equal(numpy_model.state_dict()[name], torch_state[name].numpy()), name
        assert np.array_equal(torch_model.state_dict()[name].numpy(), numpy_state[name]), name


def test_a_state_is_converted_to_the_models_own_dtype(config):
    double = vitedu_numpy.ViT(config, 1, np.float64)
    single = vitedu.ViT(config, 2)
    single.load_state_dict(double.state_dict())
    for name, value in single.state_dict().items():
        assert value.dtype == torch.float32
        assert np.array_equal(value.numpy(), double.state_dict()[name].astype(np.float32)), name
    double.load_state_dict(single.state_dict())
    assert {value.dtype for value in double.state_dict().values()} == {np.dtype("float64")}


def test_every_intermediate(config, images, twins, mirror):
    """Walks the records in the order of computation, so the first name that differs is where things go wrong."""
    numpy_model, torch_model = twins(config)
    numpy_record, torch_record = {}, {}
    numpy_model(images, numpy_record)
    torch_model(mirror.tensor(images), torch_record)
    assert "block00/attention/A" in numpy_record
    mirror.assert_all_equal(numpy_record, torch_record)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_logits_loss_and_every_gradient(loss, config, images, twins, mirror):
    numpy_model, torch_model = twins(config)
    targets = one_hot([3, 1], config.num_classes, 0.1, np.float64)

    logits = numpy_model(images)
    numpy_loss, cache = getattr(numpy_losses, loss)(logits, targets)
    dimages = numpy_model.backward(getattr(numpy_losses, f"{loss}_backward")(1.0, cache))

    x = mirror.tensor(images, requires_grad=True)
    torch_logits = torch_model(x)
    torch_loss = getattr(torch_losses, loss)(torch_logits, mirror.tensor(targets))
    torch_loss.backward()

    mirror.assert_equal(logits, torch_logits, "logits")
    mirror.assert_equal(numpy_loss, torch_loss, "loss")
    mirror.assert_equal(dimages, x.grad, "dimages")
    mirror.assert_all_equal(numpy_model.gradients(), torch_model.gradients())


@pytest.mark.parametrize("classifier", ["token", "gap"])
def test_with_the_same_dropout(classifier, rng, twins, mirror, fix_dropout):
    config = vitedu_numpy.ViTConfig(
        image_size=4, patch_size=2, width=6, depth=2, heads=3, mlp_dim=7, num_classes=4, classifier=classifier,
        dropout=0.3, attention_dropout=0.2,
    )  # fmt: skip
    numpy_model, torch_model = twins(config)
    S = config.num_tokens
    masks = {"drop": (2, S, 6)}
    for block, T in (("encoder.blocks.0", S), ("encoder.blocks.1", 1 if classifier == "token" else S)):
        masks |= {
            f"{block}.attention.drop_result": (2, T, 6),
            f"{block}.mlp.drop1": (2, T, 7),
            f"{block}.mlp.drop2": (2, T, 6),
        }
        masks[f"{block}.attention.drop"] = (2, 3, T, S)
    fix_dropout(numpy_model, masks)
    parts = dict(torch_model.named_modules())
    for name, module in numpy_model.named_modules():
        if name in masks:
            parts[name].mask = mirror.tensor(module.mask)

    images, dlogits = rng.uniform(-1, 1, (2, 3, 4, 4)), rng.standard_normal((2, 4))
    x = mirror.tensor(images, requires_grad=True)
    logits, torch_logits = numpy_model(images), torch_model(x)
    torch_logits.backward(mirror.tensor(dlogits))
    mirror.assert_equal(logits, torch_logits, "logits")
    mirror.assert_equal(numpy_model.backward(dlogits), x.grad, "dimages")
    mirror.assert_all_equal(numpy_model.gradients(), torch_model.gradients())

    mirror.assert_equal(numpy_model.eval()(images), torch_model.eval()(x), "logits in eval mode")
    assert np.abs(numpy_model(images) - logits).max() > 1e-3


def test_a_difference_is_reported_by_its_name(config, images, twins, mirror):
    """The harness itself: one changed bias, deep inside, is named."""
    numpy_model, torch_model = twins(config)
    numpy_model.encoder.blocks[0].mlp.fc1.bias.value[0] += 1e-6
    numpy_record, torch_record = {}, {}
    numpy_model(images, numpy_record)
    torch_model(mirror.tensor(images), torch_record)
    with pytest.raises(AssertionError, match=r"^block00/mlp/hidden differs"):
        mirror.assert_all_equal(numpy_record, torch_record)
