"""timm's names, as version 1.0.31 writes them: the comparison with its models was made by hand (see below).

Measured in float64 with timm 1.0.31 at random weights, largest difference of logits of size 1 to 3: ViT with and
without class token, square or not, 1e-15; BiT R50x1 and R50x3 3e-14; hybrids 1e-8 to 2e-6, because timm divides a
filter by sqrt(var + 1e-8) and ours by std + eps.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vitedu import ViTConfig, from_pretrained
from vitedu.models import build
from vitedu.weights import from_official, save_timm, to_official, to_timm
from vitedu_numpy.config import BiTConfig, HybridConfig

# Names and shapes of state_dict(), printed by timm.  Blocks of a stage differ only in their number.
VIT = """
cls_token 1x1x48 | pos_embed 1x17x48 | patch_embed.proj.weight 48x3x4x4 | patch_embed.proj.bias 48
blocks.0.norm1.weight 48 | blocks.0.norm1.bias 48 | blocks.0.attn.qkv.weight 144x48 | blocks.0.attn.qkv.bias 144
blocks.0.attn.proj.weight 48x48 | blocks.0.attn.proj.bias 48 | blocks.0.norm2.weight 48 | blocks.0.norm2.bias 48
blocks.0.mlp.fc1.weight 96x48 | blocks.0.mlp.fc1.bias 96 | blocks.0.mlp.fc2.weight 48x96 | blocks.0.mlp.fc2.bias 48
norm.weight 48 | norm.bias 48 | head.weight 10x48 | head.bias 10
"""
ROOT = """
stem.conv.weight 64x3x7x7 | stem.norm.weight 64 | stem.norm.bias 64
"""
HYBRID = """
stages.0.blocks.0.downsample.conv.weight 256x64x1x1 | stages.0.blocks.0.downsample.norm.weight 256
stages.0.blocks.0.downsample.norm.bias 256
stages.0.blocks.0.conv1.weight 64x64x1x1 | stages.0.blocks.0.norm1.weight 64 | stages.0.blocks.0.norm1.bias 64
stages.0.blocks.0.conv2.weight 64x64x3x3 | stages.0.blocks.0.norm2.weight 64 | stages.0.blocks.0.norm2.bias 64
stages.0.blocks.0.conv3.weight 256x64x1x1 | stages.0.blocks.0.norm3.weight 256 | stages.0.blocks.0.norm3.bias 256
stages.0.blocks.1.conv1.weight 64x256x1x1 | stages.0.blocks.1.norm1.weight 64 | stages.0.blocks.1.norm1.bias 64
stages.0.blocks.1.conv2.weight 64x64x3x3 | stages.0.blocks.1.norm2.weight 64 | stages.0.blocks.1.norm2.bias 64
stages.0.blocks.1.conv3.weight 256x64x1x1 | stages.0.blocks.1.norm3.weight 256 | stages.0.blocks.1.norm3.bias 256
stages.1.blocks.0.downsample.conv.weight 512x256x1x1 | stages.1.blocks.0.downsample.norm.weight 512
stages.1.blocks.0.downsample.norm.bias 512
stages.1.blocks.0.conv1.weight 128x256x1x1 | stages.1.blocks.0.norm1.weight 128 | stages.1.blocks.0.norm1.bias 128
stages.1.blocks.0.conv2.weight 128x128x3x3 | stages.1.blocks.0.norm2.weight 128 | stages.1.blocks.0.norm2.bias 128
stages.1.blocks.0.conv3.weight 512x128x1x1 | stages.1.blocks.0.norm3.weight 512 | stages.1.blocks.0.norm3.bias 512
"""
BIT = """
stem.conv.weight 64x3x7x7
stages.0.blocks.0.downsample.conv.weight 256x64x1x1
stages.0.blocks.0.norm1.weight 64 | stages.0.blocks.0.norm1.bias 64 | stages.0.blocks.0.conv1.weight 64x64x1x1
stages.0.blocks.0.norm2.weight 64 | stages.0.blocks.0.norm2.bias 64 | stages.0.blocks.0.conv2.weight 64x64x3x3
stages.0.blocks.0.norm3.weight 64 | stages.0.blocks.0.norm3.bias 64 | stages.0.blocks.0.conv3.weight 256x64x1x1
stages.0.blocks.1.norm1.weight 256 | stages.0.blocks.1.norm1.bias 256 | stages.0.blocks.1.conv1.weight 64x256x1x1
stages.0.blocks.1.norm2.weight 64 | stages.0.blocks.1.norm2.bias 64 | stages.0.blocks.1.conv2.weight 64x64x3x3
stages.0.blocks.1.norm3.weight 64 | stages.0.blocks.1.norm3.bias 64 | stages.0.blocks.1.conv3.weight 256x64x1x1
stages.1.blocks.0.downsample.conv.weight 512x256x1x1
stages.1.blocks.0.norm1.weight 256 | stages.1.blocks.0.norm1.bias 256 | stages.1.blocks.0.conv1.weight 128x256x1x1
stages.1.blocks.0.norm2.weight 128 | stages.1.blocks.0.norm2.bias 128 | stages.1.blocks.0.conv2.weight 128x128x3x3
stages.1.blocks.0.norm3.weight 128 | stages.1.blocks.0.norm3.bias 128 | stages.1.blocks.0.conv3.weight 512x128x1x1
norm.weight 512 | norm.bias 512 | head.fc.weight 10x512x1x1 | head.fc.bias 10
"""


def table(text, prefix=""):
    pairs = [item.split() for line in text.strip().split("\n") for item in line.split("|")]
    return {prefix + name: tuple(map(int, shape.split("x"))) for name, shape in pairs}


SIZES = dict(width=48, depth=1, heads=3, mlp_dim=96, num_classes=10)
BACKBONE = "patch_embed.backbone."
ERF = dict(gelu="erf", layernorm_eps=1e-6)
HYBRID_ERF = ERF | dict(groupnorm_eps=1e-5, standardize_eps=1e-7)
NAMES = {
    "ViT": (ViTConfig(16, 4, **SIZES, **ERF), table(VIT)),
    "ViT, gap": (
        ViTConfig(16, 4, classifier="gap", **SIZES, **ERF),
        {name: shape for name, shape in table(VIT).items() if name != "cls_token"} | {"pos_embed": (1, 16, 48)},
    ),
    "hybrid": (
        HybridConfig(32, 1, blocks=(2, 1), **SIZES, **HYBRID_ERF),
        table(VIT) | {"patch_embed.proj.weight": (48, 512, 1, 1)} | table(ROOT, BACKBONE) | table(HYBRID, BACKBONE),
    ),
    "hybrid, root alone": (
        HybridConfig(32, 2, blocks=(), **SIZES, **HYBRID_ERF),
        table(VIT) | {"patch_embed.proj.weight": (48, 64, 2, 2)} | table(ROOT.replace("stem.", ""), BACKBONE),
    ),
    "BiT": (BiTConfig((2, 1), 10, standardize_eps=1e-8), table(BIT)),
}

each_model = pytest.mark.parametrize(("config", "names"), NAMES.values(), ids=NAMES)


def state_of(config):
    rng = np.random.default_rng(0)
    shapes = {name: tuple(value.shape) for name, value in build(config, 0).state_dict().items()}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def written(path, arrays, metadata=None):
    from safetensors.numpy import save_file

    save_file(arrays, path, metadata)
    return path


@each_model
def test_names_and_shapes(config, names):
    assert {name: array.shape for name, array in to_timm(state_of(config), config).items()} == names


@each_model
def test_from_a_file_of_timm(config, names, tmp_path):
    """Sizes from the shapes, constants from timm's code, every number in its place."""
    state = state_of(config)
    path = written(tmp_path / "file.safetensors", to_timm(state, config))
    model = from_pretrained(path, heads=3, image_size=getattr(config, "image_size", None))
    assert model.config == config
    for name, value in model.state_dict().items():
        assert np.array_equal(value.numpy(), state[name]), name


@each_model
def test_there_and_back(config, names, tmp_path):
    model = build(config, 0)
    save_timm(model, tmp_path / "file.safetensors")
    again = from_pretrained(tmp_path / "file.safetensors")  # our settings are in the file
    assert again.config == config
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def test_every_number_is_where_timm_has_it():
    """Spelled out for one block and one unit: from the authors' arrays to timm's, without our table."""
    vit, bit = NAMES["ViT"][0], NAMES["BiT"][0]
    official = to_official(state_of(vit), vit)
    theirs = to_timm(from_official(official, vit), vit)
    attention = "Transformer/encoderblock_0/MultiHeadDotProductAttention_1"
    qkv = [official[f"{attention}/{n}/kernel"].reshape(48, 48).T for n in ("query", "key", "value")]
    assert np.array_equal(theirs["blocks.0.attn.qkv.weight"], np.concatenate(qkv))
    out = official[f"{attention}/out/kernel"].reshape(48, 48).T
    assert np.array_equal(theirs["blocks.0.attn.proj.weight"], out)
    assert np.array_equal(theirs["patch_embed.proj.weight"], official["embedding/kernel"].transpose(3, 2, 0, 1))
    official = to_official(state_of(bit), bit)
    theirs = to_timm(from_official(official, bit), bit)
    conv = official["resnet/block1/unit02/b/standardized_conv2d/kernel"].transpose(3, 2, 0, 1)
    assert np.array_equal(theirs["stages.0.blocks.1.conv2.weight"], conv)
    assert np.array_equal(theirs["stages.1.blocks.0.norm3.bias"], official["resnet/block2/unit01/c/group_norm/beta"])
    proj = official["resnet/block2/unit01/a/proj/standardized_conv2d/kernel"].transpose(3, 2, 0, 1)
    assert np.array_equal(theirs["stages.1.blocks.0.downsample.conv.weight"], proj)


def test_positions_without_a_class_tokens_row(tmp_path):
    """`no_embed_class`: 16 rows for 4 x 4 patches and a class token, whose own position is zero."""
    config, _ = NAMES["ViT"]
    arrays = to_timm(state_of(config), config)
    arrays["pos_embed"] = arrays["pos_embed"][:, 1:]
    model = from_pretrained(written(tmp_path / "f.safetensors", arrays), heads=3)
    E_pos = model.state_dict()["position_embedding.E_pos"].numpy()
    assert model.config.num_tokens == 17
    assert not E_pos[0].any()
    assert np.array_equal(E_pos[1:], arrays["pos_embed"][0])


def test_a_folder_of_the_hub(tmp_path):
    config, _ = NAMES["ViT"]
    written(tmp_path / "model.safetensors", to_timm(state_of(config), config))
    settings = {"architecture": "vit_base_patch16_224", "num_classes": 10, "model_args": {"num_heads": 3}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert from_pretrained(tmp_path).config == config
    settings["model_args"]["act_layer"] = "gelu_tanh"
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert from_pretrained(tmp_path).config.gelu == "tanh"
    settings["model_args"]["act_layer"] = "quick_gelu"
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="act_layer='quick_gelu'; expected 'gelu' or 'gelu_tanh'"):
        from_pretrained(tmp_path)
    # the same names of arrays, another GELU in its code: nothing in the file would say so
    settings = {"architecture": "vit_base_patch16_siglip_224", "num_classes": 10, "model_args": {"num_heads": 3}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="'vit_base_patch16_siglip_224' is not known to compute as our models do"):
        from_pretrained(tmp_path)


def test_the_number_of_heads(tmp_path):
    """It is in no array.  The paper's widths have one number of heads each; else it must be said."""
    config, _ = NAMES["ViT"]
    path = written(tmp_path / "f.safetensors", to_timm(state_of(config), config))
    with pytest.raises(ValueError, match="do not tell the number of heads; say heads="):
        from_pretrained(path)
    wide = ViTConfig(8, 4, 192, 1, 3, 8, 2)
    path = written(tmp_path / "g.safetensors", to_timm(state_of(wide), wide))
    assert from_pretrained(path).config == wide


def test_what_timm_cannot_hold(tmp_path, caplog):
    base = dict(image_size=8, patch_size=4, width=12, depth=1, heads=3, mlp_dim=5, num_classes=7)
    cases = {
        "representation_size": ViTConfig(**base, representation_size=4),
        "position_embedding": ViTConfig(**base, position_embedding="none"), "stem": BiTConfig((1,), 5, stem="small"),
        "pool_padding": BiTConfig((1,), 5, pool_padding="-inf"),
    }  # fmt: skip
    for name, config in cases.items():
        with pytest.raises(ValueError, match=f"timm cannot hold {name}="):
            save_timm(build(config, 0), tmp_path / "file")
        assert not (tmp_path / "file").exists(), name
    assert caplog.messages == []
    save_timm(build(ViTConfig(**base, gelu="tanh"), 0), tmp_path / "file")
    assert "timm computes with {'gelu': 'erf'" in caplog.messages[0]
