"""What a lesson links to and reads comes along; what does not come along is a link no longer.

Links are written for the repository, where lessons lie in `notebooks/` and everything else above.
"""

from __future__ import annotations

import os
import posixpath
import re

from .assignment import source_of

__all__ = ["needed_files", "relinked", "rerooted"]

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\s*<?([^)\s>]+)>?\s*\)")
ABSOLUTE = re.compile(r"[a-z][a-z+.-]*:|//|#", flags=re.IGNORECASE)
# Path("..", "docs", "runs")  and  Path("..") / "docs" / "runs" / "x.csv"
READ = re.compile(r'Path\("\.\."((?:, "[\w.-]+")*)\)((?: / "[\w.-]+")*)')


def needed_files(notebook: dict, root: str, folder: str) -> set[str]:
    """Files of the repository, as paths from `root`, that a notebook in `folder` links to or reads, but notebooks.

    With a Markdown file its pictures.  Raises ValueError for one that is not there.
    """
    found = set()
    for cell in notebook["cells"]:
        text = source_of(cell)
        if cell["cell_type"] == "markdown":
            found |= {path for path in _targets(text, folder) if not path.endswith(".ipynb")}
        elif cell["cell_type"] == "code":
            for match in READ.finditer(text):
                path = "/".join(re.findall(r'"([\w.-]+)"', match.group(1) + match.group(2)))
                found |= {path} if not os.path.isdir(os.path.join(root, path)) else _tables(root, path)
    for path in sorted(found):
        if not os.path.isfile(os.path.join(root, path)):
            raise ValueError(f"a lesson needs {path}, which is not in {root}")
        if path.endswith(".md"):
            with open(os.path.join(root, path), encoding="utf-8") as stream:
                shown = _targets(stream.read(), posixpath.dirname(path), pictures=True)
            found |= {picture for picture in shown if os.path.isfile(os.path.join(root, picture))}
    return found


def relinked(text: str, folder: str, here: str, places: dict[str, str]) -> str:
    """Markdown of `folder` in the repository, for a file in the folder `here` of what is handed out.

    places: path from the root -> where it lies in what is handed out.  Other links become their words.
    """

    def change(match):
        picture, words, target = match.groups()
        if ABSOLUTE.match(target):
            return match.group()
        name, hash_, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(folder, name))
        if path not in places:
            return words
        return f"{picture}[{words}]({posixpath.relpath(places[path], here or '.')}{hash_}{anchor})"

    return LINK.sub(change, text)


def rerooted(code: str, up: str) -> str:
    """Code that reads files from ".." reads them from `up`."""
    return READ.sub(lambda m: m.group().replace('Path(".."', f'Path("{up}"', 1), code)


def _targets(text: str, folder: str, pictures: bool = False) -> set[str]:
    found = [(mark, target.partition("#")[0]) for mark, _, target in LINK.findall(text) if not ABSOLUTE.match(target)]
    return {posixpath.normpath(posixpath.join(folder, name)) for mark, name in found if mark or not pictures}


def _tables(root: str, folder: str) -> set[str]:
    return {f"{folder}/{name}" for name in os.listdir(os.path.join(root, folder)) if name.endswith(".csv")}
