"""Many strengths and shots at once in both packages: the same sums, solutions, classes and accuracies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitedu.transfer import sweep as torch_sweep
from vitedu_numpy.transfer import sweep as numpy_sweep
from vitedu_numpy.transfer.shots import choose_shots

STRENGTHS = [2.0**-8, 1.0, 2.0**10]


@pytest.fixture
def data(rng):
    """8 classes that overlap, 12 features of many sizes; one is constant in most images."""
    labels = np.arange(320) % 8
    x = (rng.standard_normal((8, 12))[labels] + rng.standard_normal((320, 12))) * rng.uniform(0.1, 30, 12) + 5
    x[3:, 4] = 2
    x = x.astype(np.float32)
    return x[:200], labels[:200], x[200:], labels[200:]


def test_every_step(data, mirror):
    x, labels, x_test, _ = data
    chosen = {shots: choose_shots(labels, shots, 0) for shots in (3, 10)}
    pairs = zip(numpy_sweep.nested_sums(x, chosen), torch_sweep.nested_sums(torch.from_numpy(x), chosen), strict=True)
    for (shots, *sums), (torch_shots, *torch_sums) in pairs:
        assert shots == torch_shots
        for ours, theirs in zip(sums, torch_sums, strict=True):
            mirror.assert_equal(ours, theirs)
        ours, theirs = numpy_sweep.from_sums(shots, *sums, 1.0), torch_sweep.from_sums(shots, *torch_sums, 1.0)
        assert (ours is None) == (theirs is None)
        if ours is not None:  # mean, deviation, eigenvalues; the vectors' signs are each library's own
            for i in (0, 1, 3):
                mirror.assert_equal(ours[i], theirs[i])
        images = chosen[shots]
        ours = numpy_sweep.from_rows(x[images], labels[images], 8, 1.0)
        theirs = torch_sweep.from_rows(torch.from_numpy(x[images]), torch.from_numpy(labels[images]), 8, 1.0)
        for i in (0, 1):
            mirror.assert_equal(ours[i], theirs[i])
        np.testing.assert_allclose(ours[3], theirs[3].numpy(), rtol=0, atol=1e-12 * ours[3].max())
        found = numpy_sweep.predict_each(x_test, ours, STRENGTHS)
        assert np.array_equal(found, torch_sweep.predict_each(torch.from_numpy(x_test), theirs, STRENGTHS).numpy())


@pytest.mark.parametrize("as_tensors", [True, False])
def test_the_same_accuracies(as_tensors, data):
    kinds = dict(shots=(1, 5, 20), seeds=(0, 3), l2=STRENGTHS)
    given = [torch.from_numpy(array) for array in data] if as_tensors else data
    assert torch_sweep.few_shot_sweep(*given, **kinds) == numpy_sweep.few_shot_sweep(*data, **kinds)


def test_with_tf32_allowed_all_is_done_in_float64(data, monkeypatch):
    """Its products have 10 binary places, so nothing that float32 says is sure."""
    expected = numpy_sweep.few_shot_sweep(*data, shots=(5,))
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "high")
    assert torch_sweep.few_shot_sweep(*(torch.from_numpy(array) for array in data), shots=(5,)) == expected


def test_scores_too_near_for_float32_are_compared_in_float64(rng):
    features = torch.from_numpy(rng.uniform(1, 2, (50, 4)))
    right = torch.tensor([[1.0, 1 + 1e-9, 0.0]] * 5, dtype=torch.float64)
    solution = torch.zeros(4).double(), torch.ones(4).double(), torch.eye(5).double(), torch.zeros(5).double(), right
    assert (torch_sweep.predict_each(features, solution, [1.0]) == 1).all()
