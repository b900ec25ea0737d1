"""Small models of both packages, float64, with the same parameters, and a record of each."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy as vn

matplotlib.use("Agg")  # before pyplot
torch.set_num_threads(1)  # the arrays are tiny: more threads would only wait for each other

# A grid that is not square, 3 x 4 patches of 2 pixels, so that no wrong axis can hide.
SMALL = dict(image_size=(6, 8), patch_size=2, width=12, depth=3, heads=3, mlp_dim=20, num_classes=5, channels=3)


@pytest.fixture
def small():
    """small(**changes) -> a ViTConfig of 3 x 4 patches."""
    return lambda **changes: vn.ViTConfig(**SMALL | changes)


@pytest.fixture
def hybrid_config():
    """2 x 3 patches of one pixel of a feature map an eighth as large as the image: 8 pixels apart."""
    vit = dict(width=12, depth=2, heads=3, mlp_dim=20, num_classes=5)
    return vn.HybridConfig(image_size=(16, 24), patch_size=1, blocks=(1, 1), backbone_width=8, groups=4, **vit)


class Seen:
    """A model after one forward pass."""

    def __init__(self, model, images):
        self.model, self.images, self.config, self.record = model, images, model.config, {}
        self.logits = model(images, self.record)


@pytest.fixture
def twins(rng):
    """twins(config) -> (what NumPy's model saw, what PyTorch's saw): 2 images, equal parameters of size 1 / sqrt(I)."""

    def make(config):
        ours = vn.build(config, rng=0, dtype="float64")
        for _, p in ours.named_parameters():
            # Columns sum up to numbers of size 1; vectors stay off 0 and 1.
            size = 1.5 / np.sqrt(p.value[0].size) if p.value.ndim > 1 else 0.5
            p.value[...] = size * rng.standard_normal(p.value.shape) + 0.2 * (p.value.ndim < 2)
        theirs = vitedu.build(config).double()
        theirs.load_state_dict(ours.state_dict())
        images = rng.uniform(-1, 1, (2, config.channels, *config.image_hw))
        return Seen(ours.eval(), images), Seen(theirs.eval(), torch.tensor(images))

    return make


@pytest.fixture(params=["vitedu_numpy", "vitedu"])
def seen(request, twins):
    """seen(config): one package's part of `twins`, then the other's."""
    return lambda config: twins(config)[request.param == "vitedu"]
