"""tests/tidy_notebooks.py, which `make notebooks` runs: one form, everything that matters kept."""

from __future__ import annotations

import copy
import importlib.util
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "tidy_notebooks.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("tidy_notebooks", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def untidy():
    """A notebook as Jupyter might leave it."""
    code = nbformat.v4.new_code_cell("print(1)\nprint(2)\n3", id="nn-c01", execution_count=4)
    code.metadata = nbformat.from_dict({
        "tags": ["solution"],
        "jupyter": {"source_hidden": True},
        "scrolled": True,
        "execution": {"iopub.execute_input": "2026-01-01T00:00:00.000000Z"},
    })  # fmt: skip
    code.outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="1\n"),
        nbformat.v4.new_output("stream", name="stdout", text="2\n"),
        nbformat.v4.new_output("stream", name="stderr", text="careful\n"),
        nbformat.v4.new_output("stream", name="stdout", text="after\n"),
        nbformat.v4.new_output("execute_result", {"text/plain": "3"}, execution_count=9, metadata={"isolated": True}),
    ]
    prose = nbformat.v4.new_markdown_cell("# Title", id="nn-m01", metadata={"editable": True})
    metadata = {
        "kernelspec": {"display_name": "my env", "language": "python", "name": "my-env"},
        "language_info": {"name": "python", "version": "3.11.7", "codemirror_mode": {"name": "ipython", "version": 3}},
        "widgets": {"application/vnd.jupyter.widget-state+json": {}},
    }
    return nbformat.v4.new_notebook(cells=[prose, code], metadata=metadata)


def test_what_differs_from_machine_to_machine_is_gone(script):
    notebook = script.tidy(untidy())
    assert notebook.metadata.kernelspec == {
        "display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3",
    }  # fmt: skip
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert "version" not in str(notebook.metadata)
    prose, code = notebook.cells
    assert prose.metadata == {}
    assert code.metadata == {"tags": ["solution"], "jupyter": {"source_hidden": True}}
    assert code.outputs[-1].execution_count == code.execution_count == 4
    nbformat.validate(notebook)


def test_what_matters_is_kept(script):
    before, after = untidy(), script.tidy(untidy())
    for was, cell in zip(before.cells, after.cells, strict=True):
        assert (cell.id, cell.source, cell.cell_type) == (was.id, was.source, was.cell_type)
    texts = [(o.name, o.text) for o in after.cells[1].outputs if o.output_type == "stream"]
    assert texts == [("stdout", "1\n2\n"), ("stderr", "careful\n"), ("stdout", "after\n")]  # neighbours only
    assert after.cells[1].outputs[-1].data == {"text/plain": "3"}


def test_twice_is_the_same_as_once(script):
    once = script.tidy(untidy())
    assert script.tidy(copy.deepcopy(once)) == once


def test_files(tmp_path):
    path = tmp_path / "00_untidy.ipynb"
    path.write_text(nbformat.writes(untidy()) + "\n\n", encoding="utf-8")
    for wanted in ("tidied 00_untidy.ipynb\n", ""):  # the second time there is nothing to do
        done = subprocess.run([sys.executable, SCRIPT, path], capture_output=True, text=True, timeout=600)
        assert (done.returncode, done.stdout) == (0, wanted), done.stderr
    text = path.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_notebooks_are_tidy(script, path):
    text = path.read_text(encoding="utf-8")
    tidied = nbformat.writes(script.tidy(nbformat.reads(text, as_version=4))).rstrip("\n") + "\n"
    assert text == tidied, f"run: python tests/tidy_notebooks.py notebooks/{path.name}"


def test_make_notebooks_calls_it():
    assert "tests/tidy_notebooks.py" in (ROOT / "Makefile").read_text(encoding="utf-8")
