"""vitedu_numpy/layers/sublayers.py: feed-forward layer, the way around a layer, encoder and decoder block."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy.config import TransformerConfig
from vitedu_numpy.layers.sublayers import DecoderBlock, EncoderBlock, FeedForward, Sublayer
from vitedu_numpy.layers.symbols import causal_mask
from vitedu_numpy.module import Module

B, T, S, D, M, h = 2, 5, 7, 6, 9, 3
PADDING = np.array([7, 4])[:, None, None, None] > np.arange(S)  # (B, 1, 1, S)

both_norms = pytest.mark.parametrize("norm", ["post", "pre"])
with_and_without_dropout = pytest.mark.parametrize("dropout", [0.0, 0.3])


def settings(norm="post", dropout=0.0):
    return TransformerConfig(8, 8, D, 1, h, M, norm=norm, dropout=dropout, attention_dropout=dropout)


class OneInput(Module):
    """A block of z and memory, seen as a layer of one of them: the other stays as it is."""

    def __init__(self, block, other, number):
        self.block, self.other, self.number = block, other, number

    def forward(self, x, **options):
        inputs = (x, self.other) if self.number == 0 else (self.other, x)
        return self.block(*inputs, **options)

    def backward(self, dz):
        return self.block.backward(dz)[self.number]


def test_feed_forward(rng, check_layer, scramble):
    layer, x = FeedForward(D, M, rng, np.float64), rng.standard_normal((B, T, D))
    check_layer(layer, x)
    W1, b1, W2, b2 = (p.value for _, p in layer.named_parameters())
    expected = np.maximum(x @ W1.T + b1, 0) @ W2.T + b2
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12)  # sums of 9 products, rounded in another order


@both_norms
@with_and_without_dropout
def test_sublayer(norm, dropout, rng, check_layer, fix_dropout):
    layer = Sublayer(FeedForward(D, M, rng, np.float64), settings(norm, dropout), rng, np.float64)
    check_layer(fix_dropout(layer, {"drop": (B, T, D)}), rng.standard_normal((B, T, D)))


def test_where_the_norm_stands(rng, scramble):
    """The two lines of Sec. 3.1 and of the ViT, written out."""
    x = rng.standard_normal((B, T, D))
    for norm in ("post", "pre"):
        s = scramble(Sublayer(FeedForward(D, M, rng, np.float64), settings(norm), rng, np.float64))
        expected = s.norm(x + s.layer(x)) if norm == "post" else x + s.layer(s.norm(x))
        assert np.array_equal(s(x), expected)


@both_norms
@with_and_without_dropout
def test_encoder_block(norm, dropout, rng, check_layer, fix_dropout):
    block = EncoderBlock(settings(norm, dropout), rng, np.float64)
    masks = {"attention.drop": (B, S, D), "mlp.drop": (B, S, D)}
    if dropout:  # without it, plain attention, which has nothing to drop
        masks["attention.layer.drop"] = (B, h, S, S)
    fix_dropout(block, masks)
    if not dropout:
        block.eval()
    check_layer(block, rng.standard_normal((B, S, D)), samples=12, mask=PADDING)


@both_norms
@with_and_without_dropout
@pytest.mark.parametrize("number", [0, 1], ids=["z", "memory"])
def test_decoder_block(number, norm, dropout, rng, check_layer, fix_dropout):
    block = DecoderBlock(settings(norm, dropout), rng, np.float64)
    masks = {f"{name}.drop": (B, T, D) for name in ("self_attention", "cross_attention", "mlp")}
    if dropout:  # without it, plain attention, which has nothing to drop
        masks |= {"self_attention.layer.drop": (B, h, T, T), "cross_attention.layer.drop": (B, h, T, S)}
    fix_dropout(block, masks)
    if not dropout:
        block.eval()
    inputs = rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D))
    layer = OneInput(block, inputs[1 - number], number)
    check_layer(layer, inputs[number], samples=12, mask=causal_mask(T), memory_mask=PADDING)


def test_post_norm_gives_mean_0_and_variance_1(rng):
    """What leaves a fresh post-norm block is normalised; with pre-norm the sum grows from block to block."""
    x = 3 * rng.standard_normal((B, S, D)) + 1
    out = EncoderBlock(settings("post"), rng, np.float64)(x)
    np.testing.assert_allclose(out.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(out.var(axis=-1), 1, rtol=1e-4)  # eps = 1e-6 against a variance of about 10
    assert EncoderBlock(settings("pre"), rng, np.float64)(x).var() > 8
