"""Data from somebody else: no file makes another program run, no table reads files of this machine, nothing small fills
the memory, and no image costs more than its own size.
"""

from __future__ import annotations

import gzip
import importlib
import io
import struct
import tarfile
import time
import zlib

import numpy as np
import pytest
from files_at_hand import add, labels_of, picture, put, write_table

from vitedu.data import UnreadableImage, open_source
from vitedu.data.crops import area
from vitedu.data.decode import decode
from vitedu.data.tar import index_tar, unpacked_tar
from vitedu.data.transforms import CentralCrop, InceptionCrop, Square

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
BOTH = pytest.mark.parametrize("streaming", [False, True])

# ---- formats ---------------------------------------------------------------------------------------------------------


def test_postscript_starts_no_program(monkeypatch, tmp_path):
    """Pillow hands such a file, whatever it is called, to Ghostscript."""
    from PIL import EpsImagePlugin

    def ghostscript(*args, **kwargs):
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    with pytest.raises(UnreadableImage, match=r"no image in a format that is read \(JPEG, PNG, WEBP"):
        decode(POSTSCRIPT)
    put(tmp_path / "train" / "a" / "1.jpg", POSTSCRIPT)
    with pytest.raises(ValueError, match=r"a/1\.jpg: no image in a format"):
        open_source(str(tmp_path), "train")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "MPO"])
def test_formats_of_pictures_are_read(kind):
    assert decode(picture(kind=kind)).shape == (70, 80, 3)


@pytest.mark.parametrize("kind", ["TGA", "ICO", "PCX", "SGI", "JPEG2000", "DDS", "ICNS", "EPS", "PDF"])
def test_other_formats_of_pillow_are_not(kind):
    with pytest.raises(UnreadableImage, match="no image in a format that is read"):
        decode(picture(kind=kind))


# ---- paths in tables -------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.png", "images/../../secret.png", "images/link.png"])
def test_a_table_reads_no_file_outside_of_its_folder(path, tmp_path, streaming):
    put(tmp_path / "secret.png")
    put(tmp_path / "set" / "images" / "1.png")
    (tmp_path / "set" / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    write_table(tmp_path / "set" / "train-0.parquet", [{"bytes": None, "path": path}, picture()], [0, 1])
    with pytest.raises(
        ValueError, match=r"(row|image) 0 names the file '.*', which is not inside the data set's folder"
    ):
        open_source(str(tmp_path / "set"), "train", streaming=streaming)


@BOTH
def test_a_table_may_name_files_inside(tmp_path, streaming):
    put(tmp_path / "images" / "1.png", value=7)
    write_table(
        tmp_path / "train-0.parquet", [{"bytes": None, "path": p} for p in ("images/1.png", "gone.png")], [0, 1]
    )
    source = open_source(str(tmp_path), "train", streaming=streaming, in_memory=False)
    first, second = source.read([0, 1])
    assert first.data == picture(7)
    assert (second.data, second.name[-21:]) == (b"", "1: no file 'gone.png'")  # counted, named and skipped


# ---- limits ----------------------------------------------------------------------------------------------------------


def png(width, height) -> bytes:
    """A black image, all of it compressed to next to nothing."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_pixels(monkeypatch):
    """134 million in 130 kB; a limit of one's own lets more through, or less."""
    with pytest.raises(
        UnreadableImage, match=r"11585 x 11585 pixels; more than VITEDU_MAX_PIXELS=67,108,864 is not read"
    ):
        decode(png(11585, 11585))
    monkeypatch.setenv("VITEDU_MAX_PIXELS", "99")
    with pytest.raises(UnreadableImage, match="more than VITEDU_MAX_PIXELS=99 is not read"):
        decode(png(10, 10))
    monkeypatch.setenv("VITEDU_MAX_PIXELS", "100")
    assert decode(png(10, 10)).shape == (10, 10, 3)


def test_members_of_a_tar_file(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
        for k in range(4):
            add(tar, f"{k}.png", b"")
    monkeypatch.setenv("VITEDU_MAX_MEMBERS", "3")
    with pytest.raises(ValueError, match=r"train-0\.tar has 4 members, or more; more than VITEDU_MAX_MEMBERS=3"):
        index_tar(str(tmp_path / "train-0.tar"))


def test_a_label_that_is_a_book(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
        add(tar, "0.cls", b"1" * 101)
    monkeypatch.setenv("VITEDU_MAX_TEXT", "100")
    with pytest.raises(ValueError, match=r"member '0\.cls' has 101 bytes; more than VITEDU_MAX_TEXT=100"):
        index_tar(str(tmp_path / "train-0.tar"))


def test_a_packed_tar_file(tmp_path, monkeypatch):
    inside = io.BytesIO()
    with tarfile.open(fileobj=inside, mode="w") as tar:
        for k in range(2):
            add(tar, f"{k}.png", picture(k))
            add(tar, f"{k}.cls", str(k).encode())
    (tmp_path / "train-0.tar.gz").write_bytes(gzip.compress(inside.getvalue()))
    assert labels_of(open_source(str(tmp_path), "train", in_memory=False)) == [0, 1]
    bomb = tmp_path / "bomb.tgz"
    bomb.write_bytes(gzip.compress(bytes(1_000_000)))
    monkeypatch.setenv("VITEDU_MAX_UNPACKED", "100_000")
    with pytest.raises(
        ValueError, match=r"bomb\.tgz: its [\d,]+ bytes unpack to [\d,]+ or more; more than VITEDU_MAX_UN"
    ):
        unpacked_tar(str(bomb))
    bomb.write_bytes(gzip.compress(bytes(1000))[:-9])
    with pytest.raises(ValueError, match=r"bomb\.tgz is damaged or cut short, no whole gzip file"):
        unpacked_tar(str(bomb))


def repeated(path, large: bytes, rows: int, compression="none") -> None:
    """A parquet file in which one image stands in all rows: once in the file, with the number 0 for every row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([large], pa.binary()))
    image = pa.StructArray.from_arrays([images, pa.nulls(rows, pa.string())], ["bytes", "path"])
    table = pa.table({"image": image, "label": np.zeros(rows, np.int64)})
    options = dict(compression=compression, dictionary_pagesize_limit=2**30, store_schema=False)
    pq.write_table(table, path, row_group_size=rows, **options)


@BOTH
@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_one_image_that_stands_for_all_rows(tmp_path, streaming, compression, monkeypatch):
    """3 MB that are 3 GB: each column chunk is honest about its own size, and refused before anything is made."""
    large = np.random.default_rng(0).bytes(3_000_000)  # hardly gets smaller
    repeated(tmp_path / "train-0.parquet", large, 1000, compression)
    message = (
        r"row group 0: 'image\.bytes' has 3,000,\d+ bytes that stand for 3,000,000,000; more than VITEDU_MAX_UNPACKED"
    )
    with pytest.raises(ValueError, match=message):
        labels_of(open_source(str(tmp_path), "train", streaming=streaming, in_memory=False))
    repeated(tmp_path / "train-0.parquet", picture(3), 1000, compression)  # the same small picture again and again
    assert labels_of(open_source(str(tmp_path), "train", streaming=streaming, in_memory=False)) == [0] * 1000


def test_the_same_from_the_hub(tmp_path, monkeypatch):
    """Not streamed: the shards are fetched and looked at, and only then does `datasets` write out what they hold."""
    import fsspec
    from datasets import config, load_dataset_builder

    monkeypatch.setattr(config, "HF_HUB_OFFLINE", False)  # which others here switch on; memory:// is no network
    opening = importlib.import_module("vitedu.data.open")
    far = fsspec.filesystem("memory")
    builder = lambda name, config=None: load_dataset_builder(  # noqa: E731
        "parquet", data_files={"train": [f"memory://{name}/train-0.parquet"]}, cache_dir=str(tmp_path / "cache")
    )
    monkeypatch.setattr(opening, "builder_of", builder)
    for name, large in (("somebody/bomb", np.random.default_rng(0).bytes(300_000)), ("somebody/small", picture(3))):
        repeated(tmp_path / "x.parquet", large, 1000)
        far.pipe(f"/{name}/train-0.parquet", (tmp_path / "x.parquet").read_bytes())
    with pytest.raises(ValueError, match=r"row group 0: 'image\.bytes' has 300,\d+ bytes that stand for 300,000,000; "):
        open_source("somebody/bomb", "train", in_memory=False)
    assert not list((tmp_path / "cache").rglob("*.arrow"))  # nothing was written out
    for _ in range(2):  # the second time it is there
        assert labels_of(open_source("somebody/small", "train", in_memory=False)) == [0] * 1000


def test_many_rows_that_are_counted_one_by_one(tmp_path, monkeypatch):
    """A small dictionary and many rows might be much, and is not: what the rows name is added up."""
    repeated(tmp_path / "train-0.parquet", picture(3), 5000)
    monkeypatch.setenv("VITEDU_MAX_UNPACKED", str(5000 * len(picture(3))))
    assert len(labels_of(open_source(str(tmp_path), "train", streaming=True))) == 5000
    monkeypatch.setenv("VITEDU_MAX_UNPACKED", str(5000 * len(picture(3)) - 1))
    with pytest.raises(ValueError, match="more than VITEDU_MAX_UNPACKED"):
        labels_of(open_source(str(tmp_path), "train", streaming=True))


# ---- no cost out of proportion ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(60_000, 1), (1, 60_000), (2000, 20), (20, 2000), (1, 1)])
def test_long_and_thin_images(width, height, rng):
    """The whole of 60000 x 1 with its shorter side at 256 pixels would have 4 billion; only its middle is computed."""
    data, shape = picture(size=(width, height)), (3, 224, 224)
    for transform in (CentralCrop(shape, 256), Square(shape), InceptionCrop(shape)):
        transform(data, rng)  # once, for what is imported
        began = time.process_time()
        assert transform(data, rng).shape == shape
        assert time.process_time() - began < 0.5  # milliseconds; it was seconds, or terabytes


def test_the_middle_alone_is_the_middle_of_the_whole(rng):
    pixels = rng.integers(0, 256, (37, 61, 3), dtype=np.uint8)
    for size in ((13, 20), (90, 140)):
        whole = area(pixels, size)
        part = area(pixels, size, (3, 5, 8, 11))
        # float32 sums of other lengths: a value within 0.001 of a whole number may be cut to the other side
        assert np.abs(part.astype(int) - whole[3:11, 5:16]).max() <= 1
        assert (part == whole[3:11, 5:16]).mean() > 0.99
