"""WebDataset shards: tar files in which the members of one sample share a name, `00042.jpg 00042.cls`.

Taught in notebooks/14_pretraining.ipynb.  A tar file has no table of contents, so one is made: the first time, all
headers are read (on a disk seconds per shard; from the hub this reads the whole shard, so fetch tar shards first), and
offset, size and label of every image go to a cache.  From then on any image is one read.

A name ends at its first dot, as WebDataset has it, `42.seg.png` being another part of sample 42.  Where no part is
called after an image format then, as in `img_1.0.jpg`, it ends at the last one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import tarfile
import tempfile
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from vitedu_numpy.limits import check_limit
from vitedu_numpy.validate import require
from vitedu_numpy.weights.files import replacing
from vitedu_numpy.weights.first_bytes import what_it_is

from .classes import is_gap, is_list_of_numbers, name_in_form
from .columns import IMAGES
from .parquet import is_remote
from .retry import Retry
from .sample import Sample, check_ids
from .scan import LeftOut, is_hidden

__all__ = ["TarImages", "TarShards", "cache_folder", "unpacked_tar"]

CHUNK_BYTES = 16 * 2**20
BLOCK = 512  # bytes of a tar header


class TarShards:
    """The images of some tar files, in chunks of about 16 MB.

    Labels come from the member `.cls` (a number, or a class's name) or from "label" in the member `.json`; label: from
    another member, "txt", or from another key, "json.breed".  image: the member with the picture, such as "png"; else
    the first that a sample has of `IMAGES`.
    `class_names`: the sorted names in all files, or None where labels are numbers.  Raises ValueError that names file
    and member for a file that is no tar, is compressed or cut short, or that has an image without a label.
    """

    def __init__(self, files, cache: str | None = None, retry: Retry | None = None, image=None, label=None):
        from tqdm import tqdm

        self.files, self.cache, self.tables = list(files), cache or cache_folder(), {}
        self.image, self.label = image, label
        self.remote = any(is_remote(f) for f in self.files)
        retry, left_out = retry or Retry(), LeftOut()
        parts, texts, labels = [], {}, []
        for f, file in enumerate(tqdm(self.files, "indexing tar shards", disable=len(self.files) < 20 or None)):
            table, names = retry(lambda file=file: self._contents(file, left_out), file)
            count = len(table)
            if count:
                texts[file] = names
                labels += [(int(table[:, 2].min()), file), (int(table[:, 2].max()), file)]
                mean = max(1, int(table[-1, 0] + table[-1, 1]) // count)
                per_chunk = int(np.clip(CHUNK_BYTES // mean, 1, 1000))
                parts += [(f, first, min(per_chunk, count - first)) for first in range(0, count, per_chunk)]
        self.class_names = _one_list(texts)
        if labels and min(labels)[0] < 0 <= max(labels)[0]:
            label, file = min(labels)
            raise ValueError(f"{file} has the label {label}, which is no class; others have one")
        self.numbers = {name: number for number, name in enumerate(self.class_names or ())}
        if not parts and left_out.counts:
            packed = "; unpack those, and give the folder" if "files (.tar)" in left_out.counts else ""
            raise ValueError(f"{_common(self.files)} holds no images; left out: {left_out}{packed}")
        left_out.say(_common(self.files))
        parts = np.array(parts, np.int64).reshape(-1, 3)
        self.parts, self.lengths = parts[:, :2], parts[:, 2]  # file, first image in it; number of images
        self.tables = {}

    def __getstate__(self):
        return self.__dict__ | {"tables": {}}

    def where(self, chunk: int) -> str:
        return self.files[self.parts[chunk, 0]]

    def load(self, chunk: int) -> _Members:
        f, first = self.parts[chunk].tolist()
        table = self.table(self.files[f])[first : first + self.lengths[chunk]]
        start, stop = int(table[0, 0]) - BLOCK, int(table[-1, 0] + table[-1, 1])
        with _opened(self.files[f], cache_type="none") as file:
            file.seek(start)
            data = file.read(stop - start)
        if len(data) < stop - start:
            raise ValueError(f"{self.files[f]} is cut short: it ends before byte {stop:,}.  Fetch it again")
        return _Members(data, table - [start, 0, 0], self.files[f])

    def table(self, file) -> np.ndarray:
        """(images, 3) int64: offset, size, label."""
        if file not in self.tables:
            if len(self.tables) > 100:
                self.tables.clear()
            table, names = self._contents(file, LeftOut())
            if names:
                table[:, 2] = np.array([self.numbers[name] for name in names])[table[:, 2]]
            self.tables[file] = table
        return self.tables[file]

    def _contents(self, file, left_out):
        """(table, names of its labels) of a file, from the cache where it is there."""
        asked = "".join(
            f" {name}={value}" for name, value in vars(self).items() if name in ("image", "label") and value
        )
        saved = os.path.join(self.cache, f"{hashlib.sha256((_identity(file) + asked).encode()).hexdigest()[:32]}.npz")
        try:
            with np.load(saved, allow_pickle=False) as found:
                counts = json.loads(str(found["left_out"]))
                table, names = found["table"], found["names"].tolist()
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # not there yet, or damaged
            table, names, counts = index_tar(file, self.image, self.label)
            os.makedirs(self.cache, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.cache, suffix=".tmp", delete=False) as temporary:
                np.savez(temporary, table=table, names=np.array(names, str), left_out=np.array(json.dumps(counts)))
            os.replace(temporary.name, saved)
        for what, count in counts.items():
            left_out.add(what, count)
        return table, names


class _Members:
    """rows[i] -> Sample."""

    def __init__(self, data: bytes, table: np.ndarray, file: str):
        self.data, self.table, self.file = memoryview(data), table, file

    def __getitem__(self, row: int) -> Sample:
        offset, size, label = self.table[row].tolist()
        member = bytes(self.data[offset - BLOCK : offset - BLOCK + 100]).rstrip(b"\0").decode("utf-8", "replace")
        return Sample(bytes(self.data[offset : offset + size]), label, f"{self.file}: {member}")


def _one_list(texts) -> list[str] | None:
    """The sorted names of all files; None where labels are numbers.     texts: {file: its names, [] for numbers}"""
    with_names = [file for file, names in texts.items() if names]
    if not with_names:
        return None
    if by_number := [file for file, names in texts.items() if not names]:
        raise ValueError(f"{with_names[0]} has names as labels, {by_number[0]} has numbers; write all in one way")
    return sorted({name for names in texts.values() for name in names})


def _common(files) -> str:
    return files[0] if len(files) == 1 else f"{os.path.dirname(files[0])}, {len(files)} tar files" if files else ""


def index_tar(file: str, image: str | None = None, label: str | None = None):
    """(table, names, left out) of a tar file.     image, label: as in `TarShards`

    table (images, 3) int64: where the bytes of each image begin, how many there are, its label; names: of the labels,
    [] where they are numbers; left out: {what: how many}.  Errors as in `TarShards`.
    """
    samples, left_out = {}, LeftOut()  # sample -> {part: (member, offset, size, label)}
    part, _, key = (label or "").partition(".")
    fields = _Fields((image,) if image else IMAGES, (part,) if label else ("cls", "json"), key or "label")
    with _opened(file) as f:
        try:
            tar = tarfile.open(fileobj=f, mode="r:")
            size_of_file = f.seek(0, os.SEEK_END)
            for count, member in enumerate(tar, 1):
                check_limit("VITEDU_MAX_MEMBERS", count, f"{file} has {count:,} members, or more")
                tar.members = []  # it would keep all of them
                _take(f, member, fields, samples, left_out, file, size_of_file)
            f.seek(tar.offset)
            if f.read(BLOCK) != bytes(BLOCK):  # a whole tar file ends with blocks of zeros
                raise tarfile.ReadError(f"it ends after byte {tar.offset:,}, without an end mark")
        except (tarfile.TarError, OverflowError, EOFError, UnicodeError) as error:
            found = "" if is_remote(file) else what_it_is(file, "tar")
            raise ValueError(
                f"{file} is no plain tar file, or cut short: {error}{found or '.  Unpack or fetch it again'}"
            ) from error
        found = sorted(_labelled(samples, fields, left_out, file), key=lambda row: row[0])
    kinds = {type(label) for *_, label in found}
    if len(kinds) > 1:
        raise ValueError(f"{file} has names and numbers as labels; write all in one way")
    names = sorted({label for *_, label in found}) if kinds == {str} else []
    numbers = {name: number for number, name in enumerate(names)}
    rows = [(offset, size, numbers[label] if names else label) for offset, size, label in found]
    return np.array(rows, np.int64).reshape(-1, 3), names, dict(left_out.counts)


class _Fields(NamedTuple):
    """Which parts of a sample are looked at."""

    images: tuple[str, ...]  # the first that is there is taken
    labels: tuple[str, ...]  # likewise
    key: str  # in JSON


def _take(f, member, fields, samples, left_out, file, size_of_file) -> None:
    """Put a member of a tar file to its sample, or count it as left out."""
    if member.isdir():
        return
    folder, base = os.path.split(os.path.normpath(member.name))  # ./1.jpg and 1.cls
    if any(is_hidden(part) for part in member.name.split("/") if part not in (".", "..")):
        return left_out.add("hidden members")
    if not member.isreg() or member.issparse():
        return left_out.add("members that are links, devices or in pieces")
    if member.offset_data + member.size > size_of_file:
        raise tarfile.ReadError(f"it ends within {member.name}")
    stem, _, part = base.partition(".")
    parts = samples.setdefault(os.path.join(folder, stem), {})
    if part.lower() in parts:
        first = parts[part.lower()][0]
        before = "" if first == member.name else f", first as {first!r}"
        raise ValueError(f"{file} holds the member {member.name!r} twice{before}")
    last, label = part.lower().rpartition(".")[2], None
    if last in fields.labels:  # now, since going back in a far file is slow
        where = f"{file}: member {member.name!r}"
        check_limit("VITEDU_MAX_TEXT", member.size, f"{where} has {member.size:,} bytes")
        f.seek(member.offset_data)
        label = _label(f.read(member.size), fields.key if last == "json" else None, where)
    parts[part.lower()] = member.name, member.offset_data, member.size, label


def _labelled(samples, of, left_out, file):
    """(offset, size, label) of each sample's image."""
    for key, parts in samples.items():
        if any(part in of.images for part in parts) or not any(part.rpartition(".")[2] in of.images for part in parts):
            split = {key: parts}
        else:  # dots within the name
            split = {}
            for part, found in parts.items():
                more, dot, last = part.rpartition(".")
                split.setdefault(f"{key}.{more}" if dot else key, {})[last] = found
        for name, fields in split.items():
            images = [field for field in of.images if field in fields]
            if not images:
                for member, *_ in fields.values():
                    left_out.file(os.path.basename(member))
                continue
            left_out.add("second images of a sample", len(images) - 1)
            member, offset, size, _ = fields[images[0]]
            labels = [fields[kind][3] for kind in of.labels if kind in fields]
            labels = [label for label in labels if label is not None]  # JSON may hold other things
            if not labels:
                places = [f"{of.key!r} in {name}.json" if kind == "json" else f"{name}.{kind}" for kind in of.labels]
                missing = f"neither {places[0]} nor {places[1]}" if len(places) > 1 else f"no {places[0]}"
                raise ValueError(f"{file}: the image {member!r} has no label, {missing}{_instead(fields, images[0])}")
            if isinstance(labels[0], ValueError):
                raise labels[0]
            left_out.add(
                "second labels of a sample, which are others", sum(_differ(labels[0], label) for label in labels)
            )
            yield offset, size, labels[0]


def _instead(fields, image) -> str:
    """What a sample without a label has in its place, for the message."""
    others = sorted(field for field in fields if field != image)
    if not others:
        return ".  Nothing else there has its name; where folders are the classes, unpack the file and give the folder"
    return f".  Beside it: {', '.join(others[:5])} (label_column= names one, or a key in one, such as json.class)"


def _differ(label, other) -> bool:
    """Do two labels of a sample say two things?  A number and a name may be one class."""
    return type(label) is type(other) is not ValueError and label != other


def _label(data: bytes, key: str | None, where: str):
    """The number or name in a `.cls`, or under `key` of a `.json`; None: there is no such key.

    What is neither becomes a ValueError, which is raised where the label is needed.
    """
    try:
        found = text = data.decode("utf-8-sig").strip()
        if key is not None:
            found = json.loads(text)
            if isinstance(found, dict) and key not in found:
                return None
            found = found[key] if isinstance(found, dict) else None
    except (ValueError, RecursionError) as error:
        return ValueError(f"{where} cannot be read: {error}")
    if isinstance(found, str) and re.fullmatch(r"[+-]?\d{1,18}", found):
        return int(found)
    if isinstance(found, float) and found.is_integer() and found < 2**31:
        return int(found)
    is_name = isinstance(found, str) and found.isprintable() and 0 < len(found) <= 200 and not is_gap(found)
    is_name = is_name and not is_list_of_numbers(found)
    if is_name and not re.fullmatch(r"[+-]?[\d.]+([eE][+-]?\d+)?", found):  # 1.0 is no name
        return name_in_form(found)
    if type(found) is int and abs(found) < 2**62:
        return found
    wanted = "a class number or name" if key is None else f'an object with "{key}", a class number or name'
    return ValueError(f"{where} holds {text[:60]!r}; expected {wanted}")


class TarImages:
    """Any image at any time, of tar files on a disk.     shards: `TarShards`"""

    def __init__(self, shards: TarShards, retry: Retry | None = None):
        self.shards, self.class_names, self.retry = shards, shards.class_names, retry or Retry()
        tables = [shards.table(file) for file in shards.files]
        self.table = np.concatenate([np.zeros((0, 3), np.int64), *tables])
        self.file = np.repeat(np.arange(len(tables), dtype=np.int32), [len(table) for table in tables])
        self.labels, self.chunks = self.table[:, 2], np.ones(len(self.table), np.int64)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def num_classes(self) -> int | None:
        return None if self.class_names is None else len(self.class_names)

    def read(self, ids) -> list[Sample]:
        """The images of these numbers, in this order."""
        ids = check_ids(ids, len(self))
        samples = [None] * len(ids)
        for k in np.unique(self.file[ids]).tolist():
            file, here = self.shards.files[k], np.flatnonzero(self.file[ids] == k)
            found = self.retry(lambda file=file, here=here: self._samples(file, ids[here]), file)
            for place, sample in zip(here.tolist(), found, strict=True):
                samples[place] = sample
        return samples

    def _samples(self, file, ids) -> list[Sample]:
        with open(file, "rb", buffering=0) as f:
            return [self._sample(f, file, *row) for row in self.table[ids].tolist()]

    def _sample(self, f, file, offset, size, label) -> Sample:
        f.seek(offset - BLOCK)
        data = f.read(BLOCK + size)
        if len(data) < BLOCK + size:
            raise ValueError(f"{file} is cut short: it ends before byte {offset + size:,}.  Fetch it again")
        member = data[:100].rstrip(b"\0").decode("utf-8", "replace")
        return Sample(data[BLOCK:], label, f"{file}: {member}")


def unpacked_tar(file: str, cache: str | None = None) -> str:
    """The path of a plain tar file: a `.tar.gz` is unpacked to the cache, once.

    Raises ValueError that names the file where it is damaged, or unpacks to far more than it is.
    """
    if not file.lower().endswith((".gz", ".tgz")):
        return file
    folder = os.path.join(cache or cache_folder(), hashlib.sha256(_identity(file).encode()).hexdigest()[:32])
    path = os.path.join(
        folder, re.sub(r"\.(tgz|gz|tar\.gz)$", "", os.path.basename(file), flags=re.IGNORECASE) + ".tar"
    )
    if os.path.exists(path):
        return path
    os.makedirs(folder, exist_ok=True)
    size, total = os.path.getsize(file), 0
    with replacing(path) as temporary, gzip.open(file) as packed, open(temporary, "wb") as plain:
        try:
            while piece := packed.read(2**22):
                total += len(piece)
                if total > 8 * size:
                    what = f"{file}: its {size:,} bytes unpack to {total:,} or more"
                    check_limit("VITEDU_MAX_UNPACKED", total, what)
                plain.write(piece)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{file} is damaged or cut short, no whole gzip file: {error}.  Fetch it again") from error
    return path


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


def cache_folder() -> str:
    """Where tables of contents, and what was fetched or unpacked, are kept from one run to the next.

    Raises ValueError where VITEDU_CACHE is a file.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = os.environ.get("VITEDU_CACHE") or os.path.join(home, "vitedu")
    require(not os.path.isfile(folder), "VITEDU_CACHE", folder, "a folder, as a variable of the environment names it")
    return os.path.join(folder, "tar")
