"""Recipes of one's own: what may stand in a file, what is refused, and that every command takes one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from vitedu import cli
from vitedu.recipes import FineTuning, Recipe, get_finetuning, get_recipe, is_recipe_file

MINE = """
base = "vit_digits"
epochs = 2.5
learning_rate = 1e-3
clip_norm = "none"

[model]
depth = 1
image_size = [8, 8]

[data]
dataset = "data/mine"
label_column = "kind"
flip = true

[run]
workers = 2
"""


@pytest.fixture
def file(tmp_path):
    """file(name, text) -> its path."""

    def write(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_a_base_and_what_is_changed(file):
    base, mine = get_recipe("vit_digits"), get_recipe(file("mine.toml", MINE))
    assert mine == replace(
        base,
        name="mine",
        epochs=2.5,
        steps=None,
        learning_rate=1e-3,
        clip_norm=None,
        model=replace(base.model, depth=1, image_size=(8, 8)),
        data=replace(base.data, dataset="data/mine", label_column="kind", flip=True),
        run=replace(base.run, workers=2),
    )


def test_without_a_base_the_model_has_to_be_whole(file):
    text = """
steps = 3
warmup_steps = 1
[model]
kind = "BiTConfig"
blocks = [1, 1]
num_classes = 10
base_width = 32
"""
    mine = get_recipe(file("small.toml", text))
    assert (mine.name, mine.steps, mine.model.blocks, type(mine.model).__name__) == ("small", 3, (1, 1), "BiTConfig")
    with pytest.raises(ValueError, match=r"small\.toml: model\.num_classes must be given, where there is no base"):
        get_recipe(file("small.toml", text.replace("num_classes = 10", "")))


def test_the_same_as_json(file):
    mine = get_recipe(file("mine.json", json.dumps({"base": "vit_digits", "steps": 300, "model": {"depth": 1}})))
    assert (mine.steps, mine.epochs, mine.model.depth) == (300, None, 1)


def test_fine_tuning(file):
    mine = get_finetuning(file("mine.toml", 'base = "pets"\nsteps = 50\nwarmup_steps = 5\nrates = [0.01, 0.1]'))
    assert mine == replace(get_finetuning("pets"), name="mine", steps=50, warmup_steps=5, rates=(0.01, 0.1))
    assert isinstance(get_finetuning(file("own.toml", "steps = 600\nimage_size = 32")), FineTuning)


def test_what_a_run_has_written_can_be_run_again(tmp_path):
    """A run's folder, or its recipe.json; on the data that it was given."""
    from dataclasses import asdict

    recipe = get_recipe("vit_digits")
    record = {"model_kind": "ViTConfig", "num_images": 1437, "data": "./copy", "recipe": asdict(recipe)}
    (tmp_path / "recipe.json").write_text(json.dumps(record))
    for place in (tmp_path, tmp_path / "recipe.json"):
        assert get_recipe(str(place)) == replace(recipe, data=replace(recipe.data, dataset="./copy"))


def test_python_is_executed_only_where_it_is_named(file, tmp_path):
    path = file(
        "mine.py",
        "from vitedu.recipes import get_recipe\nfrom dataclasses import replace\n"
        "recipe = replace(get_recipe('vit_digits'), seed=7)\n"
        f"open({str(tmp_path / 'ran')!r}, 'w').close()\n",
    )
    assert is_recipe_file(path)
    assert not (tmp_path / "ran").exists()
    assert get_recipe(path).seed == 7
    assert (tmp_path / "ran").exists()
    # The same text under another name is read, not run.
    (tmp_path / "ran").unlink()
    with pytest.raises(ValueError, match=r"mine\.toml: "):
        get_recipe(file("mine.toml", (tmp_path / "mine.py").read_text()))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "a.toml",
            'base = "vit_digits"\nlearning_rte = 1',
            "unknown key 'learning_rte'; did you mean 'learning_rate'?",
        ),
        (
            "a.toml",
            'base = "vit_digits"\n[data]\nlabel_colum = "y"',
            "unknown key 'label_colum' in [data]; did you mean 'label_c",
        ),
        ("a.toml", 'base = "vit_digits"\n[run]\nworker = 1', "unknown key 'worker' in [run]; did you mean 'workers'?"),
        ("a.toml", 'base = "vit_digts"', "recipe='vit_digts' is not known; did you mean 'vit_digits'?"),
        ("a.toml", 'base = "pets"', "it holds a FineTuning, which is for `vitedu finetune FROM --recipe`"),
        (
            "a.toml",
            'base = "vit_digits"\nbatch_size = "64"',
            "batch_size='64' is not allowed; batch_size must be a positive",
        ),
        ("a.toml", 'base = "vit_digits"\nmodel = 3', "model=3 is not allowed; model must be a table of fields"),
        ("a.toml", "steps = 3", "model=None is not allowed; give a table [model], or base = ..."),
        ("a.toml", '[model]\nkind = "VitConfig"', "model.kind='VitConfig' is not known; did you mean 'ViTConfig'?"),
        ("a.toml", "base = ", "Invalid value"),
        ("a.json", "[1]", "it holds a list; expected fields by name"),
        ("a.json", '{"model_kind": "ViTConfig", "recipe": {}}', "'model' is missing"),
        ("a.py", "x = 1", "it defines no `recipe`"),
        ("a.py", "recipe = 5", "recipe is a int; expected a Recipe or a FineTuning"),
        ("a.py", "1 / 0", "executing it ended with ZeroDivisionError"),
    ],
)
def test_a_mistake_names_file_and_key(file, name, text, says):
    with pytest.raises(ValueError) as caught:
        get_recipe(file(name, text))
    assert str(caught.value).startswith(file(name, text))
    assert says in str(caught.value)


def test_every_command_takes_one(file, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(
        "vitedu.plan.planner.count_step",
        lambda *a, **k: __import__("vitedu.plan.memory", fromlist=["x"]).Counted(1, 1, 1, 1, 1),
    )
    mine = file("mine.toml", MINE)
    assert cli.main(["recipes", mine]) == 0
    assert "data.label_column            kind" in capsys.readouterr().out
    assert cli.main(["plan", mine, "--gpus", "1", "--num-images", "1000"]) == 0
    assert capsys.readouterr().out.startswith("mine on 1 x a100-80gb")
    taken = []
    monkeypatch.setattr("vitedu.engine.train.train", lambda recipe, out, data: taken.append((recipe, out, data)) or {})
    assert cli.main(["train", mine, "--out", "x", "--data.image-column", "picture", "--steps", "300"]) == 0
    ((recipe, out, data),) = taken
    assert isinstance(recipe, Recipe)
    assert (recipe.steps, recipe.epochs, recipe.data.image_column, recipe.data.label_column) == (
        300,
        None,
        "picture",
        "kind",
    )
    assert (out, data) == ("x", None)


def test_columns_arrive_at_the_reader(monkeypatch):
    from vitedu.engine import train

    asked = []
    monkeypatch.setattr(train, "open_source", lambda *a, **k: asked.append(k) or type("S", (), {"class_names": None})())
    train.open_data(replace(get_recipe("vit_digits").data, image_column="a", label_column="b"), "digits")
    assert [(k["image_column"], k["label_column"]) for k in asked] == [("a", "b")] * 2


def test_a_text_with_a_column_that_is_none_is_refused():
    with pytest.raises(ValueError, match="label_column='' is not allowed; label_column must be the name of a column"):
        replace(get_recipe("vit_digits").data, label_column="")
