"""Notebooks where something is missing: no PyTorch, or no threads.

A browser has neither, and `pip install .` alone brings no PyTorch.  A cell that needs it begins with the line
`# needs PyTorch` (and carries the tag `pytorch`); where it is not, the cell prints a sentence instead of an error, and
all others run.  `import vitedu.show` sees to it, in a notebook and where something is missing; nothing else is changed.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["MARK", "SENTENCE", "do_without"]

MARK = "# needs PyTorch"
SENTENCE = (
    "Skipped: this cell needs PyTorch, which is not installed here (no browser has it).  On your own machine, "
    "`make lab` runs it.  The cells that do not begin with this line need NumPy alone."
)


def do_without() -> None:
    """From now on this notebook's cells do without what is missing; where nothing is, nothing changes.

    PyTorch that is installed later on is used from then on.
    """
    if sys.platform == "emscripten" and find_spec("tqdm"):
        from tqdm import tqdm

        tqdm.monitor_interval = 0  # its watching thread: a browser starts none, and tqdm would warn of it
    shell = this_shell()
    if shell is not None and not _has_torch() and _sentence not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(_sentence)


def _sentence(lines: list[str]) -> list[str]:
    """A cell's lines  ->  the lines to run instead."""
    skipped = lines and lines[0].strip() == MARK and not _has_torch()
    return [f"print({SENTENCE!r})\n"] if skipped else lines


def this_shell():
    """The IPython that runs this notebook; None in a plain Python."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _has_torch() -> bool:
    try:
        return find_spec("torch") is not None
    except (ImportError, ValueError):  # it is blocked
        return False
