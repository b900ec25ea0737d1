"""Show the package's own source in a notebook, one piece or the twins side by side."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
import textwrap
from html import escape
from importlib.resources import files

from vitedu_numpy.extras import naming_extras
from vitedu_numpy.validate import is_integer, require

from .pictures import LIMIT, draw_sharply

__all__ = ["rendered", "side_by_side", "source", "style"]


@naming_extras()
def source(obj) -> None:
    """Show the source of a function, class or module, with its place in the package.

    obj may be a name, "vitedu.layers.attention.attention_weights": then it is read from its file, and PyTorch, which
    it imports, need not be there.
    """
    from IPython.display import HTML, display

    display(HTML(rendered(_text(obj))))


@naming_extras()
def side_by_side(left, right=None) -> None:
    """Show two sources, the NumPy one and its PyTorch twin: beside each other where they fit, else one below the other.

    A bar marks the lines that differ; a docstring that both have stands once.  Without `right`, the twin is what has
    the same name in `vitedu`; it is read from its file, and not imported.
    """
    from IPython.display import HTML, display

    if right is None and not hasattr(left, "__qualname__"):
        raise TypeError(f"left is a {type(left).__name__}; expected a function or class of vitedu_numpy, or give right")
    right = f"vitedu.{left.__module__.partition('.')[2]}.{left.__qualname__}" if right is None else right
    display(HTML(rendered(_text(left), _text(right))))


# ---- as HTML ---------------------------------------------------------------------------------------------------------

# Colours of middle brightness, mixed with the colour of the text around them: on a light ground that makes them darker,
# on a dark one lighter, whatever the theme and its name.  tests/browser measures them: 4.5 : 1 and more.  Names of
# classes as in Pygments.
INKS = {
    "k": "#0a8f45", "nf": "#1a73d0", "nb": "#8a6500", "nd": "#b04fd0", "s": "#d0453a", "c": "#55807f", "m": "#7d5bc8",
}  # fmt: skip
STYLE = (
    ".vsrc{container-type:inline-size;font:12px/1.4 var(--jp-code-font-family,monospace)}"
    ".vsrc div{display:grid;grid-template-columns:minmax(0,1fr);gap:1em}"
    ".vsrc pre{margin:0;padding:0;border:0;background:none;font:inherit;white-space:pre;overflow-x:auto}"
    ".vsrc .vrow{display:block;padding-left:.5em;border-left:3px solid transparent}"
    ".vsrc .other{border-color:#c9641a;background:color-mix(in srgb,currentcolor 5%,transparent)}"
    + "".join(f".vsrc .{name}{{color:color-mix(in srgb,{ink} 60%,currentcolor)}}" for name, ink in INKS.items())
    + ".vsrc .k{font-weight:bold}.vsrc :is(.c,.once){font-style:italic}.vsrc small{font-size:11px}"
)
# Where there is room for both: two columns, whose rows are as high as the higher of the two parts; long lines break.
BESIDE = (
    "@container (min-width:%(width)dch){.vsrc .fit%(width)d{grid-template-columns:var(--cols);gap:0 3ch}.vsrc "
    ".fit%(width)d pre{display:grid;grid-template:subgrid/minmax(0,1fr);overflow:visible;"
    "grid-row:1/span var(--rows)}.fit%(width)d .once{visibility:hidden}.fit%(width)d .long{display:block;"
    "white-space:pre-wrap;padding-left:var(--in);text-indent:calc(-1*var(--in))}}"
)
LONG = 68  # letters that a line has in a column
ONCE = "As in the twin."


def rendered(*texts: str, link=None) -> str:
    """One source, or twins, as HTML that is readable on light and dark ground; each begins with its file as a comment.

    link: for pages that have more of it, a function from that first line to the address of its file, or None.
    """
    inner = _alone(*texts, link) if len(texts) == 1 else _twins(*texts, link)
    return f'<div class="vsrc"><style>{STYLE}</style>{inner}</div>'


def _alone(text: str, link) -> str:
    return _block(text, "\n".join(_lines(text, link)))


def _twins(left: str, right: str, link) -> str:
    rows, marked = _rows(left, right)
    blocks, longest = ["", ""], [0, 0, 0]
    for side, text in enumerate((left, right)):
        given, lines = text.splitlines(), _lines(text, link)
        for kind, *parts in rows:
            numbers, name = parts[side], "vrow"
            length = max((len(given[n]) for n in numbers), default=0)
            if kind == "once" and side == 1:
                indent = re.match(" *", given[numbers[0]])[0]
                name, body = "vrow once", f'{indent}<span class="s">"""{ONCE}"""</span>\n'
            elif kind == "once":  # may reach over both columns
                longest[2] = max(longest[2], length)
                body = "".join(f"{lines[n]}\n" for n in numbers)
            else:
                longest[side] = max(longest[side], min(LONG, length))
                name += " other" * (kind == "other" and marked and bool(numbers))
                body = "".join(_breaking(lines[n]) if len(given[n]) > LONG else f"{lines[n]}\n" for n in numbers)
            blocks[side] += f'<span class="{name}">{body}</span>'
    width = max(sum(longest[:2]), longest[2]) + 8  # letters: the gap, and what the bars take
    columns = " ".join(f"minmax(0,{n + 2}fr)" for n in longest[:2])
    note = "<small>A bar marks lines that differ.</small>" * marked
    return (
        f"<style>{BESIDE % {'width': width}}</style>"
        f'<div class="fit{width}" style="--cols:{columns};--rows:{len(rows)}">'
        f"{_block(left, blocks[0])}{_block(right, blocks[1])}</div>{note}"
    )


def _block(text: str, body: str) -> str:
    """What scrolls can be reached by the keyboard, and has a name."""
    label = escape(f"Source of {_first(text).lstrip('# ')}")
    return f'<pre tabindex="0" role="group" aria-label="{label}">{body}</pre>'


def _first(text: str) -> str:
    return text.partition("\n")[0]


def _breaking(line: str) -> str:
    """A line that may break; what then comes below is indented further."""
    indent = len(line) - len(line.lstrip(" "))
    return f'<span class="long" style="--in:{indent + 8}ch">{line}\n</span>'


def _lines(text: str, link) -> list[str]:
    """The source's lines as HTML; a docstring has its colour on each."""
    from pygments.lexers import PythonLexer

    lines = [""]
    for token, value in PythonLexer(stripnl=False).get_tokens(text):
        name = _ink(token)
        for i, part in enumerate(value.split("\n")):
            if i:
                lines.append("")
            if part:
                lines[-1] += f'<span class="{name}">{escape(part, quote=False)}</span>' if name else escape(part, False)
    address = link and link(_first(text))
    if address:
        lines[0] = f'<a href="{escape(address)}">{escape(_first(text))}</a>'
    return lines[: len(text.splitlines())]


def _ink(token) -> str | None:
    """The class of a token; most have none, operators among them, and stay as dark as text is."""
    from pygments.token import Comment, Keyword, Name, Number, Operator, String

    kinds = {
        Keyword: "k", Operator.Word: "k", Name.Builtin.Pseudo: None, Name.Builtin: "nb", Name.Function.Magic: "nf",
        Name.Function: "nf", Name.Class: "nf", Name.Decorator: "nd", String: "s", Comment: "c", Number: "m",
    }  # fmt: skip
    return next((name for kind, name in kinds.items() if token in kind), None)


def _rows(left: str, right: str) -> tuple[list, bool]:
    """(kind, numbers of lines on the left, on the right), from top to bottom; and whether it is worth marking.

    Kinds: "same", "other", and "once" for a docstring that both have.  Where not a line is the same, nothing is marked.
    """
    units = _units(left, right)
    keys = [[key for key, _ in side] for side in units]
    rows, shared = [], False
    for kind, *ends in difflib.SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        parts = [units[0][ends[0] : ends[1]], units[1][ends[2] : ends[3]]]
        if kind != "equal":
            rows.append(("other", *([n for _, numbers in part for n in numbers] for part in parts)))
            continue
        for (key, numbers), (_, others) in zip(*parts, strict=True):
            shared = shared or (key[0] == "line" and bool(key[1].strip()))
            if key[0] == "line" and rows and rows[-1][0] == "same" and rows[-1][3] == "line":
                rows[-1][1].extend(numbers)
                rows[-1][2].extend(others)
            else:
                rows.append(("once" if key[0] == "doc" else "same", list(numbers), list(others), key[0]))
    return [row[:3] for row in rows], shared and any(row[0] == "other" for row in rows)


def _units(*texts: str) -> list[list[tuple]]:
    """What is compared: (key, numbers of its lines), line by line, and a docstring that both have as one."""
    docs = [_docstrings(text) for text in texts]
    both = {name for name in docs[0] if name in docs[1] and docs[1][name][2] in (docs[0][name][2], ONCE)}
    found = []
    for text, named in zip(texts, docs, strict=True):
        starts = {named[name][0]: (name, range(named[name][0], named[name][1] + 1)) for name in both}
        units, taken = [(("file",), [0])], 0
        for n, line in enumerate(text.splitlines()):
            if n in starts:
                name, numbers = starts[n]
                units.append((("doc", name), list(numbers)))
                taken = numbers[-1]
            elif n > taken:
                units.append((("line", line), [n]))
        found.append(units)
    return found


def _docstrings(text: str) -> dict[str, tuple[int, int, str]]:
    """dotted name inside of `text` -> its docstring's first and last line, and the words"""
    found = {}

    def look(node, name):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            words = ast.get_docstring(node)
            if words is not None:
                found[name] = (node.body[0].lineno, node.body[0].end_lineno, words)  # the file's name is line 0
            for inner in node.body:
                look(inner, f"{name}.{getattr(inner, 'name', '')}")

    look(ast.parse(textwrap.dedent(text.partition("\n")[2])), "")
    return found


# ---- as text ---------------------------------------------------------------------------------------------------------


def _text(obj) -> str:
    if isinstance(obj, str):
        return _text_by_name(obj)
    module = inspect.getmodule(obj)
    if not (inspect.isroutine(obj) or inspect.isclass(obj) or inspect.ismodule(obj)) or inspect.isbuiltin(obj):
        raise TypeError(f"obj is a {type(obj).__name__}; expected a function, a class, a module or the name of one")
    return f"# {module.__name__.replace('.', '/')}.py\n{inspect.getsource(obj)}"


def _text_by_name(name: str) -> str:
    """What `_text` gives for the object of this name, from the file alone."""
    package, *parts = name.split(".")
    for depth in range(len(parts), 0, -1):
        file = files(package).joinpath(*parts[: depth - 1], f"{parts[depth - 1]}.py")
        if file.is_file():
            break
    else:
        raise ValueError(f"{name!r} is not allowed; a name must be that of a module, function or class of the package")
    source = file.read_text(encoding="utf-8")
    node, lines = ast.parse(source), source.splitlines(keepends=True)
    for part in parts[depth:]:
        node = next((n for n in node.body if getattr(n, "name", None) == part), None)
        if node is None:
            raise ValueError(f"{name!r} is not allowed; {file.name} has no {part!r}")
    if parts[depth:]:
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        lines = lines[first - 1 : node.end_lineno]
    return f"# {'/'.join([package, *parts[:depth]])}.py\n{''.join(lines)}"


@naming_extras()
def style(format: str = "png", limit: int = LIMIT) -> None:
    """Figures for notebooks: sharp, small, readable labels.  How cells run is not its business (`missing`).

    format: "png", of twice the pixels in few colours; "jpeg", small where photographs are drawn; or "svg": sharp at any
    size, its words are text, and drawn twice it is the same file.
    limit: bytes of a "png", for a page of many figures: one that would take more is drawn with fewer pixels.
    """
    import matplotlib.pyplot as plt
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    options = {"png": {}, "svg": {"metadata": {"Date": None}}, "jpeg": {"pil_kwargs": {"quality": 80}}}
    if format not in options:
        raise ValueError(f"format={format!r} is not allowed; format must be 'png', 'svg' or 'jpeg'")
    require(is_integer(limit, 0), "limit", limit, "a number of bytes, 0 or more")
    if format == "png":
        draw_sharply(limit)
    else:
        set_matplotlib_formats(format, **options[format])
    # One family, since every word of an SVG repeats the list.
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "vitedu", "font.sans-serif": ["DejaVu Sans"]})

    plt.rcParams.update({
        "figure.dpi": 80, "savefig.dpi": 80, "figure.figsize": (6, 3), "figure.constrained_layout.use": True,
        "axes.spines.top": False, "axes.spines.right": False, "image.cmap": "viridis", "font.size": 10,
    })  # fmt: skip
