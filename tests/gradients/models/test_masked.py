"""vitedu_numpy/models/masked.py: corrupted embeddings, losses, the whole model from pixels to predictions and back."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import ViT, ViTConfig, check_pair, numerical_gradient, relative_error
from vitedu_numpy.models.masked import (
    Corruption,
    MaskedPatchViT,
    choose_corruption,
    corrupt,
    corrupt_backward,
    masked_patch_accuracy,
    masked_patch_loss,
    masked_patch_loss_backward,
    masked_target,
)
from vitedu_numpy.training.losses import one_hot, softmax_cross_entropy

B, C, N, m = 2, 3, 6, 3
SIZES = dict(image_size=(4, 6), patch_size=2, channels=C, width=6, depth=2, heads=3, mlp_dim=7, num_classes=4)

# The fates: [mask] is 6, a patch's own number leaves it.  In the first image patch 5 then stands in two places; in the
# second, patches 0 and 4 have changed places, and patch 2 is hidden.
CORRUPTION = Corruption(np.array([[0, 2, 3], [0, 2, 4]]), np.array([[6, 5, 3], [4, 6, 0]]))


# ---- corrupted embeddings -----------------------------------------------------------------------------------------


def test_corrupt_by_hand():
    x = np.arange(12.0).reshape(2, 6, 1)
    y, _ = corrupt(x, np.array([-1.0]), *CORRUPTION)
    assert y[..., 0].tolist() == [[-1, 1, 5, 3, 4, 5], [10, 7, -1, 9, 6, 11]]
    assert np.array_equal(x, np.arange(12.0).reshape(2, 6, 1))  # the embeddings themselves are as they were


def test_corrupt_pair(rng, assert_right):
    inputs = {"x": rng.standard_normal((B, N, 5)), "mask_token": rng.standard_normal(5)}
    assert_right(check_pair(corrupt, corrupt_backward, inputs, rng, verbose=False, **CORRUPTION._asdict()))


def test_corrupt_keeps_the_dtype(rng):
    x = rng.standard_normal((B, N, 5)).astype(np.float32)
    y, cache = corrupt(x, x[0, 0], *CORRUPTION)
    assert {a.dtype for a in (y, *corrupt_backward(y, cache))} == {np.dtype("float32")}


# ---- losses -------------------------------------------------------------------------------------------------------

TARGETS = {
    "mean_color": lambda rng: (rng.standard_normal((B, m, 8)), rng.integers(0, 8, (B, m))),
    "downsized": lambda rng: (rng.standard_normal((B, m, 16 * 8)), rng.integers(0, 8, (B, m, 16))),
    "l2": lambda rng: (rng.standard_normal((B, m, 12)), rng.uniform(-1, 1, (B, m, 12))),
}


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("make", TARGETS.values(), ids=TARGETS)
def test_loss_pair(make, reduction, rng, assert_right):
    predictions, targets = make(rng)
    pair = masked_patch_loss, masked_patch_loss_backward
    constants = dict(targets=targets, reduction=reduction)
    assert_right(check_pair(*pair, {"predictions": predictions}, rng, verbose=False, **constants))


@pytest.mark.parametrize("make", TARGETS.values(), ids=TARGETS)
def test_the_loss_of_a_batch_is_the_mean_of_its_images(make, rng):
    predictions, targets = make(rng)
    losses, _ = masked_patch_loss(predictions, targets, "none")
    assert losses.shape == (B,)
    assert masked_patch_loss(predictions, targets)[0] == losses.mean()
    alone, _ = masked_patch_loss(predictions[1:], targets[1:])
    np.testing.assert_allclose(losses[1], alone, rtol=1e-14)  # the same sum, perhaps in another order


@pytest.mark.parametrize("make", TARGETS.values(), ids=TARGETS)
def test_loss_in_float32(make, rng):
    predictions, targets = make(rng)
    targets = targets.astype(np.float32) if targets.dtype.kind == "f" else targets
    loss, cache = masked_patch_loss(predictions.astype(np.float32), targets)
    assert loss.dtype == masked_patch_loss_backward(1.0, cache).dtype == np.float32


def test_the_colour_loss_is_softmax_cross_entropy(rng):
    """The same number as `losses.softmax_cross_entropy` over all guesses of all images."""
    for name in ("mean_color", "downsized"):
        logits, colors = TARGETS[name](rng)
        wanted = one_hot(colors.reshape(-1), 8, dtype=np.float64)
        expected, _ = softmax_cross_entropy(logits.reshape(-1, 8), wanted)
        np.testing.assert_allclose(masked_patch_loss(logits, colors)[0], expected, rtol=1e-13)  # sums in another order


def test_large_scores_do_not_overflow():
    logits = np.array([[[1000.0, 0, -1000], [0, 1000, 0]]])
    loss, cache = masked_patch_loss(logits, np.array([[0, 0]]))
    assert loss == 500  # the first guess costs nothing, the second 1000
    assert masked_patch_loss_backward(1.0, cache).tolist() == [[[0, 0, 0], [-0.5, 0.5, 0]]]


# ---- the whole model ----------------------------------------------------------------------------------------------

MODELS = {
    "mean colour": {},
    "pixels": dict(target="l2"),
    "4 x 4 colours of one channel": dict(target="downsized", image_size=(8, 12), patch_size=4, channels=1),
    "no class token": dict(classifier="gap"),
    "no position": dict(position_embedding="none"),
    "positions in every block": dict(position_at="every"),
    "relative positions, no class token": dict(position_embedding="relative", classifier="gap"),
    "pre-logits layer, which is not there": dict(representation_size=5),
}


def model_and_images(rng, target="mean_color", dtype=np.float64, **changes):
    config = ViTConfig(**SIZES | changes)
    return MaskedPatchViT(config, rng, target, dtype), rng.uniform(-1, 1, (B, config.channels, *config.image_hw))


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_every_model(changes, rng, check_layer):
    check_layer(*model_and_images(rng, **changes), samples=6, corruption=CORRUPTION)


def test_every_single_entry(rng, check_layer):
    model, images = model_and_images(rng, "l2", depth=1, width=3, mlp_dim=4, image_size=(4, 6))
    check_layer(model, images, corruption=CORRUPTION)


def test_with_dropout(rng, check_layer, fix_dropout):
    model, images = model_and_images(rng, "l2", dropout=0.3, depth=1)
    block = "vit.encoder.blocks.0"
    masks = {"vit.drop": (B, N + 1, 6), f"{block}.attention.drop": (B, 3, N + 1, N + 1)}
    masks[f"{block}.attention.drop_result"] = (B, N + 1, 6)
    masks |= {f"{block}.mlp.drop1": (B, N + 1, 7), f"{block}.mlp.drop2": (B, N + 1, 6)}
    check_layer(fix_dropout(model, masks), images, samples=6, corruption=CORRUPTION)


def test_the_gradient_of_the_loss(rng, scramble):
    """Model and loss together, as a training step uses them."""
    model, images = model_and_images(rng)
    scramble(model)
    targets = masked_target(images, CORRUPTION, 2)

    def loss():
        return masked_patch_loss(model(images, CORRUPTION), targets)[0]

    _, cache = masked_patch_loss(model(images, CORRUPTION), targets)
    model.backward(masked_patch_loss_backward(1.0, cache))
    for p in (model.mask_token, model.head.bias, model.vit.class_token.x_class):
        error = relative_error(p.grad, numerical_gradient(loss, p.value))
        assert error <= 1e-7  # as for every gradient: see conftest.py


def test_a_fresh_model_has_no_opinion(rng):
    """All 512 colours are equally likely: the loss is log 512."""
    model, images = model_and_images(rng)
    loss, _ = masked_patch_loss(model(images, CORRUPTION), masked_target(images, CORRUPTION, 2))
    np.testing.assert_allclose(loss, np.log(512), rtol=1e-15)
    assert model(images, CORRUPTION).shape == (B, m, 512)


def test_what_a_hidden_patch_showed_reaches_nobody(rng, scramble):
    """Repainting a patch that [mask] has replaced changes no prediction; repainting one that was left does."""
    model, images = model_and_images(rng)
    scramble(model)
    before = model(images, CORRUPTION)
    hidden, left = images.copy(), images.copy()
    hidden[0, :, 0:2, 0:2] *= -1  # patch 0 of the first image
    left[0, :, 2:4, 0:2] *= -1  # patch 3
    assert np.array_equal(model(hidden, CORRUPTION), before)
    changed = model(left, CORRUPTION) != before
    assert changed[0].any(axis=-1).all()  # every prediction of that image, and
    assert not changed[1].any()  # none of the other


def test_predictions_belong_to_the_corrupted_patches(rng, scramble):
    """Row j of the predictions is the head on the encoder's output for patch patches[j], class token or not."""
    for classifier, first in (("token", 1), ("gap", 0)):
        model, images = model_and_images(rng, classifier=classifier)
        scramble(model)
        record = {}
        predictions = model(images, CORRUPTION, record)
        head = model.head
        for image in range(B):
            for j, patch in enumerate(CORRUPTION.patches[image]):
                row = record["encoded"][image, first + patch]
                expected = head.weight.value @ row + head.bias.value
                # sums of 6 products, rounded in another order
                np.testing.assert_allclose(predictions[image, j], expected, rtol=1e-11, atol=1e-12)
        assert record["predictions"] is predictions


def test_nothing_is_there_that_nothing_would_teach(rng):
    model, images = model_and_images(rng, representation_size=5)
    names = list(model.state_dict())
    assert {name.split(".")[0] for name in names} == {"vit", "mask_token", "head"}
    assert not [name for name in names if "pre_logits" in name or name.startswith("vit.head")]
    model.head.weight.value[...] = rng.standard_normal(model.head.weight.value.shape)
    model.backward(rng.standard_normal(model(images, CORRUPTION).shape))
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_a_classifier_is_taken_out(rng, scramble):
    """For fine-tuning: what was learned, and a new head that has no opinion yet."""
    model, images = model_and_images(rng, representation_size=5, dtype=np.float32)
    scramble(model)
    vit = model.classifier(3)
    assert type(vit) is ViT
    assert vit.dtype == np.float32
    state = vit.state_dict()
    for name, value in model.vit.state_dict().items():
        assert np.array_equal(state[name], value), name
    assert (vit(images) == 0).all()
    vit.encoder.norm.weight.value += 1
    assert not np.array_equal(vit.encoder.norm.weight.value, model.vit.encoder.norm.weight.value)  # a copy


def test_learning_a_few_images(rng):
    """Sixty steps down the gradient on one batch: from log 512 to below 0.5, and every colour is guessed right."""
    model, images = model_and_images(rng, width=12)
    targets = masked_target(images, CORRUPTION, 2)
    for _ in range(60):
        predictions = model(images, CORRUPTION)
        loss, cache = masked_patch_loss(predictions, targets)
        model.zero_grad()
        model.backward(masked_patch_loss_backward(1.0, cache))
        for _, p in model.named_parameters():
            p.value -= 0.3 * p.grad
    assert loss < 0.5
    assert masked_patch_accuracy(predictions, targets).tolist() == [1, 1]


def test_choosing_fits_the_model(rng, scramble):
    model, images = model_and_images(rng)
    corruption = choose_corruption([np.random.default_rng(i) for i in range(B)], N)
    assert scramble(model)(images, corruption).shape == (B, 3, 512)
