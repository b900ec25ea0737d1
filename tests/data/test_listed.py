"""Images whose labels stand in a table beside them: the table counts, not the folder that holds all of them."""

from __future__ import annotations

import json
import os

import pytest
from files_at_hand import labels_of, picture, put, write_table

from vitedu.data import open_source

ROWS = [("images/0.png", "dog"), ("images/1.png", "cat"), ("images/2.png", "dog")]


def beside(folder, name, rows, columns=("path", "label")):
    """A table of this name, in the format of its ending, and the images that it lists."""
    for file, _ in rows:
        put(folder / file, value=len(file))
    path, pairs = folder / name, [dict(zip(columns, row, strict=True)) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(pairs), path)
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in pairs), encoding="utf-8")
    else:
        mark = "\t" if name.endswith(".tsv") else ","
        path.write_text("\n".join(mark.join(map(str, row)) for row in [columns, *rows]), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("name", ["train.csv", "train.tsv", "metadata.jsonl", "train-labels.parquet"])
def test_every_kind_of_table(name, tmp_path, caplog):
    source = open_source(beside(tmp_path, name, ROWS), "train")
    assert source.class_names == ["cat", "dog"]
    assert labels_of(source) == [1, 0, 1]
    assert f"labels are those of {tmp_path / name}" in caplog.text


def test_numbers_as_labels(tmp_path):
    rows = [(file, int(label == "dog")) for file, label in ROWS]
    source = open_source(beside(tmp_path, "train.parquet", rows), "train")
    assert (labels_of(source), source.class_names) == ([1, 0, 1], None)


def test_the_training_split_numbers_the_others(tmp_path):
    beside(tmp_path, "train.csv", ROWS)
    folder = beside(tmp_path, "val.csv", [("images/3.png", "dog")])
    training = open_source(folder, "train")
    assert labels_of(open_source(folder, "validation", class_names=training.class_names)) == [1]
    beside(tmp_path, "val.csv", [("images/3.png", "cow")])
    with pytest.raises(ValueError, match="has the class 'cow', which is not among the 2 classes"):
        open_source(folder, "validation", class_names=training.class_names)
    with pytest.raises(ValueError, match=r"has no split 'test': no image of it is listed in .*train\.csv, .*val\.csv"):
        open_source(folder, "test")


def test_a_table_in_the_folder_of_a_split(tmp_path):
    """`datasets` calls this layout "imagefolder": paths begin at the table."""
    for split, label in (("train", "cat"), ("test", "dog")):
        beside(tmp_path / split, "metadata.csv", [("1.png", label)], ("file_name", "label"))
    assert open_source(str(tmp_path), "test").class_names == ["dog"]


def test_a_column_that_says_the_split(tmp_path):
    for k in range(3):
        put(tmp_path / "images" / f"{k}.png")
    rows = ["path,split,label"] + [f"images/{k}.png,{split},{k}" for k, split in enumerate(("train", "val", "train"))]
    (tmp_path / "all.csv").write_text("\n".join(rows))
    assert labels_of(open_source(str(tmp_path), "train")) == [0, 2]
    assert labels_of(open_source(str(tmp_path), "validation")) == [1]


def test_another_column_for_labels(tmp_path):
    folder = beside(tmp_path, "train.csv", ROWS, ("path", "breed"))
    assert open_source(folder, "train", label_column="breed").class_names == ["cat", "dog"]
    with pytest.raises(ValueError, match="one class folder alone, 'images'"):
        open_source(folder, "train")


def test_images_that_no_table_lists_are_counted(tmp_path, caplog):
    folder = beside(tmp_path, "train.csv", ROWS)
    put(tmp_path / "images" / "9.png")
    open_source(folder, "train")
    assert "images that are not listed for this split: 1" in caplog.text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("images/7.png,cat", r"train\.csv lists 4 images, of which 1 are no files .*'images/7\.png'"),
        ("images/0.png,", r"train\.csv, row 4 has label=''; expected a class number or name"),
        (",cat", r"train\.csv, row 4 names no file"),
        ("images/0.png,cat", r"row 4 lists 'images/0\.png' a second time, with another label: 'dog' and 'cat'"),
        ("../secret.png,cat", r"row 4 names the file '\.\./secret\.png', which is not inside the data set's folder"),
        ("/etc/passwd,cat", r"row 4 names the file '/etc/passwd', which is not inside"),
        ("images/link.png,cat", r"link\.png', which is not inside the data set's folder"),
    ],
)
def test_a_row_that_makes_no_sense_is_named(row, text, tmp_path):
    put(tmp_path / "secret.png")
    folder = tmp_path / "set"
    beside(folder, "train.csv", ROWS)
    os.symlink(tmp_path / "secret.png", folder / "images" / "link.png")
    with open(folder / "train.csv", "a", encoding="utf-8") as file:
        file.write(f"\n{row}\n")
    with pytest.raises(ValueError, match=text):
        open_source(str(folder), "train")


def test_tables_that_say_nothing_of_the_images(tmp_path):
    """Parquet files with images of their own, beside more image files: which is meant?"""
    for k in range(3):
        put(tmp_path / "a" / f"{k}.png")
    write_table(tmp_path / "train-0.parquet", [picture()], [0])
    with pytest.raises(ValueError, match=r"holds 3 images and 1 parquet files.*which is meant cannot be told"):
        open_source(str(tmp_path), "train")


def test_an_image_of_two_splits_is_said(tmp_path, caplog):
    """Another table lists it, or another row: what a model is judged on it was trained on."""
    beside(tmp_path / "two", "train.csv", ROWS)
    folder = beside(tmp_path / "two", "val.csv", [("images/1.png", "cat"), ("images/3.png", "dog")])
    for split, other in (("train", "validation"), ("validation", "train")):
        caplog.clear()
        open_source(folder, split)
        assert f"the splits {split!r} and {other!r} share 1 images, the first is images/1.png" in caplog.text
    rows = [("images/0.png", "cat", "train"), ("images/1.png", "dog", "train"), ("images/1.png", "dog", "test")]
    folder = beside_rows(tmp_path / "one", rows)
    caplog.clear()
    assert len(open_source(folder, "test")) == 1
    assert "the splits 'test' and 'train' share 1 images" in caplog.text
    caplog.clear()
    open_source(beside_rows(tmp_path / "none", rows[:1] + rows[2:]), "test")
    assert "share" not in caplog.text


def beside_rows(folder, rows):
    """A table of paths, labels and splits."""
    beside(folder, "all.csv", [row[:2] for row in rows])
    (folder / "all.csv").write_text("\n".join(",".join(row) for row in [("path", "label", "split"), *rows]))
    return str(folder)
