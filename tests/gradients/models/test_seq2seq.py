"""vitedu_numpy/models/seq2seq.py: the whole encoder-decoder, its masks, its tied head, and greedy decoding."""

from __future__ import annotations

import numpy as np
import pytest

from vitedu_numpy.config import TransformerConfig
from vitedu_numpy.layers.symbols import causal_mask, padding_mask
from vitedu_numpy.models.decode import greedy_decode
from vitedu_numpy.models.seq2seq import TiedHead, Transformer, TransformerDecoder, TransformerEncoder
from vitedu_numpy.module import Module

B, S, T, Vs, Vt, D, M, h = 2, 6, 5, 8, 7, 6, 9, 3
SIZES = dict(source_vocabulary=Vs, target_vocabulary=Vt, width=D, depth=2, heads=h, mlp_dim=M, max_length=9)
SOURCE = np.array([[3, 1, 7, 3, 2, 5], [4, 4, 6, 0, 0, 0]])  # pad = 0 at the end; some symbols twice, some never
TARGET = np.array([[1, 5, 5, 2, 6], [1, 3, 2, 0, 0]])

# Post-norm models have one block here: with the tests' large parameters two of them give all source symbols nearly the
# same memory, and gradients of 1e-4 that central differences, good to 1e-10, cannot judge to 1e-7.  Two post-norm
# blocks: `test_encoder` and `test_decoder` below, and the mirror tests.
MODELS = {
    "post": dict(depth=1),
    "pre": dict(norm="pre"),
    "post, tied": dict(depth=1, tied=True),
    "pre, tied": dict(norm="pre", tied=True),
    "post, large eps": dict(depth=1, layernorm_eps=0.1),
    "pre, one block, another pad": dict(norm="pre", depth=1, pad=3),
}
every_model = pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)


def build(rng, **changes):
    return Transformer(TransformerConfig(**SIZES | changes), rng, np.float64)


class OfSymbols(Module):
    """A model of integers as `check_layer` wants it: a float input x, which is added to the logits."""

    def __init__(self, model, *ids):
        self.model, self.ids = model, ids

    def forward(self, x):
        return self.model(*self.ids) + x

    def backward(self, dy):
        assert self.model.backward(dy) is None  # integers have no gradient
        return dy


class OneInput(Module):
    """A layer of two inputs, seen as a layer of one of them: the other stays as it is."""

    def __init__(self, layer, other, number):
        self.layer, self.other, self.number = layer, other, number

    def forward(self, x, **options):
        inputs = (x, self.other) if self.number == 0 else (self.other, x)
        return self.layer(*inputs, **options)

    def backward(self, dz):
        return self.layer.backward(dz)[self.number]


# ---- gradients -----------------------------------------------------------------------------------------------------


@every_model
def test_every_model(changes, rng, check_layer):
    model = build(rng, **changes)
    check_layer(OfSymbols(model, SOURCE, TARGET), np.zeros((B, T, Vt)), samples=4)


@every_model
def test_every_single_entry(changes, rng, check_layer):
    model = build(rng, **changes | dict(depth=1, width=4, heads=1, mlp_dim=3))
    check_layer(OfSymbols(model, SOURCE, TARGET), np.zeros((B, T, Vt)))


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_with_dropout(norm, rng, check_layer, fix_dropout):
    depth = 1 if norm == "post" else 2
    model = build(rng, norm=norm, depth=depth, tied=True, dropout=0.3, attention_dropout=0.3)
    masks = {"model.source_embedding.drop": (B, S, D), "model.target_embedding.drop": (B, T, D)}
    for i in range(depth):
        block = f"model.encoder.blocks.{i}"
        masks |= {f"{block}.{name}.drop": (B, S, D) for name in ("attention", "mlp")}
        masks[f"{block}.attention.layer.drop"] = (B, h, S, S)
        block = f"model.decoder.blocks.{i}"
        masks |= {f"{block}.{name}.drop": (B, T, D) for name in ("self_attention", "cross_attention", "mlp")}
        masks |= {f"{block}.self_attention.layer.drop": (B, h, T, T)}
        masks |= {f"{block}.cross_attention.layer.drop": (B, h, T, S)}
    check_layer(fix_dropout(OfSymbols(model, SOURCE, TARGET), masks), np.zeros((B, T, Vt)), samples=3)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_encoder(norm, rng, check_layer):
    encoder = TransformerEncoder(TransformerConfig(**SIZES, norm=norm), rng, np.float64)
    check_layer(encoder, rng.standard_normal((B, S, D)), samples=5, mask=padding_mask(SOURCE, 0))


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("number", [0, 1], ids=["z", "memory"])
def test_decoder(number, norm, rng, check_layer):
    """The memory's gradient is the sum over the blocks, each of which asked it."""
    decoder = TransformerDecoder(TransformerConfig(**SIZES, norm=norm), rng, np.float64)
    inputs = rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D))
    options = dict(mask=causal_mask(T), memory_mask=padding_mask(SOURCE, 0))
    check_layer(OneInput(decoder, inputs[1 - number], number), inputs[number], samples=5, **options)


@pytest.mark.parametrize("number", [0, 1], ids=["z", "weight"])
def test_tied_head(number, rng, check_layer):
    inputs = rng.standard_normal((B, T, D)), rng.standard_normal((Vt, D))
    check_layer(OneInput(TiedHead(Vt, np.float64), inputs[1 - number], number), inputs[number])


def test_the_tied_matrix_gets_the_gradients_of_both_uses(rng, scramble):
    """An untied model with the same numbers: its two gradients add up to the one of the tied model."""
    tied, untied = build(rng, tied=True), build(rng)
    scramble(tied)
    state = tied.state_dict()
    untied.load_state_dict(state | {"head.weight": state["target_embedding.weight"]})
    dlogits = rng.standard_normal((B, T, Vt))
    for model in (tied, untied):
        model(SOURCE, TARGET)
        model.backward(dlogits)
    both, apart = tied.gradients(), untied.gradients()
    expected = apart["target_embedding.weight"] + apart["head.weight"]
    np.testing.assert_allclose(both["target_embedding.weight"], expected, rtol=1e-12, atol=1e-12)  # sums, other order
    assert np.array_equal(both["head.bias"], apart["head.bias"])


# ---- what must hold for any weights ----------------------------------------------------------------------------------


@every_model
def test_a_later_symbol_changes_no_earlier_logits(changes, rng, scramble):
    model = scramble(build(rng, **changes))
    logits = model(SOURCE, TARGET)
    for t in range(1, T):
        other = TARGET.copy()
        other[:, t] = 4  # neither pad nor what stood there
        changed = model(SOURCE, other)
        # To rounding: with other masks NumPy may add up in another order.
        np.testing.assert_allclose(changed[:, :t], logits[:, :t], rtol=0, atol=1e-12)
        assert (np.abs(changed[:, t] - logits[:, t]).max(axis=-1) > 1e-6).all()


@every_model
def test_more_padding_changes_nothing(changes, rng, scramble):
    model = scramble(build(rng, **changes))
    pad = model.config.pad
    source, target = np.array([[3, 1, 7]]), np.array([[1, 5, 4]])
    logits = model(source, target)
    longer = [np.pad(ids, ((0, 0), (0, n)), constant_values=pad) for ids, n in ((source, 5), (target, 2))]
    np.testing.assert_allclose(model(*longer)[:, :3], logits, rtol=0, atol=1e-12)  # sums with zeros in between


@every_model
def test_a_sequence_does_not_see_its_neighbours(changes, rng, scramble):
    model = scramble(build(rng, **changes))
    both = model(SOURCE, TARGET)
    for b in range(B):
        alone = model(SOURCE[b : b + 1], TARGET[b : b + 1])
        np.testing.assert_allclose(alone[0], both[b], rtol=0, atol=1e-12)  # other sizes, another order of sums


def test_nobody_may_ask_padding_or_the_future(rng, scramble):
    model = scramble(build(rng, depth=2))
    record = {}
    model(SOURCE, TARGET, record)
    for i in range(2):
        A = record[f"encoder/block{i:02d}/attention/A"]
        assert (A[1, :, :, 3:] == 0).all()
        A = record[f"decoder/block{i:02d}/self_attention/A"]
        assert (A[:, :, ~causal_mask(T)] == 0).all()
        assert (A[1, :, :, 3:] == 0).all()
        A = record[f"decoder/block{i:02d}/cross_attention/A"]
        assert A.shape == (B, h, T, S)
        assert (A[1, :, :, 3:] == 0).all()
        np.testing.assert_allclose(A.sum(axis=-1), 1, rtol=1e-13)


@every_model
def test_greedy_decoding_is_teacher_forcing_on_its_own_output(changes, rng, scramble):
    """What was chosen one by one is what the model, given all of it at once, holds for most probable."""
    model = scramble(build(rng, **changes))
    pad = model.config.pad
    target = greedy_decode(model, SOURCE, start=1, stop=4, max_length=9)
    logits = model(SOURCE, target[:, :-1])
    logits[..., pad] = -np.inf
    written = target[:, 1:] != pad
    assert written.sum() >= 2
    assert np.array_equal(logits.argmax(axis=-1)[written], target[:, 1:][written])


def test_greedy_decoding_stops_and_pads(rng):
    """With a bias that decides everything: symbol 5, and in one row the stop symbol."""
    model = build(rng)
    for _, p in model.named_parameters():
        p.value[...] = 0
    model.head.bias.value[[0, 5]] = 9, 1  # pad has the highest score, and is not chosen
    assert greedy_decode(model, SOURCE, 1, 2, max_length=4).tolist() == [[1, 5, 5, 5], [1, 5, 5, 5]]
    assert greedy_decode(model, SOURCE, 1, 5, max_length=4).tolist() == [[1, 5], [1, 5]]
    assert greedy_decode(model, SOURCE, 1, 5, max_length=1).tolist() == [[1], [1]]

    class Rows(Transformer):
        def decode(self, target, *rest):
            logits = super().decode(target, *rest)
            logits[1, :, 2] = 2  # row 1 stops at once
            return logits

    model.__class__ = Rows
    assert greedy_decode(model, SOURCE, 1, 2, max_length=4).tolist() == [[1, 5, 5, 5], [1, 2, 0, 0]]


def test_greedy_decoding_switches_dropout_off_and_on_again(rng):
    model = build(rng, dropout=0.5)
    first, second = (greedy_decode(model, SOURCE, 1, 2, 9) for _ in range(2))
    assert np.array_equal(first, second)
    assert model.training
    assert np.array_equal(greedy_decode(model.eval(), SOURCE, 1, 2, 9), first)
    assert not model.training
    with pytest.raises(ValueError, match="source"):
        greedy_decode(model.train(), np.zeros((1, 3), int), 1, 2, 9)
    assert model.training


# ---- state, copies, dtype --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_a_shared_matrix_is_stored_once(tied, rng):
    model = build(rng, tied=tied)
    names = list(model.state_dict())
    assert ("head.weight" in names) == (not tied)
    arrays = [p for _, p in model.named_parameters()]
    assert len({id(p) for p in arrays}) == len(arrays) == len(names)
    saved = model.state_dict()
    other = build(7, tied=tied)
    other.load_state_dict(saved)
    assert np.array_equal(other(SOURCE, TARGET), model(SOURCE, TARGET))


@pytest.mark.parametrize("tied", [False, True])
def test_a_replica_shares_values_and_has_its_own_gradients(tied, rng, scramble):
    model = scramble(build(rng, tied=tied))
    twin = model.replica()
    dlogits = rng.standard_normal((B, T, Vt))
    for m in (model, twin):
        m(SOURCE, TARGET)
    for m in (model, twin):
        m.backward(dlogits)
    for name, gradient in model.gradients().items():
        assert np.array_equal(gradient, twin.gradients()[name]), name
    for (name, p), (_, q) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        assert p.value is q.value, name
        assert p.grad is not q.grad, name


def test_single_precision_stays_single(rng):
    model = Transformer(TransformerConfig(**SIZES, tied=True), 0)
    record = {}
    logits = model(SOURCE, TARGET, record)
    model.backward(np.ones_like(logits))
    assert {value.dtype for value in record.values()} == {np.dtype("float32")}
    assert {g.dtype for g in model.gradients().values()} == {np.dtype("float32")}


def test_the_same_seed_gives_the_same_model():
    one, same, other = (build(seed).state_dict() for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    name = "decoder.blocks.0.cross_attention.layer.kv.weight"
    assert not np.array_equal(one[name], other[name])
