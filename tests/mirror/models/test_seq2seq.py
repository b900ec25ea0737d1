"""The encoder-decoder and its parts: the same names, state, records, gradients and decoded symbols in both packages."""

from __future__ import annotations

import numpy as np
import pytest
import rooms
import torch

from vitedu.layers import crossattention as torch_cross
from vitedu.layers import sublayers as torch_sublayers
from vitedu.layers import symbols as torch_symbols
from vitedu.models import decode as torch_decode
from vitedu.models import seq2seq as torch_seq2seq
from vitedu.training import sequence_loss as torch_loss
from vitedu_numpy import relative_error
from vitedu_numpy.config import TransformerConfig
from vitedu_numpy.layers import crossattention as numpy_cross
from vitedu_numpy.layers import sublayers as numpy_sublayers
from vitedu_numpy.layers import symbols as numpy_symbols
from vitedu_numpy.models import decode as numpy_decode
from vitedu_numpy.models import seq2seq as numpy_seq2seq
from vitedu_numpy.training import sequence_loss as numpy_loss

B, S, T, Vs, Vt, D, M, h = 2, 6, 5, 8, 7, 12, 9, 3
SIZES = dict(source_vocabulary=Vs, target_vocabulary=Vt, width=D, depth=2, heads=h, mlp_dim=M, max_length=9)
SOURCE = np.array([[3, 1, 7, 3, 2, 5], [4, 4, 6, 0, 0, 0]])
TARGET = np.array([[1, 5, 5, 2, 6], [1, 3, 2, 0, 0]])
NEXT = np.array([[5, 5, 2, 6, 4], [3, 2, 0, 0, 0]])  # what follows each symbol of TARGET
PADDING = (SOURCE != 0)[:, None, None, :]  # (B, 1, 1, S)
CAUSAL = np.tri(T, dtype=bool)

# Every option that changes names or arithmetic.
CONFIGS = {
    "post": {},
    "pre": dict(norm="pre"),
    "post, tied": dict(tied=True),
    "pre, tied": dict(norm="pre", tied=True),
    "post, large eps": dict(layernorm_eps=0.1),
    "pre, another pad, six blocks": dict(norm="pre", pad=3, depth=6),
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS)
def config(request) -> TransformerConfig:
    """One after the other, every kind of model."""
    return TransformerConfig(**SIZES | request.param)


@pytest.fixture
def transformers(scramble, mirror):
    """transformers(config) -> (NumPy Transformer, PyTorch Transformer), float64, the same scrambled parameters."""

    def build(config):
        numpy_model = scramble(numpy_seq2seq.Transformer(config, 0, np.float64))
        return mirror.share(numpy_model, torch_seq2seq.Transformer(config, 1))

    return build


# ---- functions -------------------------------------------------------------------------------------------------------


def test_sinusoid(mirror):
    for length, width in ((1, 2), (7, 6), (50, 12)):
        mirror.assert_equal(
            numpy_symbols.sinusoid(length, width, np.float64), torch_symbols.sinusoid(length, width, torch.float64)
        )
    assert numpy_symbols.sinusoid(3, 4).dtype == np.float32
    assert torch_symbols.sinusoid(3, 4).dtype == torch.float32


def test_masks():
    assert np.array_equal(numpy_symbols.causal_mask(T), torch_symbols.causal_mask(T).numpy())
    ours, theirs = numpy_symbols.padding_mask(SOURCE, 0), torch_symbols.padding_mask(torch.tensor(SOURCE), 0)
    assert np.array_equal(ours, theirs.numpy())


def test_embed(rng, mirror):
    weight, dy = rng.standard_normal((Vs, D)), rng.standard_normal((B, S, D))
    y, cache = numpy_symbols.embed(weight, SOURCE)
    torch_weight = mirror.tensor(weight, requires_grad=True)
    torch_y = torch_symbols.embed(torch_weight, torch.tensor(SOURCE))
    torch_y.backward(mirror.tensor(dy))
    mirror.assert_equal(y, torch_y, "y")
    mirror.assert_equal(numpy_symbols.embed_backward(dy, cache), torch_weight.grad, "dweight")


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("pad", [0, 5])
def test_token_cross_entropy(pad, label_smoothing, rng, mirror):
    logits = rng.standard_normal((B, T, Vt))
    loss, cache = numpy_loss.token_cross_entropy(logits, NEXT, pad, label_smoothing)
    x = mirror.tensor(logits, requires_grad=True)
    their_loss = torch_loss.token_cross_entropy(x, torch.tensor(NEXT), pad, label_smoothing)
    their_loss.backward()
    mirror.assert_equal(loss, their_loss, "loss")
    mirror.assert_equal(numpy_loss.token_cross_entropy_backward(1.0, cache), x.grad, "dlogits")


# ---- layers ----------------------------------------------------------------------------------------------------------

f64 = np.float64
POST, PRE = (TransformerConfig(**SIZES, norm=norm) for norm in ("post", "pre"))
MASKS = dict(mask=CAUSAL, memory_mask=PADDING)
# name: (NumPy layer, PyTorch layer, shapes of the inputs, options of forward)
LAYERS = {
    "CrossAttention": (
        lambda r: numpy_cross.CrossAttention(D, h, r, dtype=f64), lambda: torch_cross.CrossAttention(D, h),
        [(B, T, D), (B, S, D)], dict(mask=PADDING),
    ),
    "FeedForward": (
        lambda r: numpy_sublayers.FeedForward(D, M, r, f64), lambda: torch_sublayers.FeedForward(D, M), [(B, T, D)], {}
    ),
    "TiedHead": (
        lambda r: numpy_seq2seq.TiedHead(Vt, f64), lambda: torch_seq2seq.TiedHead(Vt), [(B, T, D), (Vt, D)], {}
    ),
}  # fmt: skip
for norm, c in (("post", POST), ("pre", PRE)):
    LAYERS |= {
        f"Sublayer, {norm}": (
            lambda r, c=c: numpy_sublayers.Sublayer(numpy_sublayers.FeedForward(D, M, r, f64), c, r, f64),
            lambda c=c: torch_sublayers.Sublayer(torch_sublayers.FeedForward(D, M), c), [(B, T, D)], {},
        ),
        f"EncoderBlock, {norm}": (
            lambda r, c=c: numpy_sublayers.EncoderBlock(c, r, f64), lambda c=c: torch_sublayers.EncoderBlock(c),
            [(B, S, D)], dict(mask=PADDING),
        ),
        f"DecoderBlock, {norm}": (
            lambda r, c=c: numpy_sublayers.DecoderBlock(c, r, f64), lambda c=c: torch_sublayers.DecoderBlock(c),
            [(B, T, D), (B, S, D)], MASKS,
        ),
        f"TransformerEncoder, {norm}": (
            lambda r, c=c: numpy_seq2seq.TransformerEncoder(c, r, f64),
            lambda c=c: torch_seq2seq.TransformerEncoder(c), [(B, S, D)], dict(mask=PADDING),
        ),
        f"TransformerDecoder, {norm}": (
            lambda r, c=c: numpy_seq2seq.TransformerDecoder(c, r, f64),
            lambda c=c: torch_seq2seq.TransformerDecoder(c), [(B, T, D), (B, S, D)], MASKS,
        ),
    }  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_layer(layer, rng, scramble, mirror):
    build_numpy, build_torch, shapes, options = layer
    numpy_layer, torch_layer = mirror.share(scramble(build_numpy(rng)), build_torch())
    torch_options = {name: mirror.tensor(value) for name, value in options.items()}
    inputs = [rng.standard_normal(shape) for shape in shapes]
    torch_inputs = [mirror.tensor(x, requires_grad=True) for x in inputs]
    y, torch_y = numpy_layer(*inputs, **options), torch_layer(*torch_inputs, **torch_options)
    dy = rng.standard_normal(y.shape)
    torch_y.backward(mirror.tensor(dy))
    dinputs = numpy_layer.backward(dy)
    mirror.assert_equal(y, torch_y, "y")
    for i, (ours, theirs) in enumerate(zip([dinputs] if len(inputs) == 1 else dinputs, torch_inputs, strict=True)):
        mirror.assert_equal(ours, theirs.grad, f"gradient of input {i}")
    mirror.assert_all_equal(numpy_layer.gradients(), torch_layer.gradients())


@pytest.mark.parametrize("mask", [None, PADDING], ids=["no mask", "padding"])
def test_the_fused_kernel_equals_the_explicit_lines(mask, rng, mirror):
    layer = torch_cross.CrossAttention(D, h).double()
    z, memory = (mirror.tensor(rng.standard_normal((B, n, D)), requires_grad=True) for n in (T, S))
    results = []
    for layer.fused in (True, False):
        y = layer(z, memory, None if mask is None else mirror.tensor(mask))
        names, parameters = zip(*layer.named_parameters(), strict=True)
        gradients = torch.autograd.grad(y.sin().sum(), [z, memory, *parameters])
        results.append(dict(zip(["y", "dz", "dmemory", *names], [y, *gradients], strict=True)))
    fused, explicit = results
    mirror.assert_all_equal({name: value.detach().numpy() for name, value in fused.items()}, explicit)


# ---- the whole model -------------------------------------------------------------------------------------------------


def test_names_shapes_and_order(config):
    numpy_state = numpy_seq2seq.Transformer(config, 0).state_dict()
    torch_state = torch_seq2seq.Transformer(config, 0).state_dict()
    assert [(name, value.shape) for name, value in numpy_state.items()] == [
        (name, tuple(value.shape)) for name, value in torch_state.items()
    ]
    assert {value.dtype for value in numpy_state.values()} == {np.dtype("float32")}
    assert {value.dtype for value in torch_state.values()} == {torch.float32}


def test_module_names(config):
    ours = [(name, type(m).__name__) for name, m in numpy_seq2seq.Transformer(config, 0).named_modules()]
    theirs = [
        (name, type(m).__name__.removeprefix("Frugal"))
        for name, m in torch_seq2seq.Transformer(config, 0).named_modules()
    ]
    assert ours == [(name, kind) for name, kind in theirs if kind != "ModuleList"]


def test_every_intermediate(config, transformers, mirror):
    """Walks the records in the order of computation, so the first name that differs is where things go wrong."""
    numpy_model, torch_model = transformers(config)
    numpy_record, torch_record = {}, {}
    numpy_model(SOURCE, TARGET, numpy_record)
    torch_model(torch.tensor(SOURCE), torch.tensor(TARGET), torch_record)
    assert "decoder/block01/cross_attention/A" in numpy_record
    mirror.assert_all_equal(numpy_record, torch_record)


# Two post-norm blocks with large parameters shrink some gradients to 1e-4 of what they are made of, and lose as many
# digits in rounding.
WHOLE_MODEL = 1e-10


def test_logits_loss_and_every_gradient(config, transformers, mirror):
    numpy_model, torch_model = transformers(config)
    logits = numpy_model(SOURCE, TARGET)
    loss, cache = numpy_loss.token_cross_entropy(logits, NEXT, config.pad, 0.1)
    numpy_model.backward(numpy_loss.token_cross_entropy_backward(1.0, cache))

    torch_logits = torch_model(torch.tensor(SOURCE), torch.tensor(TARGET))
    their_loss = torch_loss.token_cross_entropy(torch_logits, torch.tensor(NEXT), config.pad, 0.1)
    their_loss.backward()

    mirror.assert_equal(logits, torch_logits, "logits")
    mirror.assert_equal(loss, their_loss, "loss")
    ours, theirs = numpy_model.gradients(), torch_model.gradients()
    assert list(ours) == list(theirs)
    for name, gradient in ours.items():
        assert gradient.any(), f"nothing arrives at {name}"
        assert relative_error(gradient, theirs[name].numpy()) <= WHOLE_MODEL, name


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_with_the_same_dropout(norm, transformers, mirror, fix_dropout):
    config = TransformerConfig(**SIZES | dict(depth=1), norm=norm, tied=True, dropout=0.3, attention_dropout=0.2)
    numpy_model, torch_model = transformers(config)
    encoder, decoder = "encoder.blocks.0", "decoder.blocks.0"
    masks = {"source_embedding.drop": (B, S, D), "target_embedding.drop": (B, T, D)}
    masks |= {f"{encoder}.{name}.drop": (B, S, D) for name in ("attention", "mlp")}
    masks |= {f"{decoder}.{name}.drop": (B, T, D) for name in ("self_attention", "cross_attention", "mlp")}
    masks |= {f"{encoder}.attention.layer.drop": (B, h, S, S), f"{decoder}.self_attention.layer.drop": (B, h, T, T)}
    masks |= {f"{decoder}.cross_attention.layer.drop": (B, h, T, S)}
    fix_dropout(numpy_model, masks)
    parts = dict(torch_model.named_modules())
    for name, module in numpy_model.named_modules():
        if name in masks:
            parts[name].mask = mirror.tensor(module.mask)

    dlogits = np.random.default_rng(1).standard_normal((B, T, Vt))
    logits = numpy_model(SOURCE, TARGET)
    torch_logits = torch_model(torch.tensor(SOURCE), torch.tensor(TARGET))
    numpy_model.backward(dlogits)
    torch_logits.backward(mirror.tensor(dlogits))
    mirror.assert_equal(logits, torch_logits, "logits")
    ours, theirs = numpy_model.gradients(), torch_model.gradients()
    assert list(ours) == list(theirs)
    for name, gradient in ours.items():
        assert relative_error(gradient, theirs[name].numpy()) <= WHOLE_MODEL, name


def test_greedy_decode(config, transformers):
    numpy_model, torch_model = transformers(config)
    ours = numpy_decode.greedy_decode(numpy_model, SOURCE, 1, 4, 9)
    theirs = torch_decode.greedy_decode(torch_model, torch.tensor(SOURCE), 1, 4, 9)
    assert ours.shape[1] > 1
    assert np.array_equal(ours, theirs.numpy())
    assert torch_model.training
    assert not theirs.requires_grad


def test_positions_follow_the_dtype():
    """They are no part of the state, and exact in the dtype that the model has now."""
    model = torch_seq2seq.Transformer(POST, 0)
    ids = torch.tensor(SOURCE)
    single = model.source_embedding(ids)
    double = model.double().source_embedding(ids)
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    positions = double - torch_symbols.embed(model.source_embedding.weight, ids)
    torch.testing.assert_close(positions[0], torch_symbols.sinusoid(S, D, torch.float64), rtol=0, atol=1e-15)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.int64], ids=lambda kind: kind.__name__)
def test_any_integers_will_do(kind):
    for package in ("vitedu_numpy", "vitedu"):
        seq2seq, sequence_loss = (rooms.load(package, name) for name in ("seq2seq", "sequence_loss"))
        model = seq2seq.Transformer(POST, 0)
        as_ids = np.asarray if package == "vitedu_numpy" else torch.as_tensor
        logits = model(as_ids(SOURCE.astype(kind)), as_ids(TARGET.astype(kind)))
        loss = sequence_loss.token_cross_entropy(logits, as_ids(NEXT.astype(kind)), 0)
        loss = loss[0] if package == "vitedu_numpy" else loss.item()
        assert np.isfinite(loss)
