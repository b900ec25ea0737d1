"""What a file is, by its first bytes: often something else than its name says.

A download that failed is a web page, a large file of a repository a pointer.  Libraries say "header too large" of
these; messages of this package say what is there, and what to do about it.  Taught in notebooks/13_weights.ipynb.
"""

from __future__ import annotations

import os
import re

__all__ = ["PICKLE", "is_safetensors", "refuse_pointer", "what_begins_so", "what_it_is"]

_POINTER = b"version https://git-lfs"  # what a repository holds in place of a large file until that is fetched
_POINTS = "a pointer of Git LFS, not the file: `git lfs pull` fetches it"
PICKLE = "a pickle, which can run anything while it is read"
_SAFETENSORS = "a safetensors file"
# The first bytes of what is often found under another's name, and what to do about it.
_BEGINNINGS = (
    (_POINTER, _POINTS),
    (rb"\x1f\x8b", "packed by gzip: unpack it"),
    (rb"BZh\d", "packed by bzip2: unpack it"),
    (rb"\xfd7zXZ\0", "packed by xz: unpack it"),
    (rb"\x28\xb5\x2f\xfd", "packed by zstd: unpack it"),
    (rb"7z\xbc\xaf|Rar!", "packed by 7-Zip or RAR: unpack it"),
    (rb"PK\x03\x04", "a zip archive, or the beginning of one"),
    (rb".{257}ustar", "a tar file"),
    (rb"\s*<(!doctype html|html|head|body)", "a web page, most often an error: fetch it anew"),
    (rb"\s*<", "XML (an SVG, or an error of a server)"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (rb"\x93NUMPY", "a single array (.npy)"),
    (rb"GGUF", "a GGUF file"),
    (rb"PAR1", "a parquet file"),
    (rb"\xff\xd8\xff|\x89PNG|GIF8", "a picture"),
    (rb".{4}ftyp(hei|hev|mif1|msf1)", "a picture in HEIC, as telephones make them: save it as JPEG"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a picture in JPEG XL: save it as JPEG"),
    (rb"/9j/|iVBORw0KGgo", "a picture as text, in base64: decode it"),
    (rb"%PDF", "a PDF"),
    (rb"\x80[\x02-\x05]", PICKLE),
    (rb".{4}\0{4}\{\s*\"", _SAFETENSORS),
    (rb"\s*[{\[]\s*[\"{\[\d]", "a text in JSON"),
)


def what_begins_so(first: bytes) -> str | None:
    """What a file is that begins with these bytes, 300 of them where there are as many; None: of no kind known here."""
    if not first.strip():
        return "empty: fetch it again"
    if not any(first) and len(first) > 16:
        return "zeros from its beginning on: space that was reserved and never written; fetch it again"
    flags = re.DOTALL | re.IGNORECASE
    return next((what for begin, what in _BEGINNINGS if re.match(begin, first, flags)), None)


def what_it_is(path, but: str = "") -> str:
    """ "; it is packed by gzip: unpack it": the end of a message on a file that is not what it should be.

    "" where that is not known, or where it is what it should be, of the kind `but`, and damaged.
    """
    with open(path, "rb") as file:
        found = what_begins_so(file.read(300))
    return "" if found is None or f" {but} " in f" {found} " else f"; it is {found}"


def is_safetensors(path) -> bool:
    """Does a file begin as a safetensors file does, whatever it is called?"""
    with open(path, "rb") as file:
        return what_begins_so(file.read(300)) == _SAFETENSORS


def refuse_pointer(path) -> None:
    """Raise ValueError that says so where a file is a pointer of Git LFS."""
    with open(path, "rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise ValueError(f"{os.fspath(path)} cannot be read: it is {_POINTS}")
