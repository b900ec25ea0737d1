"""All slips of a right answer: every kind at every step, every rule at every node, each also at all its places."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from . import pattern as _p
from .kinds import KINDS
from .program import Program, compiled
from .rules import RESULT_RULES, RULES, Place
from .words import listed

__all__ = ["Slip", "own_slip", "slips_of"]

LONGEST = 48  # characters of an expression that is quoted in a name


@dataclass(frozen=True)
class Slip:
    """One way to go wrong: lines of the right answer exchanged for wrong ones.

    name: what was done, without the right line; where: what the changed lines make; hint and smaller: two rungs of the
    ladder; weight: how unlikely it is; edits: (line number, node, what is written instead), or a whole line for None.
    """

    name: str
    hint: str
    smaller: str
    where: str
    weight: float
    edits: tuple = field(repr=False)
    program: Program = field(repr=False)

    @cached_property
    def changes(self) -> dict:
        """Line number -> code."""
        lines: dict = {}
        for number, old, new in self.edits:
            statement = lines.get(number, self.program.lines[number].node)
            lines[number] = new if old is None else _p.replaced(statement, old, new)
        return {number: compiled(statement) for number, statement in lines.items()}

    @property
    def first(self) -> int:
        """The number of the first changed line."""
        return min(number for number, _, _ in self.edits)

    @property
    def sentence(self) -> str:
        """The name, with the place in front of it."""
        return f"in {self.where}, {self.name}" if self.where else self.name

    def answer(self, *args):
        """The wrong function itself, as a student would have written it.  Raises what the wrong lines raise."""
        with np.errstate(all="ignore"):  # some overflow on purpose
            made = self.program.run(self.changes, self.program.start(args))
        if isinstance(made, Exception):
            raise made
        return made


def own_slip(program, name, hint, smaller, weight, lines: dict[str, str]) -> Slip:
    """A slip that no rule makes: variable -> what is written instead.  Raises ValueError for an unknown name."""
    edits = []
    for target, text in lines.items():
        number = program.line_of(target)
        statement = ast.parse(f"{target} = {text}").body[0]
        names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
        unknown = {n for n in names - program.known if not any(_makes(inner, n) for inner in ast.walk(statement))}
        if unknown:
            raise ValueError(f"{program.function.__name__}, slip {name!r}: nothing is called {', '.join(unknown)}")
        program.read |= names
        edits.append((number, None, ast.copy_location(statement, program.lines[number].node)))
    return Slip(name, hint, smaller, "", weight, tuple(edits), program)


def _makes(node, name) -> bool:
    """Whether a comprehension or a lambda inside the statement brings the name."""
    return (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)) or (
        isinstance(node, ast.arg) and node.arg == name
    )


def slips_of(program: Program, env: list[dict], axes: dict, outputs) -> list[Slip]:
    """What kinds and rules make of every line.  env: the variables before every line, for one case."""
    found: list[Slip] = []
    words = {line.target: line.words for line in program.lines if line.words}
    own = list(program.arguments)
    for number, line in enumerate(program.lines):
        is_last = number == len(program.lines) - 1
        for node in _nodes(line.node):
            is_result = is_last and isinstance(line.node, ast.Assign) and node is line.node.value
            place = Place(env[number], own, line, axes, is_result, outputs)
            place.line_words, place.unpacked, place.arguments = words, program.unpacked, program.arguments
            rules = (*RULES, *RESULT_RULES) if is_result else RULES
            for rule in rules:
                for new, name, hint, weight in rule(node, place):
                    where = "" if rule in RESULT_RULES else line.words
                    found.append(Slip(name, hint, "", where, weight, ((number, node, new),), program))
            if isinstance(node, ast.expr):
                found += _of_kinds(node, number, line, program)
        own += [n.id for n in ast.walk(line.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        own = list(dict.fromkeys(own))
    return [*found, *_everywhere(found, program)]


def _of_kinds(node, number, line, program):
    for kind in KINDS:
        bound = _p.match(kind.step, node)
        if bound is None:
            continue
        quoted = {capital: _short(_p.source(tree)) for capital, tree in bound.items()}
        for text, name, weight in kind.slips:
            new = _p.fill(text, bound)
            named = name.format(**quoted) if "{" in name else name
            yield Slip(named, kind.hint, kind.smaller, line.words, weight, ((number, node, new),), program)


def _everywhere(found, program):
    """People repeat a mistake: the same slip at all its places, and at all its places in one line."""
    places: dict[tuple, list[Slip]] = {}
    for slip in found:
        places.setdefault((slip.name,), []).append(slip)
        places.setdefault((slip.name, slip.edits[0][0]), []).append(slip)
    made = set()
    for (name, *_), slips in places.items():
        nodes = frozenset(id(s.edits[0][1]) for s in slips)
        if not 1 < len(nodes) == len(slips) <= 6 or (name, nodes) in made:
            continue
        made.add((name, nodes))
        lines = list(dict.fromkeys(s.where for s in slips if s.where))
        edits = tuple(edit for s in slips for edit in s.edits)
        weight = max(s.weight for s in slips) + 0.15
        yield Slip(name, slips[0].hint, slips[0].smaller, listed(lines) if lines else "", weight, edits, program)


def _short(text):
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _nodes(statement):
    """The statement and every expression in it that may be written otherwise."""
    yield statement
    stack = list(ast.iter_child_nodes(statement))
    if isinstance(statement, ast.Assign):
        stack = [statement.value]
    while stack:
        node = stack.pop(0)
        if isinstance(node, ast.keyword):
            if node.arg not in ("axis", "keepdims", "ddof", "mode", "dtype"):
                stack.append(node.value)
            continue
        if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store):
            yield node
            if _is_size_of(node):
                continue  # of the array only its sizes are read
        elif isinstance(node, ast.AugAssign):
            yield node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SETTLED:
            stack.append(node.func.value)  # the numbers of axes and sizes have rules of their own
            if node.func.attr == "reshape":
                stack += node.args
            continue
        stack += list(ast.iter_child_nodes(node))


def _is_size_of(node) -> bool:
    """x.shape, x.size, len(x)"""
    if isinstance(node, ast.Attribute):
        return node.attr in ("shape", "size", "ndim")
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"


_SETTLED = ("transpose", "swapaxes", "reshape", "sum", "mean", "max", "min", "var", "std")
