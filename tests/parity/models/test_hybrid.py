"""The hybrid against a network written here from PyTorch's own operations, and against transformers' Bit."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vitedu.models.hybrid import Hybrid
from vitedu_numpy.config import HybridConfig

# float64, the same sums of at most some thousand terms in another order, each rounded to 1e-16, through twenty layers.
CLOSE = dict(rtol=1e-10, atol=1e-10)

SIZES = dict(patch_size=1, width=12, depth=2, heads=3, mlp_dim=10, num_classes=5, backbone_width=8, groups=4)
MODELS = {
    "two stages, odd sides": dict(blocks=(2, 1), image_size=(33, 47)),
    "three stages, even sides": dict(blocks=(1, 1, 2), image_size=(32, 48), backbone_width=16),
    "the root alone": dict(blocks=(), image_size=(30, 47), patch_size=4),
    "other constants": dict(blocks=(1,), image_size=(18, 23), groupnorm_eps=0.1, standardize_eps=0.1),
}


def pad_same(x, kernel, stride, value=0.0):
    """TensorFlow's rule, written out: ceil(n / stride) windows, and of an odd number of pixels the last at the end."""
    for axis in (2, 3):
        missing = max((math.ceil(x.shape[axis] / stride) - 1) * stride + kernel - x.shape[axis], 0)
        before, after = missing // 2, missing - missing // 2
        x = F.pad(x, (before, after) if axis == 3 else (0, 0, before, after), value=value)
    return x


def plain_backbone(config, state, images):
    """Every layer by its name in `state`, written down as the authors' code describes it."""

    def conv(x, name, stride=1):
        w = state[f"{name}.weight"]
        centred = w - w.mean(dim=(1, 2, 3), keepdim=True)
        deviation = (centred**2).mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return F.conv2d(pad_same(x, w.shape[-1], stride), centred / (deviation + config.standardize_eps), stride=stride)

    def norm(x, name):
        return F.group_norm(x, config.groups, state[f"{name}.weight"], state[f"{name}.bias"], config.groupnorm_eps)

    x = F.relu(norm(conv(images, "root", 2), "root_norm"))
    x = pad_same(x, 3, 2, -float("inf")).unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(4, 5))
    for s, count in enumerate(config.blocks):
        for u in range(count):
            unit, stride = f"stages.{s}.units.{u}", 2 if s > 0 and u == 0 else 1
            y = F.relu(norm(conv(x, f"{unit}.conv1"), f"{unit}.norm1"))
            y = F.relu(norm(conv(y, f"{unit}.conv2", stride), f"{unit}.norm2"))
            y = norm(conv(y, f"{unit}.conv3"), f"{unit}.norm3")
            if u == 0:
                x = norm(conv(x, f"{unit}.conv_proj", stride), f"{unit}.norm_proj")
            x = F.relu(x + y)
    return x


def plain_vit(config, state, features):
    """A ViT from PyTorch's own layers, its patches cut by a convolution."""
    D, P, c = config.width, config.patch_size, config
    E = state["patch_embedding.weight"].reshape(D, -1, P, P)
    x = F.conv2d(features, E, state["patch_embedding.bias"], stride=P).flatten(2).transpose(1, 2)
    x = torch.cat([state["class_token.x_class"].expand(len(x), 1, D), x], dim=1)
    x = x + state["position_embedding.E_pos"]
    names = {"attention.qkv.": "self_attn.in_proj_", "attention.out.": "self_attn.out_proj."}
    names |= {"mlp.fc1.": "linear1.", "mlp.fc2.": "linear2.", "norm1.": "norm1.", "norm2.": "norm2."}
    for i in range(c.depth):
        block = nn.TransformerEncoderLayer(
            D, c.heads, c.mlp_dim, 0.0, F.gelu, c.layernorm_eps, batch_first=True, norm_first=True, dtype=x.dtype
        )
        parts = {
            theirs + kind: state[f"encoder.blocks.{i}.{ours}{kind}"]
            for ours, theirs in names.items()
            for kind in ("weight", "bias")
        }
        x = torch.func.functional_call(block, parts, (x,))
    x = F.layer_norm(x, (D,), state["encoder.norm.weight"], state["encoder.norm.bias"], c.layernorm_eps)
    return F.linear(x[:, 0], state["head.weight"], state["head.bias"])


def part(state, name):
    return {n.removeprefix(f"{name}."): value for n, value in state.items() if n.startswith(f"{name}.")}


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_plain_operations(changes, scramble_torch):
    config = HybridConfig(**SIZES | changes)
    model = scramble_torch(Hybrid(config))
    images = torch.rand((2, 3, *config.image_hw), dtype=torch.float64) * 2 - 1
    state = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    features = plain_backbone(config, part(state, "backbone"), images)
    assert features.shape[1:] == (config.feature_channels, *config.feature_hw)
    torch.testing.assert_close(model.backbone(images), features, **CLOSE)
    logits, plain = model(images), plain_vit(config, part(state, "vit"), features)
    torch.testing.assert_close(logits, plain, **CLOSE)
    dlogits = torch.randn(logits.shape, dtype=torch.float64)
    logits.backward(dlogits)
    plain.backward(dlogits)
    for name, gradient in model.gradients().items():
        scale = float(state[name].grad.abs().max())
        torch.testing.assert_close(gradient, state[name].grad, rtol=0, atol=1e-10 * scale, msg=name)


def test_transformers(scramble_torch):
    """transformers' Bit as ResNet of a hybrid: bottleneck units, "same" padding everywhere.

    It differs in constants: 1e-5 in group norms (set alike here) and 1e-8 added to a filter's *variance*; both kinds of
    eps are made too small to matter.  Its pool has a border of 0 instead of -inf, which after a rectifier is the same.
    """
    transformers = pytest.importorskip("transformers", reason="an independent ResNet; its own operations are above")
    config = HybridConfig(**SIZES, blocks=(2, 1), image_size=(33, 46), groupnorm_eps=1e-5, standardize_eps=1e-14)
    ours = scramble_torch(Hybrid(config)).backbone
    sizes = dict(embedding_size=8, hidden_sizes=[32, 64], depths=[2, 1], num_groups=4)
    settings = dict(layer_type="bottleneck", global_padding="SAME", embedding_dynamic_padding=True)
    theirs = transformers.BitModel(transformers.BitConfig(**sizes, **settings)).double()
    for module in theirs.modules():
        if isinstance(module, nn.Conv2d):
            module.eps = 1e-30

    def their_name(name):
        for before, after in (
            ("root.", "embedder.convolution."), ("root_norm.", "embedder.norm."), ("stages.", "encoder.stages."),
            (".units.", ".layers."), ("conv_proj", "downsample.conv"), ("norm_proj", "downsample.norm"),
        ):  # fmt: skip
            name = name.replace(before, after)
        return name

    theirs.load_state_dict({their_name(name): value for name, value in ours.state_dict().items()})
    images = torch.rand((2, 3, 33, 46), dtype=torch.float64) * 2 - 1
    features, their_features = ours(images), theirs(images).last_hidden_state
    torch.testing.assert_close(features, their_features, **CLOSE)
    dfeatures = torch.randn(features.shape, dtype=torch.float64)
    features.backward(dfeatures)
    their_features.backward(dfeatures)
    their_gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for name, gradient in ours.gradients().items():
        expected = their_gradients[their_name(name)]
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-10 * float(expected.abs().max()), msg=name)
