"""The paper's Table 3 against the recipes: a second transcription, and the numbers that follow from it."""

from __future__ import annotations

import pytest

from vitedu.models import named_config
from vitedu.recipes import get_recipe
from vitedu.recipes.paper import PAPER
from vitedu_numpy.config import BiTConfig, HybridConfig

# Model(s), data, epochs, base learning rate, decay, weight decay, dropout, as the table prints them.
TABLE_3 = """
ViT-B/{16,32}       JFT-300M     7     8e-4  linear  0.1   0.0
ViT-L/32            JFT-300M     7     6e-4  linear  0.1   0.0
ViT-L/16            JFT-300M     7/14  4e-4  linear  0.1   0.0
ViT-H/14            JFT-300M     14    3e-4  linear  0.1   0.0
R50x{1,2}           JFT-300M     7     1e-3  linear  0.1   0.0
R101x1              JFT-300M     7     8e-4  linear  0.1   0.0
R152x{1,2}          JFT-300M     7     6e-4  linear  0.1   0.0
R50+ViT-B/{16,32}   JFT-300M     7     8e-4  linear  0.1   0.0
R50+ViT-L/32        JFT-300M     7     2e-4  linear  0.1   0.0
R50+ViT-L/16        JFT-300M     7/14  4e-4  linear  0.1   0.0
ViT-B/{16,32}       ImageNet-21k 90    1e-3  linear  0.03  0.1
ViT-L/{16,32}       ImageNet-21k 30/90 1e-3  linear  0.03  0.1
ViT-*               ImageNet     300   3e-3  cosine  0.3   0.1
"""
ANY_VIT = ["ViT-B/16", "ViT-B/32", "ViT-L/16", "ViT-L/32"]  # of ViT-*, those that Table 5 has results for
DATA = {"JFT-300M": "jft", "ImageNet-21k": "imagenet21k", "ImageNet": "imagenet"}


def spelled_out():
    """Table 3 with one model and one length per row: (recipe, model, data, epochs, ...)."""
    for line in TABLE_3.split("\n")[1:-1]:
        models, data, lengths, *numbers = line.split()
        head, _, choices = models.partition("{")
        names = ANY_VIT if models == "ViT-*" else [head + c for c in choices.rstrip("}").split(",")]
        longest = max(map(int, lengths.split("/")))
        for name in names:
            for epochs in map(int, lengths.split("/")):
                suffix = "" if epochs == longest else f"-{epochs}ep"
                yield name, DATA[data], suffix, epochs, *numbers


def registered(name: str) -> str:
    """R50+ViT-B/16 -> r50_b16,  ViT-B/16 -> vit_b16,  R50x1 -> bit_r50x1"""
    if name.startswith("ViT"):
        return name.lower().replace("-", "_").replace("/", "")
    return "r50_" + name[-4:].lower().replace("/", "") if "+" in name else "bit_" + name.lower()


ROWS = list(spelled_out())


@pytest.mark.parametrize(
    ("model", "data", "suffix", "epochs", "rate", "decay", "weight_decay", "dropout"), ROWS, ids=lambda v: str(v)
)
def test_every_row_of_table_3(model, data, suffix, epochs, rate, decay, weight_decay, dropout):
    recipe = get_recipe(f"{registered(model)}-{data}{suffix}")
    config, paper = recipe.model, named_config(model)
    # What the table says, and its caption: batch 4096, warm-up 10 000 steps, Adam, clipping for ImageNet alone.
    assert (recipe.epochs, recipe.learning_rate, recipe.decay) == (epochs, float(rate), decay)
    assert (recipe.weight_decay, getattr(config, "dropout", 0.0)) == (float(weight_decay), float(dropout))
    assert (recipe.batch_size, recipe.warmup_steps, recipe.optimizer) == (4096, 10_000, "adam")
    assert recipe.clip_norm == (1.0 if data == "imagenet" else None)
    # The model of that name, at 224 pixels, with the data's classes.
    assert config.num_classes == {"jft": 18291, "imagenet21k": 21843, "imagenet": 1000}[data]
    assert type(config) is type(paper)
    assert config.image_size == 224
    same = ("blocks", "width_factor", "base_width") if type(config) is BiTConfig else ("patch_size", "width", "depth")
    same += ("blocks", "heads", "mlp_dim") if type(config) is HybridConfig else ()
    assert all(getattr(config, field) == getattr(paper, field) for field in same)
    # What the authors said later (issues 2, 34, 89, 124).
    assert (recipe.loss, config.head_bias, recipe.label_smoothing) == ("sigmoid", -10.0, 0.0)
    assert recipe.linear_end == (1e-5 if decay == "linear" else 0.0)
    if type(config) is not BiTConfig:
        assert config.representation_size == config.width
        assert (config.classifier, config.gelu, config.attention_dropout) == ("token", "tanh", 0.0)


def test_there_are_no_other_rows():
    assert len(ROWS) == 26
    masked = "vit_b16-jft-masked"  # Appendix B.1.2, not Table 3
    assert {r.name for r in PAPER} == {f"{registered(m)}-{d}{s}" for m, d, s, *_ in ROWS} | {masked}


@pytest.mark.parametrize(
    ("name", "images", "steps"),
    [
        ("vit_b16-jft", 303e6, 517.8e3),
        ("vit_h14-jft", 303e6, 1.036e6),
        ("vit_l16-jft", 303e6, 1.036e6),
        ("vit_l16-jft-7ep", 303e6, 517.8e3),
        ("vit_b32-imagenet21k", 14.2e6, 312e3),
        ("vit_l16-imagenet21k-30ep", 14.2e6, 104e3),
        ("vit_b16-imagenet", 1.281e6, 93.8e3),
    ],
)
def test_steps_follow_from_epochs(name, images, steps):
    """Equal to four digits: that is how precisely the sizes of the data sets are printed."""
    assert get_recipe(name).updates(int(images)) == pytest.approx(steps, rel=5e-4)


def test_the_warm_up_is_a_tenth_of_the_imagenet_run():
    recipe = get_recipe("vit_b16-imagenet")
    assert round(recipe.warmup_steps / recipe.updates(1_281_167), 3) == 0.107


def test_notes_say_where_from_and_what_to_expect():
    for recipe in PAPER[:-1]:
        assert "Table 3" in recipe.notes.source
        assert "issues 2, 34" in recipe.notes.source  # what is not the paper's is marked
        assert "ImageNet " in recipe.notes.expected
        assert "exaFLOPs" in recipe.notes.cost
        assert ("private" in recipe.notes.source) == ("-jft" in recipe.name) == (recipe.data.dataset == "")
    notes = get_recipe("vit_h14-jft").notes
    assert "88.08 %" in notes.expected  # Table 6
    assert notes.cost == "4258 exaFLOPs (4262 in Table 6); 2500 TPUv3-core-days (Table 2)"
    notes = get_recipe("vit_b16-imagenet").notes
    assert "ImageNet 77.91 %" in notes.expected  # Table 5
    assert "74.79 % (issue 62)" in notes.expected
    assert "87.12 %" in get_recipe("vit_l16-jft").notes.expected  # 14 epochs
    assert "86.30 %" in get_recipe("vit_l16-jft-7ep").notes.expected
    assert "30 or 90" in get_recipe("vit_l32-imagenet21k-30ep").notes.expected


def test_masked_patch_prediction():
    recipe = get_recipe("vit_b16-jft-masked")
    assert (recipe.objective, recipe.masked_target) == ("masked_patches", "mean_color")
    assert (recipe.learning_rate, recipe.warmup_steps, recipe.decay) == (2e-4, 10_000, "cosine")
    assert recipe.updates(1) * recipe.batch_size / 303e6 == pytest.approx(13.5, abs=0.05)  # epochs of JFT
