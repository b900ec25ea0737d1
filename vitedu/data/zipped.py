"""Class folders of images in a .zip file, read where they are.  Taught in notebooks/14_pretraining.ipynb.

A zip file ends with a table of contents, so any member is one read: its place, its two sizes and how it is packed.
Nothing is unpacked to the disk, so no name in it leads anywhere.
"""

from __future__ import annotations

import logging
import os
import struct
import tempfile
import zipfile
import zlib

import numpy as np

from vitedu_numpy.limits import check_limit, limit
from vitedu_numpy.weights.first_bytes import what_it_is

from .folder import ImageFiles, NoSplit, said_split, same_split, splits_among
from .listed import KINDS, tables_beside
from .retry import Retry
from .sample import Sample
from .scan import LeftOut, is_hidden, is_image

__all__ = ["ZippedImages"]

_log = logging.getLogger(__name__)

STORED, DEFLATED, ENCRYPTED, UTF8 = 0, 8, 1, 0x800
HEADER = 30  # bytes before the name of a member


class ZippedImages(ImageFiles):
    """The images of a zip file, by class folders as `ImageFiles` has them; folders around all of them are left out.

    split: which of the folders named as splits; None: all of it.  whole: the split that it is of where no folder is
    named so.  Raises ValueError that names file and member for what is no zip file, damaged, encrypted, packed in
    another way than deflate, or unpacks to far more than it is; and for a table of labels beside the images, which
    would count before the folders if it lay on the disk.
    """

    def __init__(self, file: str, split: str | None, retry: Retry | None = None, whole: str = "train"):
        self.file, self.left_out = os.fspath(file), LeftOut()
        members = self._members()
        paths = [member[0] for member in members]
        front = _around(paths, split is None) if paths else ()
        if front:
            _log.warning("%s: %s, which lies around all of its images, was left out", self.file, "/".join(front))
        if split is not None:
            tops = sorted({path[len(front)] for path in paths if len(path) > len(front) + 1})
            splits = splits_among(tops, f"data={self.file!r}") or {whole: None}
            split = same_split(split, splits)
            if split not in splits:
                raise NoSplit(f"data={self.file!r} has no split {split!r}; its splits are {', '.join(splits)}", split)
            front += () if splits[split] is None else (splits[split],)
        inside, loose, self.below = {}, 0, {}
        for path, *place in members:
            if path[: len(front)] != front:
                self.left_out.add("images beside the splits", path[len(front) - 1] not in splits.values())
            elif len(path) < len(front) + 2:
                loose += 1
            else:
                name, *deeper = path[len(front) : -1]
                inside.setdefault(name, []).append(("/".join(path), *place))
                self.below.setdefault(name, set()).add("/".join(deeper) or ".")
        classes = sorted(inside)
        self._number("/".join((self.file, *front)), classes, [inside[name] for name in classes], loose, retry)

    def _refuse_tables(self, found) -> None:
        """Raise ValueError for a table that lists images, by the rules of a folder: it is read out, alone, and asked.

        Tables of more than VITEDU_MAX_TEXT bytes, and those inside of class folders, are not asked.
        """
        classes = {os.path.dirname(m.filename) for m in found if is_image(m.filename)}
        classes = {place for place in classes if place and said_split(os.path.basename(place)) is None}
        tables = [m for m in found if m.filename.lower().endswith(KINDS) and os.path.dirname(m.filename) not in classes]
        wanted = [m for m in tables if m.file_size <= limit("VITEDU_MAX_TEXT")]
        if not wanted:
            return
        with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(self.file) as archive:
            for number, member in enumerate(wanted[:100]):
                own = os.path.join(place, str(number))  # no name of the archive's leads anywhere
                os.mkdir(own)
                try:
                    text = archive.read(member)
                except (zipfile.BadZipFile, RuntimeError, zlib.error, struct.error, OSError, EOFError, ValueError):
                    continue  # damaged or encrypted, as a table on the disk would be that nobody can read
                with open(os.path.join(own, "table" + os.path.splitext(member.filename)[1].lower()), "wb") as file:
                    file.write(text)
                try:
                    listing, _ = tables_beside(own)
                except ValueError:
                    continue  # no table that could be used on the disk
                if listing:
                    label = listing[0][2]
                    raise ValueError(
                        f"{self.file}: {member.filename!r} lists images, with labels in its column {label!r}, and "
                        f"tables inside of archives are not read; unpack it, and give the folder"
                    )

    def _begin(self, folder, files, labels, retry=None):
        super()._begin(folder, [path for path, *_ in files], labels, retry)
        self.places = np.array([place for _, *place in files], np.int64)  # (n, 5): see `_members`

    def _members(self):
        """[(path as a tuple, offset, packed, unpacked, method, checksum)] of the images."""
        try:
            with zipfile.ZipFile(self.file) as archive:
                found = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            reason = f"{error}{what_it_is(self.file, 'zip') or '.  Fetch it again'}"
            raise ValueError(f"{self.file} is damaged or cut short, no whole zip file: {reason}") from error
        check_limit("VITEDU_MAX_MEMBERS", len(found), f"{self.file} has {len(found):,} members")
        self._refuse_tables(found)
        size, total, members = os.path.getsize(self.file), 0, []
        last = {member.filename: member for member in found}  # what is added once more replaces, as when unpacking
        self.left_out.add("members that a later one of their name replaces", len(found) - len(last))
        for member in last.values():
            path = tuple(part for part in _text(member).replace("\\", "/").split("/") if part not in ("", ".", ".."))
            if not path or _text(member).endswith("/"):
                continue
            if any(is_hidden(part) for part in path):
                self.left_out.add("hidden members")
            elif not is_image(path[-1]):
                self.left_out.file(path[-1])
            else:
                where = f"{self.file}: {member.filename!r}"
                if member.flag_bits & ENCRYPTED:
                    raise ValueError(f"{where} is encrypted; unpack it, and give the folder")
                if member.compress_type not in (STORED, DEFLATED):
                    method = f"method {member.compress_type}, which is not deflate"
                    raise ValueError(f"{where} is packed by {method}; unpack it, and give the folder")
                total += member.file_size
                place = member.header_offset, member.compress_size, member.file_size, member.compress_type, member.CRC
                members.append((path, *place))
        if total > 8 * size:
            check_limit("VITEDU_MAX_UNPACKED", total, f"{self.file}: its {size:,} bytes unpack to {total:,}")
        return members

    def _sample(self, i):
        path = os.fsdecode(bytes(self.files[i]))
        name = f"{self.file}: {path}"
        return Sample(self.retry(lambda: self._unpacked(i, name), name), int(self.labels[i]), name)

    def _unpacked(self, i, name) -> bytes:
        offset, packed, size, method, checksum = self.places[i].tolist()
        with open(self.file, "rb", buffering=0) as file:
            file.seek(offset)
            header = file.read(HEADER)
            if header[:4] != b"PK\3\4" or len(header) < HEADER:
                raise ValueError(
                    f"{name} is damaged: nothing begins where the table of contents says.  Fetch the file again"
                )
            file.seek(sum(struct.unpack_from("<HH", header, 26)), os.SEEK_CUR)  # its name, and what else is there
            data = file.read(packed)
        try:
            data = data if method == STORED else zlib.decompressobj(-15).decompress(data, size + 1)
        except zlib.error as error:
            raise ValueError(f"{name} is damaged: {error}.  Fetch the file again") from error
        if len(data) != size or zlib.crc32(data) != checksum:
            raise ValueError(f"{name} is damaged: its size or checksum is another.  Fetch the file again")
        return data


def _text(member) -> str:
    """The name of a member.  Some programs write UTF-8 and do not say so."""
    if member.flag_bits & UTF8:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _around(paths, may_be_split: bool) -> tuple[str, ...]:
    """The folders that all images lie in, from outside: dataset/train/cat, dataset/test/cat -> dataset.

    may_be_split: whether a folder named as a split may be one of them, as in train.zip.
    """
    front = ()
    while all(len(path) > len(front) + 2 for path in paths):  # a class at least is left below
        tops = {path[len(front)] for path in paths}
        if len(tops) > 1 or (splits_among(sorted(tops), "data") and not may_be_split):
            break
        front += (tops.pop(),)
    return front
