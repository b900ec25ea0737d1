"""Masked patch prediction: the same draws, targets, losses, records and gradients in both packages."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy
from vitedu.models import masked as torch_masked
from vitedu_numpy.models import masked as numpy_masked

B = 3
SIZES = dict(image_size=(8, 12), patch_size=4, channels=3, width=6, depth=2, heads=3, mlp_dim=7, num_classes=4)


def corruptions(num_patches, rate=0.5, seed=0):
    """The same draw by both."""
    return [
        package.choose_corruption([np.random.default_rng([seed, i]) for i in range(B)], num_patches, rate)
        for package in (numpy_masked, torch_masked)
    ]


@pytest.fixture
def masked_twins(scramble, mirror):
    """masked_twins(target, **changes) -> (NumPy model, PyTorch model), float64, with the same scrambled parameters."""

    def build(target, **changes):
        config = vitedu_numpy.ViTConfig(**SIZES | changes)
        numpy_model = scramble(numpy_masked.MaskedPatchViT(config, 0, target, np.float64))
        return mirror.share(numpy_model, torch_masked.MaskedPatchViT(config, 0, target))

    return build


@pytest.mark.parametrize("rate", [0.15, 0.5, 1.0])
def test_the_same_generators_give_the_same_corruption(rate):
    ours, theirs = corruptions(49, rate)
    for name in ("patches", "sources"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name).numpy())
        assert getattr(ours, name).dtype == np.int64
        assert getattr(theirs, name).dtype == torch.int64


@pytest.mark.parametrize("kind", ["bytes", "floats"])
@pytest.mark.parametrize("target", ["mean_color", "downsized", "l2"])
def test_targets(target, kind, rng):
    images = rng.integers(0, 256, (B, 3, 8, 12)).astype(np.uint8)
    images = images / 127.5 - 1 if kind == "floats" else images
    ours, theirs = corruptions(6)
    expected = numpy_masked.masked_target(images, ours, 4, target)
    got = torch_masked.masked_target(torch.from_numpy(images), theirs, 4, target).numpy()
    assert np.array_equal(expected, got)  # exact: integers, or pixels that were only moved
    assert expected.dtype == got.dtype


MODELS = {
    "mean colour": ("mean_color", {}),
    "4 x 4 colours": ("downsized", {}),
    "pixels": ("l2", {}),
    "no class token": ("mean_color", dict(classifier="gap")),
    "no position, one channel": ("downsized", dict(position_embedding="none", channels=1)),
    "relative positions": ("mean_color", dict(position_embedding="relative")),
    "pre-logits layer, which is not there": ("mean_color", dict(representation_size=5)),
}


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize(("target", "changes"), MODELS.values(), ids=MODELS)
def test_predictions_loss_and_every_gradient(target, changes, reduction, rng, masked_twins, mirror):
    numpy_model, torch_model = masked_twins(target, **changes)
    images = rng.uniform(-1, 1, (B, numpy_model.config.channels, 8, 12))
    ours, theirs = corruptions(6)
    weights = np.float64(1.5) if reduction == "mean" else rng.standard_normal(B)  # dLoss/dloss

    numpy_targets = numpy_masked.masked_target(images, ours, 4, target)
    predictions = numpy_model(images, ours)
    loss, cache = numpy_masked.masked_patch_loss(predictions, numpy_targets, reduction)
    dimages = numpy_model.backward(numpy_masked.masked_patch_loss_backward(weights, cache))

    x = mirror.tensor(images, requires_grad=True)
    torch_targets = torch_masked.masked_target(x.detach(), theirs, 4, target)
    torch_predictions = torch_model(x, theirs)
    torch_loss = torch_masked.masked_patch_loss(torch_predictions, torch_targets, reduction)
    torch_loss.backward(mirror.tensor(weights))

    mirror.assert_equal(predictions, torch_predictions, "predictions")
    mirror.assert_equal(loss, torch_loss, "loss")
    mirror.assert_equal(dimages, x.grad, "dimages")
    mirror.assert_all_equal(numpy_model.gradients(), torch_model.gradients())
    accuracy = numpy_masked.masked_patch_accuracy(predictions, numpy_targets)
    torch_accuracy = torch_masked.masked_patch_accuracy(torch_predictions, torch_targets)
    if target == "l2":
        assert accuracy is None
        assert torch_accuracy is None
    else:
        mirror.assert_equal(accuracy, torch_accuracy, "accuracy")


def test_every_intermediate(rng, masked_twins, mirror):
    numpy_model, torch_model = masked_twins("mean_color")
    images = rng.uniform(-1, 1, (B, 3, 8, 12))
    ours, theirs = corruptions(6)
    numpy_record, torch_record = {}, {}
    numpy_model(images, ours, numpy_record)
    torch_model(mirror.tensor(images), theirs, torch_record)
    assert {"corrupted", "block01/attention/A", "encoded", "hidden", "predictions"} <= set(numpy_record)
    mirror.assert_all_equal(numpy_record, torch_record)


@pytest.mark.parametrize("classifier", ["token", "gap"])
def test_names_and_shapes(classifier):
    config = vitedu_numpy.ViTConfig(**SIZES, classifier=classifier, representation_size=5)
    numpy_state = numpy_masked.MaskedPatchViT(config, 0).state_dict()
    torch_model = torch_masked.MaskedPatchViT(config, 0)
    torch_state = torch_model.state_dict()
    assert {n: v.shape for n, v in numpy_state.items()} == {n: tuple(v.shape) for n, v in torch_state.items()}
    expected = {f"vit.{name}" for name in vitedu.ViT(config, 0).state_dict() if not name.startswith(("head", "pre_"))}
    assert set(torch_state) == expected | {"mask_token", "head.weight", "head.bias"}


def test_every_parameter_gets_a_gradient(masked_twins, rng, mirror):
    """As data parallelism expects it: nothing is registered that a step does not reach, whatever was drawn."""
    _, torch_model = masked_twins("mean_color", representation_size=5)
    nobody = torch_masked.Corruption(torch.tensor([[1, 2]]), torch.tensor([[1, 2]]))  # no [mask] anywhere
    torch_model(mirror.tensor(rng.uniform(-1, 1, (1, 3, 8, 12))), nobody).sum().backward()
    assert [name for name, p in torch_model.named_parameters() if p.grad is None] == []
    assert (torch_model.mask_token.grad == 0).all()


def test_a_classifier_is_taken_out(masked_twins, rng, mirror):
    numpy_model, torch_model = masked_twins("mean_color", representation_size=5)
    ours, theirs = numpy_model.classifier(1), torch_model.classifier(1)
    assert type(theirs) is vitedu.ViT
    assert next(theirs.parameters()).dtype == torch.float64
    assert (theirs.head.weight == 0).all()
    theirs.load_state_dict(ours.state_dict() | {n: v for n, v in theirs.state_dict().items() if "pre_logits" in n})
    ours.load_state_dict(theirs.state_dict())
    images, record, torch_record = rng.uniform(-1, 1, (B, 3, 8, 12)), {}, {}
    ours(images, record)
    theirs(mirror.tensor(images), torch_record)
    mirror.assert_all_equal(record, torch_record)


def test_in_bfloat16(masked_twins, rng):
    """Under autocast, as on a GPU: the same colours' loss, to the eight bits of bfloat16."""
    _, torch_model = masked_twins("mean_color")
    torch_model.float()
    images = torch.from_numpy(rng.uniform(-1, 1, (B, 3, 8, 12)).astype(np.float32))
    _, theirs = corruptions(6)
    targets = torch_masked.masked_target(images, theirs, 4)
    exact = torch_masked.masked_patch_loss(torch_model(images, theirs), targets)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = torch_masked.masked_patch_loss(torch_model(images, theirs), targets)
    rounded.backward()
    assert rounded.dtype == torch.float32
    assert rounded.item() == pytest.approx(exact.item(), rel=0.02)  # a few roundings of 2^-9 each
