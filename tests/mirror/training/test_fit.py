"""Training: from the same first values, both packages walk the same way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import vitedu
import vitedu_numpy
from vitedu.data import load_digits

DIGITS = load_digits()
CONFIG = replace(vitedu_numpy.DIGITS_TRAINING, steps=200, warmup_steps=20, batch_size=32)  # half the recipe's: time


def test_the_same_loss_at_every_one_of_200_steps(mirror):
    """1e-9: rounding, 1e-16 at first, grows from step to step, as any small difference does in training."""
    numpy_model = vitedu_numpy.ViT(vitedu_numpy.DIGITS_VIT, 0, np.float64)
    numpy_model, torch_model = mirror.share(numpy_model, vitedu.ViT(vitedu.DIGITS_VIT, 1))
    ours = vitedu_numpy.fit(numpy_model, DIGITS.train_images, DIGITS.train_labels, CONFIG, threads=1)
    theirs = vitedu.fit(torch_model, DIGITS.train_images, DIGITS.train_labels, CONFIG)
    assert list(ours) == list(theirs) == ["loss", "learning_rate", "grad_norm"]
    assert ours["learning_rate"] == theirs["learning_rate"]
    for name in ("loss", "grad_norm"):
        assert len(ours[name]) == CONFIG.steps
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, err_msg=name)
    assert np.mean(ours["loss"][-10:]) < 0.9 * ours["loss"][0]  # it did learn: the two did not just stand still

    test = DIGITS.test_images, DIGITS.test_labels
    assert vitedu_numpy.evaluate(numpy_model, *test) == vitedu.evaluate(torch_model, *test)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
@pytest.mark.parametrize("decay", ["cosine", "linear", "none"])
def test_the_same_history_with_every_option(loss, decay, mirror):
    config = replace(CONFIG, steps=6, warmup_steps=2, batch_size=10, loss=loss, decay=decay, clip_norm=None, seed=4)
    small = replace(vitedu_numpy.DIGITS_VIT, depth=1, width=8, mlp_dim=12, heads=2, classifier="gap")
    numpy_model = vitedu_numpy.ViT(small, 0, np.float64)
    numpy_model, torch_model = mirror.share(numpy_model, vitedu.ViT(small, 1))
    ours = vitedu_numpy.fit(numpy_model, DIGITS.train_images, DIGITS.train_labels, config, threads=2)
    theirs = vitedu.fit(torch_model, DIGITS.train_images, DIGITS.train_labels, config)
    for name in ours:  # six steps: rounding has had no time to grow
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-11, err_msg=name)
    for name, value in torch_model.state_dict().items():
        # Adam divides a gradient by its own size plus 1e-8: rounding, 1e-16, in a gradient that is nearly 0 may move
        # a parameter by learning rate * 1e-16 / 1e-8 per step.
        np.testing.assert_allclose(numpy_model.state_dict()[name], value.numpy(), rtol=0, atol=1e-9, err_msg=name)


NETWORKS = {
    "bit": vitedu_numpy.BiTConfig((1, 1), 10, image_size=8, channels=1, base_width=8, stem="small", groups=4),
    "hybrid": vitedu_numpy.HybridConfig(
        16, 1, 24, 2, 2, 48, 10, channels=1, blocks=(1, 1), backbone_width=8, groups=4
    ),
}  # fmt: skip


@pytest.mark.parametrize("config", NETWORKS.values(), ids=NETWORKS)
def test_other_models_train_by_the_same_loop(config, mirror):
    """Ten steps; also that chunks on threads add up to the whole batch where there is nothing but images to cut."""
    enlarge = np.ones((1, 1, config.image_hw[0] // 8, config.image_hw[1] // 8))
    images, labels = np.kron(DIGITS.train_images[:100], enlarge), DIGITS.train_labels[:100]
    recipe = replace(CONFIG, steps=10, warmup_steps=2, batch_size=16)
    numpy_model = vitedu_numpy.build(config, 0, np.float64)
    numpy_model, torch_model = mirror.share(numpy_model, vitedu.build(config, 1))
    ours = vitedu_numpy.fit(numpy_model, images, labels, recipe, threads=2)
    theirs = vitedu.fit(torch_model, images, labels, recipe)
    for name in ours:  # ten steps: rounding has had little time to grow
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, err_msg=name)
    assert ours["loss"][-1] < ours["loss"][0]
    assert vitedu_numpy.evaluate(numpy_model, images, labels) == vitedu.evaluate(torch_model, images, labels)
