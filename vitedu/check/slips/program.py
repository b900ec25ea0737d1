"""A right answer as a list of lines, each of which can be exchanged; what the trailing comments call their values.

A reference is plain NumPy without changes in place, so the values before every line can be kept, and a wrong answer is
computed from its first changed line on.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import io
import textwrap
import tokenize
from dataclasses import dataclass

from . import steps

__all__ = ["Line", "Program", "compiled"]

STEPS = {name: getattr(steps, name) for name in steps.__all__}


@dataclass(frozen=True)
class Line:
    """One statement: its tree, its code, the variable that it makes, and what its comment calls that."""

    node: ast.stmt
    code: object
    target: str
    words: str


def compiled(node: ast.stmt):
    """The code of one statement."""
    module = ast.Module([node], [])
    try:
        return compile(module, "<slip>", "exec")
    except TypeError:  # a rule made a node, which stands nowhere yet
        return compile(ast.fix_missing_locations(module), "<slip>", "exec")


class Program:
    """The lines of a function.  `return X` is read as `result = X`.  Raises ValueError for a loop without an end."""

    def __init__(self, function):
        self.function = function
        self.parameters = inspect.signature(function).parameters
        self.arguments = list(self.parameters)
        text = textwrap.dedent(inspect.getsource(function))
        comments = {
            token.start[0]: token.string.lstrip("# ").strip()
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT and not token.string.startswith("# fmt")
        }
        tree = ast.parse(text).body[0]
        body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
        for name in (n for node in body for n in ast.walk(node) if isinstance(n, ast.Name)):
            step = function.__globals__.get(name.id)  # imported under another name, where an exercise has this one
            if callable(step) and getattr(steps, getattr(step, "__name__", ""), None) is step:
                name.id = step.__name__
        self.lines = []
        for node in body:
            if any(isinstance(inner, ast.While) for inner in ast.walk(node)):
                raise ValueError(f"{function.__name__} has a `while`; a slip in it might never end")
            words = comments.get(node.end_lineno, comments.get(node.lineno, ""))
            if isinstance(node, ast.Return):
                node = ast.copy_location(ast.Assign([ast.Name("result", ast.Store())], node.value), node)
            self.lines.append(Line(node, compiled(node), _target(node), words))
        read = {n.id for line in self.lines for n in ast.walk(line.node) if isinstance(n, ast.Name)}
        self.read = read | set(self.arguments)
        made = {n.id for line in self.lines for n in ast.walk(line.node) if isinstance(n, ast.Name)}
        self.known = made | set(self.arguments) | set(STEPS) | set(function.__globals__) | set(dir(builtins))
        self.unpacked = [names for names in map(_unpacked, self.lines) if names]

    def start(self, args) -> dict:
        """The variables before the first line."""
        scope = inspect.getclosurevars(self.function)
        free = {**self.function.__globals__, **scope.nonlocals}
        env = {**{name: free[name] for name in self.read if name in free}, **STEPS}
        env.update(zip(self.arguments, args, strict=False))
        for name, parameter in self.parameters.items():
            if name not in env or (
                parameter.default is not parameter.empty and self.arguments.index(name) >= len(args)
            ):
                env[name] = parameter.default
        return env

    def run(self, changes: dict, env: dict, first: int = 0, keep: list | None = None):
        """Result of the lines from `first` on, `changes` (line number -> code) in their place; or the error they raise.

        keep: a list that receives the variables before every line.
        """
        env = dict(env)
        try:
            for i in range(first, len(self.lines)):
                if keep is not None:
                    keep.append(dict(env))
                exec(changes.get(i, self.lines[i].code), env)
        except Exception as error:  # a slip may fail in any way that a student's answer may
            return error
        return env["result"]

    def has(self, targets) -> bool:
        """Whether it makes all these variables."""
        return set(targets) <= {line.target for line in self.lines}

    def line_of(self, target: str) -> int:
        """The number of the line that makes `target`."""
        numbers = [i for i, line in enumerate(self.lines) if line.target == target]
        if len(numbers) != 1:
            names = ", ".join(line.target for line in self.lines)
            raise ValueError(f"{self.function.__name__}: {target!r} is made in {len(numbers)} lines; there are {names}")
        return numbers[0]


def _unpacked(line) -> tuple[str, ...]:
    """The letters of `B, T, D = x.shape`."""
    node = line.node
    if (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Attribute)
    ):
        if node.value.attr == "shape":
            return tuple(n.id for n in node.targets[0].elts if isinstance(n, ast.Name))
    return ()


def _target(node) -> str:
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0])
    if isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        return ast.unparse(node.target)
    stored = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return stored[-1] if stored else ""
