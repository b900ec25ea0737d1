"""vitedu_numpy/training/sequence_loss.py: the loss that does not count padding."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_pair
from vitedu_numpy.training.losses import one_hot, softmax_cross_entropy
from vitedu_numpy.training.sequence_loss import token_cross_entropy, token_cross_entropy_backward

B, T, V = 2, 5, 7  # all different, so that no axis can be mistaken for another
IDS = np.array([[3, 1, 3, 6, 3], [5, 3, 1, 0, 0]])  # 0 is padding


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_token_cross_entropy_pair(label_smoothing, rng, assert_right):
    inputs = {"logits": rng.standard_normal((B, T, V))}
    options = dict(targets=IDS, pad=0, label_smoothing=label_smoothing)
    errors = check_pair(token_cross_entropy, token_cross_entropy_backward, inputs, rng, verbose=False, **options)
    assert_right(errors)


def test_the_mean_runs_over_what_is_not_padding(rng):
    """A loop over the eight places that count."""
    logits = rng.standard_normal((B, T, V))
    loss, cache = token_cross_entropy(logits, IDS, pad=0)
    places = [(b, t) for b in range(B) for t in range(T) if IDS[b, t] != 0]
    terms = [np.log(np.exp(logits[b, t]).sum()) - logits[b, t, IDS[b, t]] for b, t in places]
    assert len(terms) == 8
    np.testing.assert_allclose(loss, np.mean(terms), rtol=1e-14)  # eight terms, rounded in another order
    dlogits = token_cross_entropy_backward(1.0, cache)
    assert (dlogits[1, 3:] == 0).all()
    assert (dlogits[1, :3] != 0).all()


def test_without_padding_it_is_the_usual_loss(rng):
    logits = rng.standard_normal((B, T, V))
    expected, _ = softmax_cross_entropy(logits.reshape(B * T, V), one_hot(IDS.ravel(), V, 0.1, np.float64))
    loss, _ = token_cross_entropy(logits, IDS, pad=V, label_smoothing=0.1)  # V occurs nowhere
    assert loss == expected
