"""Independent code: PyTorch's own layers, optimisers and schedules, which share nothing with this project."""

from __future__ import annotations

import pytest
import torch

torch.set_num_threads(1)  # the tensors are tiny: more threads would only wait for each other


@pytest.fixture(autouse=True)
def _seed():
    """PyTorch's own layers draw their first values from the global generator; leave it as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _scramble(module):
    with torch.no_grad():
        for p in module.parameters():
            p.uniform_(0.15, 0.85).mul_(torch.randint(0, 2, p.shape) * 2 - 1)
    return module.double()


@pytest.fixture
def scramble_torch():
    """scramble_torch(module): float64, and every parameter neither 0 nor 1, which would hide mistakes."""
    return _scramble
