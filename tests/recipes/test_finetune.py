"""Recipes for fine-tuning: Table 4 literally; BiT's HyperRule and its stair against the authors' functions."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from vitedu import learning_rate
from vitedu.recipes import (
    DataRecipe,
    FineTuning,
    Recipe,
    finetuning_for,
    get_finetuning,
    get_recipe,
    hyper_rule,
    list_finetunings,
    list_recipes,
)  # fmt: skip
from vitedu_numpy.models.names import named_config

# Table 4: steps and learning rates, and the parts held out to choose among them (App. B.1.1).
TABLE_4 = {
    "imagenet": (20_000, (0.003, 0.01, 0.03, 0.06), 0.01),
    "cifar10": (10_000, (0.001, 0.003, 0.01, 0.03), 0.02),
    "cifar100": (10_000, (0.001, 0.003, 0.01, 0.03), 0.02),
    "pets": (500, (0.001, 0.003, 0.01, 0.03), 0.1),
    "flowers": (500, (0.001, 0.003, 0.01, 0.03), 0.1),
    "vtab": (2_500, (0.01,), 0.2),
}


@pytest.mark.parametrize("name", TABLE_4)
def test_table_4(name):
    steps, rates, dev_part = TABLE_4[name]
    tuning = get_finetuning(name)
    assert (tuning.steps, tuning.rates, tuning.dev_part) == (steps, rates, dev_part)
    assert (tuning.optimizer, tuning.batch_size, tuning.decay) == ("sgd", 512, "cosine")
    assert (tuning.weight_decay, tuning.clip_norm, tuning.image_size, tuning.ema) == (0.0, 1.0, 384, None)
    assert tuning.learning_rate in rates
    assert tuning.warmup_steps == (100 if steps == 500 else 500)  # the authors' code: the paper has no warm-up here


def test_table_2_is_larger_and_averaged():
    for size in (512, 518):
        tuning, plain = get_finetuning(f"imagenet-{size}"), get_finetuning("imagenet")
        assert (tuning.image_size, tuning.ema) == (size, 0.9999)
        assert {k for k, v in asdict(tuning).items() if v != asdict(plain)[k]} == {"name", "notes", "image_size", "ema"}


def test_names():
    assert not set(list_finetunings()) & set(list_recipes())
    assert [get_finetuning(name).name for name in list_finetunings()] == list_finetunings()
    with pytest.raises(ValueError, match=r"recipe='cifar-10' is not known; did you mean 'cifar10'.*hyper-rule"):
        get_finetuning("cifar-10")
    assert finetuning_for("pets").name == "pets"
    assert finetuning_for("imagenet1k").name == "imagenet"
    with pytest.raises(ValueError, match=r"recipe='' is not allowed for data='my/folder'.*hyper-rule"):
        finetuning_for("my/folder")


# ---- the model of a recipe -------------------------------------------------------------------------------------------


def test_the_model_is_that_of_the_weights_but_for_what_a_new_task_needs():
    """Classes, resolution, a head at 0, no pre-logits layer, no dropout."""
    trained = named_config("vit_b16", 21843, representation_size=768, head_bias=-10.0, dropout=0.1)
    recipe = get_finetuning("cifar10").recipe("ViT-B_16", trained, 10)
    expected = replace(trained, num_classes=10, image_size=384, representation_size=None, head_bias=0.0, dropout=0.0)
    assert isinstance(recipe, Recipe)
    assert recipe.model == expected
    assert (recipe.start, recipe.loss, recipe.objective, recipe.steps) == ("ViT-B_16", "softmax", "classify", 10_000)
    assert replace(get_finetuning("cifar10"), image_size=None).recipe("x", trained, 10).model.image_size == 224


def test_what_does_not_fit_is_refused():
    tuning = get_finetuning("cifar10")
    with pytest.raises(ValueError, match=r"image_size=384 is not allowed; image_size must be a multiple of patch_size"):
        tuning.recipe("ViT-H_14", named_config("vit_h14"), 10)
    with pytest.raises(ValueError, match=r"warmup_steps=500 is not allowed; warmup_steps must be at most steps=20"):
        replace(tuning, steps=20).recipe("x", named_config("vit_b16"), 10)
    with pytest.raises(ValueError, match=r"by_rule=True is not allowed here"):
        get_finetuning("hyper-rule").recipe("x", named_config("bit_r50x1"), 10)
    for change in (
        {"dev_part": 1.0},
        {"rates": (0.1, 0.1)},
        {"rates": (-1.0, 1.0)},
        {"image_size": 0},
        {"steps": None},
    ):
        with pytest.raises(ValueError, match=rf"{next(iter(change))}=.* is not allowed"):
            replace(tuning, **change)


def test_start_is_a_place_or_none():
    recipe = get_recipe("vit_digits")
    assert replace(recipe, start="runs/a").start == "runs/a"
    for start in ("", 3):
        with pytest.raises(ValueError, match=r"start=.* is not allowed"):
            replace(recipe, start=start)
    with pytest.raises(ValueError, match=r"objective='masked_patches' is not allowed"):
        replace(recipe, objective="masked_patches", start="runs/a")


# ---- BiT's HyperRule -------------------------------------------------------------------------------------------------


def authors_rate(step, num_images, base=0.003):
    """google-research/big_transfer, as published: up to s0, a tenth after each middle s, nothing from the last on."""
    if num_images < 20_000:
        supports = [100, 200, 300, 400, 500]
    elif num_images < 500_000:
        supports = [500, 3000, 6000, 9000, 10_000]
    else:
        supports = [500, 6000, 12_000, 18_000, 20_000]
    if step < supports[0]:
        return base * step / supports[0]
    if step >= supports[-1]:
        return None
    for support in supports[1:-1]:
        if support < step:
            base /= 10
    return base


@pytest.mark.parametrize("num_images", [1020, 19_999, 20_000, 50_000, 499_999, 500_000, 1_281_167])
def test_the_rule_and_its_stair_are_the_authors(num_images):
    rule = hyper_rule(num_images, (32, 32))
    assert authors_rate(rule.steps - 1, num_images) is not None
    assert authors_rate(rule.steps, num_images) is None
    recipe = get_finetuning("hyper-rule").settled(num_images, (32, 32)).recipe("x", named_config("bit_r50x1"), 10)
    assert recipe.steps == rule.steps
    for step in range(recipe.steps):  # every step, so every boundary
        ours = learning_rate(
            step, base=recipe.learning_rate, total_steps=recipe.steps, warmup_steps=recipe.warmup_steps,
            decay=recipe.decay, milestones=recipe.milestones,
        )  # fmt: skip
        # The factors of ten are multiplied in another order: a few units in the last place.
        assert ours == pytest.approx(authors_rate(step, num_images), rel=1e-15, abs=0), step


def test_a_milestone_itself_is_not_decayed_yet():
    rates = [learning_rate(s, base=1.0, total_steps=10, decay="stair", milestones=(0.3, 0.6, 0.9)) for s in range(10)]
    assert rates == [1.0] * 4 + [0.1] * 3 + [0.01] * 3
    assert learning_rate(2, base=1.0, total_steps=10, warmup_steps=4, decay="stair", milestones=(0.1,)) == 0.1 * 0.5


@pytest.mark.parametrize(
    ("num_images", "hw", "version", "expected"),
    [
        (1020, (500, 500), "code", (512, 480, 500, 100, 0.003, (0.4, 0.6, 0.8), 0.0)),
        (50_000, (32, 32), "code", (160, 128, 10_000, 500, 0.003, (0.3, 0.6, 0.9), 0.1)),
        (1_281_167, (375, 500), "code", (512, 480, 20_000, 500, 0.003, (0.3, 0.6, 0.9), 0.1)),
        (1020, (500, 500), "paper", (448, 384, 500, 0, 0.003, (0.3, 0.6, 0.9), 0.0)),
        (20_000, (96, 96), "code", (512, 480, 10_000, 500, 0.003, (0.3, 0.6, 0.9), 0.1)),  # not smaller than 96 x 96
        (
            20_000,
            (95, 97),
            "code",
            (160, 128, 10_000, 500, 0.003, (0.3, 0.6, 0.9), 0.1),
        ),  # the area counts: 9215 < 9216
    ],
)
def test_hyper_rule(num_images, hw, version, expected):
    assert tuple(hyper_rule(num_images, hw, version)) == expected


def test_hyper_rule_refuses_nonsense():
    for arguments, name in (((0, (8, 8)), "num_images"), ((5, (0, 8)), "image_hw"), ((5, (8, 8), "both"), "version")):
        with pytest.raises(ValueError, match=rf"{name}=.* is not allowed"):
            hyper_rule(*arguments)


def test_settled_fills_in_what_was_left_open():
    open_one = get_finetuning("hyper-rule")
    settled = open_one.settled(50_000, (32, 32))
    assert (settled.image_size, settled.data.train_resize, settled.data.crop) == (128, 160, "resize")
    assert (settled.steps, settled.warmup_steps, settled.data.mixup) == (10_000, 500, 0.1)
    assert (settled.clip_norm, settled.decay, settled.learning_rate) == (None, "stair", 0.003)
    own = replace(open_one, steps=40, warmup_steps=4, image_size=64).settled(50_000, (32, 32))
    assert (own.steps, own.warmup_steps, own.image_size) == (40, 4, 64)
    plain = FineTuning("mine", DataRecipe("digits"))
    assert plain.settled(5, (8, 8)) is plain


def test_milestones_belong_to_a_stair():
    recipe = get_recipe("vit_digits")
    assert replace(recipe, decay="stair", milestones=[0.5, 0.75]).milestones == (0.5, 0.75)  # a list, as JSON has it
    for change in (
        {"decay": "stair"}, {"milestones": (0.5,)}, {"decay": "stair", "milestones": (0.5, 0.5)},
        {"decay": "stair", "milestones": (0.5, 1.0)}, {"decay": "stair", "milestones": (3, 6)},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"milestones=.* is not allowed"):
            replace(recipe, **change)
