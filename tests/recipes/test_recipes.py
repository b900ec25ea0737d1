"""All recipes: names, changes, and the authors' later settings."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from vitedu.recipes import Recipe, flatten, get_recipe, list_recipes
from vitedu.recipes.augreg import LEVELS, augmented

ALL = [get_recipe(name) for name in list_recipes()]


def test_names_are_unique_and_found():
    assert len(set(list_recipes())) == len(list_recipes())
    assert [recipe.name for recipe in ALL] == list_recipes()
    assert {"vit_b16-imagenet21k", "vit_digits", "vit_b16-augreg-imagenet"} <= set(list_recipes())


def test_an_unknown_name_is_refused_with_all_names():
    with pytest.raises(ValueError, match=r"recipe='vit_b16-imagenet22k' is not known; .*vit_b16-imagenet21k"):
        get_recipe("vit_b16-imagenet22k")


@pytest.mark.parametrize("recipe", ALL, ids=lambda r: r.name)
def test_flat_and_back(recipe):
    """Every field once, by its full name; nothing is lost on the way."""
    flat = flatten(recipe)
    assert flat["model.num_classes"] == recipe.model.num_classes
    assert flat["data.dataset"] == recipe.data.dataset
    parts = {f.name: getattr(recipe, f.name) for f in fields(Recipe)}
    for part in ("model", "data", "notes", "run"):
        own = {name.removeprefix(f"{part}."): v for name, v in flat.items() if name.startswith(f"{part}.")}
        parts[part] = type(parts[part])(**own)
    assert Recipe(**parts) == recipe


@pytest.mark.parametrize("recipe", ALL, ids=lambda r: r.name)
def test_a_change_is_checked_like_the_rest(recipe):
    assert replace(recipe, learning_rate=1e-5).learning_rate == 1e-5
    with pytest.raises(ValueError, match="learning_rate=-1 is not allowed"):
        replace(recipe, learning_rate=-1)
    with pytest.raises(ValueError, match="epochs"):
        replace(recipe, epochs=1, steps=1)
    with pytest.raises(ValueError, match="decay='step' is not allowed"):
        replace(recipe, decay="step")


# ---- AugReg ----------------------------------------------------------------------------------------------------------

SIZES = ("ti16", "s32", "s16", "b32", "b16", "l16")


@pytest.mark.parametrize("size", SIZES)
def test_augreg_on_imagenet21k(size):
    recipe = get_recipe(f"vit_{size}-augreg-imagenet21k")
    assert (recipe.epochs, recipe.batch_size, recipe.warmup_steps, recipe.decay) == (300, 4096, 10_000, "cosine")
    # The authors' decay, 1e-4, is not multiplied by the learning rate; ours is.
    assert recipe.weight_decay * recipe.learning_rate == pytest.approx(1e-4)
    assert (recipe.loss, recipe.clip_norm, recipe.optimizer) == ("sigmoid", 1.0, "adam")
    model = recipe.model
    assert (model.classifier, model.representation_size, model.head_bias) == ("gap", None, -10.0)
    assert (model.num_classes, model.dropout, model.position_embedding) == (21843, 0.0, "1d")


@pytest.mark.parametrize("size", SIZES)
def test_augreg_on_imagenet(size):
    recipe = get_recipe(f"vit_{size}-augreg-imagenet")
    model = recipe.model
    assert (model.classifier, model.representation_size, model.head_bias) == ("token", model.width, -6.9)
    assert (recipe.loss, recipe.epochs, model.num_classes) == ("sigmoid", 300, 1000)
    assert recipe.weight_decay * recipe.learning_rate == pytest.approx(1e-4)
    # 99 % of ImageNet is trained on.
    assert recipe.data.hold_out / 1_281_167 == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "layers", "magnitude", "mixup"),
    [
        ("vit_ti16-augreg-imagenet21k", 0, 10, 0.0),
        ("vit_s16-augreg-imagenet21k", 2, 0, 0.0),
        ("vit_b16-augreg-imagenet21k", 2, 10, 0.2),
        ("vit_l16-augreg-imagenet21k", 2, 15, 0.5),
        ("vit_ti16-augreg-imagenet", 2, 0, 0.0),
        ("vit_s32-augreg-imagenet", 2, 15, 0.2),
        ("vit_b16-augreg-imagenet", 2, 15, 0.5),
        ("vit_s16-better-imagenet", 2, 10, 0.2),
    ],
)
def test_each_size_has_its_level(name, layers, magnitude, mixup):
    data = get_recipe(name).data
    assert (data.randaugment_layers, data.randaugment_magnitude, data.mixup) == (layers, magnitude, mixup)


def test_another_level():
    recipe = augmented(get_recipe("vit_b16-augreg-imagenet"), "strong2")
    assert (recipe.data.randaugment_magnitude, recipe.data.mixup) == (20, 0.8)
    changed = {k for k, v in flatten(recipe).items() if v != flatten(get_recipe("vit_b16-augreg-imagenet"))[k]}
    assert changed == {"data.randaugment_magnitude", "data.mixup"}
    assert list(LEVELS) == ["none", "light1", "light2", "medium1", "medium2", "strong1", "strong2"]
    with pytest.raises(ValueError, match=r"level='strong3' is not allowed; level must be one of .*'strong2'"):
        augmented(recipe, "strong3")


def test_bit_with_sgd():
    """0.03 per 256 images, and a decay of 3e-5 per 256 that is not multiplied by the learning rate."""
    recipe = get_recipe("bit_r50x1-sgd-imagenet21k")
    assert recipe.learning_rate == pytest.approx(0.03 * 4096 / 256)
    assert recipe.weight_decay * recipe.learning_rate == pytest.approx(3e-5 * 4096 / 256)
    assert (recipe.optimizer, recipe.warmup_steps, recipe.epochs, recipe.decay) == ("sgd", 5000, 90, "cosine")
    assert (recipe.loss, recipe.model.head_bias, recipe.clip_norm) == ("sigmoid", -10.0, 1.0)


def test_better_plain_vit():
    recipe = get_recipe("vit_s16-better-imagenet")
    model = recipe.model
    assert (model.classifier, model.position_embedding, model.representation_size) == ("gap", "sincos2d", 384)
    assert (recipe.loss, recipe.batch_size, recipe.epochs, model.head_bias) == ("softmax", 1024, 90, 0.0)
    assert recipe.weight_decay * recipe.learning_rate == pytest.approx(1e-4)
