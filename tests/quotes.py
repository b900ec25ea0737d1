"""Messages that a page quotes: do they stand in the code?"""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@functools.cache
def texts_of_the_code() -> list[str]:
    """All strings of both packages; what is filled in is written as an ellipsis."""
    found = []
    for path in (path for package in ("vitedu", "vitedu_numpy") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(v.value if isinstance(v, ast.Constant) else "…" for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def stands_in_the_code(message: str) -> bool:
    """Do the pieces between its ellipses follow each other in one string?"""
    pieces = [piece.strip() for piece in message.split("…") if piece.strip(" :;,")]
    pattern = re.compile(".*".join(re.escape(piece) for piece in pieces), flags=re.DOTALL)
    return bool(pieces) and any(pattern.search(text) for text in texts_of_the_code())
