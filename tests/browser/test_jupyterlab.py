"""A notebook in a real JupyterLab, run in a real browser: what `make lab` and three clicks give a student."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from contrast import CONTRASTS
from playwright.sync_api import expect
from website import way
from website.lessons import Lesson

import vitedu_numpy
from vitedu.show import code

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "03_attention.ipynb"
PATIENCE = 300  # seconds, as for the page
LAB = [
    "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--KernelManager.transport=ipc",
    "--LabApp.extension_manager=readonly", "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
]  # fmt: skip
# What `make lab` says of folders and first pages.
LAB += re.findall(r"--\S+App\.\S+", re.search(r"^lab:.*\n(.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1])
SETTINGS = {
    # By default cells out of sight are not in the page; here all are.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the notebooks, with nothing printed in the one to run; the committed ones stay as they are."""
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    shutil.copy(ROOT / "NOTATION.md", folder.parent)
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    notebook = nbformat.read(folder / NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, folder / NOTEBOOK)
    return folder


@pytest.fixture(scope="module")
def lab(folder, tmp_path_factory):
    """(address, token) of a JupyterLab over `folder`'s parent.  It, and its kernels, end with the tests."""
    private = tmp_path_factory.mktemp("jupyter")  # nothing of the user's own Jupyter is read or changed
    for name, value in SETTINGS.items():
        file = private / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value), encoding="utf-8")
    places = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    places |= {f"JUPYTER_{kind}_DIR": kind.lower() for kind in ("CONFIG", "DATA")}
    environment = os.environ | {variable: str(private / name) for variable, name in places.items()}
    token = secrets.token_hex(16)
    # The token goes by environment: a command line can be read by everybody on the machine.
    environment["JUPYTER_TOKEN"] = token
    # The kernel's sockets are files there, and a socket's path may have a hundred letters at most.
    with tempfile.TemporaryDirectory(prefix="lab-") as runtime:
        environment["JUPYTER_RUNTIME_DIR"] = runtime
        server, address = start(folder.parent, environment, private / "log")
        try:
            yield address, token
        finally:
            server.terminate()
            try:
                server.wait(timeout=60)
            except subprocess.TimeoutExpired:
                server.kill()  # its kernels notice that it is gone, and end too
                server.wait()


def start(folder: Path, environment: dict, log: Path):
    """(process, address) of a server that answers.

    The system gives it a port; JupyterLab looks at it before it takes it, so that somebody may be quicker: once more.
    """
    command = [sys.executable, "-m", "jupyter", "lab", *LAB]
    for _ in range(5):
        with log.open("w") as stream:
            server = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
            )
        address = wait_for(server, Path(environment["JUPYTER_RUNTIME_DIR"]), environment["JUPYTER_TOKEN"])
        if address is not None:
            return server, address
        server.kill()
        server.wait()
        if "already in use" not in log.read_text(encoding="utf-8"):
            break
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')[-3000:]}")


def wait_for(server, runtime: Path, token: str) -> str | None:
    """The address that the server wrote down, once it answers; None if it ended or hangs."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        time.sleep(0.2)
        for file in runtime.glob(f"jpserver-{server.pid}.json"):
            try:
                address = json.loads(file.read_text(encoding="utf-8"))["url"]
                with opener.open(f"{address}api/status?token={token}", timeout=5):
                    return address
            except (OSError, ValueError):
                pass  # not complete, or not listening yet
    return None


def saved(folder: Path) -> list:
    """The notebook's code cells, as they are on disk; while the server writes it, the file is empty for a moment."""
    end = time.monotonic() + 10
    while (
        not (text := (folder / NOTEBOOK).read_text(encoding="utf-8")).rstrip().endswith("}") and time.monotonic() < end
    ):
        time.sleep(0.05)
    cells = nbformat.reads(text, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]


def menu(page, name: str, item: str) -> None:
    page.locator("#jp-MainMenu").get_by_text(name, exact=True).click()
    page.locator(".lm-Menu").get_by_text(item, exact=True).click()


def test_a_notebook_runs_in_jupyterlab(lab, folder, page):
    address, token = lab
    code = saved(folder)
    exercises, solutions = (sum(tag in c.metadata.get("tags", []) for c in code) for tag in ("exercise", "solution"))
    assert exercises > 0
    assert solutions > 0

    page.goto(f"{address}lab/tree/{folder.name}/{NOTEBOOK}?token={token}")
    status = page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle")
    expect(status).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)  # nobody is asked which kernel, nothing went wrong
    cells = page.locator(".jp-NotebookPanel .jp-CodeCell")
    expect(cells).to_have_count(len(code))
    folded = cells.filter(has=page.locator(".jp-InputPlaceholder"))
    expect(folded).to_have_count(solutions)

    menu(page, "View", "Expand All Code")  # a folded cell does not show its number
    menu(page, "Run", "Run All Cells")
    prompts = cells.locator(".jp-InputArea-prompt")
    expect(prompts).to_have_text([f"[{i + 1}]:" for i in range(len(code))])
    expect(status).to_be_visible()

    # What the student sees ...
    for kind in ("stderr", "error"):
        expect(page.locator(f'[data-mime-type="application/vnd.jupyter.{kind}"]')).to_have_count(0)
    seen = "\n".join(cells.locator(".jp-OutputArea-output").all_inner_texts())
    assert "Traceback" not in seen
    assert seen.count("still to do") >= exercises
    assert seen.count("right on all") >= solutions
    assert cells.locator(".jp-OutputArea-output img").count() > 0, "no figure is shown"
    assert page.refused == [], "the page wanted something from outside"

    # ... and what is on disk after saving.
    menu(page, "File", "Save Notebook")
    end = time.monotonic() + PATIENCE
    while not saved(folder)[-1].execution_count and time.monotonic() < end:
        page.wait_for_timeout(200)  # a plain sleep would hold up the page's requests as well
    cells = saved(folder)
    assert [cell.source for cell in cells] == [cell.source for cell in code]
    assert [cell.execution_count for cell in cells] == [i + 1 for i in range(len(cells))]
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


def test_the_first_page_is_the_map_and_its_links_open(lab, page):
    """The map's link to ../NOTATION.md leads out of the notebooks' folder."""
    address, token = lab
    page.goto(f"{address}?token={token}")
    expect(page.get_by_role("tab", name="00_map.ipynb")).to_be_visible()
    page.locator(".jp-NotebookPanel").get_by_role("link", name="NOTATION.md").first.click()
    expect(page.get_by_role("tab", name="NOTATION.md")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.refused == []


def test_a_line_leads_to_the_next_notebook_and_to_the_map(lab, folder, page):
    address, token = lab
    lessons = [Lesson.read(file) for file in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
    cells = [nbformat.v4.new_markdown_cell("# A notebook"), nbformat.v4.new_markdown_cell(way.line(lessons, 3))]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "line.ipynb")
    for name, there in ((lessons[4].title, "04_heads.ipynb"), ("Map", "00_map.ipynb")):
        page.goto(f"{address}lab/tree/{folder.name}/line.ipynb?token={token}")
        page.locator(".jp-NotebookPanel:visible").get_by_role("link", name=name).first.click()
        expect(page.get_by_role("tab", name=there)).to_be_visible()
    assert page.refused == []


SOURCES = """
import vitedu_numpy
from vitedu import show

show.source("vitedu.layers.patches")
show.side_by_side(vitedu_numpy.Linear)
show.side_by_side(vitedu_numpy.Block)
"""


def contrasts(page) -> dict[str, float]:
    """kind of text -> its lowest contrast, in all sources on the page"""
    lowest = {}
    for kind, ratio in page.locator(".vsrc :is(pre, small, span:not(.long))").evaluate_all(CONTRASTS):
        lowest[kind] = min(ratio, lowest.get(kind, 21))
    return lowest


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_shown_sources_are_readable(lab, folder, page, theme):
    """WCAG's 4.5 : 1 for every kind of word; nothing is wider than the page of 1280 pixels.

    Stored outputs of a notebook that has not been run here come without their style sheet: then all is as dark as text.
    """
    address, token = lab
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    cell = nbformat.v4.new_code_cell(SOURCES.strip())
    text = code._text(vitedu_numpy.Linear)
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": code.rendered(text, text)})]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), folder / "sources.ipynb")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{address}lab/tree/{folder.name}/sources.ipynb?token={token}")
    expect(page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
    page.locator("#jp-MainMenu").get_by_text("Settings", exact=True).click()
    page.locator(".lm-Menu").get_by_text("Theme", exact=True).click()
    page.locator(".lm-Menu").get_by_text(theme, exact=True).click()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    stored = contrasts(page)
    assert min(stored.values()) >= 4.5, stored

    sources = page.locator(".vsrc")
    end = time.monotonic() + PATIENCE
    while sources.count() < 3 and time.monotonic() < end:
        menu(page, "Run", "Run All Cells")
        with contextlib.suppress(AssertionError):
            expect(sources).to_have_count(3, timeout=60_000)
    found = contrasts(page)
    assert {f"span.{name}" for name in code.INKS} <= set(found)
    assert "span.vrow other other" in found
    assert {kind: ratio for kind, ratio in found.items() if ratio < 4.5} == {}
    colours = page.locator(".vsrc span").evaluate_all("spans => spans.map(span => getComputedStyle(span).color)")
    assert len(set(colours)) > len(code.INKS), "there are no colours"
    wider = "blocks => blocks.filter(block => block.scrollWidth > block.clientWidth).length"
    assert page.locator(".vsrc pre").evaluate_all(wider) == 0
    assert page.refused == []


MICROSCOPE = """
import numpy as np
import vitedu_numpy as vn
from vitedu import show

image = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8))
show.microscope(vn.ViT(vn.DIGITS_VIT, rng=0), image)
"""


def test_a_slider_moves_the_microscope(lab, folder, page):
    """ipywidgets' part in the browser is there, from this machine alone; a key on a slider draws another picture."""
    address, token = lab
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    cell = nbformat.v4.new_code_cell(MICROSCOPE.strip())
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), folder / "microscope.ipynb")
    page.goto(f"{address}lab/tree/{folder.name}/microscope.ipynb?token={token}")
    expect(page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
    picture = page.locator(".jp-OutputArea-output img.widget-image")
    end = time.monotonic() + PATIENCE
    while not picture.is_visible() and time.monotonic() < end:
        menu(page, "Run", "Run All Cells")  # on a busy machine JupyterLab was seen to lose the first one
        with contextlib.suppress(AssertionError):
            expect(picture).to_be_visible(timeout=60_000)
    expect(picture).to_be_visible()
    before = picture.get_attribute("src")
    page.get_by_role("slider").first.press("ArrowRight")  # block 0 -> block 1
    expect(picture).not_to_have_attribute("src", before)
    expect(page.locator(".widget-readout").first).to_have_text("1")
    assert page.refused == [], "the page wanted something from outside"
