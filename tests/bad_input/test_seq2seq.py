"""Symbols, sequences and settings that make no sense to the encoder-decoder are refused with a reason."""

from __future__ import annotations

import numpy as np
import pytest
import rooms

GOOD = dict(source_vocabulary=8, target_vocabulary=7, width=6, depth=1, heads=2, mlp_dim=5, max_length=6)
SOURCE, TARGET = np.array([[3, 1, 7], [4, 4, 0]]), np.array([[1, 5, 2, 6], [1, 3, 0, 0]])


@pytest.fixture
def module(package):
    """module("seq2seq"): that file of the package."""
    return lambda name: rooms.load(package, name)


@pytest.fixture
def model(module):
    """A small model."""
    return module("seq2seq").Transformer(module("config").TransformerConfig(**GOOD), 0)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (dict(source_vocabulary=0), ("source_vocabulary=0", "positive integer")),
        (dict(width=7, heads=1), ("width=7", "even")),
        (dict(width=8, heads=3), ("width=8", "multiple of heads=3")),
        (dict(norm="none"), ("norm='none'", "'post', 'pre'")),
        (dict(max_length=0), ("max_length=0", "positive integer")),
        (dict(pad=7), ("pad=7", "a symbol of both vocabularies")),
        (dict(pad=-1), ("pad=-1", "a symbol of both vocabularies")),
        (dict(dropout=1), ("dropout=1", "[0, 1)")),
        (dict(layernorm_eps=0), ("layernorm_eps=0", "positive number")),
    ],
    ids=str,
)
def test_settings(changes, texts, module, refused):
    with refused(ValueError, *texts):
        module("config").TransformerConfig(**GOOD | changes)


@pytest.mark.parametrize(
    ("name", "ids", "error", "texts"),
    [
        ("source", SOURCE.astype(float), TypeError, ("dtype", "float64", "integers 0..7")),
        ("source", SOURCE > 0, TypeError, ("dtype", "bool", "integers 0..7")),
        ("source", SOURCE[0], ValueError, ("shape (3,)", "(B, T)")),
        ("source", SOURCE[:, :0], ValueError, ("shape (2, 0)", "T >= 1")),
        ("source", SOURCE + 1, ValueError, ("runs from 1 to 8", "0..7")),
        ("source", SOURCE - 1, ValueError, ("runs from -1 to 6", "0..7")),
        ("source", np.ones((2, 7), int), ValueError, ("7 symbols", "at most max_length=6")),
        ("source", SOURCE * [[1], [0]], ValueError, ("source[1]", "at least one other symbol than pad=0")),
        ("target", TARGET.astype(complex), TypeError, ("dtype", "complex128", "integers 0..6")),
        ("target", TARGET[None], ValueError, ("shape (1, 2, 4)", "(B, T)")),
        ("target", TARGET + 1, ValueError, ("runs from 1 to 7", "0..6")),
        ("target", -TARGET, ValueError, ("runs from -6 to 0", "0..6")),
        ("target", np.ones((2, 7), int), ValueError, ("7 symbols", "at most max_length=6")),
        ("target", TARGET[:, ::-1].copy(), ValueError, ("target[1]", "begin with another symbol than pad=0")),
        ("target", TARGET[:1], ValueError, ("target holds 1 sequences", "source 2")),
    ],
    ids=str,
)
def test_symbols(name, ids, error, texts, model, array, refused):
    symbols = {"source": array(SOURCE), "target": array(TARGET)} | {name: array(ids)}
    with refused(error, name, *texts):
        model(symbols["source"], symbols["target"])


@pytest.mark.parametrize(
    ("targets", "error", "texts"),
    [
        (TARGET.astype(float), TypeError, ("dtype", "float64", "integers 0..6")),
        (TARGET[:, :3], ValueError, ("shape (2, 3)", "T = 4")),
        (TARGET + 1, ValueError, ("runs from 1 to 7", "0..6")),
        (0 * TARGET, ValueError, ("nothing but padding", "pad=0")),
    ],
    ids=str,
)
def test_targets_of_the_loss(targets, error, texts, module, array, refused):
    logits = array(np.zeros((2, 4, 7)))
    texts = [text.replace("nothing but padding", "nothing but pad=0") for text in texts]
    with refused(error, "targets", *texts):
        module("sequence_loss").token_cross_entropy(logits, array(targets), 0)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (dict(start=0), ("start=0", "0..6 other than pad=0")),
        (dict(start=7), ("start=7", "0..6")),
        (dict(stop=-1), ("stop=-1", "0..6")),
        (dict(stop=2.0), ("stop=2.0", "0..6")),
        (dict(max_length=0), ("max_length=0", "a positive integer")),
        (dict(max_length=7), ("max_length=7", "1..6", "the model's max_length")),
        (dict(max_length=2.5), ("max_length=2.5", "a positive integer")),
        (dict(source=SOURCE + 1), ("source", "runs from 1 to 8", "0..7")),
        (dict(source=0 * SOURCE), ("source[0]", "other symbol than pad=0")),
    ],
    ids=str,
)
def test_greedy_decode(changes, texts, model, module, array, refused):
    arguments = dict(source=SOURCE, start=1, stop=2, max_length=5) | changes
    arguments["source"] = array(arguments["source"])
    with refused(ValueError, *texts):
        module("decode").greedy_decode(model, **arguments)
    assert model.training  # as it was before


def test_layer_built_without_a_config(package, module, refused):
    rng = [np.random.default_rng(0)] if package.__name__ == "vitedu_numpy" else []
    with refused(ValueError, "width=7", "multiple of heads=2"):
        module("crossattention").CrossAttention(7, 2, *rng)


def test_dtype_of_the_numpy_model(refused):
    from vitedu_numpy.config import TransformerConfig
    from vitedu_numpy.models.seq2seq import Transformer

    with refused(ValueError, f"dtype={np.float16!r}", "'float32' or 'float64'"):
        Transformer(TransformerConfig(**GOOD), 0, np.float16)
    with pytest.raises(RuntimeError, match="without a forward"):
        Transformer(TransformerConfig(**GOOD), 0).backward(np.zeros((2, 4, 7), np.float32))


def test_a_mask_that_is_not_boolean(module, array, package, refused):
    """Adding a mask of 0 and 1 to the scores would change them a little, and nothing would crash."""
    rng = [np.random.default_rng(0)] if package.__name__ == "vitedu_numpy" else []
    layer = module("crossattention").CrossAttention(6, 2, *rng)
    z, memory = (array(np.zeros((1, n, 6), np.float32)) for n in (2, 3))
    with refused(TypeError, "mask has dtype", "booleans"):
        layer(z, memory, array(np.zeros((2, 3), np.float32)))
