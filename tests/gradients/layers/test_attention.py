"""vitedu_numpy/layers/attention.py: A = softmax(q k^T / sqrt(Dh)), y = A v, and many of these side by side."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy import MultiHeadAttention, check_pair
from vitedu_numpy.layers.attention import attention, attention_backward, merge_heads, split_heads

B, h, T, S, Dh = 2, 3, 5, 7, 4  # all different, so that no axis can be mistaken for another
ROUNDING = 1e-13  # sums of a few dozen products of size 1, rounded in another order

MASKS = {
    "no mask": None,
    "causal": np.tril(np.ones((T, S), bool), S - T),
    "one token hidden from all": np.arange(S) != 3,
    "per image": np.random.default_rng(3).random((B, 1, T, S)) < 0.6,
    "per head": np.random.default_rng(4).random((B, h, T, S)) < 0.6,
}
for mask in MASKS.values():
    if mask is not None:
        mask[..., 0] = True  # every token may ask at least the first


@pytest.fixture
def qkv(rng) -> dict[str, np.ndarray]:
    """Queries of T tokens, keys and values of S."""
    return {
        "q": rng.standard_normal((B, h, T, Dh)),
        "k": rng.standard_normal((B, h, S, Dh)),
        "v": rng.standard_normal((B, h, S, Dh)),
    }


def test_attention_by_hand():
    """One query, two keys: scores 1 and 1 + log 3 after the scaling by 1 / sqrt(4), so weights 1/4 and 3/4."""
    q = np.array([[[[2.0, 0, 0, 0]]]])
    k = np.array([[[[1.0, 9, 9, 9], [1 + np.log(3), 0, 0, 0]]]])
    v = np.array([[[[4.0, 0, 0, 0], [0, 8, 0, 0]]]])
    y, _ = attention(q, k, v)
    np.testing.assert_allclose(y, [[[[1, 6, 0, 0]]]], rtol=1e-14)  # exp and log round to 1e-16


def test_attention_equals_loops(qkv):
    q, k, v = qkv.values()
    y, _ = attention(q, k, v, MASKS["per head"])
    b, head, t = 1, 2, 4
    allowed = [s for s in range(S) if MASKS["per head"][b, head, t, s]]
    weights = [np.exp(q[b, head, t] @ k[b, head, s] / np.sqrt(Dh)) for s in allowed]
    expected = sum(w * v[b, head, s] for w, s in zip(weights, allowed, strict=True)) / sum(weights)
    np.testing.assert_allclose(y[b, head, t], expected, rtol=ROUNDING)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_attention_pair(mask, qkv, rng, assert_right):
    assert_right(check_pair(attention, attention_backward, qkv, rng, verbose=False, mask=mask))


def test_the_cache_has_names(qkv):
    y, cache = attention(**qkv)
    assert cache.q is qkv["q"]
    assert cache.k is qkv["k"]
    np.testing.assert_allclose(cache.A @ cache.v, y, rtol=ROUNDING, atol=ROUNDING)


def test_a_token_that_nobody_may_ask_gets_no_gradient(qkv, rng):
    _, cache = attention(**qkv, mask=MASKS["one token hidden from all"])
    _, dk, dv = attention_backward(rng.standard_normal((B, h, T, Dh)), cache)
    for gradient in (dk, dv):  # exactly 0: its weight is exp(-inf)
        assert (gradient[:, :, 3] == 0).all()
        assert (gradient[:, :, 2] != 0).all()


def test_heads_are_split_in_order_and_merged_again():
    x = np.arange(2 * 5 * 6).reshape(2, 5, 6)
    heads = split_heads(x, 3)
    assert np.array_equal(heads[1, 2], x[1, :, 4:6])  # head 2 of 3 reads the last Dh = 2 features
    assert np.array_equal(merge_heads(heads), x)


# ---- MultiHeadAttention ------------------------------------------------------------------------------------------

D = h * Dh


def layer_and_tokens(rng):
    return MultiHeadAttention(D, h, rng, np.float64), rng.standard_normal((B, S, D))


@pytest.mark.parametrize("masked", [False, True])
def test_layer(masked, rng, check_layer):
    layer, z = layer_and_tokens(rng)
    mask = np.random.default_rng(5).random((B, 1, S, S)) < 0.6
    mask[..., 0] = True
    check_layer(layer, z, samples=40, mask=mask if masked else None)


def test_the_first_token_alone_is_the_first_row_of_everything(rng, scramble):
    """Computing one token's output, or all S and reading the first: the same numbers, forward and backward."""
    layer, z = layer_and_tokens(rng)
    scramble(layer)
    dy = rng.standard_normal((B, 1, D))

    short = layer.first_token(z)
    dz_short = layer.backward(dy)
    short_gradients = layer.gradients()

    layer.zero_grad()
    full = layer(z)
    dz_full = layer.backward(np.concatenate([dy, np.zeros((B, S - 1, D))], axis=1))
    np.testing.assert_allclose(short, full[:, :1], rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(dz_short, dz_full, rtol=ROUNDING, atol=ROUNDING)
    for name, gradient in layer.gradients().items():
        np.testing.assert_allclose(short_gradients[name], gradient, rtol=ROUNDING, atol=ROUNDING, err_msg=name)


def test_tokens_in_another_order_give_outputs_in_that_order(rng, scramble):
    """Without positions, attention does not know which token came first."""
    layer, z = layer_and_tokens(rng)
    order = rng.permutation(S)
    y, y_permuted = scramble(layer)(z), layer(z[:, order])
    np.testing.assert_allclose(y_permuted, y[:, order], rtol=ROUNDING, atol=ROUNDING)


def test_record(rng, scramble):
    layer, z = layer_and_tokens(rng)
    record = {}
    out = scramble(layer)(z, record=record)
    assert list(record) == ["q", "k", "v", "A", "heads", "out"]
    assert record["out"] is out
    np.testing.assert_allclose(record["A"].sum(axis=-1), 1, rtol=ROUNDING)
    np.testing.assert_allclose(merge_heads(record["A"] @ record["v"]), record["heads"], rtol=ROUNDING, atol=ROUNDING)
