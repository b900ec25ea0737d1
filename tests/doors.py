"""Every public function and class of both packages, called wrongly: what is said, and what is let through.

`python tests/doors.py` prints the share of errors that name the argument, by door, and every call that does worse.

A *door* is a name in some `__all__`.  For each there is a good call, made up from the names of its arguments and, for
arrays, from the shapes in its docstring; then each argument is spoilt in every way that its kind knows, one at a time.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import vitedu
import vitedu_numpy
from vitedu_numpy.config import (
    BiTConfig,
    EfficientNetConfig,
    HybridConfig,
    TrainConfig,
    TransformerConfig,
    VideoViTConfig,
    ViTConfig,
)

ROOT = Path(__file__).resolve().parents[1]

VIT = ViTConfig((8, 12), 4, width=8, depth=2, heads=2, mlp_dim=12, num_classes=3)
BIT = BiTConfig((1,), 3, image_size=(8, 12), base_width=8, stem="small", groups=4)
HYBRID = HybridConfig((32, 32), 1, 8, 1, 2, 12, 3, blocks=(1,), backbone_width=8, groups=4)
NET = EfficientNetConfig(3, 16, stem_width=8, stages=((1, 3, 1, 1, 8),), top_width=8)
VIDEO = VideoViTConfig(4, (8, 12), 2, 4, width=8, depth=1, heads=2, mlp_dim=12, num_classes=3)
WORDS = TransformerConfig(7, 6, width=8, depth=1, heads=2, mlp_dim=12)
TRAINING = TrainConfig(2, 2, 1e-3)
CONFIGS = {type(c).__name__: c for c in (VIT, BIT, HYBRID, NET, VIDEO, WORDS, TRAINING)}
SIZES = {
    "B": 2,
    "C": 4,
    "H": 8,
    "W": 12,
    "T": 5,
    "S": 6,
    "D": 8,
    "K": 3,
    "h": 2,
    "Dh": 4,
    "Dv": 4,
    "N": 6,
    "I": 8,
    "O": 4,
    "kh": 3,
    "kw": 3,
    "R": 36,
    "P": 4,
    "m": 3,
    "F": 4,
    "V": 7,
}


class Door(NamedTuple):
    """A function or class, a call of it that is right, and of which kind each argument is."""

    package: str
    module: str
    name: str
    function: object
    call: dict
    kinds: dict

    @property
    def where(self) -> str:
        return f"{self.package}.{self.module}.{self.name}"


class Spoilt(NamedTuple):
    door: str
    argument: str
    what: str  # how it was spoilt
    verdict: str  # "good", "raw", "accepted"
    said: str


# ---- values, by kind -----------------------------------------------------------------------------------------------


def own(package: str, array):
    """A NumPy array as the package has it."""
    return array if package == "vitedu_numpy" else torch.from_numpy(np.asarray(array))


def numbers(package: str, *shape):
    return own(package, np.random.default_rng(0).uniform(0.1, 0.9, shape))


def generator(package: str):
    return np.random.default_rng(0) if package == "vitedu_numpy" else torch.Generator().manual_seed(0)


NAN, INF = float("nan"), float("inf")
BAD = {
    "count": [0, -1, 1.5, "3", NAN, None, True],
    "count or none": [0, -1, 1.5, "3", NAN, True],
    "natural": [-1, 1.5, "3", NAN, None],
    "rate": [-0.1, 1.0, 7, NAN, "x", None],
    "part": [-0.1, 0, 1.5, NAN, "x", None],
    "positive": [0, -1, NAN, "x", None],
    "not negative": [-1, NAN, "x", None],
    "flag": ["no", 2, None],
    "rng": ["seed", 1.5, -1, [1.5], object()],
    "dtype": ["int8", "float99", int, 5],
    "choice": ["nonsense", 3, [], None],
    "choice or none": ["nonsense", 3],
    "pair": [0, (1,), (0, 2), "ab", None, (1.5, 2)],
    "config": [None, {}, "vit", 5],
    "model": [None, "model", 5],
    "path": [None, 5, "nowhere/at/all.npz", "."],
    "name": ["vit_b17", "", None, 5],
    "counts": [0, (), (0,), (-1,), (1.5,), "12", None],
    "seeds": [(), (-1,), (1.5,), "12", None],
    "lr": [-1, NAN, INF, "x", None, True],
}


def bad_arrays(package: str, good, axes, linked) -> list:
    """(what, value) of arrays that do not do.     axes: as in the docstring; linked: letters that others have, too"""
    shape = tuple(good.shape)
    found = [("None", None), ("text", "image"), ("a list", [[1.0]]), ("complex", own(package, np.ones(shape, complex)))]
    if package == "vitedu_numpy":
        found += [("texts", np.full(shape, "x")), ("objects", np.full(shape, None, object))]
    if "..." not in axes:
        found += [("an axis more", numbers(package, 1, *shape)), ("one number", numbers(package))]
        if len(shape) > 1:
            found += [("an axis fewer", numbers(package, *shape[1:]))]
    for i, letter in enumerate(reversed(axes), 1):
        if letter in linked or isinstance(letter, int):
            longer = list(shape)
            longer[-i] += 1
            found.append((f"{letter} longer", numbers(package, *longer)))
    return found


def bad_images(package: str, good) -> list:
    shape = tuple(good.shape)
    nan = np.array(np.asarray(good))
    nan[0, 0, 0, 0] = NAN
    return [
        ("None", None),
        ("text", "photo.jpg"),
        ("bytes", own(package, np.ones(shape, np.uint8))),
        ("0 ... 255", own(package, 255 * np.asarray(good))),
        ("NaN", own(package, nan)),
        ("infinity", own(package, np.full(shape, INF))),
        ("an axis more", numbers(package, 1, *shape)),
        ("one image", numbers(package, *shape[1:])),
        ("channels last", numbers(package, *shape[:-3], *shape[-2:], shape[-3])),
        ("a list of texts", ["x"]),
        ("empty", []),
    ]


def bad_labels(package: str, good, classes: int, shared: bool = True) -> list:
    n = len(good)
    arrays = [
        ("floats", np.arange(n) % 2 + 0.5),
        ("texts", np.array(["cat"] * n)),
        ("negative", np.arange(n) % 2 - 1),
        ("2-D", np.zeros((n, 2), np.int64)),
        ("booleans", np.arange(n) % 2 == 0),
        ("none", np.zeros(0, np.int64)),
    ] + [("too large", np.full(n, classes))] * (classes > 0)
    arrays += [("too few", np.asarray(good)[:-1])] if shared else []
    found = [(what, a if a.dtype.kind in "US" else own(package, a)) for what, a in arrays]
    found = [
        (what, value) for what, value in found if shared or what != "none"
    ]  # no images, no labels: nothing is wrong
    return [*found, ("None", None), ("text", "cat")]


def bad_features(package: str, good) -> list:
    nan = np.array(np.asarray(good))
    nan[0, 0] = NAN
    n, D = good.shape
    return [
        ("None", None),
        ("text", "x"),
        ("NaN", own(package, nan)),
        ("an axis more", numbers(package, 1, n, D)),
        ("an axis fewer", numbers(package, n)),
        ("complex", own(package, np.ones((n, D), complex))),
        ("empty", numbers(package, 0, D)),
    ]


# ---- which values an argument of that name gets --------------------------------------------------------------------

NAMED = {
    **dict.fromkeys(
        (
            "width",
            "mlp_dim",
            "in_features",
            "out_features",
            "num_tokens",
            "in_channels",
            "out_channels",
            "squeezed",
            "head_width",
            "representation_size",
            "channels",
            "vocabulary",
            "max_length",
            "length",
            "num_patches",
        ),
        (8, "count"),
    ),
    **dict.fromkeys(("heads", "patch_size", "stride", "slices", "tubelet_length", "groups", "places"), (2, "count")),
    **dict.fromkeys(
        ("dropout", "rate", "result_dropout", "stochastic_depth", "label_smoothing", "momentum"), (0.25, "rate")
    ),
    "num_classes": (3, "count"),
    "batch_size": (2, "count"),
    "kernel": (3, "count"),
    "pad": (0, "natural"),
    "eps": (1e-5, "not negative"),
    "l2": (1.0, "positive"),
    "temperature": (0.5, "positive"),
    "class_token": (True, "flag"),
    "unbiased": (False, "flag"),
    "renormalise": (False, "flag"),
    "grid": ((2, 3), "pair"),
    "gelu": ("erf", "choice"),
    "form": ("var", "choice"),
    "lr": (0.1, "lr"),
    "has_class_token": (True, "flag"),
    "weight_decay": (0.1, "not negative"),
    "seed": (0, "natural"),
    "steps": (2, "count"),
    "train_fraction": (0.5, "part"),
}


def given(package: str, name: str, annotation, shapes: dict):
    """(value, kind) for an argument, or None where its name says nothing."""
    if name in shapes:
        sizes = [axis if isinstance(axis, int) else SIZES.get(axis, 3) for axis in shapes[name] if axis != "..."]
        lead = [2] if "..." in shapes[name] else []
        return numbers(package, *lead, *sizes), "array"
    kinds = annotation.split(" | ") if isinstance(annotation, str) else []
    if kinds and all(kind in CONFIGS for kind in kinds):
        return CONFIGS[kinds[0]], "config"
    if name == "rng":
        return generator(package), "rng"
    if name == "dtype":
        return (np.float64 if package == "vitedu_numpy" else torch.float64), "dtype"
    return NAMED.get(name)


# ---- calls that names cannot tell ----------------------------------------------------------------------------------


def own_calls(package: str) -> dict:
    """ "module.name" -> {argument: (value, kind)}; () -> the door is tried elsewhere or is none, see `NO_DOOR`."""
    a, rng = partial(numbers, package), np.random.default_rng(0)
    ints = lambda *values: own(package, np.array(values))  # noqa: E731
    p = vitedu_numpy if package == "vitedu_numpy" else vitedu
    model = p.ViT(VIT, 0)
    images = own(package, rng.uniform(-1, 1, (6, 3, 8, 12)))
    labels = own(package, np.array([0, 1, 2, 0, 1, 2]))
    features, few = a(12, 4), own(package, np.arange(12) % 3)
    transfer = {
        "train_features": (features, "features"),
        "train_labels": (few, "labels"),
        "test_features": (a(5, 4), "features"),
        "test_labels": (own(package, np.arange(5) % 3), "labels"),
    }
    record = {}
    model(images[:2], record)
    optimizer = {"model": (p.ViT(VIT, 0), "model"), "lr": (0.1, "lr")}
    targets = a(2, 3)
    ids = ints([1, 2, 3], [2, 3, 1])
    corruption = vitedu_numpy.models.corruption.choose_corruption([rng] * 2, 6)
    if package == "vitedu":
        corruption = type(corruption)(*map(torch.from_numpy, corruption))
    predictions = {"predictions": (a(2, 3, 8), "features3"), "targets": (ints([1, 2, 3], [3, 2, 1]), "labels2")}
    found = {
        "training.loop.fit": {
            "model": (p.ViT(VIT, 0), "model"),
            "images": (images, "images"),
            "labels": (labels, "labels"),
            "config": (TRAINING, "config"),
        },
        "training.loop.evaluate": {
            "model": (model, "model"),
            "images": (images, "images"),
            "labels": (labels, "labels"),
            "batch_size": (2, "count"),
        },
        "training.optim.SGD": optimizer | {"momentum": (0.9, "rate")},
        "training.optim.Adam": optimizer
        | {"betas": ((0.9, 0.99), "betas"), "eps": (1e-8, "not negative"), "weight_decay": (0.1, "not negative")},
        "training.optim.clip_by_global_norm": {"model": (model, "model"), "max_norm": (1.0, "positive")},
        "training.losses.one_hot": {
            "labels": (labels, "labels"),
            "num_classes": (3, "count"),
            "label_smoothing": (0.1, "rate"),
        },
        **{
            f"training.losses.{name}": {first: (a(2, 3), "array"), "targets": (targets, "targets")}
            for name, first in (
                ("cross_entropy", "p"),
                ("binary_cross_entropy", "p"),
                ("softmax_cross_entropy", "logits"),
                ("sigmoid_cross_entropy", "logits"),
            )
        },
        "training.sequence_loss.token_cross_entropy": {
            "logits": (a(2, 3, 7), "features3"),
            "targets": (ids, "labels2"),
            "pad": (0, "natural"),
            "label_smoothing": (0.1, "rate"),
        },
        "transfer.fewshot.few_shot_accuracy": transfer
        | {"shots": ((1, 2), "counts"), "seeds": ((0,), "seeds"), "l2": (1.0, "positive")},
        "transfer.sweep.few_shot_sweep": transfer
        | {"shots": ((1, 2), "counts"), "seeds": ((0,), "seeds"), "l2": ((1.0,), "strengths")},
        "transfer.knn.knn_accuracy": transfer | {"k": ((1, 2), "counts"), "temperature": (0.1, "positive")},
        "transfer.probe.linear_probe": transfer
        | {"method": ("lbfgs", "choice"), "held_out": (0.2, "held out"), "seed": (0, "natural")},
        "transfer.fewshot.ridge": {
            "features": (features, "array2"),
            "targets": (a(12, 3), "array2"),
            "l2": (1.0, "positive"),
        },
        "transfer.fewshot.eigen_ridge": {"features": (features, "array2"), "targets": (a(12, 3), "array2")},
        "transfer.fewshot.svd_ridge": {"features": (features, "array2"), "targets": (a(12, 3), "array2")},
        "transfer.fewshot.whitening": {"features": (features, "array2")},
        "transfer.knn.normalize": {"features": (features, "array2")},
        "transfer.knn.nearest": {
            "features": (features, "array2"),
            "test_features": (a(5, 4), "array2"),
            "k": (2, "count"),
        },
        "layers.patches.patchify": {"images": (images, "array4"), "patch_size": (4, "count")},
        "layers.attention.split_heads": {"x": (a(2, 5, 8), "array3"), "heads": (2, "count")},
        "layers.attention.merge_heads": {"x": (a(2, 2, 5, 4), "array4")},
        "layers.conv.conv2d": {
            "x": (a(2, 4, 8, 12), "array4"),
            "weight": (a(3, 4, 3, 3), "array4"),
            "stride": (1, "count"),
            "padding": (1, "padding"),
        },
        "layers.depthwise.depthwise_conv2d": {
            "x": (a(2, 4, 8, 12), "array4"),
            "weight": (a(4, 1, 3, 3), "array4"),
            "stride": (1, "count"),
            "padding": (1, "padding"),
        },
        **(
            {
                "layers.conv.im2col": {
                    "x": (a(2, 4, 8, 12), "array4"),
                    "kernel": ((3, 3), "pair"),
                    "stride": (1, "count"),
                    "padding": (1, "padding"),
                }
            }
            if package == "vitedu_numpy"
            else {}
        ),
        "layers.pool.max_pool": {
            "x": (a(2, 4, 8, 12), "array4"),
            "kernel": (3, "count"),
            "stride": (2, "count"),
            "padding": (1, "padding"),
        },
        "layers.groupnorm.groupnorm": {
            "x": (a(2, 4, 8, 12), "array4"),
            "weight": (a(4), "array1"),
            "bias": (a(4), "array1"),
            "groups": (2, "count"),
            "eps": (1e-5, "not negative"),
        },
        "layers.symbols.embed": {"weight": (a(7, 8), "array2"), "ids": (ids, "labels2")},
        "layers.symbols.padding_mask": {"ids": (ids, "labels2"), "pad": (0, "natural")},
        "layers.positions.SinCosPosition2D": {
            "grid": ((2, 3), "pair"),
            "width": (8, "count"),
            "class_token": (True, "flag"),
        },
        "layers.positions.sincos_2d": {"grid": ((2, 3), "pair"), "width": (8, "count")},
        "layers.positions.make_positions": {
            "config": (VIT, "config"),
            "rng": (generator(package), "rng"),
            "where": ("stem", "choice"),
        },
        "layers.tubelets.tubeletify": {
            "videos": (a(2, 4, 3, 8, 12), "array5"),
            "tubelet_length": (2, "count"),
            "patch_size": (4, "count"),
        },
        "layers.spacetime.to_space": {"z": (a(2, 6, 8), "array3"), "slices": (2, "count")},
        "layers.spacetime.to_time": {"z": (a(2, 6, 8), "array3"), "slices": (2, "count")},
        "layers.spacetime.from_space": {"x": (a(4, 3, 8), "array3"), "slices": (2, "count")},
        "layers.spacetime.from_time": {"x": (a(6, 2, 8), "array3"), "slices": (2, "count"), "places": (3, "count")},
        "layers.dropout.Dropout": {"rate": (0.5, "rate")}
        | ({"rng": (generator(package), "rng")} if package != "vitedu" else {}),
        "layers.dropout.StochasticDepth": {"rate": (0.5, "rate")}
        | ({"rng": (generator(package), "rng")} if package != "vitedu" else {}),
        "layers.mlp.Gelu": {"form": ("erf", "choice")},
        "layers.patches.unpatchify": {
            "patches": (a(2, 6, 48), "array"),
            "image_shape": ((2, 3, 8, 12), "triple"),
            "patch_size": (4, "count"),
        },
        "layers.positions.relative_scores": {"q": (a(2, 2, 5, 4), "array4"), "R": (a(9, 4), "array2")},
        **{
            f"training.noisy.{name}": call
            for name, call in {
                "Noise": {"input": (True, "flag"), "dropout": (True, "flag"), "stochastic_depth": (True, "flag")},
            }.items()
            if package == "vitedu"
        },
        "layers.mlp.MLP": {
            "width": (8, "count"),
            "mlp_dim": (12, "count"),
            "rng": (generator(package), "rng"),
            "gelu": ("erf", "choice"),
        },
        "layers.conv.Conv": {
            "in_channels": (4, "count"),
            "out_channels": (8, "count"),
            "kernel": (3, "count"),
            "rng": (generator(package), "rng"),
            "stride": (1, "count"),
            "padding": (0, "padding"),
        },
        "layers.conv.StdConv": {
            "in_channels": (4, "count"),
            "out_channels": (8, "count"),
            "kernel": (3, "count"),
            "rng": (generator(package), "rng"),
            "stride": (1, "count"),
            "padding": (0, "padding"),
            "eps": (1e-5, "not negative"),
            "form": ("var", "choice"),
        },
        "layers.depthwise.DepthwiseConv": {
            "channels": (4, "count"),
            "kernel": (3, "count"),
            "rng": (generator(package), "rng"),
            "stride": (1, "count"),
            "padding": (0, "padding"),
        },
        "layers.pool.MaxPool": {"kernel": (3, "count"), "stride": (2, "count"), "padding": (1, "padding")},
        "layers.symbols.Embedding": {
            "vocabulary": (7, "count"),
            "width": (8, "count"),
            "max_length": (9, "count"),
            "rng": (generator(package), "rng"),
            "dropout": (0.1, "rate"),
        },
        **{
            f"layers.attention{room}.{name}": {
                "width": (8, "count"),
                "heads": (2, "count"),
                "rng": (generator(package), "rng"),
            }
            for room, name in (("", "MultiHeadAttention"), ("_variants", "make_attention"))
        },
        "models.create.build": {"config": (VIT, "any config"), "rng": (0, "rng")},
        "models.create.create_model": {
            "name": ("vit_digits", "name"),
            "num_classes": (3, "count or none"),
            "image_size": (8, "count or none"),
            "rng": (0, "rng"),
        },
        "models.variants.make_block": {"config": (VIT, "config"), "rng": (generator(package), "rng")},
        "models.variants.make_encoder": {"config": (VIT, "config"), "rng": (generator(package), "rng")},
        "models.masked.MaskedPatchViT": {
            "config": (VIT, "config"),
            "rng": (0, "rng"),
            "target": ("mean_color", "choice"),
        },
        "models.masked.mean_color_target": {"images": (images, "pixels"), "patch_size": (4, "count")},
        "models.masked.downsized_target": {"images": (images, "pixels"), "patch_size": (4, "count")},
        "models.masked.patch_target": {"images": (images, "pixels"), "patch_size": (4, "count")},
        "models.masked.masked_target": {
            "images": (images[:2], "pixels"),
            "corruption": (corruption, "model"),
            "patch_size": (4, "count"),
            "target": ("mean_color", "choice"),
        },
        "models.masked.masked_patch_loss": predictions | {"reduction": ("mean", "choice")},
        "models.masked.masked_patch_accuracy": predictions,
        "models.decode.greedy_decode": {
            "model": (p.Transformer(WORDS, 0), "model"),
            "source": (ids, "labels2"),
            "start": (1, "symbol"),
            "stop": (2, "symbol"),
            "max_length": (3, "count"),
        },
        **{
            f"models.{file}.{name}": {"config": (config, "config"), "rng": (0, "rng")}
            for file, name, config in (
                ("vit", "ViT", VIT),
                ("bit", "BiT", BIT),
                ("hybrid", "Hybrid", HYBRID),
                ("efficientnet", "EfficientNet", NET),
                ("video", "VideoViT", VIDEO),
                ("seq2seq", "Transformer", WORDS),
            )
        },
        "models.video.check_videos": {"videos": (a(2, 4, 3, 8, 12), "videos"), "config": (VIDEO, "config")},
        "models.model.check_images": {"images": (images, "images"), "channels": (3, "count")},
        "inspect.gradient.attention_gradients": {
            "model": (model, "model"),
            "images": (images, "images"),
            "target": (1, "symbol"),
        },
        "inspect.switch.without_heads": {"model": (model, "model"), "heads": ((0, 1), "heads")},
        "weights.resize.resize_positions": {
            "E_pos": (a(7, 8), "array2"),
            "old_grid": ((2, 3), "pair"),
            "new_grid": ((3, 4), "pair"),
            "has_class_token": (True, "flag"),
            "method": ("linear", "choice"),
        },
    }
    if package == "vitedu_numpy":
        found |= {
            "schedule.learning_rate": {
                "step": (1, "not negative"),
                "base": (0.1, "not negative"),
                "total_steps": (9, "positive"),
                "warmup_steps": (1, "not negative"),
                "decay": ("cosine", "choice"),
                "end": (0.0, "not negative"),
            },
            "models.names.named_config": {
                "name": ("vit_digits", "name"),
                "num_classes": (3, "count or none"),
                "image_size": (8, "count or none"),
            },
            "models.corruption.choose_corruption": {
                "rngs": ([rng], "rngs"),
                "num_patches": (6, "count"),
                "rate": (0.5, "part"),
            },
            "models.corruption.num_outputs": {
                "target": ("l2", "choice"),
                "channels": (3, "count"),
                "patch_size": (4, "count"),
            },
            "models.pretrained.from_npz": {"path": ("x.npz", "path only")},
            "weights.files.read_npz": {"path": ("x.npz", "path only")},
            "training.pseudo.pseudo_labels": {
                "probabilities": (np.full((4, 3), 1 / 3), "features"),
                "threshold": (0.1, "rate"),
                "per_class": (2, "count or none"),
                "soft": (True, "flag"),
                "temperature": (1.0, "positive"),
            },
            "training.batches.random_shift": {
                "images": (np.ones((2, 3, 8, 12)), "array4"),
                "pixels": (1, "natural"),
                "rng": (generator(package), "generator"),
            },
            "training.parallel.DataParallel": {"model": (model, "model"), "threads": (1, "count or none")},
            "transfer.shots.choose_shots": {
                "labels": (np.asarray(few), "labels0"),
                "shots": (2, "count"),
                "seed": (0, "natural"),
            },
            "inspect.cka.linear_cka": {
                "X": (a(6, 4), "features"),
                "Y": (a(6, 3), "features"),
                "unbiased": (False, "flag"),
            },
            "inspect.filters.filter_components": {
                "weight": (a(8, 48), "features"),
                "patch_size": (4, "count"),
                "count": (3, "count"),
            },
            "inspect.maps.attention_distance": {"record": (record, "record"), "config": (VIT, "config")},
            "inspect.maps.rollout": {"record": (record, "record"), "depth": (1, "count or none")},
            "inspect.maps.query_maps": {
                "record": (record, "record"),
                "config": (VIT, "config"),
                "query": ("class", "choice"),
            },
            "inspect.maps.patch_distances": {"grid": ((2, 3), "pair"), "pitch": (1, "positive")},
            "inspect.maps.attention_maps": {"record": (record, "record")},
            "inspect.lens.logit_lens": {"model": (model, "model"), "record": (record, "record")},
            "inspect.similarity.position_vectors": {"model": (model, "model")},
            "inspect.similarity.position_similarity": {"vectors": (a(6, 8), "features"), "grid": ((2, 3), "pair")},
            **{
                f"transfer.solvers.{name}": {
                    "X": (a(6, 4), "array2"),
                    "Y": (a(6, 3), "array2"),
                    "l2": (1.0, "positive"),
                }
                for name in ("cholesky", "eigen", "svd", "normal_equations")
            },
        }
    else:
        found |= {
            "models.pretrained.from_pretrained": {
                "path_or_id": ("vit_cifar10", "path only"),
                "num_classes": (3, "count or none"),
                "image_size": (32, "count or none"),
            },
            "evaluation.load.load": {"path_or_id": ("vit_cifar10", "path only")},
            "plan.planner.PlanRequest": {
                "recipe": ("vit_digits", "text"),
                "gpus": (1, "count"),
                "gpu": ("h100", "choice"),
                "link": (1.0, "positive or none"),
                "utilisation": (0.5, "positive or none"),
            },
            "recipes.recipe.Execution": {
                "device": ("cpu", "choice"),
                "micro_batch": (2, "count or none"),
                "workers": (0, "natural"),
                "precision": ("float32", "choice"),
                "compile": (False, "flag"),
            },
            "recipes.recipe.DataRecipe": {
                "dataset": ("digits", "text"),
                "hold_out": (0, "natural"),
                "crop": ("none", "choice"),
                "flip": (True, "flag"),
                "mixup": (0.0, "not negative"),
                "window": (4, "count"),
                "label_column": ("y", "text or none"),
            },
            "recipes.recipe.Recipe": {
                "name": ("x", "text"),
                "model": (VIT, "model"),
                "steps": (9, "count or none"),
                "warmup_steps": (1, "natural"),
                "batch_size": (2, "count"),
                "learning_rate": (0.1, "positive"),
                "decay": ("cosine", "choice"),
                "loss": ("softmax", "choice"),
                "ema": (0.9, "ema"),
                "seed": (0, "natural"),
            },
            "recipes.get_recipe": {"name": ("vit_digits", "name")},
            "recipes.get_finetuning": {"name": ("digits", "name")},
            "training.muon.Muon": {
                "model": (p.ViT(VIT, 0), "model"),
                "lr": (0.1, "lr"),
                "momentum": (0.9, "rate"),
                "weight_decay": (0.0, "not negative"),
            },
            "weights.safe.read_safetensors": {"path": ("x.safetensors", "path only")},
            "data.open.open_source": {"dataset": ("digits", "name"), "split": ("train", "choice")},
            "experiments.get_experiment": {"name": ("locality", "name")},
        }
    return found


def spoil(package: str, kind: str, value, call: dict, axes, linked) -> list:
    """(what, value) of everything that an argument of that kind must not be."""
    if kind == "array":
        return bad_arrays(package, value, axes, linked)
    if re.fullmatch(r"array\d", kind):
        return bad_arrays(package, value, tuple("abcdef"[: int(kind[-1])]), ())
    if kind == "targets":
        return [*bad_arrays(package, value, ("B", "K"), ("B", "K"))]
    if kind in ("images", "videos"):
        return bad_images(package, value)
    if kind == "pixels":
        return [
            (what, v)
            for what, v in bad_images(package, value)
            if what not in ("bytes", "channels last", "infinity", "NaN", "0 ... 255")
        ]
    if kind in ("labels", "labels0"):
        return bad_labels(
            package,
            value,
            3 if "num_classes" in call or "model" in call else 0,
            "images" in call or "train_features" in call,
        )
    if kind == "labels2":
        return [(what, v) for what, v in bad_arrays(package, value, ("B", "T"), ()) if what != "complex"]
    if kind == "features":
        return bad_features(package, value)
    if kind == "features3":
        return bad_arrays(package, value, ("B", "T", "K"), ())
    others = {
        "betas": [0.9, (0.9,), (1.0, 0.9), (0.9, NAN), "ab", None],
        "triple": [0, (3, 8), "abc", None],
        "strengths": [(), (0.0,), (-1.0,), "x", None],
        "held out": [0, 1, -0.1, NAN, "x"],
        "padding": [-1, 1.5, "valid", None, (1,)],
        "cache": [None, "x", 5, ()],
        "number": [None, "x"],
        "symbol": [-1, 1.5, "x", None, 99],
        "heads": [5, (0, 9), "x", (9, 0)],
        "rngs": [None, 5, np.random.default_rng(0), ["x"]],
        "generator": ["x", 1.5, None],
        "record": [None, {}, 5, "x"],
        "path only": [None, 5, "nowhere/at/all.npz"],
        "text": [None, 5],
        "text or none": ["", 5],
        "positive or none": [0, -1, NAN, "x"],
        "ema": [0, 1, NAN, "x"],
    }
    found = [(repr(v)[:40], v) for v in (others | BAD)["config" if kind == "any config" else kind]]
    if kind == "any config":
        found += [("a VideoViTConfig", VIDEO), ("a TransformerConfig", WORDS), ("a TrainConfig", TRAINING)]
    if kind == "config":
        found += [(f"a {name}", c) for name, c in CONFIGS.items() if type(c) is not type(value)]
    return found


# ---- all doors -----------------------------------------------------------------------------------------------------

# Modules whose names are no doors for a person's numbers: pictures, sources, commands, tables of numbers, the engine's
# own parts (each has its tests), the checks of exercises.
NO_DOOR = re.compile(
    r"\.(estimators|extras|contract|show|check|commands|cli|paper|engine|experiments|data|evaluation|accounting|course)\b"
)


def modules():
    for package in ("vitedu_numpy", "vitedu"):
        for file in sorted((ROOT / package).rglob("*.py")):
            dotted = ".".join(file.relative_to(ROOT / package).with_suffix("").parts).removesuffix(".__init__")
            yield package, "" if dotted == "__init__" else dotted


def doors() -> tuple[list[Door], list[str]]:
    """(doors with a good call, names of what has none)."""
    found, without, seen = [], [], set()
    calls = {package: own_calls(package) for package in ("vitedu_numpy", "vitedu")}
    for package, dotted in modules():
        module = importlib.import_module(f"{package}.{dotted}".rstrip("."))
        for name in getattr(module, "__all__", ()):
            place = f"{dotted}.{name}".lstrip(".")
            if place not in calls[package] and NO_DOOR.search(f".{dotted}."):
                continue
            function = getattr(module, name)
            if not callable(function) or id(function) in seen:
                continue
            if getattr(function, "__module__", "").split(".")[0] not in (package, "vitedu_numpy"):
                continue
            if place not in calls[package] and function.__module__ != module.__name__:
                continue  # handed on: its own module has it
            seen.add(id(function))
            call = calls[package].get(place)
            if name.endswith("_backward") and package == "vitedu_numpy":
                call = _backward_call(package, module, name, calls[package].get(place.removesuffix("_backward")))
                if call is None:
                    without.append(f"{package}.{place}")
                    continue
            door = _door(package, dotted, name, function, call)
            (found if door else without).append(door or f"{package}.{place}")
    return found, without


def _backward_call(package, module, name, forward_call):
    """{gradient: ..., "cache": ...} of a forward that was just done; None where that cannot be made up."""
    forward = getattr(module, name.removesuffix("_backward"), None)
    door = forward and _door(package, "", name.removesuffix("_backward"), forward, forward_call)
    if not door:
        return None
    y, cache = door.function(**door.call)
    first = next(iter(inspect.signature(getattr(module, name)).parameters))
    dy = np.ones_like(y) if isinstance(y, np.ndarray) else 1.0
    has_shape = first in getattr(getattr(module, name), "shapes", {})
    kind = "number" if not isinstance(y, np.ndarray) else "array" if has_shape else f"array{dy.ndim}"
    return {first: (dy, kind), "cache": (cache, "cache")}


def _door(package, dotted, name, function, call):
    if call is None:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (ValueError, TypeError):
            return None
        shapes = getattr(function, "shapes", {})
        annotations = getattr(function, "__annotations__", {})
        if inspect.isclass(function):
            annotations = getattr(function.__init__, "__annotations__", {})
        call = {}
        for parameter in parameters:
            value = given(package, parameter.name, annotations.get(parameter.name), shapes)
            if value is not None:
                call[parameter.name] = value
            elif parameter.default is parameter.empty:
                if parameter.name == "cache" and name.endswith("_backward"):
                    continue
                return None
        if not call:
            return None
    shapes = getattr(function, "shapes", {})
    kinds = {argument: (kind, shapes.get(argument, ())) for argument, (_, kind) in call.items()}
    return Door(package, dotted, name, function, {argument: value for argument, (value, _) in call.items()}, kinds)


def works(door: Door) -> str:
    """ "" where the good call does what it should, else what it said."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            door.function(**door.call)
    except (FileNotFoundError, OSError):
        return "" if any(kind == "path only" for kind, _ in door.kinds.values()) else "OSError"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


# Names that an inner function has for what its caller calls otherwise.
SAME = {
    "z": "x",
    "path_or_id": "path",
    "dataset": "data",
    "betas": r"beta\d",
    "name": "recipe",
    "seeds": "seed",
    "form": "form|gelu",
}


def judge(door: Door, argument: str, what: str, value) -> Spoilt:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            door.function(**(door.call | {argument: value}))
    except (ValueError, TypeError, KeyError, OSError) as error:
        text = str(error)
        if isinstance(error, FileNotFoundError) and repr(value) in text:
            return Spoilt(door.where, argument, what, "good", text)
        named = re.search(rf"(?<!\w)({argument}|{SAME.get(argument, argument)})(?!\w)", text)
        # Python's own words, where an argument is left to them, name a function and no value
        own_words = "does not fit cache" not in text and re.search(
            r"unsupported operand|has no attribute|not supported between|must be real number", text
        )
        verdict = "good" if named and not own_words else "raw"
        return Spoilt(door.where, argument, what, verdict, f"{type(error).__name__}: {text[:160]}")
    except Exception as error:
        return Spoilt(door.where, argument, what, "raw", f"{type(error).__name__}: {str(error)[:160]}")
    return Spoilt(door.where, argument, what, "accepted", "")


def try_all(found: list[Door]) -> list[Spoilt]:
    results = []
    for door in found:
        letters = Counter(axis for kind, axes in door.kinds.values() for axis in set(axes))
        linked = {axis for axis, n in letters.items() if n > 1 and axis != "..." and axis is not None}
        optional = {n for n, q in inspect.signature(door.function).parameters.items() if q.default is None}
        for argument, (kind, axes) in door.kinds.items():
            for what, value in spoil(door.package, kind, door.call[argument], door.call, axes, linked):
                if value is None and argument in optional:
                    continue
                results.append(judge(door, argument, what, value))
    return results


def main() -> None:
    found, without = doors()
    broken = {door.where: said for door in found if (said := works(door))}
    results = try_all([door for door in found if door.where not in broken])
    by = {}
    for r in results:
        by.setdefault(".".join(r.door.split(".")[:2]), Counter())[r.verdict] += 1
    for room, counts in sorted(by.items()):
        print(f"{room:32s} " + " / ".join(str(counts[v]) for v in ("good", "raw", "accepted")))
    total = Counter(r.verdict for r in results)
    print(
        f"{len(found) - len(broken)} doors, {len(results)} bad calls: {total['good'] / len(results):.1%} good",
        dict(total),
    )
    if "-v" in sys.argv:
        for r in results:
            if r.verdict != "good":
                print(f"{r.verdict:9s} {r.door}({r.argument}: {r.what})  {r.said}")
        print("good calls that fail:", *broken.items(), sep="\n  ")
        print("no call:", *without, sep="\n  ")


if __name__ == "__main__":
    main()
