"""The stub of an exercise with its solution inside, between two lines that mark it: what graders call a source.

def my_softmax(x):                            def my_softmax(x):
    raise NotImplementedError          ->         ### BEGIN SOLUTION
                                                  numerators = ...
                                                  ### END SOLUTION
"""

from __future__ import annotations

import ast

from .assignment import source_of

__all__ = ["answered", "pieces", "solution_sources"]


def answered(stub: str, solutions: list[str], begin: str, end: str) -> str:
    """The source of `stub` with bodies from the sources of solution cells.  Raises ValueError where one has none.

    my_NAME takes the body of solved_NAME; begin, end: lines, without their indentation, around it.
    """
    found = {}
    for source in solutions:
        tree, lines = ast.parse(source), source.splitlines()
        for i, node in enumerate(tree.body):
            if isinstance(node, ast.FunctionDef):
                stop = tree.body[i + 1].lineno - 1 if i + 1 < len(tree.body) else len(lines)
                found[node.name] = (node, lines, stop)
    lines = stub.splitlines()
    for node in reversed(ast.parse(stub).body):  # from below, so that line numbers stay
        if isinstance(node, ast.FunctionDef):
            name = node.name.replace("my_", "solved_", 1)
            if name not in found:
                raise ValueError(f"{node.name} has no solution: no cell defines {name}")
            body = _body(node, *found[name])
            lines[node.body[0].lineno - 1 : node.end_lineno] = [f"    {begin}", *body, f"    {end}"]
    return "\n".join(lines)


def pieces(stub: str, functions: list[str]) -> list[str]:
    """A stub of several functions, cut into one source for each; what is neither function nor check goes first."""
    tree, lines = ast.parse(stub), stub.splitlines()
    parts = {name: [] for name in functions}
    for i, node in enumerate(tree.body):
        stop = tree.body[i + 1].lineno - 1 if i + 1 < len(tree.body) else len(lines)
        text = "\n".join(lines[node.lineno - 1 : stop]).rstrip()
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        is_call = isinstance(node, ast.Expr)
        owner = node.name if isinstance(node, ast.FunctionDef) else next((f for f in functions if f in names), None)
        parts[owner if is_call or owner in parts else functions[0]].append(text)
    return ["\n\n\n".join(part) for part in parts.values()]


def _body(stub, solved, lines, stop) -> list[str]:
    """The lines of a solution's body, comments included, or the whole function where its arguments differ."""
    if ast.unparse(stub.args) == ast.unparse(solved.args):
        first = solved.body[0].lineno - 1
        while lines[first - 1].lstrip().startswith("#"):
            first -= 1
        body = lines[first:stop]
    else:
        arguments = ", ".join(a.arg for a in stub.args.args)
        inner = [f"    {line}" if line.strip() else line for line in lines[solved.lineno - 1 : stop]]
        while not inner[-1].strip():
            inner.pop()
        body = [*inner, "", f"    return {solved.name}({arguments})"]
    while not body[-1].strip():
        body = body[:-1]
    return body


def solution_sources(notebook: dict, indices) -> list[str]:
    return [source_of(notebook["cells"][i]) for i in indices]
