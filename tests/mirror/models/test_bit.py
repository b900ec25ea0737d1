"""BiT: the same names, state, records and gradients in both packages; and what only PyTorch can do with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitedu.models.bit
import vitedu_numpy.models.bit
from vitedu_numpy.config import BiTConfig

B, K = 2, 4
SIZES = dict(blocks=(2, 1), num_classes=K, base_width=8, groups=4)

# Settings, and image sizes (odd ones too) for which every padding is met.
MODELS = {
    "odd sides": (dict(), (33, 47)),
    "even sides, border of the pool -inf": (dict(pool_padding="-inf"), (32, 48)),
    "small stem": (dict(stem="small"), (9, 14)),
    "three stages, wider, one channel": (dict(blocks=(1, 1, 2), width_factor=2, channels=1), (31, 20)),
    "other constants": (dict(groups=2, groupnorm_eps=0.1, standardize_eps=0.1, head_bias=-3.0), (17, 40)),
}


@pytest.fixture(params=MODELS.values(), ids=MODELS)
def case(request, rng):
    """(config, images), model after model."""
    changes, hw = request.param
    config = BiTConfig(**SIZES | changes)
    return config, rng.uniform(-1, 1, (B, config.channels, *hw))


@pytest.fixture
def bits(scramble, mirror):
    """bits(config) -> (NumPy BiT, PyTorch BiT), both float64, with the same scrambled parameters."""

    def build(config):
        return mirror.share(
            scramble(vitedu_numpy.models.bit.BiT(config, 0, np.float64)), vitedu.models.bit.BiT(config, 0)
        )

    return build


def test_names_shapes_and_order(case):
    numpy_model, torch_model = vitedu_numpy.models.bit.BiT(case[0], 0), vitedu.models.bit.BiT(case[0], 0)
    assert [(name, value.shape) for name, value in numpy_model.state_dict().items()] == [
        (name, tuple(value.shape)) for name, value in torch_model.state_dict().items()
    ]
    ours = [(name, type(m).__name__) for name, m in numpy_model.named_modules()]
    theirs = [(name, type(m).__name__.removeprefix("Frugal")) for name, m in torch_model.named_modules()]
    assert ours == [(name, kind) for name, kind in theirs if kind != "ModuleList"]


def test_state_names(case):
    config, _ = case
    names = list(vitedu_numpy.models.bit.BiT(config, 0).state_dict())
    first = [f"norm{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")]
    first += [f"conv{i}.weight" for i in (1, 2, 3)]
    expected = {"root.weight", "norm.weight", "norm.bias", "head.weight", "head.bias"}
    for s, count in enumerate(config.blocks):
        expected |= {f"stages.{s}.units.{u}.{name}" for u in range(count) for name in first}
        expected.add(f"stages.{s}.units.0.conv_proj.weight")
    assert set(names) == expected


def test_every_intermediate(case, bits, mirror):
    config, images = case
    numpy_model, torch_model = bits(config)
    numpy_record, torch_record = {}, {}
    numpy_model(images, numpy_record)
    torch_model(mirror.tensor(images), torch_record)
    mirror.assert_all_equal(numpy_record, torch_record)
    keys = [key.removeprefix("stage0/unit0/") for key in numpy_record if key.startswith("stage0/unit0/")]
    assert keys == ["norm1", "conv1", "norm2", "conv2", "norm3", "conv3", "conv_proj", "out"]
    assert "stage0/unit1/conv_proj" not in numpy_record
    assert ("pool" in numpy_record) == (config.stem == "imagenet")
    assert list(numpy_record)[-4:] == ["norm", "pooled", "pre_logits", "logits"]


@pytest.mark.parametrize("recorded", [False, True])
def test_logits_and_every_gradient(recorded, case, bits, rng, mirror):
    """Without a record rectifiers write over their input; autograd and the hand-written backward do not mind."""
    config, images = case
    numpy_model, torch_model = bits(config)
    x = mirror.tensor(images, requires_grad=True)
    logits = numpy_model(images, {} if recorded else None)
    torch_logits = torch_model(x, {} if recorded else None)
    dlogits = rng.standard_normal((B, K))
    torch_logits.backward(mirror.tensor(dlogits))
    mirror.assert_equal(logits, torch_logits, "logits")
    mirror.assert_equal(numpy_model.backward(dlogits), x.grad, "dimages")
    mirror.assert_all_equal(numpy_model.gradients(), torch_model.gradients())


def test_a_record_takes_part_in_autograd(bits, mirror):
    """Gradients of what was recorded are the true ones: nothing is written over afterwards."""
    _, torch_model = bits(BiTConfig(**SIZES))
    record = {}
    torch_model(mirror.tensor(np.linspace(-1, 1, B * 3 * 33 * 20).reshape(B, 3, 33, 20)), record)
    for name, value in record.items():
        value.sum().backward(retain_graph=True)  # raises if a tensor that it needs was changed in place
        assert value.grad_fn is not None, name


# ---- what only PyTorch has ---------------------------------------------------------------------------------------


@pytest.fixture
def torch_bit(scramble, rng):
    """(a float32 PyTorch BiT with the NumPy model's parameters, images)."""
    config = BiTConfig(**SIZES)
    model = vitedu.models.bit.BiT(config, 0)
    model.load_state_dict(scramble(vitedu_numpy.models.bit.BiT(config, 0, np.float64)).state_dict())
    return model, torch.from_numpy(rng.uniform(-1, 1, (B, 3, 33, 20)).astype(np.float32))


def test_channels_last(torch_bit):
    """The model in the layout that convolutions are quickest in: the same numbers, and it stays in that layout."""
    model, images = torch_bit
    expected, record = model(images).detach(), {}
    model = model.to(memory_format=torch.channels_last)
    # float32: sums of a few hundred products in another order, through ten layers.
    torch.testing.assert_close(model(images), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    model(images, record)
    for name, value in record.items():
        assert value.ndim == 2 or value.is_contiguous(memory_format=torch.channels_last), name


def test_bf16_autocast(torch_bit):
    """Filters are standardised in float32, products are taken in bfloat16: right to some of its 2 to 3 digits."""
    model, images = torch_bit
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(images)
    expected = model(images).detach()
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - expected).abs().max() < 0.05 * expected.abs().max()
    logits.float().sum().backward()
    assert all(p.grad.dtype == torch.float32 and torch.isfinite(p.grad).all() for p in model.parameters())


def test_meta_device():
    """Shapes without memory or arithmetic: what counting parameters of the largest models needs."""
    with torch.device("meta"):
        model = vitedu.models.bit.BiT(BiTConfig((3, 4, 6, 3), 1000))
        assert model(torch.empty(2, 3, 224, 224)).shape == (2, 1000)
    assert sum(p.numel() for p in model.parameters()) == 25_549_352


def test_compile_in_one_graph(torch_bit):
    """`torch.compile(fullgraph=True)` traces forward and backward without a break; no code is generated here."""
    model, images = torch_bit
    model = model.to(memory_format=torch.channels_last)
    results = []
    for run in (model, torch.compile(model, fullgraph=True, backend="aot_eager")):
        model.zero_grad()
        logits = run(images)
        logits.sum().backward()
        results.append({"logits": logits.detach()} | {n: g.clone() for n, g in model.gradients().items()})
    for name, value in results[0].items():  # float32: the same operations, some taken apart
        torch.testing.assert_close(results[1][name], value, rtol=0, atol=1e-4 * float(value.abs().max()), msg=name)
