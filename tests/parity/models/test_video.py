"""The video models against independent code: transformers' ViViT, PyTorch's attention frame by frame, its counters."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import vitedu
from vitedu.layers.spacetime import SpaceAttention, TimeAttention

SIZES = dict(
    frames=6, image_size=8, tubelet_length=3, patch_size=2, width=12, depth=2, heads=3, mlp_dim=10, num_classes=5
)
CLOSE = dict(rtol=1e-11, atol=1e-11)  # float64, the same sums in another order, through two blocks


def videos_of(config, batch_size=2):
    shape = (batch_size, config.frames, config.channels, *config.image_hw)
    return torch.rand(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1


def vivit_state(model):
    """Our state under the names of transformers' ViViT; a convolution's filter is (D, C, Pf, P, P)."""
    state, c = dict(model.state_dict()), model.config
    E = state.pop("tubelet_embedding.weight").reshape(c.width, c.tubelet_length, c.channels, c.patch_size, c.patch_size)
    theirs = {
        "vivit.embeddings.patch_embeddings.projection.weight": E.transpose(1, 2),
        "vivit.embeddings.patch_embeddings.projection.bias": state.pop("tubelet_embedding.bias"),
        "vivit.embeddings.cls_token": state.pop("class_token.x_class")[None, None],
        "vivit.embeddings.position_embeddings": state.pop("position_embedding.E_pos")[None],
    }
    renamed = {"norm1": "layernorm_before", "norm2": "layernorm_after", "attention.out": "attention.o_proj"}
    for name, value in state.items():
        if ".qkv." in name:
            for letter, part in zip("qkv", value.chunk(3), strict=True):
                new = name.replace("encoder.blocks", "vivit.layers").replace("qkv", f"{letter}_proj")
                theirs[new] = part
            continue
        new = name.replace("encoder.blocks", "vivit.layers").replace("encoder.norm", "vivit.layernorm")
        for ours, other in renamed.items():
            new = new.replace(ours, other)
        theirs[new.replace("head.", "classifier.")] = value
    return theirs


def test_joint_attention_is_transformers_vivit(scramble_torch):
    """Tubelets, class token, positions, blocks, head: logits, and the gradient of the pixels."""
    transformers = pytest.importorskip("transformers")
    config = vitedu.VideoViTConfig(**SIZES, classifier="token")
    ours = scramble_torch(vitedu.VideoViT(config, 0))
    theirs = transformers.VivitForVideoClassification(
        transformers.VivitConfig(
            image_size=8, num_frames=6, tubelet_size=[3, 2, 2], hidden_size=12, num_hidden_layers=2,
            num_attention_heads=3, intermediate_size=10, hidden_act="gelu", layer_norm_eps=config.layernorm_eps,
            num_labels=5, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )
    )  # fmt: skip
    theirs = theirs.double().eval()
    theirs.load_state_dict(vivit_state(ours))
    videos = videos_of(config).requires_grad_()
    logits, their_logits = ours(videos), theirs(videos).logits
    torch.testing.assert_close(logits, their_logits, **CLOSE)
    (dvideos,), (their_dvideos,) = (torch.autograd.grad(y[:, 1].sum(), videos) for y in (logits, their_logits))
    torch.testing.assert_close(dvideos, their_dvideos, **CLOSE)


def their_attention(ours):
    theirs = nn.MultiheadAttention(ours.qkv.weight.shape[1], ours.heads, batch_first=True).double()
    names = {"in_proj_weight": "qkv.weight", "in_proj_bias": "qkv.bias", "out_proj.weight": "out.weight"}
    names["out_proj.bias"] = "out.bias"
    theirs.load_state_dict({name: ours.state_dict()[own] for name, own in names.items()})
    return theirs


def test_a_factorised_block_frame_by_frame_and_place_by_place(scramble_torch):
    """`nn.MultiheadAttention` in loops over slices and over places, `F.layer_norm`, `F.gelu`."""
    config = vitedu.VideoViTConfig(**SIZES, attention="factorised")
    model = scramble_torch(vitedu.VideoViT(config, 0))
    block, slices, N = model.encoder.blocks[0], 2, 16
    z = torch.randn((2, slices * N, 12), dtype=torch.float64)

    def normed(x, norm):
        return F.layer_norm(x, (12,), norm.weight, norm.bias, config.layernorm_eps)

    space, time = their_attention(block.attention), their_attention(block.attention_time)
    asked, y = normed(z, block.norm1), z.clone()
    for f in range(slices):
        x = asked[:, f * N : (f + 1) * N]
        y[:, f * N : (f + 1) * N] += space(x, x, x)[0]
    asked, w = normed(y, block.norm_time), y.clone()
    for n in range(N):
        x = asked[:, n::N]
        w[:, n::N] += time(x, x, x)[0]
    mlp = block.mlp
    out = w + F.linear(F.gelu(F.linear(normed(w, block.norm2), *mlp.fc1.parameters())), *mlp.fc2.parameters())
    torch.testing.assert_close(block(z), out, **CLOSE)


def test_tubelets_are_a_convolution(scramble_torch):
    """`F.conv3d` whose stride is its kernel."""
    config = vitedu.VideoViTConfig(**SIZES)
    layer = scramble_torch(vitedu.VideoViT(config, 0).tubelet_embedding)
    videos = videos_of(config)
    filters = layer.weight.reshape(12, 3, 3, 2, 2).transpose(1, 2)  # (D, C, Pf, P, P)
    theirs = F.conv3d(videos.transpose(1, 2), filters, layer.bias, stride=(3, 2, 2))
    torch.testing.assert_close(layer(videos), theirs.flatten(2).transpose(1, 2), **CLOSE)


# ---- cost ----------------------------------------------------------------------------------------------------------


def counted(function) -> int:
    """MACs, by PyTorch's counter."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        function()
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(("slices", "N", "D", "h"), [(4, 9, 12, 3), (8, 16, 6, 2), (1, 25, 6, 1), (16, 1, 6, 3)])
def test_the_cost_of_asking(slices, N, D, h):
    """MACs of q k^T and of A v: (gf N)^2 pairs of tokens jointly, gf N^2 in space, N gf^2 in time, 2 D each."""
    T = slices * N
    z = torch.randn(1, T, D)
    pairs = {
        "joint": (vitedu.MultiHeadAttention(D, h), T**2),
        "space": (SpaceAttention(D, h, slices), slices * N**2),
        "time": (TimeAttention(D, h, slices), N * slices**2),
    }
    for layer, asked in pairs.values():
        layer.fused = False
        assert counted(lambda layer=layer: layer(z)) == 2 * D * asked + 4 * D * D * T  # and the four projections


@pytest.mark.parametrize("attention", ["joint", "factorised"])
def test_the_cost_of_a_model(attention):
    config = vitedu.VideoViTConfig(**SIZES, attention=attention)
    model = vitedu.VideoViT(config, 0)
    for module in model.modules():
        if hasattr(module, "fused"):
            module.fused = False
    gf, N, D, M, Pf, C, P = 2, 16, 12, 10, 3, 3, 2
    T = gf * N
    asking = 2 * D * (T**2 if attention == "joint" else gf * N**2 + N * gf**2)
    projections = 4 * D * D * T * (1 if attention == "joint" else 2)
    expected = D * Pf * C * P * P * T + 2 * (asking + projections + 2 * D * M * T) + D * 5
    assert counted(lambda: model(videos_of(config, 1).float())) == expected
