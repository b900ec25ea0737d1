"""Both packages, one after the other, through the same door."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy

torch.set_num_threads(1)  # the models are tiny: more threads would only wait for each other


@pytest.fixture(params=["vitedu_numpy", "vitedu"])
def package(request):
    """`vitedu_numpy`, then `vitedu`: the same names in both."""
    return {"vitedu_numpy": vitedu_numpy, "vitedu": vitedu}[request.param]


@pytest.fixture
def array(package):
    """array(x): x as the package takes it, a NumPy array or a tensor."""
    return np.asarray if package is vitedu_numpy else torch.as_tensor


@pytest.fixture
def refused():
    """refused(error, *texts): a context in which `error` must be raised, with every one of the texts in its message.

    The texts are the name of the argument, what was given and what is allowed.
    """

    class Refused:
        def __init__(self, error, *texts):
            self.raises, self.texts = pytest.raises(error), texts

        def __enter__(self):
            self.info = self.raises.__enter__()

        def __exit__(self, *exception):
            caught = self.raises.__exit__(*exception)
            missing = [text for text in self.texts if text not in str(self.info.value)]
            assert not missing, f"{missing} should be in the message: {self.info.value}"
            return caught

    return Refused
