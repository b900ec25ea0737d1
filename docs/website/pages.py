"""What becomes a page of the site, and where a repository path leads there.

`Site` knows every page: the notebooks, the Markdown files, a page for each file of code (`api.py`), the indexes
(`indexes.py`), and a page for each other file that one of these links to.  Links are written for the repository; here
they are turned to the pages of the same things.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

import house

ROOT = Path(__file__).resolve().parents[2]

__all__ = ["INDEX", "ROOT", "Site", "fenced", "outside_code"]

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?^ {0,3}\1[`~]*[ \t]*$", flags=re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", flags=re.DOTALL)
LINK = re.compile(r"(\]\(\s*<?)([^)\s>]+)")
LINK_WORDS = re.compile(r"\[([^\]]*)\]\(")
ABSOLUTE = re.compile(r"[a-z][a-z+.-]*:|//|#")
MODULE = re.compile(r"(?:vitedu|vitedu_numpy)/[\w/]+\.py")
PICTURES = {".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"}
# The indexes as a page of the repository; the site's own pages say the same (way.py).
INDEX = "docs/index-of-the-course.md"
# Folders at the root in which nothing is a page: what git ignores.
NOT_READ = {"build", "dist", "node_modules", "public", "runs", "work"}


def fenced(text: str) -> list[tuple[bool, str]]:
    """(is it a fenced block of code?, text), piece by piece."""
    pieces, end = [], 0
    for match in FENCE.finditer(text):
        pieces += [(False, text[end : match.start()]), (True, match.group())]
        end = match.end()
    return [*pieces, (False, text[end:])]


def outside_code(text: str, change, change_span) -> str:
    """`text` with `change` made outside of code, and `change_span(code, whole)` to spans of code outside of links."""

    def plain(part: str) -> str:
        spans = []  # put aside first: the text of a link may hold one

        def aside(match):
            spans.append(match)
            return f"\0{len(spans) - 1}\0"

        part = SPAN.sub(aside, part)
        in_links = {n for words in LINK_WORDS.findall(part) for n in re.findall("\0(\\d+)\0", words)}

        def back(match):
            n, span = match.group(1), spans[int(match.group(1))]
            return span.group() if n in in_links else change_span(span.group(2), span.group())

        return re.sub("\0(\\d+)\0", back, change(part))

    return "".join(part if is_code else plain(part) for is_code, part in fenced(text))


class Site:
    """root: the repository; only: numbers of notebooks ("03"): these, and the code that they teach, instead of all.

    lite: the folder that `make lite` built, or None; it becomes the folder browser/ of the site, and notebooks that it
    has link to it.
    """

    def __init__(self, root: Path = ROOT, only: list[str] | None = None, lite: Path | None = None):
        self.root, self.only, self.lite = root, only, lite
        notebooks = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
        self.notebooks = [file for file in notebooks if only is None or file.name[:2] in only]
        self.markdown = self._markdown()
        self.code = self._code()
        self.files: dict[str, str] = {}  # other files that something links to: repository path -> source of its page
        self.pages = {self.path(file): self.path(file) for file in [*self.notebooks, *self.markdown]}
        self.pages |= {"README.md": "index.md"}
        self.pages |= {path: f"api/{name}.rst" for name, paths in self.code.items() for path in paths}

    def path(self, file: Path) -> str:
        return file.relative_to(self.root).as_posix()

    def _markdown(self) -> list[Path]:
        found = []
        for folder, folders, names in os.walk(self.root):
            ignored = NOT_READ if Path(folder) == self.root else set()
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in ignored)
            found += [Path(folder) / name for name in sorted(names) if name.endswith(".md")]
        return [file for file in found if self.path(file) != INDEX]

    def _code(self) -> dict[str, list[str]]:
        """name of a page -> its files; twins share one: layers/attention -> vitedu_numpy/..., vitedu/..."""
        found: dict[str, list[str]] = {}
        for file in [file for package in ("vitedu_numpy", "vitedu") for file in house.python_files(package)]:
            _, *inner = file.relative_to(house.ROOT).with_suffix("").parts
            inner = inner if len(inner) > 1 else ["root", *inner]
            name = "/".join(inner).replace("__init__", "index")
            found.setdefault(name, []).append(file.relative_to(house.ROOT).as_posix())
        if self.only is None:
            return found
        prose = "\n".join(file.read_text(encoding="utf-8") for file in self.notebooks)
        taught = {name for name, paths in found.items() if any(f"`{path}`" in prose for path in paths)}
        rooms = {f"{name.partition('/')[0]}/index" for name in taught}
        return {name: paths for name, paths in found.items() if name in taught | rooms}

    # ---- links -------------------------------------------------------------------------------------------------

    def source_of(self, path: str) -> str | None:
        """Where the page of a repository path is written; a file without one gets one.  None: no such file."""
        if path in self.pages:
            return self.pages[path]
        if path == INDEX:
            return "paper.md"
        file = self.root / path
        if file.is_dir():
            inside = next((p for p in (f"{path}/README.md", f"{path}/__init__.py") if p in self.pages), None)
            if inside:
                return self.pages[inside]
        elif not file.is_file():
            return None
        if self.only is not None:
            return "index.md"  # a small site has no other files
        self.files[path] = f"files/{path.replace('.ipynb', '_ipynb')}.md"  # .ipynb.md: two endings that Sphinx cuts off
        return self.files[path]

    def link(self, here: str, target: str) -> str:
        """`target` as it is written in the repository's file `here`, for the source of `here`'s page."""
        if ABSOLUTE.match(target):
            return target
        name, hash_, anchor = target.partition("#")
        path = os.path.normpath(PurePosixPath(here).parent / name)
        if PurePosixPath(path).suffix in PICTURES and (self.root / path).is_file():
            return os.path.relpath(path, PurePosixPath(self.pages[here]).parent)  # copied to the same place
        source = self.source_of(path)
        if source is None:
            raise ValueError(f"{here} links to {target}, which is not there")
        is_text = source.endswith(".md") and path.endswith(".md") and path in self.pages
        return os.path.relpath(source, PurePosixPath(self.pages[here]).parent) + (hash_ + anchor if is_text else "")

    def linked(self, here: str, text: str) -> str:
        """Markdown of the repository's file `here`, with links for the site; names of code files become links."""

        def change(part: str) -> str:
            return LINK.sub(lambda m: m.group(1) + self.link(here, m.group(2)), part)

        def change_span(code: str, whole: str) -> str:
            if not MODULE.fullmatch(code) or code not in self.pages:
                return whole
            return f"[{whole}]({os.path.relpath(self.pages[code], PurePosixPath(self.pages[here]).parent)})"

        return outside_code(text, change, change_span)

    def pictures(self) -> set[str]:
        """Pictures that Markdown files and notebooks show."""
        found = set()
        for file in [*self.markdown, *self.notebooks]:
            here = self.path(file)
            for match in LINK.finditer(file.read_text(encoding="utf-8")):
                path = os.path.normpath(PurePosixPath(here).parent / match.group(2))
                if PurePosixPath(path).suffix in PICTURES and (self.root / path).is_file():
                    found.add(path)
        return found
