"""What all tests share.  NumPy only: the gradient tests also run where PyTorch is not installed."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers for one test, the same at every run."""
    return np.random.default_rng(11929)


def _scramble(model, seed=0):
    rng = np.random.default_rng(seed)
    for _, p in model.named_parameters():
        size = rng.uniform(0.15, 0.85, p.value.shape)
        p.value[...] = size * rng.choice([-1, 1], p.value.shape)
    return model


@pytest.fixture
def scramble():
    """scramble(model, seed=0): give every parameter of a NumPy model a value that is neither 0 nor 1, and return it.

    First values such as 0 (biases) and 1 (layer norm) hide mistakes: whatever is multiplied by them is not seen.
    """
    return _scramble


def _fix_dropout(model, rates, seed=0):
    rng = np.random.default_rng(seed)
    drops = {name: module for name, module in model.named_modules() if type(module).__name__ == "Dropout"}
    for name, shape in rates.items():
        drops.pop(name).mask = rng.choice([0.0, 1.5, 2.5], shape)
    assert not drops, f"no mask was given for {list(drops)}"
    return model


@pytest.fixture
def fix_dropout():
    """fix_dropout(model, {name of a Dropout: shape}): set a mask on each, for a forward that is the same at every call.

    Kept values get two different factors, so that a gradient multiplied by another mask, or by none, shows.
    """
    return _fix_dropout
