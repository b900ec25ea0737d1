"""A part of the site, built with every warning an error, and looked at in a browser that can reach nothing else.

The part is two notebooks, the code that they teach, all guides and indexes.  The same of the whole, once it is built:

    make site && VITEDU_SITE=build/site/html .venv/bin/python -m pytest tests/website/test_built.py
"""

from __future__ import annotations

import functools
import http.server
import os
import re
import subprocess
import sys
import threading
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the site is built with Python 3.11 or newer")
from axe_playwright_python.sync_playwright import Axe
from contrast import CONTRASTS
from playwright.sync_api import expect

from vitedu.show.code import INKS

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300_000  # milliseconds until something counts as hanging, on a busy machine too
expect.set_options(timeout=PATIENCE)

TOPS = "rows => rows.map(row => row.getBoundingClientRect().top)"
WHOLE = os.environ.get("VITEDU_SITE")
# Width and scheme: each once, and all four for the whole site, where time does not matter.
LOOKS = [(1280, "dark"), (390, "light"), *([(1280, "light"), (390, "dark")] if WHOLE else [])]
KINDS = ["index", "map", "notebooks/05_block", "paper", "api/layers/attention", "docs/scale"]
KINDS += (
    ["notebooks/03_attention", "symbols", "exercises", "DEVIATIONS", "api/index", "api/data/index"] if WHOLE else []
)


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The folder of a small site, or the one that was named."""
    if WHOLE:
        return Path(WHOLE).resolve()
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "website", "--only", "03", "05", "--out", str(out), "--jobs", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "docs")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


# ---- without a browser -----------------------------------------------------------------------------------------------


class Links(HTMLParser):
    """Targets of links, ids that can be linked to, and which links are those to the previous and next page."""

    def __init__(self, text: str):
        super().__init__()
        self.targets, self.ids, self.turns = [], set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes.get("id"), attributes.get("name")}
        for name in ("href", "src"):
            if attributes.get(name):
                self.targets.append(attributes[name])
        self.turns |= {"left-prev", "right-next"} & set((attributes.get("class") or "").split())


@functools.cache
def links(file: Path) -> Links:
    return Links(file.read_text(encoding="utf-8"))


def pages(html: Path) -> list[Path]:
    """All but the templates that the theme leaves in `_static`, and JupyterLite's."""
    return sorted(
        file for file in html.rglob("*.html") if not {"_static", "browser"} & set(file.relative_to(html).parts)
    )


def test_every_link_leads_somewhere(html):
    """Files and, where a link names one, the place on the page."""
    broken = []
    for page in pages(html):
        for target in links(page).targets:
            if re.match(r"[a-z][a-z+.-]*:|//", target):
                continue
            name, _, anchor = urllib.parse.unquote(target).partition("#")
            there = (page.parent / name.partition("?")[0]).resolve() if name else page
            there = there / "index.html" if there.is_dir() else there
            place = anchor and there.suffix == ".html" and there.name not in ("genindex.html", "search.html")
            if not there.is_file() or (place and anchor not in links(there).ids):
                broken.append(f"{page.relative_to(html)}: {target}")
    assert broken == []


def test_every_page_has_a_previous_and_a_next_one(html):
    ends = {"index.html": {"right-next"}, "genindex.html": set(), "py-modindex.html": set(), "search.html": set()}
    missing = []
    for page in pages(html):
        name = page.relative_to(html).as_posix()
        turns = ends.get(name, {"left-prev", "right-next"})
        if not turns <= links(page).turns:
            missing.append(name)
    assert len(missing) == 1, missing  # the last page has no next one


def test_nothing_is_asked_of_another_host_by_the_text_of_a_page(html):
    """Scripts, styles, fonts and pictures; links for readers may lead anywhere."""
    for page in pages(html):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']([^\"']+)", text)
        loaded += re.findall(r"<link\b[^>]*\bhref=[\"']([^\"']+)", text)
        assert [url for url in loaded if re.match(r"(?:https?:)?//", url)] == [], page


def test_the_notebook_is_there_to_be_downloaded(html):
    (file,) = html.glob("_downloads/*/03_attention.ipynb")
    assert file.read_bytes() == (ROOT / "notebooks" / "03_attention.ipynb").read_bytes()


# ---- in a browser ----------------------------------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(html):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def open_page(browser, address):
    """open_page(name, width, scheme): a page that reaches the site only; what it did wrong is in `page.faults`."""
    opened = []

    def open_(name: str, width: int = 1280, scheme: str = "light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened.append(page)
        page.set_default_timeout(PATIENCE)
        page.faults = []

        def refuse(route):
            page.faults.append(f"asked {route.request.url}")
            route.abort()

        page.route(re.compile(rf"^(?!{re.escape(address)}/|data:|blob:)"), refuse)
        page.on("response", lambda r: r.status >= 400 and page.faults.append(f"{r.status} {r.url}"))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(f"{address}/{name}.html")
        page.add_style_tag(content="* { transition: none !important }")  # colours that are on their way are no colours
        page.evaluate("window.MathJax?.startup?.promise")  # waits until formulas are typeset, where there are any
        return page

    yield open_
    for page in opened:
        assert page.faults == []
        page.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("name", KINDS)
def test_a_page_fits_and_is_accessible(open_page, name, width, scheme):
    """No page scrolls sideways, on a laptop or a telephone; axe finds nothing serious or critical."""
    page = open_page(name, width, scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
    # Without `preload`: axe would ask for the imports of style sheets, and at wrong addresses.
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [f"{v['id']}: {node['target']} {node['html'][:200]}" for v in serious for node in v["nodes"]] == []


def test_lines_of_code_fit_a_laptop(open_page):
    """They have up to 120 letters; a few blocks with the longest lines may scroll, no more."""
    page = open_page("notebooks/05_block", 1280)
    blocks = page.locator(".bd-article div.cell_input pre")
    cut = blocks.evaluate_all("all => all.map(p => p.scrollWidth > p.clientWidth)")
    assert len(cut) > 40
    assert sum(cut) <= len(cut) / 10


def test_formulas_are_typeset(open_page):
    """By the MathJax of the site itself; a formula that MathJax does not understand would be an mjx-merror."""
    page = open_page("notebooks/05_block")
    expect(page.locator("mjx-container").first).to_be_visible()
    assert page.locator("mjx-container").count() == page.locator(".math").count() > 20
    expect(page.locator("mjx-merror")).to_have_count(0)


def test_a_solution_is_folded_until_it_is_asked_for(open_page):
    page = open_page("notebooks/03_attention")
    folded = page.locator("details", has_text="Show the solution")
    assert folded.count() == 5
    solution = folded.first.get_by_text("solved_softmax").first
    expect(solution).not_to_be_visible()
    folded.first.locator("summary").first.click()
    expect(solution).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_shown_sources_are_readable(open_page, scheme, width):
    """WCAG's 4.5 : 1 for every kind of word, whatever theme is chosen; axe leaves out what it cannot compute."""
    page = open_page("notebooks/05_block", width, scheme)
    found = page.locator(".vsrc :is(pre, small, a, span:not(.long))").evaluate_all(CONTRASTS)
    assert {f"span.{name}" for name in INKS} - {"span.m", "span.nb"} <= {kind for kind, _ in found}
    assert {kind: ratio for kind, ratio in found if ratio < 4.5} == {}


def test_shown_twins_stand_side_by_side_where_they_fit(open_page):
    """Beside each other equal lines are at equal heights, and nothing reaches into the other column."""
    page = open_page("notebooks/05_block", width=2200)
    pairs = page.locator(".vsrc").filter(has=page.locator("[class^=fit]"))
    assert pairs.count() > 2
    for pair in pairs.all():
        left, right = (pair.locator("pre").nth(i).bounding_box() for i in range(2))
        assert left["y"] == right["y"], "they could stand beside each other"
        assert left["x"] + left["width"] < right["x"]
        tops = [pair.locator("pre").nth(i).locator(".vrow").evaluate_all(TOPS) for i in range(2)]
        assert tops[0] == tops[1]
    page.set_viewport_size({"width": 390, "height": 900})
    for pair in pairs.all():
        left, right = (pair.locator("pre").nth(i).bounding_box() for i in range(2))
        assert left["y"] < right["y"]
        assert left["width"] <= 390


def test_the_search_finds_a_notebook(open_page):
    page = open_page("search")
    page.goto(page.url + "?q=overflow+softmax")
    result = page.locator("#search-results").get_by_role("link", name="03 · Softmax and one attention head")
    expect(result.first).to_be_visible()
