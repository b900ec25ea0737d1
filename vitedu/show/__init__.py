"""Pictures and sources for notebooks: `show.source(attention)`, `show.side_by_side(...)`, `show.style()`; `figures`."""

from .code import side_by_side, source, style

__all__ = ["side_by_side", "source", "style"]
