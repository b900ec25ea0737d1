"""One list of classes: the names of the training split number every split, shard and file, or an error says why not."""

from __future__ import annotations

import tarfile
import unicodedata

import numpy as np
import pytest
from files_at_hand import add, labels_of, picture, put, write_table

from vitedu.data import open_source
from vitedu.data.classes import by_numbers_of
from vitedu.engine.probe import probe
from vitedu.engine.train import open_data
from vitedu.recipes import DataRecipe

BOTH = pytest.mark.parametrize("streaming", [False, True])


def splits(folder, evaluation="validation", **options):
    """(training source, evaluation source), as `train` opens them."""
    training = open_source(str(folder), "train", **options)
    return training, open_source(str(folder), evaluation, class_names=training.class_names, **options)


def test_a_split_without_one_of_the_classes(tmp_path):
    """By itself val would call "c" number 1."""
    for name in "abc":
        put(tmp_path / "train" / name / "1.png")
    for name in "ac":
        put(tmp_path / "val" / name / "1.png")
    training, validation = splits(tmp_path)
    assert training.class_names == validation.class_names == ["a", "b", "c"]
    assert labels_of(validation) == [0, 2]


def test_a_folder_that_is_no_class_of_training(tmp_path):
    """Tiny ImageNet's val/images/*.JPEG: every image would count as class 0."""
    put(tmp_path / "train" / "n01" / "images" / "1.JPEG")
    put(tmp_path / "train" / "n02" / "images" / "1.JPEG")
    put(tmp_path / "val" / "images" / "1.JPEG")
    with pytest.raises(ValueError, match="split 'validation' has the class 'images', which is not among the 2 classes"):
        splits(tmp_path)


def test_one_unicode_form(tmp_path):
    """ "é" is one letter on one disk, an "e" and an accent on another; sorted, they lie before and after "z"."""
    for split, form in (("train", "NFC"), ("val", "NFD")):
        for name in ("é", "z"):
            put(tmp_path / split / unicodedata.normalize(form, name) / "1.png", value=ord(name[0]) % 100)
    training, validation = splits(tmp_path)
    by_image = [{s.data: s.label for s in source.read(range(2))} for source in (training, validation)]
    assert by_image[0] == by_image[1]


@BOTH
def test_class_labels_of_a_table_are_mapped_by_name(tmp_path, streaming):
    images = [picture(value) for value in range(4)]
    write_table(tmp_path / "train-0.parquet", images, [0, 1, 0, 1], ["cat", "dog"])
    write_table(tmp_path / "test-0.parquet", images, [0, 1, 0, 1], ["dog", "cat"])
    _, test = splits(tmp_path, "test", streaming=streaming)
    assert labels_of(test) == [1, 0, 1, 0]
    assert test.class_names == ["cat", "dog"]


@BOTH
def test_names_as_labels_of_a_table(tmp_path, streaming):
    """A column of texts: its sorted names are the classes; those of the other split are looked up there."""
    images = [picture(value) for value in range(4)]
    write_table(tmp_path / "train-0.parquet", images[:2], ["dog", "ant"])
    write_table(tmp_path / "train-1.parquet", images[2:], ["cat", "dog"])
    write_table(tmp_path / "test-0.parquet", images[:2], ["dog", "cat"])
    training, test = splits(tmp_path, "test", streaming=streaming)
    assert training.class_names == ["ant", "cat", "dog"]
    assert labels_of(training) == [2, 0, 1, 2]
    assert labels_of(test) == [2, 1]
    write_table(tmp_path / "test-0.parquet", images[:2], ["dog", "cow"])
    with pytest.raises(ValueError, match="has the class 'cow', which is not among the 3 classes"):
        splits(tmp_path, "test", streaming=streaming)


@BOTH
def test_names_as_labels_of_tar_files(tmp_path, streaming):
    """In `.cls` or under "label" of `.json`; each shard alone would number "dog" another way."""
    for shard, (first, second) in enumerate((("dog", "cat"), ("dog", "ant"))):
        with tarfile.open(tmp_path / f"train-{shard}.tar", "w") as tar:
            add(tar, "1.png", picture(1))
            add(tar, "1.cls", first.encode())
            add(tar, "2.png", picture(2))
            add(tar, "2.json", f'{{"label": "{second}"}}'.encode())
    source = open_source(str(tmp_path), "train", streaming=streaming)
    assert source.class_names == ["ant", "cat", "dog"]
    assert labels_of(source) == [2, 1, 2, 0]


def test_names_and_numbers_are_not_mixed(tmp_path):
    with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
        for name, label in (("1", b"cat"), ("2", b"7")):
            add(tar, f"{name}.png", picture())
            add(tar, f"{name}.cls", label)
    with pytest.raises(ValueError, match=r"train-0\.tar has names and numbers as labels"):
        open_source(str(tmp_path), "train")


@BOTH
@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([0, 7, 1], "row 1 has label 7, but there are 2 class names, for 0 ... 1"),
        ([0, 1, -1], "row 2 has label -1, which is no class; others have one"),
        ([0, None, 1], "1 rows have no label, row 1 is the first of them"),
    ],
)
def test_labels_that_are_none(labels, text, tmp_path, streaming):
    write_table(tmp_path / "train-0.parquet", [picture()] * 3, labels, ["cat", "dog"])
    with pytest.raises(ValueError, match=text):
        open_source(str(tmp_path), "train", streaming=streaming)


def test_numbers_that_nobody_names_are_said(tmp_path, caplog):
    write_table(tmp_path / "test-0.parquet", [picture()] * 2, [0, 1])
    open_source(str(tmp_path), "test", class_names=["cat", "dog"])
    assert "does not name its classes; its numbers are taken as they are" in caplog.text


def test_two_folders_for_one_split(tmp_path):
    put(tmp_path / "val" / "a" / "1.png")
    put(tmp_path / "validation" / "a" / "1.png")
    with pytest.raises(
        ValueError, match="has two folders for the split 'validation', 'val' and 'validation'; keep one"
    ):
        open_source(str(tmp_path), "validation")


def test_the_probe_has_one_list(tmp_path):
    """Its test split lacks class "b"; features are those of the shipped ViT, so grey and white are told apart."""
    for name, grey in (("a", 0), ("b", 120), ("c", 250)):
        for number in range(4):
            put(tmp_path / "train" / name / f"{number}.png", value=grey + number)
            if name != "b":
                put(tmp_path / "test" / name / f"{number}.png", value=grey + number)
    found = probe("vit_cifar10", str(tmp_path), eval_split="test", shots=(1,), seeds=(0,), neighbors=(1,), linear=False)
    assert found["1-NN"] == [1.0]  # by itself the test split would call "c" number 1: 0.5


def test_of_two_images_of_a_sample_one_is_taken_and_said(tmp_path, caplog):
    with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
        add(tar, "1.png", picture(1))
        add(tar, "1.jpg", picture(2))
        add(tar, "1.cls", b"0")
    source = open_source(str(tmp_path), "train", streaming=True)
    assert [sample.name.rpartition(" ")[2] for sample in source.read(np.arange(len(source)))] == ["1.jpg"]
    assert "second images of a sample: 1" in caplog.text


def test_numbers_are_looked_up_among_names_that_are_numbers(tmp_path, caplog):
    """As text "10" comes before "2": folder 10 is class 2 of the training split.  A table's 10 is that class."""
    for number in range(11):
        put(tmp_path / "folders" / "train" / str(number) / "1.png")
    (tmp_path / "table").mkdir()
    write_table(tmp_path / "table" / "test-0.parquet", [picture()] * 3, [2, 10, 3])
    names = open_source(str(tmp_path / "folders"), "train").class_names
    for streaming in (False, True):
        test = open_source(str(tmp_path / "table"), "test", class_names=names, streaming=streaming)
        assert [names[label] for label in labels_of(test)] == ["2", "10", "3"]
    assert "its numbers are looked up among the names, which are numbers, too" in caplog.text
    with pytest.raises(ValueError, match="has the label 2, which is not among '5', '3'"):
        labels_of(open_source(str(tmp_path / "table"), "test", class_names=["5", "3"], streaming=True))


def test_numbers_that_the_training_split_has_no_class_for(tmp_path):
    """Counted from 1, most often: every image would be called by its neighbour's name, but for the last."""
    write_table(tmp_path / "test-0.parquet", [picture()] * 3, [1, 2, 3])
    with pytest.raises(ValueError, match="split 'test' has the label 3; there are 3 classes, from 0 on: 'a', 'b', 'c'"):
        open_source(str(tmp_path), "test", class_names=["a", "b", "c"])


def test_numbers_that_begin_at_1_are_said(tmp_path, caplog):
    write_table(tmp_path / "train-0.parquet", [picture()] * 2, [1, 2])
    open_source(str(tmp_path), "train", in_memory=False)
    assert "its class numbers go from 1 to 2, and class 0 has no image; they count from 0 here" in caplog.text


def test_names_that_are_nearly_the_same_are_said(tmp_path, caplog):
    for name in ("Cat", "cat", "dog"):
        put(tmp_path / "train" / name / "1.png")
        put(tmp_path / "val" / name.upper() / "1.png")
    names = open_source(str(tmp_path), "train", in_memory=False).class_names
    assert "the classes 'Cat', 'cat' differ in case or spaces alone; each counts as a class of its own" in caplog.text
    with pytest.raises(
        ValueError, match=r"has the class 'CAT', 'DOG', .*\('CAT', 'Cat', 'cat' differ in case or spaces"
    ):
        open_source(str(tmp_path), "validation", class_names=names)


def test_one_name_in_two_forms_names_the_folder(tmp_path):
    for form in ("NFC", "NFD"):
        put(tmp_path / "train" / unicodedata.normalize(form, "é") / "1.png")
    with pytest.raises(ValueError, match=r"data='.*train': class names must differ; 'é' stands there more than once"):
        open_source(str(tmp_path), "train")


@BOTH
@pytest.mark.parametrize(
    ("columns", "names", "labels"),
    [
        ({"label": ["dog", "cat"], "width": [4, 4]}, ["cat", "dog"], [1, 0]),  # text by that name, beside other numbers
        ({"label": ["dog", "cat"], "target": [5, 9]}, ["cat", "dog"], [1, 0]),
        ({"label": [3.0, 1.0]}, None, [3, 1]),  # a gap in some other row
        ({"label": [True, False]}, None, [1, 0]),
    ],
)
def test_columns_of_labels(columns, names, labels, tmp_path, streaming):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"image": [picture(0), picture(1)], **columns}), tmp_path / "train-0.parquet")
    source = open_source(str(tmp_path), "train", streaming=streaming, in_memory=False)
    assert (source.class_names, labels_of(source)) == (names, labels)


@BOTH
@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([0.0, 0.37], r"row 1 has label 0\.37; expected whole numbers, or names"),
        (["cat", " "], "row 1 has label ' '; expected the name of a class"),
        (["nan", "cat"], "row 0 has label 'nan'; expected the name of a class"),  # a gap, as a text
        ([2**63 + 1, 0], r"row 0 has label 9223372036854775809, which numbers no class"),  # would turn negative
    ],
)
def test_columns_of_other_things(labels, text, tmp_path, streaming):
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = {float: pa.float64(), int: pa.uint64(), str: pa.string()}[type(labels[0])]
    table = {"image": [picture(0), picture(1)], "label": pa.array(labels, kind)}
    pq.write_table(pa.table(table), tmp_path / "train-0.parquet")
    with pytest.raises(ValueError, match=text):
        labels_of(open_source(str(tmp_path), "train", streaming=streaming, in_memory=False))


@BOTH
def test_the_label_of_a_tar_file_is_chosen(tmp_path, streaming, caplog):
    """By itself .cls is taken; where .json says another number, that is said."""
    with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
        for k in range(2):
            add(tar, f"{k}.jpg", picture(k, "JPEG"))
            add(tar, f"{k}.png", picture(k))
            add(tar, f"{k}.cls", b"0")
            add(tar, f"{k}.txt", b"cat" if k else b"dog")
            add(tar, f"{k}.json", b'{"label": 1, "breed": 5.0}')

    def opened(**columns):
        return open_source(str(tmp_path), "train", streaming=streaming, in_memory=False, **columns)

    assert labels_of(opened()) == [0, 0]
    assert "second labels of a sample, which are others: 2" in caplog.text
    assert labels_of(opened(label_column="json")) == [1, 1]
    assert labels_of(opened(label_column="json.breed")) == [5, 5]
    assert labels_of(opened(label_column="txt")) == [1, 0]
    assert opened(image_column="png").read([1])[0].data == picture(1)
    with pytest.raises(ValueError, match=r"the image '0\.jpg' has no label, no 'race' in 0\.json"):
        opened(label_column="json.race")


def test_texts_that_are_no_classes_are_said(tmp_path, caplog):
    """A caption for each image makes as many classes as images."""
    write_table(tmp_path / "train-0.parquet", [picture()] * 60, [f"picture {k} of a cat" for k in range(60)])
    open_source(str(tmp_path), "train", in_memory=False)
    assert "60 classes for 60 images; are these the names of classes?" in caplog.text


@BOTH
def test_names_of_classes_within_a_field(tmp_path, streaming):
    """A ClassLabel in a struct has names as any other, and an image may have more fields than its bytes."""
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features(
        {"image": {"bytes": Value("binary"), "width": Value("int64")}, "of": {"label": ClassLabel(names=["x", "y"])}}
    )
    rows = {"image": [{"bytes": picture(k), "width": 80} for k in range(2)], "of": [{"label": 1}, {"label": 0}]}
    Dataset.from_dict(rows, features).to_parquet(str(tmp_path / "train-0.parquet"))
    source = open_source(str(tmp_path), "train", streaming=streaming, in_memory=False, label_column="of.label")
    assert (source.class_names, labels_of(source), source.read([1])[0].data) == (["x", "y"], [1, 0], picture(1))


def test_training_by_numbers_and_judging_by_names(tmp_path, caplog):
    """Numbers that nobody names, then a split with names: only where as many are there can they mean the same."""
    recipe = DataRecipe("x", "train", "test")
    for number in range(6):
        put(tmp_path / "images" / f"{number}.png")

    def evaluation(*labels):
        for name, first, column in (("train", 0, (0, 1, 2)), ("test", 3, labels)):
            rows = "".join(f"images/{first + i}.png,{label}\n" for i, label in enumerate(column))
            (tmp_path / f"{name}.csv").write_text("path,label\n" + rows)
        return labels_of(open_data(recipe, str(tmp_path))[1])

    with pytest.raises(
        ValueError, match=r"split 'test' does: it has 2 names, training numbers from 0 to 2; which is w"
    ):
        evaluation("cat", "dog")
    assert evaluation("eel", "cat", "dog") == [2, 0, 1]
    assert "its numbers are taken as they are" in caplog.text
    put(tmp_path / "folders" / "train" / "0" / "1.png")
    named, unnamed = open_source(str(tmp_path / "folders"), "train"), open_source(str(tmp_path), "train")
    named.class_names = ["0", "10", "2"]  # folders, in the order of texts
    named.labels, named.files = np.array([0, 2, 1]), named.files.repeat(3)
    with pytest.raises(ValueError, match="x, by numbers up to 10; training numbers from 0 to 2"):
        by_numbers_of(unnamed, named, "x")
    named.class_names = ["0", "2"]
    named.labels = np.array([0, 1, 1])
    assert labels_of(by_numbers_of(unnamed, named, "x")) == [0, 2, 2]  # by themselves 0 and 1
    assert "by numbers, which are taken for those" in caplog.text
