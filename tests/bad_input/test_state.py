"""A state that does not fit is refused as a whole: afterwards the model is as it was."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu import ViTConfig

CONFIG = ViTConfig(image_size=4, patch_size=2, width=6, depth=2, heads=2, mlp_dim=5, num_classes=3, channels=1)
LAST = "head.bias"  # the last name, so that whoever writes while checking has written all others


def without(state):
    return {name: value for name, value in state.items() if name != LAST}


def changed(value):
    return lambda state: state | {LAST: value}


BAD_STATES = {
    "missing": (without, KeyError, ("missing ['head.bias']", "ViT")),
    "extra": (lambda state: state | {"head.scale": np.ones(3)}, KeyError, ("not expected ['head.scale']", "ViT")),
    "another name": (
        lambda state: without(state) | {"head.b": state[LAST]}, KeyError, ("missing ['head.bias']", "['head.b']")
    ),
    "empty": (lambda state: {}, KeyError, ("missing ['patch_embedding.weight'", LAST)),
    "too long": (changed(np.ones(4)), ValueError, ("state['head.bias'] has shape (4,)", "expected (3,)")),
    "would broadcast": (changed(np.ones(1)), ValueError, ("state['head.bias'] has shape (1,)", "expected (3,)")),
    "a row": (changed(np.ones((1, 3))), ValueError, ("state['head.bias'] has shape (1, 3)", "expected (3,)")),
    "transposed": (
        lambda state: state | {"head.weight": np.ones((6, 3))}, ValueError,
        ("state['head.weight'] has shape (6, 3)", "expected (3, 6)"),
    ),
    "NaN": (changed(np.array([0, np.nan, 0])), ValueError, ("state['head.bias']", "finite real numbers")),
    "infinity": (changed(np.array([0, 0, np.inf])), ValueError, ("state['head.bias']", "finite real numbers")),
    "complex": (changed(np.ones(3, complex)), ValueError, ("state['head.bias']", "complex", "finite real numbers")),
    "booleans": (changed(np.ones(3, bool)), ValueError, ("state['head.bias']", "bool", "finite real numbers")),
    # 1e300 is finite in float64 and infinite in the model's float32: found after the conversion, not before.
    "too large": (changed(np.full(3, 1e300)), ValueError, ("state['head.bias']", "finite real numbers", "float32")),
}  # fmt: skip


def state_of(model) -> dict[str, np.ndarray]:
    return {name: np.asarray(value).copy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("case", BAD_STATES.values(), ids=BAD_STATES)
@pytest.mark.parametrize("as_arrays", [True, False], ids=["NumPy arrays", "tensors"])
def test_state(as_arrays, case, package, refused):
    import torch

    change, error, texts = case
    model = package.ViT(CONFIG, 0)
    before = state_of(model)
    state = change({name: value + 1 for name, value in before.items()})  # every parameter would change
    if not as_arrays:
        state = {name: torch.from_numpy(value) for name, value in state.items()}
    with refused(error, *texts):
        model.load_state_dict(state)
    for name, value in state_of(model).items():
        assert np.array_equal(value, before[name]), f"{name} was written although the state was refused"
