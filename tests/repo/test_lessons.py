"""A page shows what its reader can read: every source in a notebook, against what the notebook has explained.

For each cell with `show.source(x)` or `show.side_by_side(a)`, which shows the twin too, the *needed* names are

- the parameters of every function in the source, without `self`, and
- every name that the source takes from its module (functions, classes, constants), but not Python's builtins, nor
  libraries such as `np`.

A name is *explained* where it stands as a word in a cell above, in one of the next two texts below, or anywhere in a
notebook that "Before you start" asks for (and those that it asks for).  To stand there is the least one can ask;
whether the words explain it, only a reader can say.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))

SHOWS = ("show.source", "show.side_by_side")


@functools.cache
def cells(name: str) -> list:
    return nbformat.read(NOTEBOOKS / name, as_version=4).cells


def tree(cell) -> ast.Module:
    lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    return ast.parse("\n".join(lines))


def before_you_start(name: str) -> set[str]:
    """The notebooks that its first section asks for, by a link or by number, and those that they ask for."""
    (text,) = [c.source for c in cells(name) if c.source.startswith("## Before you start")]
    numbers = set(re.findall(r"\b(\d\d)(?:_\w+\.ipynb)?\b", text))
    asked = {other for other in NAMES if other[:2] in numbers and other < name}
    return asked.union(*(before_you_start(other) for other in asked))


@functools.cache
def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


def words_of(name: str) -> frozenset[str]:
    return words("\n".join(cell.source for cell in cells(name)))


# ---- what a source needs -------------------------------------------------------------------------------------------


def needed(obj) -> set[str]:
    """Parameters, and names taken from the module, of the source that `show.source(obj)` shows."""
    source = ast.parse(textwrap.dedent(inspect.getsource(obj)))
    parameters, bound, used = set(), set(), set()
    for node in ast.walk(source):
        if isinstance(node, ast.arg):
            node.annotation = None
            parameters.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
            if isinstance(node, ast.FunctionDef):
                node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    for node in ast.walk(source):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.alias):
            bound.add(node.asname or node.name)
    if isinstance(obj, ModuleType):
        return (used - bound - parameters - set(dir(builtins))) - set(vars(obj))
    around = vars(inspect.getmodule(obj))
    libraries = {name for name in used if isinstance(around.get(name), ModuleType) and not _is_ours(around[name])}
    return (parameters - {"self"}) | (used - bound - parameters - set(dir(builtins)) - libraries)


def _is_ours(module: ModuleType) -> bool:
    return module.__name__.split(".")[0] in ("vitedu", "vitedu_numpy")


def shown(name: str) -> list[tuple[int, str, object]]:
    """(number of the cell, expression, object) of everything that the notebook shows."""
    namespace, found = {}, []
    for number, cell in enumerate(cells(name)):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        for node in tree(cell).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                exec(compile(ast.Module([node], []), name, "exec"), namespace)
        for node in ast.walk(tree(cell)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in SHOWS:
                for argument in node.args:
                    expression = ast.unparse(argument)
                    obj = eval(expression, namespace)
                    found.append((number, expression, pkgutil.resolve_name(obj) if isinstance(obj, str) else obj))
                if ast.unparse(node.func) == "show.side_by_side" and len(node.args) == 1:
                    found.append((number, expression, twin(obj)))
    return found


def twin(obj):
    return pkgutil.resolve_name(f"{obj.__module__.replace('vitedu_numpy', 'vitedu', 1)}:{obj.__qualname__}")


def unexplained(name: str) -> dict[str, set[str]]:
    """ "cell 28: attention" -> the needed names that nobody explained"""
    earlier = frozenset().union(*(words_of(other) for other in before_you_start(name)))
    found = {}
    for number, expression, obj in shown(name):
        above = words("\n".join(cell.source for cell in cells(name)[:number]))
        texts = [cell.source for cell in cells(name)[number + 1 :] if cell.cell_type == "markdown"][:2]
        missing = needed(obj) - above - words("\n".join(texts)) - earlier - {expression}
        if missing:
            found[f"cell {number}: {expression}"] = missing
    return found


# ---- tests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_name_on_the_page_has_been_explained(name):
    assert unexplained(name) == {}


def test_the_pages_of_the_vit_are_shown():
    """Else the test above would hold for a notebook that shows nothing."""
    pages = {
        "03_attention.ipynb": ["attention", "attention_backward"], "04_heads.ipynb": ["MultiHeadAttention"],
        "05_block.ipynb": ["gelu", "vitedu_numpy.MLP", "vitedu_numpy.Block"],
        "06_encoder.ipynb": ["vitedu_numpy.Encoder"], "07_vit_numpy.ipynb": ["ViT.forward", "vitedu_numpy.fit"],
        "08_vit_torch.ipynb": ["vitedu.fit"],
    }  # fmt: skip
    for name, expressions in pages.items():
        assert {*expressions} <= {expression for _, expression, _ in shown(name)}, name


def test_what_a_source_needs():
    def layer(x, drop=None, *, record=None):
        hidden = [pytest.approx(v) for v in x]
        return words(hidden) if drop else NAMES

    assert needed(layer) == {"x", "drop", "record", "words", "NAMES"}
