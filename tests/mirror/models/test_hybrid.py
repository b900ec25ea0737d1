"""The hybrid: the same names, state, records and gradients in both packages; and what only PyTorch can do with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu.models.hybrid
import vitedu_numpy.models.hybrid
from vitedu_numpy.config import HybridConfig

B, K = 2, 4
SIZES = dict(patch_size=1, width=6, depth=2, heads=3, mlp_dim=7, num_classes=K)
SIZES |= dict(image_size=(33, 47), blocks=(2, 1), backbone_width=8, groups=4)

# Settings with image sizes, odd and even, for which every "same" padding is met: even, uneven, none.
MODELS = {
    "odd sides": {},
    "even sides, gap, tanh GELU": dict(image_size=(32, 48), classifier="gap", gelu="tanh"),
    "three stages, larger patches": dict(image_size=(50, 20), blocks=(1, 1, 2), patch_size=2, groups=2),
    "the root alone": dict(image_size=(30, 47), blocks=(), patch_size=4),
    "other constants": dict(image_size=(17, 40), groupnorm_eps=0.1, standardize_eps=0.1, channels=1),
}


@pytest.fixture(params=MODELS.values(), ids=MODELS)
def case(request, rng):
    """(config, images), model after model."""
    config = HybridConfig(**SIZES | request.param)
    return config, rng.uniform(-1, 1, (B, config.channels, *config.image_hw))


@pytest.fixture
def hybrids(scramble, mirror):
    """hybrids(config) -> (NumPy Hybrid, PyTorch Hybrid), both float64, with the same scrambled parameters."""

    def build(config):
        return mirror.share(
            scramble(vitedu_numpy.models.hybrid.Hybrid(config, 0, np.float64)), vitedu.models.hybrid.Hybrid(config, 0)
        )

    return build


def test_names_shapes_and_order(case):
    numpy_model, torch_model = vitedu_numpy.models.hybrid.Hybrid(case[0], 0), vitedu.models.hybrid.Hybrid(case[0], 0)
    assert [(name, value.shape) for name, value in numpy_model.state_dict().items()] == [
        (name, tuple(value.shape)) for name, value in torch_model.state_dict().items()
    ]
    ours = [(name, type(m).__name__) for name, m in numpy_model.named_modules()]
    theirs = [(name, type(m).__name__.removeprefix("Frugal")) for name, m in torch_model.named_modules()]
    assert ours == [(name, kind) for name, kind in theirs if kind != "ModuleList"]


def test_state_names(case):
    config, _ = case
    names = [name for name in vitedu_numpy.models.hybrid.Hybrid(config, 0).state_dict() if not name.startswith("vit.")]
    layers = ["conv1", "norm1", "conv2", "norm2", "conv3", "norm3"]
    expected = {"backbone.root.weight", "backbone.root_norm.weight", "backbone.root_norm.bias"}
    for s, count in enumerate(config.blocks):
        for u in range(count):
            for layer in layers if u else [*layers, "conv_proj", "norm_proj"]:
                kinds = ["weight", "bias"] if layer.startswith("norm") else ["weight"]
                expected |= {f"backbone.stages.{s}.units.{u}.{layer}.{kind}" for kind in kinds}
    assert set(names) == expected


def test_every_intermediate(case, hybrids, mirror):
    config, images = case
    numpy_model, torch_model = hybrids(config)
    numpy_record, torch_record = {}, {}
    numpy_model(images, numpy_record)
    torch_model(mirror.tensor(images), torch_record)
    mirror.assert_all_equal(numpy_record, torch_record)
    assert list(numpy_record)[:3] == ["backbone/root", "backbone/root_norm", "backbone/pool"]
    assert {"patches", "tokens", "block01/attention/A", "logits"} <= set(numpy_record)
    if config.blocks:
        unit = "backbone/stage0/unit0/"
        keys = [key.removeprefix(unit) for key in numpy_record if key.startswith(unit)]
        assert keys == ["conv1", "norm1", "conv2", "norm2", "conv3", "norm3", "conv_proj", "norm_proj", "out"]


@pytest.mark.parametrize("recorded", [False, True])
def test_logits_and_every_gradient(recorded, case, hybrids, rng, mirror):
    """Without a record rectifiers write over their input; autograd and the hand-written backward do not mind."""
    config, images = case
    numpy_model, torch_model = hybrids(config)
    x = mirror.tensor(images, requires_grad=True)
    logits = numpy_model(images, {} if recorded else None)
    torch_logits = torch_model(x, {} if recorded else None)
    dlogits = rng.standard_normal((B, K))
    torch_logits.backward(mirror.tensor(dlogits))
    mirror.assert_equal(logits, torch_logits, "logits")
    mirror.assert_equal(numpy_model.backward(dlogits), x.grad, "dimages")
    mirror.assert_all_equal(numpy_model.gradients(), torch_model.gradients())


def test_a_record_takes_part_in_autograd(hybrids, mirror):
    """Gradients of what was recorded are the true ones: nothing is written over afterwards."""
    _, torch_model = hybrids(HybridConfig(**SIZES))
    record = {}
    torch_model(mirror.tensor(np.linspace(-1, 1, B * 3 * 33 * 47).reshape(B, 3, 33, 47)), record)
    for name, value in record.items():
        if value.requires_grad:  # the positions' grid, for one, does not
            value.sum().backward(retain_graph=True)  # raises if a tensor that it needs was changed in place
            assert value.grad_fn is not None, name


# ---- what only PyTorch has ---------------------------------------------------------------------------------------


@pytest.fixture
def torch_hybrid(scramble, rng):
    """(a float32 PyTorch Hybrid with the NumPy model's parameters, images)."""
    config = HybridConfig(**SIZES)
    model = vitedu.models.hybrid.Hybrid(config, 0)
    model.load_state_dict(scramble(vitedu_numpy.models.hybrid.Hybrid(config, 0, np.float64)).state_dict())
    return model, torch.from_numpy(rng.uniform(-1, 1, (B, 3, 33, 47)).astype(np.float32))


def test_channels_last(torch_hybrid):
    """The model in the layout that convolutions are quickest in: the same numbers, and it stays in that layout."""
    model, images = torch_hybrid
    expected, record = model(images).detach(), {}
    model = model.to(memory_format=torch.channels_last)
    # float32: sums of a few hundred products in another order, through twenty layers.
    torch.testing.assert_close(model(images), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    model(images, record)
    for name, value in record.items():
        assert not name.startswith("backbone") or value.is_contiguous(memory_format=torch.channels_last), name


def test_bf16_autocast(torch_hybrid):
    """Filters are standardised in float32, products are taken in bfloat16: right to some of its 2 to 3 digits."""
    model, images = torch_hybrid
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(images)
    expected = model(images).detach()
    assert (logits.float() - expected).abs().max() < 0.1 * expected.abs().max()
    logits.float().sum().backward()
    assert all(p.grad.dtype == torch.float32 and torch.isfinite(p.grad).all() for p in model.parameters())


def test_meta_device():
    """Shapes without memory or arithmetic: what counting parameters of the largest models needs."""
    with torch.device("meta"):
        model = vitedu.models.hybrid.Hybrid(HybridConfig(224, 1, 768, 12, 12, 3072, 1000, blocks=(3, 4, 9)))
        assert model(torch.empty(2, 3, 224, 224)).shape == (2, 1000)
    assert sum(p.numel() for p in model.parameters()) == 98_659_112


def test_compile_in_one_graph(torch_hybrid):
    """`torch.compile(fullgraph=True)` traces forward and backward without a break; no code is generated here."""
    model, images = torch_hybrid
    results = []
    for run in (model, torch.compile(model, fullgraph=True, backend="aot_eager")):
        model.zero_grad()
        logits = run(images)
        logits.sum().backward()
        results.append({"logits": logits.detach()} | {n: g.clone() for n, g in model.gradients().items()})
    for name, value in results[0].items():  # float32: the same operations, some taken apart
        torch.testing.assert_close(results[1][name], value, rtol=0, atol=1e-4 * float(value.abs().max()), msg=name)
