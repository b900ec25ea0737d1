"""Images, labels, masks: what a model would silently get wrong is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rooms

from vitedu import TrainConfig, ViTConfig

CONFIG = ViTConfig(image_size=(4, 6), patch_size=2, width=6, depth=1, heads=2, mlp_dim=5, num_classes=3, channels=3)
TRAINING = TrainConfig(steps=1, batch_size=2, learning_rate=0.1)
IMAGES = np.linspace(-1, 1, 2 * 3 * 4 * 6, dtype=np.float32).reshape(2, 3, 4, 6)
LABELS = np.array([0, 2])


def holding(value):
    images = IMAGES.copy()
    images[1, 2, 3, 4] = value
    return images


BAD_IMAGES = {
    "one channel": (IMAGES[:, :1], ValueError, ("images has shape (2, 1, 4, 6)", "(C, H, W) = (3, 4, 6)")),
    "channels last": (np.moveaxis(IMAGES, 1, -1), ValueError, ("images has shape (2, 4, 6, 3)", "(3, 4, 6)")),
    "height and width exchanged": (IMAGES.swapaxes(2, 3), ValueError, ("images has shape (2, 3, 6, 4)", "(3, 4, 6)")),
    "no batch": (IMAGES[0], ValueError, ("images has shape (3, 4, 6)", "expected (B, C, H, W)")),
    "not a multiple of the patch": (IMAGES[..., :5], ValueError, ("images has shape (2, 3, 4, 5)", "(3, 4, 6)")),
    "bytes": (np.zeros((2, 3, 4, 6), np.uint8), TypeError, ("images has dtype", "uint8", "floats in [-1, 1]", "127.5")),
    "integers": (np.zeros((2, 3, 4, 6), int), TypeError, ("images has dtype", "int64", "floats in [-1, 1]")),
    "booleans": (np.zeros((2, 3, 4, 6), bool), TypeError, ("images has dtype", "bool", "floats in [-1, 1]")),
    "NaN": (holding(np.nan), ValueError, ("images holds NaN or infinity", "[-1, 1]")),
    "infinity": (holding(-np.inf), ValueError, ("images holds NaN or infinity", "[-1, 1]")),
}


@pytest.mark.parametrize("case", BAD_IMAGES.values(), ids=BAD_IMAGES)
@pytest.mark.parametrize("door", ["forward", "fit", "evaluate"])
def test_images(door, case, package, array, refused):
    images, error, texts = case
    model = package.ViT(CONFIG, 0)
    with refused(error, *texts):
        if door == "forward":
            model(array(images))
        elif door == "fit":
            package.fit(model, images, LABELS, TRAINING)
        else:
            package.evaluate(model, images, LABELS)


BAD_LABELS = {
    "too large": (np.array([0, 3]), ValueError, ("labels run from 0 to 3", "0..2")),
    "negative": (np.array([-1, 2]), ValueError, ("labels run from -1 to 2", "0..2")),
    "floats": (np.array([0.0, 2.0]), TypeError, ("labels has dtype", "float64", "integers 0..2")),
    "booleans": (np.array([True, False]), TypeError, ("labels has dtype", "bool", "integers 0..2")),
    "one-hot already": (np.eye(3, dtype=int)[:2], ValueError, ("labels has shape (2, 3)", "expected (B,)")),
    "too few": (np.array([0]), ValueError, ("images holds 2 images, labels 1",)),
    "too many": (np.array([0, 1, 2]), ValueError, ("images holds 2 images, labels 3",)),
}


@pytest.mark.parametrize("case", BAD_LABELS.values(), ids=BAD_LABELS)
def test_labels(case, package, refused):
    labels, error, texts = case
    with refused(error, *texts):
        package.fit(package.ViT(CONFIG, 0), IMAGES, labels, TRAINING)
    if "images" not in texts[0]:
        one_hot = rooms.load(package, "losses").one_hot
        with refused(error, *texts):
            one_hot(labels, 3)


def test_nothing_to_learn_from(package, refused):
    with refused(ValueError, "images holds 0 images", "not 0"):
        package.fit(package.ViT(CONFIG, 0), IMAGES[:0], LABELS[:0], TRAINING)


@pytest.mark.parametrize("labels", [[0], [0, 1, 2], [[0], [1]], 0], ids=str)
def test_evaluate_wants_one_label_per_image(labels, package, refused):
    with refused(ValueError, f"labels has shape {np.shape(labels)} for 2 images", "one each"):
        package.evaluate(package.ViT(CONFIG, 0), IMAGES, np.array(labels))


def test_evaluate_wants_images(package, refused):
    with refused(ValueError, "labels has shape (0,) for 0 images", "not 0"):
        package.evaluate(package.ViT(CONFIG, 0), IMAGES[:0], LABELS[:0])


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, None], ids=str)
def test_evaluate_wants_a_batch_size(batch_size, package, refused):
    with refused(ValueError, f"batch_size={batch_size}", "positive integer"):
        package.evaluate(package.ViT(CONFIG, 0), IMAGES, LABELS, batch_size)


LOSSES = ("softmax_cross_entropy", "sigmoid_cross_entropy", "cross_entropy", "binary_cross_entropy")


@pytest.mark.parametrize("name", LOSSES)
def test_targets_that_would_broadcast(name, package, array, refused):
    loss = getattr(rooms.load(package, "losses"), name)
    scores = array(np.full((2, 3), 0.25))
    for targets in (array(np.ones(3)), array(np.ones((2, 1))), array(np.ones((3, 2)))):
        with refused(ValueError, f"targets has shape {tuple(targets.shape)}", "expected (B, K)"):
            loss(scores, targets)


def test_data_parallel_batches(refused):
    import vitedu_numpy

    parallel = vitedu_numpy.DataParallel(vitedu_numpy.ViT(CONFIG, 0), threads=2)
    targets = vitedu_numpy.training.loop.one_hot(LABELS, 3)
    with refused(ValueError, "images holds 2 images, targets 1 rows"):
        parallel.loss_and_gradients(IMAGES, targets[:1])
    with refused(ValueError, "images holds 0 images", "not 0"):
        parallel.loss_and_gradients(IMAGES[:0], targets[:0])
    with refused(ValueError, "loss='mse'", "'softmax' or 'sigmoid'"):
        parallel.loss_and_gradients(IMAGES, targets, "mse")
    with refused(ValueError, "targets has shape (1, 4)", "(B, K) with K = 3, as in logits"):  # from a thread
        parallel.loss_and_gradients(IMAGES, np.ones((2, 4), np.float32))
    with refused(ValueError, "images holds NaN"):
        parallel.loss_and_gradients(holding(np.nan), targets)


def test_patchify_wants_a_multiple_of_the_patch(package, array, refused):
    patchify = rooms.load(package, "patches").patchify
    with refused(ValueError, "images are 4 x 6 pixels", "multiples of patch_size=4"):
        patchify(array(IMAGES), 4)
    with refused(ValueError, "images are 6 x 4 pixels", "multiples of patch_size=4"):
        patchify(array(IMAGES.swapaxes(2, 3)), 4)


# ---- masks -------------------------------------------------------------------------------------------------------

NOTHING_ALLOWED = np.ones((2, 1, 5, 5), bool)
NOTHING_ALLOWED[1, 0, 3] = False
BAD_MASKS = {
    "a row of nothing": (NOTHING_ALLOWED, ValueError, ("mask is False in all of row [1, 0, 3]", "at least one")),
    "zeros and ones": (np.ones((5, 5)), TypeError, ("mask has dtype", "float64", "booleans")),
    "integers": (np.ones((5, 5), int), TypeError, ("mask has dtype", "int64", "booleans")),
    "added to the scores": (np.triu(np.full((5, 5), -np.inf), 1), TypeError, ("mask has dtype", "float64", "booleans")),
}


@pytest.mark.parametrize("case", BAD_MASKS.values(), ids=BAD_MASKS)
@pytest.mark.parametrize("recording", [False, True])
def test_mask_of_a_layer(recording, case, package, array, refused):
    mask, error, texts = case
    rng = [np.random.default_rng(0)] if package.__name__ == "vitedu_numpy" else []
    z = array(np.random.default_rng(1).standard_normal((2, 5, 6)).astype(np.float32))
    config = ViTConfig(image_size=4, patch_size=2, width=6, depth=1, heads=2, mlp_dim=5, num_classes=3)
    for layer in (
        package.MultiHeadAttention(6, 2, *rng),
        package.make_block(config, *rng),
        package.make_block(replace(config, dropout=0.1, attention_dropout=0.1), *rng),
        package.make_encoder(config, *rng),
    ):
        with refused(error, *texts):
            layer(z, array(mask), record={} if recording else None)


@pytest.mark.parametrize("case", BAD_MASKS.values(), ids=BAD_MASKS)
def test_mask_of_the_function(case, package, array, refused):
    mask, error, texts = case
    attention = rooms.load(package, "attention").attention
    q, k, v = array(np.random.default_rng(1).standard_normal((3, 2, 3, 5, 4)))
    with refused(error, *texts):
        attention(q, k, v, array(mask))
