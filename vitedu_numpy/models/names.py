"""Settings by name: the paper's models, the authors', and small ones.  Taught in notebooks/12_compute.ipynb.

The paper's and the authors' own spellings work too: "ViT-B/16", "ViT-B_16", "R50+ViT-B/16", "R50x1", "BiT-M-R50x1",
"EfficientNet-B0".
"""

from __future__ import annotations

from dataclasses import fields, replace

from ..config import DIGITS_VIT, BiTConfig, EfficientNetConfig, HybridConfig, ViTConfig
from ..validate import did_you_mean

__all__ = ["list_models", "named_config", "registered_name"]

# width, depth, heads, MLP width.  B, L, H: Table 1.  Ti and S are not in the paper: the authors' configurations.
_VIT_SIZES = {
    "ti": (192, 12, 3, 768),
    "s": (384, 12, 6, 1536),
    "b": (768, 12, 12, 3072),
    "l": (1024, 24, 16, 4096),
    "h": (1280, 32, 16, 5120),
}
_PATCH_SIZES = (8, 14, 16, 32)

# name -> (ResNet units per stage, ViT size, patch size on the feature map, the authors' name)
_HYBRIDS = {
    "r_ti16": ((), "ti", 8, "R+ViT-Ti_16"),  # the root divides by 4, so 8 there is 32 here, whatever the name says
    "r26_s32": ((2, 2, 2, 2), "s", 1, "R26+ViT-S_32"),
    "r26_b32": ((2, 2, 2, 2), "b", 1, "R26+ViT-B_32"),
    "r50_b16": ((3, 4, 9), "b", 1, "R50+ViT-B_16"),
    "r50_b32": ((3, 4, 6, 3), "b", 1, "R50+ViT-B_32"),
    "r50_l16": ((3, 4, 9), "l", 1, "R50+ViT-L_16"),
    "r50_l32": ((3, 4, 6, 3), "l", 1, "R50+ViT-L_32"),
}

_RESNETS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}
_BITS = ((50, 1), (50, 2), (50, 3), (101, 1), (101, 3), (152, 1), (152, 2), (152, 4), (200, 3))

# B0 ... B7 (Tan & Le 2019): width multiplier, depth multiplier, image size.
_EFFICIENTNETS = (
    (1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 300), (1.4, 1.8, 380), (1.6, 2.2, 456),
    (1.8, 2.6, 528), (2.0, 3.1, 600),
)  # fmt: skip
# For 32 pixels: 16 x 16 places after the stem, and no stride in the second stage, as the authors do with small images.
_TINY_STAGES = ((1, 3, 1, 1, 16), (1, 3, 1, 4, 24), (2, 5, 2, 4, 40), (2, 3, 2, 4, 96))


def _register():
    """(name -> settings, other spelling -> name).  Official constants: tanh GELU, eps as in DEVIATIONS.md."""
    configs, aliases = {}, {}
    for size, (width, depth, heads, mlp_dim) in _VIT_SIZES.items():
        for P in _PATCH_SIZES:
            name = f"vit_{size}{P}"
            configs[name] = ViTConfig(224, P, width, depth, heads, mlp_dim, num_classes=1000, gelu="tanh")
            aliases |= {f"ViT-{size.capitalize()}{mark}{P}": name for mark in "/_"}
    aliases |= {"ViT-b/32": "vit_s32", "ViT-b_32": "vit_s32"}  # Fig. 4's "b": every hidden width of Base halved
    for name, (blocks, size, P, official) in _HYBRIDS.items():
        width, depth, heads, mlp_dim = _VIT_SIZES[size]
        configs[name] = HybridConfig(224, P, width, depth, heads, mlp_dim, 1000, gelu="tanh", blocks=blocks)
        aliases |= dict.fromkeys([official, official.replace("_", "/"), official.replace("ViT-", "")], name)
        aliases[official.replace("ViT-", "").replace("_", "/")] = name
        aliases[official.replace("+", "x1+").replace("_", "/")] = name  # Table 6 writes R50x1+ViT-B/32
    for depth, factor in _BITS:
        name = f"bit_r{depth}x{factor}"
        configs[name] = BiTConfig(_RESNETS[depth], 1000, factor)
        aliases |= {f"{kind}R{depth}x{factor}": name for kind in ("", "BiT-S-", "BiT-M-", "BiT-L-")}
    configs["vit_digits"] = DIGITS_VIT
    configs["vit_cifar"] = ViTConfig(32, 4, 192, 6, 3, 768, num_classes=10, gelu="tanh")
    configs["bit_tiny"] = BiTConfig((1, 1, 1), 10, image_size=32, base_width=16, stem="small", groups=8)
    for number, (width, depth, image_size) in enumerate(_EFFICIENTNETS):
        name = f"efficientnet_b{number}"
        sizes = dict(width_multiplier=width, depth_multiplier=depth)
        configs[name] = EfficientNetConfig(1000, image_size, **sizes)
        aliases |= dict.fromkeys((f"EfficientNet-B{number}", f"efficientnet-b{number}"), name)
    sizes = dict(stem_width=16, stages=_TINY_STAGES, top_width=384)
    configs["efficientnet_tiny"] = EfficientNetConfig(10, 32, **sizes)
    return configs, aliases


_CONFIGS, _ALIASES = _register()


def list_models() -> list[str]:
    """Names of all registered models."""
    return list(_CONFIGS)


def registered_name(name: str) -> str:
    """The short name for any spelling: "R50+ViT-B/16" and "R50x1+ViT-B/16" are "r50_b16".  Errors as `named_config`."""
    short = _ALIASES.get(name, name) if isinstance(name, str) else None
    if short not in _CONFIGS:
        hint = did_you_mean(name, [*_CONFIGS, *_ALIASES])
        raise ValueError(f"name={name!r} is not a registered model; {hint}list_models() has {', '.join(_CONFIGS)}")
    return short


def named_config(name: str, num_classes: int | None = None, image_size=None, **overrides):
    """The settings of a named model, with some changed: a `ViTConfig`, `HybridConfig`, ...

    num_classes and image_size default to the model's own (1000 and 224 for the paper's).  Raises ValueError for an
    unknown name or a field out of its range, TypeError for a field that the model does not have.
    """
    config = _CONFIGS[registered_name(name)]
    overrides |= {k: v for k, v in (("num_classes", num_classes), ("image_size", image_size)) if v is not None}
    known = [f.name for f in fields(config)]
    unknown = [field for field in overrides if field not in known]
    if unknown:
        raise TypeError(f"{name} has no setting {unknown}; its settings are {known}")
    return replace(config, **overrides)
