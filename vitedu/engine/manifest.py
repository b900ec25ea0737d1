"""A checkpoint's own list of its files: size and SHA-256 of each.  Described in docs/reliability.md.

A disk, a network or a copy may change a bit without a word, and a changed weight is still a weight.  So a digest is
computed while a file is written, and again before it is read; `manifest.json` is the last file of a checkpoint.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from pathlib import Path

__all__ = [
    "MANIFEST",
    "Hashed",
    "checkpoint_at",
    "describe",
    "has_manifest",
    "problems",
    "read_manifest",
    "set_aside",
    "steps_in",
    "steps_set_aside",
]

MANIFEST = "manifest.json"
_CHUNK = 2**20


class Hashed(io.BufferedWriter):
    """A new file; what is written to it goes through SHA-256 on its way.  Front to back alone: it cannot seek."""

    def __init__(self, path):
        super().__init__(io.FileIO(path, "wb"), _CHUNK)
        self.sha, self.size = hashlib.sha256(), 0

    def write(self, data) -> int:
        self.sha.update(data)
        self.size += memoryview(data).nbytes
        return super().write(data)

    def seek(self, *where):
        raise io.UnsupportedOperation("a file that is hashed while it is written cannot be written twice")

    def fileno(self) -> int:
        self.flush()  # who asks wants to have it on the disk: PyTorch, of a file that it has not flushed
        return super().fileno()

    def described(self) -> dict:
        """{"size": bytes, "sha256": hexadecimal}, as `describe` finds it again."""
        return {"size": self.size, "sha256": self.sha.hexdigest()}


def describe(path) -> dict:
    """{"size": bytes, "sha256": hexadecimal} of a file."""
    sha, size, buffer = hashlib.sha256(), 0, memoryview(bytearray(_CHUNK))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            sha.update(buffer[:count])
            size += count
    return {"size": size, "sha256": sha.hexdigest()}


def has_manifest(folder) -> bool:
    """Does a checkpoint have one?  Those written before there were manifests have none, and no recipe either."""
    return (Path(folder) / MANIFEST).exists() or (Path(folder) / "recipe.json").exists()


def read_manifest(folder) -> dict[str, dict]:
    """{name of a file: {"size", "sha256"}}.  Raises OSError, or ValueError where it is not what was written."""
    path = Path(folder) / MANIFEST
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        for name, found in files.items():
            if os.path.basename(name) != name or name in ("", ".", "..") or {*found} != {"size", "sha256"}:
                raise ValueError(f"{name!r} is no file of it")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{MANIFEST} is damaged: {error}") from error
    return files


def problems(folder, part: slice = slice(None), only: str | None = None) -> list[str]:
    """What is wrong with the files of a checkpoint, one line for each; [] where all are as they were written.

    part: look only at these of the files, in the order of their names: processes share the work; only: at this one.
    """
    try:
        files = read_manifest(folder)
        if only is not None:
            files = {only: files[only]}
    except (OSError, ValueError, KeyError) as error:
        return [_line(error)]
    found = []
    for name in sorted(files)[part]:
        try:
            now, then = describe(Path(folder) / name), files[name]
        except OSError as error:
            found.append(f"{name}: {_line(error)}")
            continue
        if now["size"] != then["size"]:
            found.append(f"{name} has {now['size']} bytes, was written with {then['size']}")
        elif now["sha256"] != then["sha256"]:
            found.append(f"{name} is not what was written (SHA-256 {now['sha256'][:12]}…, was {then['sha256'][:12]}…)")
    return found


def checkpoint_at(folder, step: int) -> Path:
    """Where the checkpoint of a step stands; `steps_in` reads the name again."""
    return Path(folder) / f"step_{step:08d}"


def steps_in(folder) -> list[int]:
    """The steps of all complete checkpoints in a folder, in order."""
    return _steps(folder, r"step_(\d+)")


def steps_set_aside(folder) -> list[int]:
    """The steps of those that were found damaged, in order."""
    return _steps(folder, r"damaged_step_(\d+)(?:_\d+)?")


def _steps(folder, pattern) -> list[int]:
    names = [re.fullmatch(pattern, p.name) for p in Path(folder).glob("*step_*")]
    return sorted(int(match[1]) for match in names if match)


def set_aside(path: Path) -> Path:
    """Give a damaged checkpoint another name, so that nobody takes it; nothing of it is deleted.  Its new path."""
    there, count = path.with_name(f"damaged_{path.name}"), 1
    while there.exists():
        count += 1
        there = path.with_name(f"damaged_{path.name}_{count}")
    os.replace(path, there)
    return there


def _line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{os.path.basename(str(error.filename or ''))}: {error.strerror}".removeprefix(": ")
    return str(error).splitlines()[0] if str(error) else type(error).__name__
