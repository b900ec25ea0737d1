"""Patterns in Python's own syntax: a single capital stands for any expression, everything else for itself.

`match(pattern("X / np.sqrt(Y)"), node)` gives what X and Y are in `node`, or None; `fill` writes them into another one.
"""

from __future__ import annotations

import ast
from functools import cache

__all__ = ["fill", "match", "pattern", "replaced", "source"]


@cache
def pattern(text: str) -> ast.expr:
    """The expression that `text` spells."""
    return ast.parse(text, mode="eval").body


def _is_free(node) -> bool:
    return isinstance(node, ast.Name) and len(node.id) == 1 and node.id.isupper()


def match(wanted, node, found=None) -> dict[str, ast.expr] | None:
    """Capital -> expression, so that `wanted` becomes `node`; None where there is none."""
    found = {} if found is None else found
    if _is_free(wanted):
        if wanted.id in found:
            return found if source(found[wanted.id]) == source(node) else None
        if not isinstance(node, ast.expr):
            return None
        found[wanted.id] = node
        return found
    if type(wanted) is not type(node):
        return None
    for name, value in ast.iter_fields(wanted):
        if name in ("ctx", "kind", "type_comment"):
            continue
        other = getattr(node, name)
        if isinstance(value, ast.AST):
            if match(value, other, found) is None:
                return None
        elif isinstance(value, list):
            if len(value) != len(other):
                return None
            for v, o in zip(value, other, strict=True):
                if (match(v, o, found) is None) if isinstance(v, ast.AST) else v != o:
                    return None
        elif value != other or type(value) is not type(other):
            return None
    return found


def fill(wanted, found: dict[str, ast.expr]):
    """`wanted` with its capitals replaced by what was found for them."""
    if _is_free(wanted) and wanted.id in found:
        return found[wanted.id]
    return _rebuilt(wanted, lambda child: fill(child, found))


def replaced(root, old, new):
    """A copy of `root` in which the node `old` itself, not its like, is `new`."""
    return new if root is old else _rebuilt(root, lambda child: replaced(child, old, new))


def _rebuilt(node, change):
    if not isinstance(node, ast.AST):
        return node
    fields, is_new = {}, False
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            fields[name] = change(value)
            is_new |= fields[name] is not value
        elif isinstance(value, list):
            fields[name] = [change(v) if isinstance(v, ast.AST) else v for v in value]
            is_new |= any(a is not b for a, b in zip(fields[name], value, strict=True))
        else:
            fields[name] = value
    return ast.copy_location(type(node)(**fields), node) if is_new else node  # the parts that stay are the same nodes


def source(node) -> str:
    """As Python writes it."""
    return ast.unparse(node)
