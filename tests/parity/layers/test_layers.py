"""Attention, block, layer norm, GELU and patch embedding against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import vitedu
from vitedu.layers.attention import attention
from vitedu.layers.attention_variants import general_attention
from vitedu.layers.gelu import gelu, gelu_tanh, normal_cdf
from vitedu.layers.layernorm import layernorm
from vitedu.layers.patches import patchify

B, S, D, M, h = 2, 7, 12, 10, 3
# float64, the same sums of at most some hundred terms in another order, each rounded to 1e-16.
CLOSE = dict(rtol=1e-12, atol=1e-12)

MASK = torch.rand((S, S), generator=torch.Generator().manual_seed(3)) < 0.6
MASK.fill_diagonal_(True)


def gradients(y, inputs):
    """Gradients of a fixed random weighting of y."""
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
    return torch.autograd.grad(y, inputs, dy)


def assert_all_close(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
@pytest.mark.parametrize("fused", [True, False])
def test_multi_head_attention(mask, fused, scramble_torch):
    ours = scramble_torch(vitedu.MultiHeadAttention(D, h))
    ours.fused = fused
    theirs = nn.MultiheadAttention(D, h, batch_first=True).double()
    names = {"qkv.weight": "in_proj_weight", "qkv.bias": "in_proj_bias", "out.weight": "out_proj.weight"}
    names["out.bias"] = "out_proj.bias"
    theirs.load_state_dict({names[name]: value for name, value in ours.state_dict().items()})

    z = torch.randn((B, S, D), dtype=torch.float64, requires_grad=True)
    y, record = ours(z, mask), {}
    ours(z, mask, record)
    their_y, their_A = theirs(z, z, z, attn_mask=None if mask is None else ~mask, average_attn_weights=False)
    torch.testing.assert_close(y, their_y, **CLOSE)
    torch.testing.assert_close(record["A"], their_A, **CLOSE)
    their_parameters = dict(theirs.named_parameters())
    assert_all_close(
        gradients(y, [z, *ours.parameters()]),
        gradients(their_y, [z, *(their_parameters[names[name]] for name, _ in ours.named_parameters())]),
    )


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dropped", [False, True])
def test_attention_between_two_sequences(masked, dropped):
    """T = 4 tokens ask S = 7 others: against scaled_dot_product_attention, and dropout written as loops."""
    q = torch.randn((B, h, 4, 5), dtype=torch.float64)
    k, v = torch.randn((2, B, h, S, 5), dtype=torch.float64)
    mask = MASK[:4] if masked else None
    drop = 2.0 * torch.randint(0, 2, (B, h, 4, S)).double() if dropped else None
    y = general_attention(q, k, v, mask, drop)
    if drop is None:  # the same lines
        assert torch.equal(attention(q, k, v, mask), y)
    expected = torch.zeros_like(y)
    for s in range(S):  # a sum over the tokens asked, one after the other
        only_s = torch.zeros_like(v)
        only_s[:, :, s] = v[:, :, s]
        part = F.scaled_dot_product_attention(q, k, only_s, attn_mask=mask)
        expected += part if drop is None else part * drop[..., s : s + 1]
    torch.testing.assert_close(y, expected, **CLOSE)


@pytest.mark.parametrize("masked", [False, True])
def test_block(masked, scramble_torch):
    ours = scramble_torch(vitedu.Block(vitedu.MultiHeadAttention(D, h), vitedu.MLP(D, M), D))
    theirs = nn.TransformerEncoderLayer(
        D, h, M, dropout=0.0, activation=F.gelu, layer_norm_eps=1e-6, batch_first=True, norm_first=True
    ).double()
    names = {"norm1": "norm1", "norm2": "norm2", "mlp.fc1": "linear1", "mlp.fc2": "linear2"}
    names |= {"attention.out": "self_attn.out_proj", "attention.qkv": "self_attn.in_proj"}

    def their_name(name):
        layer, kind = name.rsplit(".", 1)
        return f"{names[layer]}{'_' if layer == 'attention.qkv' else '.'}{kind}"

    theirs.load_state_dict({their_name(name): value for name, value in ours.state_dict().items()})
    z = torch.randn((B, S, D), dtype=torch.float64, requires_grad=True)
    y, their_y = ours(z, MASK if masked else None), theirs(z, src_mask=~MASK if masked else None)
    torch.testing.assert_close(y, their_y, **CLOSE)
    their_parameters = dict(theirs.named_parameters())
    assert_all_close(
        gradients(y, [z, *ours.parameters()]),
        gradients(their_y, [z, *(their_parameters[their_name(name)] for name, _ in ours.named_parameters())]),
    )


@pytest.mark.parametrize("eps", [1e-6, 0.1])
def test_layernorm(eps):
    x = 0.5 * torch.randn((B, S, D), dtype=torch.float64) + 2
    weight, bias = torch.rand((2, D), dtype=torch.float64) + 0.5
    expected = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + eps).sqrt() * weight + bias
    torch.testing.assert_close(layernorm(x, weight, bias, eps), expected, **CLOSE)
    torch.testing.assert_close(F.layer_norm(x, (D,), weight, bias, eps), expected, **CLOSE)


def test_gelu():
    x = torch.linspace(-10, 10, 401, dtype=torch.float64)
    torch.testing.assert_close(gelu(x), F.gelu(x), **CLOSE)
    torch.testing.assert_close(gelu_tanh(x), F.gelu(x, approximate="tanh"), **CLOSE)
    torch.testing.assert_close(normal_cdf(x), torch.distributions.Normal(0.0, 1.0).cdf(x), **CLOSE)
    torch.testing.assert_close(gelu(x), x * torch.special.ndtr(x), **CLOSE)


@pytest.mark.parametrize("P", [1, 2, 3])
def test_patch_embedding_is_a_convolution(P, scramble_torch):
    """Kernel P x P, stride P; E is the convolution's kernel, flattened in the order (C, P, P)."""
    C, images = 3, torch.randn((B, 3, 6, 12), dtype=torch.float64)
    ours = scramble_torch(vitedu.PatchEmbedding(C, P, D))
    expected = F.conv2d(images, ours.weight.reshape(D, C, P, P), ours.bias, stride=P).flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours(images), expected, **CLOSE)


@pytest.mark.parametrize("P", [1, 2, 3])
def test_patchify_is_unfold(P):
    images = torch.randn((B, 3, 6, 12), dtype=torch.float64)
    assert torch.equal(patchify(images, P), F.unfold(images, P, stride=P).transpose(1, 2))  # exact: nothing is computed
