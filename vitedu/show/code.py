"""Show the package's own source in a notebook, one piece or the twins side by side."""

from __future__ import annotations

import ast
import inspect
from importlib.resources import files

from vitedu_numpy.extras import naming_extras

from .missing import do_without

__all__ = ["side_by_side", "source", "style"]


_FONT = (
    "font-family:var(--jp-code-font-family,monospace);font-size:11.5px;line-height:1.4;white-space:pre;overflow-x:auto"
)


@naming_extras()
def source(obj) -> None:
    """Show the source of a function, class or module, with its place in the package.

    obj may be a name, "vitedu.layers.attention.attention_weights": then it is read from its file, and PyTorch, which
    it imports, need not be there.
    """
    from IPython.display import HTML, display

    display(HTML(f"<pre style='{_FONT}'>{_highlighted(obj)}</pre>"))


@naming_extras()
def side_by_side(left, right=None) -> None:
    """Show two sources in two columns: the NumPy one and its PyTorch twin.

    Without `right`, the twin is what has the same name in `vitedu`; it is read from its file, and not imported.
    """
    from IPython.display import HTML, display

    if right is None and not hasattr(left, "__qualname__"):
        raise TypeError(f"left is a {type(left).__name__}; expected a function or class of vitedu_numpy, or give right")
    right = f"vitedu.{left.__module__.partition('.')[2]}.{left.__qualname__}" if right is None else right
    columns = "".join(f"<pre style='{_FONT};flex:1;min-width:0'>{_highlighted(x)}</pre>" for x in (left, right))
    display(HTML(f"<div style='display:flex;gap:1.5em'>{columns}</div>"))


def _highlighted(obj) -> str:
    """The source as HTML with colours of its own, so that it looks the same in JupyterLab and exported."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(_text(obj), PythonLexer(), HtmlFormatter(nowrap=True, noclasses=True))


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
def style(format: str = "png") -> None:
    """Figures for notebooks: small files, readable labels.  And cells that need PyTorch do without where it is not.

    format: "png"; "jpeg", small where photographs are drawn; or "svg": sharp at any size, its words are text, and
    drawn twice it is the same file.
    """
    import matplotlib.pyplot as plt
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    options = {"png": {}, "svg": {"metadata": {"Date": None}}, "jpeg": {"pil_kwargs": {"quality": 80}}}
    if format not in options:
        raise ValueError(f"format={format!r} is not allowed; format must be 'png', 'svg' or 'jpeg'")
    set_matplotlib_formats(format, **options[format])
    # One family, since every word of an SVG repeats the list.
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "vitedu", "font.sans-serif": ["DejaVu Sans"]})

    plt.rcParams.update({
        "figure.dpi": 80, "savefig.dpi": 80, "figure.figsize": (6, 3), "figure.constrained_layout.use": True,
        "axes.spines.top": False, "axes.spines.right": False, "image.cmap": "viridis", "font.size": 10,
    })  # fmt: skip
    do_without()
