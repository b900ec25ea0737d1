"""ViT and BiT as the `transformers` library names them.  Taught in notebooks/13_weights.ipynb.

Its axes are PyTorch's, as ours; only names differ, and q, k, v are three matrices.  Files keep the names of its first
versions, and its newer ones translate while loading: both are read, the first are written.  Its constants stand in
`config.json`: erf GELU and a layer norm eps of 1e-12 unless it says otherwise; for BiT in its code.  A `Dinov2Model` is
read as a ViT, its LayerScale folded (`folding.py`).

Only in PyTorch.  Shapes: `D` width, `M` hidden width of the MLP, `P` patch side, `C` channels, `T` tokens, `K` classes.
"""

from __future__ import annotations

import json
import logging
import os
import re

import numpy as np

from vitedu_numpy.config import BiTConfig, ViTConfig
from vitedu_numpy.weights.files import replacing
from vitedu_numpy.weights.layout import Entry, from_layout, same, sizes_of, to_layout
from vitedu_numpy.weights.official import units

from .folding import fold_layer_scale, has_layer_scale, refuse_other_parts
from .safe import write_safetensors

__all__ = [
    "file_names", "from_huggingface", "huggingface_config", "huggingface_layout", "huggingface_settings",
    "save_huggingface", "to_huggingface", "without_unused_pooler",
]  # fmt: skip

_log = logging.getLogger(__name__)

_GELU = {"gelu": "erf", "gelu_python": "erf", "gelu_pytorch_tanh": "tanh", "gelu_new": "tanh"}
_BIT_CONSTANTS = {"groupnorm_eps": 1e-5, "standardize_eps": 1e-8}  # fixed in its code, no setting

# The names of its newer versions, and the ones in files.
_NEW_NAMES = {
    r"\blayers\.(\d+)\.attention\.q_proj\.": r"encoder.layer.\1.attention.attention.query.",
    r"\blayers\.(\d+)\.attention\.k_proj\.": r"encoder.layer.\1.attention.attention.key.",
    r"\blayers\.(\d+)\.attention\.v_proj\.": r"encoder.layer.\1.attention.attention.value.",
    r"\blayers\.(\d+)\.attention\.o_proj\.": r"encoder.layer.\1.attention.output.dense.",
    r"\blayers\.(\d+)\.mlp\.fc1\.": r"encoder.layer.\1.intermediate.dense.",
    r"\blayers\.(\d+)\.mlp\.fc2\.": r"encoder.layer.\1.output.dense.",
    r"\blayers\.(\d+)\.layernorm_": r"encoder.layer.\1.layernorm_",
    # DINOv2's, in files and in memory
    r"^dinov2\.": "",
    r"\bencoder\.layer\.(\d+)\.norm1\.": r"encoder.layer.\1.layernorm_before.",
    r"\bencoder\.layer\.(\d+)\.norm2\.": r"encoder.layer.\1.layernorm_after.",
    r"\bencoder\.layer\.(\d+)\.attention\.q_proj\.": r"encoder.layer.\1.attention.attention.query.",
    r"\bencoder\.layer\.(\d+)\.attention\.k_proj\.": r"encoder.layer.\1.attention.attention.key.",
    r"\bencoder\.layer\.(\d+)\.attention\.v_proj\.": r"encoder.layer.\1.attention.attention.value.",
    r"\bencoder\.layer\.(\d+)\.attention\.o_proj\.": r"encoder.layer.\1.attention.output.dense.",
    r"\bencoder\.layer\.(\d+)\.mlp\.fc1\.": r"encoder.layer.\1.intermediate.dense.",
    r"\bencoder\.layer\.(\d+)\.mlp\.fc2\.": r"encoder.layer.\1.output.dense.",
}


def huggingface_layout(config) -> list[Entry]:
    """Every array of `ViTForImageClassification` or `BitForImageClassification`, by their names in files.

    The pre-logits layer is the pooler of `ViTModel`, which `ViTForImageClassification` does not have.  Raises
    ValueError for a model that the library cannot hold.
    """
    if type(config).__name__ == "BiTConfig":
        return _bit_layout(config)
    c, kind = config, type(config).__name__
    if kind == "EfficientNetConfig":
        raise ValueError(f"transformers cannot hold model={kind!r} in a layout known here; expected a ViT or BiT")
    for name, value, allowed in (
        ("model", kind, "ViTConfig"), ("classifier", c.classifier, "token"),
        ("position_embedding", c.position_embedding, "1d"), ("position_at", c.positions_in, "stem"),
    ):  # fmt: skip
        if value != allowed:
            raise ValueError(f"transformers cannot hold {name}={value!r}; its ViT has {allowed!r}")
    D, M, P, C = c.width, c.mlp_dim, c.patch_size, c.channels
    embeddings, table = "vit.embeddings", []
    table += same("class_token.x_class", f"{embeddings}.cls_token", D, ones=2)
    table += same("position_embedding.E_pos", f"{embeddings}.position_embeddings", c.num_tokens, D, ones=1)
    projection = f"{embeddings}.patch_embeddings.projection"
    flat, square = (D, C * P * P), (D, C, P, P)
    table += [Entry("patch_embedding.weight", f"{projection}.weight", flat, square, (0, 1, 2, 3))]
    table += same("patch_embedding.bias", f"{projection}.bias", D)
    for i in range(c.depth):
        block, theirs = f"encoder.blocks.{i}", f"vit.encoder.layer.{i}"
        table += _pair(f"{block}.norm1", f"{theirs}.layernorm_before", D)
        for third, letter in enumerate(("query", "key", "value")):
            name, key = f"{block}.attention.qkv", f"{theirs}.attention.attention.{letter}"
            table += [Entry(f"{name}.weight", f"{key}.weight", (D, D), (D, D), (0, 1), third)]
            table += [Entry(f"{name}.bias", f"{key}.bias", (D,), (D,), (0,), third)]
        table += _pair(f"{block}.attention.out", f"{theirs}.attention.output.dense", D, D)
        table += _pair(f"{block}.norm2", f"{theirs}.layernorm_after", D)
        table += _pair(f"{block}.mlp.fc1", f"{theirs}.intermediate.dense", M, D)
        table += _pair(f"{block}.mlp.fc2", f"{theirs}.output.dense", D, M)
    table += _pair("encoder.norm", "vit.layernorm", D)
    if c.representation_size:
        table += _pair("pre_logits.linear", "vit.pooler.dense", c.representation_size, D)
    return table + _pair("head", "classifier", c.num_classes, c.representation_size or D)


def _pair(name, key, *shape) -> list[Entry]:
    return same(f"{name}.weight", f"{key}.weight", *shape) + same(f"{name}.bias", f"{key}.bias", shape[0])


def _bit_layout(c) -> list[Entry]:
    for name, value, allowed in (("stem", c.stem, "imagenet"), ("pool_padding", c.pool_padding, "zero")):
        if value != allowed:
            raise ValueError(f"transformers cannot hold {name}={value!r}; its BiT has {allowed!r}")
    W = c.base_width * c.width_factor
    table = same("root.weight", "bit.embedder.convolution.weight", W, c.channels, 7, 7)
    for s, u, C, inside, out in units(c.blocks, W):
        unit, theirs = f"stages.{s}.units.{u}", f"bit.encoder.stages.{s}.layers.{u}"
        shapes = ((inside, C, 1, 1), (inside, inside, 3, 3), (out, inside, 1, 1))
        for n, shape in enumerate(shapes, start=1):
            table += _pair(f"{unit}.norm{n}", f"{theirs}.norm{n}", shape[1])
            table += same(f"{unit}.conv{n}.weight", f"{theirs}.conv{n}.weight", *shape)
        if u == 0:
            table += same(f"{unit}.conv_proj.weight", f"{theirs}.downsample.conv.weight", out, C, 1, 1)
    C = c.feature_channels
    return table + _pair("norm", "bit.norm", C) + _pair("head", "classifier.1", c.num_classes, C)


def to_huggingface(named, config) -> dict[str, np.ndarray]:
    """{our name: array or tensor}  ->  {name in a file of transformers: array}.  Errors as in `to_official`."""
    return to_layout(named, huggingface_layout(config))


def from_huggingface(arrays, config, source="arrays") -> dict[str, np.ndarray]:
    """The reverse, from files of older or newer versions, LayerScale folded.  Errors as in `from_timm`."""
    refuse_other_parts(arrays, source)
    return from_layout(fold_layer_scale(file_names(arrays), source), huggingface_layout(config), source)


def file_names(arrays) -> dict:
    """Names as in files of `...ForImageClassification`; a `ViTModel` or `BitModel` has them without the first part."""
    found, first = {}, ("vit.", "bit.", "classifier.")
    for key, value in arrays.items():
        for new, old in _NEW_NAMES.items():
            key = re.sub(new, old, key)
        if not key.startswith(first):
            key = ("bit." if key.startswith(("embedder.", "encoder.stages.", "norm.")) else "vit.") + key
        found[key] = value
    return found


def without_unused_pooler(arrays, settings, source) -> dict:
    """The arrays, by their names in files, without a pooler that `ViTForImageClassification` would not read.

    Its classifier reads the class token; a pooler gets into its file where the model was begun from a `ViTModel`.
    """
    pooler = [key for key in arrays if key.startswith("vit.pooler.")]
    if not pooler or "classifier.weight" not in arrays:
        return arrays
    if "ViTForImageClassification" in (settings.get("architectures") or ()):
        _log.warning("%s: its pooler was left out: a ViTForImageClassification has none", source)
        return {key: array for key, array in arrays.items() if key not in pooler}
    _log.warning("%s: its classifier was taken to read the pooler; drop_pre_logits=True leaves both out", source)
    return arrays


# ---- settings ------------------------------------------------------------------------------------------------------


def huggingface_config(arrays, settings, source="arrays", own=None, num_classes=None):
    """Our config for a model of transformers: sizes from the arrays, the rest from its `config.json` as a dict.

    own: the config in the file's metadata, for what `config.json` has no place for; num_classes: where there is no
    head.  Raises ValueError for a setting that our models do not have.
    """
    refuse_other_parts(arrays, source)
    arrays = file_names(arrays)
    is_bit = any(key.startswith("bit.") for key in arrays)
    head = "classifier.1.weight" if is_bit else "classifier.weight"
    K = np.shape(arrays[head])[0] if np.ndim(arrays.get(head)) else num_classes
    if K is None:
        raise ValueError(f"{source} has no head; say num_classes=")
    read = _bit_settings if is_bit else _vit_settings
    try:
        return read(arrays, settings, own, K)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"{source}: these settings, or arrays, are not of a model that fits: {error}") from None


def _vit_settings(arrays, s, own, K):
    _fixed(s, model_type=(None, "vit", "dinov2"), qkv_bias=(True,), hidden_act=tuple(_GELU))
    dinov2 = s.get("model_type") == "dinov2"
    if dinov2 and not has_layer_scale(arrays):
        raise ValueError("a Dinov2Model has LayerScale, and the arrays have none")
    if dinov2 and "classifier.weight" in arrays:
        raise ValueError("its classifier reads class token and mean of the patches at once; expected a Dinov2Model")
    D, C, P, _ = sizes_of(arrays, "vit.embeddings.patch_embeddings.projection.weight", "D C P P")
    layers = {int(m[1]) for key in arrays if (m := re.match(r"vit\.encoder\.layer\.(\d{1,6})\.", key))}
    (mlp_dim,) = sizes_of(arrays, "vit.encoder.layer.0.intermediate.dense.bias", "M")
    _fixed(s, num_hidden_layers=(None, len(layers)), hidden_size=(None, D), patch_size=(None, P, [P, P]))
    _fixed(s, num_channels=(None, C), intermediate_size=(None, mlp_dim))
    pooler = arrays.get("vit.pooler.dense.weight")
    if pooler is not None:
        _fixed(s, pooler_act=(None, "tanh"))
    return ViTConfig(
        image_size=s.get("image_size", 224), patch_size=P, width=D, depth=len(layers), channels=C,
        heads=s.get("num_attention_heads", 12), mlp_dim=mlp_dim,
        num_classes=K, representation_size=None if pooler is None else len(pooler),
        gelu=_GELU[s.get("hidden_act", "gelu")], layernorm_eps=s.get("layer_norm_eps", 1e-6 if dinov2 else 1e-12),
        dropout=s.get("hidden_dropout_prob", 0.0), attention_dropout=s.get("attention_probs_dropout_prob", 0.0),
        head_bias=getattr(own, "head_bias", 0.0),
    )  # fmt: skip


def _bit_settings(arrays, s, own, K):
    _fixed(s, model_type=(None, "bit"), layer_type=(None, "preactivation"), hidden_act=(None, "relu"))
    _fixed(s, global_padding=(None,), embedding_dynamic_padding=(None, False), width_factor=(None, 1))
    W, C, _, _ = sizes_of(arrays, "bit.embedder.convolution.weight", "W C 7 7")
    found = [re.match(r"bit\.encoder\.stages\.(\d{1,6})\.layers\.(\d{1,6})\.", key) for key in arrays]
    pairs = {(int(m[1]), int(m[2])) for m in found if m}
    blocks = tuple(sum(stage == s for stage, _ in pairs) for s in range(1 + max(stage for stage, _ in pairs)))
    _fixed(s, depths=(None, list(blocks)))
    if 4 * 2 ** (len(blocks) - 1) > s.get("output_stride", 32):
        raise ValueError(
            f"output_stride={s.get('output_stride', 32)} with {len(blocks)} stages; expected one not reached"
        )
    constants = {name: getattr(own, name, value) for name, value in _BIT_CONSTANTS.items()}
    factor = W // 64 if W % 64 == 0 else 1
    return BiTConfig(
        blocks=blocks, num_classes=K, width_factor=factor, base_width=W // factor, channels=C,
        groups=s.get("num_groups", 32), head_bias=getattr(own, "head_bias", 0.0), **constants,
    )  # fmt: skip


def _fixed(settings, **allowed) -> None:
    """Refuse a setting that is not one of the allowed values (None among them: it may be absent)."""
    for name, values in allowed.items():
        value = settings.get(name)
        absent_is_right = value is None and (None in values or name in ("qkv_bias", "hidden_act"))
        if value not in values and not absent_is_right:
            raise ValueError(f"{name}={value!r}; expected {' or '.join(repr(v) for v in values if v is not None)}")


def huggingface_settings(config) -> dict:
    """What `config.json` must say so that transformers builds this model."""
    huggingface_layout(config)  # refuses what it cannot hold
    c = config
    if type(c).__name__ == "BiTConfig":
        W = c.base_width * c.width_factor
        return {
            "architectures": ["BitForImageClassification"], "model_type": "bit", "layer_type": "preactivation",
            "num_channels": c.channels, "embedding_size": W, "depths": list(c.blocks), "num_groups": c.groups,
            "hidden_sizes": [4 * W * 2**s for s in range(len(c.blocks))], "hidden_act": "relu", "global_padding": None,
            "embedding_dynamic_padding": False, "output_stride": max(32, 4 * 2 ** (len(c.blocks) - 1)),
            "width_factor": 1, "num_labels": c.num_classes,
        }  # fmt: skip
    if c.representation_size is not None:
        raise ValueError(
            f"transformers cannot hold representation_size={c.representation_size}: its classifier reads the class "
            f"token itself; expected None (see drop_pre_logits of from_pretrained)"
        )
    size = list(c.image_size) if isinstance(c.image_size, tuple) else c.image_size
    return {
        "architectures": ["ViTForImageClassification"], "model_type": "vit", "hidden_size": c.width,
        "num_hidden_layers": c.depth, "num_attention_heads": c.heads, "intermediate_size": c.mlp_dim,
        "hidden_act": "gelu" if c.gelu == "erf" else "gelu_pytorch_tanh", "layer_norm_eps": c.layernorm_eps,
        "hidden_dropout_prob": c.dropout, "attention_probs_dropout_prob": c.attention_dropout, "image_size": size,
        "patch_size": c.patch_size, "num_channels": c.channels, "qkv_bias": True, "num_labels": c.num_classes,
    }  # fmt: skip


def save_huggingface(model, folder) -> None:
    """Write `config.json` and `model.safetensors` into a folder, for `from_pretrained` of transformers and ours.

    Raises ValueError for a model that transformers cannot hold, before anything is written.
    """
    settings, arrays = huggingface_settings(model.config), to_huggingface(model.state_dict(), model.config)
    if type(model.config).__name__ == "BiTConfig":
        ours = {name: getattr(model.config, name) for name in _BIT_CONSTANTS}
        if ours != _BIT_CONSTANTS:
            _log.warning("transformers computes BiT with %s, this model with %s", _BIT_CONSTANTS, ours)
    os.makedirs(folder, exist_ok=True)
    write_safetensors(os.path.join(folder, "model.safetensors"), arrays, model.config)
    with replacing(os.path.join(folder, "config.json")) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(settings, file, indent=2)
