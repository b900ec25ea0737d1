"""One list of classes: the names of the training split number the classes of every split."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from vitedu.data import open_source
from vitedu.data.classes import new_numbers, one_form, renumbered
from vitedu.engine.train import open_data
from vitedu.recipes import DataRecipe

BOTH = pytest.mark.parametrize("streaming", [False, True], ids=["mapped", "streamed"])


def labels_by_level(source) -> dict[int, int]:
    """{grey level of an image: its label}"""
    from vitedu.data.decode import decode

    samples = source.read(np.arange(len(source)))
    return {int(decode(sample.data)[0, 0, 0]): sample.label for sample in samples}


def test_a_validation_split_without_one_of_the_classes(tmp_path, write_images):
    """Numbered by itself, "c" of val would be class 1: a perfect model would be right in half of the cases."""
    folder = write_images(tmp_path, {"train/a/1.png": 10, "train/b/1.png": 20, "train/c/1.png": 30,
                                     "val/a/1.png": 11, "val/c/1.png": 31})  # fmt: skip
    training, evaluation = open_data(DataRecipe(crop="none"), folder)
    assert training.class_names == evaluation.class_names == ["a", "b", "c"]
    assert labels_by_level(evaluation) == {11: 0, 31: 2}
    assert evaluation.labels.tolist() == [0, 2]


def test_a_class_that_training_lacks_is_refused_by_name(tmp_path, write_images):
    """Tiny ImageNet has its validation images in one folder, val/images: every image would count as class 0."""
    folder = write_images(tmp_path, {"train/a/1.png": 1, "train/b/1.png": 2, "val/images/1.png": 3})
    with pytest.raises(
        ValueError, match=r"split 'validation' has the class 'images', which is not among the 2 .*'a', 'b'"
    ):
        open_data(DataRecipe(), folder)


def test_names_are_compared_in_one_form(tmp_path, write_images):
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    assert composed != decomposed
    folder = write_images(tmp_path, {f"train/{composed}/1.png": 1, "train/z/1.png": 2, "train/f/1.png": 3,
                                     f"val/{decomposed}/1.png": 4, "val/f/1.png": 5, "val/z/1.png": 6})  # fmt: skip
    training, evaluation = open_data(DataRecipe(), folder)
    assert training.class_names == ["f", "z", composed]
    assert labels_by_level(evaluation) == {4: 2, 5: 0, 6: 1}


def test_what_is_no_class(tmp_path, write_images):
    """Folders without images, and those that editors, file servers and archives leave behind."""
    levels = {"train/b/1.png": 1, "train/b/.ipynb_checkpoints/1.png": 2, "train/@eaDir/1.png": 3,
              "train/__MACOSX/1.png": 4, "train/c/1.png": 5}  # fmt: skip
    folder = write_images(tmp_path, levels)
    (tmp_path / "train" / "a").mkdir()
    source = open_source(folder, "train")
    assert source.class_names == ["b", "c"]
    assert labels_by_level(source) == {1: 0, 5: 1}


@BOTH
def test_tables_are_mapped_by_name(tmp_path, write_table, streaming):
    """`datasets` would read the numbers of test.parquet by the names of train.parquet: cats would be dogs."""
    write_table(tmp_path / "train-0.parquet", ["cat", "dog"], [("cat", 1), ("dog", 2)])
    folder = write_table(tmp_path / "test-0.parquet", ["dog", "cat"], [("cat", 3), ("dog", 4)])
    training, evaluation = open_data(DataRecipe(eval_split="test", streaming=streaming, lanes=1), folder)
    assert labels_by_level(training) == {1: 0, 2: 1}
    assert labels_by_level(evaluation) == {3: 0, 4: 1}
    assert evaluation.class_names == ["cat", "dog"]


@BOTH
def test_shards_that_disagree_are_refused(tmp_path, write_table, streaming):
    write_table(tmp_path / "train-0.parquet", ["cat", "dog"], [("cat", 1)])
    folder = write_table(tmp_path / "train-1.parquet", ["dog", "cat"], [("cat", 2)])
    with pytest.raises(ValueError, match=r"train-0.parquet and .*train-1.parquet number .*class 0 is 'cat' .*'dog'"):
        open_source(folder, "train", streaming=streaming)


def test_saved_splits_are_mapped_by_name(tmp_path, png):
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Image

    def split(names, label, level):
        features = Features({"image": Image(), "label": ClassLabel(names=names)})
        return Dataset.from_dict({"image": [{"bytes": png(level), "path": None}], "label": [label]}, features)

    splits = {"train": split(["x", "y"], 0, 1), "test": split(["y", "x"], 0, 2)}
    DatasetDict(splits).save_to_disk(str(tmp_path))
    for streaming in (False, True):
        source = open_source(str(tmp_path), "test", streaming=streaming, class_names=["x", "y"])
        assert labels_by_level(source) == {2: 1}


def test_new_numbers_and_bad_lists():
    assert new_numbers(["c", "a"], ["a", "b", "c"], "val").tolist() == [2, 0]
    with pytest.raises(
        ValueError, match=r"^val has the class 'd', which is not among the 1 classes that are known: 'a'"
    ):
        new_numbers(["d"], ["a"], "val")
    with pytest.raises(ValueError, match=r"class names must differ; 'é'"):
        one_form([unicodedata.normalize(form, "é") for form in ("NFC", "NFD")])
    digits = open_source("digits", "test")
    assert renumbered(digits, digits.class_names, "test") is digits
    turned = renumbered(digits, digits.class_names[::-1], "test")
    assert turned.labels.tolist() == (9 - digits.labels).tolist()
    assert [s.label for s in turned.read([0, 5])] == turned.labels[[0, 5]].tolist()
