"""Draw docs/reply.svg, the picture in the README: an answer with a mistake, and what the check says.

    python docs/draw_reply.py

The reply is not written here: the check is asked.  tests/repo/test_front.py holds the stored picture to it.
"""

from __future__ import annotations

import contextlib
import io
import keyword
import re
import textwrap
from html import escape
from pathlib import Path

PICTURE = Path(__file__).with_name("reply.svg")
ANSWER = '''\
def my_attention(q, k, v):
    """q, k, v: (B, h, T, Dh)"""
    scores = q @ k.swapaxes(-1, -2)
    A = np.exp(scores)
    A = A / A.sum(axis=-2, keepdims=True)
    return A @ v'''
CALL = "check.attention(my_attention)"
WIDTH, LINE, LEFT, WRAP, CHARACTER = 880, 23, 28, 90, 9  # pixels, but WRAP: characters
FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
PAPER, INK, WORD, STRING, REPLY, RULE = "#ffffff", "#1f2430", "#7a2e8e", "#2f6b2f", "#8a3b00", "#d0d4dc"


def reply() -> list[str]:
    """What the check prints, wrapped to the picture's width."""
    import numpy as np

    from vitedu import check

    namespace = {"np": np, "check": check}
    exec(ANSWER, namespace)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(CALL, namespace)
    lines = []
    for line in printed.getvalue().rstrip().splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        lines += textwrap.wrap(line, WRAP, initial_indent=indent, subsequent_indent=indent + "  ")
    return lines


def text(line: str, y: int, colour: str) -> str:
    """A line as SVG text: its indentation is a distance, words of the language and docstrings stand out."""

    def change(match):
        word = match.group()
        return f'<tspan fill="{WORD}">{word}</tspan>' if keyword.iskeyword(word) else word

    inner = line.lstrip()
    shown = escape(inner, quote=False)
    if colour == INK:
        colour, shown = (STRING, shown) if inner.startswith('"""') else (INK, re.sub(r"\b[a-z]+\b", change, shown))
    return f'<text x="{LEFT + CHARACTER * (len(line) - len(inner))}" y="{y}" fill="{colour}">{shown}</text>'


def picture() -> str:
    """The SVG: the answer, the call, a rule, the reply."""
    code, said = [*ANSWER.splitlines(), "", CALL], reply()
    rule = 30 + LINE * len(code)
    height = rule + LINE * (len(said) + 1)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        ' role="img" aria-labelledby="title">',
        '<title id="title">An answer with two mistakes, the axis and the scale, and the reply that names both</title>',
        f'<rect x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="10" fill="{PAPER}" stroke="{RULE}"/>',
        f'<line x1="{LEFT}" y1="{rule}" x2="{WIDTH - LEFT}" y2="{rule}" stroke="{RULE}"/>',
        f'<g style="font-family:{FONT};font-size:15px">',
        *(text(line, 34 + LINE * n, INK) for n, line in enumerate(code) if line),
        *(text(line, rule + LINE * (n + 1) + 6, REPLY) for n, line in enumerate(said)),
        "</g>\n</svg>\n",
    ])  # fmt: skip


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
