"""The encoder-decoder against PyTorch's own layers, and decoding, positions and loss against plain loops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vitedu.layers.crossattention import CrossAttention
from vitedu.layers.symbols import causal_mask, embed, padding_mask, sinusoid
from vitedu.models.decode import greedy_decode
from vitedu.models.seq2seq import Transformer, TransformerDecoder, TransformerEncoder
from vitedu.training.sequence_loss import token_cross_entropy
from vitedu_numpy.config import TransformerConfig

B, S, T, D, M, h, L = 2, 7, 5, 12, 10, 3, 3
# float64, the same sums of at most some hundred terms in another order, each rounded to 1e-16.
CLOSE = dict(rtol=1e-11, atol=1e-12)

SOURCE = torch.tensor([[3, 1, 7, 3, 2, 5, 6], [4, 4, 6, 2, 0, 0, 0]])
TARGET = torch.tensor([[1, 5, 5, 2, 6], [1, 3, 2, 0, 0]])

# ours -> theirs, inside a block
NAMES = {"mlp.layer.fc1": "linear1", "mlp.layer.fc2": "linear2"}
ENCODER = NAMES | {
    "attention.layer.qkv": "self_attn.in_proj_", "attention.layer.out": "self_attn.out_proj",
    "attention.norm": "norm1", "mlp.norm": "norm2",
}  # fmt: skip
DECODER = NAMES | {
    "self_attention.layer.qkv": "self_attn.in_proj_", "self_attention.layer.out": "self_attn.out_proj",
    "cross_attention.layer.out": "multihead_attn.out_proj",
    "self_attention.norm": "norm1", "cross_attention.norm": "norm2", "mlp.norm": "norm3",
}  # fmt: skip


def settings(norm, **changes):
    return TransformerConfig(**dict(
        source_vocabulary=8, target_vocabulary=7, width=D, depth=L, heads=h, mlp_dim=M, norm=norm, max_length=9
    ) | changes)  # fmt: skip


def translate(values, names):
    """Our names to PyTorch's.  It keeps U_q and U_kv of cross-attention in one matrix."""
    translated = {}
    for name, value in values.items():
        if name.startswith("norm."):
            translated[name] = value
            continue
        blocks, i, layer, kind = *name.split(".", 2)[:2], *name.split(".", 2)[2].rsplit(".", 1)
        assert blocks == "blocks"
        if layer in ("cross_attention.layer.q", "cross_attention.layer.kv"):
            joined = f"layers.{i}.multihead_attn.in_proj_{kind}"
            translated[joined] = torch.cat([translated[joined], value]) if joined in translated else value
            continue
        theirs = names[layer]
        translated[f"layers.{i}.{theirs}{kind}" if theirs.endswith("_") else f"layers.{i}.{theirs}.{kind}"] = value
    return translated


def layer_options(norm):
    return dict(
        dropout=0.0, activation="relu", layer_norm_eps=1e-6, batch_first=True, norm_first=norm == "pre",
        dtype=torch.float64,
    )  # fmt: skip


def assert_same_gradients(ours, inputs, outputs, theirs, their_inputs, their_outputs, names, at):
    """Gradients of a random weighting of the outputs at the places `at`: padded places compute what nobody reads."""
    dy = torch.randn(outputs.shape, dtype=torch.float64) * at[..., None]
    gradients = torch.autograd.grad(outputs, [*inputs, *ours.parameters()], dy)
    their_parameters = dict(theirs.named_parameters())
    their_gradients = torch.autograd.grad(their_outputs, [*their_inputs, *their_parameters.values()], dy)
    n = len(inputs)
    for one, other in zip(gradients[:n], their_gradients[:n], strict=True):
        torch.testing.assert_close(one, other, **CLOSE)
    by_name = dict(zip([name for name, _ in ours.named_parameters()], gradients[n:], strict=True))
    translated, theirs_by_name = (
        translate(by_name, names),
        dict(zip(their_parameters, their_gradients[n:], strict=True)),
    )
    assert set(translated) == set(theirs_by_name)
    for name, gradient in theirs_by_name.items():
        torch.testing.assert_close(translated[name], gradient, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_encoder(norm, padded, scramble_torch):
    ours = scramble_torch(TransformerEncoder(settings(norm)))
    layer = nn.TransformerEncoderLayer(D, h, M, **layer_options(norm))
    last = nn.LayerNorm(D, 1e-6, dtype=torch.float64) if norm == "pre" else None  # PyTorch's own choice is the caller's
    theirs = nn.TransformerEncoder(layer, L, last, enable_nested_tensor=False)
    theirs.load_state_dict(translate(ours.state_dict(), ENCODER))
    z = torch.randn((B, S, D), dtype=torch.float64, requires_grad=True)
    is_pad = SOURCE == 0 if padded else torch.zeros((B, S), dtype=torch.bool)
    mask = padding_mask(SOURCE, 0) if padded else None
    y, their_y = ours(z, mask), theirs(z, src_key_padding_mask=is_pad if padded else None)
    torch.testing.assert_close(y[~is_pad], their_y[~is_pad], **CLOSE)
    assert_same_gradients(ours, [z], y, theirs, [z], their_y, ENCODER, ~is_pad)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_decoder(norm, padded, scramble_torch):
    ours = scramble_torch(TransformerDecoder(settings(norm)))
    layer = nn.TransformerDecoderLayer(D, h, M, **layer_options(norm))
    last = nn.LayerNorm(D, 1e-6, dtype=torch.float64) if norm == "pre" else None
    theirs = nn.TransformerDecoder(layer, L, last)
    theirs.load_state_dict(translate(ours.state_dict(), DECODER))
    z, memory = (torch.randn((B, n, D), dtype=torch.float64, requires_grad=True) for n in (T, S))
    is_pad = TARGET == 0 if padded else torch.zeros((B, T), dtype=torch.bool)
    mask, memory_mask, their_masks = causal_mask(T), None, {}
    if padded:
        mask, memory_mask = mask & padding_mask(TARGET, 0), padding_mask(SOURCE, 0)
        their_masks = dict(tgt_key_padding_mask=is_pad, memory_key_padding_mask=SOURCE == 0)
    y = ours(z, memory, mask, memory_mask)
    their_y = theirs(z, memory, tgt_mask=~causal_mask(T), **their_masks)
    torch.testing.assert_close(y[~is_pad], their_y[~is_pad], **CLOSE)
    assert_same_gradients(ours, [z, memory], y, theirs, [z, memory], their_y, DECODER, ~is_pad)


def test_cross_attention(scramble_torch):
    ours = scramble_torch(CrossAttention(D, h))
    theirs = nn.MultiheadAttention(D, h, batch_first=True, dtype=torch.float64)
    state = ours.state_dict()
    joined = {f"in_proj_{kind}": torch.cat([state[f"q.{kind}"], state[f"kv.{kind}"]]) for kind in ("weight", "bias")}
    theirs.load_state_dict(joined | {f"out_proj.{kind}": state[f"out.{kind}"] for kind in ("weight", "bias")})
    z, memory = (torch.randn((B, n, D), dtype=torch.float64) for n in (T, S))
    record = {}
    y = ours(z, memory, padding_mask(SOURCE, 0), record)
    their_y, their_A = theirs(z, memory, memory, key_padding_mask=SOURCE == 0, average_attn_weights=False)
    torch.testing.assert_close(y, their_y, **CLOSE)
    torch.testing.assert_close(record["A"], their_A, **CLOSE)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_transformer(norm, tied, scramble_torch):
    """The whole model: `nn.Transformer` between embeddings and output layer that are written out."""
    ours = scramble_torch(Transformer(settings(norm, tied=tied)))
    theirs = nn.Transformer(
        D, h, L, L, custom_encoder=nn.Identity(), custom_decoder=nn.Identity(), batch_first=True
    )  # its own encoder and decoder always have a last norm, whatever norm_first says
    options, last = layer_options(norm), norm == "pre"
    norms = [nn.LayerNorm(D, 1e-6, dtype=torch.float64) if last else None for _ in range(2)]
    theirs.encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(D, h, M, **options), L, norms[0], enable_nested_tensor=False
    )
    theirs.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(D, h, M, **options), L, norms[1])
    theirs.encoder.load_state_dict(translate(ours.encoder.state_dict(), ENCODER))
    theirs.decoder.load_state_dict(translate(ours.decoder.state_dict(), DECODER))

    inputs = []
    for ids, embedding in ((SOURCE, ours.source_embedding), (TARGET, ours.target_embedding)):
        z = torch.zeros((*ids.shape, D), dtype=torch.float64)
        for t in range(ids.shape[1]):
            for d in range(D):
                angle = t / 10000 ** (2 * (d // 2) / D)
                z[:, t, d] = math.sqrt(D) * embedding.weight[ids[:, t], d]
                z[:, t, d] += math.sin(angle) if d % 2 == 0 else math.cos(angle)
        inputs.append(z)
    decoded = theirs(
        *inputs, tgt_mask=~causal_mask(T), src_key_padding_mask=SOURCE == 0, tgt_key_padding_mask=TARGET == 0,
        memory_key_padding_mask=SOURCE == 0,
    )  # fmt: skip
    weight = ours.target_embedding.weight if tied else ours.head.weight
    expected = decoded @ weight.T + ours.head.bias
    here = TARGET != 0
    torch.testing.assert_close(ours(SOURCE, TARGET)[here], expected[here], **CLOSE)


def test_sinusoid():
    PE = sinusoid(60, D, torch.float64)
    for t in (0, 1, 59):
        for i in range(D // 2):
            w = 10000 ** (-2 * i / D)
            assert math.isclose(PE[t, 2 * i], math.sin(t * w), rel_tol=1e-12, abs_tol=1e-15)
            assert math.isclose(PE[t, 2 * i + 1], math.cos(t * w), rel_tol=1e-12, abs_tol=1e-15)


def test_embed():
    weight = torch.randn((8, D), dtype=torch.float64)
    expected = nn.Embedding.from_pretrained(weight)(SOURCE) * math.sqrt(D)
    assert torch.equal(embed(weight, SOURCE), expected)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_token_cross_entropy(label_smoothing):
    """One term per symbol that is not padding, from `log_softmax`."""
    logits = torch.randn((B, T, 7), dtype=torch.float64)
    terms = []
    for b in range(B):
        for t in range(T):
            if TARGET[b, t] != 0:
                log_p = F.log_softmax(logits[b, t], dim=-1)
                terms.append(-(1 - label_smoothing) * log_p[TARGET[b, t]] - label_smoothing * log_p.mean())
    assert len(terms) == 8
    loss = token_cross_entropy(logits, TARGET, 0, label_smoothing)
    torch.testing.assert_close(loss, sum(terms) / len(terms), **CLOSE)


def test_greedy_decoding(scramble_torch):
    """Sequence by sequence, each time with the whole model from the start."""
    model = scramble_torch(Transformer(settings("pre"))).eval()
    together = greedy_decode(model, SOURCE, start=1, stop=4, max_length=9)
    for source, row in zip(SOURCE, together, strict=True):
        written = [1]
        while written[-1] != 4 and len(written) < 9:
            logits = model(source[None], torch.tensor([written]))[0, -1]
            written.append(1 + int(logits[1:].argmax()))  # pad = 0 is never chosen
        assert row.tolist() == written + [0] * (together.shape[1] - len(written))
