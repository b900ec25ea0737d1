"""Every layout gives the same images: by name, from a folder, mapped or streamed."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import time

import numpy as np
import pytest

from vitedu.data import Arrays, open_source
from vitedu.data.columns import find_columns
from vitedu.data.hub import HUB

NAMES = ["cat", "dog", "fox"]


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def as_parquet(folder, photos, labels, write_shards):
    write_shards(folder, photos, labels)


def as_saved(folder, photos, labels, write_shards):
    saved(photos, labels).save_to_disk(folder, num_shards=2)


def as_saved_splits(folder, photos, labels, write_shards):
    from datasets import DatasetDict

    DatasetDict({"train": saved(photos, labels), "test": saved(photos[:3], labels[:3])}).save_to_disk(folder)


def as_arrow(folder, photos, labels, write_shards):
    """One file of the stream format, one of the file format."""
    import pyarrow as pa

    folder.mkdir()
    table = saved(photos, labels).data.table.combine_chunks()
    new = (pa.ipc.new_stream, pa.ipc.new_file)
    for k, (first, make) in enumerate(zip((0, 11), new, strict=True)):
        part = table.slice(first, (11, 99)[k])
        with make(str(folder / f"train-0000{k}-of-00002.arrow"), table.schema) as writer:
            writer.write_table(part, max_chunksize=4)


def as_tar(folder, photos, labels, write_shards):
    folder.mkdir()
    for k, part in enumerate(np.array_split(np.arange(24), 2)):
        with tarfile.open(folder / f"train-{k:04d}.tar", "w") as tar:
            for i in part:
                add(tar, f"a/{i:04d}.jpg", photos[i])
                add(tar, f"a/{i:04d}.cls", str(labels[i]).encode())


def as_images(folder, photos, labels, write_shards):
    for i, (photo, label) in enumerate(zip(photos, labels, strict=True)):
        path = folder / "train" / NAMES[label] / f"{i:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo)
    (folder / "val" / "cat").mkdir(parents=True)
    (folder / "val" / "cat" / "x.JPEG").write_bytes(photos[0])


def saved(photos, labels):
    from datasets import ClassLabel, Dataset, Features, Image

    features = Features({"image": Image(), "label": ClassLabel(names=NAMES)})
    return Dataset.from_dict({"image": [{"bytes": p, "path": None} for p in photos], "label": list(labels)}, features)


LAYOUTS = {f.__name__[3:]: f for f in (as_parquet, as_saved, as_saved_splits, as_arrow, as_tar, as_images)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(layout, tmp_path, photos, write_shards, rng):
    labels = np.arange(24) % 3
    LAYOUTS[layout](tmp_path / "set", photos, labels, write_shards)
    expected = sorted((photo, int(label)) for photo, label in zip(photos, labels, strict=True))
    sources = [open_source(str(tmp_path / "set"), "train", streaming=streaming) for streaming in (False, True)]
    for source in sources:
        assert len(source) == source.chunks.sum() == 24
        everything = source.read(np.arange(24))
        assert sorted((bytes(s.data), s.label) for s in everything) == expected
        some = rng.permutation(24)[:7]
        assert [s.data for s in source.read(some)] == [everything[i].data for i in some]
        assert len({s.name for s in everything}) == 24  # names tell images apart
        assert source.num_classes == (None if layout == "tar" else 3)
        assert layout == "tar" or source.class_names == NAMES
    mapped, streamed = (source.read(np.arange(24)) for source in sources)
    assert [s.data for s in mapped] == [s.data for s in streamed]  # the same numbering: what is held out stays so


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_split_that_does_not_exist(layout, tmp_path, photos, write_shards):
    LAYOUTS[layout](tmp_path / "set", photos, np.arange(24) % 3, write_shards)
    for streaming in (False, True):
        with pytest.raises(ValueError, match=r"data='.*set' has no split 'rest'; its splits are .*train"):
            open_source(str(tmp_path / "set"), "rest", streaming=streaming)


def test_digits():
    train, test = open_source("digits", "train"), open_source("digits", "test")
    assert (len(train), len(test), train.num_classes) == (1437, 360, 10)
    assert train.images.shape == (1437, 8, 8, 1)
    assert train.images.max() == 255
    with pytest.raises(ValueError, match="data='digits' has no split 'validation'; its splits are test, train"):
        open_source("digits", "validation")


def test_tar_labels_from_json_and_index_is_kept(tmp_path, photos):
    path = tmp_path / "train-0000.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "one.json", b'{"label": 7, "width": 150}')
        add(tar, "one.jpg", photos[0])
        add(tar, "two.jpg", photos[1])
        add(tar, "two.json", b'{"label": 3}')
    source = open_source(str(tmp_path), "train", streaming=True)
    assert [(s.label, s.data == p) for s, p in zip(source.read([0, 1]), photos, strict=False)] == [(7, True), (3, True)]
    assert source.read([1])[0].name.endswith("train-0000.tar: two.jpg")
    before = sorted(os.listdir(os.environ["VITEDU_CACHE"] + "/tar"))
    open_source(str(tmp_path), "train", streaming=True)
    assert sorted(os.listdir(os.environ["VITEDU_CACHE"] + "/tar")) == before


def test_tar_without_labels(tmp_path, photos, impatient):
    with tarfile.open(tmp_path / "train-0000.tar", "w") as tar:
        add(tar, "one.jpg", photos[0])
    with pytest.raises(ValueError, match=r"the image 'one.jpg' has no label, neither one\.cls nor"):
        open_source(str(tmp_path), "train", streaming=True, retry=impatient)


# ---- parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_held_out_images_are_fixed_and_apart(parquet_folder, streaming):
    def names(**options):
        source = open_source(parquet_folder, "train", streaming=streaming, hold_out=5, **options)
        assert source.chunks.sum() == len(source)
        return [s.data for s in source.read(np.arange(len(source)))]

    train, held_out = names(), names(part="eval")
    assert (len(train), len(held_out)) == (19, 5)
    assert not set(train) & set(held_out)
    assert held_out == names(part="eval")
    few, fewer = names(train_images=10), names(train_images=4)
    assert len(few) == 10
    assert set(fewer) < set(few) < set(train)


def test_held_out_images_are_the_same_mapped_and_streamed(parquet_folder):
    sources = [open_source(parquet_folder, "train", streaming=s, hold_out=5, part="eval") for s in (False, True)]
    assert [s.data for s in sources[0].read(range(5))] == [s.data for s in sources[1].read(range(5))]


def test_held_out_digits():
    train, held_out = (open_source("digits", "train", hold_out=200, part=part) for part in ("train", "eval"))
    assert (len(train), len(held_out)) == (1237, 200)
    both = np.concatenate([train.images, held_out.images]).reshape(1437, -1)
    whole = open_source("digits", "train").images.reshape(1437, -1)
    assert sorted(map(bytes, both)) == sorted(map(bytes, whole))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hold_out": 24}, "hold_out=24 is not allowed.*0 to 23"),
        ({"hold_out": -1}, "hold_out=-1"),
        ({"hold_out": 4, "train_images": 21}, "train_images=21 is not allowed; there are 20"),
        ({"part": "test"}, "part='test' is not allowed; part must be 'train' or 'eval'"),
    ],
)
def test_impossible_parts(parquet_folder, options, text):
    with pytest.raises(ValueError, match=text):
        open_source(parquet_folder, "train", **options)


# ---- in memory ---------------------------------------------------------------------------------------------------


def test_small_images_are_decoded_at_once(tmp_path, write_shards, rng):
    from PIL import Image

    pixels = rng.integers(0, 256, (30, 12, 9, 3), dtype=np.uint8)
    encoded = []
    for image in pixels:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        encoded.append(file.getvalue())
    folder = write_shards(tmp_path, encoded, np.arange(30) % 3)
    source = open_source(folder, "train")
    assert isinstance(source, Arrays)
    np.testing.assert_array_equal(source.images, pixels)
    assert source.labels.tolist() == (np.arange(30) % 3).tolist()
    assert source.class_names == NAMES
    assert not isinstance(open_source(folder, "train", in_memory=False), Arrays)
    assert not isinstance(open_source(folder, "train", streaming=True), Arrays)
    part = open_source(folder, "train", hold_out=7, part="eval")
    assert part.images.shape == (7, 12, 9, 3)


def test_large_images_stay_encoded(parquet_folder):
    assert not isinstance(open_source(parquet_folder, "train"), Arrays)
    with pytest.raises(ValueError, match=r"images of 90 x 150 and 91 x 149 pixels; in memory all must be alike"):
        open_source(parquet_folder, "train", in_memory=True)


@pytest.mark.skipif("VITEDU_CIFAR10" not in os.environ, reason="VITEDU_CIFAR10 does not name a folder of CIFAR-10")
def test_cifar():
    source = open_source(os.environ["VITEDU_CIFAR10"], "train")
    assert source.images.shape == (50_000, 32, 32, 3)
    assert np.bincount(source.labels).tolist() == [5000] * 10
    assert source.class_names[0] == "airplane"


# ---- names that lead nowhere -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "cifar11", "a/b/c", "~/pictures", "", None, 3])
def test_wrong_data(name):
    with pytest.raises(ValueError, match=f"data={name!r} is not allowed"):
        open_source(name, "train")


def test_a_file_is_no_folder(parquet_folder):
    file = os.path.join(parquet_folder, sorted(os.listdir(parquet_folder))[0])
    with pytest.raises(ValueError, match="is a file; data must be the folder that holds it"):
        open_source(file, "train")


def test_image_files_need_no_datasets(photos, tmp_path, monkeypatch):
    """With PyTorch, NumPy and Pillow alone one can train on folders of images."""
    as_images(tmp_path / "files", photos[:4], [0, 1, 2, 0], None)
    monkeypatch.setitem(sys.modules, "datasets", None)  # as if it were not installed
    source = open_source(str(tmp_path / "files"), "train")
    assert [sample.label for sample in source.read(np.arange(len(source)))] == [0, 0, 1, 2]  # folder by folder


def test_an_empty_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(ValueError, match="holds no parquet, arrow, tar, zip or image files"):
        open_source(str(tmp_path), "train")


@pytest.mark.parametrize("name", ["cifar10", "ILSVRC/imagenet-1k"])
def test_hub_without_a_network(name, monkeypatch):
    """One attempt, then advice: not a minute of silent tries."""
    from huggingface_hub import HfApi

    def no_network(*args, **kwargs):
        raise ConnectionError("Name or service not known")

    waits = []
    monkeypatch.setattr(HfApi, "dataset_info", no_network)
    monkeypatch.setattr(time, "sleep", waits.append)
    with pytest.raises(
        ConnectionError, match=r"hub cannot be reached \(Name or service.*local folder.*'digits'"
    ) as info:
        open_source(name, "train", streaming=True)
    assert waits == []  # the library's own tries wait 23 s
    assert repr(HUB["cifar10"].name if name == "cifar10" else name) in str(info.value)


def test_labels_that_are_not_there(tmp_path, photos, write_shards):
    """The hub's test split of ImageNet has the label -1 everywhere."""
    folder = write_shards(tmp_path, photos, np.full(24, -1), split="test")
    with pytest.raises(ValueError, match="split 'test' has no labels"):
        open_source(folder, "test", streaming=True)


# ---- columns -----------------------------------------------------------------------------------------------------


def features(**columns):
    from datasets import ClassLabel, Features, Image, Value

    kinds = {
        "image": Image(),
        "class": ClassLabel(names=["a", "b"]),
        "int": Value("int64"),
        "text": Value("string"),
        "bytes": Value("binary"),
        "json": {"label": Value("int32"), "width": Value("int32")},
    }
    return Features({name: kinds[kind] for name, kind in columns.items()})


@pytest.mark.parametrize(
    ("columns", "image", "label"),
    [
        ({"img": "image", "label": "class"}, "img", "label"),
        ({"img": "image", "fine_label": "class", "coarse_label": "class"}, "img", "fine_label"),  # CIFAR-100
        ({"jpg": "image", "cls": "int", "json": "json", "__key__": "text"}, "jpg", "cls"),  # webdataset
        ({"webp": "image", "json": "json"}, "webp", "json.label"),
        ({"picture": "image", "species": "class", "id": "int"}, "picture", "species"),
        ({"image": "image", "label": "class", "image_id": "text", "label_cat_dog": "class"}, "image", "label"),  # Pets
        ({"image": "bytes", "label": "int"}, "image", "label"),
        ({"image": "image", "mask": "image", "label": "class"}, "image", "label"),
    ],
)
def test_columns_are_found(columns, image, label):
    found = find_columns(features(**columns), "some/set")
    assert (found.image, found.label) == (image, label)
    assert found.class_names == (["a", "b"] if columns.get(label) == "class" else None)


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"left": "image", "right": "image", "label": "class"}, "image"),
        ({"label": "class", "text": "text"}, "image"),
        ({"image": "image", "text": "text"}, "label"),
        ({"image": "image", "height": "int"}, "label"),  # a number, but of what?
        ({"image": "image", "genus": "class", "family": "class"}, "label"),
    ],
)
def test_unclear_columns_are_listed(columns, kind):
    with pytest.raises(ValueError, match=f"data='some/set' has no column that is clearly the {kind}") as info:
        find_columns(features(**columns), "some/set")
    assert all(column in str(info.value) for column in columns)


def test_columns_can_be_named(parquet_folder):
    found = find_columns(features(left="image", right="image", a="int", b="int"), "s", image="right", label="b")
    assert (found.image, found.label) == ("right", "b")
    with pytest.raises(ValueError, match=r"label.*asked for: 'breed'"):
        open_source(parquet_folder, "train", label_column="breed")
