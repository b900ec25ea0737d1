"""The site of `make lite` in a real browser, every other host blocked.  `make lite-test` builds it and runs this.

Its name does not begin with `test_`, so that `make test`, which builds nothing, leaves it out.  Seconds are printed,
not asserted: they are the machine's.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import threading
import time
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("VITEDU_LITE", ROOT / "public" / "lite"))
KERNELSPEC = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}

# What a student does first: an exercise with a mistake that its check names.
FIRST = """
import numpy as np

from vitedu import check


def my_attention(q, k, v):
    scores = q @ k.swapaxes(-1, -2)
    A = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return A / A.sum(axis=-1, keepdims=True) @ v


check.attention(my_attention)
"""

# The model is notebook 07's but for its patches, 4 x 4 in place of 2 x 2, and a block less: a browser has no BLAS.
DIGITS = """
import time
from dataclasses import replace

import vitedu_numpy as vn
from vitedu.data import load_digits

digits = load_digits()
model = vn.ViT(replace(vn.DIGITS_VIT, patch_size=4, depth=2), rng=0)
recipe = replace(vn.DIGITS_TRAINING, steps=800, warmup_steps=80)
begin = time.perf_counter()
vn.fit(model, digits.train_images, digits.train_labels, recipe)
accuracy = vn.evaluate(model, digits.test_images, digits.test_labels)
print(f"trained for {time.perf_counter() - begin:.0f} s, held-out accuracy {accuracy:.4f}")
"""

EVERYTHING = """
import matplotlib.pyplot as plt
from tqdm import tqdm

from vitedu import data, show

show.style()
show.side_by_side(__import__("vitedu_numpy").layers.attention.attention)
plt.imshow(data.load_photo("china", 96)[0].transpose(1, 2, 0) / 2 + 0.5)
plt.show()
for _ in tqdm(range(3)):
    pass
"""
WITH_TORCH = '# needs PyTorch\nimport torch\n\nprint("there is a torch")'


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Address of a copy of the site with three short notebooks beside its own, on a server that ends with the tests."""
    if not (SITE / "jupyter-lite.json").is_file():
        pytest.fail(f"{SITE} is not built: make lite")
    copy = tmp_path_factory.mktemp("site") / "lite"
    shutil.copytree(SITE, copy)
    short = {"first": [FIRST], "digits": [DIGITS], "everything": [EVERYTHING, WITH_TORCH, 'print("and", "on")']}
    listing = copy / "api" / "contents" / "all.json"
    contents = json.loads(listing.read_text(encoding="utf-8"))
    model = next(entry for entry in contents["content"] if entry["type"] == "file")
    for name, cells in short.items():
        cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNELSPEC), copy / "files" / f"{name}.ipynb")
        own = {"name": f"{name}.ipynb", "path": f"{name}.ipynb", "type": "notebook", "format": "json", "mimetype": None}
        contents["content"].append(model | own)
    listing.write_text(json.dumps(contents), encoding="utf-8")
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *arguments: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=copy.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/lite/"
    server.shutdown()
    server.server_close()


def run_all(page, address: str) -> float:
    """Open a notebook and run its cells; the time at which it was opened."""
    opened = time.monotonic()
    page.goto(address)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator(".lm-Menu").get_by_text("Run All Cells", exact=True).click()
    return opened


def test_a_check_answers(site, page, capsys):
    opened = run_all(page, f"{site}notebooks/index.html?path=first.ipynb")
    expect(page.locator(".jp-OutputArea-output")).to_contain_text("the scale is missing")
    with capsys.disabled():
        print(f"\nfirst verdict {time.monotonic() - opened:.1f} s after the page was opened")
    assert page.refused == []


def test_digits_are_learnt(site, page, capsys):
    """98 % natively and here, after the same 800 steps: above 95 % there is room for another order of a sum."""
    opened = run_all(page, f"{site}notebooks/index.html?path=digits.ipynb")
    output = page.locator(".jp-OutputArea-output").filter(has_text="held-out accuracy")
    expect(output).to_be_visible()
    with capsys.disabled():
        print(f"\n{output.inner_text().strip()}; {time.monotonic() - opened:.0f} s after the page was opened")
    assert float(re.search(r"accuracy ([\d.]+)", output.inner_text())[1]) > 0.95
    assert page.refused == []


def test_figures_sources_and_what_needs_pytorch(site, page, capsys):
    opened = run_all(page, f"{site}notebooks/index.html?path=everything.ipynb")
    outputs = page.locator(".jp-OutputArea-output")
    expect(outputs.filter(has_text="and on")).to_be_visible()
    with capsys.disabled():
        print(f"\nfirst figure {time.monotonic() - opened:.1f} s after the page was opened")
    assert page.locator(".jp-OutputArea-output img").count() == 1
    seen = "\n".join(outputs.all_inner_texts())
    assert "# vitedu_numpy/layers/attention.py" in seen
    assert "# vitedu/layers/attention.py" in seen
    assert "Skipped: this cell needs PyTorch" in seen
    for word in ("Traceback", "Warning", "there is a torch"):
        assert word not in seen
    assert page.refused == []


def test_the_first_page_leads_to_the_notebooks(site, page):
    page.goto(site)
    links = page.get_by_role("link")
    expect(links).to_have_count(8)
    links.first.click()
    expect(page.locator(".jp-Notebook")).to_contain_text("00 · Map")
    assert page.refused == []
