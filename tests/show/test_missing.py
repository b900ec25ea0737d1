"""Where PyTorch is missing, the cells that need it say so, and all others run."""

from __future__ import annotations

import subprocess
import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell
from tqdm import tqdm

from vitedu import show
from vitedu.show import missing

CELL = f"{missing.MARK}\nimport torch\n\nvalue = torch.ones(3)\n"


@pytest.fixture
def shell(monkeypatch):
    """An IPython as a notebook has it."""
    shell = InteractiveShell()
    monkeypatch.setattr(missing, "this_shell", lambda: shell)
    return shell


def test_a_marked_cell_is_replaced_where_pytorch_is_missing(shell, monkeypatch):
    monkeypatch.setattr(missing, "_has_torch", lambda: False)
    missing.do_without()
    missing.do_without()  # once is enough
    assert shell.transform_cell(CELL) == f"print({missing.SENTENCE!r})\n"
    for other in ("import torch\n", f"x = 1\n{missing.MARK}\n", ""):  # the mark stands in the first line, or is none
        assert shell.transform_cell(other).strip() == other.strip()
    monkeypatch.setattr(missing, "_has_torch", lambda: True)  # installed in the meantime
    assert shell.transform_cell(CELL) == CELL


def test_nothing_changes_where_pytorch_is(shell):
    missing.do_without()
    assert shell.transform_cell(CELL) == CELL
    assert shell.input_transformers_cleanup == InteractiveShell().input_transformers_cleanup


def test_a_style_is_a_style_alone(shell, monkeypatch):
    """It says how figures look, and not how cells run."""
    monkeypatch.setattr(missing, "_has_torch", lambda: False)
    show.style()
    assert shell.transform_cell(CELL) == CELL


def test_in_a_browser_no_bar_starts_a_thread(monkeypatch):
    monkeypatch.setattr(tqdm, "monitor_interval", 10)
    missing.do_without()
    assert tqdm.monitor_interval == 10
    monkeypatch.setattr(sys, "platform", "emscripten")
    missing.do_without()
    assert tqdm.monitor_interval == 0


RUN = """
import sys
sys.modules["torch"] = None
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in ("from vitedu import show", {cell!r}, "print(1 + 1)"):
    shell.run_cell(cell).raise_error()
"""


def test_a_notebook_goes_on():
    done = subprocess.run([sys.executable, "-c", RUN.format(cell=CELL)], capture_output=True, text=True, timeout=600)
    assert done.stdout == f"{missing.SENTENCE}\n2\n", done.stderr
