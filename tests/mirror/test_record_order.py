"""Records stand in order of computation: the first key that differs names the step that is wrong.

Two tests of that, for both packages.  *Touched*: as soon as a value is written down it is changed in place; then it and
everything made of it must come out different, and nothing that was written before.  *Broken*: one parameter is changed;
then the first key that differs is that of its step.
"""

from __future__ import annotations

import numpy as np
import pytest
import rooms
import torch

import vitedu
import vitedu_numpy
from vitedu_numpy.models.corruption import choose_corruption

SIZES = dict(image_size=(4, 6), patch_size=2, channels=3, width=6, depth=2, heads=3, mlp_dim=7, num_classes=4)
CONFIGS = {
    "token": {},
    "gap, pre-logits": dict(classifier="gap", representation_size=5),
    "relative positions": dict(position_embedding="relative"),
    "positions in every block": dict(position_at="every"),
    "no positions, tanh GELU": dict(position_embedding="none", gelu="tanh"),
    "everything dropped, eval": dict(dropout=0.3, attention_dropout=0.3, stochastic_depth=0.3),
}
packages = pytest.mark.parametrize("package", [vitedu_numpy, vitedu], ids=["NumPy", "PyTorch"])

# What a value does not act on although it comes before: keys and values are not made of queries, nor A of values; and
# A is written down when it has been used.
APART = {"q": ("k", "v"), "k": ("v",), "v": ("A",)}


class Touching(dict):
    """A record that keeps copies, and changes the value of one key in place as soon as it is written down."""

    def __init__(self, touch=None):
        super().__init__()
        self.touch = touch

    def __setitem__(self, key, value):
        if key == self.touch:
            value[...] = value * 1.25 + 0.5
        super().__setitem__(key, np.copy(value if isinstance(value, np.ndarray) else value.numpy()))

    def update(self, **values):
        for key, value in values.items():
            self[key] = value


def build(package, make):
    """make(package, rng) in float64 and eval mode, with parameters that are neither 0 nor 1."""
    in_numpy = package is vitedu_numpy
    model = make(package, [np.random.default_rng(0)] if in_numpy else [])
    model = (model if in_numpy else model.double()).eval()
    rng = np.random.default_rng(1)
    for _, p in model.named_parameters():
        value = rng.uniform(0.2, 0.8, tuple(p.shape if not in_numpy else p.value.shape))
        value *= rng.choice([-1, 1], value.shape)
        if in_numpy:
            p.value = value
        else:
            p.data = torch.tensor(value)
    for _, module in model.named_modules():
        if hasattr(module, "dtype"):
            module.dtype = np.dtype(np.float64)
    return model


def forward(model, inputs, record):
    """One forward on fresh copies of the inputs."""
    if isinstance(model, torch.nn.Module):
        inputs = [torch.tensor(x) if isinstance(x, np.ndarray) else x for x in inputs]
        with torch.no_grad():
            model(*inputs, record=record)
    else:
        model(*(x.copy() if isinstance(x, np.ndarray) else x for x in inputs), record=record)
    return record


def differing(one, other) -> list[str]:
    """The keys that differ, in order."""
    assert list(one) == list(other)
    return [key for key in one if not np.array_equal(one[key], other[key])]


def vit(changes):
    return lambda package, rng: package.ViT(vitedu_numpy.ViTConfig(**SIZES | changes), *(rng or [0]))


def block(package, rng):
    attention = package.MultiHeadAttention(6, 3, *rng)
    return package.Block(attention, package.MLP(6, 7, *rng), 6)


def video(attention):
    config = vitedu_numpy.VideoViTConfig(frames=4, tubelet_length=2, attention=attention, **SIZES)
    return lambda package, rng: package.VideoViT(config, *(rng or [0]))


IMAGES = np.random.default_rng(2).uniform(-1, 1, (2, 3, 4, 6))
TOKENS = np.random.default_rng(3).standard_normal((2, 5, 6))
VIDEOS = np.random.default_rng(5).uniform(-1, 1, (2, 4, 3, 4, 6))
CORRUPTION = choose_corruption([np.random.default_rng(4)] * 2, 6)
CASES = {name: (vit(changes), [IMAGES]) for name, changes in CONFIGS.items()} | {
    "MultiHeadAttention": (lambda package, rng: package.MultiHeadAttention(6, 3, *rng), [TOKENS]),
    "MLP": (lambda package, rng: package.MLP(6, 7, *rng), [TOKENS]),
    "Block": (block, [TOKENS]),
    "Encoder": (lambda package, rng: package.Encoder([block(package, rng), block(package, rng)], 6), [TOKENS]),
    "PatchEmbedding": (lambda package, rng: package.PatchEmbedding(3, 2, 6, *rng), [IMAGES]),
    "MaskedPatchViT": (
        lambda package, rng: package.MaskedPatchViT(vitedu_numpy.ViTConfig(**SIZES), *(rng or [0])),
        [IMAGES, CORRUPTION],
    ),
    "VideoViT, joint": (video("joint"), [VIDEOS]),
    "VideoViT, factorised": (video("factorised"), [VIDEOS]),
}  # fmt: skip


@packages
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_value_that_is_touched_changes_all_that_follows_and_nothing_before(case, package):
    make, inputs = case
    model = build(package, make)
    right = forward(model, inputs, Touching())
    keys = list(right)
    assert len(keys) >= 2
    for i, key in enumerate(keys):
        changed = differing(right, forward(model, inputs, Touching(key)))
        last = key.rpartition("/")[2]
        if last == "A":  # it has been used already
            assert changed[:1] == [key]
            continue
        apart = {key.removesuffix(last) + other for other in APART.get(last, ())}
        assert changed == [k for k in keys[i:] if k not in apart], key


STEPS = {  # the end of a parameter's name -> the key of the step that uses it
    "patch_embedding.weight": "patch_embedding", "class_token.x_class": "tokens", "position_embedding.E_pos": "tokens",
    "blocks.0.norm1.weight": "block00/norm1", "blocks.0.attention.qkv.weight": "block00/attention/q",
    "blocks.0.attention.out.bias": "block00/attention/out", "blocks.0.norm2.bias": "block00/norm2",
    "blocks.1.mlp.fc1.weight": "block01/mlp/hidden", "blocks.1.mlp.fc2.bias": "block01/mlp/out",
    "encoder.norm.weight": "encoded", "pre_logits.linear.weight": "pre_logits", "head.bias": "logits",
}  # fmt: skip


@packages
@pytest.mark.parametrize("parameter", STEPS)
def test_a_broken_parameter_is_named_by_the_first_key_that_differs(parameter, package):
    model = build(package, vit(dict(representation_size=5)))
    right = forward(model, [IMAGES], Touching())
    (broken,) = [p for name, p in model.named_parameters() if name.endswith(parameter)]
    value = broken.value if package is vitedu_numpy else broken.data
    value += 0.1
    assert differing(right, forward(model, [IMAGES], Touching()))[0] == STEPS[parameter]


FUNCTIONS = {  # (module of layers, function that it calls) of NumPy -> the key of the step
    ("patches", "patchify"): "patches", ("patches", "linear"): "patch_embedding",
    ("attention", "split_heads"): "block00/attention/q", ("attention", "softmax"): "block00/attention/A",
    ("attention", "merge_heads"): "block00/attention/heads", ("mlp", "gelu_blocked"): "block00/mlp/gelu",
    ("layernorm", "layernorm"): "block00/norm1",
}  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=".".join)
def test_a_broken_function_is_named_by_the_first_key_that_differs(function, monkeypatch):
    """Its result is halved wherever that module uses it."""
    module, name = rooms.load("vitedu_numpy", function[0]), function[1]
    right_function = getattr(module, name)

    def wrong(*inputs, **options):
        result = right_function(*inputs, **options)
        return (result[0] / 2, *result[1:]) if isinstance(result, tuple) else result / 2

    model = build(vitedu_numpy, vit({}))
    right = forward(model, [IMAGES], Touching())
    monkeypatch.setattr(module, name, wrong)
    assert differing(right, forward(model, [IMAGES], Touching()))[0] == FUNCTIONS[function]
