"""Records stand in the order of computation: of two records, the first key that differs names the step that differs.

Shown in two ways, for every step and in both packages: a broken parameter shows first in the step that it belongs to;
and what is written into the record goes on from there, so a value that is changed while it is written changes the
logits, and nothing that was recorded before.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import vitedu
import vitedu_numpy
from vitedu_numpy import BiTConfig, EfficientNetConfig, HybridConfig, TransformerConfig

VIT = dict(width=6, depth=2, heads=2, mlp_dim=5, num_classes=4)
SEQ = dict(source_vocabulary=8, target_vocabulary=7, width=6, depth=2, heads=3, mlp_dim=5, max_length=9)
CONFIGS = {
    "BiT": BiTConfig((2, 1), 4, base_width=4, groups=2, standardize_eps=1e-3),
    "BiT, small stem": BiTConfig((1, 1), 4, base_width=4, groups=2, stem="small", standardize_eps=1e-3),
    "hybrid": HybridConfig((16, 24), 1, blocks=(2, 1), backbone_width=4, groups=2, standardize_eps=1e-3, **VIT),
    "hybrid, gap": HybridConfig(16, 2, blocks=(), backbone_width=4, groups=2, classifier="gap", **VIT),
    "EfficientNet": EfficientNetConfig(
        4, stem_width=4, top_width=6, stages=((1, 3, 1, 1, 4), (2, 3, 2, 2, 5)), batchnorm_eps=0.1
    ),
    "transformer, post-norm": TransformerConfig(**SEQ, norm="post"),
    "transformer, pre-norm, tied": TransformerConfig(**SEQ, norm="pre", tied=True),
}
SOURCE = np.array([[3, 1, 7, 3, 2, 5], [4, 4, 6, 0, 0, 0]])
TARGET = np.array([[1, 5, 5, 2, 6], [1, 3, 2, 0, 0]])

# What a parameter's name ends with -> the key of its step, under the block's or unit's key.
STEPS = [
    (r"(.*)stages\.(\d)\.units\.(\d)\.(\w+)\.\w+", r"\1stage\2/unit\3/\4"),
    (r"(.*)blocks\.(\d)\.(.+\.)?qkv\.\w+", r"\1block0\2/\3q"),
    (r"(.*)blocks\.(\d)\.(.+\.)?kv\.\w+", r"\1block0\2/\3k"),
    (r"(.*)blocks\.(\d)\.(.+\.)?fc1\.\w+", r"\1block0\2/\3hidden"),
    (r"(.*)blocks\.(\d)\.(.+\.)?fc2\.\w+", r"\1block0\2/\3out"),
    (r"(.*)blocks\.(\d)\.(attention|self_attention|cross_attention|mlp)\.norm\.\w+", r"\1block0\2/\3.<norm>"),
    (r"(.*)blocks\.(\d)\.(.+)\.\w+", r"\1block0\2/\3"),
    (r"(source|target)_embedding\.weight", r"<\1>embedding"),
    (r"encoder\.norm\.\w+", "encoder/memory"),
    (r"decoder\.norm\.\w+", "decoder/decoded"),
    (r"head\.\w+", "logits"),
    (r"(.*)\.\w+", r"\1"),
]


def step_of(name, config) -> str:
    """ "stages.0.units.1.norm2.bias" -> "stage0/unit1/norm2": the key of the step in which a parameter acts first."""
    seq2seq = isinstance(config, TransformerConfig)
    in_vit = name.startswith("vit.")
    name = name.removeprefix("vit.encoder.").removeprefix("vit.")
    if in_vit and name.startswith(("class_token.", "position_embedding.")):
        return "tokens"
    if in_vit and name.startswith("norm."):
        return "encoded"
    for pattern, key in STEPS:
        if match := re.fullmatch(pattern, name):
            key = match.expand(key)
            break
    key = key.replace("layer.", "").replace(".", "/")
    key = key.replace("<source>", "encoder/").replace("<target>", "decoder/")
    if seq2seq and key.endswith("/<norm>"):  # after the sum it gives `z`; before the layer, what the layer asks first
        first = "hidden" if "mlp" in key else "q"
        key = key.replace("<norm>", "z" if config.norm == "post" else first)
    return key


class Numpy:
    """A model of vitedu_numpy, and how to look at it."""

    def __init__(self, config, scramble):
        kind = vitedu_numpy.Transformer if isinstance(config, TransformerConfig) else vitedu_numpy.build
        self.model = scramble(kind(config, 0, dtype=np.float64))
        self.parameters = {name: p.value for name, p in self.model.named_parameters()}

    def run(self, inputs, record):
        self.model(*inputs, record)
        return record


class Torch(Numpy):
    """The same model of vitedu."""

    def __init__(self, config, scramble):
        kind = vitedu.Transformer if isinstance(config, TransformerConfig) else vitedu.build
        self.model = kind(config, 0).double()
        self.model.load_state_dict(Numpy(config, scramble).model.state_dict())
        self.parameters = {name: p.detach().numpy() for name, p in self.model.named_parameters()}  # the same memory

    @torch.no_grad()
    def run(self, inputs, record):
        return super().run([torch.from_numpy(x) for x in inputs], record)


class Record(dict):
    """A record that keeps what was written as it was then, and may change one value while it is written."""

    def __init__(self, broken=None):
        super().__init__()
        self.broken = broken

    def __setitem__(self, key, value):
        array = value if isinstance(value, np.ndarray) else value.numpy()  # the same memory
        if key == self.broken:
            array += np.random.default_rng(1).uniform(0.5, 1, array.shape)
        super().__setitem__(key, array.copy())

    def update(self, **values):
        for key, value in values.items():
            self[key] = value


def first_difference(one, other):
    assert list(one) == list(other)
    return next((key for key in one if not np.array_equal(one[key], other[key])), None)


CASES = {f"{name}, {kind.__name__}": (name, kind) for name in CONFIGS for kind in (Numpy, Torch)}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request, scramble, rng):
    """(config, model, inputs)"""
    name, package = request.param
    config = CONFIGS[name]
    inputs = [SOURCE, TARGET]
    if not isinstance(config, TransformerConfig):
        hw = (17, 26) if isinstance(config, (BiTConfig, EfficientNetConfig)) else config.image_hw
        inputs = [rng.uniform(-1, 1, (2, 3, *hw))]
    return config, package(config, scramble), inputs


def test_a_broken_parameter_shows_first_in_its_own_step(case):
    config, model, inputs = case
    right, found = model.run(inputs, Record()), {}
    for name, value in model.parameters.items():
        before = value.copy()
        value += np.random.default_rng(2).uniform(0.5, 1, value.shape)
        found[name] = first_difference(right, model.run(inputs, Record()))
        value[...] = before
    assert found == {name: step_of(name, config) for name in found}


def test_what_is_written_goes_on_from_there(case):
    """But for A, which stands beside the product that it was made for: it is written when that has been taken."""
    _, model, inputs = case
    right = model.run(inputs, Record())
    for key in right:
        if not key.endswith("/A"):
            wrong = model.run(inputs, Record(broken=key))
            assert first_difference(right, wrong) == key
            assert not np.array_equal(wrong["logits"], right["logits"]), key


def test_a_record_shows_values_as_they_were(case):
    """Rectifiers and sums write over what was made before them, but not over what was recorded."""
    _, model, inputs = case
    as_written, record = model.run(inputs, Record()), model.run(inputs, {})
    assert list(as_written) == list(record)
    for key, value in record.items():
        assert np.array_equal(as_written[key], np.asarray(value)), key
