"""Both packages, one after the other, through the same door."""

from __future__ import annotations

import pytest
import torch

import vitedu
import vitedu_numpy

torch.set_num_threads(1)  # the models are tiny: more threads would only wait for each other


@pytest.fixture(params=["vitedu_numpy", "vitedu"])
def package(request):
    """`vitedu_numpy`, then `vitedu`: the same names in both."""
    return {"vitedu_numpy": vitedu_numpy, "vitedu": vitedu}[request.param]
