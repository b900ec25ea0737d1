"""Notebooks 00 to 07 without PyTorch, as in a browser: marked cells say that they are skipped, all others run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from vitedu.show.missing import MARK, SENTENCE

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("0[0-7]_*.ipynb"))
# Trains for some seconds, as nbval does anyway; that no cell of it loads PyTorch is seen from its imports.
LONG = "07_vit_numpy.ipynb"


def code_cells(name: str) -> list:
    return [cell for cell in nbformat.read(NOTEBOOKS / name, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", NAMES)
def test_the_tag_and_the_line_go_together(name):
    for cell in code_cells(name):
        assert ("pytorch" in cell.metadata.get("tags", [])) == cell.source.startswith(f"{MARK}\n"), cell.id


# All in one process, each with names of its own; a cell that fails ends its notebook, not the others.
RUN = """
import json, sys
import nbformat

for name in ("torch", "sklearn"):  # scikit-learn is not in the browser either
    sys.modules[name] = None
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

shell, found = InteractiveShell.instance(), {}
for path in sys.argv[1:]:
    shell.reset()
    printed, failed = [], None
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            with capture_output() as captured:
                result = shell.run_cell(cell.source)
            printed.append(captured.stdout)
            if not result.success:
                failed = f"{cell.id}: {result.error_before_exec or result.error_in_exec!r}"
                break
    found[path] = [failed, "".join(printed)]
print(json.dumps(found))
"""


def test_they_run_without_pytorch_and_scikit_learn():
    paths = {name: str(NOTEBOOKS / name) for name in NAMES if name != LONG}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *paths.values()], capture_output=True, text=True, timeout=600,
        env=os.environ | {"MPLBACKEND": "agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert {name: found[path][0] for name, path in paths.items()} == dict.fromkeys(paths)
    for name, path in paths.items():
        marked = sum(cell.source.startswith(MARK) for cell in code_cells(name))
        assert found[path][1].count(SENTENCE) == marked > 0, name


def test_the_long_one_needs_neither():
    sources = "\n".join(cell.source for cell in code_cells(LONG))
    assert "vitedu_numpy" in sources
    for word in ("torch", "sklearn", "import vitedu\n", "vitedu.ViT"):
        assert word not in sources
