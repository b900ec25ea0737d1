"""WebDataset shards: tar files in which the members of one sample share a name, `00042.jpg 00042.cls`.

Taught in notebooks/14_pretraining.ipynb.  A tar file has no table of contents, so one is made: the first time, all
headers are read (on a disk seconds per shard; from the hub this reads the whole shard, so fetch tar shards first), and
offset, size and label of every image go to a cache.  From then on any chunk is one read.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile

import numpy as np

from .columns import IMAGES
from .parquet import is_remote
from .retry import Retry
from .sample import Sample

__all__ = ["TarShards"]

CHUNK_BYTES = 16 * 2**20
BLOCK = 512  # bytes of a tar header


class TarShards:
    """The images of some tar files, in chunks of about 16 MB.

    Labels come from the member `.cls` (a number) or from "label" in the member `.json`.  Raises ValueError for a file
    that is no tar, is compressed or cut short, or that has an image without a label.
    """

    def __init__(self, files, cache: str | None = None, retry: Retry | None = None):
        from tqdm import tqdm

        self.files, self.cache, self.tables = list(files), cache or _cache_folder(), {}
        self.remote = any(is_remote(f) for f in self.files)
        retry = retry or Retry()
        parts = []
        for f, file in enumerate(tqdm(self.files, "indexing tar shards", disable=len(self.files) < 20 or None)):
            table = retry(lambda file=file: self._table(file), file)
            count = len(table)
            if count:
                mean = max(1, int(table[-1, 0] + table[-1, 1]) // count)
                per_chunk = int(np.clip(CHUNK_BYTES // mean, 1, 1000))
                parts += [(f, first, min(per_chunk, count - first)) for first in range(0, count, per_chunk)]
        parts = np.array(parts, np.int64).reshape(-1, 3)
        self.parts, self.lengths = parts[:, :2], parts[:, 2]  # file, first image in it; number of images
        self.tables = {}

    def __getstate__(self):
        return self.__dict__ | {"tables": {}}

    def where(self, chunk: int) -> str:
        return self.files[self.parts[chunk, 0]]

    def load(self, chunk: int) -> _Members:
        f, first = self.parts[chunk].tolist()
        table = self._table(self.files[f])[first : first + self.lengths[chunk]]
        start, stop = int(table[0, 0]) - BLOCK, int(table[-1, 0] + table[-1, 1])
        with _opened(self.files[f], cache_type="none") as file:
            file.seek(start)
            data = file.read(stop - start)
        if len(data) < stop - start:
            raise ValueError(f"{self.files[f]} is cut short: it ends before byte {stop:,}.  Fetch it again")
        return _Members(data, table - [start, 0, 0], self.files[f])

    def _table(self, file) -> np.ndarray:
        """(images, 3) int64: offset, size, label."""
        if file in self.tables:
            return self.tables[file]
        if len(self.tables) > 100:
            self.tables.clear()
        saved = os.path.join(self.cache, f"{hashlib.sha256(_identity(file).encode()).hexdigest()[:32]}.npy")
        if os.path.exists(saved):
            self.tables[file] = np.load(saved, allow_pickle=False)
        else:
            self.tables[file] = table = index_tar(file)
            os.makedirs(self.cache, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.cache, suffix=".tmp", delete=False) as temporary:
                np.save(temporary, table)
            os.replace(temporary.name, saved)
        return self.tables[file]


class _Members:
    """rows[i] -> Sample."""

    def __init__(self, data: bytes, table: np.ndarray, file: str):
        self.data, self.table, self.file = memoryview(data), table, file

    def __getitem__(self, row: int) -> Sample:
        offset, size, label = self.table[row].tolist()
        member = bytes(self.data[offset - BLOCK : offset - BLOCK + 100]).rstrip(b"\0").decode("utf-8", "replace")
        return Sample(bytes(self.data[offset : offset + size]), label, f"{self.file}: {member}")


def index_tar(file: str) -> np.ndarray:
    """(images, 3) int64: where the bytes of each image begin, how many there are, its label."""
    rows, images, labels, key = [], [], [], None

    def close_sample():
        if images and not labels:
            raise ValueError(f"{file}: the image {key!r} has no label, neither {key}.cls nor 'label' in {key}.json")
        rows.extend((offset, size, labels[0]) for offset, size in images[:1])

    with _opened(file) as f:
        try:
            tar = tarfile.open(fileobj=f, mode="r:")
            size_of_file = f.seek(0, os.SEEK_END)
            for member in tar:
                if not member.isfile():
                    continue
                folder, base = os.path.split(member.name)
                stem, _, field = base.partition(".")
                if not stem:
                    continue  # hidden files, such as macOS adds
                if os.path.join(folder, stem) != key:
                    close_sample()
                    key, images, labels = os.path.join(folder, stem), [], []
                field = field.lower()
                if member.offset_data + member.size > size_of_file:
                    raise tarfile.ReadError(f"it ends within {member.name}")
                if field in IMAGES:
                    images.append((member.offset_data, member.size))
                elif field == "cls":
                    labels.insert(0, int(tar.extractfile(member).read()))
                elif field == "json":
                    label = json.loads(tar.extractfile(member).read()).get("label")
                    labels += [label] if isinstance(label, int) else []
            close_sample()
            f.seek(tar.offset)
            if f.read(BLOCK) != bytes(BLOCK):  # a whole tar file ends with blocks of zeros
                raise tarfile.ReadError(f"it ends after byte {tar.offset:,}, without an end mark")
        except tarfile.ReadError as error:
            raise ValueError(
                f"{file} is no plain tar file, or cut short: {error}.  Unpack or fetch it again"
            ) from error
    return np.array(rows, np.int64).reshape(-1, 3)


def _opened(file, cache_type="readahead"):
    if is_remote(file):
        import fsspec

        return fsspec.open(file, cache_type=cache_type).open()
    return open(file, "rb")


def _identity(file) -> str:
    """Changes when the file does."""
    if not is_remote(file):
        stat = os.stat(file)
        return f"{os.path.abspath(file)} {stat.st_size} {stat.st_mtime_ns}"
    import fsspec

    fs, path = fsspec.core.url_to_fs(file)
    return f"{file} {fs.ukey(path)}"


def _cache_folder() -> str:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(os.environ.get("VITEDU_CACHE") or os.path.join(home, "vitedu"), "tar")
