"""A Dataset or DatasetDict of the `datasets` library in place of a name: the same rules as for files."""

from __future__ import annotations

import pytest
from files_at_hand import labels_of, picture

from vitedu.data import open_source


def dataset(labels=(0, 1, 0, 1), names=("cat", "dog"), split=None):
    from datasets import ClassLabel, Dataset, Features, Image

    features = Features({"image": Image(), "label": ClassLabel(names=list(names))})
    rows = {"image": [{"bytes": picture(k), "path": None} for k in range(len(labels))], "label": list(labels)}
    return Dataset.from_dict(rows, features, split=split)


def test_a_dataset_is_opened_as_it_is():
    """Its selections and its order, without a copy on the disk."""
    chosen = dataset().select([3, 0, 1])
    source = open_source(chosen, "train", in_memory=False)
    assert (source.class_names, labels_of(source)) == (["cat", "dog"], [1, 0, 1])
    assert [sample.data for sample in source.read([0, 1])] == [picture(3), picture(0)]
    assert source.read([0])[0].name == "Dataset in memory, train, image 0"
    held_out = open_source(chosen, "train", hold_out=1, part="eval", in_memory=False)
    assert len(held_out) == 1


def test_splits_of_a_dict():
    from datasets import DatasetDict

    both = DatasetDict({"train": dataset(), "valid": dataset((0, 1), ("dog", "cat"))})
    training = open_source(both, "train", in_memory=False)
    validation = open_source(both, "validation", class_names=training.class_names, in_memory=False)
    assert labels_of(validation) == [1, 0]  # by name, not by number
    with pytest.raises(ValueError, match="data, a DatasetDict of train, valid in memory, has no split 'test'"):
        open_source(both, "test")


def test_one_dataset_is_one_split():
    """Evaluated on its training images a model would look better than it is."""
    assert len(open_source(dataset(split="test"), "test", in_memory=False)) == 4
    with pytest.raises(ValueError, match="has no split 'test', but 'train'; a DatasetDict names several"):
        open_source(dataset(), "test")


def test_what_cannot_be_used():
    with pytest.raises(ValueError, match="has a transform of its own, which would not be used"):
        open_source(dataset().with_transform(dict), "train")
    with pytest.raises(ValueError, match="data is a IterableDataset in memory; expected a Dataset or a DatasetDict"):
        open_source(dataset().to_iterable_dataset(), "train")
    with pytest.raises(ValueError, match="no column that is clearly the label"):
        open_source(dataset().remove_columns("label"), "train")
    with pytest.raises(ValueError, match="data=3 is not allowed; data must be a name, a folder, or a Dataset"):
        open_source(3, "train")


def test_files_that_a_table_names_are_not_opened(tmp_path):
    from datasets import Dataset, Features, Image, Value

    (tmp_path / "secret.png").write_bytes(picture())
    rows = {"image": [{"bytes": None, "path": str(tmp_path / "secret.png")}], "label": [0]}
    named = Dataset.from_dict(rows, Features({"image": Image(), "label": Value("int64")}))
    with pytest.raises(
        ValueError, match=r"names the file '.*secret\.png' in place of .* give their folder in place of"
    ):
        open_source(named, "train")


@pytest.fixture
def recipe():
    """Two steps of a tiny model with two classes."""
    from vitedu.recipes import DataRecipe, Execution, Recipe
    from vitedu_numpy.config import ViTConfig

    return Recipe(
        name="small",
        model=ViTConfig(8, 4, 8, 1, 1, 8, num_classes=2),
        data=DataRecipe("", "train", "test", crop="none", eval_resize=None),
        run=Execution(device="cpu", threads=1),
        steps=2,
        batch_size=2,
        warmup_steps=1,
    )


def test_a_run_on_one(recipe, tmp_path):
    """`train(recipe, out, data=...)`, as with a folder; what the run keeps is a name."""
    import json

    from datasets import DatasetDict

    from vitedu.engine.train import train

    both = DatasetDict({"train": dataset(), "test": dataset((0, 1))})
    assert "eval_accuracy" in train(recipe, tmp_path / "run", both)
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["data"] == "DatasetDict of train, test in memory"
    assert json.loads((tmp_path / "run" / "classes.json").read_text()) == ["cat", "dog"]
    with pytest.raises(ValueError, match="has no split 'test', but 'train'"):
        train(recipe, tmp_path / "other", dataset())


@pytest.mark.parametrize(("training", "test"), [((1, 2), (1, 2)), ((0, 1), (0, 7))])
def test_numbers_that_a_model_has_no_output_for(recipe, training, test, tmp_path):
    """Said before the first step, for either split; on a GPU it would be a crash without a reason."""
    from datasets import DatasetDict, Value

    from vitedu.engine.train import train

    def unnamed(labels):
        return dataset([0] * len(labels)).remove_columns("label").add_column("label", list(labels))

    both = DatasetDict({"train": unnamed(training), "test": unnamed(test)})
    assert both["train"].features["label"] == Value("int64")
    highest, which = max(*training, *test), training if max(training) > 1 else test
    text = (
        f"num_classes=2 is not allowed: 'DatasetDict of .*' has the labels {which[0]} to {highest}, which count from 0"
    )
    with pytest.raises(ValueError, match=text):
        train(recipe, tmp_path / "run", both)
