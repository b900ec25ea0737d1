"""The layout of the authors' files, as a table.  Taught in notebooks/13_weights.ipynb.

Their arrays are ours under other names and with other axes: matrices are (in, out), convolutions (rows, columns, in,
out), attention keeps its heads apart, (D, h, Dh).  `official_layout` is the whole translation, one `Entry` per array.

The same text stands in both packages.  Shapes: `D` width, `h` heads, `Dh` numbers per head, `M` hidden width of the
MLP, `P` patch side, `C` channels, `T` tokens, `K` classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..validate import check_kind
from .about import TEXTS
from .layout import Entry, as_array, from_layout, same, to_layout

__all__ = [
    "OFFICIAL",
    "POSITIONS",
    "canonical",
    "from_official",
    "official_layout",
    "to_official",
    "units",
    "weights_prefix",
]

# What the authors' code computes with, by family: a file does not say it.  BiT's `pool_padding` is not here, because
# their two codes read the same files and differ in it (DEVIATIONS.md).
OFFICIAL = {
    "ViTConfig": {"gelu": "tanh", "layernorm_eps": 1e-6},
    "HybridConfig": {"gelu": "tanh", "layernorm_eps": 1e-6, "groupnorm_eps": 1e-6, "standardize_eps": 1e-5},
    "BiTConfig": {"groupnorm_eps": 1e-5, "standardize_eps": 1e-10},
}
POSITIONS = "Transformer/posembed_input/pos_embedding"

# Names inside a block: in the released files, and since their framework counts each kind of layer apart.
_NEW_NAMES = {
    "LayerNorm_2": "LayerNorm_1",
    "MultiHeadDotProductAttention_1": "MultiHeadDotProductAttention_0",
    "MlpBlock_3": "MlpBlock_0",
}
_OLD_NAMES = {new: old for old, new in _NEW_NAMES.items()}


# ---- the table -----------------------------------------------------------------------------------------------------


def _dense(name, key, I, O) -> list[Entry]:
    weight = Entry(f"{name}.weight", f"{key}/kernel", (O, I), (O, I), (1, 0))
    return [weight, *same(f"{name}.bias", f"{key}/bias", O)]


def _conv(name, key, *shape) -> list[Entry]:
    """(out, in, rows, columns) -> (rows, columns, in, out)"""
    return [Entry(f"{name}.weight", f"{key}/kernel", shape, shape, (2, 3, 1, 0))]


def _norm(name, key, C, labels=("scale", "bias"), ones=0) -> list[Entry]:
    weight, bias = (f"{key}/{label}" for label in labels)
    return same(f"{name}.weight", weight, C, ones=ones) + same(f"{name}.bias", bias, C, ones=ones)


def official_layout(config) -> list[Entry]:
    """Every array of the model that `config` (of either package) describes, as the authors' files hold it.

    Positions that their files cannot hold are left out, see `to_official`.  Raises TypeError for another config.
    """
    kind = type(config).__name__
    if kind == "BiTConfig":
        return _bit_layout(config)
    if kind == "HybridConfig":
        return _backbone_layout(config) + _vit_layout(config.vit, "vit.")
    if kind == "ViTConfig":
        return _vit_layout(config)
    raise TypeError(f"config is a {kind}; expected one of {list(OFFICIAL)}")


def _vit_layout(c, ours="") -> list[Entry]:
    D, M, P, C, h = c.width, c.mlp_dim, c.patch_size, c.channels, c.heads
    Dh = D // h
    patch = Entry(f"{ours}patch_embedding.weight", "embedding/kernel", (D, C * P * P), (D, C, P, P), (2, 3, 1, 0))
    table = [patch, *same(f"{ours}patch_embedding.bias", "embedding/bias", D)]
    if c.classifier == "token":
        table += same(f"{ours}class_token.x_class", "cls", D, ones=2)
    if _official_positions(c):
        table += same(f"{ours}position_embedding.E_pos", POSITIONS, c.num_tokens, D, ones=1)
    for i in range(c.depth):
        block, theirs = f"{ours}encoder.blocks.{i}", f"Transformer/encoderblock_{i}"
        attention, heads = f"{block}.attention", f"{theirs}/MultiHeadDotProductAttention_1"
        table += _norm(f"{block}.norm1", f"{theirs}/LayerNorm_0", D)
        for third, letter in enumerate(("query", "key", "value")):
            kernel, bias = f"{heads}/{letter}/kernel", f"{heads}/{letter}/bias"
            table += [Entry(f"{attention}.qkv.weight", kernel, (D, D), (h, Dh, D), (2, 0, 1), third)]  # (D, h, Dh)
            table += [Entry(f"{attention}.qkv.bias", bias, (D,), (h, Dh), (0, 1), third)]
        table += [Entry(f"{attention}.out.weight", f"{heads}/out/kernel", (D, D), (D, h, Dh), (1, 2, 0))]  # (h, Dh, D)
        table += same(f"{attention}.out.bias", f"{heads}/out/bias", D)
        table += _norm(f"{block}.norm2", f"{theirs}/LayerNorm_2", D)
        table += _dense(f"{block}.mlp.fc1", f"{theirs}/MlpBlock_3/Dense_0", D, M)
        table += _dense(f"{block}.mlp.fc2", f"{theirs}/MlpBlock_3/Dense_1", M, D)
    table += _norm(f"{ours}encoder.norm", "Transformer/encoder_norm", D)
    if c.representation_size:
        table += _dense(f"{ours}pre_logits.linear", "pre_logits", D, c.representation_size)
    return table + _dense(f"{ours}head", "head", c.representation_size or D, c.num_classes)


def units(blocks, width):
    """Residual units of a ResNet, one after the other: (stage, unit, channels in, inside, out)."""
    C = width
    for s, count in enumerate(blocks):
        inside = width * 2**s
        for u in range(count):
            yield s, u, C, inside, 4 * inside
            C = 4 * inside


def _backbone_layout(c) -> list[Entry]:
    W = c.backbone_width
    table = _conv("backbone.root", "conv_root", W, c.channels, 7, 7) + _norm("backbone.root_norm", "gn_root", W, ones=3)
    for s, u, C, inside, out in units(c.blocks, W):
        unit, theirs = f"backbone.stages.{s}.units.{u}", f"block{s + 1}/unit{u + 1}"
        shapes = {"1": (inside, C, 1, 1), "2": (inside, inside, 3, 3), "3": (out, inside, 1, 1)}
        if u == 0:
            shapes["_proj"] = (out, C, 1, 1)
        for n, shape in shapes.items():
            table += _conv(f"{unit}.conv{n}", f"{theirs}/conv{n}", *shape)
            table += _norm(f"{unit}.norm{n}", f"{theirs}/gn{n}", shape[0], ones=3)
    return table


def _bit_layout(c) -> list[Entry]:
    W, side, labels = c.base_width * c.width_factor, 7 if c.stem == "imagenet" else 3, ("gamma", "beta")
    table = _conv("root", "resnet/root_block/standardized_conv2d", W, c.channels, side, side)
    for s, u, C, inside, out in units(c.blocks, W):
        unit, theirs = f"stages.{s}.units.{u}", f"resnet/block{s + 1}/unit{u + 1:02d}"
        shapes = ((inside, C, 1, 1), (inside, inside, 3, 3), (out, inside, 1, 1))
        for n, (letter, shape) in enumerate(zip("abc", shapes, strict=True), start=1):
            table += _norm(f"{unit}.norm{n}", f"{theirs}/{letter}/group_norm", shape[1], labels)
            table += _conv(f"{unit}.conv{n}", f"{theirs}/{letter}/standardized_conv2d", *shape)
        if u == 0:
            table += _conv(f"{unit}.conv_proj", f"{theirs}/a/proj/standardized_conv2d", out, C, 1, 1)
    C, K = c.feature_channels, c.num_classes
    table += _norm("norm", "resnet/group_norm", C, labels)
    table += [Entry("head.weight", "resnet/head/conv2d/kernel", (K, C), (K, C, 1, 1), (2, 3, 1, 0))]
    return table + same("head.bias", "resnet/head/conv2d/bias", K)


def _official_positions(config) -> bool:
    """Are the positions of a ViT of the one learned kind that the authors' files hold?"""
    return config.position_embedding == "1d" and config.positions_in == "stem"


# ---- the authors' table --------------------------------------------------------------------------------------------


def to_official(named, config, naming="old") -> dict[str, np.ndarray]:
    """{our name: array or tensor}  ->  {key of the authors' files: array}: weights, gradients, moments of Adam, ...

    naming: "old", as in the released files, or "new", as their code writes today.  Positions that these files know no
    place for (`position_embedding` "2d" or "relative", or `position_at` other than "stem") go to `vitedu/` + our
    name.  Raises KeyError for a missing or extra name, ValueError for a wrong shape.
    """
    check_kind("named", named, Mapping)
    if naming not in ("old", "new"):
        raise ValueError(f"naming={naming!r} is not allowed; naming must be 'old' or 'new'")
    alone = {name: value for name, value in named.items() if _has_no_place(name, config)}
    theirs = to_layout({name: value for name, value in named.items() if name not in alone}, official_layout(config))
    if naming == "new":
        theirs = {_rename(key, _NEW_NAMES): value for key, value in theirs.items()}
    return theirs | {f"vitedu/{name}": np.array(as_array(value)) for name, value in alone.items()}


def from_official(arrays, config, source="arrays") -> dict[str, np.ndarray]:
    """{key of the authors' files: array}  ->  {our name: array}: the reverse of `to_official`; see `canonical`.

    Raises ValueError, which begins with `source`, for keys or shapes that do not fit `config`.
    """
    check_kind("arrays", arrays, Mapping)
    arrays, called = canonical(arrays, source)
    for key in TEXTS:
        arrays.pop(key, None)
    alone = {}
    for key in list(arrays):
        if key.startswith("vitedu/") and _has_no_place(key.removeprefix("vitedu/"), config):
            alone[key.removeprefix("vitedu/")] = as_array(arrays.pop(key))
    return from_layout(arrays, official_layout(config), source, called) | alone


def _has_no_place(name, config) -> bool:
    is_position = "position_embedding." in name and hasattr(config, "positions_in")
    return is_position and not _official_positions(config)


def _rename(key, names) -> str:
    """Transformer/encoderblock_3/MlpBlock_3/..., with another name for the layer."""
    parts = key.split("/")
    if len(parts) > 2 and parts[1].startswith("encoderblock"):
        parts[2] = names.get(parts[2], parts[2])
    return "/".join(parts)


def weights_prefix(keys) -> str:
    """Where a training checkpoint keeps its weights; a file of weights alone has them at the root."""
    return next((p for p in ("params/", "opt/target/") if any(key.startswith(p) for key in keys)), "")


def canonical(arrays, source="arrays"):
    """Arrays under the released files' keys, and {such a key: the key in this file} where that differs.

    Understood: new layer names; training checkpoints, of which only the weights are used; blocks stacked in one array;
    the positions of big_vision, which are added before the class token is put in front: its own are zero then.
    """
    prefix, found, called = weights_prefix(arrays), {}, {}

    def put(key, value, original):
        if key in found:
            raise ValueError(f"{source}: keys {called.get(key, key)!r} and {original!r} are the same array")
        found[key] = value
        if key != original:
            called[key] = original

    for original, value in arrays.items():
        if not original.startswith(prefix):
            continue  # the optimiser's own numbers, counters, ...: they are no weights
        key = _rename(original.removeprefix(prefix), _OLD_NAMES)
        if key.startswith("Transformer/encoderblock/") and np.ndim(value) > 0:
            for i in range(len(value)):
                put(key.replace("encoderblock/", f"encoderblock_{i}/", 1), value[i], original)
        elif key == "pos_embedding" and f"{prefix}cls" in arrays and np.ndim(value) == 3:
            value = as_array(value)
            put(POSITIONS, np.concatenate([np.zeros_like(value[:, :1]), value], axis=1), original)
        else:
            put(POSITIONS if key in ("pos_embedding", "Transformer/pos_embedding") else key, value, original)
    return found, called
