"""A submission's code cut into statements, and of these the ones that answers need, by the names in them.

A notebook also trains and draws.  For a mark only those statements run that an answer depends on; so marking takes
seconds, and a slow or broken cell elsewhere costs nobody a mark.  Source is read here, never executed.
"""

from __future__ import annotations

import ast
import re
import symtable
from dataclasses import dataclass, field

__all__ = ["Part", "Statement", "asked", "cut", "defined", "is_hidden", "needed", "registered"]


@dataclass(frozen=True)
class Statement:
    """One statement of a part: where it stands, and its text.

    makes: names that it binds or writes into; anew: it binds them whatever was there; reads: names that it needs at
    once; later: names that its functions need when they are called.
    """

    label: str
    source: str
    node: ast.stmt = field(repr=False)
    makes: frozenset
    anew: bool
    reads: frozenset
    later: frozenset


@dataclass
class Part:
    """One notebook or file: its statements, and what of it could not be read."""

    name: str
    statements: list = field(default_factory=list)
    problems: list = field(default_factory=list)


def cut(label: str, source: str) -> list[Statement]:
    """The statements of a cell.  Raises what `ast.parse` does."""
    lines, found, body = re.findall("[^\n]*\n|[^\n]+", source), [], ast.parse(source).body
    for node, after in zip(body, (*body[1:], None)[: len(body)], strict=True):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        text = "".join(lines[first - 1 : node.end_lineno])
        if node.col_offset or (after is not None and after.lineno == node.end_lineno):  # several in one line
            text = ast.unparse(node)
        found.append(Statement(f"{label}, line {node.lineno}", text, node, *_names(node, text)))
    return found


def _names(node, text):
    """makes, anew, reads, later of a statement."""
    table = symtable.symtable(text, "cell", "exec")
    makes = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    reads = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    anew = isinstance(node, (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))
    later, inner = set(), list(table.get_children())
    while inner:
        table = inner.pop()
        later |= {s.get_name() for s in table.get_symbols() if s.is_global()}  # `global n; n += 1` reads, too
        inner += table.get_children()
    for target in ast.walk(node):
        if isinstance(target, (ast.Attribute, ast.Subscript)) and isinstance(target.ctx, (ast.Store, ast.Del)):
            name = _base(target)  # values[0] = ...
            anew, makes = anew and name is None, makes | {name}
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        makes.add(_base(node.value.func))  # values.append(...)
    return frozenset(makes - {None}), anew, frozenset(reads), frozenset(later)


def _base(node):
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


# ---- what is needed --------------------------------------------------------------------------------------------------


def registered(part: Part, known) -> dict[str, ast.expr]:
    """Exercise -> the expression of its answer, of the last call `check.NAME(answer)`; or `def my_NAME`."""
    found: dict = {}
    checks = _Checks(part, known)
    for statement in part.statements:
        node = statement.node
        for name, function in _defined(statement, known).items():
            found.setdefault(name, ast.Name(function, ast.Load()))
        for name, call in checks.called(node):
            if call.args:
                found[name] = call.args[0]
    return found


def asked(part: Part, known) -> set[str]:
    """The checks, of those that are known, that a part calls."""
    checks = _Checks(part, known)
    return {name for statement in part.statements for name, _ in checks.called(statement.node)}


class _Checks:
    """Calls of checks, by whatever name the part imports them."""

    def __init__(self, part: Part, known):
        self.known, self.modules, self.direct = known, {"check", "vitedu.check"}, {}
        for statement in part.statements:
            node = statement.node
            if isinstance(node, ast.Import):
                self.modules |= {a.asname for a in node.names if a.name == "vitedu.check" and a.asname}
            elif isinstance(node, ast.ImportFrom) and node.module == "vitedu":
                self.modules |= {a.asname for a in node.names if a.name == "check" and a.asname}
            elif isinstance(node, ast.ImportFrom) and node.module == "vitedu.check":
                self.direct |= {a.asname or a.name: a.name for a in node.names}

    def called(self, node) -> list[tuple[str, ast.Call]]:
        """(NAME, call) of every `check.NAME(...)` and `check.NAME.verdict(...)` inside a statement."""
        found = []
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                target = call.func
                if isinstance(target, ast.Attribute) and target.attr == "verdict":
                    target = target.value
                name = self.direct.get(target.id) if isinstance(target, ast.Name) else None
                if isinstance(target, ast.Attribute) and _dots(target.value) in self.modules:
                    name = target.attr
                if name in self.known:
                    found.append((name, call))
        return found


def _dots(node) -> str | None:
    """`vitedu.check` as text; None for what is more than names and dots."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def is_hidden(part: Part) -> bool:
    """Whether names may be made and read in ways that their statements do not show."""
    ways = {"globals", "locals", "vars", "exec", "eval", "setattr", "getattr"}
    return any(ways & (statement.reads | statement.later) for statement in part.statements)


def needed(part: Part, known, checks_last: bool = False) -> list[tuple[str, str]]:
    """(label, source) of the statements that the answers depend on, in their order.

    checks_last: the checks run after everything else, as by somebody who comes back to a cell when all others have run.
    """
    statements = part.statements
    modules = {n for s in statements if isinstance(s.node, (ast.Import, ast.ImportFrom)) for n in s.makes}
    chosen = {i for i, s in enumerate(statements) if isinstance(s.node, ast.ImportFrom) and "*" in _imported(s.node)}
    asked: set[tuple[str, int]] = set()
    open_questions = []

    def choose(i, when):
        """Statement i is needed by what runs as number `when`: so are those that make what it reads."""
        chosen.add(i)
        runs = when if checks_last and i in calling else i
        for name in statements[i].reads | statements[i].later:
            open_questions.append((name, runs))
        for name in statements[i].later:
            open_questions.append((name, when))

    end, checks, calling = len(statements), _Checks(part, known), set()
    for i, statement in enumerate(statements):
        if checks.called(statement.node):
            calling.add(i)
            choose(i, end if checks_last else i)
        elif _defined(statement, known):
            choose(i, end)
    while open_questions:
        name, when = open_questions.pop()
        if (name, when) in asked:
            continue
        asked.add((name, when))
        for i in range(when - 1, -1, -1):
            statement = statements[i]
            if name in statement.makes and not (isinstance(statement.node, ast.Expr) and name in modules):
                choose(i, when)
                if statement.anew:
                    break
    order = sorted(chosen, key=lambda i: (checks_last and i in calling, i))
    return [(statements[i].label, statements[i].source) for i in order]


def defined(part: Part, known) -> dict[str, str]:
    """Exercise -> the name under which the part makes its answer, my_NAME or NAME, whether a check is called or not."""
    found: dict[str, str] = {}
    for statement in part.statements:
        for name, function in _defined(statement, known).items():
            if function != name or name not in found:
                found[name] = function
    return found


def _defined(statement: Statement, known) -> dict[str, str]:
    """NAME -> my_NAME of what a statement makes, by `def`, by `=` or by import; NAME itself by `def` alone."""
    found = {n[3:]: n for n in statement.makes if n.startswith("my_") and n[3:] in known}
    node = statement.node
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in known:
        found.setdefault(node.name, node.name)
    return found


def _imported(node) -> list[str]:
    return [alias.name for alias in node.names]
