"""ViT, hybrids and BiT as the `timm` library names them.  Taught in notebooks/13_weights.ipynb.

Its axes are PyTorch's, as ours, and q, k, v one matrix: only names differ.  Its constants are not in the files: erf
GELU, layer norm eps 1e-6, group norm eps 1e-5, and 1e-8 under the root of a filter's variance.  DeiT-III and DINOv2
have LayerScale too, which is folded (`folding.py`).

Only in PyTorch.  Shapes: `D` width, `M` hidden width of the MLP, `P` patch side, `C` channels, `T` tokens, `K` classes.
"""

from __future__ import annotations

import logging
import re
from math import isqrt

import numpy as np

from vitedu_numpy.config import BiTConfig, HybridConfig, ViTConfig
from vitedu_numpy.weights.layout import Entry, from_layout, same, sizes_of, to_layout
from vitedu_numpy.weights.loading import say_image_size
from vitedu_numpy.weights.official import units

from .folding import fold_layer_scale, has_layer_scale, refuse_other_parts
from .safe import write_safetensors

__all__ = ["from_timm", "save_timm", "timm_config", "timm_layout", "to_timm"]

_log = logging.getLogger(__name__)

# A hybrid divides a filter by std + eps here, by sqrt(var + 1e-8) there.  1e-7 is what the second comes to at a
# standard deviation of 0.05; the rest differs by less than float32 rounds.
_CONSTANTS = {
    "ViTConfig": {"gelu": "erf", "layernorm_eps": 1e-6},
    "HybridConfig": {"gelu": "erf", "layernorm_eps": 1e-6, "groupnorm_eps": 1e-5, "standardize_eps": 1e-7},
    "BiTConfig": {"groupnorm_eps": 1e-5, "standardize_eps": 1e-8},
}
_HEADS = {192: 3, 384: 6, 512: 8, 768: 12, 1024: 16, 1280: 16}  # by width; 512: DeiT-III's "medium"
# Architectures with these names and constants; others, under the same names of arrays, have another GELU.
_KNOWN = (
    r"(vit|deit)_(tiny|small|base|large|huge)_(patch\d+|r\d*_s\d+(_p\d+)?)_\d+|resnetv2_\d+x\d_bit"
    r"|deit3_(small|medium|base|large|huge)_patch\d+_\d+|vit_(small|base|large)_patch14_dinov2"
)


def timm_layout(config) -> list[Entry]:
    """Every array of timm's `VisionTransformer` (with or without a ResNet before it) or `ResNetV2`, by its names.

    Raises ValueError for a model that the library cannot hold.
    """
    kind = type(config).__name__
    if kind == "BiTConfig":
        return _bit_layout(config)
    if kind == "HybridConfig":
        return _backbone_layout(config) + _vit_layout(config.vit, "vit.")
    if kind == "ViTConfig":
        return _vit_layout(config)
    raise ValueError(f"timm cannot hold model={kind!r} in a layout known here; expected one of {list(_CONSTANTS)}")


def _vit_layout(c, ours="") -> list[Entry]:
    if c.position_embedding != "1d" or c.positions_in != "stem":
        given = f"position_embedding={c.position_embedding!r} at {c.positions_in!r}"
        raise ValueError(f"timm cannot hold {given}; its ViT has '1d' at 'stem'")
    D, M, P, C, table = c.width, c.mlp_dim, c.patch_size, c.channels, []
    if c.classifier == "token":
        table += same(f"{ours}class_token.x_class", "cls_token", D, ones=2)
    table += same(f"{ours}position_embedding.E_pos", "pos_embed", c.num_tokens, D, ones=1)
    flat, square = (D, C * P * P), (D, C, P, P)
    table += [Entry(f"{ours}patch_embedding.weight", "patch_embed.proj.weight", flat, square, (0, 1, 2, 3))]
    table += same(f"{ours}patch_embedding.bias", "patch_embed.proj.bias", D)
    for i in range(c.depth):
        block, theirs = f"{ours}encoder.blocks.{i}", f"blocks.{i}"
        table += _pair(f"{block}.norm1", f"{theirs}.norm1", D)
        table += _pair(f"{block}.attention.qkv", f"{theirs}.attn.qkv", 3 * D, D)
        table += _pair(f"{block}.attention.out", f"{theirs}.attn.proj", D, D)
        table += _pair(f"{block}.norm2", f"{theirs}.norm2", D)
        table += _pair(f"{block}.mlp.fc1", f"{theirs}.mlp.fc1", M, D)
        table += _pair(f"{block}.mlp.fc2", f"{theirs}.mlp.fc2", D, M)
    table += _pair(f"{ours}encoder.norm", "norm", D)
    if c.representation_size:  # read from files of its older versions
        table += _pair(f"{ours}pre_logits.linear", "pre_logits.fc", c.representation_size, D)
    return table + _pair(f"{ours}head", "head", c.num_classes, c.representation_size or D)


def _pair(name, key, *shape) -> list[Entry]:
    return same(f"{name}.weight", f"{key}.weight", *shape) + same(f"{name}.bias", f"{key}.bias", shape[0])


def _backbone_layout(c) -> list[Entry]:
    W, backbone = c.backbone_width, "patch_embed.backbone"
    stem = f"{backbone}.stem" if c.blocks else backbone
    table = same("backbone.root.weight", f"{stem}.conv.weight", W, c.channels, 7, 7)
    table += _pair("backbone.root_norm", f"{stem}.norm", W)
    for s, u, C, inside, out in units(c.blocks, W):
        unit, theirs = f"backbone.stages.{s}.units.{u}", f"{backbone}.stages.{s}.blocks.{u}"
        shapes = {"1": (inside, C, 1, 1), "2": (inside, inside, 3, 3), "3": (out, inside, 1, 1)}
        for n, shape in shapes.items():
            table += same(f"{unit}.conv{n}.weight", f"{theirs}.conv{n}.weight", *shape)
            table += _pair(f"{unit}.norm{n}", f"{theirs}.norm{n}", shape[0])
        if u == 0:
            table += same(f"{unit}.conv_proj.weight", f"{theirs}.downsample.conv.weight", out, C, 1, 1)
            table += _pair(f"{unit}.norm_proj", f"{theirs}.downsample.norm", out)
    return table


def _bit_layout(c) -> list[Entry]:
    for name, value, allowed in (("stem", c.stem, "imagenet"), ("pool_padding", c.pool_padding, "zero")):
        if value != allowed:
            raise ValueError(f"timm cannot hold {name}={value!r}; its BiT has {allowed!r}")
    W = c.base_width * c.width_factor
    table = same("root.weight", "stem.conv.weight", W, c.channels, 7, 7)
    for s, u, C, inside, out in units(c.blocks, W):
        unit, theirs = f"stages.{s}.units.{u}", f"stages.{s}.blocks.{u}"
        shapes = ((inside, C, 1, 1), (inside, inside, 3, 3), (out, inside, 1, 1))
        for n, shape in enumerate(shapes, start=1):
            table += _pair(f"{unit}.norm{n}", f"{theirs}.norm{n}", shape[1])
            table += same(f"{unit}.conv{n}.weight", f"{theirs}.conv{n}.weight", *shape)
        if u == 0:
            table += same(f"{unit}.conv_proj.weight", f"{theirs}.downsample.conv.weight", out, C, 1, 1)
    C, K = c.feature_channels, c.num_classes
    table += _pair("norm", "norm", C)
    table += [Entry("head.weight", "head.fc.weight", (K, C), (K, C, 1, 1), (0, 1, 2, 3))]
    return table + same("head.bias", "head.fc.bias", K)


def to_timm(named, config) -> dict[str, np.ndarray]:
    """{our name: array or tensor}  ->  {timm's name: array}.  Errors as in `to_official`."""
    return to_layout(named, timm_layout(config))


def from_timm(arrays, config, source="arrays") -> dict[str, np.ndarray]:
    """The reverse, LayerScale folded.  Errors as in `from_official`, and for parts that our models have not."""
    refuse_other_parts(arrays, source)
    arrays = _with_class_position(arrays, config)
    return from_layout(fold_layer_scale(arrays, source), timm_layout(config), source)


def _with_class_position(arrays, config) -> dict:
    """Some of its models add positions before the class token is put in front: for it they are zero."""
    positions = arrays.get("pos_embed")
    if "cls_token" in arrays and np.ndim(positions) == 3 and np.shape(positions)[1] == _tokens(config) - 1:
        positions = np.asarray(positions)
        return arrays | {"pos_embed": np.concatenate([np.zeros_like(positions[:, :1]), positions], axis=1)}
    return arrays


def _tokens(config) -> int:
    return getattr(config, "vit", config).num_tokens


def timm_config(arrays, settings, source="arrays", own=None, num_classes=None, image_size=None, heads=None):
    """Our config for a model of timm: sizes from the arrays, constants as in its code.

    settings: its `config.json` as a dict, or {}; own: the config in the file's metadata, or None; heads: where neither
    says them and the width is not one of the paper's.  Raises ValueError for what our models do not have.
    """
    refuse_other_parts(arrays, source)
    arguments, architecture = settings.get("model_args") or {}, settings.get("architecture")
    if architecture is not None and not re.fullmatch(_KNOWN, str(architecture)):
        raise ValueError(f"{source}: architecture={architecture!r} is not known to compute as our models do")
    head = "head.fc.weight" if "stem.conv.weight" in arrays else "head.weight"
    K = np.shape(arrays[head])[0] if np.ndim(arrays.get(head)) else num_classes
    if K is None:
        raise ValueError(f"{source} has no head; say num_classes=")
    try:
        if "stem.conv.weight" in arrays:
            return _bit_settings(arrays, own, K)
        (width,) = sizes_of(arrays, "norm.weight", "D")
        told = heads or getattr(own, "heads", None) or arguments.get("num_heads")
        heads = told or _HEADS.get(width)
        if heads is None:
            raise ValueError("the arrays do not tell the number of heads; say heads=")
        if not told and architecture is None:
            text = "%s: the number of heads was taken to be %d, as models of width %d mostly have; heads= chooses"
            _log.warning(text, source, heads, width)
        if own is None and arguments.get("init_values") and not has_layer_scale(arrays):
            raise ValueError(f"model_args has init_values={arguments['init_values']!r}, and the arrays no LayerScale")
        _check_arguments(arguments, settings.get("global_pool"), "cls_token" in arrays)
        config, told = _vit_settings(arrays, own, arguments, image_size, K, heads, source)
        sizes = {
            "embed_dim": width,
            "depth": config.depth,
            "patch_size": config.patch_size,
            "in_chans": config.channels,
        }
        for name, size in sizes.items():  # or its heads are those of another model, or blocks were lost
            if arguments.get(name) not in (None, size, [size, size]) and type(config).__name__ == "ViTConfig":
                raise ValueError(f"model_args has {name}={arguments[name]!r}; the arrays are of {size}")
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"{source}: these settings, or arrays, are not of a model that fits: {error}") from None
    if not told:
        say_image_size(config, source)
    return config


# What may stand in `model_args`: these change nothing that arrays or code do not tell; others only with these values.
_ARGUMENTS = frozenset(
    "img_size patch_size in_chans num_classes embed_dim depth num_heads mlp_ratio init_values no_embed_class act_layer "
    "class_token weight_init dynamic_img_size drop_rate pos_drop_rate patch_drop_rate proj_drop_rate attn_drop_rate "
    "drop_path_rate pretrained_strict".split()
)
_ALLOWED = {"qkv_bias": True, "reg_tokens": 0, "pre_norm": False, "qk_norm": False, "dynamic_img_pad": False,
            "scale_attn_norm": False, "scale_mlp_norm": False, "final_norm": True, "fc_norm": False}  # fmt: skip


def _check_arguments(arguments, pool, has_token) -> None:
    """Refuse settings of timm's under which the same arrays compute something else."""
    expected = "token" if has_token else "avg"
    pools = {arguments.get("global_pool"), pool} - {None, "", expected}
    if pools:
        raise ValueError(f"global_pool={sorted(map(str, pools))[0]!r}; expected {expected!r} for these arrays")
    for name, value in arguments.items():
        if name in _ALLOWED and value not in (None, _ALLOWED[name]):
            raise ValueError(f"model_args has {name}={value!r}; expected {_ALLOWED[name]!r}")
        if name not in _ARGUMENTS and name not in _ALLOWED and name != "global_pool" and value is not None:
            raise ValueError(f"model_args has {name}={value!r}, which is not known to compute as our models do")


def _grid_size(arrays, arguments, image_size, step, source):
    """The image size that the positions are for, where nobody tells it.

    With a class token n * n rows may be n x n patches and none for the token (DeiT-III), or (n - 1) x (n + 1) and one.
    """
    rows, token = sizes_of(arrays, "pos_embed", "1 T D")[1], "cls_token" in arrays
    side, all_rows = isqrt(rows - token), isqrt(rows)
    if side * side == rows - token and not arguments.get("no_embed_class"):
        return side * step
    if token and all_rows * all_rows == rows:
        if image_size is not None and not arguments.get("no_embed_class"):
            H, W = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
            if -(-H // step) * -(-W // step) == rows - 1:
                return image_size
        if not has_layer_scale(arrays) and not arguments.get("no_embed_class"):
            text = "%s: its %d positions were taken for %d x %d patches and none for the class token; for another grid "
            _log.warning(text + "of %d patches say image_size=", source, rows, all_rows, all_rows, rows - 1)
        return all_rows * step
    if image_size is None:
        raise ValueError(f"{rows - token} positions are no square grid; say image_size=")
    return image_size


def _vit_settings(arrays, own, arguments, image_size, K, heads, source):
    """The config, and whether anybody told the image size; else it is the largest of the positions' grid."""
    D, C, P, _ = sizes_of(arrays, "patch_embed.proj.weight", "D C P P")
    pre_logits = arrays.get("pre_logits.fc.weight")
    sizes = {
        "patch_size": P, "width": D, "heads": heads, "num_classes": K, "channels": C,
        "depth": _count(arrays, r"blocks\.(\d{1,6})\."), "mlp_dim": sizes_of(arrays, "blocks.0.mlp.fc1.bias", "M")[0],
        "classifier": "token" if "cls_token" in arrays else "gap",
        "representation_size": None if pre_logits is None else len(pre_logits),
    }  # fmt: skip
    kind, step = ViTConfig, P
    root = next((arrays[k] for k in arrays if re.fullmatch(r"patch_embed\.backbone\.(stem\.)?conv\.weight", k)), None)
    if root is not None:
        stage = r"patch_embed\.backbone\.stages\."
        stages = range(_count(arrays, stage + r"(\d{1,6})\."))
        blocks = tuple(_count(arrays, rf"{stage}{s}\.blocks\.(\d{{1,6}})\.") for s in stages)
        kind, step = HybridConfig, 4 * P * 2 ** max(len(blocks) - 1, 0)
        sizes |= {"channels": root.shape[1], "backbone_width": root.shape[0], "blocks": blocks}
    told = getattr(own, "image_size", None) or arguments.get("img_size")
    size = told or _grid_size(arrays, arguments, image_size, step, source)
    act = arguments.get("act_layer")
    if act not in (None, "gelu", "gelu_tanh"):
        raise ValueError(f"act_layer={act!r}; expected 'gelu' or 'gelu_tanh'")
    constants = _CONSTANTS[kind.__name__] | ({"gelu": "tanh"} if act == "gelu_tanh" else {})
    kept = (*constants, "dropout", "attention_dropout", "stochastic_depth", "head_bias", "groups")
    return kind(**sizes, image_size=size, **constants | _kept(own, kept)), bool(told or image_size)


def _kept(own, names) -> dict:
    return {name: getattr(own, name) for name in names if hasattr(own, name)}


def _bit_settings(arrays, own, K):
    W, C, _, _ = sizes_of(arrays, "stem.conv.weight", "W C 7 7")
    stages = range(_count(arrays, r"stages\.(\d{1,6})\."))
    blocks = tuple(_count(arrays, rf"stages\.{s}\.blocks\.(\d{{1,6}})\.") for s in stages)
    factor = W // 64 if W % 64 == 0 else 1
    constants = _CONSTANTS["BiTConfig"]
    kept = (*constants, "image_size", "head_bias", "groups")
    return BiTConfig(
        blocks=blocks, num_classes=K, width_factor=factor, base_width=W // factor, channels=C,
        **constants | _kept(own, kept),
    )  # fmt: skip


def _count(arrays, pattern) -> int:
    return len({match[1] for key in arrays if (match := re.match(pattern, key))})


def save_timm(model, path) -> None:
    """Write a safetensors file that `timm.create_model(..., checkpoint_path=path)` loads, at exactly `path`.

    Raises ValueError for a model that timm cannot hold, before anything is written.
    """
    if getattr(model.config, "representation_size", None) is not None:
        given = f"representation_size={model.config.representation_size}"
        raise ValueError(f"timm cannot hold {given}: its newer versions have no such layer; expected None")
    arrays, constants = to_timm(model.state_dict(), model.config), _CONSTANTS[type(model.config).__name__]
    ours = {name: getattr(model.config, name) for name in constants}
    if ours != constants:
        _log.warning("timm computes with %s unless told otherwise, this model with %s", constants, ours)
    write_safetensors(path, arrays, model.config)
