"""vitedu_numpy/layers/attention_variants.py: attention with dropout on A and with relative positions."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import MultiHeadAttention, check_pair
from vitedu_numpy.layers.attention import attention, attention_backward
from vitedu_numpy.layers.attention_variants import (
    GeneralAttention,
    general_attention,
    general_attention_backward,
    make_attention,
)
from vitedu_numpy.layers.positions import RelativePosition

B, h, T, S, Dh = 2, 3, 5, 7, 4  # all different, so that no axis can be mistaken for another
D = h * Dh
ROUNDING = 1e-13  # sums of a few dozen products of size 1, rounded in another order


@pytest.fixture
def qkv(rng) -> dict[str, np.ndarray]:
    """Queries of T tokens, keys and values of S."""
    return {name: rng.standard_normal((B, h, n, Dh)) for name, n in (("q", T), ("k", S), ("v", S))}


@pytest.fixture(params=[False, True], ids=["no mask", "mask"])
def mask(request) -> np.ndarray | None:
    mask = np.random.default_rng(4).random((B, h, T, S)) < 0.6
    mask[..., 0] = True  # every token may ask at least the first
    return mask if request.param else None


def test_with_nothing_extra_it_is_attention_to_the_last_bit(qkv, mask, rng):
    (y, cache), (plain_y, plain_cache) = general_attention(**qkv, mask=mask), attention(**qkv, mask=mask)
    dy = rng.standard_normal(y.shape)
    assert np.array_equal(y, plain_y)
    assert np.array_equal(cache.A, plain_cache.A)
    both = zip(general_attention_backward(dy, cache), attention_backward(dy, plain_cache), strict=True)
    assert all(np.array_equal(ours, plain) for ours, plain in both)


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_pair(dropped, biased, qkv, mask, rng, assert_right):
    drop = rng.choice([0.0, 1.5, 2.5], (B, h, T, S)) if dropped else None
    inputs = qkv | ({"bias": rng.standard_normal((B, h, T, S))} if biased else {})  # as relative positions add it
    pair = general_attention, general_attention_backward
    assert_right(check_pair(*pair, inputs, rng, verbose=False, mask=mask, drop=drop))


def test_dropout_acts_on_the_weights_and_the_bias_on_the_scores(qkv, rng):
    bias, drop = rng.standard_normal((B, h, T, S)), rng.choice([0.0, 2.0], (B, h, T, S))
    y, cache = general_attention(**qkv, drop=drop, bias=bias)
    weights = np.exp((np.einsum("bhtd,bhsd->bhts", qkv["q"], qkv["k"]) + bias) / np.sqrt(Dh))
    A = weights / weights.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(cache.A, A, rtol=ROUNDING)  # A before dropout: what a record shows
    np.testing.assert_allclose(y, np.einsum("bhts,bhsd->bhtd", A * drop, qkv["v"]), rtol=ROUNDING, atol=ROUNDING)


class Asker(GeneralAttention):
    """`forward` is what `first_token` gives, so that the checks of a layer can be made with it."""

    def forward(self, z):
        return self.first_token(z)


@pytest.mark.parametrize(("kind", "asking"), [(GeneralAttention, S), (Asker, 1)])
def test_layer_with_dropout(kind, asking, rng, check_layer, fix_dropout):
    layer, z = kind(D, h, rng, 0.4, dtype=np.float64), rng.standard_normal((B, S, D))
    check_layer(fix_dropout(layer, {"drop": (B, h, asking, S)}), z, samples=40)


@pytest.mark.parametrize("kind", [GeneralAttention, Asker])
def test_with_relative_positions(kind, rng, check_layer, scramble):
    """The query meets the keys and the vectors of the distances: its gradient has two parts."""
    relative = scramble(RelativePosition(S, 2, rng, np.float64))
    layer = kind(6, 3, rng, relative=relative, dtype=np.float64)
    layer.owned = relative  # so that its parameter has a name, and is checked
    check_layer(layer, rng.standard_normal((B, S, 6)))


def test_what_is_lent_is_named_by_its_owner_alone(rng):
    layer = GeneralAttention(6, 3, rng, relative=RelativePosition(S, 2, rng))
    assert [name for name, _ in layer.named_parameters()] == ["qkv.weight", "qkv.bias", "out.weight", "out.bias"]


def test_a_replica_is_lent_the_replica_of_the_owner(rng):
    """Else two threads would add into one gradient."""
    layer = GeneralAttention(6, 3, rng, relative=RelativePosition(S, 2, rng))
    layer.owned = layer.lent[0]
    twin = layer.replica()
    assert twin.lent[0] is twin.owned
    assert twin.owned is not layer.owned
    assert twin.owned.R is not layer.owned.R
    assert twin.owned.R.value is layer.owned.R.value


def test_the_plain_class_where_nothing_is_dropped(rng):
    assert type(make_attention(6, 3, rng)) is MultiHeadAttention
    assert make_attention(6, 3, rng, 0.1).drop.rate == 0.1
