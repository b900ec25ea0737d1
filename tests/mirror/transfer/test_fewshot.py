"""Few-shot least squares in both packages: the same images, whitening, weights and accuracies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitedu.transfer import fewshot as torch_fewshot
from vitedu_numpy.transfer import fewshot as numpy_fewshot
from vitedu_numpy.transfer.shots import choose_shots

# What `eigen_suffices` promises of either package's weights; the SVD, for a smaller l2, is better than that.
TOLERANCE = 1e-10


def close(numpy_value, torch_value):
    theirs = torch_value.numpy()
    assert numpy_value.dtype == theirs.dtype == np.float64
    np.testing.assert_allclose(numpy_value, theirs, rtol=0, atol=TOLERANCE * abs(numpy_value).max())


@pytest.mark.parametrize("shots", [1, 3])
@pytest.mark.parametrize("seed", [0, 11])
def test_the_same_images(shots, seed, rng):
    labels = rng.permutation(np.arange(40) % 5)
    ours = choose_shots(labels, shots, seed)
    for given in (torch.tensor(labels), labels.tolist()):
        assert np.array_equal(ours, choose_shots(given, shots, seed))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("N", "D"), [(23, 6), (6, 23)])
def test_every_step(N, D, dtype, rng, mirror):
    features = (rng.standard_normal((N, D)) * 3 + 1).astype(dtype)
    targets = 2.0 * (rng.integers(0, 4, (N, 1)) == np.arange(4)) - 1
    x = mirror.tensor(features)
    mean, std = numpy_fewshot.whitening(features)
    torch_mean, torch_std = torch_fewshot.whitening(x)
    close(mean, torch_mean)
    close(std, torch_std)
    white, torch_white = numpy_fewshot.whiten(features, mean, std), torch_fewshot.whiten(x, torch_mean, torch_std)
    close(white, torch_white)

    strengths = [2.0**-10, 1.0, 2.0**10]
    weights = numpy_fewshot.ridge(white, targets, strengths)
    torch_weights = torch_fewshot.ridge(torch_white, mirror.tensor(targets), strengths)
    for ours, theirs, l2 in zip(weights, torch_weights, strengths, strict=True):
        close(ours, theirs)
        close(ours, torch_fewshot.ridge(torch_white, mirror.tensor(targets), l2))
    for l2 in strengths:
        assert numpy_fewshot.eigen_suffices(white, l2) == torch_fewshot.eigen_suffices(torch_white, l2) == (l2 >= 1)
    close(numpy_fewshot.svd_ridge(white, targets)[1], torch_fewshot.svd_ridge(torch_white, mirror.tensor(targets))[1])
    for form in ("primal", "dual"):
        _, e, _ = numpy_fewshot.eigen_ridge(white, targets, form)
        _, torch_e, _ = torch_fewshot.eigen_ridge(torch_white, mirror.tensor(targets), form)
        close(e, torch_e)

    classes = torch_fewshot.predict(x, torch_mean, torch_std, torch_weights[0])
    assert np.array_equal(numpy_fewshot.predict(features, mean, std, weights[0]), classes.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_accuracies(dtype, rng, mirror, monkeypatch):
    monkeypatch.setattr(torch_fewshot, "CHUNK", 7)  # in pieces here, in one there
    labels = np.arange(90) % 3
    features = (rng.standard_normal((3, 8))[labels] + 2 * rng.standard_normal((90, 8))).astype(dtype)
    data = features[:60], labels[:60], features[60:], labels[60:]
    ours = numpy_fewshot.few_shot_accuracy(*data, shots=(1, 5, 20), seeds=range(3))
    theirs = torch_fewshot.few_shot_accuracy(*map(mirror.tensor, data), shots=(1, 5, 20), seeds=range(3))
    assert ours == theirs
    assert 1 / 3 < np.mean(ours[20]) < 1


def test_features_in_bfloat16(rng):
    """NumPy has no such type; its numbers are float32 numbers too."""
    labels = torch.arange(24) % 2
    features = torch.tensor(rng.standard_normal((24, 5)), requires_grad=True).bfloat16()
    data = features.detach().float().numpy(), labels.numpy()
    ours = numpy_fewshot.few_shot_accuracy(*data, *data, shots=(2, 6))
    assert torch_fewshot.few_shot_accuracy(features, labels, features, labels, shots=(2, 6)) == ours
