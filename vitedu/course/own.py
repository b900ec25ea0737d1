"""Is an answer the package's own function: handed over, wrapped, or copied?  Read from the source, not executed.

A student's process also reports which of the package's functions the answer called; it may lie, and is believed only
where it accuses.  Whoever hides well is not found, and a short function may come out like ours by itself: the name is
for the instructor to look at.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from pathlib import Path

from vitedu_numpy import config

from .. import check

__all__ = ["own_use", "unusual"]

PACKAGES = ("vitedu", "vitedu_numpy")
LEAST = 60  # nodes of a function that is compared: shorter ones are alike by themselves
UNUSUAL = {
    "__builtins__", "__import__", "builtins", "compile", "ctypes", "eval", "exec", "gc", "getattr", "globals",
    "importlib", "inspect", "open", "os", "pickle", "signal", "socket", "subprocess", "sys", "threading",
}  # fmt: skip
# What a wrapper is made of: names, parts of results, and calls.
_THIN = (
    ast.arguments, ast.arg, ast.Assign, ast.Attribute, ast.Call, ast.Constant, ast.expr_context, ast.FunctionDef,
    ast.Expr, ast.keyword, ast.Lambda, ast.List, ast.Name, ast.Return, ast.Slice, ast.Starred, ast.Subscript, ast.Tuple,
    ast.Import, ast.ImportFrom, ast.alias,
)  # fmt: skip


def own_use(part, name: str, expression, used=()) -> str | None:
    """What of the package stands for the answer, in words; None where it is the student's own.

    expression: what was handed to the check; used: what the answer called in its process, as dotted names.
    """
    reached = _reached(part, expression)
    imported = _imported(part, reached)
    for node in reached:
        for dotted in _dotted_names(node, imported):
            if dotted.startswith("vitedu.check"):
                return f"reads `{dotted}`, where the right answers are"
            if dotted.rpartition(".")[2] == name:
                return f"uses the package's own `{dotted}`"
        if isinstance(node, (ast.FunctionDef, ast.Lambda)) and (dotted := _wrapped(node, imported)):
            return f"is a wrapper around the package's `{dotted}`"
    if expression is not None and (dotted := _dotted(expression, imported)):
        return f"is the package's `{dotted}`"
    for dotted in sorted(used):
        if dotted.rpartition(".")[2] == name:
            return f"called the package's own `{dotted}`"
    for node in reached:
        if isinstance(node, ast.FunctionDef) and (where := _copied(node, name)):
            return f"has the same steps as {where}, names aside"
    return None


def unusual(part, expression) -> list[str]:
    """Names in the answer that no exercise needs: for the instructor to look at."""
    found = {n.id for node in _reached(part, expression) for n in ast.walk(node) if isinstance(n, ast.Name)}
    return sorted(found & UNUSUAL)


def _reached(part, expression) -> list[ast.AST]:
    """The answer's expression and the functions, classes and assignments that it comes to by name."""
    if expression is None:
        return []
    makers: dict[str, list] = {}
    for statement in part.statements:
        if not isinstance(statement.node, (ast.Import, ast.ImportFrom, ast.Expr)):
            for made in statement.makes:
                makers.setdefault(made, []).append(statement)
    found, seen = [expression], set()
    names = {n.id for n in ast.walk(expression) if isinstance(n, ast.Name)}
    while names - seen:
        name = (names - seen).pop()
        seen.add(name)
        for statement in makers.get(name, ()):
            found.append(statement.node)
            names |= statement.reads | statement.later
    return list(dict.fromkeys(found))


def _imported(part, reached) -> dict[str, str]:
    """Name -> what it is, dotted, of everything that is imported from the package."""
    found = {}
    for node in [s.node for s in part.statements] + [n for r in reached for n in ast.walk(r)]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                room = alias.name.partition(".")[0]
                if room in PACKAGES:
                    found[alias.asname or room] = alias.name if alias.asname else room
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _dotted(node, imported) -> str | None:
    """The package's thing that an expression names; None if it is none of the package's."""
    tail: list[str] = []
    while isinstance(node, ast.Attribute):
        tail.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in imported:
        return ".".join([imported[node.id], *tail])
    return None


def _dotted_names(root, imported):
    """Of every name and attribute inside, the longest."""
    inner = {id(n.value) for n in ast.walk(root) if isinstance(n, ast.Attribute)}
    for node in ast.walk(root):
        if isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in inner:
            dotted = _dotted(node, imported)
            if dotted:
                yield dotted


def _wrapped(function, imported) -> str | None:
    """The package's function that an answer calls, if it does nothing else; two put together are somebody's work."""
    called = None
    for node in ast.walk(function):
        if not isinstance(node, _THIN):
            return None
        if isinstance(node, ast.Call):
            dotted = _dotted(node.func, imported)
            if dotted is None or called is not None:
                return None
            called = dotted
    return called


# ---- copies ----------------------------------------------------------------------------------------------------------


class _Renamed(ast.NodeTransformer):
    """Arguments and local names by the order in which they come; no docstring, no annotation."""

    def __init__(self, local):
        self.local, self.order = local, {}

    def _number(self, name):
        return f"v{self.order.setdefault(name, len(self.order))}" if name in self.local else name

    def visit_Name(self, node):
        return ast.Name(self._number(node.id), node.ctx)

    def visit_arg(self, node):
        return ast.arg(self._number(node.arg))


def _steps(function: ast.FunctionDef) -> str | None:
    """A function's steps as text; None for a short one."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    if sum(1 for statement in body for _ in ast.walk(statement)) < LEAST:
        return None
    local = {n.arg for n in ast.walk(function.args) if isinstance(n, ast.arg)}
    local |= {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    renamed = _Renamed(local)
    copied = ast.parse(ast.unparse(ast.Module([function], []))).body[0]  # the original stays as it is
    renamed.visit(copied.args)
    body = copied.body[1:] if ast.get_docstring(copied) else copied.body
    return "\n".join(ast.dump(renamed.visit(statement)) for statement in body)


@cache
def _package_steps() -> dict[str, str]:
    found = {}
    root = Path(config.__file__).parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (steps := _steps(node)):
                found.setdefault(steps, f"`{node.name}` of {path.relative_to(root.parent).as_posix()}")
    return found


@cache
def _reference_steps(name) -> str | None:
    try:
        source = textwrap.dedent(inspect.getsource(check.CHECKS[name].reference))
        node = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    return _steps(node) if isinstance(node, ast.FunctionDef) else None


def _copied(function, name) -> str | None:
    steps = _steps(function)
    if steps is None:
        return None
    if steps == _reference_steps(name):
        return "the right answer inside `vitedu.check`"
    return _package_steps().get(steps)
