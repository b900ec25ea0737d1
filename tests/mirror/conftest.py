"""The twins: the same model in both packages, in float64, with the same non-trivial parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy

torch.set_num_threads(1)  # the arrays are tiny: more threads would only wait for each other

# The same formula in float64 in two libraries: sums of at most a few thousand terms in another order, each rounded to
# 1e-16, through up to thirty layers.
TOLERANCE = 1e-12


class Mirror:
    """How NumPy and PyTorch results are held side by side."""

    tolerance = TOLERANCE

    @staticmethod
    def tensor(array, requires_grad=False) -> torch.Tensor:
        """A float64 (or boolean) tensor of its own from an array."""
        return torch.tensor(array, requires_grad=requires_grad)

    @staticmethod
    def assert_equal(numpy_value, torch_value, name="") -> None:
        """Equal shapes, and all entries within TOLERANCE of the largest."""
        ours = np.asarray(numpy_value)
        theirs = torch_value.detach().numpy() if isinstance(torch_value, torch.Tensor) else np.asarray(torch_value)
        error = vitedu_numpy.relative_error(ours, theirs)
        assert error <= TOLERANCE, f"{name} differs between NumPy and PyTorch, relative error {error:.1e}"

    @classmethod
    def assert_all_equal(cls, numpy_values, torch_values) -> None:
        """Two dicts: equal names in equal order, equal values; the first name that differs is reported."""
        assert list(numpy_values) == list(torch_values)
        for name, value in numpy_values.items():
            cls.assert_equal(value, torch_values[name], name)

    @staticmethod
    def share(numpy_model, torch_model):
        """Give the PyTorch module, in float64, the NumPy module's state."""
        torch_model = torch_model.double()
        torch_model.load_state_dict(numpy_model.state_dict())
        return numpy_model, torch_model


@pytest.fixture
def mirror() -> type[Mirror]:
    """mirror.assert_equal(numpy, torch), mirror.share(numpy_model, torch_model), ..."""
    return Mirror


@pytest.fixture
def twins(scramble):
    """twins(config, seed=0) -> (NumPy ViT, PyTorch ViT), both float64, with the same scrambled parameters."""

    def build(config, seed=0):
        numpy_model = scramble(vitedu_numpy.ViT(config, seed, np.float64), seed)
        return Mirror.share(numpy_model, vitedu.ViT(config, seed))

    return build


SIZES = dict(image_size=(4, 6), patch_size=2, channels=3, width=6, depth=2, heads=3, mlp_dim=7, num_classes=4)

# Every option that changes names or arithmetic.
CONFIGS = {
    "token": {},
    "token, tanh GELU, pre-logits": dict(gelu="tanh", representation_size=5),
    "token, no position": dict(position_embedding="none"),
    "token, large eps": dict(layernorm_eps=0.1),
    "gap": dict(classifier="gap"),
    "gap, pre-logits": dict(classifier="gap", representation_size=5),
    "gap, no position, tanh GELU": dict(classifier="gap", position_embedding="none", gelu="tanh"),
    "2-D positions": dict(position_embedding="2d"),
    "sines and cosines, gap": dict(position_embedding="sincos2d", width=12, classifier="gap"),
    "relative positions": dict(position_embedding="relative"),
    "positions in every block": dict(position_at="every"),
    "2-D positions shared by all blocks, gap": dict(position_embedding="2d", position_at="shared", classifier="gap"),
    "relative positions shared by all blocks": dict(position_embedding="relative", position_at="shared"),
    "head bias": dict(head_bias=-2.0),
    "square, one channel, twelve blocks": dict(image_size=4, channels=1, depth=12),
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS)
def config(request) -> vitedu_numpy.ViTConfig:
    """One after the other, every kind of model."""
    return vitedu_numpy.ViTConfig(**SIZES | request.param)


@pytest.fixture
def images(config, rng) -> np.ndarray:
    """Two images that fit `config`."""
    return rng.uniform(-1, 1, (2, config.channels, *config.image_hw))
