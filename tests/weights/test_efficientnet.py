"""An EfficientNet in a file of ours: settings, parameters and running averages come back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy
from vitedu import EfficientNetConfig, from_pretrained
from vitedu.weights import save_safetensors
from vitedu.weights.safe import write_safetensors

CONFIG = EfficientNetConfig(
    3, (12, 10), stem_width=4, top_width=8, stages=((1, 3, 1, 1, 4), (2, 5, 2, 2, 6)), depth_multiplier=1.5,
    dropout=0.1, stochastic_depth=0.2, batchnorm_eps=0.01, batchnorm_momentum=0.9,
)  # fmt: skip


@pytest.fixture
def model():
    """A few forwards while training have moved the running averages."""
    model = vitedu.EfficientNet(CONFIG, 0)
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(1))
    for seed in range(3):
        model(torch.randn(4, 3, 12, 10, generator=torch.Generator().manual_seed(seed)))
    return model


@pytest.fixture
def images():
    return torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(9)) * 2 - 1


def test_the_same_model_comes_back(model, images, tmp_path):
    save_safetensors(model, tmp_path / "a.safetensors")
    again = from_pretrained(tmp_path / "a.safetensors")
    assert again.config == CONFIG
    assert list(again.state_dict()) == list(model.state_dict())
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert torch.equal(again.eval()(images), model.eval()(images))
    assert not torch.equal(model.norm.running_mean, torch.zeros(8))


def test_for_another_task(model, tmp_path, caplog):
    """Another number of classes starts a new head; what belongs to a training run may change, the arrays may not."""
    path = tmp_path / "a.safetensors"
    save_safetensors(model, path)
    again = from_pretrained(path, num_classes=5, image_size=16, dropout=0.0, batchnorm_momentum=0.5)
    assert again.config == replace(CONFIG, num_classes=5, image_size=16, dropout=0.0, batchnorm_momentum=0.5)
    assert "the head for 3 classes was left out" in caplog.text
    assert not again.head.weight.any()
    assert torch.equal(again.top.weight, model.top.weight)
    assert again.stem_norm.momentum == 0.5
    with pytest.raises(TypeError, match="'stem_width'"):
        from_pretrained(path, stem_width=8)


def test_into_the_other_package(model, images):
    """One state for both."""
    twin = vitedu_numpy.EfficientNet(CONFIG, 0)
    twin.load_state_dict(model.state_dict())
    expected = model.eval()(images).detach().numpy()
    # float32: twenty layers, each right to 1e-7 of its largest number.
    np.testing.assert_allclose(twin.eval()(images.numpy()), expected, rtol=0, atol=1e-5 * abs(expected).max())
    model.load_state_dict(twin.state_dict())


def test_load_and_predict(model, images, tmp_path):
    save_safetensors(model, tmp_path / "a.safetensors")
    loaded = vitedu.load(tmp_path / "a.safetensors")
    assert not loaded.training
    assert torch.equal(loaded(images), model.eval()(images))


def test_a_variance_below_0_is_refused(model, tmp_path):
    """Its root would be NaN in every logit."""
    arrays = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    arrays["blocks.1.norm2.running_var"][3] = -1e-3
    write_safetensors(tmp_path / "a.safetensors", arrays, CONFIG)
    with pytest.raises(ValueError, match=r"a.safetensors .*'blocks.1.norm2.running_var' holds a variance below 0"):
        from_pretrained(tmp_path / "a.safetensors")


def test_fine_tuning_refuses_it(model, tmp_path):
    from vitedu.engine.start import starting_config
    from vitedu.recipes.finetune import get_finetuning

    save_safetensors(model, tmp_path / "a.safetensors")
    start = str(tmp_path / "a.safetensors")
    tuning = get_finetuning("cifar10")
    with pytest.raises(ValueError, match="model is a EfficientNetConfig"):
        tuning.recipe(start, starting_config(start, 10), 10)
