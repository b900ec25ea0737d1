"""Tables, shards and archives as people have them: what is found is named, and so is a way that leads on."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import unicodedata
import warnings
import zipfile

import numpy as np
import pytest
from files_at_hand import add, labels_of, picture, put

from vitedu.data import Arrays, open_source
from vitedu.data.classes import is_list_of_numbers
from vitedu.data.decode import decode
from vitedu.data.sample import UnreadableImage

BOTH = pytest.mark.parametrize("streaming", [False, True])


def opened(folder, split="train", **arguments):
    return open_source(str(folder), split, in_memory=False, **arguments)


def shard(folder, *members, name="train-0.tar"):
    with tarfile.open(folder / name, "w") as tar:
        for member, data in members:
            add(tar, member, data)


def table(folder, name="train-0.parquet", **columns):
    """A parquet file as other programs than `datasets` write it: without a description of its columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), folder / name)


# ---- what is given ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("https://huggingface.co/datasets/some/set", "write 'some/set'"),
        ("https://huggingface.co/datasets/some/set/tree/main", "write 'some/set'"),
        ("datasets/some/set", "write 'some/set'"),
        ("s3://bucket/set", "fetch it, and give the folder"),
    ],
)
def test_an_address(given, advice):
    with pytest.raises(ValueError, match=f"is an address, and none is opened; {advice}"):
        open_source(given, "train")


def test_a_space_behind_a_folder(tmp_path):
    with pytest.raises(ValueError, match=f"did you mean '{tmp_path}'"):
        open_source(f"{tmp_path} ", "train")


@pytest.mark.parametrize("name", ["mnist.npz", "train_32x32.mat", "x.h5", "data_batch_1"])
def test_arrays_in_a_file(name, tmp_path):
    """The folder of such a file would be of no more use than the file."""
    put(tmp_path / name, b"x")
    for given in (tmp_path / name, tmp_path):
        with pytest.raises(ValueError, match=r"arrays \(\.npz, \.mat, \.h5, pickles\) can be made a Dataset"):
            opened(given)


def test_the_way_for_arrays_leads_on(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Image

    pixels = np.random.default_rng(0).integers(0, 256, (3, 70, 70, 3)).astype(np.uint8)
    features = Features({"image": Image(), "label": ClassLabel(names=["a", "b"])})
    Dataset.from_dict({"image": list(pixels), "label": [0, 1, 1]}, features).save_to_disk(tmp_path / "set")
    source = opened(tmp_path / "set")
    assert (source.class_names, labels_of(source)) == (["a", "b"], [0, 1, 1])
    np.testing.assert_array_equal(decode(source.read([2])[0].data), pixels[2])


IMAGES, LABELS = np.zeros((3, 8, 9, 3), np.uint8), np.array([0, 1, 2])


@pytest.mark.parametrize(
    ("images", "labels", "names", "text"),
    [
        (IMAGES.transpose(0, 3, 1, 2), LABELS, None, r"shape \(3, 3, 8, 9\); .* by \.transpose\(0, 2, 3, 1\)"),
        (IMAGES / 255, LABELS, None, r"images is float64 \(3, 8, 9, 3\); expected uint8 \(n, H, W, C\), from 0 to 255"),
        (IMAGES, LABELS + 0.5, None, r"labels is of float64, such as \[0\.5\]; expected whole numbers"),
        (IMAGES, np.array([0, np.nan, 1]), None, "labels is of float64"),
        (IMAGES, np.array(["a", "b", "a"]), None, r"labels is of <U1, such as \['a'\]; expected whole numbers"),
        (IMAGES, LABELS + 1, list("abc"), r"labels go up to 3, and there are 3 class names.*count from 1, take 1 off"),
    ],
)  # fmt: skip
def test_arrays_as_other_programs_have_them(images, labels, names, text):
    """Channels first, labels from 1 as MATLAB has them, or cut by a cast: each would be other classes or none."""
    with pytest.raises(ValueError, match=text):
        Arrays(images, labels, class_names=names)


def test_a_folder_whose_name_is_not_utf8(tmp_path):
    """What `unzip` makes of an archive from an old Windows.  A run would end when its weights are written, with names
    that cannot be: at its very last step.
    """
    place = os.path.join(os.fsencode(tmp_path), b"train", b"caf\xe9")
    try:
        os.makedirs(place)
    except OSError:
        pytest.skip("this file system takes such names for none")
    with open(os.path.join(place, b"1.png"), "wb") as file:
        file.write(picture())
    with pytest.raises(ValueError, match=r"data=.*: the class name 'caf\\udce9' is not written in UTF-8.*; rename it"):
        opened(tmp_path)


# ---- lists of images -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "there", "text"),
    [
        ("7.png", "all/7.png", r"there is 'all/7\.png': list images as seen from the table or from"),  # Kaggle
        ("7", "7.png", r"there is '7\.png': list images as seen .*, with their endings"),
        ("C:\\me\\all\\7.png", "all/7.png", r"there is 'all/7\.png'"),
        ("7.PNG", "7.png", r"there is '7\.png', which differs in case alone"),
        (unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.png"), "differs in Unicode form alone"),
        ("https://x.org/7.png", "7.png", "an address; fetch the images, and list their files"),
    ],
)
def test_a_listed_image_that_is_nearly_there(listed, there, text, tmp_path):
    put(tmp_path / there)
    (tmp_path / "train.csv").write_text(f"path,label\n{listed},a\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"train\.csv lists 1 images, of which 1 are no files.*{text}"):
        opened(tmp_path)


def test_a_table_whose_columns_say_nothing(tmp_path):
    """Names without endings under `id`: nothing tells that it lists images, until somebody says so."""
    put(tmp_path / "train" / "a0.jpg")
    (tmp_path / "labels.csv").write_text("id,breed\na0,pug\n")
    with pytest.raises(
        ValueError, match=r"labels\.csv was not taken for a list .* columns are id, breed \(image_column="
    ):
        opened(tmp_path)
    with pytest.raises(ValueError, match=r"there is 'train/a0\.jpg': list images as seen"):
        opened(tmp_path, image_column="id", label_column="breed")


def test_lines_of_json_that_are_one_list(tmp_path):
    put(tmp_path / "0.png")
    (tmp_path / "train.jsonl").write_text('[{"file_name": "0.png", "label": "a"}]')
    with pytest.raises(ValueError, match=r"train\.jsonl was not taken .*row 1: expected an object, got"):
        opened(tmp_path)


def test_a_column_that_comes_twice(tmp_path):
    """Which of two would count depends on the program that reads."""
    put(tmp_path / "0.png")
    (tmp_path / "train.csv").write_text("path,label,label\n0.png,1,x\n")
    with pytest.raises(ValueError, match=r"train\.csv has the column 'label' twice"):
        opened(tmp_path)


@pytest.mark.parametrize("text", ["[0]", "[1, 2]", "0 1", "0, 1", "3;4", "[]"])
def test_several_labels_are_no_class(text, tmp_path):
    """ "0 1" and "0 2" would be two classes that have nothing in common."""
    put(tmp_path / "csv" / "0.png")
    (tmp_path / "csv" / "train.tsv").write_text(f"path\tlabel\n0.png\t{text}\n")
    with pytest.raises(ValueError, match=r"train\.tsv, row 1 has label=.*expected a class number or name"):
        opened(tmp_path / "csv")
    for folder in ("tar", "parquet"):
        (tmp_path / folder).mkdir()
    shard(tmp_path / "tar", ("0.png", picture()), ("0.cls", text.encode()))
    with pytest.raises(ValueError, match=r"member '0\.cls' holds .*; expected a class number or name"):
        opened(tmp_path / "tar")
    table(tmp_path / "parquet", image=[picture()], label=[text])
    with pytest.raises(ValueError, match=r"row 0 has label .*; expected the name of a class"):
        opened(tmp_path / "parquet", streaming=True)


@pytest.mark.parametrize("name", ["20-29", "737-200", "n01440764", "2 wheels", "route 66", "1st"])
def test_names_with_numbers_in_them(name):
    assert not is_list_of_numbers(name)


# ---- tables ----------------------------------------------------------------------------------------------------------


def columns(*labels, images=2, **others):
    return {"image": [picture(k) for k in range(images)], "label": labels or (1, 0)} | others


@BOTH
@pytest.mark.parametrize(
    ("change", "asked", "text"),
    [
        ({"label": [[1], [0]]}, {}, r"has the column 'label', which is of type List; expected one whole number or one"),
        ({"label": [[1], [0]]}, {"label_column": "label"}, "label_column='label' is not allowed: .* of type List"),
        ({"label": [b"a", b"b"]}, {}, "the column 'label', which is of type binary; expected .* no bytes"),
        ({"image": ["aGVsbG8=", "aGVsbG8="]}, {}, "the column 'image', which is of type string; .* no texts in base64"),
        ({"image": [[[1]], [[2]]]}, {"image_column": "image"}, "image_column='image' is not allowed"),
    ],
)
def test_a_column_of_the_right_name_and_another_type(change, asked, text, tmp_path, streaming):
    """ "Name it with label_column=label" would lead in a circle."""
    table(tmp_path, **columns() | change)
    with pytest.raises(ValueError, match=text):
        opened(tmp_path, streaming=streaming, **asked)


@BOTH
def test_texts_and_bytes_as_views(tmp_path, streaming):
    import pyarrow as pa

    images = pa.array([picture(0), picture(1)], pa.binary_view())
    table(tmp_path, image=images, label=pa.array(["b", "a"], pa.string_view()))
    source = opened(tmp_path, streaming=streaming)
    assert (source.class_names, labels_of(source), source.read([1])[0].data) == (["a", "b"], [1, 0], picture(1))


@pytest.mark.parametrize(
    ("second", "text"),
    [
        (columns(id=["x", "y"]), r"train-1\.parquet has the columns image, label, id, .*-0\.parquet has image, label"),
        (columns("a", "b"), r"train-1\.parquet has 'label' of type string, .*train-0\.parquet of type int64"),
    ],
)  # fmt: skip
def test_shards_with_other_columns(second, text, tmp_path):
    """`datasets` names no file, and goes on for seven lines.  Streaming takes the two columns that are needed."""
    table(tmp_path, **columns())
    table(tmp_path, "train-1.parquet", **second)
    with pytest.raises(ValueError, match=text):
        opened(tmp_path)
    if "id" in second:
        assert labels_of(opened(tmp_path, streaming=True)) == [1, 0, 1, 0]


def test_a_table_without_rows(tmp_path):
    import pyarrow as pa

    table(tmp_path, image=pa.array([], pa.binary()), label=pa.array([], pa.int64()))
    with pytest.raises(ValueError, match="holds no images: its 1 parquet files have no rows"):
        opened(tmp_path)


# ---- shards and archives ---------------------------------------------------------------------------------------------


@BOTH
def test_labels_as_windows_writes_them(tmp_path, streaming):
    """A byte order mark in front, a carriage return behind."""
    shard(tmp_path, ("0.png", picture()), ("0.cls", b"\xef\xbb\xbf3\r\n"), ("1.png", picture()), ("1.cls", b"0"))
    assert labels_of(opened(tmp_path, streaming=streaming)) == [3, 0]


@pytest.mark.parametrize(
    ("members", "asked", "text"),
    [
        ([("0.txt", b"cat")], {}, r"neither 0\.cls nor 'label' in 0\.json\.  Beside it: txt \(label_column= names one"),
        ([("0.json", b'{"class": 3}')], {}, r"Beside it: json \(.* or a key in one, such as json\.class\)"),
        ([], {}, "Nothing else there has its name; where folders are the classes, unpack the file and give the"),
    ],
)
def test_an_image_whose_label_is_elsewhere(members, asked, text, tmp_path):
    shard(tmp_path, ("0.png", picture()), *members)
    with pytest.raises(ValueError, match=text):
        opened(tmp_path, **asked)


def test_tar_files_in_a_tar_file(tmp_path):
    """ImageNet's own train.tar: one inside for each class."""
    shard(tmp_path, ("n01440764.tar", b"x"), name="ILSVRC2012_img_train.tar")
    with pytest.raises(ValueError, match=r"holds no images; left out: files \(\.tar\): 1; unpack those, and give the"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("train-0.tar", gzip.compress(b"x"), r"is no plain tar file.*; it is packed by gzip: unpack it"),
        ("train-0.tar", b"<html>", "is no plain tar file.*; it is a web page"),
        ("train-0.parquet", b"<html>quota</html>", "no whole parquet file.*; it is a web page"),
        ("set.zip", b"<html>", "no whole zip file.*; it is a web page"),
    ],
)
def test_downloads_that_failed(name, data, text, tmp_path):
    put(tmp_path / name, data)
    with pytest.raises(ValueError, match=text):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(30), "a picture in HEIC, as telephones make them: save it as JPEG"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"/9j/4AAQSkZJRgABAQ", "a picture as text, in base64"),
    ],
)
def test_what_is_called_jpg(data, what):
    with pytest.raises(UnreadableImage, match=f"no image in a format that is read .*; it is {what}"):
        decode(data)


def test_a_member_that_a_later_one_replaces(tmp_path, caplog):
    """`zip -g` and Python append a second member of a name, and unpacking keeps the last: one image, not two."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the name comes twice
        for name, value in (("a/1.png", 0), ("b/1.png", 1), ("a/1.png", 2)):
            archive.writestr(name, picture(value))
    put(tmp_path / "set.zip", file.getvalue())
    source = opened(tmp_path / "set.zip")
    assert [(s.label, s.data) for s in source.read([0, 1])] == [(0, picture(2)), (1, picture(1))]
    assert (len(source), "that a later one of their name replaces: 1" in caplog.text) == (2, True)
