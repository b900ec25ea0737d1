"""A scan takes what it should, says how much it left out, and tells why where nothing is left."""

from __future__ import annotations

import os
import tarfile

import numpy as np
import pytest
from files_at_hand import add, labels_of, picture, put

from vitedu.data import open_source
from vitedu.data.folder import ImageFiles
from vitedu.data.scan import missing_shards
from vitedu.data.tar import index_tar


def found(folder, split="train"):
    """{class: its files}"""
    source = open_source(str(folder), split)
    names = [os.path.relpath(sample.name, folder) for sample in source.read(np.arange(len(source)))]
    return {name: [n for n, k in zip(names, labels_of(source), strict=True) if k == i]
            for i, name in enumerate(source.class_names)}  # fmt: skip


def test_what_programs_leave_behind_is_no_class_at_any_depth(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("vitedu.data.open.decode_all", lambda source, *rest, **more: source)
    put(tmp_path / "train" / "a" / "0.png")
    for hidden in ("a/.ipynb_checkpoints", "a/@eaDir", "a/b/c/__MACOSX", ".cache", "__MACOSX", "@tmp"):
        put(tmp_path / "train" / hidden / "0-checkpoint.png")
    put(tmp_path / "train" / "a" / "._0.png")
    put(tmp_path / "train" / "a" / "notes.txt", b"")
    put(tmp_path / "train" / "a" / "1.heic", b"")
    put(tmp_path / "train" / "empty" / "x.txt", b"")
    put(tmp_path / "train" / "loose.png")
    assert found(tmp_path) == {"a": ["train/a/0.png"]}
    said = [record.getMessage() for record in caplog.records]
    assert said[-1:] == [
        f"{tmp_path}/train: left out: hidden folders: 6, files (.txt): 2, hidden files: 1, files (.heic): 1, "
        "images beside the class folders: 1, folders without images: 1"
    ]


def test_hidden_folders_do_not_say_what_a_folder_holds(tmp_path):
    """Nine tables in a hidden folder, one image in a class folder: a folder of images."""
    put(tmp_path / "train" / "a" / "0.png")
    for number in range(9):
        put(tmp_path / "@eaDir" / f"{number}.parquet", b"")
    assert open_source(str(tmp_path), "train", in_memory=False).class_names == ["a"]


def test_links_are_followed_once_and_never_round(tmp_path, caplog):
    put(tmp_path / "store" / "cat" / "0.png")
    put(tmp_path / "store" / "more" / "1.png")
    train = tmp_path / "set" / "train"
    put(train / "dog" / "2.png")
    os.symlink(tmp_path / "store" / "cat", train / "cat")  # a class
    os.symlink(tmp_path / "store" / "more", train / "dog" / "more")  # a part of one
    os.symlink(train / "dog", train / "dogs")  # the same class again
    os.symlink(train, train / "dog" / "round")
    os.symlink(tmp_path / "set", train / "dog" / "up")  # would bring other splits in
    os.symlink(tmp_path / "gone", train / "dog" / "3.png")
    os.symlink("self", train / "dog" / "self")
    source = ImageFiles(str(train))
    files = [os.fsdecode(bytes(file)) for file in source.files]
    assert (files, source.class_names) == (["cat/0.png", "dog/2.png", "dog/more/1.png"], ["cat", "dog"])
    assert source.left_out.counts == {
        "links to a folder around them": 2, "links that lead nowhere": 2, "folders without images": 1,
        "links to a folder that was taken already": 1,
    }  # fmt: skip


def test_a_split_may_be_a_link(tmp_path):
    put(tmp_path / "store" / "cat" / "0.png")
    (tmp_path / "set").mkdir()
    os.symlink(tmp_path / "store", tmp_path / "set" / "train")
    assert open_source(str(tmp_path / "set"), "train", in_memory=False).class_names == ["cat"]


def test_folders_in_folders_deeper_than_python_recurses(tmp_path):
    here = os.getcwd()
    put(tmp_path / "a" / "0.png")
    try:
        os.chdir(tmp_path / "a")
        for _ in range(700):
            os.mkdir("b")
            os.chdir("b")
    finally:
        os.chdir(here)
    assert len(ImageFiles(str(tmp_path))) == 1


@pytest.mark.parametrize("ending", [".pgm", ".jfif", ".avif", ".tif", ".JPG"])
def test_endings(ending, tmp_path):
    put(tmp_path / "a" / f"1{ending}")
    assert len(ImageFiles(str(tmp_path))) == 1


# ---- why nothing was found -------------------------------------------------------------------------------------------


def test_a_class_called_train(tmp_path):
    for name in ("train", "plane", "bus"):
        put(tmp_path / name / "1.png")
    with pytest.raises(ValueError, match=r"1 image files lie in it directly.*'train' was taken for the split.*'bus'"):
        open_source(str(tmp_path), "train")


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (["1.png", "2.png"], "has no image files in class folders.*2 image files lie in it directly"),
        (["train.7z"], r"holds no parquet, arrow, tar, zip or image files: left out: files \(.7z\): 1; unpack"),
        (["train/a/1.heic"], r"left out: files \(.heic\): 1"),
        (["images/1.png"], "one class folder alone, 'images', which is no class's name; expected a folder for each"),
        (["train/JPEGImages/1.png", "labels.txt"], "'JPEGImages', which is no class's name"),
    ],
)
def test_what_is_said_of_folders_that_are_no_classes(files, text, tmp_path):
    for file in files:
        put(tmp_path / file)
    with pytest.raises(ValueError, match=text):
        open_source(str(tmp_path), "train")


def test_an_archive_itself(tmp_path):
    put(tmp_path / "train.7z", b"7z")
    with pytest.raises(ValueError, match=r"is a file; data must be the folder that holds it, unpacked: \.7z is not"):
        open_source(str(tmp_path / "train.7z"), "train")


def test_images_that_cannot_be_read_are_named(tmp_path):
    put(tmp_path / "train" / "a" / "1.jpg", picture(kind="JPEG")[:300])
    with pytest.raises(ValueError, match=r"none of the first 1 images could be decoded; .*train/a/1\.jpg: "):
        open_source(str(tmp_path), "train")


def test_tables_of_no_split_are_counted(tmp_path, write_shards, photos, caplog):
    write_shards(tmp_path, photos[:4], [0, 1, 0, 1], shards=1)
    os.rename(write_shards(tmp_path / "more", photos[:2], [0, 1], shards=1) + "/train-00000-of-00001.parquet",
              tmp_path / "rest.parquet")  # fmt: skip
    put(tmp_path / "README.md", b"")
    open_source(str(tmp_path), "train", streaming=True)
    assert "left out: files (.md): 1, parquet files of no split: 1" in caplog.text


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        (["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"], []),
        (["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"], ["train-00001-of-00003.parquet"]),
        (["a-1-of-2.tar", "a-2-of-2.tar", "b-0-of-2.tar"], ["b-1-of-2.tar"]),  # some count from 1
        (["train-0.parquet", "of-all.tar", "12-of-x.tar"], []),
    ],
)
def test_files_that_belong_to_others(there, missing):
    assert missing_shards([f"folder/{name}" for name in there]) == missing


@pytest.mark.parametrize("streaming", [False, True])
def test_half_of_a_data_set_is_said(tmp_path, write_shards, photos, caplog, streaming):
    """A download that stopped: what is there would be trained on as if it were all."""
    os.remove(write_shards(tmp_path, photos[:4], [0, 1, 0, 1], shards=2) + "/train-00001-of-00002.parquet")
    open_source(str(tmp_path), "train", streaming=streaming)
    assert "of the files that belong together 1 are not there, the first is train-00001-of-00002.parquet" in caplog.text


# ---- members of tar files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_dots_within_names(tmp_path, streaming):
    """`img_1.0.jpg` is an image of sample img_1.0; `2.seg.png` is another part of sample 2."""
    with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
        for k, name in enumerate(("img_1.0", "img_1.1", "2")):
            add(tar, f"{name}.png", picture(k))
            add(tar, f"{name}.cls", str(k).encode())
        add(tar, "2.seg.png", picture(9))
    source = open_source(str(tmp_path), "train", streaming=streaming, in_memory=False)
    assert labels_of(source) == [0, 1, 2]
    assert [sample.data for sample in source.read(range(3))] == [picture(k) for k in range(3)]


def test_labels_may_lie_anywhere_in_the_file(tmp_path):
    with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
        for k in range(3):
            add(tar, f"{k}.png", picture(k))
        for k in range(3):
            add(tar, f"{k}.cls", str(7 - k).encode())
    assert labels_of(open_source(str(tmp_path), "train", streaming=True)) == [7, 6, 5]


def test_members_that_are_left_out_are_counted(tmp_path):
    path = str(tmp_path / "train-0.tar")
    with tarfile.open(path, "w") as tar:
        add(tar, "a.png", picture())
        add(tar, "a.cls", b"1")
        add(tar, "__MACOSX/a.png", picture())
        add(tar, "b.heic", b"")
        add(tar, "b.cls", b"1")
        link = tarfile.TarInfo("c.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    table, names, left_out = index_tar(path)
    assert (len(table), names) == (1, [])
    assert left_out == {"hidden members": 1, "members that are links, devices or in pieces": 1, "files (.heic)": 1,
                        "files (.cls)": 1}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.json", b"[1, 2]", r"""member 'a\.json' holds '\[1, 2\]'; expected an object with "label\""""),
        ("a.json", b"{'x", r"member 'a\.json' cannot be read: Expecting property name"),
        ("a.json", b'{"label": true}', "expected an object"),
        ("a.json", b'{"width": 3}', r"the image 'a\.png' has no label, neither a\.cls nor 'label' in a\.json"),
        ("a.cls", b"1.0", r"member 'a\.cls' holds '1\.0'; expected a class number or name"),
        ("a.cls", b"9" * 30, "expected a class number or name"),
        ("a.cls", b"\xff", r"member 'a\.cls' cannot be read"),
        ("a.png", picture(), r"holds the member 'a\.png' twice"),
    ],
)
def test_a_member_that_makes_no_sense_is_named(name, content, text, tmp_path):
    path = str(tmp_path / "train-0.tar")
    with tarfile.open(path, "w") as tar:
        add(tar, "a.png", picture())
        add(tar, name, content)
    with pytest.raises(ValueError, match=rf"train-0\.tar.*{text}"):
        index_tar(path)
