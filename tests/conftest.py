"""What all tests share.  NumPy only: the gradient tests also run where PyTorch is not installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers for one test, the same at every run."""
    return np.random.default_rng(11929)


def _scramble(model, seed=0):
    rng = np.random.default_rng(seed)
    for _, p in model.named_parameters():
        size = rng.uniform(0.15, 0.85, p.value.shape)
        p.value[...] = size * rng.choice([-1, 1], p.value.shape)
    return model


@pytest.fixture
def scramble():
    """scramble(model, seed=0): give every parameter of a NumPy model a value that is neither 0 nor 1, and return it.

    First values such as 0 (biases) and 1 (layer norm) hide mistakes: whatever is multiplied by them is not seen.
    """
    return _scramble


def _fix_dropout(model, rates, seed=0):
    rng = np.random.default_rng(seed)
    drops = {name: module for name, module in model.named_modules() if type(module).__name__ == "Dropout"}
    for name, shape in rates.items():
        drops.pop(name).mask = rng.choice([0.0, 1.5, 2.5], shape)
    assert not drops, f"no mask was given for {list(drops)}"
    return model


@pytest.fixture
def fix_dropout():
    """fix_dropout(model, {name of a Dropout: shape}): set a mask on each, for a forward that is the same at every call.

    Kept values get two different factors, so that a gradient multiplied by another mask, or by none, shows.
    """
    return _fix_dropout


CHROMIUM = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # its workers reach this machine only, too
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    """A real browser.  Skipped only where no Chromium can be had."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    own = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        if own is None and not Path(playwright.chromium.executable_path).is_file():
            pytest.skip("no Chromium found: install the system's, or run `playwright install chromium`")
        browser = playwright.chromium.launch(executable_path=own, args=CHROMIUM)
        yield browser
        browser.close()
