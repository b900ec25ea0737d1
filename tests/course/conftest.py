"""Tests leave no trace in the home of whoever runs them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    monkeypatch.setenv("VITEDU_PROGRESS", "off")
