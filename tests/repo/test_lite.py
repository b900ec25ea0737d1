"""What `make lite` is built from, as far as it can be seen without building: nothing is downloaded here."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
LITE = ROOT / "lite"


@pytest.fixture(scope="module")
def build():
    """lite/build.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("lite_build", LITE / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_a_package_depends_on_is_there(build):
    names, own = set(build.LOCK["packages"]), {"comm", "tqdm", "vitedu"}
    for name, entry in build.LOCK["packages"].items():
        assert {re.sub(r"[-_.]+", "-", other).lower() for other in entry["depends"]} <= names, name
        assert re.fullmatch(r"[0-9a-f]{64}", entry["sha256"]), name
    settings = json.loads((LITE / "jupyter-lite.json").read_text())["jupyter-config-data"]["litePluginSettings"]
    (kernel,) = settings.values()
    assert kernel["disablePyPIFallback"] is True
    assert set(kernel["loadPyodideOptions"]["packages"]) <= names | own


def test_every_download_has_its_digest():
    for name in ("wheels.txt", "bundle.txt"):
        lines = [line for line in (LITE / name).read_text().splitlines() if not line.startswith("#")]
        assert lines
        for line in lines:
            assert re.fullmatch(r"[\w-]+==\S+ --hash=sha256:[0-9a-f]{64}", line), line


def test_a_file_that_is_not_pyodides_is_refused(build, tmp_path):
    """Whatever bundle it comes from, a folder, a wheel or a release: the digests decide."""
    names = [*build.LOCK["core"], *(entry["file_name"] for entry in build.LOCK["packages"].values())]
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"something else")
    with (
        zipfile.ZipFile(tmp_path / "bundle.whl", "w") as wheel,
        tarfile.open(tmp_path / "release.tar.bz2", "w:bz2") as tar,
    ):
        for name in names:
            wheel.write(folder / name, f"somebody/assets/pyodide/{name}")
            tar.add(folder / name, f"pyodide/{name}")
    for source in (folder, tmp_path / "bundle.whl", tmp_path / "release.tar.bz2"):
        assert build.reader(source)("pyodide.asm.wasm") == b"something else"
        with pytest.raises(SystemExit, match=r"is not the file of Pyodide 0\.27\.7"):
            build.copy_pyodide(source, tmp_path, tmp_path)


def test_the_notebooks_of_the_site(build, tmp_path):
    """They are the repository's; a link leads to what is there, or is a text."""
    build.copy_contents(tmp_path)
    names = {file.name for file in (tmp_path / "notebooks").iterdir()}
    assert sorted(name[:2] for name in names) == [f"{number:02d}" for number in range(8)]
    for name in names:
        ours, theirs = (nbformat.read(place / "notebooks" / name, as_version=4) for place in (ROOT, tmp_path))
        assert [c.source for c in ours.cells if c.cell_type == "code"] == [
            c.source for c in theirs.cells if c.cell_type == "code"
        ]
        for cell in theirs.cells:
            for target in re.findall(r"\]\(([^)\s]+)\)", cell.source if cell.cell_type == "markdown" else ""):
                assert re.match(r"[a-z]+:|#", target) or (tmp_path / "notebooks" / target).exists(), target
        assert [c.get("outputs") for c in ours.cells] == [c.get("outputs") for c in theirs.cells]
        cells = json.loads((tmp_path / "notebooks" / name).read_text(encoding="utf-8"))["cells"]
        stored = [output for cell in cells for output in cell.get("outputs", [])]
        assert not [
            o for o in stored if isinstance(o.get("text"), list) or list in map(type, o.get("data", {}).values())
        ]


def test_the_minute_is_a_notebook_and_a_script(build, tmp_path):
    """Here, without a browser, it takes seconds: the check names the mistake, the digits are learnt.

    Three seeds of this model reached 98 % and more; 95 % leaves room for another order of sums.
    """
    text = (LITE / "minute.py").read_text(encoding="utf-8")
    notebook = nbformat.from_dict(build.as_notebook(text))
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code"] * 3
    script = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    environment = os.environ | {"MPLBACKEND": "agg"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=600)
    assert "the division by the root of `Dh` is missing" in done.stdout, done.stderr
    assert float(re.search(r"([\d.]+) % of the 360", done.stdout)[1]) > 95
