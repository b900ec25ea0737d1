"""A real browser and a page in it, for all tests here.

Skipped only where no Chromium can be had: install the system's, or run `playwright install chromium`.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

PATIENCE = 300  # seconds until something counts as hanging, on a busy machine too
expect.set_options(timeout=1000 * PATIENCE)

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # its workers reach this machine only, too
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    own = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        if own is None and not Path(playwright.chromium.executable_path).is_file():
            pytest.skip("no Chromium found: install the system's, or run `playwright install chromium`")
        browser = playwright.chromium.launch(executable_path=own, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that reaches this machine only; `page.refused` lists what it wanted from elsewhere."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(1000 * PATIENCE)
    page.refused = []

    def refuse(route):
        page.refused.append(route.request.url)
        route.abort()

    page.route(re.compile(r"^(?!http://127\.0\.0\.1:|data:|blob:)"), refuse)
    yield page
    page.close()
