"""Numbers of parameters: Table 1, and the exact ones that the authors' own code has at 224 x 224 pixels.

PyTorch builds every model on the meta device; NumPy builds the small ones for real.
"""

from __future__ import annotations

import functools

import pytest
import torch

import vitedu.models
import vitedu_numpy.models
from vitedu.accounting.formulas import macs_by_part, parameters_by_part
from vitedu.paper import TABLE_1
from vitedu_numpy.config import BiTConfig

# Name: parameters with 1000 and with 21843 classes, without a pre-logits layer, as counted in
# google-research/vision_transformer (c6de1e5) and google-research/big_transfer (140de6e).
OFFICIAL = {
    "vit_ti16": (5_717_416, 9_740_115),
    "vit_s16": (22_050_664, 30_075_219),
    "vit_s32": (22_878_952, 30_903_507),
    "vit_b8": (86_576_872, 102_605_139),
    "vit_b16": (86_567_656, 102_595_923),
    "vit_b32": (88_224_232, 104_252_499),
    "vit_l16": (304_326_632, 325_690_707),
    "vit_l32": (306_535_400, 327_899_475),
    "vit_h14": (632_045_800, 658_745_683),
    "r_ti16": (6_337_704, 10_360_403),
    "r26_s32": (36_431_912, 44_456_467),
    "r26_b32": (101_383_976, 117_412_243),
    "r50_b16": (98_659_112, 114_687_379),
    "r50_l32": (328_994_856, 350_358_931),
    "bit_r50x1": (25_549_352, 68_256_659),
    "bit_r101x1": (44_541_480, 87_248_787),
    "bit_r50x3": (217_319_080, 345_399_315),
    "bit_r101x3": (387_934_888, 516_015_123),
    "bit_r152x2": (236_335_208, 321_728_979),
    "bit_r152x4": (936_533_224, 1_107_299_923),
}
# With 1000 classes; B0's is that of the authors' code (tensorflow/tpu, models/official/efficientnet), with 10 classes
# 4,020,358, and B1's to B7's those of the PyTorch packages that hold the authors' weights (5.3 to 66 M in the paper).
EFFICIENTNETS = {
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    "efficientnet_b5": 30_389_784,
    "efficientnet_b6": 43_040_704,
    "efficientnet_b7": 66_347_960,
}
# The others, with their own number of classes: counted here, and derived from official ones where that is possible.
OURS = {
    "vit_ti8": 5_719_720,
    "vit_ti14": 5_694_376,
    "vit_ti32": 6_131_560,
    "vit_s8": 22_055_272,
    "vit_s14": 22_004_584,
    "vit_b14": 86_475_496,
    "vit_l8": 304_338_920,
    "vit_l14": 304_203_752,
    "vit_h8": 632_214_760,
    "vit_h16": 632_199_400,
    "vit_h32": 634_960_360,
    "r50_b32": 110_945_832,
    "r50_l16": 316_483_624,
    "bit_r50x2": 97_988_712,
    "bit_r152x1": 60_185_128,
    "bit_r200x3": 568_633_000,
    "vit_digits": 58_570,
    "vit_cifar": 2_693_578,
    "bit_tiny": 126_746,
    "efficientnet_tiny": 202_884,
    **EFFICIENTNETS,
}
SMALL = [
    "vit_digits",
    "vit_cifar",
    "bit_tiny",
    "efficientnet_tiny",
    "vit_ti16",
    "vit_ti32",
    "r_ti16",
]  # NumPy fills these with numbers
IN_TABLE_1 = {"vit_b16": "ViT-Base", "vit_l16": "ViT-Large", "vit_h14": "ViT-Huge"}


@functools.cache
def count(name, num_classes=None, **changes):
    with torch.device("meta"):  # shapes without memory
        model = vitedu.models.create_model(name, num_classes, **changes)
    return sum(p.numel() for p in model.parameters())


def pinned(name):
    return OFFICIAL[name][0] if name in OFFICIAL else OURS[name]


# ---- pins ------------------------------------------------------------------------------------------------------------


def test_every_registered_model_is_pinned():
    assert {*OFFICIAL, *OURS} == set(vitedu.models.list_models()) == set(vitedu_numpy.models.list_models())
    assert not set(OFFICIAL) & set(OURS)


@pytest.mark.parametrize("name", OFFICIAL)
def test_exact_counts_of_the_authors(name):
    assert (count(name, 1000), count(name, 21843)) == OFFICIAL[name]


@pytest.mark.parametrize("name", OURS)
def test_exact_counts_of_ours(name):
    assert count(name) == OURS[name]


@pytest.mark.parametrize("name", IN_TABLE_1)
def test_table_1(name):
    """The paper's rounded numbers; its 307 million for L/16 is the authors' code's 304 within one per cent."""
    assert count(name, 1000) == pytest.approx(1e6 * TABLE_1.row(name=IN_TABLE_1[name]).millions, rel=0.01)


@pytest.mark.parametrize("name", [*OFFICIAL, *OURS])
def test_the_formulas_count_the_same(name):
    assert sum(parameters_by_part(vitedu.models.named_config(name)).values()) == pinned(name)


# ---- the models that the authors' code does not have, derived from those that it has ---------------------------------


@pytest.mark.parametrize("name", [name for name in OURS if name[:5] in ("vit_t", "vit_s", "vit_b", "vit_l", "vit_h")])
def test_another_patch_side_changes_the_projection_and_the_positions(name):
    size = name.rstrip("0123456789")
    known = next(n for n in OFFICIAL if n.rstrip("0123456789") == size)
    P, Q = (int(n.removeprefix(size)) for n in (name, known))
    D = vitedu.models.named_config(name).width
    projection, positions = 3 * (P**2 - Q**2) * D, ((224 // P) ** 2 - (224 // Q) ** 2) * D
    assert pinned(name) == pinned(known) + projection + positions


def test_hybrids_are_a_resnet_and_a_vit():
    """The ResNet of R50+B/16 before L in place of B, and the one of R50+L/32 before B in place of L."""
    for name, known, size, of_known in (
        ("r50_l16", "r50_b16", "vit_l16", "vit_b16"),
        ("r50_b32", "r50_l32", "vit_b32", "vit_l32"),
    ):
        channels = 1024 if name == "r50_l16" else 2048  # what the projection reads, in place of 3 P^2 pixels
        P = int(name[-2:])
        D, E = (vitedu.models.named_config(n).width for n in (size, of_known))
        vit = pinned(size) + (channels - 3 * P**2) * D
        vit_of_known = pinned(of_known) + (channels - 3 * P**2) * E
        assert pinned(name) == pinned(known) - vit_of_known + vit


def test_deeper_resnets_have_more_of_the_same_units():
    """R152 is R101 with 4 more units in the second stage and 13 more in the third; R200 has 20 and 13 more."""

    def unit(width):
        convolutions = 4 * width * width + 9 * width * width + width * 4 * width
        return convolutions + 2 * (4 * width + width + width)  # a scale and an offset for what each norm reads

    assert pinned("bit_r152x1") == pinned("bit_r101x1") + 4 * unit(128) + 13 * unit(256)
    assert pinned("bit_r200x3") == pinned("bit_r101x3") + 20 * unit(3 * 128) + 13 * unit(3 * 256)


def test_twice_as_wide():
    """At any width factor w the count is a w^2 + b w + c: the third difference is 0."""
    wide = {w: sum(parameters_by_part(BiTConfig((3, 4, 6, 3), 1000, w)).values()) for w in (1, 2, 3, 4)}
    assert (wide[1], wide[2], wide[3]) == tuple(pinned(f"bit_r50x{w}") for w in (1, 2, 3))
    assert wide[4] - 3 * wide[3] + 3 * wide[2] - wide[1] == 0


def test_efficientnet_b0_on_ten_classes():
    """Each class has 1280 weights and a bias."""
    assert count("EfficientNet-B0", 10) == 4_020_358 == EFFICIENTNETS["efficientnet_b0"] - 990 * 1281


def test_efficientnets_are_as_large_as_their_paper_says():
    """Its Table 2: millions of parameters, of which B6's is 43 and B7's 66; billions of MACs ("FLOPs" there)."""
    millions, billions = (5.3, 7.8, 9.2, 12, 19, 30, 43, 66), (0.39, 0.70, 1.0, 1.8, 4.2, 9.9, 19, 37)
    for number, (m, b) in enumerate(zip(millions, billions, strict=True)):
        config = vitedu.models.named_config(f"EfficientNet-B{number}")
        assert sum(parameters_by_part(config).values()) == pytest.approx(1e6 * m, rel=0.03)
        assert sum(macs_by_part(config).values()) == pytest.approx(1e9 * b, rel=0.07)


# ---- options ---------------------------------------------------------------------------------------------------------


def test_a_pre_logits_layer_adds_a_square_matrix_and_a_bias():
    assert count("vit_b16", representation_size=768) - count("vit_b16") == 768 * 768 + 768


def test_gap_has_no_class_token_and_one_position_less():
    assert count("vit_ti16") - count("vit_ti16", classifier="gap") == 2 * 192


# ---- NumPy -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_the_numpy_package_counts_the_same(name):
    model = vitedu_numpy.models.create_model(name, rng=0)
    assert sum(p.value.size for _, p in model.named_parameters()) == pinned(name)
