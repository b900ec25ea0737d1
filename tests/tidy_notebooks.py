"""Bring executed notebooks into one form, so that a diff shows what changed and nothing else.

    python tests/tidy_notebooks.py [notebook ...]      (default: all of notebooks/)

Kept: the cells with their ids and tags, execution counts, outputs, sizes and alternative texts of pictures.  Dropped:
when it ran and how long it took, which Python ran it, what the editor remembered.  Running it twice changes nothing
more.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE_INFO = {  # without the version, which differs from machine to machine
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
PICTURE_METADATA = ("alt", "height", "width")
CELL_METADATA = ("jupyter", "tags")  # what readers and tests use: folded cells, tags


def tidy(notebook):
    """Tidy a notebook (as read by nbformat) in place, and return it."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO})
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # 4.5: cells have ids
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: cell.metadata[k] for k in CELL_METADATA if cell.metadata.get(k)})
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
                if "metadata" in output:
                    output.metadata = nbformat.from_dict(of_pictures(output.metadata))
    return notebook


def of_pictures(metadata) -> dict:
    """kind of picture -> how large it is on the page, and what it shows in words"""
    kept = {kind: {name: about[name] for name in PICTURE_METADATA if name in about}
            for kind, about in metadata.items() if kind.startswith("image/")}  # fmt: skip
    return {kind: about for kind, about in kept.items() if about}


def merge_streams(outputs):
    """One output for text that was printed in several goes; nothing printed between two others moves."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else None
        if output.output_type == "stream" and last and last.output_type == "stream" and last.name == output.name:
            last.text += output.text
        elif output.output_type != "stream" or output.text:
            merged.append(output)
    return merged


def tidy_file(path: Path) -> bool:
    """Tidy one file; True if that changed it."""
    before = path.read_text(encoding="utf-8")
    notebook = tidy(nbformat.reads(before, as_version=4))
    nbformat.validate(notebook)
    after = nbformat.writes(notebook).rstrip("\n") + "\n"
    if after != before:
        path.write_text(after, encoding="utf-8", newline="\n")
    return after != before


if __name__ == "__main__":
    for path in [Path(arg) for arg in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb")):
        if tidy_file(path):
            print(f"tidied {path.name}")
