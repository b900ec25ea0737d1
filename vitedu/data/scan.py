"""What lies in a folder: files that are taken, and a count of what is not.  Taught in notebooks/14_pretraining.ipynb.

A scan that silently takes half of the files trains on half of them.  So endings that are not read, hidden folders and
links that lead nowhere are counted, and said in one line of the log.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter

__all__ = ["ENDINGS", "LeftOut", "ending", "entries", "is_folder", "is_hidden", "is_image", "missing_shards", "walk"]

# Of the formats in decode.py; of a sample with several in a tar file the first is taken.
ENDINGS = (
    ".jpg", ".jpeg", ".png", ".webp", ".jpe", ".jfif", ".avif", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".tif", ".tiff",
    ".gif",
)  # fmt: skip

_log = logging.getLogger(__name__)


def is_hidden(name: str) -> bool:
    """What editors, file servers and archives leave behind: .ipynb_checkpoints, @eaDir, __MACOSX, ._1.jpg."""
    return name.startswith((".", "@", "__"))


def is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def ending(name: str) -> str:
    """ "a.TAR" -> ".tar"; "a" -> "no ending"."""
    return os.path.splitext(name)[1].lower() or "no ending"


class LeftOut:
    """How many of what a scan did not take."""

    def __init__(self):
        self.counts: Counter[str] = Counter()

    def add(self, what: str, count: int = 1) -> None:
        if count:
            self.counts[what] += count

    def file(self, name: str) -> None:
        """A file that is not taken, by its ending."""
        self.add("hidden files" if name.startswith(".") else f"files ({ending(name)})")

    def __str__(self):
        """ "files (.heic): 3, hidden folders: 1", the most frequent first."""
        shown = ", ".join(f"{what}: {count}" for what, count in self.counts.most_common(8))
        return shown + (" ..." if len(self.counts) > 8 else "")

    def say(self, where: str) -> None:
        """One line in the log, where there is anything to say."""
        if self.counts:
            _log.warning("%s: left out: %s", where, self)


def missing_shards(files) -> list[str]:
    """The names of files that are not there, by the count in those of the others: train-00000-of-00002.parquet."""
    sets = {}
    for file in files:
        match = re.fullmatch(r"(.*\D|)(\d+)-of-(\d+)(.*)", os.path.basename(str(file).partition("?")[0]))
        if match and int(match[3]) <= 10**6:
            sets.setdefault((match[1], len(match[2]), match[3], match[4]), set()).add(int(match[2]))
    found = []
    for (front, digits, total, end), numbers in sets.items():
        first = 1 if int(total) in numbers else 0  # some count from 1
        rest = sorted({*range(first, int(total) + first)} - numbers)
        found += [f"{front}{number:0{digits}}-of-{total}{end}" for number in rest]
    return found


def walk(folders, root: str, left_out: LeftOut):
    """Of several folders, one after the other: (which of them, a path below `root`, the names of its files), sorted.

    Hidden folders are not looked into.  Folders come before links to folders, and no folder comes twice, by whatever
    way it is reached; a link to `root`, or to a folder around it, is not followed.
    """
    taken, links, around = set(), [], _around(root)
    stack = []
    for which, path in enumerate(folders):
        (links if os.path.islink(path) else stack).append((which, path))
    stack.reverse()
    while stack or links:
        which, path = stack.pop() if stack else links.pop(0)
        identity = _identity(path)
        if identity in around:
            left_out.add("links to a folder around them")
            continue
        if identity in taken:
            left_out.add("links to a folder that was taken already")
            continue
        taken.add(identity)
        inside, names = [], []
        for entry in entries(path):
            if is_folder(entry):
                if is_hidden(entry.name):
                    left_out.add("hidden folders")
                else:
                    (links if entry.is_symlink() else inside).append((which, entry.path))
            elif entry.is_symlink() and not os.path.exists(entry.path):
                left_out.add("links that lead nowhere")
            else:
                names.append(entry.name)
        stack += reversed(inside)
        yield which, os.path.relpath(path, root), names


def entries(path) -> list[os.DirEntry]:
    """What a folder holds, sorted by name."""
    with os.scandir(path) as found:
        return sorted(found, key=lambda entry: entry.name)


def is_folder(entry: os.DirEntry) -> bool:
    """A folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(path) -> tuple[int, int]:
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino


def _around(path) -> set:
    """The folder itself, and all that it lies in."""
    path, found = os.path.realpath(path), set()
    while True:
        found.add(_identity(path))
        if os.path.dirname(path) == path:
            return found
        path = os.path.dirname(path)
