"""Show the package's own source in a notebook, one piece or the twins side by side."""

from __future__ import annotations

import inspect

from vitedu_numpy.extras import naming_extras

__all__ = ["side_by_side", "source", "style"]


_FONT = (
    "font-family:var(--jp-code-font-family,monospace);font-size:11.5px;line-height:1.4;white-space:pre;overflow-x:auto"
)


@naming_extras()
def source(obj) -> None:
    """Show the source of a function, class or module, with its place in the package."""
    from IPython.display import HTML, display

    display(HTML(f"<pre style='{_FONT}'>{_highlighted(obj)}</pre>"))


@naming_extras()
def side_by_side(left, right) -> None:
    """Show two sources in two columns: the NumPy one and its PyTorch twin."""
    from IPython.display import HTML, display

    columns = "".join(f"<pre style='{_FONT};flex:1;min-width:0'>{_highlighted(x)}</pre>" for x in (left, right))
    display(HTML(f"<div style='display:flex;gap:1.5em'>{columns}</div>"))


def _highlighted(obj) -> str:
    """The source as HTML with colours of its own, so that it looks the same in JupyterLab and exported."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(_text(obj), PythonLexer(), HtmlFormatter(nowrap=True, noclasses=True))


def _text(obj) -> str:
    module = inspect.getmodule(obj)
    return f"# {module.__name__.replace('.', '/')}.py\n{inspect.getsource(obj)}"


@naming_extras()
def style() -> None:
    """Figures for notebooks: small files, readable labels."""
    import matplotlib.pyplot as plt

    plt.rcParams.update({
        "figure.dpi": 80, "savefig.dpi": 80, "figure.figsize": (6, 3), "figure.constrained_layout.use": True,
        "axes.spines.top": False, "axes.spines.right": False, "image.cmap": "viridis", "font.size": 10,
    })  # fmt: skip
