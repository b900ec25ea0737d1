"""Losses against PyTorch's own, in both packages."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitedu import losses as torch_losses
from vitedu_numpy import losses as numpy_losses

B, K = 5, 7
CLOSE = dict(rel=1e-12)  # float64: sums of 35 terms in another order


def loss_in_both(name, scores, targets):
    """The loss by each package, after seeing that the two agree."""
    numpy_loss, _ = getattr(numpy_losses, name)(scores.numpy(), targets.numpy())
    torch_loss = getattr(torch_losses, name)(scores, targets)
    assert float(numpy_loss) == pytest.approx(float(torch_loss), **CLOSE)
    return float(torch_loss)


@pytest.fixture
def logits():
    """(B, K), some large."""
    return 3 * torch.randn((B, K), dtype=torch.float64)


@pytest.fixture
def labels():
    """One per image."""
    return torch.tensor([0, 6, 3, 3, 1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_softmax_loss_is_cross_entropy_of_labels(smoothing, logits, labels):
    targets = torch_losses.one_hot(labels, K, smoothing, torch.float64)
    np.testing.assert_allclose(numpy_losses.one_hot(labels.numpy(), K, smoothing, np.float64), targets, rtol=1e-15)
    expected = float(F.cross_entropy(logits, labels, label_smoothing=smoothing))
    assert loss_in_both("softmax_cross_entropy", logits, targets) == pytest.approx(expected, **CLOSE)
    assert loss_in_both("cross_entropy", logits.softmax(-1), targets) == pytest.approx(expected, **CLOSE)


def test_sigmoid_loss_is_bce_summed_over_classes(logits):
    """`BCEWithLogitsLoss` takes the mean over classes too; ours, like the official code, sums them: K times as much."""
    targets = torch.rand((B, K), dtype=torch.float64)
    expected = K * float(torch.nn.BCEWithLogitsLoss()(logits, targets))
    assert loss_in_both("sigmoid_cross_entropy", logits, targets) == pytest.approx(expected, **CLOSE)
    assert K * float(F.binary_cross_entropy(logits.sigmoid(), targets)) == pytest.approx(expected, **CLOSE)
    assert loss_in_both("binary_cross_entropy", logits.sigmoid(), targets) == pytest.approx(expected, **CLOSE)


def test_sigmoid(logits):
    np.testing.assert_allclose(numpy_losses.sigmoid(logits.numpy())[0], torch.sigmoid(logits), rtol=1e-12)
    np.testing.assert_allclose(torch_losses.sigmoid(logits), 1 / (1 + (-logits).exp()), rtol=1e-12)
