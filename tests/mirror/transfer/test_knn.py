"""k nearest neighbours in both packages."""

from __future__ import annotations

import numpy as np
import torch

from vitedu.transfer import knn as torch_knn
from vitedu_numpy.transfer import knn as numpy_knn


def test_every_step(rng, mirror):
    x, test = rng.standard_normal((70, 6)), rng.standard_normal((40, 6))
    x[3] = 0
    ours, theirs = numpy_knn.normalize(x), torch_knn.normalize(torch.from_numpy(x))
    mirror.assert_equal(ours, theirs)
    cosine, near = numpy_knn.nearest(ours, numpy_knn.normalize(test), 9)
    torch_cosine, torch_near = torch_knn.nearest(theirs, torch_knn.normalize(torch.from_numpy(test)), 9)
    mirror.assert_equal(cosine, torch_cosine)
    assert np.array_equal(near, torch_near.numpy())


def test_the_same_classes_and_accuracies(rng):
    x, labels = rng.standard_normal((300, 6)).astype(np.float32), rng.integers(0, 5, 300)
    x[np.arange(300), labels] += 1
    data = x[:200], labels[:200], x[200:], labels[200:]
    tensors = [torch.from_numpy(array) for array in data]
    ours, theirs = numpy_knn.knn_classes(*data[:3], 5), torch_knn.knn_classes(*tensors[:3], 5)
    for k, classes in ours.items():
        assert np.array_equal(classes, theirs[k].numpy())
    assert numpy_knn.knn_accuracy(*data) == torch_knn.knn_accuracy(*tensors)


def test_in_chunks(rng, monkeypatch):
    x, labels = rng.standard_normal((50, 6)), np.arange(50) % 3
    data = x[:30], labels[:30], x[30:], labels[30:]
    expected = numpy_knn.knn_accuracy(*data, k=(1, 10))
    for package, given in ((numpy_knn, data), (torch_knn, [torch.from_numpy(array) for array in data])):
        monkeypatch.setattr(package, "CHUNK", 7)
        assert package.knn_accuracy(*given, k=(1, 10)) == expected
