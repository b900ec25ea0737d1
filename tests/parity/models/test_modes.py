"""The PyTorch models in every mode that makes them quick: the same numbers as without it."""

from __future__ import annotations

import pytest
import torch

import vitedu
from vitedu.layers.mlp import FrugalMLP

SIZES = dict(width=24, depth=2, heads=2, mlp_dim=32, num_classes=5)
CONFIGS = {
    "vit": vitedu.ViTConfig(12, 4, **SIZES),
    "vit, relative positions": vitedu.ViTConfig(12, 4, position_embedding="relative", **SIZES),
    "vit, 2-D positions in every block, gap": vitedu.ViTConfig(
        12, 4, position_embedding="2d", position_at="every", classifier="gap", **SIZES
    ),
    "hybrid": vitedu.HybridConfig(32, 1, blocks=(1, 1), backbone_width=8, groups=4, **SIZES),
    "bit": vitedu.BiTConfig((1, 1), 5, image_size=32, base_width=8, groups=4),
}
every_model = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@pytest.fixture
def build(scramble_torch):
    """build(config): float64, with parameters that are neither 0 nor 1, and the same each time."""

    def build(config):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return scramble_torch(vitedu.build(config, 0))

    return build


def images_for(config):
    rng = torch.Generator().manual_seed(1)
    return torch.rand(2, config.channels, *config.image_hw, generator=rng, dtype=torch.float64) * 2 - 1


def outputs(model, images, forward=None):
    """Logits, and every gradient of a loss that weighs all of them differently."""
    model.zero_grad()
    logits = (model if forward is None else forward)(images)
    (logits * torch.linspace(-1, 2, logits.numel(), dtype=logits.dtype).reshape(logits.shape)).sum().backward()
    return {"logits": logits.detach()} | {name: g.clone() for name, g in model.gradients().items()}


def assert_same(one, other, tolerance=1e-12):  # float64, the same sums in another order
    for name, value in one.items():
        scale = value.abs().max().clamp(min=1e-3)
        error = ((value - other[name]).abs().max() / scale).item()
        assert error <= tolerance, f"{name}: {error:.1e}"


@every_model
def test_recorded_or_not(config, build):
    """Recording switches off the class-token shortcut, the recomputed GELU and rectifiers in place."""
    model, images = build(config), images_for(config)
    assert_same(outputs(model, images), outputs(model, images, lambda x: model(x, {})))


@pytest.mark.parametrize("config", [c for n, c in CONFIGS.items() if "vit" in n], ids=lambda c: c.position_embedding)
def test_shortcut_fused_kernel_and_recomputed_gelu(config, build):
    model, images = build(config), images_for(config)
    quick = outputs(model, images)
    model.shortcut = False
    assert_same(quick, outputs(model, images))
    for module in model.modules():
        if isinstance(module, vitedu.MultiHeadAttention):
            module.fused = False
        if isinstance(module, FrugalMLP):
            module.recompute = False
    assert_same(quick, outputs(model, images))


def test_gelu_is_recomputed_with_the_same_dropout():
    """Backward computes the part between the two linear layers again: it must drop the same numbers."""
    mlp = FrugalMLP(6, 8, dropout=0.5).double().train()
    x = torch.rand(4, 5, 6, dtype=torch.float64, requires_grad=True)
    results = []
    for mlp.recompute in (True, False):
        torch.manual_seed(0)
        y = mlp(x)
        results.append((y, *torch.autograd.grad(y.square().sum(), [x, mlp.fc1.weight])))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@every_model
def test_maps_on_request_with_the_fused_kernel_on(config, build):
    """The record holds A of every block, which the kernel never writes down: rows sum to 1 and give its output."""
    model, record = build(config), {}
    model(images_for(config), record)
    maps = {key: A for key, A in record.items() if key.endswith("/A")}
    assert len(maps) == (0 if isinstance(config, vitedu.BiTConfig) else config.depth)
    for key, A in maps.items():
        heads = (A @ record[key[:-1] + "v"]).transpose(1, 2).flatten(2)
        assert_same(
            {"sums": torch.ones_like(A[..., 0]), "heads": heads},
            {"sums": A.sum(-1), "heads": record[key[:-1] + "heads"]},
        )


@every_model
def test_captured_as_one_graph(config, build):
    """`torch.compile(fullgraph=True)` refuses what it cannot see through; "aot_eager" computes as eager does."""
    model, images = build(config), images_for(config)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert_same(outputs(model, images), outputs(model, images, compiled))


@every_model
def test_bfloat16_autocast(config, build):
    """bfloat16 has 8 bits: 2^-9 per rounding, a few dozen of them in a row."""
    model, images = build(config).float(), images_for(config).float()
    with torch.no_grad():
        exact = model(images)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(images)
    error = (exact - rounded.float()).abs().max() / exact.abs().max()
    assert 0 < error < 0.1


@every_model
def test_channels_last(config, build):
    model, images = build(config), images_for(config)
    plain = outputs(model, images)
    last = outputs(model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last))
    assert_same(plain, last)


@every_model
def test_meta_device(config):
    """Shapes without numbers: nothing is allocated, so the largest models can be counted on a laptop."""
    with torch.device("meta"):
        model = vitedu.build(config)
        logits = model(torch.empty(2, config.channels, *config.image_hw))
    logits.sum().backward()
    assert logits.is_meta
    assert logits.shape == (2, 5)
    assert all(p.is_meta and p.grad.shape == p.shape for p in model.parameters())
