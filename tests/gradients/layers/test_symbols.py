"""vitedu_numpy/layers/symbols.py: the embedding, its positions, and masks."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import check_pair
from vitedu_numpy.layers.symbols import (
    Embedding,
    causal_mask,
    embed,
    embed_backward,
    padding_mask,
    sinusoid,
)  # fmt: skip
from vitedu_numpy.module import Module

B, T, V, D = 2, 5, 7, 4  # all different, so that no axis can be mistaken for another
IDS = np.array([[3, 1, 3, 6, 3], [5, 3, 1, 0, 0]])  # some symbols often, 2 and 4 never


# ---- embedding ---------------------------------------------------------------------------------------------------


def test_embed_by_hand():
    weight = np.array([[0.0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]])
    y, _ = embed(weight, np.array([[2, 1, 2]]))
    assert y.tolist() == [[[10, 12, 14, 16], [2, 4, 6, 8], [10, 12, 14, 16]]]  # rows times sqrt(4)


def test_embed_pair(rng, assert_right):
    inputs = {"weight": rng.standard_normal((V, D))}
    assert_right(check_pair(embed, embed_backward, inputs, rng, verbose=False, ids=IDS))


def test_a_symbol_gets_the_sum_of_its_uses(rng):
    """Symbol 3 stands in four places; `dweight[ids] += dy` would keep one of them."""
    dy = rng.standard_normal((B, T, D))
    _, cache = embed(rng.standard_normal((V, D)), IDS)
    dweight = embed_backward(dy, cache)
    assert (IDS == 3).sum() == 4
    np.testing.assert_allclose(dweight[3], 2 * dy[IDS == 3].sum(axis=0), rtol=1e-14)  # 2 = sqrt(D)
    assert (dweight[[2, 4]] == 0).all()


def test_sinusoid_by_hand():
    """w_0 = 1 and, at D = 4, w_1 = 10000^(-1/2) = 1 / 100."""
    for t in (0, 1, 6):
        expected = [np.sin(t), np.cos(t), np.sin(t / 100), np.cos(t / 100)]
        np.testing.assert_allclose(sinusoid(7, 4, np.float64)[t], expected, rtol=1e-14, atol=1e-16)
    assert sinusoid(3, 6).dtype == np.float32


def test_a_shift_of_position_is_a_rotation():
    """Why sines: PE[t + k] is the same matrix times PE[t] for every t, so a distance looks alike everywhere."""
    PE = sinusoid(40, 8, np.float64)
    k = 3
    fitted, *_ = np.linalg.lstsq(PE[:20], PE[k : 20 + k], rcond=None)
    np.testing.assert_allclose(PE[20 : 40 - k] @ fitted, PE[20 + k :], rtol=0, atol=1e-9)  # lstsq of near-constant rows
    np.testing.assert_allclose(fitted @ fitted.T, np.eye(8), rtol=0, atol=1e-6)


class OfSymbols(Module):
    """A layer of integers as `check_layer` wants it: a float input x, which is added to the output."""

    def __init__(self, layer, *ids):
        self.layer, self.ids = layer, ids

    def forward(self, x):
        return self.layer(*self.ids) + x

    def backward(self, dy):
        assert self.layer.backward(dy) is None  # integers have no gradient
        return dy


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_layer(dropout, rng, check_layer, fix_dropout):
    layer = OfSymbols(Embedding(V, D, 9, rng, dropout, np.float64), IDS)
    if dropout:
        fix_dropout(layer, {"layer.drop": (B, T, D)})
    check_layer(layer, np.zeros((B, T, D)))


def test_layer_adds_positions(rng):
    layer = Embedding(V, D, 9, rng, dtype=np.float64)
    record = {}
    z = layer(IDS, record)
    np.testing.assert_allclose(z - 2 * layer.weight.value[IDS], np.stack([sinusoid(T, D)] * B), atol=1e-6)  # float32
    assert np.array_equal(record["embedding"], z)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]  # positions are not learned


# ---- masks ---------------------------------------------------------------------------------------------------------


def test_causal_mask_by_hand():
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]


def test_padding_mask_by_hand():
    mask = padding_mask(np.array([[4, 2, 0], [1, 0, 0]]), pad=0)
    assert mask.shape == (2, 1, 1, 3)
    assert mask[:, 0, 0].tolist() == [[True, True, False], [True, False, False]]
