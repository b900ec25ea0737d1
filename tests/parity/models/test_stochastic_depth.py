"""Stochastic depth and recomputed blocks in PyTorch: against torchvision's, and in every mode that saves memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import vitedu
from vitedu.accounting.compute import measure
from vitedu.layers.dropout import StochasticDepth

SIZES = dict(width=24, depth=3, heads=2, mlp_dim=32, num_classes=5)
VIT = vitedu.ViTConfig(12, 4, **SIZES)
CONFIGS = {
    "vit": VIT,
    "vit, everything dropped": replace(VIT, dropout=0.3, attention_dropout=0.2, stochastic_depth=0.5),
    "vit, shared relative positions, gap": replace(
        VIT, position_embedding="relative", position_at="shared", classifier="gap", dropout=0.3
    ),
    "vit, positions in every block": replace(VIT, position_at="every", stochastic_depth=0.5),
    "hybrid": vitedu.HybridConfig(32, 1, blocks=(2, 1), backbone_width=8, groups=4, stochastic_depth=0.5, **SIZES),
    "bit": vitedu.BiTConfig((2, 1), 5, image_size=32, base_width=8, groups=4),
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


def images_for(config, batch_size=4):
    rng = torch.Generator().manual_seed(1)
    return torch.rand(batch_size, config.channels, *config.image_hw, generator=rng, dtype=torch.float64) * 2 - 1


def set_recompute(model, value):
    """Set the switch wherever there is one; how many there are."""
    switches = [module for module in model.modules() if hasattr(module, "recompute_blocks")]
    for module in switches:
        module.recompute_blocks = value
    return len(switches)


def outputs(model, images, forward=None):
    """Logits, gradients of a loss that weighs all of them differently, and of the images; masks from seed 0."""
    images = images.clone().requires_grad_()
    model.zero_grad()
    torch.manual_seed(0)
    logits = (model if forward is None else forward)(images)
    (logits * torch.linspace(-1, 2, logits.numel(), dtype=logits.dtype).reshape(logits.shape)).sum().backward()
    found = {"logits": logits.detach(), "images": images.grad} | model.gradients()
    return {name: value.clone() for name, value in found.items()}


# ---- blocks computed again -------------------------------------------------------------------------------------------


@every_model
def test_recomputed_blocks_give_the_same_gradients(config, build):
    """To the last bit: the same operations on the same numbers, and the same masks of dropout."""
    model, images = build(config), images_for(config)
    kept = outputs(model, images)
    stages = len(getattr(config, "blocks", ()))
    assert set_recompute(model, True) == stages + (not isinstance(config, vitedu.BiTConfig))
    again = outputs(model, images)
    for name, value in kept.items():
        assert torch.equal(value, again[name]), name


@every_model
def test_recomputed_blocks_keep_less(config, build):
    model, images = build(config), images_for(config)
    full = measure(model, images)
    set_recompute(model, True)
    less = measure(model, images)
    assert less["macs"] == full["macs"]  # of the forward; the backward now does one more
    assert less["kept_bytes"] < 0.6 * full["kept_bytes"]


def test_only_the_inputs_of_blocks_are_kept(build):
    """Per image: flat patches; what each block reads; what the last norm reads, its two statistics, its result."""
    T, D, N, patch = VIT.num_tokens, VIT.width, VIT.num_patches, 3 * 4 * 4
    model = build(VIT)
    model.shortcut = False
    set_recompute(model, True)
    kept = [measure(model, images_for(VIT, B))["kept_bytes"] for B in (2, 3)]
    assert kept[1] - kept[0] == 8 * (N * patch + VIT.depth * T * D + T * D + 2 * T + T * D)


def test_off_where_there_is_no_backward_or_somebody_records(build, monkeypatch):
    model, images = build(VIT), images_for(VIT)
    set_recompute(model, True)
    monkeypatch.setattr("vitedu.models.variants.checkpoint", None)  # whoever calls it fails
    for module in model.modules():
        if isinstance(module, vitedu.MLP):
            module.recompute = False
    record = {}
    with torch.no_grad():
        logits = model(images)
    torch.testing.assert_close(model(images, record), logits, rtol=1e-12, atol=1e-12)  # recording: no shortcut
    assert "block02/attention/A" in record
    with pytest.raises(TypeError, match="NoneType"):
        model(images)


@pytest.mark.parametrize("name", ["vit", "vit, everything dropped", "bit"])
def test_recomputed_blocks_captured_as_one_graph(name, build):
    """`torch.compile(fullgraph=True)` sees through the checkpoints; "aot_eager" computes as eager does."""
    model, images = build(CONFIGS[name]).eval(), images_for(CONFIGS[name])
    set_recompute(model, True)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    eager, captured = outputs(model, images), outputs(model, images, compiled)
    for key, value in eager.items():  # float64, the same sums in another order
        assert (value - captured[key]).abs().max() <= 1e-12 * value.abs().max().clamp(min=1e-3), key


# ---- stochastic depth ------------------------------------------------------------------------------------------------


def test_the_layer_is_one_bernoulli_draw_per_image():
    """The draw and the two lines everywhere, written out: 0, or 1 / (1 - rate), for a whole image."""
    x = torch.randn(50, 5, 4, dtype=torch.float64)
    torch.manual_seed(1)
    ours = StochasticDepth(0.3)(x)
    torch.manual_seed(1)
    kept = torch.empty(50, 1, 1, dtype=torch.float64).bernoulli_(0.7)
    assert 0 < (kept == 0).sum() < 50
    torch.testing.assert_close(ours, x * kept / 0.7, rtol=1e-15, atol=0)


def test_the_layer_is_that_of_torchvision():
    """The same draws in the same order, so the same images are dropped.  (Where torchvision is installed.)"""
    torchvision = pytest.importorskip("torchvision")
    x = torch.randn(50, 5, 4, dtype=torch.float64)
    torch.manual_seed(1)
    ours = StochasticDepth(0.3)(x)
    torch.manual_seed(1)
    theirs = torchvision.ops.stochastic_depth(x, 0.3, "row")
    assert 0 < (ours == 0).all(dim=2).all(dim=1).sum() < 50
    torch.testing.assert_close(ours, theirs, rtol=1e-15, atol=0)


def test_captured_as_one_graph_while_training(build):
    """What is dropped differs, since compiled code may draw in another way, but it is dropped."""
    model = build(replace(VIT, stochastic_depth=0.9)).train()
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    images = images_for(VIT)
    first, second = compiled(images), compiled(images)
    assert not torch.equal(first, second)
    model.eval()
    torch.testing.assert_close(compiled(images), model(images), rtol=1e-12, atol=1e-12)


def test_half_of_the_images_skip_a_branch(build):
    """A block whose branches are dropped for an image hands its tokens on as they are."""
    block = build(replace(VIT, stochastic_depth=0.5)).encoder.blocks[-1]
    z = torch.randn(400, 3, 24, dtype=torch.float64)
    same = (block(z) == z).all(dim=2).all(dim=1)
    # Both branches: probability 1/4, so 100 of 400, with a standard deviation of 8.7.
    assert abs(int(same.sum()) - 100) < 5 * 8.7
    assert not (block.eval()(z) == z).all(dim=2).all(dim=1).any()
