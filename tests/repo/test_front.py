"""The front page and what leads there: true numbers, a true picture, ways in that work."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import draw_reply
import pytest
import yaml

import vitedu
from vitedu.course.assignment import exercises, read_notebook

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ANYWHERE = (ROOT / "docs" / "anywhere.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_it_is_short():
    assert len(README.splitlines()) <= 150


def test_the_picture_shows_what_the_check_says():
    assert draw_reply.PICTURE.read_text(encoding="utf-8") == draw_reply.picture()
    said = " ".join(draw_reply.reply())
    assert "two mistakes" in said
    assert said.count("Hint") == 2


def test_every_notebook_stands_there_with_its_minutes():
    rows = dict(re.findall(r"\]\(notebooks/(\w+\.ipynb)\) \| (\d+) \|", README))
    found, asked = {}, []
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        (start,) = [text for c in cells if (text := "".join(c["source"])).startswith("## Before you start")]
        found[path.name] = re.search(r"(\d+) minutes", start).group(1)
        here = exercises(read_notebook(path))
        assert f"{sum(one.minutes for one in here)} minutes more for the exercises" in start
        assert 3 <= len(here) <= 8  # as the README says
        asked += here
    assert rows == found
    assert f"{round(sum(map(int, found.values())) / 60)} hours to read, and {len(asked)} exercises" in README
    assert f": {round(sum(one.minutes for one in asked) / 60)} hours more" in README


def test_the_commands_without_make_are_those_of_the_makefile():
    table = [line for line in ANYWHERE.splitlines() if line.startswith("|")]
    for extra in ("notebooks", "test"):
        assert "\n".join(table).count(f'-m pip install -c constraints.txt -e ".[{extra}]"') == 2
    lines = MAKEFILE.replace("--constraint", "-c").replace("--editable", "-e").replace("--quiet ", "")
    assert '-m pip install -c constraints.txt -e ".[$(1)]"' in lines
    for part in ("--nbval notebooks/", "--dist loadfile", "--ServerApp.root_dir=."):
        assert part in MAKEFILE
        assert "\n".join(table).count(part) == 2


def test_the_citation_can_be_read():
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert found["version"] == vitedu.__version__
    assert found["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= found.keys()  # what the format demands


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A Python that has the packages installed here but neither of ours: much like Colab's."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    there = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    # A folder named in a .pth file is searched for packages; .pth files in it, as that of our own, are not read.
    Path(there, "preinstalled.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.delenv("PYTHONPATH", raising=False)  # a copy of ours that the tests may have been started with
    missing = subprocess.run([python, "-c", "import vitedu"], cwd=folder, capture_output=True, text=True)
    assert "No module named 'vitedu'" in missing.stderr
    yield python
    monkeypatch.undo()


def test_colab_installs_in_one_cell(elsewhere, tmp_path):
    """The notebook's code, with this repository as the address."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    cells = json.loads((ROOT / "docs" / "colab.ipynb").read_text(encoding="utf-8"))["cells"]
    first, *others = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    first, changed = re.subn(r'(?<=REPOSITORY = ")[^"]+', ROOT.as_uri(), first)
    assert changed == 1
    (tmp_path / "cells.ipy").write_text("\n".join([first, *others]), encoding="utf-8")
    # IPython alone, as Colab's kernel does it; its own settings are not asked for.
    environment = dict(
        os.environ, IPYTHONDIR=str(tmp_path / "ipython"), PATH=f"{elsewhere.parent}:{os.environ['PATH']}"
    )
    command = [elsewhere, "-m", "IPython", "--no-banner", "--colors=NoColor", "cells.ipy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, env=environment)
    assert "division by the root of" in done.stdout, done.stdout + done.stderr


def test_binder_finds_every_package(elsewhere):
    """What repo2docker runs, but nothing is installed."""
    command = [elsewhere, "-m", "pip", "install", "--quiet", "--dry-run", "--requirement", "binder/requirements.txt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
