"""Pages of the code, read from the files themselves: nothing is imported.

A page is a file of `vitedu` and its twin in `vitedu_numpy`: what both define is described once under two signatures,
what differs is described twice, and the sources stand below, side by side where there is room.
"""

from __future__ import annotations

import ast
import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import house

from .pages import MODULE, Site

__all__ = ["Described", "Module", "index", "page", "read", "room", "rst"]

NOTEBOOK = re.compile(r"(?:notebooks/)?(\d\d_\w+)\.ipynb")


@dataclass(frozen=True)
class Described:
    """Something that a file defines: its dotted name, signature and docstring; for a class its methods too."""

    kind: str  # "function", "class", "data", "method"
    name: str
    signature: str
    doc: str
    fields: tuple[tuple[str, str], ...] = ()  # of a dataclass: (name, what its comment says)
    members: tuple[Described, ...] = ()


@functools.cache
def read(root: Path, path: str) -> Module:
    """Once: pages and indexes ask for the same files."""
    return Module(root, path)


class Module:
    """A file of code, as its syntax tree says."""

    def __init__(self, root: Path, path: str):
        self.path = path
        self.text = (root / path).read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.doc = ast.get_docstring(self.tree) or ""
        self.name = house.dotted(house.ROOT / path)

    @property
    def is_numpy(self) -> bool:
        return self.path.startswith("vitedu_numpy/")

    def exported(self) -> list[str]:
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return [
                    n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                ]
        return [node.name for node in self.tree.body if hasattr(node, "name") and not node.name.startswith("_")]

    @functools.cached_property
    def described(self) -> list[Described]:
        """What it exports and defines, in the order of the file."""
        names, found = set(self.exported()), []
        for node in self.tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in names:
                found.append(self._function("function", node))
            elif isinstance(node, ast.ClassDef) and node.name in names:
                found.append(self._class(node))
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found += [
                    Described("data", target.id, "", "")
                    for target in targets
                    if isinstance(target, ast.Name) and target.id in names
                ]
        unique = {}
        for item in found:
            unique.setdefault(item.name, item)
        return list(unique.values())

    def _function(self, kind: str, node) -> Described:
        arguments = node.args
        if kind == "method" and not any(ast.unparse(d) == "staticmethod" for d in node.decorator_list):
            first = arguments.posonlyargs or arguments.args
            if first:
                del first[0]  # self
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return Described(kind, node.name, f"({ast.unparse(arguments)}){returns}", ast.get_docstring(node) or "")

    def _class(self, node: ast.ClassDef) -> Described:
        fields, members, signature = [], [], ""
        for inner in node.body:
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                method = self._function("method", inner)
                if inner.name == "__init__":
                    signature = method.signature.partition(" ->")[0]
                elif not inner.name.startswith("_"):
                    members.append(method)
            elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                fields.append((ast.unparse(inner), self._comment(inner)))
        if fields and not signature and any("dataclass" in ast.unparse(d) for d in node.decorator_list):
            signature = "(" + ", ".join(text for text, _ in fields if "ClassVar" not in text) + ")"
        doc = ast.get_docstring(node) or ""
        return Described("class", node.name, signature, doc, tuple(fields), tuple(members))

    def _comment(self, node) -> str:
        """What stands behind the line: "D" of `width: int  # D`"""
        rest = self.text.splitlines()[node.end_lineno - 1][node.end_col_offset :]
        return rest.partition("#")[2].strip()


# ---- docstrings as reStructuredText ----------------------------------------------------------------------------------


def escaped(text: str) -> str:
    text = re.sub(r"([\\*_|`<>])", r"\\\1", text)
    return re.sub(r" {3,}", "\u2003", text)  # a gap between an equation and its shapes


def inline(site: Site, here: str, text: str) -> str:
    """One line: `code` as code, notebooks and files that have a page as links."""
    parts = []
    for i, part in enumerate(re.split(r"`([^`\n]+)`", text)):
        if not i % 2:
            end, known = 0, {file.stem for file in site.notebooks}
            for match in NOTEBOOK.finditer(part):
                if match.group(1) in known:
                    parts.append(escaped(part[end : match.start()]))
                    parts.append(f":doc:`{match.group(1)} </notebooks/{match.group(1)}>`")
                    end = match.end()
            parts.append(escaped(part[end:]))
            continue
        page = code_page(site, here, part)
        code = part.strip()
        parts.append(f":doc:`{code} </{page}>`" if page else f"``{code}``")
    # Inline markup ends at a space or punctuation; "`h`s" needs a mark in between.
    joined = ""
    for part in parts:
        if joined and part and is_markup(joined, part):
            joined += "\\ "
        joined += part
    return joined


def is_markup(before: str, after: str) -> bool:
    """Would the two run into each other?"""
    if before.endswith("`") and not before.endswith("\\`"):
        return bool(re.match(r"[\w:`\\(\u0080-\uffff]", after))
    return after.startswith(("``", ":doc:`")) and bool(re.search(r"[\w`\u0080-\uffff\\=]$", before))


def code_page(site: Site, here: str, code: str) -> str | None:
    """The page of `attention_variants.py`, `layers/linear.py`, `vitedu/engine/train.py`, seen from `here`."""
    if not code.endswith(".py"):
        return None
    package = here.split("/")[0]
    for path in (code, f"{PurePosixPath(here).parent}/{code}", f"{package}/{code}"):
        path = os.path.normpath(path)
        if path in site.pages and path != here and MODULE.fullmatch(path):
            return site.pages[path].removesuffix(".rst")
    return None


def rst(site: Site, here: str, doc: str) -> list[str]:
    """A docstring, which is plain text, as lines of reStructuredText."""
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", doc.strip("\n")):
        given = block.splitlines()
        if all(line.startswith("  ") for line in given):
            lines += ["::", "", *(f"  {line}" for line in given), ""]
        elif any(line.startswith("  ") for line in given[1:]) and not given[0].startswith("- "):
            for line in given:  # lines that mean something
                indent = "\u2003" * ((len(line) - len(line.lstrip())) // 2)
                lines.append(f"| {indent}{inline(site, here, line.strip())}")
            lines.append("")
        elif given[0].startswith("- "):
            items = re.split(r"^- ", block, flags=re.MULTILINE)[1:]
            lines += [*(f"- {inline(site, here, ' '.join(item.split()))}" for item in items), ""]
        else:
            lines += [inline(site, here, re.sub(r"\s*\n\s*", " ", block.strip())) or "\\ ", ""]
    return lines


# ---- pages -----------------------------------------------------------------------------------------------------------


def indented(lines: list[str], by: int = 3) -> list[str]:
    return [" " * by + line if line else "" for line in lines]


def title(text: str, under: str = "=") -> list[str]:
    return [text, under * max(4, len(text)), ""]


def described(site: Site, module: Module, item: Described, others: list[Module]) -> list[str]:
    """One directive; `others`: modules of the same page that say the very same under another signature."""
    names = [f"{m.name}.{s}" for m, s in [(module, item.name + item.signature), *others]]
    lines = [f".. py:{item.kind}:: {names[0]}"]
    lines += [" " * (len(lines[0]) - len(names[0])) + name for name in names[1:]]
    body = rst(site, module.path, item.doc) if item.doc else []
    if item.fields:
        body += [".. list-table::", "   :class: fields", "   :widths: auto", ""]
        for text, comment in item.fields:
            body += [f"   * - ``{text}``"]
            if any(comment for _, comment in item.fields):
                body += [f"     - {inline(site, module.path, comment)}".rstrip()]
        body += [""]
    for member in item.members:
        body += [f".. py:method:: {member.name}{member.signature}", "   :no-index:", ""]
        body += indented(rst(site, module.path, member.doc)) if member.doc else []
        body += [""]
    return [*lines, "", *indented(body), ""]


def page(site: Site, name: str, paths: list[str]) -> str:
    """The page of a file, or of twins."""
    modules = sorted((read(site.root, path) for path in paths), key=lambda module: not module.is_numpy)
    lines = [f".. _code-{name.replace('/', '-')}:", ""]
    lines += title(name.removeprefix("root/") + ".py")
    for module in modules:
        lines += [f".. py:module:: {module.name}", ""]
    docs = [module.doc for module in modules]
    for module in modules[:1] if len(set(docs)) == 1 else modules:
        if len(set(docs)) > 1:
            lines += [f".. rubric:: {module.name}", ""]
        lines += rst(site, module.path, module.doc)
    lines += [f"*{standing(modules)}*", ""]
    lines += contents(site, modules)
    lines += [*title("Source", "-"), ".. container:: sources", ""]
    for module in modules:
        block = [".. code-block:: python", f"   :caption: {module.path}", "", *indented(module.text.splitlines()), ""]
        lines += indented([".. container:: source", "", *indented(block)])
    return "\n".join(lines) + "\n"


def standing(modules: list[Module]) -> str:
    if len(modules) == 2:
        return "Twins: NumPy, with the backward by hand, and PyTorch, where autograd has it."
    name = modules[0].name.removeprefix("vitedu_numpy.")
    if modules[0].is_numpy and name in house.STAND_ONCE:
        return "Stands once, for both packages."
    return "In vitedu_numpy alone." if modules[0].is_numpy else "In vitedu alone."


def contents(site: Site, modules: list[Module]) -> list[str]:
    """What the twins define, in the order of the NumPy file; what only PyTorch has comes last."""
    per_module = [{item.name: item for item in module.described} for module in modules]
    order = list(dict.fromkeys(name for items in per_module for name in items))
    if not order:
        return []
    lines = title("What it defines", "-")
    for name in order:
        there = [(module, items[name]) for module, items in zip(modules, per_module, strict=True) if name in items]
        (module, item), *rest = there
        same = [(m, i) for m, i in rest if (i.doc, i.fields, i.members) == (item.doc, item.fields, item.members)]
        others = [(m, i.name + i.signature) for m, i in same]
        if len(there) == 1 or same:
            lines += described(site, module, item, others)
        else:
            lines += [".. container:: twins", ""]
            for module, item in there:
                lines += indented([".. container:: twin", "", *indented(described(site, module, item, []))])
    return lines


def room(site: Site, name: str) -> str:
    """The page of a room: what its files are for."""
    pages = [page for page in site.code if page.rpartition("/")[0] == name]
    files = [page for page in pages if not page.endswith("/index")]
    lines = title("The root" if name == "root" else f"{name}/")
    for path in [path for page in pages if page.endswith("/index") for path in site.code[page]]:
        module = read(site.root, path)
        lines += [f".. py:module:: {module.name}", "", f".. rubric:: {module.name}", ""]
        lines += rst(site, path, module.doc)
    lines += [".. list-table::", "   :class: files", "   :widths: auto", ""]
    for page in files:
        module = read(site.root, site.code[page][-1])
        first = module.doc.split("\n\n")[0].replace("\n", " ")
        sentence = re.split(r"(?<=[.:])\s{2,}|  Taught in ", first)[0]
        where = " and ".join("NumPy" if path.startswith("vitedu_numpy/") else "PyTorch" for path in site.code[page])
        kind = "once" if page.removeprefix("root/").replace("/", ".") in house.STAND_ONCE else where
        if len(site.code[page]) == 1 and not module.is_numpy:
            kind = ""
        lines += [
            f"   * - :doc:`{page.rpartition('/')[2]} </api/{page}>`",
            f"     - {inline(site, module.path, sentence)}",
            f"     - {kind}",
        ]
    deeper = sorted({page.rpartition("/")[0] for page in site.code if page.rpartition("/")[0].startswith(f"{name}/")})
    toc = [*(f"/api/{page}" for page in files), *(f"/api/{folder}/index" for folder in deeper)]
    return "\n".join([*lines, "", ".. toctree::", "   :hidden:", "", *indented(toc), ""])


def index(site: Site) -> str:
    """Rooms by floor, as CONTRIBUTING.md draws them."""
    lines = [".. _code:", "", *title("The code, room by room")]
    lines += [
        "A file of ``vitedu_numpy`` and its twin in ``vitedu`` share a page: what both define is described once, under",
        "both names, and their sources stand beside each other. What has no forward, backward or tensor stands once.",
        "All names in one list: :ref:`by function and class <genindex>`.",
        "",
        ".. toctree::",
        "   :maxdepth: 1",
        "",
    ]
    return "\n".join([*lines, *indented([f"/api/{name}/index" for name in rooms(site)]), ""])


def rooms(site: Site) -> list[str]:
    """In the order of the floors, the ground first."""
    found = {page.split("/")[0] for page in site.code if "/" in page}
    order = [room.partition(".")[2] or "root" for room in house.FLOOR]
    return sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))
