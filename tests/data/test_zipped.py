"""Images in .zip files, read where they are: classes, splits and bytes of the folder; nothing leads out."""

from __future__ import annotations

import pickle
import struct
import zipfile

import numpy as np
import pytest
from files_at_hand import labels_of, picture, put

from vitedu.data import open_source


def zipped(path, files, method=zipfile.ZIP_DEFLATED):
    """An archive with these pictures, by name."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for k, name in enumerate(files):
            archive.writestr(name, picture(k) if name.lower().endswith(".png") else b"text")
    return str(path)


def read(source) -> list[bytes]:
    return [sample.data for sample in source.read(np.arange(len(source)))]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("before", ["", "pets/", "./pets/data/"])
@pytest.mark.parametrize("streaming", [False, True])
def test_an_archive_is_the_folder_that_was_packed(method, before, streaming, tmp_path):
    """Many archives have one folder around all others; it is no class."""
    files = ["train/cat/0.png", "train/dog/1.png", "train/dog/2.png", "val/dog/3.png"]
    for k, file in enumerate(files):
        put(tmp_path / "folder" / file, value=k)
    archive = zipped(tmp_path / "pets.zip", [before + file for file in files] + ["README.txt"], method)
    for split in ("train", "val"):
        found, same = (
            open_source(str(place), split, streaming=streaming, in_memory=False, class_names=["cat", "dog"])
            for place in (archive, tmp_path / "folder")
        )
        assert (read(found), labels_of(found)) == (read(same), labels_of(same))
    assert read(pickle.loads(pickle.dumps(found))) == read(found)  # as a worker process gets it


def test_an_archive_for_each_split(tmp_path, caplog):
    (tmp_path / "set").mkdir()
    zipped(tmp_path / "set" / "train.zip", ["train/a/0.png", "train/b/1.png", "__MACOSX/train/a/._0.png"])
    zipped(tmp_path / "set" / "valid.zip", ["b/0.png"])
    training = open_source(str(tmp_path / "set"), "train", in_memory=False)
    validation = open_source(str(tmp_path / "set"), "validation", class_names=training.class_names)
    assert (training.class_names, labels_of(training), labels_of(validation)) == (["a", "b"], [0, 1], [1])
    assert "hidden members: 1" in caplog.text
    with pytest.raises(ValueError, match="has no split 'test'; its splits are train, validation"):
        open_source(str(tmp_path / "set"), "test")


def test_the_only_archive_of_a_folder(tmp_path):
    zipped(tmp_path / "animals.zip", ["animals/a/0.png", "animals/b/1.png"])
    assert open_source(str(tmp_path), "train", in_memory=False).class_names == ["a", "b"]
    with pytest.raises(ValueError, match=r"animals\.zip' has no split 'test'; its splits are train"):
        open_source(str(tmp_path), "test")


def test_names_in_utf8_that_nobody_declared(tmp_path):
    """As a Mac writes them: without the flag they would be read as code page 437."""
    path = zipped(tmp_path / "x.zip", ["caf\u00e9/0.png", "the/1.png"])
    data = bytearray((tmp_path / "x.zip").read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(mark)
        while at >= 0:
            struct.pack_into("<H", data, at + place, 0)
            at = data.find(mark, at + 4)
    (tmp_path / "x.zip").write_bytes(data)
    assert open_source(path, "train", in_memory=False).class_names == ["caf\u00e9", "the"]


def test_names_lead_nowhere(tmp_path):
    """Nothing is unpacked: `../` is left out of a name, and so is the root."""
    put(tmp_path / "etc" / "a" / "9.png")
    source = open_source(zipped(tmp_path / "x.zip", ["../etc/a/0.png", "/etc/b/1.png"]), "train", in_memory=False)
    assert (source.class_names, read(source)) == (["a", "b"], [picture(0), picture(1)])


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (["images/0.png", "train.csv"], r"'images', which is no class's name.*left out: files \(\.csv\): 1"),
        (["0.png", "1.png"], "has no image files in class folders.*: 2 image files lie in it directly"),
        (["a/0.txt"], r"there are none below it; left out: files \(\.txt\): 1"),
        (["cat/train/0.png", "cat/test/0.png", "dog/train/0.png"], "has the splits within its folders"),
    ],
)
def test_what_is_no_class_folder(files, text, tmp_path):
    with pytest.raises(ValueError, match=text):
        open_source(zipped(tmp_path / "x.zip", files), "train")


def test_archives_that_are_refused(tmp_path, monkeypatch):
    path = zipped(tmp_path / "x.zip", ["a/0.png", "b/1.png"])
    whole = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[:-30])
    with pytest.raises(ValueError, match=r"x\.zip is damaged or cut short, no whole zip file"):
        open_source(path, "train")
    flipped = bytearray(whole)
    flipped[60] ^= 1  # within the first image
    (tmp_path / "x.zip").write_bytes(flipped)
    with pytest.raises(ValueError, match=r"x\.zip: a/0\.png is damaged"):
        read(open_source(path, "train", in_memory=False))
    (tmp_path / "x.zip").write_bytes(whole.replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0"))
    with pytest.raises(ValueError, match=r"'a/0\.png' is encrypted; unpack it, and give the folder"):
        open_source(path, "train")
    zipped(path, ["a/0.png"], zipfile.ZIP_LZMA)
    with pytest.raises(ValueError, match="is packed by method 14, which is not deflate; unpack it"):
        open_source(path, "train")
    monkeypatch.setenv("VITEDU_MAX_MEMBERS", "1")
    zipped(path, ["a/0.png", "b/1.png"])
    with pytest.raises(ValueError, match=r"x\.zip has 2 members; more than VITEDU_MAX_MEMBERS=1 is not read"):
        open_source(path, "train")
    with pytest.raises(
        ValueError, match=r"'breed' is not allowed: data='.*' holds class folders of images, and no table"
    ):
        open_source(path, "train", label_column="breed")


def test_an_archive_that_unpacks_to_far_more_than_it_is(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/0.png", bytes(1_000_000))
    monkeypatch.setenv("VITEDU_MAX_UNPACKED", "100_000")
    with pytest.raises(
        ValueError, match=r"its [\d,]+ bytes unpack to 1,000,000; more than VITEDU_MAX_UNPACKED=100,000"
    ):
        open_source(str(tmp_path / "x.zip"), "train")


def test_labels_in_a_table_beside_archives(tmp_path):
    """The folders within would be taken for the classes."""
    zipped(tmp_path / "images.zip", ["a/0.png", "b/1.png"])
    (tmp_path / "train.csv").write_text("path,label\na/0.png,x\nb/1.png,x\n")
    with pytest.raises(ValueError, match=r"holds archives, and labels in train\.csv; unpack them beside it"):
        open_source(str(tmp_path), "train")


@pytest.mark.parametrize("table", ["labels.csv", "set/train/metadata.csv", "train.tsv"])
def test_a_table_inside_is_refused(table, tmp_path):
    """On the disk it would count before the folders; a zip of `images/` and a table had one class alone."""
    archive = zipped(tmp_path / "x.zip", ["set/train/a/0.png", "set/train/b/1.png"])
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr(
            table, "path,label\na/0.png,dog\nb/1.png,cat\n".replace(",", "\t" if table[-3:] == "tsv" else ",")
        )
    with pytest.raises(ValueError, match=rf"x\.zip: '{table}' lists images, with labels in its column 'label', and"):
        open_source(archive, "train")


@pytest.mark.parametrize("text", ["name,height\nrex,40\n", "", "\0\xff"])
def test_other_tables_inside_are_left_out(text, tmp_path, caplog):
    archive = zipped(tmp_path / "x.zip", ["a/0.png", "b/1.png"])
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("notes.csv", text)
        more.writestr("a/info.csv", "path,label\n0.png,dog\n")  # inside of a class folder: so it is on the disk
    assert labels_of(open_source(archive, "train", in_memory=False)) == [0, 1]
    assert "left out" in caplog.text
