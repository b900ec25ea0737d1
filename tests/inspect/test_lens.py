"""The logit lens: the last layer is the model's output, earlier ones are models cut short."""

from __future__ import annotations

import numpy as np
import pytest

import vitedu_numpy as vn
from vitedu_numpy.inspect import as_array, logit_lens, token_lens

# The same modules on the same arrays; in token_lens all tokens at once, in another order of sums.
CLOSE = dict(rtol=1e-11, atol=1e-12)

HEADS = [
    dict(classifier="token"),
    dict(classifier="gap"),
    dict(classifier="token", representation_size=7),
    dict(classifier="gap", representation_size=7),
]


@pytest.mark.parametrize("head", HEADS, ids=["token", "gap", "token, pre-logits", "gap, pre-logits"])
def test_the_last_layer_is_the_output(seen, small, head):
    it = seen(small(**head))
    lens, tokens = logit_lens(it.model, it.record), token_lens(it.model, it.record)
    T = it.config.num_tokens
    assert (lens.shape, tokens.shape) == ((4, 2, 5), (4, 2, T, 5))
    np.testing.assert_allclose(lens[-1], as_array(it.logits), **CLOSE)
    if it.config.classifier == "token":
        np.testing.assert_allclose(tokens[:, :, 0], lens, **CLOSE)
    elif not it.config.representation_size:  # a mean of linear answers is the answer to the mean
        np.testing.assert_allclose(tokens.mean(axis=2), lens, **CLOSE)


def test_an_early_layer_is_a_shorter_model(small, twins):
    """What the lens reads after 1 block is the output of a model of depth 1 with the same parameters."""
    ours, _ = twins(small())
    shorter = vn.ViT(small(depth=1), 0, dtype="float64")
    state = ours.model.state_dict()
    shorter.load_state_dict({name: state[name] for name in shorter.state_dict()})
    np.testing.assert_allclose(logit_lens(ours.model, ours.record)[1], shorter(ours.images), **CLOSE)


def test_tokens_by_hand(seen, small):
    """Layer norm and head written out for one token."""
    it = seen(small())
    state = {name: as_array(value) for name, value in it.model.state_dict().items()}
    z = as_array(it.record["block01/z"])[1, 5]
    normed = (z - z.mean()) / np.sqrt(z.var() + it.config.layernorm_eps)
    normed = normed * state["encoder.norm.weight"] + state["encoder.norm.bias"]
    expected = state["head.weight"] @ normed + state["head.bias"]
    np.testing.assert_allclose(token_lens(it.model, it.record)[2, 1, 5], expected, **CLOSE)
    np.testing.assert_allclose(token_lens(it.model, it.record, [4, 0])[2, 1, 5], expected[[4, 0]], **CLOSE)


def test_hybrids_have_a_lens_too(seen, hybrid_config):
    it = seen(hybrid_config)
    np.testing.assert_allclose(logit_lens(it.model, it.record)[-1], as_array(it.logits), **CLOSE)


def test_the_model_stays_as_it_is(small, twins):
    """NumPy's modules keep what backward needs: looking inside between forward and backward must not change that."""
    ours, _ = twins(small(representation_size=7))
    dlogits = np.ones_like(ours.logits)
    ours.model.forward(ours.images, ours.record)
    ours.model.backward(dlogits)
    expected = {name: value.copy() for name, value in ours.model.gradients().items()}
    ours.model.zero_grad()
    ours.model.forward(ours.images, ours.record)
    logit_lens(ours.model, ours.record)
    token_lens(ours.model, ours.record)
    ours.model.backward(dlogits)
    for name, gradient in ours.model.gradients().items():
        np.testing.assert_array_equal(gradient, expected[name], err_msg=name)


def test_records_of_inference_mode(small, twins):
    import torch

    _, theirs = twins(small())
    record = {}
    with torch.inference_mode():
        logits = theirs.model(theirs.images, record)
    np.testing.assert_allclose(logit_lens(theirs.model, record)[-1], logits.numpy(), **CLOSE)
