"""First values: both packages draw every parameter from the distribution that the official code uses."""

from __future__ import annotations

import numpy as np
import pytest

import vitedu
import vitedu_numpy

D, M, R, P, C = 96, 160, 80, 4, 3
CONFIG = vitedu_numpy.ViTConfig(
    image_size=40, patch_size=P, width=D, depth=1, heads=4, mlp_dim=M, num_classes=7, representation_size=R
)


def xavier(fan_in, fan_out):
    """Standard deviation and bound of U(-a, a), a = sqrt(6 / (fan_in + fan_out)); its variance is a^2 / 3."""
    a = np.sqrt(6 / (fan_in + fan_out))
    return a / np.sqrt(3), a


def lecun(fan_in):
    """Variance 1 / fan_in, from a normal cut off at two standard deviations, which are those of the uncut one."""
    return fan_in**-0.5, 2 * fan_in**-0.5 / 0.87962566103423978


# name: (standard deviation, largest size possible)
DRAWN = {
    "patch_embedding.weight": lecun(C * P * P),
    "position_embedding.E_pos": (0.02, np.inf),
    "encoder.blocks.0.attention.qkv.weight": xavier(D, D),  # three D x D matrices, not one of 3D x D
    "encoder.blocks.0.attention.out.weight": xavier(D, D),
    "encoder.blocks.0.mlp.fc1.weight": xavier(D, M),
    "encoder.blocks.0.mlp.fc1.bias": (1e-6, np.inf),
    "encoder.blocks.0.mlp.fc2.weight": xavier(M, D),
    "encoder.blocks.0.mlp.fc2.bias": (1e-6, np.inf),
    "pre_logits.linear.weight": lecun(D),
}


@pytest.fixture(params=["vitedu_numpy", "vitedu"])
def state(request) -> dict[str, np.ndarray]:
    """A fresh model's state, from either package."""
    package = {"vitedu_numpy": vitedu_numpy, "vitedu": vitedu}[request.param]
    return {name: np.asarray(value) for name, value in package.ViT(CONFIG, 3).state_dict().items()}


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_parameters(name, state):
    x, (std, bound) = state[name], DRAWN[name]
    # The standard deviation of n draws is itself uncertain, by at most 1 / sqrt(2 n) relative (a normal; the cut ones
    # less), and their mean by std / sqrt(n).  Five times that, so that another random stream passes too.
    assert x.std() == pytest.approx(std, rel=5 / np.sqrt(2 * x.size))
    assert abs(x.mean()) < 5 * std / np.sqrt(x.size)
    assert abs(x).max() <= bound * (1 + 1e-6)  # float32
    if np.isfinite(bound):
        assert abs(x).max() > 0.95 * bound


def test_all_others_are_constant(state):
    """Layer norms start as the identity, biases, the class token and the head at 0."""
    for name, value in state.items():
        if name not in DRAWN:
            is_scale = "norm" in name and name.endswith("weight")
            assert (value == (1 if is_scale else 0)).all(), name


def test_the_three_parts_of_qkv_are_drawn_apart(state):
    q, k, v = np.split(state["encoder.blocks.0.attention.qkv.weight"], 3)
    for one, other in ((q, k), (k, v), (q, v)):
        # The correlation of n independent pairs is uncertain by 1 / sqrt(n).
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / D
