"""Formulas against PyTorch's own counters, against brute force, against memory that was really taken; and the paper."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

import vitedu_numpy.config
from vitedu.accounting.compute import count, exaflops, measure, on_meta, table_1, table_6
from vitedu.accounting.formulas import macs_by_part, parameters_by_part, vit_activations
from vitedu.layers.conv import StdConv
from vitedu.models import build, named_config
from vitedu.models.seq2seq import Transformer
from vitedu.paper import JFT_IMAGES, TABLE_1, TABLE_6
from vitedu_numpy.config import BiTConfig, EfficientNetConfig, HybridConfig, TransformerConfig, ViTConfig

VIT = ViTConfig((12, 20), 4, width=24, depth=3, heads=4, mlp_dim=36, num_classes=7)
BIT = BiTConfig((1, 2), 5, width_factor=2, image_size=(45, 67), base_width=8, groups=4)
HYBRID = HybridConfig((45, 70), 1, 24, 2, 4, 36, 7, blocks=(2, 1, 2), backbone_width=8, groups=4)
VITS = {
    "token": VIT,
    "gap": replace(VIT, classifier="gap"),
    "pre-logits": replace(VIT, representation_size=10),
    "no positions": replace(VIT, position_embedding="none"),
    "2d": replace(VIT, position_embedding="2d"),
    "sincos2d": replace(VIT, position_embedding="sincos2d"),
    "every": replace(VIT, position_at="every"),
    "shared": replace(VIT, position_at="shared"),
    "tanh": replace(VIT, gelu="tanh"),
}
RELATIVE = {
    "relative": replace(VIT, position_embedding="relative"),
    "relative, shared": replace(VIT, position_embedding="relative", position_at="shared"),
}
RESNETS = {
    "bit": BIT,
    "bit, small stem": BiTConfig((1, 1, 1), 5, image_size=33, base_width=8, groups=4, stem="small"),
    "bit, -inf": replace(BIT, pool_padding="-inf"),
    "hybrid": HYBRID,
    "efficientnet": EfficientNetConfig(
        7, (45, 70), stem_width=8, top_width=20, stages=((1, 3, 1, 1, 8), (2, 5, 2, 6, 12)), width_multiplier=1.4
    ),
    "hybrid, root alone": replace(HYBRID, image_size=(48, 80), patch_size=4, blocks=()),
}
DROPOUT = {
    "dropout": replace(VIT, dropout=0.1),
    "attention dropout": replace(VIT, attention_dropout=0.1),
    "stochastic depth": replace(VIT, stochastic_depth=0.1),
}
IMAGE_MODELS = VITS | RELATIVE | RESNETS


PAIRS = TransformerConfig(11, 13, width=24, depth=3, heads=4, mlp_dim=36, max_length=20)
TRANSFORMERS = {
    "post-norm": PAIRS,
    "pre-norm": replace(PAIRS, norm="pre"),
    "tied": replace(PAIRS, tied=True),
    "transformer, dropout": replace(PAIRS, dropout=0.1, attention_dropout=0.1),
}


def each(configs):
    return pytest.mark.parametrize("config", [pytest.param(c, id=name) for name, c in configs.items()])


def images(config, batch_size, device="meta"):
    return torch.zeros(batch_size, config.channels, *config.image_hw, device=device)


def pairs(batch_size, S, T, device="meta"):
    return [torch.ones(batch_size, length, dtype=torch.int64, device=device) for length in (S, T)]


def real(config, fused=True, recompute=True, dtype="float32"):
    model = (Transformer if type(config) is TransformerConfig else build)(config, 0).to(getattr(torch, dtype))
    for module in model.modules():
        for switch, value in (("shortcut", False), ("fused", fused), ("recompute", recompute)):
            if hasattr(module, switch):
                setattr(module, switch, value)
    return model


# ---- parameters and MACs: the formula, and PyTorch's counter ---------------------------------------------------------


@each(IMAGE_MODELS | TRANSFORMERS)
def test_parameters_of_the_formula_are_those_of_the_model(config):
    model = on_meta(config)
    assert all(p.is_meta for p in model.parameters())
    assert sum(parameters_by_part(config).values()) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("shortcut", [False, True])
@each(IMAGE_MODELS | {name: named_config(name) for name in ("vit_b16", "r50_b16", "bit_r50x1")})
def test_macs_of_the_formula_are_those_of_pytorchs_counter(config, shortcut):
    counted = measure(on_meta(config, shortcut=shortcut), images(config, 3))["macs"]
    assert counted == 3 * sum(macs_by_part(config, shortcut=shortcut).values())


@each(TRANSFORMERS)
def test_macs_of_a_transformer(config):
    counted = measure(on_meta(config), *pairs(2, 5, 7))["macs"]
    assert counted == 2 * sum(macs_by_part(config, lengths=(5, 7)).values())


@each({"vit": VIT, "bit": BIT, "hybrid": HYBRID})
def test_a_real_model_counts_like_one_on_the_meta_device(config):
    assert measure(real(config), images(config, 2, "cpu")) == measure(on_meta(config), images(config, 2))


def test_parts_are_those_of_the_modules():
    """The counter keeps a tally per module, too."""
    model = on_meta(VIT)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(images(VIT, 1))
    tally = {name: sum(flops.values()) // 2 for name, flops in counter.get_flop_counts().items()}
    parts = macs_by_part(VIT)
    attention = sum(tally[f"ViT.encoder.blocks.{i}.attention"] for i in range(VIT.depth))
    assert attention == parts["qkv"] + parts["scores"] + parts["weighted_sum"] + parts["out"]
    assert sum(tally[f"ViT.encoder.blocks.{i}.mlp"] for i in range(VIT.depth)) == parts["mlp"]
    assert tally["ViT.patch_embedding"] == parts["patch_embedding"]


def test_backward_costs_twice_forward():
    """But for the first layer: nobody asks for the gradient of the images."""
    model = on_meta(VIT)
    for of_images, forwards_worth in ((True, 0), (False, 1)):
        x = images(VIT, 2).requires_grad_(of_images)
        with FlopCounterMode(display=False) as forward:
            logits = model(x)
        with FlopCounterMode(display=False) as backward:
            logits.sum().backward()
        first_layer = 2 * 2 * macs_by_part(VIT)["patch_embedding"]
        assert backward.get_total_flops() == 2 * forward.get_total_flops() - forwards_worth * first_layer


@each({"bit": BIT, "hybrid": HYBRID})
def test_without_the_border_only_products_with_pixels_count(config):
    """An image of ones, filters of ones, zeros around: each product with a pixel adds 1 to the output."""
    model, expected = real(config), 0

    def count_ones(module, inputs, output):
        nonlocal expected
        x, weight = torch.ones_like(inputs[0][:1, :1]), torch.ones_like(module.weight[:1, :1])
        if module.padding == "same":  # by hand, and not with the package's own padding
            k, s = weight.shape[-1], module.stride
            total = [max((-(-n // s) - 1) * s + k - n, 0) for n in x.shape[2:]]
            rows, columns = ((t // 2, t - t // 2) for t in total)
            x = F.pad(x, (*columns, *rows))
            products = F.conv2d(x, weight, stride=s)
        else:
            products = F.conv2d(x, weight, stride=module.stride, padding=module.padding)
        assert products.shape[2:] == output.shape[2:]
        expected += int(products.sum()) * module.weight.shape[0] * module.weight.shape[1]

    for module in model.modules():
        if isinstance(module, StdConv):
            module.register_forward_hook(count_ones)
    model(images(config, 1, "cpu"))
    resnet = {part: n for part, n in macs_by_part(config, border=False).items() if part[:4] in ("root", "stag")}
    assert sum(resnet.values()) == expected
    assert sum(macs_by_part(config).values()) > sum(macs_by_part(config, border=False).values())


# ---- what is kept for the backward pass ------------------------------------------------------------------------------


@pytest.mark.parametrize("switches", [{}, {"fused": False}, {"recompute": False}, {"dtype": "float64"}], ids=str)
@each(IMAGE_MODELS | DROPOUT)
def test_the_meta_device_predicts_what_real_tensors_keep(config, switches):
    predicted = measure(on_meta(config, **switches), images(config, 3))
    assert predicted == measure(real(config, **switches), images(config, 3, "cpu"))


@pytest.mark.parametrize("fused", [True, False])
@each(TRANSFORMERS)
def test_the_meta_device_predicts_what_a_transformer_keeps(config, fused):
    predicted = measure(on_meta(config, fused=fused), *pairs(3, 5, 7))
    assert predicted == measure(real(config, fused=fused), *pairs(3, 5, 7, "cpu"))


@pytest.mark.parametrize("recompute", [True, False])
@each(VITS)
def test_the_formula_says_what_a_vit_keeps(config, recompute):
    numbers = sum(vit_activations(config, recompute=recompute).values())
    assert count(config, recompute=recompute).activation_bytes == 4 * numbers


def test_the_formula_refuses_what_keeps_more():
    for config in [*DROPOUT.values(), RELATIVE["relative"]]:
        with pytest.raises(ValueError, match="dropout or relative positions"):
            vit_activations(config)


def test_without_the_fused_kernel_the_attention_weights_are_kept():
    """h T^2 numbers per block, in place of one number per head and token."""
    T, h, L = VIT.num_tokens, VIT.heads, VIT.depth
    fused, plain = (count(VIT, fused=fused).activation_bytes // 4 for fused in (True, False))
    assert plain - fused == L * (h * T * T - h * T)


def test_the_shortcut_keeps_less_and_computes_less():
    full, short = count(VIT), count(VIT, shortcut=True)
    assert short.macs < full.macs
    assert short.activation_bytes < full.activation_bytes
    assert short.parameters == full.parameters


def test_what_is_kept_is_what_the_allocator_gave():
    """PyTorch's profiler adds up all memory taken and given back during the forward: what remains is kept."""
    config = ViTConfig(64, 8, width=64, depth=4, heads=4, mlp_dim=256, num_classes=10)
    model, x = real(config), images(config, 16, "cpu")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        logits = model(x)
    remains = sum(event.self_cpu_memory_usage for event in profile.key_averages())
    kept = 16 * count(config).activation_bytes
    assert kept > 14e6
    # Besides: the logits, and what PyTorch rounds up for each of some hundred tensors.
    assert kept <= remains <= 1.01 * kept + logits.nbytes


# ---- count -----------------------------------------------------------------------------------------------------------


def test_count_sums_up():
    cost = count("vit_b16")
    assert cost.parameters == sum(cost.parameters_by_part.values()) == 86_567_656
    # By hand: N C P^2 D + L (4 T D^2 + 2 T^2 D + 2 T D M) + D K
    N, T, D, M, L, K = 196, 197, 768, 3072, 12, 1000
    assert cost.macs == N * 3 * 16**2 * D + L * (4 * T * D**2 + 2 * T**2 * D + 2 * T * D * M) + D * K
    # By hand: patches, L (8 T D + T M + h T + 4 T), the last norm with its statistics, its result; 4 bytes each
    assert cost.activation_bytes == 4 * (N * 768 + L * (8 * T * D + T * M + 12 * T + 4 * T) + T * D + 2 * T + T * D)
    assert cost == count(named_config("vit_b16")) == count("ViT-B/16")


def test_count_at_another_size():
    cost = count("vit_b16", 384)
    assert cost == count(named_config("vit_b16", image_size=384))
    assert cost.parameters - count("vit_b16").parameters == (24 * 24 - 14 * 14) * 768  # E_pos alone
    assert cost.macs_by_part["scores"] == 12 * 577**2 * 768


def test_half_the_bytes_in_bfloat16():
    """But for the statistics of norms and attention, which stay in float32, as on a GPU."""
    full, half = count(VIT).activation_bytes, count(VIT, dtype="bfloat16").activation_bytes
    T, h, L = VIT.num_tokens, VIT.heads, VIT.depth
    statistics = 4 * ((2 * L + 1) * 2 * T + L * h * T)
    assert half - statistics == (full - statistics) // 2


def test_settings_of_either_package_will_do():
    assert count(vitedu_numpy.config.BiTConfig((1, 2), 5, 2, (45, 67), base_width=8, groups=4)) == count(BIT)


def test_what_cannot_be_counted_is_named():
    with pytest.raises(ValueError, match="vit_z1"):
        count("vit_z1")
    with pytest.raises(ValueError, match="image_size=30 is not allowed"):
        count(VIT, 30)
    with pytest.raises(ValueError, match="dtype='int8' is not allowed"):
        count(VIT, dtype="int8")
    with pytest.raises(TypeError, match="config is a dict"):
        count({})
    with pytest.raises(ValueError, match=r"lengths=\(3, 4\) is not allowed"):
        count(VIT, lengths=(3, 4))
    with pytest.raises(ValueError, match="lengths=None is not allowed"):
        count(TransformerConfig(11, 13, width=12, depth=2, heads=3, mlp_dim=20))


def test_the_formulas_need_no_pytorch():
    code = "import sys, vitedu; vitedu.compute, vitedu.formulas; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


# ---- the paper -------------------------------------------------------------------------------------------------------


def test_exaflops_by_hand():
    assert exaflops(1e9, epochs=7, images=100e6) == pytest.approx(6 * 0.7)
    assert JFT_IMAGES == 303e6


def test_the_sizes_of_table_1_are_those_of_the_named_models():
    for variant, name in zip(TABLE_1, ("vit_b16", "vit_l16", "vit_h14"), strict=True):
        c = named_config(name)
        assert (c.depth, c.width, c.mlp_dim, c.heads) == (variant.depth, variant.width, variant.mlp_dim, variant.heads)


def test_table_1():
    rows = table_1()
    assert len(rows) == 5 * 3
    assert all(abs(row.difference) < 2 or row.reason for row in rows)
    # The paper's 307 million for L fits patches of 32 only.
    assert {r.name for r in rows if round(r.ours) == 307} == {"ViT-L/32"}
    assert {r.name for r in rows if round(r.ours) == 86} == {"ViT-B/16"}
    assert {r.name for r in rows if round(r.ours) == 632} == {"ViT-H/14"}


def test_table_6_has_the_18_rows_of_the_paper():
    assert len(TABLE_6) == 18
    assert [row.kind for row in TABLE_6] == ["ViT"] * 6 + ["ResNet"] * 7 + ["Hybrid"] * 5
    assert [(r.name, r.what, r.paper) for r in table_6()] == [
        (r.name, f"{r.epochs} epochs", r.exaflops) for r in TABLE_6
    ]
    assert TABLE_6[0].average == pytest.approx((86.27 + 98.61 + 90.49 + 93.40 + 99.27) / 5)


def test_table_6():
    rows = {(r.name, r.what): r for r in table_6()}
    assert all(abs(r.difference) < 2 or r.reason for r in rows.values())
    difference = {key: r.difference for key, r in rows.items()}
    inside = {key: 100 * (r.without_border / r.paper - 1) for key, r in rows.items()}
    for (name, epochs), percent in difference.items():
        if name == "ViT-B/32":  # 2.02 %; no way of counting was found that explains it
            assert round(percent, 1) == 2.0
        elif name.startswith("ViT"):
            assert abs(percent) < 0.25
        elif "+" not in name:  # ResNets: the zeros around the image make all the difference
            assert 3 < percent < 4.2
            assert abs(inside[name, epochs]) < 0.9
        elif (name, epochs) != ("R50x1+ViT-L/16", "7 epochs"):
            assert abs(percent) < 1.6
            assert abs(inside[name, epochs]) < 0.6
    # Here the paper disagrees with itself: twice the epochs should be twice the compute.
    seven, fourteen = rows["R50x1+ViT-L/16", "7 epochs"], rows["R50x1+ViT-L/16", "14 epochs"]
    assert fourteen.ours == pytest.approx(2 * seven.ours)
    assert fourteen.paper / 2 == pytest.approx(seven.ours, abs=0.5)
    assert seven.paper == 859


def test_the_classes_of_jft_change_little():
    """The models are counted with 1000 classes; JFT has 18000."""
    for few, many in zip(table_6(), table_6(num_classes=18_000), strict=True):
        assert 1 < many.ours / few.ours < 1.011
