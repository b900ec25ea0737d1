"""A page that reaches this machine only, for all tests here; the browser is in tests/conftest.py."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

PATIENCE = 300  # seconds until something counts as hanging, on a busy machine too
expect.set_options(timeout=1000 * PATIENCE)


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
