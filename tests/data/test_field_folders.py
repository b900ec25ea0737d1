"""Folders as people have them: splits under other words, one level too many, tables that are nearly tables."""

from __future__ import annotations

import tarfile

import pytest
from files_at_hand import add, labels_of, picture, put, write_table

from vitedu.data import open_source
from vitedu.data.folder import split_folders


def pictures(root, *folders, names=("1.png",)):
    for folder in folders:
        for name in names:
            put(root / folder / name)


# ---- splits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (["train", "dev"], {"train": "train", "validation": "dev"}),
        (["Train", "Valid", "TEST"], {"train": "Train", "validation": "Valid", "test": "TEST"}),
        (["training_set", "test_set"], {"train": "training_set", "test": "test_set"}),
        (["train2017", "val2017"], {"train": "train2017", "validation": "val2017"}),
        (["TrainImages", "ValImages"], {"train": "TrainImages", "validation": "ValImages"}),
        (["seg_train", "seg_test", "seg_pred"], {"train": "seg_train", "test": "seg_test"}),
        (["ILSVRC2012_img_train", "ILSVRC2012_img_val"], {"train": "ILSVRC2012_img_train",
                                                         "validation": "ILSVRC2012_img_val"}),
        (["train", "test_images"], {"train": "train", "test": "test_images"}),
        (["cats", "train", "dogs"], {"train": "train"}),  # where the images are says whether it is a class
        (["cats", "train tracks", "test tubes"], {"train": "."}),  # classes
        (["cat_train", "cat_test", "dog_train", "dog_test"], {"train": "."}),  # of one set or of two?
        (["bus", "train 2", "plane"], {"train": "."}),
    ],
)  # fmt: skip
def test_words_for_splits(folders, found, tmp_path):
    """By themselves training_set and test_set would be two classes, and a model would learn to tell them apart."""
    for folder in folders:
        (tmp_path / folder).mkdir()
    wanted = {split: str(tmp_path / place) for split, place in found.items()}
    assert split_folders(str(tmp_path)) == {split: path.removesuffix("/.") for split, path in wanted.items()}


def test_a_split_by_another_word_is_said(tmp_path, caplog):
    pictures(tmp_path, "training_set/a", "training_set/b", "test_set/a")
    assert open_source(str(tmp_path), "train", in_memory=False).class_names == ["a", "b"]
    assert "its folder 'training_set' was taken for the split 'train'" in caplog.text


@pytest.mark.parametrize("asked", ["val", "validation", "dev"])
def test_a_split_is_asked_for_by_any_of_its_words(asked, tmp_path):
    pictures(tmp_path, "train/a", "train/b", "valid/a", "valid/b")
    assert labels_of(open_source(str(tmp_path), asked, class_names=["a", "b"])) == [0, 1]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_split_of_a_saved_data_set_by_another_word(tmp_path, streaming):
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Image

    features = Features({"image": Image(), "label": ClassLabel(names=["a", "b"])})
    rows = {"image": [{"bytes": picture(k), "path": None} for k in range(2)], "label": [1, 0]}
    DatasetDict({"train": Dataset.from_dict(rows, features), "valid": Dataset.from_dict(rows, features)}).save_to_disk(
        tmp_path / "set"
    )
    assert labels_of(open_source(str(tmp_path / "set"), "validation", streaming=streaming)) == [1, 0]


# ---- levels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "text"),
    [
        (["archive/train/a", "archive/train/b"], "all its images in one folder, 'archive', in folders below it"),
        (["ILSVRC/Data/CLS-LOC/train/a", "ILSVRC/Data/CLS-LOC/train/b"], "in one folder, 'ILSVRC'"),
        (["seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/seg_test/a"], "in one folder, 'seg_train'"),
        (["cat/train", "cat/test", "dog/train", "dog/test"], "has the splits within its folders, cat/test, train"),
        (["train/images", "train/masks"], "has the folders 'images', 'masks', which are no classes' names"),
    ],
)
def test_a_folder_too_high_or_too_low(folders, text, tmp_path):
    """Each of these would train: on one class, on pictures of the test split, or on images against masks."""
    pictures(tmp_path, *folders)
    with pytest.raises(ValueError, match=text):
        open_source(str(tmp_path), "train")


def test_folders_within_classes_are_said(tmp_path, caplog):
    pictures(tmp_path, "train/animal/cat", "train/animal/dog", "train/vehicle/car")
    assert open_source(str(tmp_path), "train", in_memory=False).class_names == ["animal", "vehicle"]
    assert "count to the class above, such as animal/cat to 'animal'" in caplog.text


def test_a_class_that_is_called_as_a_split(tmp_path):
    pictures(tmp_path, "dev", "ops", "sales")
    with pytest.raises(
        ValueError, match=r"its splits are validation\.  'dev' was taken for one because of its name; if it"
    ):
        open_source(str(tmp_path), "train")


def test_one_class_alone_is_said(tmp_path, caplog):
    pictures(tmp_path, "train/cat")
    open_source(str(tmp_path), "train", in_memory=False)
    assert "has one class alone, the folder 'cat'" in caplog.text


def test_columns_that_a_folder_has_not(tmp_path):
    """Class folders would be taken for the labels, though others were asked for."""
    pictures(tmp_path, "train/a", "train/b")
    with pytest.raises(ValueError, match=r"label_column='breed' is not allowed: .* holds class folders of images"):
        open_source(str(tmp_path), "train", label_column="breed")
    with pytest.raises(ValueError, match="'breed' is not allowed for data='digits'"):
        open_source("digits", "train", label_column="breed")


# ---- tables ----------------------------------------------------------------------------------------------------------

LISTED = [("a/0.png", "x"), ("a/1.png", "y"), ("b/0.png", "x"), ("b/1.png", "y")]


def table(root, text, encoding="utf-8", name="train.csv"):
    """The images of LISTED, whose folders are not their classes, and a table of this text beside them."""
    for file, _ in LISTED:
        put(root / file)
    (root / name).write_bytes(text.encode(encoding))
    return str(root)


def written(header, separator, end="\n"):
    return end.join([header, *(separator.join(row) for row in LISTED)]) + end


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (written("path;label", ";", "\r\n"), "utf-8-sig"),  # a spreadsheet with a decimal comma
        (written("path\tlabel", "\t"), "utf-16"),  # "Unicode text"
        (written("path, label", ", "), "utf-8"),
        (written("Path,Label", ","), "utf-8"),
        (written("path|label", "|"), "utf-8"),
        (written("path;label", ";").replace("/", "\\"), "utf-8"),
        ("sep=;\n" + written("path;label", ";"), "utf-8"),  # a first line for a spreadsheet
        ("# by hand, in May\n\n" + written("path,label", ","), "utf-8"),
        (
            ",path,label\n" + "".join(f"{k},{file},{label}\n" for k, (file, label) in enumerate(LISTED)),
            "utf-8",
        ),  # pandas
    ],
)
def test_tables_as_programs_write_them(text, encoding, tmp_path):
    """Read as none of these, the folders a and b would silently be the classes."""
    source = open_source(table(tmp_path, text, encoding), "train", in_memory=False)
    assert (source.class_names, labels_of(source)) == (["x", "y"], [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        (written("path,label", ",").replace("y", "é"), "latin-1", r"train\.csv, after row 0: it is not UTF-8"),
        ("a/0.png,x\na/1.png,y\n", "utf-8", r"train\.csv begins with a/0\.png, x, a file in place of the names"),
        ("path,label\na/0.png,salmon, smoked\n", "utf-8", "row 1: more cells than columns, from ' smoked' on"),
        ("path,label\na/0.png,nan\n", "utf-8", "row 1 has label='nan'; expected a class number or name"),
        ("path,label\na/0.png,0.37\na/1.png,2.5\n", "utf-8", r"has the label 0\.37; expected class numbers or names"),
    ],
)
def test_tables_that_cannot_be_meant(text, encoding, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        open_source(table(tmp_path, text, encoding), "train")


@pytest.mark.parametrize("labels", [("1", "1.0", "10.0", "2"), ("1", "01", "1e1", "2.")])
def test_numbers_in_other_notations(labels, tmp_path):
    """A column with a gap makes 3.0 of 3; as names "1" and "1.0" would be two classes."""
    rows = [f"{file},{label}" for (file, _), label in zip(LISTED, labels, strict=True)]
    source = open_source(table(tmp_path, "\n".join(["path,label", *rows])), "train", in_memory=False)
    assert (source.class_names, labels_of(source)) == (None, [1, 1, 10, 2])


def test_the_column_of_labels_is_said_and_chosen(tmp_path, caplog):
    folder = table(tmp_path, "path,label,breed\na/0.png,x,p\na/1.png,y,q\nb/0.png,y,p\nb/1.png,y,p\n")
    assert labels_of(open_source(folder, "train", in_memory=False)) == [0, 1, 1, 1]
    assert "train.csv, column 'label'" in caplog.text
    assert labels_of(open_source(folder, "train", in_memory=False, label_column="breed")) == [0, 1, 0, 0]
    with pytest.raises(
        ValueError, match=r"label_column='race' is not allowed: .* no column is called 'race'; its columns"
    ):
        open_source(folder, "train", label_column="race")


def test_a_table_that_is_not_used_is_said(tmp_path, caplog):
    """Its labels have a name that is not known: are they meant, or the folders?"""
    open_source(table(tmp_path, written("path,breed", ",")), "train", in_memory=False)
    assert "lists images, but no column of labels that is known (label, labels, fine_label, cls, ...)" in caplog.text
    assert "its columns are path, breed (label_column= names one); labels are the names of folders" in caplog.text


def test_rows_that_come_twice_count_once(tmp_path, caplog):
    source = open_source(table(tmp_path, "path,label\na/0.png,x\na/0.png,x\nb/0.png,y\n"), "train", in_memory=False)
    assert labels_of(source) == [0, 1]
    assert "rows that list an image a second time: 1" in caplog.text


SPLIT = "path,label,{}\na/0.png,x,{}\na/1.png,y,{}\nb/0.png,x,{}\nb/1.png,y,{}\n"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("split", ("train", "train", "val", "")),
        ("Split", ("TRAIN", "TRAIN", "VAL", "TEST")),
        ("subset", ("training", "training", "dev", "test")),
        ("Usage", ("Training", "Training", "PublicVal", "PrivateTest")),
    ],
)
def test_a_column_that_says_the_split(column, values, tmp_path, caplog):
    """Not seen, it would bring the images of the other splits into training.  A row that says nothing is in none."""
    folder = table(tmp_path, SPLIT.format(column, *values), name="all.csv")
    training = open_source(folder, "train", in_memory=False)
    validation = open_source(folder, "validation", class_names=training.class_names, in_memory=False)
    assert [sample.name[-7:] for sample in training.read([0, 1])] == ["a/0.png", "a/1.png"]
    assert (len(training), [sample.name[-7:] for sample in validation.read([0])]) == (2, ["b/0.png"])
    assert ("all.csv: its column" in caplog.text) == (column != "split")


def test_a_column_of_ones_and_zeros(tmp_path):
    folder = table(tmp_path, SPLIT.format("is_training_image", 1, 1, 0, 0), name="all.csv")
    assert [len(open_source(folder, split, in_memory=False)) for split in ("train", "test")] == [2, 2]


def test_a_table_of_all_images_beside_those_of_splits(tmp_path, caplog):
    """Its rows are of no split that it says: taken for training, they would hold the test images."""
    table(tmp_path, "path,label\na/0.png,x\na/1.png,y\n")
    (tmp_path / "test.csv").write_text("path,label\nb/0.png,x\n")
    (tmp_path / "trainval.csv").write_text(written("path,label", ","))
    assert len(open_source(str(tmp_path), "train", in_memory=False)) == 2
    assert "rows that say no split: 4" in caplog.text


def test_one_label_below_0(tmp_path):
    """-1 is "no label" in a test split; among others it would end a run much later."""
    with pytest.raises(
        ValueError, match=r"train\.csv gives 'a/1\.png' the label -1, which is no class; others have one"
    ):
        open_source(table(tmp_path, "path,label\na/0.png,0\na/1.png,-1\n"), "train")


# ---- shards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_shards_that_say_their_split_in_another_word(kind, streaming, tmp_path, caplog):
    """`datasets` knows train, test, valid; of trainset and testset it makes one split, "train"."""
    for k, name in enumerate(("trainset", "testset-0", "testset-1")):
        shard(tmp_path / f"{name}.{kind}", k)
    test = open_source(str(tmp_path), "test", streaming=streaming, in_memory=False)
    assert [len(open_source(str(tmp_path), "train", streaming=streaming)), len(test)] == [1, 2]
    assert labels_of(test) == [1, 2]
    assert "left out" not in caplog.text


def test_shards_that_say_no_split_are_said(tmp_path, caplog):
    for k, name in enumerate(("a", "heldout")):
        shard(tmp_path / f"{name}.parquet", k)
    open_source(str(tmp_path), "train", streaming=True)
    assert "say no splits that are known; all 2 are taken for 'train': a.parquet, heldout.parquet" in caplog.text


def shard(path, label):
    """One image with this label."""
    if path.suffix == ".parquet":
        return write_table(path, [picture(label)], [label])
    with tarfile.open(path, "w") as tar:
        add(tar, f"./{label}.png", picture(label))  # a name as `tar` writes it, and one as `zip` does
        add(tar, f"{label}.cls", str(label).encode())


def test_a_label_below_0_in_a_shard(tmp_path):
    for k in (0, -1):
        shard(tmp_path / f"train-{k}.tar", k)
    with pytest.raises(ValueError, match=r"train--1\.tar has the label -1, which is no class; others have one"):
        open_source(str(tmp_path), "train", streaming=True)


def test_names_of_folders_that_would_be_patterns(tmp_path):
    (tmp_path / "set [v1]").mkdir()
    shard(tmp_path / "set [v1]" / "train.parquet", 0)
    with pytest.raises(
        ValueError, match=r"set \[v1\]' could not be opened: \*, \? and \[ would be taken for a pattern"
    ):
        open_source(str(tmp_path / "set [v1]"), "train")


def test_a_folder_of_several_configurations(tmp_path):
    """As on the hub: FOLDER:CONFIG."""
    for label, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        shard(tmp_path / name / "train-0.parquet", label)
    configs = "".join(f"- config_name: {name}\n  data_files: {name}/train-*\n" for name in "ab")
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    assert labels_of(open_source(f"{tmp_path}:b", "train", in_memory=False)) == [1]
    with pytest.raises(ValueError, match=r"holds several configurations: .*\['a', 'b'\]; give FOLDER:CONFIG"):
        open_source(str(tmp_path), "train")
